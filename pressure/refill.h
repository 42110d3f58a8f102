/*
 * refill.h - how fast a cache that was shrunk may grow again: a pure function.
 *
 * A cache that refills at once after it was shrunk brings the pressure back at once. So after each episode of a crossed mark its
 * limit is what it holds then, but at least one step, or nothing could be stored at all. From the time when the level is normal
 * again, each refill_period_ms gives one step (refill_step_permille of its capacity) back, unless the reading has risen by more
 * than refill_rise_permille of the budget in that period. A cache that takes what it is given raises the reading itself: it gets
 * the next step when that has come to rest.
 */
#ifndef pressure__refill_h
#define pressure__refill_h

#include "pressure/pressure.h"

/**
 * all zero: no limit but the capacity
 */
typedef struct st_pressure_refill_t {
    int limited;
    uint64_t limit_bytes;
    uint64_t since_ms, reading_bytes; /* the period's beginning, and the reading then */
} pressure_refill_t;

typedef struct st_pressure_refill_facts_t {
    pressure_level_t level;
    int shrunk;                          /* an episode has just ended */
    uint64_t used_bytes, capacity_bytes; /* the cache's */
    uint64_t reading_bytes, budget_bytes;
} pressure_refill_facts_t;

/**
 * one reading. Returns the cache's limit, capacity_bytes where there is none. A clock that jumps ahead gives one step, one that is
 * set back starts the period over.
 */
uint64_t pressure_refill_step(const pressure_tuning_t *tuning, pressure_refill_t *refill, const pressure_refill_facts_t *facts,
                              uint64_t now_ms);

#endif
