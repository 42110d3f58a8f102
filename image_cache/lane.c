/*
 * Lanes and lists of waiters.
 *
 * A waiter is on exactly one list: its flight's list for its lane until the flight lands, its lane's pending list after that, none
 * from the moment its on_done is decided. Lists change under the flights lock only. icache_lane_run() pops one waiter per hold,
 * because on_done may free or detach any other waiter of the lane, next in the list or not.
 */
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include "image_cache/image_cache_private.h"

void icache_waiters_push(icache_waiter_t **head, icache_waiter_t *waiter)
{
    waiter->_prev = waiter->_next = waiter;
    icache_waiters_splice(head, &waiter);
}

/* appends the circle *from, and leaves it empty */
void icache_waiters_splice(icache_waiter_t **head, icache_waiter_t **from)
{
    icache_waiter_t *first = *head, *added = *from;

    *from = NULL;
    if (first == NULL) {
        *head = added;
    } else if (added != NULL) {
        icache_waiter_t *last = first->_prev, *added_last = added->_prev;
        last->_next = added;
        added->_prev = last;
        added_last->_next = first;
        first->_prev = added_last;
    }
}

void icache_waiters_remove(icache_waiter_t **head, icache_waiter_t *waiter)
{
    waiter->_prev->_next = waiter->_next;
    waiter->_next->_prev = waiter->_prev;
    if (*head == waiter)
        *head = waiter->_next != waiter ? waiter->_next : NULL;
    waiter->_prev = waiter->_next = NULL;
}

icache_lane_t *icache_lane_create(icache_t *cache, void (*wake)(void *ctx), void *ctx)
{
    icache_lane_t *lane = aligned_alloc(alignof(icache_lane_t), sizeof(*lane));
    unsigned index;

    if (lane == NULL)
        return NULL;
    pthread_mutex_lock(&cache->flights.lock);
    for (index = 0; index < ICACHE_MAX_LANES && cache->flights.lanes[index] != NULL; ++index)
        ;
    if (index < ICACHE_MAX_LANES) {
        *lane = (icache_lane_t){.cache = cache, .wake = wake, .ctx = ctx, .index = index};
        cache->flights.lanes[index] = lane;
    }
    pthread_mutex_unlock(&cache->flights.lock);
    if (index == ICACHE_MAX_LANES) {
        free(lane);
        lane = NULL;
    }
    return lane;
}

void icache_lane_destroy(icache_lane_t **_lane)
{
    icache_lane_t *lane = *_lane;

    if (lane == NULL)
        return;
    *_lane = NULL;
    pthread_mutex_lock(&lane->cache->flights.lock);
    assert(lane->pending == NULL);
    lane->cache->flights.lanes[lane->index] = NULL;
    atomic_fetch_add_explicit(&lane->cache->hits, atomic_load_explicit(&lane->hits, memory_order_relaxed), memory_order_relaxed);
    pthread_mutex_unlock(&lane->cache->flights.lock);
    /* its waiters may have been served on the strength of an earlier wake() while a later one is still on its way */
    while (atomic_load_explicit(&lane->wakers, memory_order_acquire) != 0)
        sched_yield();
    free(lane);
}

/* takes the first pending waiter out; *landed is set when it was the last one of its flight */
static icache_waiter_t *pop_pending(icache_lane_t *lane, icache_object_t **object, int64_t *error, icache_flight_t **landed)
{
    pthread_mutex_lock(&lane->cache->flights.lock);
    icache_waiter_t *waiter = lane->pending;
    if (waiter != NULL) {
        icache_flight_t *flight = waiter->_flight;
        icache_waiters_remove(&lane->pending, waiter);
        waiter->_flight = NULL;
        *object = flight->object != NULL ? icache_object_ref(flight->object) : NULL;
        *error = flight->error;
        --lane->cache->flights.num_waiters;
        if (--flight->num_waiters == 0)
            *landed = flight;
    }
    pthread_mutex_unlock(&lane->cache->flights.lock);
    return waiter;
}

void icache_lane_run(icache_lane_t *lane)
{
    icache_waiter_t *waiter;
    icache_object_t *object = NULL;
    icache_flight_t *landed = NULL;
    int64_t error = 0;

    while ((waiter = pop_pending(lane, &object, &error, &landed)) != NULL) {
        if (landed != NULL)
            icache_flight_dispose(landed);
        landed = NULL;
        waiter->on_done(waiter, object, error);
    }
}
