/*
 * The list that the policies share.
 */
#include "image_cache/image_cache_private.h"

void icache_queue_push(icache_queue_t *queue, icache_object_t *object)
{
    object->_prev = NULL;
    object->_next = queue->newest;
    if (queue->newest != NULL)
        queue->newest->_prev = object;
    else
        queue->oldest = object;
    queue->newest = object;
    queue->bytes += object->_charge_bytes;
    ++queue->num_objects;
}

void icache_queue_remove(icache_queue_t *queue, icache_object_t *object)
{
    if (object->_prev != NULL)
        object->_prev->_next = object->_next;
    else
        queue->newest = object->_next;
    if (object->_next != NULL)
        object->_next->_prev = object->_prev;
    else
        queue->oldest = object->_prev;
    object->_prev = object->_next = NULL;
    queue->bytes -= object->_charge_bytes;
    --queue->num_objects;
}

int icache_queue_walk(const icache_queue_t *queue, icache_visit_t visit, void *ctx)
{
    const icache_object_t *object = queue->newest, *prev = NULL;
    uint64_t bytes = 0;
    size_t num_objects = 0;
    int result;

    for (; object != NULL; prev = object, object = object->_next) {
        ICACHE_CHECK(object->_prev == prev);
        ICACHE_CHECK(++num_objects <= queue->num_objects);
        bytes += object->_charge_bytes;
        if ((result = visit(ctx, object)) != 0)
            return result;
    }
    ICACHE_CHECK(queue->oldest == prev);
    ICACHE_CHECK(num_objects == queue->num_objects && bytes == queue->bytes);
    return 0;
}
