/*
 * The policy: least recently used. One list through the objects, newest first; a hit moves the object to the front.
 */
#include "image_cache/image_cache_private.h"

void icache_policy_on_insert(icache_policy_t *policy, icache_object_t *object)
{
    object->_lru_prev = NULL;
    object->_lru_next = policy->newest;
    if (policy->newest != NULL)
        policy->newest->_lru_prev = object;
    else
        policy->oldest = object;
    policy->newest = object;
}

void icache_policy_on_remove(icache_policy_t *policy, icache_object_t *object)
{
    if (object->_lru_prev != NULL)
        object->_lru_prev->_lru_next = object->_lru_next;
    else
        policy->newest = object->_lru_next;
    if (object->_lru_next != NULL)
        object->_lru_next->_lru_prev = object->_lru_prev;
    else
        policy->oldest = object->_lru_prev;
    object->_lru_prev = object->_lru_next = NULL;
}

void icache_policy_on_hit(icache_policy_t *policy, icache_object_t *object)
{
    if (policy->newest == object)
        return;
    icache_policy_on_remove(policy, object);
    icache_policy_on_insert(policy, object);
}

icache_object_t *icache_policy_victim(const icache_policy_t *policy)
{
    return policy->oldest;
}
