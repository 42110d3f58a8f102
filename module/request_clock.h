/*
 * request_clock.h - how long a request that waits for a picture has waited, on its event loop.
 *
 * The clock runs from the moment when the request turns out not to be a hit until its answer begins: status, fields and body are
 * there, and h2o has not sent a byte. That goes into the histogram. When a request was slow, it is also noted how long it took
 * until h2o was done with it: all had been handed to the client's connection, or the client was gone.
 *
 * It learns of the answer as a filter of this one request (h2o_req_prefilter_t), so that hits, which have no clock, pay nothing.
 */
#ifndef module__request_clock_h
#define module__request_clock_h

#include <h2o.h>
#include "module/sluice.h"

typedef struct st_sluice_request_clock_t {
    h2o_req_prefilter_t super;
    sluice_t *sluice;
    h2o_req_t *req;
    uint64_t begun_us;
    uint64_t slow_id;        /* 0: it was not slow, or it was noted already when it was sent */
    int stopped, lacks_room; /* the latter: the failure that it is answered with is one of room */
} sluice_request_clock_t;

/**
 * starts one, which lives as long as the request
 */
sluice_request_clock_t *sluice_request_clock_start(sluice_t *sluice, h2o_req_t *req);
/**
 * the client has gone before there was an answer
 */
void sluice_request_clock_abandon(sluice_request_clock_t *clock);
/**
 * h2o disposes of the request. May be called again.
 */
void sluice_request_clock_end(sluice_request_clock_t *clock);

#endif
