/*
 * Least recently used: one list, a hit moves the object to its front. Every object is let in, nobody is remembered.
 */
#include "image_cache/image_cache_private.h"

static int init(icache_policy_t *policy, uint64_t capacity_bytes, uint64_t max_objects)
{
    (void)policy;
    (void)capacity_bytes;
    (void)max_objects;
    return 0;
}

static void dispose(icache_policy_t *policy)
{
    (void)policy;
}

static icache_place_t place(icache_policy_t *policy, const icache_object_t *object, const icache_object_t *existing, int needs_room)
{
    (void)policy;
    (void)object;
    (void)existing;
    (void)needs_room;
    return ICACHE_PLACE_MAIN;
}

static void on_insert(icache_policy_t *policy, icache_object_t *object, icache_place_t to)
{
    (void)to;
    icache_queue_push(&policy->main, object);
}

static void on_hit(icache_policy_t *policy, icache_object_t *object)
{
    if (policy->main.newest == object)
        return;
    icache_queue_remove(&policy->main, object);
    icache_queue_push(&policy->main, object);
}

static void on_remove(icache_policy_t *policy, icache_object_t *object, icache_reason_t reason)
{
    (void)reason;
    icache_queue_remove(&policy->main, object);
}

static icache_object_t *victim(icache_policy_t *policy)
{
    return policy->main.oldest;
}

static void forget(icache_policy_t *policy)
{
    (void)policy;
}

static int walk(const icache_policy_t *policy, icache_visit_t visit, void *ctx)
{
    return icache_queue_walk(&policy->main, visit, ctx);
}

const icache_policy_ops_t icache_lru_ops = {.init = init,
                                            .dispose = dispose,
                                            .place = place,
                                            .on_insert = on_insert,
                                            .on_hit = on_hit,
                                            .on_remove = on_remove,
                                            .victim = victim,
                                            .forget = forget,
                                            .walk = walk};
