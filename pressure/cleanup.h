/*
 * cleanup.h - an operator's order to release everything, whatever the level: what `emergency` does, without being one.
 *
 * It is carried out by the coordinator, in its next step: listeners are called on no other thread, and never twice at a time. It
 * counts as a reclaim, and is judged as one, but as no event: no mark was crossed, and the level is what readings say.
 */
#ifndef pressure__cleanup_h
#define pressure__cleanup_h

#include "pressure/pressure.h"

/**
 * What came of it, all its parts together. The resident set is as the coordinator's samples say, before the first listener and
 * after the purge.
 */
typedef struct st_pressure_cleanup_t {
    uint64_t claimed_bytes, objects; /* as the listeners say */
    uint64_t purged_bytes;           /* what the purge says it had to give */
    uint64_t resident_before_bytes, resident_after_bytes;
    uint64_t duration_ms;
} pressure_cleanup_t;

/**
 * gives the order, and waits until no listener has anything left, or for timeout_ms. Orders that come before one is begun are one.
 * Any thread but the coordinator's and those that a listener waits for; it blocks.
 * @return 0, or -1: the time is up (the order stands, and is carried out when the coordinator comes to it)
 */
int pressure_clean_up(pressure_t *pressure, uint64_t timeout_ms, pressure_cleanup_t *cleanup);

#endif
