/*
 * Groups: quotas of bytes within the cache.
 *
 * The groups of a cache are a forest. A linked object may be charged to one of them, and through it to all above; only the objects
 * of a group's own are on its list, from the oldest to the newest. Everything changes under the index lock, in the same hold as the
 * index itself, so `used_bytes` is exact whenever somebody looks.
 *
 * Who has to go: the oldest object of the group and of all below it, unless it was hit since it came to where it is (second chance:
 * it becomes the newest). The order is the same for all policies of the cache. The policy's own order would not do: its queues and
 * heap are over all objects, and finding the next one of a group in them is a search; nor do the policies' hit counts, since a
 * group that takes them spoils the policy's view, and one that does not cannot tell old hits from new. So a hit leaves a flag in
 * the byte that it writes anyway, and a group clears it. This is CLOCK: close to LRU without a list that hits
 * would have to touch. After MAX_CHANCES the oldest goes, hit or not, so that a store does bounded work for each victim even where
 * all objects are hot. Objects evicted here leave no ghost (probation.c): otherwise a group that is too small for what it is asked
 * for would fill the list of ghosts, and be let into MAIN at the expense of all others.
 *
 * To find the oldest of several lists each object has a sequence number of 32 bits. If it wraps round while an object stays, some
 * go in another order. The list is of header numbers, to leave the header its size.
 */
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache_private.h"

#define MAX_CHANCES 64

/* returns 0, or -1 when there are too many */
static int add_locked(icache_groups_t *groups, icache_group_t *group)
{
    if (groups->num_groups == ICACHE_MAX_GROUPS)
        return -1;
    groups->groups[groups->num_groups++] = group;
    group->number = (uint16_t)groups->num_groups;
    if (group->parent != NULL) {
        group->next_sibling = group->parent->first_child;
        group->parent->first_child = group;
    }
    return 0;
}

icache_group_t *icache_group_create(icache_t *cache, const char *name, uint64_t limit_bytes, icache_group_t *parent)
{
    size_t name_len = strlen(name);
    icache_group_t *group = calloc(1, sizeof(*group) + name_len + 1);

    if (group == NULL)
        return NULL;
    *group = (icache_group_t){.cache = cache, .limit_bytes = limit_bytes, .parent = parent};
    memcpy(group->name, name, name_len);
    pthread_mutex_lock(&cache->index.lock);
    int added = add_locked(&cache->index.groups, group);
    pthread_mutex_unlock(&cache->index.lock);
    if (added == 0)
        return group;
    free(group);
    return NULL;
}

void icache_groups_dispose(icache_groups_t *groups)
{
    for (size_t i = 0; i < groups->num_groups; ++i)
        free(groups->groups[i]);
    groups->num_groups = 0;
}

void icache_object_set_group(icache_object_t *object, const icache_group_t *group)
{
    object->_group = group != NULL ? group->number : 0;
}

static icache_group_t *group_of(const icache_t *cache, const icache_object_t *object)
{
    return object->_group != 0 ? cache->index.groups.groups[object->_group - 1] : NULL;
}

/* 0 is no header */
static uint32_t number_of(const icache_t *cache, const icache_object_t *object)
{
    return object != NULL ? (uint32_t)(object - cache->slab->headers) + 1 : 0;
}

static icache_object_t *object_at(const icache_t *cache, uint32_t number)
{
    return number != 0 ? &cache->slab->headers[number - 1] : NULL;
}

static void append(icache_t *cache, icache_group_t *group, icache_object_t *object)
{
    object->_group_seq = cache->index.groups.next_seq++;
    object->_group_newer = 0;
    object->_group_older = number_of(cache, group->newest);
    if (group->newest != NULL)
        group->newest->_group_newer = number_of(cache, object);
    else
        group->oldest = object;
    group->newest = object;
}

static void take_out(icache_t *cache, icache_group_t *group, icache_object_t *object)
{
    icache_object_t *older = object_at(cache, object->_group_older), *newer = object_at(cache, object->_group_newer);

    if (older != NULL)
        older->_group_newer = object->_group_newer;
    else
        group->oldest = newer;
    if (newer != NULL)
        newer->_group_older = object->_group_older;
    else
        group->newest = older;
}

void icache_groups_enter_round(const icache_t *cache, icache_object_t *object)
{
    object->_group_round = cache->index.groups.round;
    for (icache_group_t *group = group_of(cache, object); group != NULL; group = group->parent) {
        group->round_bytes += object->_charge_bytes;
        ++group->round_entries;
    }
}

static void leave_round(const icache_t *cache, const icache_object_t *object)
{
    for (icache_group_t *group = group_of(cache, object); group != NULL; group = group->parent) {
        group->round_bytes -= object->_charge_bytes;
        --group->round_entries;
    }
}

void icache_groups_link(icache_t *cache, icache_object_t *object)
{
    icache_group_t *own = group_of(cache, object);

    append(cache, own, object);
    for (icache_group_t *group = own; group != NULL; group = group->parent) {
        group->used_bytes += object->_charge_bytes;
        ++group->entries;
    }
    icache_groups_enter_round(cache, object);
}

/* of a counter that may be wrong: below zero it would be as good as full */
static uint64_t subtract(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

void icache_groups_unlink(icache_t *cache, icache_object_t *object)
{
    icache_group_t *own = group_of(cache, object);

    take_out(cache, own, object);
    for (icache_group_t *group = own; group != NULL; group = group->parent) {
        group->used_bytes = subtract(group->used_bytes, object->_charge_bytes);
        group->entries = subtract(group->entries, 1);
    }
    if (object->_group_round == cache->index.groups.round)
        leave_round(cache, object);
}

icache_group_t *icache_groups_too_small(const icache_t *cache, const icache_object_t *object)
{
    icache_group_t *group = group_of(cache, object);

    while (group != NULL && object->_charge_bytes <= group->limit_bytes)
        group = group->parent;
    return group;
}

void icache_groups_count_refusal(icache_t *cache, const icache_object_t *object)
{
    icache_group_t *group = icache_groups_too_small(cache, object);

    if (group != NULL)
        ++group->refused;
}

icache_group_t *icache_groups_full(const icache_t *cache, const icache_object_t *object)
{
    icache_group_t *group = group_of(cache, object);

    while (group != NULL && group->used_bytes + object->_charge_bytes <= group->limit_bytes)
        group = group->parent;
    return group;
}

static int is_older(const icache_object_t *a, const icache_object_t *b)
{
    return (int32_t)(a->_group_seq - b->_group_seq) < 0;
}

static icache_object_t *oldest_below(const icache_group_t *group)
{
    icache_object_t *oldest = group->oldest;

    for (const icache_group_t *child = group->first_child; child != NULL; child = child->next_sibling) {
        icache_object_t *object = oldest_below(child);
        if (object != NULL && (oldest == NULL || is_older(object, oldest)))
            oldest = object;
    }
    return oldest;
}

icache_object_t *icache_groups_victim(icache_group_t *group)
{
    icache_t *cache = group->cache;
    icache_object_t *object;
    unsigned chances = 0;

    while ((object = oldest_below(group)) != NULL && icache_object_take_hit_flag(object) && chances++ < MAX_CHANCES) {
        icache_group_t *own = group_of(cache, object);
        take_out(cache, own, object);
        append(cache, own, object);
    }
    if (object != NULL) {
        ++group->evictions;
        group->evicted_bytes += object->_charge_bytes;
    }
    return object;
}

size_t icache_get_group_stats(icache_t *cache, icache_group_stats_t *stats, size_t max)
{
    const icache_groups_t *groups = &cache->index.groups;

    pthread_mutex_lock(&cache->index.lock);
    size_t num_groups = groups->num_groups;
    for (size_t i = 0; i < num_groups && i < max; ++i) {
        const icache_group_t *group = groups->groups[i];
        stats[i] = (icache_group_stats_t){.name = group->name,
                                          .limit_bytes = group->limit_bytes,
                                          .used_bytes = group->used_bytes,
                                          .entries = group->entries,
                                          .evictions = group->evictions,
                                          .evicted_bytes = group->evicted_bytes,
                                          .refused = group->refused,
                                          .healed = group->healed};
    }
    pthread_mutex_unlock(&cache->index.lock);
    return num_groups;
}

struct st_sum_t {
    uint64_t bytes, entries;
};

/* adds up the group's own objects */
static int check_list(const icache_t *cache, const icache_group_t *group, struct st_sum_t *sum)
{
    const icache_object_t *older = NULL, *object = group->oldest;

    for (; object != NULL; older = object, object = object_at(cache, object->_group_newer)) {
        ICACHE_CHECK(object->_linked && object->_group == group->number);
        ICACHE_CHECK(object_at(cache, object->_group_older) == older && (older == NULL || is_older(older, object)));
        ICACHE_CHECK(++sum->entries <= cache->index.table.num_objects);
        sum->bytes += object->_charge_bytes;
    }
    ICACHE_CHECK(group->newest == older);
    return 0;
}

/* what a group has is what its own objects and its children have; so from the leaves upwards all is what the objects say */
static int check_group(const icache_t *cache, const icache_group_t *group, uint64_t *num_listed)
{
    struct st_sum_t sum = {0, 0};
    int line = check_list(cache, group, &sum);

    if (line != 0)
        return line;
    *num_listed += sum.entries;
    for (const icache_group_t *child = group->first_child; child != NULL; child = child->next_sibling) {
        ICACHE_CHECK(child->parent == group);
        sum.bytes += child->used_bytes;
        sum.entries += child->entries;
    }
    ICACHE_CHECK(sum.bytes == group->used_bytes && sum.entries == group->entries);
    ICACHE_CHECK(group->used_bytes <= group->limit_bytes);
    ICACHE_CHECK(group->round_bytes <= group->used_bytes && group->round_entries <= group->entries);
    return 0;
}

int icache_groups_check(const icache_t *cache, uint64_t num_charged)
{
    const icache_groups_t *groups = &cache->index.groups;
    uint64_t num_listed = 0;

    for (size_t i = 0; i < groups->num_groups; ++i) {
        int line = check_group(cache, groups->groups[i], &num_listed);
        if (line != 0)
            return line;
        ICACHE_CHECK(groups->groups[i]->number == i + 1);
    }
    ICACHE_CHECK(num_listed == num_charged);
    return 0;
}
