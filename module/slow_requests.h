/*
 * slow_requests.h - notes requests that waited for longer than health.slow-request: a counter, a list that GET /api/metrics/slow
 * answers with, and a line on stderr, at most one per second and from the observer, for stderr may block.
 */
#ifndef module__slow_requests_h
#define module__slow_requests_h

#include <h2o.h>
#include "module/observer.h"

/**
 * on the event loop of the request, whose answer is complete but for being sent
 * @param status of the answer
 * @return what health_slow_sent() takes
 */
uint64_t sluice_slow_requests_note(sluice_t *sluice, const h2o_req_t *req, int status, uint64_t waited_us);
/**
 * part of the observer: writes the line
 */
void sluice_slow_requests_observe(sluice_t *sluice, const sluice_observation_t *observation);

#endif
