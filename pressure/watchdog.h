/*
 * watchdog.h - checks from outside of it that the coordinator lives, and that what critical and emergency are for was really done.
 *
 * It has a thread, a source of samples and level machine of its own, and takes no lock that the coordinator holds during a
 * callback: a coordinator that hangs in a listener, or in a read, does not stop it.
 *
 *   the coordinator has ended no step for deadline_ms      it hangs: the watchdog's own level stands in for the published one, both
 *                                                          up and down, so that the front filter and admission go on to work; at
 *                                                          emergency, and each deadline_ms while that lasts, flush() is run
 *   it steps, but deadline_ms after the watchdog's reading its level was not told: the level stands in, as above. A level of high
 *   reached critical (emergency) that event was not told,  suffices where a gate that nothing else would open was released
 *   or less than high is published
 *   it steps again (and tells)                             its own level counts again at once
 *   an event of critical or emergency was told             a line that says what came of it
 *
 * What it says is limited: the same is said once per PRESSURE_WATCHDOG_QUIET_MS, unless it is about a higher level than the last.
 */
#ifndef pressure__watchdog_h
#define pressure__watchdog_h

#include "pressure/level.h"
#include "pressure/notice.h"

#define PRESSURE_WATCHDOG_QUIET_MS 60000

/* --- the decision --- */

typedef struct st_pressure_watchdog_rules_t {
    pressure_level_rules_t levels;
    uint64_t deadline_ms;
} pressure_watchdog_rules_t;

/**
 * what a check finds
 */
typedef struct st_pressure_watchdog_view_t {
    uint64_t steps_ended;                 /* by the coordinator, since its creation */
    uint64_t events[PRESSURE_NUM_LEVELS]; /* told by it */
    pressure_level_t published;           /* by it */
    int has_reading;                      /* the watchdog's own; a failed one changes nothing of its level */
    uint64_t reading_bytes, budget_bytes;
} pressure_watchdog_view_t;

/**
 * all zero at first
 */
typedef struct st_pressure_watchdog_state_t {
    pressure_level_state_t level;   /* by its own readings */
    uint64_t steps_ended, alive_ms; /* as of the last check at which the former had changed */
    unsigned checks_since;
    uint64_t events[PRESSURE_NUM_LEVELS]; /* as of the last check */
    int has_begun, hangs, fails;
    int reaches[PRESSURE_NUM_LEVELS]; /* the last reading was at the mark, and all since reached_ms were */
    uint64_t reached_ms[PRESSURE_NUM_LEVELS];
    int owed[PRESSURE_NUM_LEVELS]; /* the level was reached, and the count of its events has not grown above owed_above */
    uint64_t owed_above[PRESSURE_NUM_LEVELS];
    uint64_t flushed_ms, said_ms, proved_ms;
    pressure_level_t said_level, proved_level;
} pressure_watchdog_state_t;

typedef struct st_pressure_watchdog_actions_t {
    int stand_in; /* its level counts instead of the coordinator's, see stand_in_level; else the coordinator's */
    pressure_level_t stand_in_level;
    int flush;        /* everything that can be freed */
    int kick;         /* the coordinator */
    int began, ended; /* a failure: one to count */
    int say_failure, say_recovery;
    pressure_level_t say_proof; /* critical or emergency was told and that is to be said; PRESSURE_NORMAL: no */
} pressure_watchdog_actions_t;

/**
 * pure: one check
 */
pressure_watchdog_actions_t pressure_watchdog_decide(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state,
                                                     const pressure_watchdog_view_t *view, uint64_t now_ms);

/* --- the thread --- */

typedef struct st_pressure_watchdog_config_t {
    pressure_t *pressure;      /* outlives the watchdog */
    pressure_sample_cb sample; /* not the coordinator's own source: one thread at a time calls either */
    void *sample_ctx;
    uint64_t (*now_ms)(void); /* monotonic */
    uint64_t period_ms, deadline_ms;
    /**
     * frees all that can be, in the watchdog's thread, while the coordinator hangs maybe in one of its listeners; may be NULL
     */
    void (*flush)(void *ctx);
    void *flush_ctx;
    void (*log)(void *ctx, const char *line); /* watchdog's thread; may be NULL */
    void *log_ctx;
    void (*notify)(void *ctx, const pressure_notice_t *notice); /* notice.h; watchdog's thread; may be NULL */
    void *notify_ctx;
} pressure_watchdog_config_t;

typedef struct st_pressure_watchdog_counts_t {
    uint64_t checks, failures, interventions; /* failures: times that the coordinator hung or did not tell. Interventions: times
                                                 that the watchdog's level began to stand in, and flushes */
    int stands_in;
} pressure_watchdog_counts_t;

typedef struct st_pressure_watchdog_t pressure_watchdog_t;

/**
 * copies the config. Returns NULL with errno.
 */
pressure_watchdog_t *pressure_watchdog_create(const pressure_watchdog_config_t *config);
/**
 * starts its thread, at most once, with all signals blocked. Returns 0 or -1 (errno of pthread_create).
 */
int pressure_watchdog_start(pressure_watchdog_t *watchdog);
/**
 * one check; what the thread does each period, and for tests that have none. One thread at a time.
 */
void pressure_watchdog_check(pressure_watchdog_t *watchdog);
/**
 * stops the thread; the coordinator's level counts again. Sets *watchdog to NULL; it may be NULL.
 */
void pressure_watchdog_destroy(pressure_watchdog_t **watchdog);
/**
 * any thread
 */
void pressure_watchdog_get_counts(const pressure_watchdog_t *watchdog, pressure_watchdog_counts_t *counts);

#endif
