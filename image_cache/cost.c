/*
 * Greedy dual by size, frequency and cost (GDSF; Cherkasova 1998) behind probation: MAIN gives up the object that saves the least
 * work per byte, aged by inflation.
 *
 *      priority = inflation + hits * cost_us / charge_bytes
 *
 * where inflation is the priority of the last object that went. MAIN is a binary heap whose order is mended lazily: a hit bumps a
 * counter in the object and leaves the heap alone. An object that comes to the top with new hits gets a new priority and sinks; one
 * without goes. The counter of new hits saturates at 15, and so does the sum by which the object is ranked: what was popular once
 * does not stay for ever.
 *
 * The heap's array is reserved for as many objects as the capacity can hold; its pages become resident as it grows and go back as
 * it shrinks. Its slots are paid for by the charges. Equal priorities go in the order in which they were given.
 */
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#define MAX_HITS 15
#define MAX_RANKED_HITS 15
#define MAX_SLOTS ((uint64_t)1 << 27)

static size_t array_size(const icache_heap_t *heap)
{
    return heap->max_objects * sizeof(*heap->slots);
}

static int init(icache_policy_t *policy, uint64_t capacity_bytes, uint64_t max_objects)
{
    icache_heap_t *heap = &policy->heap;

    heap->max_objects = (size_t)(max_objects < 1 ? 1 : max_objects < MAX_SLOTS ? max_objects : MAX_SLOTS);
    if ((heap->slots = icache_reserve(array_size(heap))) == NULL)
        return -1;
    if (icache_probation_init(policy, capacity_bytes, heap->max_objects) == 0)
        return 0;
    munmap(heap->slots, array_size(heap));
    heap->slots = NULL;
    return -1;
}

static void dispose(icache_policy_t *policy)
{
    munmap(policy->heap.slots, array_size(&policy->heap));
    icache_probation_dispose(policy);
}

static int goes_before(const icache_object_t *a, const icache_object_t *b)
{
    if (a->_priority < b->_priority || a->_priority > b->_priority)
        return a->_priority < b->_priority;
    return (int32_t)(a->_rank_seq - b->_rank_seq) < 0;
}

static void put(icache_heap_t *heap, size_t at, icache_object_t *object)
{
    heap->slots[at] = object;
    object->_heap_at = (uint32_t)at;
}

static void sift_up(icache_heap_t *heap, size_t at, icache_object_t *object)
{
    for (; at != 0 && goes_before(object, heap->slots[(at - 1) / 2]); at = (at - 1) / 2)
        put(heap, at, heap->slots[(at - 1) / 2]);
    put(heap, at, object);
}

static void sift_down(icache_heap_t *heap, size_t at, icache_object_t *object)
{
    size_t child;

    for (; (child = 2 * at + 1) < heap->num_objects; at = child) {
        if (child + 1 < heap->num_objects && goes_before(heap->slots[child + 1], heap->slots[child]))
            ++child;
        if (!goes_before(heap->slots[child], object))
            break;
        put(heap, at, heap->slots[child]);
    }
    put(heap, at, object);
}

/* the slots behind hold nothing that is read, so it does not matter whether the system really takes them */
static void release_pages(icache_heap_t *heap)
{
    heap->touched = icache_release_tail(heap->slots, sizeof(*heap->slots), heap->num_objects, heap->touched);
}

double icache_cost_priority(double inflation, uint8_t hits, uint32_t cost_us, uint64_t charge_bytes)
{
    return inflation + (double)hits * (double)(cost_us != 0 ? cost_us : 1) / (double)charge_bytes;
}

static void rank(icache_policy_t *policy, icache_object_t *object, unsigned hits)
{
    hits += object->_ranked_hits;
    object->_ranked_hits = (uint8_t)(hits < MAX_RANKED_HITS ? hits : MAX_RANKED_HITS);
    object->_priority = icache_cost_priority(policy->heap.inflation, object->_ranked_hits, object->cost_us, object->_charge_bytes);
    object->_rank_seq = policy->heap.next_seq++;
}

/* the miss that brought the object counts as a hit, so that it has a rank at all */
static void main_push(icache_policy_t *policy, icache_object_t *object, unsigned hits)
{
    icache_heap_t *heap = &policy->heap;

    rank(policy, object, hits + 1);
    sift_up(heap, heap->num_objects++, object);
    if (heap->touched < heap->num_objects)
        heap->touched = heap->num_objects;
    policy->main.bytes += object->_charge_bytes;
    ++policy->main.num_objects;
}

static void main_remove(icache_policy_t *policy, icache_object_t *object)
{
    icache_heap_t *heap = &policy->heap;
    size_t at = object->_heap_at;
    icache_object_t *last = heap->slots[--heap->num_objects];

    if (last != object) {
        if (goes_before(last, object))
            sift_up(heap, at, last);
        else
            sift_down(heap, at, last);
    }
    release_pages(heap);
    policy->main.bytes -= object->_charge_bytes;
    --policy->main.num_objects;
}

static icache_object_t *main_victim(icache_policy_t *policy)
{
    icache_heap_t *heap = &policy->heap;

    while (heap->num_objects != 0) {
        icache_object_t *object = heap->slots[0];
        uint8_t hits = icache_object_take_hits(object);
        heap->inflation = object->_priority;
        if (hits == 0)
            return object;
        rank(policy, object, hits);
        sift_down(heap, 0, object);
    }
    return NULL;
}

static int main_walk(const icache_policy_t *policy, icache_visit_t visit, void *ctx)
{
    const icache_heap_t *heap = &policy->heap;
    uint64_t bytes = 0;
    int result = 0;

    for (size_t i = 0; i < heap->num_objects && result == 0; ++i) {
        const icache_object_t *object = heap->slots[i];
        ICACHE_CHECK(object->_heap_at == i && !object->_in_small && object->_ranked_hits != 0);
        ICACHE_CHECK(object->_priority >= heap->inflation);
        ICACHE_CHECK(i == 0 || goes_before(heap->slots[(i - 1) / 2], object));
        bytes += object->_charge_bytes;
        result = visit(ctx, object);
    }
    if (result != 0)
        return result;
    ICACHE_CHECK(heap->num_objects == policy->main.num_objects && bytes == policy->main.bytes);
    ICACHE_CHECK(heap->num_objects <= heap->touched && heap->touched <= heap->max_objects);
    return 0;
}

const icache_policy_ops_t icache_cost_ops = {.max_hits = MAX_HITS,
                                             .init = init,
                                             .dispose = dispose,
                                             .place = icache_probation_place,
                                             .on_insert = icache_probation_insert,
                                             .on_remove = icache_probation_remove,
                                             .victim = icache_probation_victim,
                                             .forget = icache_probation_forget,
                                             .walk = icache_probation_walk,
                                             .main_push = main_push,
                                             .main_remove = main_remove,
                                             .main_victim = main_victim,
                                             .main_walk = main_walk};
