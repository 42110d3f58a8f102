/*
 * pressure_private.h - what the files of pressure/ share. Nothing else includes it, except tests.
 *
 * Locks: listeners.lock (the registry), record_lock (the snapshot), orders.lock (cleanup.c), queue.lock (operation.c). Each is held
 * for a few instructions (the queue's for as long as it takes to look at what waits), no two at once, and never during a callback.
 * What a step works on (`step`, `state`, `reclaimer`) belongs to the thread that holds `stepping`. The ledger has no lock, see
 * reservation.c.
 */
#ifndef pressure__pressure_private_h
#define pressure__pressure_private_h

#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include "pressure/backoff.h"
#include "pressure/cleanup.h"
#include "pressure/gate.h"
#include "pressure/level.h"
#include "pressure/nap.h"
#include "pressure/notice.h"
#include "pressure/operation.h"
#include "pressure/refill.h"

/* --- listeners.c --- */

typedef struct st_pressure_listeners_t {
    pthread_mutex_t lock;
    pthread_cond_t idle; /* a listener has returned */
    pressure_registration_t *first;
    uint64_t last_id;
    pthread_t runner;              /* valid while any registration is running */
    _Atomic(const char *) running; /* the name of that one, or NULL; without the lock */
} pressure_listeners_t;

int pressure_listeners_init(pressure_listeners_t *listeners);
void pressure_listeners_dispose(pressure_listeners_t *listeners);

typedef struct st_pressure_told_t {
    uint64_t bytes_freed, objects_freed;
    int unfinished; /* a listener had more to do when the time was up */
    int failed;     /* a listener failed */
} pressure_told_t;

/**
 * tells each level of the set (bits 1u << level), ascending, to every listener that was registered before the call. Fills in
 * event->level, final_level and deadline_ms. One caller at a time.
 */
pressure_told_t pressure_listeners_broadcast(pressure_listeners_t *listeners, const pressure_config_t *config, unsigned levels,
                                             pressure_event_t *event);

typedef struct st_pressure_survey_t {
    pressure_level_t event_level; /* of which event it is asked what could still be evicted */
    int set_limits;
    pressure_refill_facts_t facts; /* for set_limits; but for those of each listener */
    uint64_t now_ms;
    uint64_t bytes, evictable_bytes; /* out: sums */
    int unknown;                     /* out: a listener cannot tell what is evictable */
} pressure_survey_t;

/**
 * asks all listeners what they hold, and sets their limits if asked to. One caller at a time, the same as for a broadcast.
 */
void pressure_listeners_survey(pressure_listeners_t *listeners, const pressure_tuning_t *tuning, pressure_survey_t *survey);

/* --- reservation.c --- */

/**
 * what the last good sample says of the ledger; settled_bytes is explained in reservation.c
 */
typedef struct st_pressure_reading_t {
    uint64_t resident_bytes, settled_bytes, base_bytes;
    uint64_t reserved_bytes, kept_bytes; /* the ledger as it was just before the sample */
} pressure_reading_t;

typedef struct st_pressure_ledger_t {
    /* sums since the start; what is reserved now is granted - released */
    _Atomic uint64_t granted_bytes, released_bytes, kept_bytes;
    _Atomic uint64_t class_bytes[PRESSURE_NUM_CLASSES];
    _Atomic uint64_t num_granted, num_refused;
    /* readings published so far; 0: none. The last one is in slots[num_readings % 2] */
    _Atomic uint64_t num_readings;
    struct {
        _Atomic uint64_t resident_bytes, settled_bytes, base_bytes, reserved_bytes, kept_bytes;
    } slots[2];
} pressure_ledger_t;

/**
 * pure: the upper bound of the resident set for a reading and a ledger
 */
uint64_t pressure_committed_bytes(const pressure_reading_t *reading, uint64_t reserved_bytes, uint64_t kept_bytes);
/**
 * pure: the reading that follows `last` (NULL: the first one). The ledger's sums are those from just before the sample.
 */
pressure_reading_t pressure_next_reading(const pressure_reading_t *last, uint64_t resident_bytes, uint64_t reserved_bytes,
                                         uint64_t kept_bytes);
/**
 * how many bytes a reservation of `bytes` is away from being granted; 0: none
 */
uint64_t pressure_shortage_bytes(pressure_t *pressure, uint64_t bytes);
/**
 * whether a reservation would be granted now; counts and kicks nothing
 */
int pressure_looks_grantable(pressure_t *pressure, uint64_t bytes);
/**
 * pressure_want_room() without the kick
 */
void pressure_note_wish(pressure_t *pressure, uint64_t bytes);
/**
 * takes a sample and publishes it to the ledger. Returns 0 or -1 (the sample failed, nothing is changed). One caller at a time.
 */
int pressure_ledger_sample(pressure_ledger_t *ledger, const pressure_config_t *config, pressure_sample_t *sample);

/* --- sample.c, auto_budget.c --- */

/**
 * pure: what of the budget a sample says is in use
 */
uint64_t pressure_reading_of(const pressure_sample_t *sample, uint64_t budget_bytes);

/**
 * the resident set, in pages, from the text of a statm file. Returns 0 or -1.
 */
int pressure_parse_statm(const char *text, size_t len, uint64_t *pages);
/**
 * decimal digits, as many as there are. Returns their number, or 0 if there is none or the value does not fit.
 */
size_t pressure_parse_digits(const char *text, size_t len, uint64_t *value);

/* --- operation.c, reconcile.c --- */

#define PRESSURE_QUEUE_BUCKETS 256

typedef struct st_pressure_queue_t {
    pthread_mutex_t lock; /* guards the rest */
    pressure_link_t turns, waiting, granted;
    pressure_operation_t *buckets[PRESSURE_QUEUE_BUCKETS];
    pressure_route_t *routes; /* all that were added */
    int closed;
    pressure_queue_snapshot_t record; /* but for drain_bytes_per_s */
    pressure_drain_t drain;
    uint64_t reconciled_ms;
    int64_t class_difference[PRESSURE_NUM_CLASSES]; /* found by the last reconciliation */
} pressure_queue_t;

/* the owner of a link of a list of operations */
#define PRESSURE_OPERATION_OF(link, field) ((pressure_operation_t *)(void *)((char *)(link)-offsetof(pressure_operation_t, field)))

/**
 * returns 0 or an errno
 */
int pressure_queue_init(pressure_queue_t *queue);
void pressure_queue_dispose(pressure_queue_t *queue);
/**
 * grants what fits, turns away what has waited for too long, and reconciles when that is due. For each step, after its sample.
 * Returns the milliseconds until it has to be called again at the latest.
 */
uint64_t pressure_run_queue(pressure_t *pressure, uint64_t now_ms);
/**
 * compares what is counted with the operations that exist, if that is due. Returns the milliseconds until it is due again.
 */
uint64_t pressure_reconcile(pressure_t *pressure, uint64_t now_ms);
/* --- reclaim.c --- */

/**
 * what the reclaims of the past leave to those to come; belongs to the thread that holds `stepping`
 */
typedef struct st_pressure_reclaimer_t {
    uint64_t wish_ms;                      /* when the last wish for room was granted */
    uint64_t told_ms[PRESSURE_NUM_LEVELS]; /* when the last reclaim for this event was over */
    int unfinished;                        /* the last one ran out of its time */
    int shrunk;                            /* there was an episode since the last survey */
    pressure_backoff_t backoff;
    pressure_gate_t gate;
} pressure_reclaimer_t;

#define PRESSURE_MARKS_WITH_EVENT                                                                                                  \
    (1u << PRESSURE_ELEVATED | 1u << PRESSURE_HIGH | 1u << PRESSURE_CRITICAL | 1u << PRESSURE_EMERGENCY)
/**
 * what a reading leads to, once its level is published: the events of the marks that it crossed (bits 1u << level, of
 * PRESSURE_MARKS_WITH_EVENT), or the repetition of one, or the grant of a wish for room
 */
void pressure_reclaim(pressure_t *pressure, unsigned crossed, uint64_t reading_bytes, uint64_t now_ms);
/**
 * after a step: asks the listeners what they hold, sets their limits, and writes down the sums
 */
void pressure_survey(pressure_t *pressure);

/**
 * after each step, whether or not its sample was good: carries out what was ordered (cleanup.h), or a part of it
 */
void pressure_reclaim_ordered(pressure_t *pressure, uint64_t now_ms);

/* --- cleanup.c --- */

/* who waits for the cleanup that carries out an order, on its own stack */
typedef struct st_pressure_order_t {
    uint64_t number;
    int is_done;
    pressure_cleanup_t *cleanup; /* of that one, as a later one may be over before who waits is awake */
    struct st_pressure_order_t *next;
} pressure_order_t;

typedef struct st_pressure_orders_t {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint64_t given, carried_out; /* orders; these and `waiting` under the lock */
    pressure_order_t *waiting;
    /* the rest belongs to the thread that holds `stepping` */
    uint64_t number; /* of the newest order that is being carried out; 0: none is */
    unsigned num_parts;
    pressure_cleanup_t under_way; /* or the last one, if none is */
} pressure_orders_t;

/**
 * returns 0 or an errno
 */
int pressure_orders_init(pressure_orders_t *orders);
void pressure_orders_dispose(pressure_orders_t *orders);
/**
 * whether there is anything to carry out
 */
int pressure_orders_begin(pressure_orders_t *orders);
/**
 * adds a part, and tells those who wait if it was the last. Returns whether it was.
 */
int pressure_orders_add(pressure_orders_t *orders, const pressure_reclaim_t *part);

/* --- pressure.c, step.c --- */

struct st_pressure_t {
    struct st_pressure_public_t public; /* first: pressure_level() reads it */
    pressure_config_t config;
    pressure_level_rules_t rules;
    uint64_t mark_bytes[PRESSURE_NUM_LEVELS];

    /* on lines of its own: a grant must not slow down the readers of the level */
    alignas(64) pressure_ledger_t ledger;

    alignas(64) pressure_listeners_t listeners;

    alignas(64) pressure_queue_t queue;

    pressure_orders_t orders;

    _Atomic uint64_t wanted_bytes; /* the largest wish for room since the last step */

    _Atomic uint64_t steps_ended; /* the heartbeat that the watchdog listens to */

    atomic_flag stepping;
    pressure_level_state_t state;
    pressure_reclaimer_t reclaimer;
    struct {
        uint64_t good_ms; /* of the last good sample */
        int failing;      /* the last sample failed */
        int stale;        /* ... and so did all others for stale_after_ms */
    } step;

    pthread_mutex_t record_lock;
    pressure_snapshot_t record; /* written under record_lock by the thread that holds `stepping` */

    pressure_nap_t nap;
    atomic_int stop;
    int has_thread;
    pthread_t thread;
};

/**
 * the coordinator's level, whoever stands in for it
 */
static inline pressure_level_t pressure_own_level(const pressure_t *pressure)
{
    return (pressure_level_t)atomic_load_explicit(&pressure->public.level, memory_order_relaxed);
}
/**
 * has `level` count instead of the coordinator's own, or, with is_on = 0, no longer. The watchdog alone does so.
 */
void pressure_stand_in(pressure_t *pressure, int is_on, pressure_level_t level);
int pressure_is_stood_in(const pressure_t *pressure);
/**
 * samples, for the ledger and for the snapshot. Returns 0 or -1. Only while holding `stepping`, or before anyone else can.
 */
int pressure_take_sample(pressure_t *pressure, uint64_t *reading_bytes);
/**
 * one line for the operator
 */
__attribute__((format(printf, 2, 3))) void pressure_say(pressure_t *pressure, const char *format, ...);
void pressure_say_level(pressure_t *pressure, uint64_t reading_bytes, const char *rest);
/**
 * tells the program; fills in what the snapshot knows. Coordinator's thread.
 */
void pressure_notify(pressure_t *pressure, pressure_notice_t notice);
unsigned pressure_percent_of_budget(const pressure_t *pressure, uint64_t bytes);
/**
 * starts a thread with all signals blocked. Returns 0, or -1 (errno of pthread_create).
 */
int pressure_start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
/**
 * milliseconds since *then_ms. A clock that was set back makes it start anew instead of lasting for ages.
 */
uint64_t pressure_elapsed_ms(uint64_t *then_ms, uint64_t now_ms);
/**
 * pure: the time until the next step
 */
uint64_t pressure_period_ms(const pressure_tuning_t *tuning, uint64_t reading_bytes, uint64_t budget_bytes, pressure_level_t level);

#endif
