#include "image_cache/image_cache_private.h"

void icache_set_limit(icache_t *cache, uint64_t bytes)
{
    pthread_mutex_lock(&cache->index.lock);
    uint64_t reserved_bytes = cache->index.policy.reserved_bytes;
    if (bytes > cache->config.capacity_bytes)
        bytes = cache->config.capacity_bytes;
    cache->index.limit_bytes = bytes > reserved_bytes ? bytes - reserved_bytes : 0;
    pthread_mutex_unlock(&cache->index.lock);
}

void icache_get_usage(icache_t *cache, icache_usage_t *usage)
{
    uint64_t object_bytes = atomic_load_explicit(&cache->index.object_bytes, memory_order_relaxed);

    *usage = (icache_usage_t){.capacity_bytes = cache->config.capacity_bytes,
                              .used_bytes = object_bytes + cache->index.policy.reserved_bytes,
                              .evictable_bytes = object_bytes,
                              .pinned_bytes = atomic_load_explicit(&cache->slab->pinned_bytes, memory_order_relaxed)};
}
