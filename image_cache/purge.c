/*
 * Removal by key, and of what is under way.
 *
 * First the flights: each one that matches is marked and moved to a bucket where no lookup finds it. Then the index, in batches. An
 * object can only come back through a flight, and a flight stores with the index lock held, after a look at its mark: either it
 * sees the mark and stores nothing, or its store was before the walk began, and the walk finds the object. Objects do not move to
 * buckets behind the walk, because the table does not shrink meanwhile. An abandoned flight is in no bucket; it looks at the number
 * of purges instead.
 */
#include <string.h>
#include "image_cache/image_cache_private.h"

int icache_purge_matches(icache_purge_kind_t kind, const char *text, size_t len, const char *key, size_t key_len)
{
    if (kind == ICACHE_PURGE_ALL)
        return 1;
    if (key_len < len || memcmp(key, text, len) != 0)
        return 0;
    return kind == ICACHE_PURGE_PREFIX || key_len == len || key[len] == '?';
}

static uint64_t set_aside_locked(icache_t *cache, unsigned bucket, icache_purge_kind_t kind, const char *text, size_t len)
{
    icache_flight_t **link = &cache->flights.buckets[bucket], *flight;
    uint64_t num_flights = 0;

    while ((flight = *link) != NULL) {
        if (!icache_purge_matches(kind, text, len, flight->key, flight->key_len)) {
            link = &flight->next_in_bucket;
            continue;
        }
        *link = flight->next_in_bucket;
        atomic_store_explicit(&flight->purged, 1, memory_order_relaxed);
        flight->next_in_bucket = cache->flights.buckets[ICACHE_FLIGHT_BUCKETS];
        cache->flights.buckets[ICACHE_FLIGHT_BUCKETS] = flight;
        ++num_flights;
    }
    return num_flights;
}

static uint64_t purge_flights(icache_t *cache, icache_purge_kind_t kind, const char *text, size_t len)
{
    uint64_t num_flights = 0;

    pthread_mutex_lock(&cache->flights.lock);
    atomic_fetch_add_explicit(&cache->flights.num_purges, 1, memory_order_relaxed);
    for (unsigned bucket = 0; bucket < ICACHE_FLIGHT_BUCKETS; ++bucket)
        num_flights += set_aside_locked(cache, bucket, kind, text, len);
    pthread_mutex_unlock(&cache->flights.lock);
    return num_flights;
}

void icache_purge(icache_t *cache, icache_purge_kind_t kind, const char *text, size_t len, icache_purged_t *purged)
{
    icache_purged_t counted = {.flights = purge_flights(cache, kind, text, len)};

    icache_index_purge(cache, kind, text, len, &counted);
    if (purged != NULL)
        *purged = counted;
}
