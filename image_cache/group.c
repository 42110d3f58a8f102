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
 * the byte that it writes anyway, and a group clears it. CLOCK is within a few per cent of LRU, touches nothing on a hit, and
 * cannot starve: after MAX_CHANCES the oldest goes, hit or not, so that a store does bounded work for each victim even where all
 * objects are hot. Objects evicted here leave no ghost (probation.c): otherwise a group that is too small for what it is asked for
 * would fill the list of ghosts, and be let into MAIN at the expense of all others.
 *
 * To find the oldest of several lists each object has a sequence number of 32 bits. If it wraps round while an object stays, some
 * go in another order. The list is of header numbers, to leave the header its size.
 *
 * Reconciliation. The counters follow from what happened; once a round they are compared with what is there. A round goes over all
 * headers, which do not move as objects in buckets do, in slices. It keeps sums of its own, and its number in each object that is
 * in them: an object is added when the walk comes to it, or when it is linked, whichever is first, and taken off when it is
 * unlinked, if it is in. Hence at the end of the round the sums are those of the objects that are linked at that moment, whatever
 * came and went meanwhile, and a difference is a fault. It is healed only if the round before had found one too: one fault is
 * enough to be told, and one round of delay costs nothing.
 */
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache_private.h"

#define MAX_CHANCES 64
#define RECONCILE_PARTS 80    /* calls of icache_reconcile() to get round the headers */
#define RECONCILE_MIN_UNITS 4 /* of headers, in one call */
#define RECONCILE_BATCH 16    /* units looked at in one hold of the lock */

icache_group_t *icache_group_create(icache_t *cache, const char *name, uint64_t limit_bytes, icache_group_t *parent)
{
    icache_groups_t *groups = &cache->index.groups;
    icache_group_t *group = calloc(1, sizeof(*group)), *created = NULL;
    char *copy = strdup(name);

    if (group == NULL || copy == NULL)
        goto done;
    *group = (icache_group_t){.cache = cache, .name = copy, .limit_bytes = limit_bytes, .parent = parent};
    pthread_mutex_lock(&cache->index.lock);
    if (groups->num_groups < ICACHE_MAX_GROUPS) {
        created = group;
        groups->groups[groups->num_groups++] = group;
        group->number = (uint16_t)groups->num_groups;
        if (parent != NULL) {
            group->next_sibling = parent->first_child;
            parent->first_child = group;
        }
    }
    pthread_mutex_unlock(&cache->index.lock);
done:
    if (created == NULL) {
        free(group);
        free(copy);
    }
    return created;
}

void icache_groups_dispose(icache_groups_t *groups)
{
    for (size_t i = 0; i < groups->num_groups; ++i) {
        free(groups->groups[i]->name);
        free(groups->groups[i]);
    }
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

static void enter_round(const icache_t *cache, icache_object_t *object)
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

    if (own == NULL)
        return;
    append(cache, own, object);
    for (icache_group_t *group = own; group != NULL; group = group->parent) {
        group->used_bytes += object->_charge_bytes;
        ++group->entries;
    }
    enter_round(cache, object);
}

/* of a counter that may be wrong: below zero it would be as good as full */
static uint64_t subtract(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

void icache_groups_unlink(icache_t *cache, icache_object_t *object)
{
    icache_group_t *own = group_of(cache, object);

    if (own == NULL)
        return;
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

static void reconcile_unit_locked(icache_t *cache, size_t unit)
{
    uint64_t used = icache_slab_used_in_unit(cache->slab, unit);

    for (; used != 0; used &= used - 1) {
        icache_object_t *object = &cache->slab->headers[unit * ICACHE_SLAB_UNIT_HEADERS + (size_t)__builtin_ctzll(used)];
        /* what else is in that header is only good to read if it is linked, under this lock */
        if (icache_object_is_linked(object) && object->_group != 0 && object->_group_round != cache->index.groups.round)
            enter_round(cache, object);
    }
}

static void judge_locked(icache_group_t *group)
{
    int differs = group->used_bytes != group->round_bytes || group->entries != group->round_entries;

    if (differs && group->differed) {
        group->healing = (icache_healed_t){group->name, group->used_bytes, group->round_bytes};
        group->healed_untold = 1;
        ++group->healed;
        group->used_bytes = group->round_bytes;
        group->entries = group->round_entries;
        differs = 0;
    }
    group->differed = differs;
    group->round_bytes = group->round_entries = 0;
}

static void end_round_locked(icache_groups_t *groups)
{
    for (size_t i = 0; i < groups->num_groups; ++i)
        judge_locked(groups->groups[i]);
    ++groups->round;
    groups->at_unit = 0;
}

/* one hold of the lock; returns whether there is more to do, out of *units and of the round */
static int reconcile_batch(icache_t *cache, size_t *units)
{
    icache_groups_t *groups = &cache->index.groups;

    pthread_mutex_lock(&cache->index.lock);
    size_t num_units = icache_slab_num_touched_units(cache->slab);
    if (*units == 0)
        *units = num_units / RECONCILE_PARTS + RECONCILE_MIN_UNITS;
    for (unsigned i = 0; i < RECONCILE_BATCH && *units != 0 && groups->at_unit < num_units; ++i, --*units)
        reconcile_unit_locked(cache, groups->at_unit++);
    int over = groups->at_unit >= num_units;
    if (over)
        end_round_locked(groups);
    pthread_mutex_unlock(&cache->index.lock);
    return !over && *units != 0;
}

/* returns whether there was something to tell */
static int take_healed(icache_t *cache, icache_healed_t *healed)
{
    icache_groups_t *groups = &cache->index.groups;
    int found = 0;

    pthread_mutex_lock(&cache->index.lock);
    for (size_t i = 0; i < groups->num_groups && !found; ++i)
        if (groups->groups[i]->healed_untold) {
            groups->groups[i]->healed_untold = 0;
            *healed = groups->groups[i]->healing;
            found = 1;
        }
    pthread_mutex_unlock(&cache->index.lock);
    return found;
}

static int has_groups(icache_t *cache)
{
    pthread_mutex_lock(&cache->index.lock);
    int has = cache->index.groups.num_groups != 0;
    pthread_mutex_unlock(&cache->index.lock);
    return has;
}

void icache_reconcile(icache_t *cache, void (*on_healed)(void *ctx, const icache_healed_t *healed), void *ctx)
{
    icache_healed_t healed;
    size_t units = 0;

    if (!has_groups(cache))
        return;
    while (reconcile_batch(cache, &units))
        ;
    while (take_healed(cache, &healed))
        on_healed(ctx, &healed);
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
