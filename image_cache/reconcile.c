/*
 * Reconciliation of groups. Their counters follow from what happened; once a round they are compared with what is there. A round
 * goes over all headers, which do not move as objects in buckets do, in slices. It keeps sums of its own, and its number in each
 * object that is in them: an object is added when the walk comes to it, or when it is linked, whichever is first, and taken off
 * when it is unlinked, if it is in. Hence at the end of the round the sums are those of the objects that are linked at that moment,
 * whatever came and went meanwhile, and a difference is a fault. It is healed only if the round
 * before found one too: what is wrong for good is still wrong a round later, and no counter is set on the strength of one walk.
 */
#include "image_cache/image_cache_private.h"

#define PARTS 80 /* calls of icache_reconcile() to get round the headers, at most */
#define BATCH 16 /* units of headers looked at in one hold of the lock */

static void reconcile_unit_locked(icache_t *cache, size_t unit)
{
    uint64_t used = icache_slab_used_in_unit(cache->slab, unit);

    for (; used != 0; used &= used - 1) {
        icache_object_t *object = &cache->slab->headers[unit * ICACHE_SLAB_UNIT_HEADERS + (size_t)__builtin_ctzll(used)];
        /* what else is in that header is only good to read if it is linked, under this lock */
        if (icache_object_is_linked(object) && object->_group != 0 && object->_group_round != cache->index.groups.round)
            icache_groups_enter_round(cache, object);
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
        *units = num_units / PARTS + 1;
    for (unsigned i = 0; i < BATCH && *units != 0 && groups->at_unit < num_units; ++i, --*units)
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
