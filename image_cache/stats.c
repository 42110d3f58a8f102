/*
 * Snapshots of the numbers, each under the lock that guards it.
 */
#include "image_cache/image_cache_private.h"

static void copy_index_stats(icache_t *cache, icache_stats_t *stats)
{
    pthread_mutex_lock(&cache->index.lock);
    stats->used_bytes = icache_used_bytes(cache);
    stats->limit_bytes = cache->index.limit_bytes + cache->index.policy.reserved_bytes;
    stats->entries = cache->index.table.num_objects;
    stats->inserts = cache->index.inserts;
    stats->not_admitted = cache->index.not_admitted;
    for (int i = 0; i < ICACHE_NUM_CLASSES; ++i) {
        stats->class_bytes[i] = cache->index.class_bytes[i];
        stats->class_entries[i] = cache->index.class_entries[i];
    }
    for (int i = 0; i < ICACHE_NUM_REASONS; ++i) {
        stats->removed[i] = cache->index.removed[i];
        stats->removed_bytes[i] = cache->index.removed_bytes[i];
    }
    pthread_mutex_unlock(&cache->index.lock);
}

static void copy_flight_stats(icache_t *cache, icache_stats_t *stats)
{
    pthread_mutex_lock(&cache->flights.lock);
    stats->hits = atomic_load_explicit(&cache->hits, memory_order_relaxed);
    for (unsigned i = 0; i < ICACHE_MAX_LANES; ++i)
        if (cache->flights.lanes[i] != NULL)
            stats->hits += atomic_load_explicit(&cache->flights.lanes[i]->hits, memory_order_relaxed);
    stats->flights = cache->flights.num_flights;
    stats->waiters = cache->flights.num_waiters;
    stats->misses = cache->flights.misses;
    stats->coalesced = cache->flights.coalesced;
    stats->abandoned = cache->flights.abandoned;
    stats->stale = cache->flights.stale;
    stats->refreshes = cache->flights.refreshes;
    pthread_mutex_unlock(&cache->flights.lock);
}

void icache_get_stats(icache_t *cache, icache_stats_t *stats)
{
    *stats = (icache_stats_t){.capacity_bytes = cache->config.capacity_bytes};
    copy_index_stats(cache, stats);
    copy_flight_stats(cache, stats);
    icache_arena_usage_t usage = icache_arena_usage(cache->slab->arena);
    stats->arena_bytes = usage.resident_bytes;
    stats->free_bytes = usage.free_bytes;
    stats->objects = icache_slab_num_used(cache->slab);
    stats->pinned_bytes = atomic_load_explicit(&cache->slab->pinned_bytes, memory_order_relaxed);
}
