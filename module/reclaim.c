/*
 * Both listeners work in small batches until the deadline of their slice. The goal of an event is set at its first call and kept
 * for the further ones; calls are told apart by generation and level. All calls come from the coordinator's thread.
 */
#include <stdlib.h>
#include "pressure/excess.h"
#include "module/reclaim.h"

#define TRIM_BYTES ((uint64_t)8 << 20) /* at a time, between two looks at the clock */

typedef struct st_goal_t {
    uint64_t generation;
    pressure_level_t level;
    uint64_t bytes; /* to which the cache is to come down */
} goal_t;

struct st_sluice_reclaim_t {
    sluice_t *sluice;
    goal_t images, metadata;
    pressure_registration_t *image_registration, *metadata_registration;
};

static int is_new(goal_t *goal, const pressure_event_t *event)
{
    if (goal->generation == event->generation && goal->level == event->level)
        return 0;
    *goal = (goal_t){.generation = event->generation, .level = event->level};
    return 1;
}

static pressure_status_t status_of(int done, uint64_t bytes_freed)
{
    return !done ? PRESSURE_MORE : bytes_freed != 0 ? PRESSURE_DONE : PRESSURE_NOTHING_LEFT;
}

/* what an event of that level leaves */
static uint64_t images_left(const sluice_t *sluice, pressure_level_t level, const icache_usage_t *usage)
{
    if (level >= PRESSURE_CRITICAL)
        return 0;
    return level < PRESSURE_HIGH ? usage->capacity_bytes / 1000 * sluice->settings.elevated_size_permille : UINT64_MAX;
}

/*
 * What is to be left. One picture that wants room does not get all: the cheapest of what is in the cache goes, mostly sources, but
 * the hits on many small pictures are worth more than one large picture that comes a little sooner.
 */
static uint64_t set_goal(const sluice_t *sluice, const pressure_event_t *event, const icache_usage_t *usage)
{
    uint64_t kept_bytes = usage->capacity_bytes / 1000 * sluice->settings.room_kept_permille;
    uint64_t left_bytes = pressure_excess(usage->used_bytes, event->wanted_bytes);

    if (event->wanted_bytes == 0)
        return images_left(sluice, event->level, usage);
    return left_bytes > kept_bytes ? left_bytes : kept_bytes;
}

/* gives the pages back that nothing is left in. Returns the bytes, and whether that was all */
static uint64_t trim_images(icache_t *cache, uint64_t deadline_ms, int *done)
{
    uint64_t gone_bytes = 0, part_bytes;

    do {
        gone_bytes += part_bytes = icache_trim(cache, TRIM_BYTES);
        *done = part_bytes < TRIM_BYTES;
    } while (!*done && sluice_exact_ms() < deadline_ms);
    return gone_bytes;
}

static uint64_t evict_images(icache_t *cache, uint64_t goal_bytes, uint64_t deadline_ms, int *done)
{
    uint64_t freed_bytes = 0;

    do {
        freed_bytes += icache_shrink_step(cache, goal_bytes, done);
    } while (!*done && sluice_exact_ms() < deadline_ms);
    return freed_bytes;
}

static pressure_result_t shrink_images(void *_reclaim, const pressure_event_t *event)
{
    sluice_reclaim_t *reclaim = _reclaim;
    icache_t *cache = reclaim->sluice->cache;
    icache_stats_t before, after;
    icache_usage_t usage;
    uint64_t freed_bytes = 0;
    int evicted = 1, trimmed = 0;

    if (event->level < PRESSURE_CRITICAL && event->final_level >= PRESSURE_CRITICAL)
        return (pressure_result_t){.status = PRESSURE_NOTHING_LEFT};
    icache_get_stats(cache, &before);
    icache_get_usage(cache, &usage);
    if (is_new(&reclaim->images, event))
        reclaim->images.bytes = set_goal(reclaim->sluice, event, &usage);
    if (before.used_bytes > reclaim->images.bytes)
        freed_bytes = evict_images(cache, reclaim->images.bytes, event->deadline_ms, &evicted);
    uint64_t gone_bytes = trim_images(cache, event->deadline_ms, &trimmed);
    icache_get_stats(cache, &after);
    /* what is still being sent is not free yet; what was free before, or what large objects gave back themselves, counts once */
    freed_bytes = pressure_excess(freed_bytes, pressure_excess(after.pinned_bytes, before.pinned_bytes));
    if (gone_bytes > freed_bytes)
        freed_bytes = gone_bytes;
    return (pressure_result_t){.bytes_freed = freed_bytes,
                               .objects_freed = pressure_excess(before.entries, after.entries),
                               .status = status_of(evicted && trimmed, freed_bytes)};
}

static void tell_usage_of_images(void *_reclaim, pressure_level_t level, pressure_usage_t *out)
{
    const sluice_t *sluice = ((sluice_reclaim_t *)_reclaim)->sluice;
    icache_usage_t usage;

    icache_get_usage(sluice->cache, &usage);
    uint64_t above_bytes = pressure_excess(usage.used_bytes, images_left(sluice, level, &usage));
    *out = (pressure_usage_t){.bytes = usage.used_bytes,
                              .pinned_bytes = usage.pinned_bytes,
                              .capacity_bytes = usage.capacity_bytes,
                              .evictable_bytes = (above_bytes < usage.evictable_bytes ? above_bytes : usage.evictable_bytes) +
                                                 icache_free_bytes(sluice->cache)};
}

static void limit_images(void *_reclaim, uint64_t bytes)
{
    icache_set_limit(((sluice_reclaim_t *)_reclaim)->sluice->cache, bytes);
}

/* what an event of that level takes, in whole segments, rounded up */
static uint64_t metadata_taken(const sluice_t *sluice, pressure_level_t level, uint64_t segment_bytes)
{
    uint64_t num_segments = segment_bytes / ICACHE_META_SEGMENT_BYTES;

    if (level >= PRESSURE_EMERGENCY)
        return segment_bytes;
    if (level >= PRESSURE_HIGH)
        return 0;
    return (num_segments * sluice->settings.metadata_drop_permille + 999) / 1000 * ICACHE_META_SEGMENT_BYTES;
}

static pressure_result_t shrink_metadata(void *_reclaim, const pressure_event_t *event)
{
    sluice_reclaim_t *reclaim = _reclaim;
    icache_meta_t *metadata = reclaim->sluice->metadata;
    icache_meta_stats_t before, after;
    uint64_t index_bytes, segment_bytes, freed_bytes = 0, dropped_bytes = 1;

    icache_meta_get_usage(metadata, &index_bytes, &segment_bytes);
    if (is_new(&reclaim->metadata, event))
        reclaim->metadata.bytes = segment_bytes - metadata_taken(reclaim->sluice, event->level, segment_bytes);
    if (segment_bytes <= reclaim->metadata.bytes || event->wanted_bytes != 0 ||
        (event->level < PRESSURE_EMERGENCY && event->final_level >= PRESSURE_EMERGENCY))
        return (pressure_result_t){.status = PRESSURE_NOTHING_LEFT};
    icache_meta_get_stats(metadata, &before);
    do {
        freed_bytes += dropped_bytes = icache_meta_drop_segment(metadata);
        icache_meta_get_usage(metadata, &index_bytes, &segment_bytes);
    } while (segment_bytes > reclaim->metadata.bytes && dropped_bytes != 0 && sluice_exact_ms() < event->deadline_ms);
    icache_meta_get_stats(metadata, &after);
    return (pressure_result_t){.bytes_freed = freed_bytes,
                               .objects_freed = pressure_excess(before.entries, after.entries),
                               .status = status_of(segment_bytes <= reclaim->metadata.bytes, freed_bytes)};
}

static void tell_usage_of_metadata(void *_reclaim, pressure_level_t level, pressure_usage_t *out)
{
    const sluice_t *sluice = ((sluice_reclaim_t *)_reclaim)->sluice;
    uint64_t index_bytes, segment_bytes;

    icache_meta_get_usage(sluice->metadata, &index_bytes, &segment_bytes);
    *out =
        (pressure_usage_t){.bytes = index_bytes + segment_bytes, .evictable_bytes = metadata_taken(sluice, level, segment_bytes)};
}

sluice_reclaim_t *sluice_reclaim_create(sluice_t *sluice)
{
    sluice_reclaim_t *reclaim = calloc(1, sizeof(*reclaim));

    if (reclaim == NULL)
        return NULL;
    pressure_listener_t metadata = {
        .name = "metadata", .phase = 1, .on_event = shrink_metadata, .usage = tell_usage_of_metadata, .ctx = reclaim};
    pressure_listener_t images = {.name = "image",
                                  .phase = 2,
                                  .on_event = shrink_images,
                                  .usage = tell_usage_of_images,
                                  .set_limit = limit_images,
                                  .ctx = reclaim};
    reclaim->sluice = sluice;
    if (pressure_register(sluice->pressure, &metadata, &reclaim->metadata_registration) != 0 ||
        pressure_register(sluice->pressure, &images, &reclaim->image_registration) != 0)
        sluice_reclaim_destroy(&reclaim);
    return reclaim;
}

void sluice_reclaim_destroy(sluice_reclaim_t **_reclaim)
{
    sluice_reclaim_t *reclaim = *_reclaim;

    if (reclaim == NULL)
        return;
    *_reclaim = NULL;
    pressure_unregister(reclaim->sluice->pressure, &reclaim->metadata_registration);
    pressure_unregister(reclaim->sluice->pressure, &reclaim->image_registration);
    free(reclaim);
}
