/*
 * drain.h - the end of the server (SIGTERM; in a graceful restart it is the old worker that gets one).
 *
 * h2o closes its listeners, lets each connection end with its next answer, and calls _exit() when there is none left. It does not
 * hurry: a client that does not read, or an origin that does not answer, holds it for ever, and a second SIGTERM changes nothing
 * (SIGINT ends it at once). What is added here is a limit, health.drain-timeout, and that everybody gets an answer before it:
 * drain_phase.h says what happens when. The observer takes the steps; each loop does its part when it is woken.
 */
#ifndef module__drain_h
#define module__drain_h

#include "module/loop.h"
#include "module/observer.h"

/**
 * hears of SIGTERM from now on; the observer must be there
 */
void sluice_drain_listen(sluice_t *sluice);
/**
 * name of the present phase
 */
const char *sluice_drain_state(const sluice_t *sluice);
/**
 * part of the observer
 */
void sluice_drain_observe(sluice_t *sluice, const sluice_observation_t *observation);
/**
 * what a loop has to do in the present phase; on its own thread, called whenever it was woken
 */
void sluice_drain_loop(sluice_loop_t *loop);
/**
 * whether new work is refused
 * @param is_waited_for by a request
 */
static inline int sluice_drain_refuses(const sluice_t *sluice, int is_waited_for)
{
    return atomic_load_explicit(&sluice->draining, memory_order_relaxed) >=
           (is_waited_for ? SLUICE_DRAIN_REFUSING : SLUICE_DRAIN_BEGUN);
}
/**
 * an operation has ended, with so many left. Any thread.
 */
void sluice_drain_note_end(sluice_t *sluice, uint64_t num_left);

#endif
