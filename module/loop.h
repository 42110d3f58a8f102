/*
 * loop.h - what Sluice keeps for each of h2o's event loops: the lane on which flights call back, the watch for clients
 * that hang up, the targets it was asked for, and the counters that only this loop writes.
 */
#ifndef module__loop_h
#define module__loop_h

#include <h2o.h>
#include "module/client_watch.h"
#include "module/event_stream.h"
#include "module/negotiate.h"
#include "module/seen.h"
#include "module/sluice.h"

/**
 * What another thread has done for a request of a loop; embedded in its owner's structure.
 */
typedef struct st_sluice_reply_t {
    void (*on_arrival)(struct st_sluice_reply_t *reply); /* on the loop's thread; may free the reply */
    struct st_sluice_reply_t *_next;
} sluice_reply_t;

struct st_sluice_loop_t {
    sluice_t *sluice;
    h2o_context_t *ctx;
    icache_lane_t *lane;
    h2o_multithread_receiver_t receiver;
    h2o_multithread_message_t message; /* the only one; on its way while message_sent */
    _Atomic int message_sent;
    _Atomic(sluice_reply_t *) replies; /* sent and not yet taken, the newest first */
    _Atomic size_t num_expected;       /* replies that somebody is still about to send */
    sluice_client_watch_t *watch;
    sluice_seen_t *seen;
    sluice_accept_memory_t accepts;
    struct st_sluice_loop_timeout_t *timeouts;
    sluice_event_streams_t events; /* clients that listen */
    sluice_counter_t hits[6];      /* answered from the cache at once, by hundred of the status */
    sluice_counter_t parked;       /* requests that wait for a flight, now */
    int drained;                   /* what of sluice->draining has been done here */
    h2o_linklist_t waiting;        /* the parked requests; parked.c's */
    uint64_t misses;               /* requests that were no hits, ever; read by the loop itself */
    uint32_t until_timed;          /* requests from now, of which the last one is timed if it is a hit */
    uint32_t random;               /* state of the numbers that until_timed is drawn from; not 0 */
    size_t refs;                   /* handlers that use it; guarded by sluice->loops_mutex */
    sluice_loop_t *next;
};

/**
 * Says that another thread will send a reply, for which the loop then waits before it goes. On the loop's own thread.
 */
void sluice_loop_expect_reply(sluice_loop_t *loop);
/**
 * any thread, once for each that is expected. The loop may be gone when this returns.
 */
void sluice_loop_send_reply(sluice_loop_t *loop, sluice_reply_t *reply);

/**
 * has a loop look for results, replies and events, and at sluice->draining. Any thread; the loop is there until this returns.
 */
void sluice_loop_wake(void *loop);
/**
 * The loop of a context, made (and the whole of Sluice started) at the first call. For on_context_init and on_context_dispose of
 * handlers; on the loop's own thread.
 */
sluice_loop_t *sluice_loop_attach(sluice_t *sluice, h2o_context_t *ctx);
void sluice_loop_detach(sluice_loop_t *loop);
/**
 * the loop's timeout of a duration, for all entries of that duration; made at the first call. On the loop's own thread.
 */
h2o_timeout_t *sluice_loop_timeout(sluice_loop_t *loop, uint64_t ms);

#endif
