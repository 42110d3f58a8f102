/*
 * observer.h - a thread that looks at the whole of Sluice once a second, for what has to be seen over time: trends, leaks, alerts,
 * work that has become stale. What it finds, requests read.
 *
 * The parts are called one after the other, in the order of the table in observer.c. A part does not block; what takes long goes to
 * the clerk or to a thread of its own.
 */
#ifndef module__observer_h
#define module__observer_h

#include "health/health.h"
#include "module/sluice.h"

#define SLUICE_OBSERVER_PERIOD_MS 1000

/**
 * what all parts look at
 */
typedef struct st_sluice_observation_t {
    const health_snapshot_t *snapshot;
    uint64_t now_ms; /* sluice_exact_ms() */
    int64_t wall_s;
} sluice_observation_t;

/* --- the parts, one file each */

void sluice_sampled_events_observe(sluice_t *sluice, const sluice_observation_t *observation);

/* --- the thread */

typedef struct st_sluice_observer_t sluice_observer_t;

/**
 * starts the thread; NULL when it cannot be had
 */
sluice_observer_t *sluice_observer_create(sluice_t *sluice);
/**
 * ends the thread and then sets the pointer to NULL, which it may be
 */
void sluice_observer_destroy(_Atomic(sluice_observer_t *) *observer);
/**
 * has it look at once; async-signal-safe
 */
void sluice_observer_wake(sluice_observer_t *observer);
/**
 * has it look again in so many milliseconds, if that is sooner than the next second; 0: no. For its parts, on its own thread
 */
void sluice_observer_wake_in(sluice_observer_t *observer, uint64_t ms);

#endif
