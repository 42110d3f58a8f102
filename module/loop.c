#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include "module/drain.h"
#include "module/loop.h"

struct st_sluice_loop_timeout_t {
    h2o_timeout_t timeout;
    struct st_sluice_loop_timeout_t *next;
};

/* any thread: there is something for this loop, be it results or events. One message is enough for all that is there when it
 * arrives */
void sluice_loop_wake(void *_loop)
{
    sluice_loop_t *loop = _loop;

    if (!atomic_exchange(&loop->message_sent, 1))
        h2o_multithread_send_message(&loop->receiver, &loop->message);
}

static void take_replies(sluice_loop_t *loop)
{
    sluice_reply_t *reply = atomic_exchange(&loop->replies, NULL);

    while (reply != NULL) {
        sluice_reply_t *next = reply->_next;
        reply->on_arrival(reply);
        reply = next;
    }
}

/* the requests are gone, but what was started for them may not be over */
static void await_replies(sluice_loop_t *loop)
{
    const struct timespec a_moment = {0, 1000000};

    atomic_store(&loop->message_sent, 1); /* nobody takes messages any more */
    while (atomic_load(&loop->num_expected) != 0)
        nanosleep(&a_moment, NULL);
    take_replies(loop);
}

static void on_message(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    sluice_loop_t *loop = H2O_STRUCT_FROM_MEMBER(sluice_loop_t, receiver, receiver);

    while (!h2o_linklist_is_empty(messages))
        h2o_linklist_unlink(messages->next);
    atomic_store(&loop->message_sent, 0); /* before the lane is run: what lands from now on sends again */
    icache_lane_run(loop->lane);
    take_replies(loop);
    sluice_event_streams_run(loop);
    sluice_drain_loop(loop);
}

void sluice_loop_expect_reply(sluice_loop_t *loop)
{
    atomic_fetch_add(&loop->num_expected, 1);
}

void sluice_loop_send_reply(sluice_loop_t *loop, sluice_reply_t *reply)
{
    reply->_next = atomic_load(&loop->replies);
    while (!atomic_compare_exchange_weak(&loop->replies, &reply->_next, reply))
        ;
    sluice_loop_wake(loop);
    atomic_fetch_sub(&loop->num_expected, 1); /* the last look at the loop */
}

static sluice_seen_t *create_seen(void)
{
    sluice_seen_t *seen;
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) || (seen = sluice_seen_create(SLUICE_SEEN_SETS, seed)) == NULL) {
        perror("sluice: the table of targets");
        exit(EXIT_FAILURE);
    }
    return seen;
}

static sluice_loop_t *create_loop(sluice_t *sluice, h2o_context_t *ctx)
{
    sluice_loop_t *loop = h2o_mem_alloc(sizeof(*loop));

    *loop = (sluice_loop_t){.sluice = sluice, .ctx = ctx, .until_timed = 1, .random = 1};
    if ((loop->lane = icache_lane_create(sluice->cache, sluice_loop_wake, loop)) == NULL) {
        fprintf(stderr, "sluice: num-threads is larger than %d, the number of event loops that can be served\n",
                ICACHE_MAX_LANES - 1);
        exit(EXIT_FAILURE);
    }
    if ((loop->watch = sluice_client_watch_create(ctx)) == NULL) {
        perror("sluice: epoll");
        exit(EXIT_FAILURE);
    }
    loop->seen = create_seen();
    h2o_linklist_init_anchor(&loop->waiting);
    h2o_multithread_register_receiver(ctx->queue, &loop->receiver, on_message);
    sluice_event_streams_init(loop);
    return loop;
}

sluice_loop_t *sluice_loop_attach(sluice_t *sluice, h2o_context_t *ctx)
{
    sluice_loop_t *loop;

    pthread_mutex_lock(&sluice->loops_mutex);
    for (loop = sluice->loops; loop != NULL && loop->ctx != ctx; loop = loop->next)
        ;
    if (loop == NULL) {
        if (sluice->num_loops++ == 0)
            sluice_start_locked(sluice);
        loop = create_loop(sluice, ctx);
        pthread_mutex_lock(&sluice->links_mutex);
        loop->next = sluice->loops;
        sluice->loops = loop;
        pthread_mutex_unlock(&sluice->links_mutex);
    }
    ++loop->refs;
    pthread_mutex_unlock(&sluice->loops_mutex);
    return loop;
}

/* h2o looks at each of its timeouts at every turn of a loop, so there is one per duration, and not one per path */
h2o_timeout_t *sluice_loop_timeout(sluice_loop_t *loop, uint64_t ms)
{
    struct st_sluice_loop_timeout_t *entry;

    for (entry = loop->timeouts; entry != NULL; entry = entry->next)
        if (entry->timeout.timeout == ms)
            return &entry->timeout;
    entry = h2o_mem_alloc(sizeof(*entry));
    h2o_timeout_init(loop->ctx->loop, &entry->timeout, ms);
    entry->next = loop->timeouts;
    loop->timeouts = entry;
    return &entry->timeout;
}

static void destroy_timeouts(sluice_loop_t *loop)
{
    struct st_sluice_loop_timeout_t *entry;

    while ((entry = loop->timeouts) != NULL) {
        loop->timeouts = entry->next;
        h2o_timeout_dispose(loop->ctx->loop, &entry->timeout);
        free(entry);
    }
}

static void unlink_loop(sluice_loop_t *loop)
{
    sluice_loop_t **slot = &loop->sluice->loops;

    pthread_mutex_lock(&loop->sluice->links_mutex);
    while (*slot != loop)
        slot = &(*slot)->next;
    *slot = loop->next;
    pthread_mutex_unlock(&loop->sluice->links_mutex);
}

static void destroy_loop(sluice_loop_t *loop)
{
    sluice_event_streams_dispose(loop);
    await_replies(loop);
    unlink_loop(loop);
    h2o_multithread_unregister_receiver(loop->ctx->queue, &loop->receiver);
    destroy_timeouts(loop);
    sluice_client_watch_destroy(&loop->watch);
    sluice_seen_destroy(&loop->seen);
    icache_lane_destroy(&loop->lane);
    free(loop);
}

void sluice_loop_detach(sluice_loop_t *loop)
{
    sluice_t *sluice = loop->sluice;

    pthread_mutex_lock(&sluice->loops_mutex);
    if (--loop->refs == 0) {
        destroy_loop(loop);
        if (--sluice->num_loops == 0)
            sluice_stop_locked(sluice);
    }
    pthread_mutex_unlock(&sluice->loops_mutex);
}
