/*
 * Flights: one piece of work per key, any number of waiters.
 *
 * Why there is never a second live flight for a key: a flight enters and leaves the table under the flights lock; whoever starts
 * one has, in the same hold of that lock, found no flight and looked at the index again; and complete() links the object into the
 * index before it takes the flight out of the table. So a lookup that finds no flight finds the object, unless it was not stored or
 * is gone again.
 *
 * Who frees a flight: it goes when it has landed, has no waiter left and no callback is running. The last of complete(),
 * lane_run(), detach() and the abandoning thread to see this under the lock does it, after the unlock.
 *
 * on_abandon and complete() exclude each other: complete() turns FLYING into COMPLETING, from where nobody abandons; and if
 * on_abandon is being called at that time it waits for its return, because the leader frees the callback's context next. Unless it
 * is called from inside the callback, of course.
 *
 * The table has a fixed number of buckets: what flies is bounded by the work queued, thousands at most, and a bucket of a few is
 * nothing beside the work. The waiters' list heads are part of the flight, so landing allocates nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache_private.h"

static icache_flight_t *create_flight(icache_t *cache, const icache_key_t *key)
{
    icache_flight_t *flight = malloc(sizeof(*flight) + key->len);

    if (flight == NULL)
        return NULL;
    *flight = (icache_flight_t){.cache = cache, .hash_lo = key->lo, .hash_hi = key->hi, .key_len = key->len};
    memcpy(flight->key, key->text, key->len);
    return flight;
}

void icache_flight_dispose(icache_flight_t *flight)
{
    icache_object_unref(&flight->object);
    free(flight);
}

static int is_over_locked(const icache_flight_t *flight)
{
    return flight->state == ICACHE_FLIGHT_LANDED && flight->num_waiters == 0 && !flight->in_callback;
}

static icache_flight_t **bucket_of(icache_t *cache, uint64_t hash_lo)
{
    return &cache->flights.buckets[hash_lo % ICACHE_FLIGHT_BUCKETS];
}

static icache_flight_t **bucket_of_flight(icache_flight_t *flight)
{
    return atomic_load_explicit(&flight->purged, memory_order_relaxed) ? &flight->cache->flights.buckets[ICACHE_FLIGHT_BUCKETS]
                                                                       : bucket_of(flight->cache, flight->hash_lo);
}

static icache_flight_t *find_flight_locked(icache_t *cache, const icache_key_t *key)
{
    icache_flight_t *flight = *bucket_of(cache, key->lo);

    for (; flight != NULL; flight = flight->next_in_bucket)
        if (flight->hash_lo == key->lo && flight->hash_hi == key->hi && flight->key_len == key->len &&
            memcmp(flight->key, key->text, key->len) == 0)
            break;
    return flight;
}

static void link_flight_locked(icache_t *cache, icache_flight_t *flight)
{
    icache_flight_t **bucket = bucket_of(cache, flight->hash_lo);

    flight->purges_seen = atomic_load_explicit(&cache->flights.num_purges, memory_order_relaxed);
    flight->next_in_bucket = *bucket;
    *bucket = flight;
    ++cache->flights.num_flights;
}

static void unlink_flight_locked(icache_flight_t *flight)
{
    icache_flight_t **link = bucket_of_flight(flight);

    for (; *link != flight; link = &(*link)->next_in_bucket)
        assert(*link != NULL);
    *link = flight->next_in_bucket;
    flight->next_in_bucket = NULL;
    --flight->cache->flights.num_flights;
}

static void add_waiter_locked(icache_flight_t *flight, icache_waiter_t *waiter)
{
    waiter->_flight = flight;
    icache_waiters_push(&flight->waiters[waiter->lane->index], waiter);
    flight->lanes |= (uint64_t)1 << waiter->lane->index;
    ++flight->num_waiters;
    ++flight->cache->flights.num_waiters;
}

/* the answer for a key that missed, or whose object has expired but may be served (*object is set then); *spare becomes the flight
 * if one has to start, and without it the answer is REFUSED */
static icache_verdict_t join_or_lead_locked(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_waiter_t *waiter,
                                            icache_object_t **object, icache_flight_t **spare, icache_object_t **victims)
{
    icache_flight_t *flight = find_flight_locked(cache, key);
    icache_object_t *fresh;

    if (flight != NULL) {
        if (*object != NULL)
            return ICACHE_STALE;
        add_waiter_locked(flight, waiter);
        ++cache->flights.coalesced;
        return ICACHE_WAIT;
    }
    if ((fresh = icache_index_get(cache, key, now_ms, victims)) != NULL) {
        icache_count_hit(cache);
        *object = fresh;
        return ICACHE_HIT;
    }
    if ((flight = *spare) == NULL)
        return ICACHE_REFUSED;
    *spare = NULL;
    link_flight_locked(cache, flight);
    if (*object != NULL) {
        flight->background = 1;
        ++cache->flights.refreshes;
        return ICACHE_STALE;
    }
    add_waiter_locked(flight, waiter);
    ++cache->flights.misses;
    return ICACHE_LEAD;
}

static icache_verdict_t join_or_lead(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_waiter_t *waiter,
                                     icache_object_t **object, icache_flight_t **spare)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->flights.lock);
    icache_object_t *expired = *object;
    icache_verdict_t verdict = join_or_lead_locked(cache, key, now_ms, waiter, object, spare, &victims);
    if (verdict == ICACHE_STALE)
        ++cache->flights.stale;
    pthread_mutex_unlock(&cache->flights.lock);
    if (verdict == ICACHE_HIT) /* maybe of the same object, which was renewed in between */
        icache_object_unref(&expired);
    icache_release(cache, victims);
    return verdict;
}

icache_verdict_t icache_lookup(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_waiter_t *waiter,
                               icache_object_t **object, icache_flight_t **flight)
{
    icache_object_t *victims = NULL;
    int stale = 0;

    waiter->_flight = NULL;
    *flight = NULL;
    if ((*object = icache_hit(cache, key, now_ms)) == NULL)
        *object = icache_index_look(cache, key, now_ms, &stale, &victims);
    icache_release(cache, victims);
    if (*object != NULL && !stale) {
        icache_count_hit(cache);
        return ICACHE_HIT;
    }
    /* most misses of a hot key join, so the flight is allocated only once it is known to be wanted, and outside the lock */
    icache_flight_t *spare = NULL;
    icache_verdict_t verdict = join_or_lead(cache, key, now_ms, waiter, object, &spare);
    if (verdict == ICACHE_REFUSED && (spare = create_flight(cache, key)) != NULL) {
        icache_flight_t *created = spare;
        verdict = join_or_lead(cache, key, now_ms, waiter, object, &spare);
        if (spare == NULL)
            *flight = created;
        free(spare);
    }
    return verdict == ICACHE_REFUSED && *object != NULL ? ICACHE_STALE : verdict;
}

struct st_callback_t {
    void (*cb)(void *ctx);
    void *ctx;
};

/* what there is to call, if anything was registered yet; once per flight, as nothing is abandoned twice */
static struct st_callback_t take_callback_locked(icache_flight_t *flight)
{
    struct st_callback_t callback = {flight->on_abandon, flight->abandon_ctx};

    if (callback.cb != NULL) {
        flight->in_callback = 1;
        flight->callback_thread = pthread_self();
    }
    return callback;
}

static void run_callback(icache_flight_t *flight, struct st_callback_t callback)
{
    icache_t *cache = flight->cache;

    callback.cb(callback.ctx);
    pthread_mutex_lock(&cache->flights.lock);
    flight->in_callback = 0;
    int over = is_over_locked(flight);
    pthread_cond_broadcast(&cache->flights.callback_done);
    pthread_mutex_unlock(&cache->flights.lock);
    if (over)
        icache_flight_dispose(flight);
}

static void remove_waiter_locked(icache_flight_t *flight, icache_waiter_t *waiter)
{
    unsigned index = waiter->lane->index;

    if (flight->state == ICACHE_FLIGHT_LANDED) {
        icache_waiters_remove(&waiter->lane->pending, waiter);
    } else {
        icache_waiters_remove(&flight->waiters[index], waiter);
        if (flight->waiters[index] == NULL)
            flight->lanes &= ~((uint64_t)1 << index);
    }
    waiter->_flight = NULL;
    --flight->num_waiters;
    --flight->cache->flights.num_waiters;
}

static void abandon_locked(icache_flight_t *flight)
{
    unlink_flight_locked(flight);
    flight->state = ICACHE_FLIGHT_ABANDONED;
    ++flight->cache->flights.abandoned;
}

int icache_waiter_detach(icache_waiter_t *waiter)
{
    icache_t *cache = waiter->lane->cache;
    struct st_callback_t callback = {NULL, NULL};
    int over = 0;

    pthread_mutex_lock(&cache->flights.lock);
    icache_flight_t *flight = waiter->_flight;
    if (flight != NULL) {
        remove_waiter_locked(flight, waiter);
        over = is_over_locked(flight);
        if (flight->num_waiters == 0 && flight->state == ICACHE_FLIGHT_FLYING && !flight->background) {
            abandon_locked(flight);
            callback = take_callback_locked(flight);
        }
    }
    pthread_mutex_unlock(&cache->flights.lock);

    if (callback.cb != NULL)
        run_callback(flight, callback);
    if (over)
        icache_flight_dispose(flight);
    return flight != NULL;
}

void icache_flight_on_abandon(icache_flight_t *flight, void (*cb)(void *ctx), void *ctx)
{
    struct st_callback_t callback = {NULL, NULL};

    pthread_mutex_lock(&flight->cache->flights.lock);
    flight->on_abandon = cb;
    flight->abandon_ctx = ctx;
    if (flight->state == ICACHE_FLIGHT_ABANDONED)
        callback = take_callback_locked(flight);
    pthread_mutex_unlock(&flight->cache->flights.lock);
    if (callback.cb != NULL)
        run_callback(flight, callback);
}

int icache_flight_wanted(const icache_flight_t *flight)
{
    return flight->background || atomic_load_explicit(&flight->num_waiters, memory_order_relaxed) != 0;
}

/* from here on nobody abandons the flight; returns whether somebody had */
static int begin_landing(icache_flight_t *flight)
{
    icache_t *cache = flight->cache;

    pthread_mutex_lock(&cache->flights.lock);
    while (flight->in_callback && !pthread_equal(flight->callback_thread, pthread_self()))
        pthread_cond_wait(&cache->flights.callback_done, &cache->flights.lock);
    int abandoned = flight->state == ICACHE_FLIGHT_ABANDONED;
    if (!abandoned)
        flight->state = ICACHE_FLIGHT_COMPLETING;
    pthread_mutex_unlock(&cache->flights.lock);
    return abandoned;
}

/* moves the waiters to their lanes; returns how many lanes have to be woken */
static size_t land_locked(icache_flight_t *flight, icache_lane_t **woken)
{
    size_t num_woken = 0;

    if (flight->state == ICACHE_FLIGHT_COMPLETING)
        unlink_flight_locked(flight);
    flight->state = ICACHE_FLIGHT_LANDED;
    for (; flight->lanes != 0; flight->lanes &= flight->lanes - 1) {
        unsigned index = (unsigned)__builtin_ctzll(flight->lanes);
        icache_lane_t *lane = flight->cache->flights.lanes[index];
        icache_waiters_splice(&lane->pending, &flight->waiters[index]);
        ++lane->wakers;
        woken[num_woken++] = lane;
    }
    return num_woken;
}

void icache_flight_complete(icache_flight_t **_flight, icache_object_t *object, int64_t error, int store, uint64_t now_ms)
{
    icache_flight_t *flight = *_flight;
    icache_t *cache = flight->cache;
    icache_lane_t *woken[ICACHE_MAX_LANES];

    *_flight = NULL;
    int abandoned = begin_landing(flight);
    if (object != NULL) {
        icache_object_seal(object);
        if (store)
            icache_index_store(cache, object, flight, abandoned, now_ms);
    }

    pthread_mutex_lock(&cache->flights.lock);
    flight->object = object;
    flight->error = error;
    size_t num_woken = land_locked(flight, woken);
    int over = is_over_locked(flight);
    pthread_mutex_unlock(&cache->flights.lock);

    if (over)
        icache_flight_dispose(flight);
    for (size_t i = 0; i < num_woken; ++i) {
        woken[i]->wake(woken[i]->ctx);
        atomic_fetch_sub_explicit(&woken[i]->wakers, 1, memory_order_release);
    }
}
