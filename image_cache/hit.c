/*
 * Hits: what the request path does nearly always, without a lock.
 *
 * A hit writes to the object alone: the reference count, and until it is saturated the count of hits that the policy goes by. Hits
 * are counted on the caller's lane, which nobody else writes to. Only a policy that keeps its objects in the order of use has to
 * relink the object (icache_policy_ops_t.max_hits is 0), and takes the index lock for it.
 *
 * What is not found this way may be there all the same (table.c), or has expired: the locked path decides.
 */
#include "image_cache/image_cache_private.h"

static inline void count_hit(icache_t *cache, icache_lane_t *lane)
{
    if (lane == NULL)
        atomic_fetch_add_explicit(&cache->hits, 1, memory_order_relaxed);
    else
        atomic_store_explicit(&lane->hits, atomic_load_explicit(&lane->hits, memory_order_relaxed) + 1, memory_order_relaxed);
}

void icache_count_hit(icache_t *cache)
{
    count_hit(cache, NULL);
}

/* consumes the reference if it is no hit */
static icache_object_t *hit_if_fresh(icache_t *cache, icache_object_t *object, uint64_t now_ms)
{
    if (now_ms >= atomic_load_explicit(&object->expires_ms, memory_order_relaxed)) {
        icache_object_drop(object);
        return NULL;
    }
    if (cache->full_hits != 0)
        icache_object_count_hit(object, cache->full_hits);
    else
        icache_index_touch(cache, object);
    return object;
}

static inline icache_object_t *get_without_lock(icache_t *cache, const icache_key_t *key, uint64_t now_ms)
{
    icache_object_t *object = icache_table_get(&cache->index.table, key);
    return object != NULL ? hit_if_fresh(cache, object, now_ms) : NULL;
}

icache_object_t *icache_hit(icache_t *cache, const icache_key_t *key, uint64_t now_ms)
{
    return get_without_lock(cache, key, now_ms);
}

static icache_object_t *get_with_lock(icache_t *cache, const icache_key_t *key, uint64_t now_ms)
{
    icache_object_t *victims = NULL, *object = icache_index_get(cache, key, now_ms, &victims);

    icache_release(cache, victims);
    return object;
}

icache_object_t *icache_get(icache_t *cache, icache_lane_t *lane, const icache_key_t *key, uint64_t now_ms)
{
    icache_object_t *object = get_without_lock(cache, key, now_ms);

    if (object == NULL && (object = get_with_lock(cache, key, now_ms)) == NULL)
        return NULL;
    count_hit(cache, lane);
    return object;
}

icache_handle_t icache_object_handle(icache_object_t *object)
{
    return (icache_handle_t){.object = object, .serial = object->_serial};
}

icache_object_t *icache_get_by_handle(icache_t *cache, icache_lane_t *lane, icache_handle_t handle, uint64_t now_ms)
{
    icache_object_t *object = handle.object;

    if (object == NULL || !icache_object_try_ref(object))
        return NULL;
    if (object->_serial != handle.serial || !icache_object_is_linked(object)) {
        icache_object_drop(object);
        return NULL;
    }
    if ((object = hit_if_fresh(cache, object, now_ms)) != NULL)
        count_hit(cache, lane);
    return object;
}
