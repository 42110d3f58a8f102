/*
 * drain_phase.h - how far the end of the server has come, by the time since it was told to end.
 *
 *   SIGTERM ---------------- half ------------------ health.drain-timeout ---- +2 s ------------- +4 s
 *           begun                     refusing                         answered       cutting off       over
 *
 * begun        h2o has closed its listeners, so what still comes is at most one request per connection that was open before
 * (HTTP/1; of HTTP/2 it is what came within a second), and h2o closes each with that answer. A client cannot know that, and in a
 *              graceful restart there is a new worker beside this one: so misses are answered as ever, and nothing fails. Only what
 *              nobody waits for is not begun any more
 * refusing     what is begun now might not be ended in time: misses are answered 503
 * answered     who still waits is answered 503, and what is under way is ordered to stop
 * cutting off  connections that are still open are those of clients that do not read, or read slowly: they are shut down
 * over         the process ends, whatever there is
 */
#ifndef module__drain_phase_h
#define module__drain_phase_h

#include <stdint.h>

#define SLUICE_DRAIN_STEP_MS 2000 /* for answers to get to clients, and for h2o to see what has been shut down */

typedef enum en_sluice_drain_phase_t {
    SLUICE_DRAIN_NONE,
    SLUICE_DRAIN_BEGUN,
    SLUICE_DRAIN_REFUSING,
    SLUICE_DRAIN_ANSWERED,
    SLUICE_DRAIN_CUTTING_OFF,
    SLUICE_DRAIN_OVER
} sluice_drain_phase_t;

/**
 * @param elapsed_ms since the server was told
 * @param timeout_ms health.drain-timeout
 */
sluice_drain_phase_t sluice_drain_phase(uint64_t elapsed_ms, uint64_t timeout_ms);
/**
 * in how many milliseconds the next phase begins; 0: there is none
 */
uint64_t sluice_drain_next_ms(uint64_t elapsed_ms, uint64_t timeout_ms);

#endif
