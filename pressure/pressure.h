/*
 * pressure.h - the coordinator: watches the memory in use against a budget, publishes a level, tells every cache to shrink in time,
 * and grants memory before it is allocated.
 *
 * Levels (fractions of the budget; all of them settings, here as they come)
 *   normal < elevated 70 % < degraded 75 % < high 80 % < critical 90 % < emergency 95 %
 *   Up at the first sample that reaches a mark. Down only when the reading is `down_gap` below the mark of the present level, and
 *   stayed so for a dwell; then to the highest level seen in the dwell. See level.h, where this is a pure function.
 *
 * Events: crossing elevated, high, critical or emergency upwards broadcasts that event once per generation, ascending, to all
 * listeners in the order of (phase, registration). The level is published before the first listener runs, so that admission and
 * the front filter change first. A listener works in slices of time (event->deadline_ms) and is called again until it is done. If
 * the listeners of a generation released something, or emergency was crossed, the allocator is purged once (`config.purge`), the
 * resident set is sampled again, and the outcome is kept (pressure_snapshot_t.last_reclaim) and judged (backoff.h).
 * A level that persists is acted on again: the highest event whose mark the reading still reaches is repeated (a generation of its
 * own) when the last reclaim is complete, a pause has passed since (config.tuning.repeat_..._ms) and something is evictable. One
 * that ran out of its time goes on in the next step, without a pause.
 * Degraded is published, but has no event. What the head of the queue lacks (operation.h) is asked for in a generation of its own,
 * too: one event, at the level of elevated, that names the bytes. It is not counted as a crossing.
 *
 * A reading is what counts against the budget, in bytes: the resident set, or the part of its limit that the process's memory
 * cgroup uses, taken of the budget, whichever is more (pressure_reading_of()). `resident` below means this, except where a record
 * is to say what really went. Readings: a failed one keeps the last value and breaks a dwell. Without a good one for
 * `tuning.stale_after_ms` the published level is one higher, but not above high (a broken meter alone must not shut the service),
 * until the next good one. Listeners are not called then: an eviction whose effect nobody can read has no end.
 *
 * Reservations: memory-hungry work asks before it allocates, frees what it allocated, and then releases. The ledger is a
 * compare-and-swap per grant; a grant is given only below critical, and only if
 *     max(last reading + what is reserved more than at that reading,
 *         settled + released source bytes since that reading + all that is reserved) + bytes
 * stays at or below the mark of `high`. `settled` is an upper bound of what belongs to no reservation; it makes the sum an upper
 * bound of the resident set even if every reserved page is yet to be touched. When that holds, and how far it can be off, is said
 * in reservation.c. Before the first good reading nothing is granted.
 *
 * Threads: the coordinator has one thread of its own, which samples, runs the listeners and purges. Every other function may be
 * called from any thread, unless it says otherwise. pressure_level() takes no lock. pressure_reserve(), _resize() and _release()
 * take none either, though the first kick since the last step is a system call; a reservation kicks only when it is refused for
 * now or when the sum above reaches a further mark.
 */
#ifndef pressure__pressure_h
#define pressure__pressure_h

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "pressure/tuning.h"

typedef enum en_pressure_level_t {
    PRESSURE_NORMAL,
    PRESSURE_ELEVATED,
    PRESSURE_DEGRADED,
    PRESSURE_HIGH,
    PRESSURE_CRITICAL,
    PRESSURE_EMERGENCY,
    PRESSURE_NUM_LEVELS
} pressure_level_t;

/**
 * what a reservation is for, which says what becomes of its bytes at pressure_release(). SOURCE: bytes as fetched; they may live
 * on, in a cache, and are taken to do so until a reading shows otherwise. DECODE: scratch memory; all of it was freed before the
 * release. Shrink a reservation (pressure_resize) to what will really stay before it is released.
 */
typedef enum en_pressure_class_t { PRESSURE_CLASS_SOURCE, PRESSURE_CLASS_DECODE, PRESSURE_NUM_CLASSES } pressure_class_t;

enum { PRESSURE_OK = 0, PRESSURE_NOT_NOW = -1 /* ask again later */, PRESSURE_NEVER = -2 /* cannot fit into this budget, ever */ };

/**
 * one look at the memory in use. The group is the memory cgroup, of those that limit this process, which is nearest to its limit;
 * its working set is what cannot be taken back by dropping page cache.
 */
typedef struct st_pressure_sample_t {
    uint64_t resident_bytes;                 /* of this process */
    uint64_t group_bytes, group_limit_bytes; /* working set and limit; 0, 0: nothing limits it, or nobody looked */
} pressure_sample_t;

/**
 * takes a sample. Returns 0, or -1 (a failed one never counts as zero, see above). *sample is zeroed before the call.
 * Called by pressure_create(), and then by one thread at a time.
 */
typedef int (*pressure_sample_cb)(void *ctx, pressure_sample_t *sample);

struct st_pressure_notice_t; /* notice.h */

typedef struct st_pressure_config_t {
    uint64_t budget_bytes;
    unsigned mark_permille[PRESSURE_NUM_LEVELS]; /* [PRESSURE_NORMAL] is 0; never descending, at most 1000 */
    unsigned down_gap_permille;                  /* 50 */
    uint64_t dwell_ms, dwell_critical_ms;        /* 5000, 10000 */
    /* of operations, see operation.h */
    uint64_t max_operations;                 /* that are granted at the same time; UINT64_MAX */
    uint64_t max_waiting, max_waiting_bytes; /* in the queue; one may always wait if max_waiting is not 0. UINT64_MAX */
    uint64_t reconcile_period_ms;            /* 10000 */
    unsigned operation_classes;              /* bits 1u << class: all reservations of the class belong to operations; 0 */
    pressure_tuning_t tuning;                /* all other numbers */
    pressure_sample_cb sample;               /* pressure_meter_sample (meter.h), or a test's own */
    void *sample_ctx;
    uint64_t (*now_ms)(void);              /* a monotonic clock; the thread's own nap uses CLOCK_MONOTONIC */
    const struct st_pressure_wake_t *wake; /* reasons to sample at once (wake.h); open until the destruction; NULL: none */
    /**
     * gives free heap pages back to the system. Returns about how many bytes it had to give, 0: too little, nothing was done. Once
     * per episode, coordinator's thread only; may be NULL.
     */
    uint64_t (*purge)(void *ctx);
    void *purge_ctx;
    /**
     * one line for the operator at each change of level, each reclaim, each failure; may be NULL. Coordinator's thread.
     */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
    /**
     * the same in numbers (notice.h); may be NULL. Coordinator's thread.
     */
    void (*notify)(void *ctx, const struct st_pressure_notice_t *notice);
    void *notify_ctx;
} pressure_config_t;

typedef struct st_pressure_event_t {
    uint64_t generation;          /* grows by one with each step that caused events */
    pressure_level_t level;       /* the mark that was crossed: ELEVATED, HIGH, CRITICAL or EMERGENCY */
    pressure_level_t final_level; /* the highest event of this generation, which comes last: work that it does anyway may wait */
    uint64_t resident_bytes, budget_bytes;
    uint64_t wanted_bytes; /* 0, or: no mark was crossed, the queue lacks this much; level is ELEVATED then */
    uint64_t deadline_ms;  /* by the coordinator's clock: return about then, with PRESSURE_MORE if something is left to do */
} pressure_event_t;

/**
 * how a call of a listener ended. MORE: the time was up; it is called again for the same event after all others had their turn,
 * as long as it makes progress and the episode lasts. FAILED: it could not release what it should have.
 */
typedef enum en_pressure_status_t { PRESSURE_DONE, PRESSURE_MORE, PRESSURE_NOTHING_LEFT, PRESSURE_FAILED } pressure_status_t;

typedef struct st_pressure_result_t {
    uint64_t bytes_freed, objects_freed;
    pressure_status_t status;
} pressure_result_t;

typedef struct st_pressure_usage_t {
    uint64_t bytes, capacity_bytes;
    uint64_t pinned_bytes;    /* beside `bytes`: what was released and is still in use */
    uint64_t evictable_bytes; /* what an event of the level that is asked about could still release */
} pressure_usage_t;

/**
 * a listener: called on the coordinator's thread with no lock of the coordinator held. Must not block on a thread that waits for
 * the coordinator. Must tolerate being asked when it has nothing to give.
 * One that is registered during a broadcast hears the next one.
 */
typedef struct st_pressure_listener_t {
    const char *name; /* kept by reference */
    int phase;        /* lower runs first */
    pressure_result_t (*on_event)(void *ctx, const pressure_event_t *event);
    void *ctx;
    /**
     * what is held; may be NULL: counts as nothing held, and as something that may always be evicted again. Called in every step:
     * without a lock, a few nanoseconds.
     */
    void (*usage)(void *ctx, pressure_level_t level, pressure_usage_t *usage);
    /**
     * bounds growth and frees nothing; may be NULL, and needs usage(). See refill.h for when it is called with what; the limit at
     * first is the capacity.
     */
    void (*set_limit)(void *ctx, uint64_t bytes);
} pressure_listener_t;

/**
 * what became of the calls of one listener since it was registered. Slow: longer than twice config.tuning.listener_slice_ms.
 */
typedef struct st_pressure_listener_record_t {
    const char *name;
    uint64_t calls, bytes_freed, objects_freed, slow_calls, failures, last_ms, longest_ms;
    struct {
        uint64_t generation, at_ms; /* 0, 0: it was not called yet; at the end of the call */
        pressure_level_t level;     /* the event */
        pressure_result_t result;
    } last_call;
    pressure_usage_t usage; /* what it said at the end of the last step, for the level of that step; all zero: nothing */
} pressure_listener_record_t;

typedef struct st_pressure_registration_t pressure_registration_t;
typedef struct st_pressure_t pressure_t;

typedef struct st_pressure_reclaim_t {
    uint64_t generation, at_ms, duration_ms;              /* at its end; from the sample before to the sample after */
    pressure_level_t level;                               /* the highest event of the generation */
    uint64_t claimed_bytes, objects;                      /* as the listeners say */
    uint64_t resident_before_bytes, resident_after_bytes; /* the same if the sample after failed */
    uint64_t purged_bytes;                                /* what the purge says it had to give */
    int unfinished;                                       /* the time was up; it goes on in the next step */
} pressure_reclaim_t;

typedef struct st_pressure_snapshot_t {
    pressure_level_t level;
    uint64_t budget_bytes, resident_bytes, peak_resident_bytes;
    uint64_t group_bytes, group_limit_bytes; /* as in the last good sample */
    uint64_t reading_bytes;                  /* what the level goes by */
    uint64_t reserved_bytes[PRESSURE_NUM_CLASSES], reserved_total_bytes;
    uint64_t reservations_granted, reservations_refused;
    uint64_t failed_in_row;           /* samples that failed since the last good one */
    uint64_t samples, failed_samples; /* at the creation, one per step, one after each reclaim; `samples` are the good ones */
    uint64_t generations, events[PRESSURE_NUM_LEVELS]; /* repeated ones included */
    uint64_t repeats[PRESSURE_NUM_LEVELS];             /* those of them that repeat a level */
    uint64_t event_ms[PRESSURE_NUM_LEVELS];            /* when the last one was told; 0: never */
    uint64_t level_since_ms;
    pressure_reclaim_t last_reclaim; /* all zero: none yet */
    /* how reclaims fare; the bytes are as of the last step */
    uint64_t accounted_bytes; /* held by listeners, or reserved */
    uint64_t residual_bytes;  /* the resident set less that: what nobody accounts for */
    uint64_t evictable_bytes; /* what an event of the present level could still release */
    uint64_t reclaims, poor_reclaims, unfinished_reclaims;
    uint64_t skipped_reclaims; /* repetitions left out because nothing was evictable */
    uint64_t backoff_ms;       /* the pause while ineffective */
    int ineffective;           /* see backoff.h */
    int gate_released;         /* the level would be critical or worse, but high is published, see gate.h */
} pressure_snapshot_t;

/**
 * fills in the defaults named above; budget, sample, now_ms are left to the caller
 */
void pressure_config_init(pressure_config_t *config);
/**
 * returns a sentence that names what is wrong with the numbers, or NULL if nothing is
 */
const char *pressure_config_check(const pressure_config_t *config);
/**
 * copies the config, takes the first sample (the level stays normal until the first step). sample and now_ms must be set. Returns
 * NULL if pressure_config_check() has something to say (EINVAL) or if there is no memory for it (ENOMEM).
 */
pressure_t *pressure_create(const pressure_config_t *config);
/**
 * stops the thread if it runs, and frees; sets *pressure to NULL. No reservation and no registration may be left. *pressure may be
 * NULL. Not from a listener.
 */
void pressure_destroy(pressure_t **pressure);
/**
 * starts the coordinator's thread, at most once, with all signals blocked. Returns 0 or -1 (errno of pthread_create). A process
 * that forks must do so before.
 */
int pressure_start(pressure_t *pressure);
/**
 * one step: sample, decide, publish, tell. What the thread does each period; for tests that have no thread. Returns the
 * milliseconds until the next step is due, which are fewer the nearer the budget is (config.tuning); while the level is above
 * normal or the reading failed, at most period_warm_ms. While another thread is in a step it returns at once.
 */
uint64_t pressure_step(pressure_t *pressure);
/**
 * wakes the coordinator for a step now; cheap and without a lock, from any thread
 */
void pressure_kick(pressure_t *pressure);

/**
 * the level as of the last sample, or the one that the watchdog has put in its place (watchdog.h): two relaxed loads of one line
 */
static inline pressure_level_t pressure_level(const pressure_t *pressure);

/**
 * copies *listener. Returns 0, or -1 (no memory; *registration is NULL).
 */
int pressure_register(pressure_t *pressure, const pressure_listener_t *listener, pressure_registration_t **registration);
/**
 * after the return the listener is not running and will not be called again; *registration is NULL. May be called with any lock
 * held that this listener itself does not take. A listener must not unregister itself; another one it may.
 */
void pressure_unregister(pressure_t *pressure, pressure_registration_t **registration);

/**
 * asks for `bytes`. PRESSURE_OK: they are reserved until pressure_release(). PRESSURE_NOT_NOW: the mark of `high`, or a level from
 * critical on, is in the way (the coordinator is kicked; ask again later). PRESSURE_NEVER: bytes plus base_bytes exceed the mark of
 * `high` even if all caches were empty, where base_bytes is the smallest resident set seen since the start.
 */
int pressure_reserve(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes);
/**
 * the largest reservation that is not answered with PRESSURE_NEVER
 */
uint64_t pressure_largest_bytes(pressure_t *pressure);
/**
 * changes a reservation. Growing may be refused as above (the old one stays; NEVER refers to new_bytes); shrinking always works,
 * and means that the difference was freed or will not be allocated.
 */
int pressure_resize(pressure_t *pressure, pressure_class_t resource_class, uint64_t old_bytes, uint64_t new_bytes);
/**
 * gives back what is left of a reservation. More than is reserved in the class is a bug of the caller and asserted.
 */
void pressure_release(pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes);

/**
 * says that a reservation of `bytes` was refused for now and is still wanted, by somebody who will ask again: operations say so
 * themselves. The coordinator's next step asks the listeners for what is missing (event->wanted_bytes), unless running operations
 * hold more of it than they could give, purges the allocator and samples. Of several wishes the largest counts. Without a lock but
 * for the kick; never fails, promises nothing.
 */
void pressure_want_room(pressure_t *pressure, uint64_t bytes);

void pressure_get_snapshot(pressure_t *pressure, pressure_snapshot_t *snapshot);
/**
 * fills in the records of the first `max` listeners in the order in which they are called. Returns how many that were.
 */
size_t pressure_get_listener_records(pressure_t *pressure, pressure_listener_record_t *records, size_t max);
const char *pressure_level_name(pressure_level_t level);

/**
 * the smallest of the limits on this process's own cgroup chain (v1, v2, hybrid), in bytes; 0: there is none. What cannot be read
 * is no limit.
 * @param proc_root,sys_root "/proc" and "/sys/fs/cgroup"; parameters for tests
 */
uint64_t pressure_group_limit(const char *proc_root, const char *sys_root);
/**
 * 95 % of a limit: the rest is for what the process cannot count, such as the kernel's memory for its sockets
 */
uint64_t pressure_budget_below(uint64_t limit_bytes);
/**
 * `auto`: 95 % of the smaller of physical memory and pressure_group_limit(). Returns 0 if there is no limit at all.
 * @param physical_bytes of the machine; 0: not known
 */
uint64_t pressure_auto_budget(const char *proc_root, const char *sys_root, uint64_t physical_bytes);

/* below this line: what the inline function needs */
struct st_pressure_public_t {
    _Atomic int level;
    _Atomic int stand_in; /* 0, or 1 + the level that the watchdog has set instead */
};
static inline pressure_level_t pressure_level(const pressure_t *pressure)
{
    const struct st_pressure_public_t *public = (const void *)pressure;
    int stand_in = atomic_load_explicit(&public->stand_in, memory_order_relaxed);

    return (pressure_level_t)(stand_in != 0 ? stand_in - 1 : atomic_load_explicit(&public->level, memory_order_relaxed));
}

#endif
