/*
 * What s3-fifo and cost have in common: a new object is on probation.
 *
 *      first seen            hit while in SMALL             hit: see the policy
 *   ---------------> SMALL ----------------------> MAIN --------------------------> evicted
 *                      |                            ^
 *                      | not hit: evicted           | comes back while remembered
 *                      +---------> (ghost) ---------+
 *
 * SMALL is a FIFO of a tenth of the bytes: most pictures are never asked for again, and they pass through without touching MAIN. A
 * hit only counts in the object itself, so that it needs neither a list nor, one day, a lock; where the object goes is decided
 * when it gets to the end of its queue.
 *
 * An object of more than an eighth of SMALL would sweep it, and is let in only if its key comes back (or while there is room). It
 * does leave a ghost. Where SMALL would hold less than 16 objects of average size, nothing in it lives long enough to be hit
 * (the known collapse of such policies in tiny caches): it is then made larger, up to half of the cache, and beyond that there is
 * none.
 *
 * A ghost counts for as many evictions as there are objects in the cache. Objects that expired leave one too: somebody asked again.
 * Objects that go under memory pressure or are purged do not.
 */
#include "image_cache/image_cache_private.h"

int icache_probation_init(icache_policy_t *policy, uint64_t capacity_bytes, uint64_t max_objects)
{
    if (icache_ghosts_init(&policy->ghosts, capacity_bytes) != 0)
        return -1;
    policy->reserved_bytes = icache_ghosts_size(&policy->ghosts);
    policy->capacity_bytes = capacity_bytes - policy->reserved_bytes;
    policy->max_objects = max_objects;
    return 0;
}

void icache_probation_dispose(icache_policy_t *policy)
{
    icache_ghosts_dispose(&policy->ghosts);
}

uint64_t icache_probation_small_bytes(uint64_t capacity_bytes, uint64_t num_objects, uint64_t object_bytes)
{
    uint64_t tenth = capacity_bytes / 10, half = capacity_bytes / 2;
    uint64_t wanted = num_objects != 0 ? object_bytes / num_objects * ICACHE_SMALL_MIN_OBJECTS : 0;

    if (wanted <= tenth)
        return tenth;
    return wanted <= half ? wanted : 0;
}

static uint64_t small_bytes(const icache_policy_t *policy)
{
    return icache_probation_small_bytes(policy->capacity_bytes, policy->small.num_objects + policy->main.num_objects,
                                        policy->small.bytes + policy->main.bytes);
}

static void add_ghost(icache_policy_t *policy, const icache_object_t *object)
{
    icache_ghosts_add(&policy->ghosts, object);
    policy->ghost_bytes = policy->reserved_bytes;
}

icache_place_t icache_probation_place(icache_policy_t *policy, const icache_object_t *object, const icache_object_t *existing,
                                      int needs_room)
{
    size_t num_objects = policy->small.num_objects + policy->main.num_objects;

    if (existing != NULL)
        return ICACHE_PLACE_MAIN;
    if (num_objects >= policy->max_objects)
        return ICACHE_PLACE_NONE;
    uint64_t small = small_bytes(policy);
    if (icache_ghosts_take(&policy->ghosts, object, num_objects) || small == 0)
        return ICACHE_PLACE_MAIN;
    if (!needs_room || object->_charge_bytes <= small / 8)
        return ICACHE_PLACE_SMALL;
    add_ghost(policy, object);
    return ICACHE_PLACE_NONE;
}

void icache_probation_insert(icache_policy_t *policy, icache_object_t *object, icache_place_t place)
{
    if (place == ICACHE_PLACE_MAIN) {
        policy->ops->main_push(policy, object, 0);
        return;
    }
    object->_in_small = 1;
    icache_queue_push(&policy->small, object);
}

static void leave(icache_policy_t *policy, icache_object_t *object)
{
    object->_in_small = 0;
    icache_queue_remove(&policy->small, object);
}

/* an object that deserves it leaves a ghost */
void icache_probation_remove(icache_policy_t *policy, icache_object_t *object, icache_reason_t reason)
{
    if (reason == ICACHE_REASON_EXPIRED || (reason == ICACHE_REASON_CAPACITY && object->_in_small))
        add_ghost(policy, object);
    if (object->_in_small)
        leave(policy, object);
    else
        policy->ops->main_remove(policy, object);
}

/* the object at the end of SMALL if it is SMALL's turn to give one up, or NULL */
static icache_object_t *find_end(const icache_policy_t *policy)
{
    return policy->small.bytes >= small_bytes(policy) || policy->main.num_objects == 0 ? policy->small.oldest : NULL;
}

icache_object_t *icache_probation_victim(icache_policy_t *policy)
{
    icache_object_t *object;

    while ((object = find_end(policy)) != NULL) {
        uint8_t hits = icache_object_take_hits(object);
        if (hits == 0)
            return object;
        leave(policy, object);
        policy->ops->main_push(policy, object, hits);
    }
    return policy->ops->main_victim(policy);
}

void icache_probation_forget(icache_policy_t *policy)
{
    icache_ghosts_forget(&policy->ghosts);
    policy->ghost_bytes = 0;
}

int icache_probation_walk(const icache_policy_t *policy, icache_visit_t visit, void *ctx)
{
    for (const icache_object_t *object = policy->small.newest; object != NULL; object = object->_next)
        ICACHE_CHECK(object->_in_small);
    int result = icache_queue_walk(&policy->small, visit, ctx);
    return result != 0 ? result : policy->ops->main_walk(policy, visit, ctx);
}
