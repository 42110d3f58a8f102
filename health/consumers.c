#include <string.h>
#include "health/consumers.h"
#include "health/names.h"

static uint64_t percent_of(uint64_t bytes, unsigned percent)
{
    return bytes / 100 * percent + bytes % 100 * percent / 100;
}

health_consumer_status_t health_consumer_status(uint64_t used_bytes, uint64_t limit_bytes)
{
    if (limit_bytes == 0 || used_bytes < percent_of(limit_bytes, HEALTH_WARNING_PERCENT))
        return HEALTH_CONSUMER_OK;
    return used_bytes < percent_of(limit_bytes, HEALTH_CRITICAL_PERCENT) ? HEALTH_CONSUMER_WARNING : HEALTH_CONSUMER_CRITICAL;
}

typedef struct st_list_t {
    health_consumer_t *consumers;
    size_t count;
} list_t;

static health_consumer_t *add(list_t *list, const char *name, uint64_t used_bytes, uint64_t limit_bytes)
{
    health_consumer_t *consumer = list->consumers + list->count++;

    *consumer = (health_consumer_t){.name = name,
                                    .used_bytes = used_bytes,
                                    .limit_bytes = limit_bytes,
                                    .warning_bytes = percent_of(limit_bytes, HEALTH_WARNING_PERCENT),
                                    .critical_bytes = percent_of(limit_bytes, HEALTH_CRITICAL_PERCENT),
                                    .status = health_consumer_status(used_bytes, limit_bytes)};
    return consumer;
}

static void add_caches(list_t *list, const health_snapshot_t *snapshot)
{
    for (size_t i = 0; i != health_num_caches(snapshot); ++i) {
        const health_cache_t *cache = snapshot->caches + i;
        health_consumer_t *consumer = add(list, cache->name, cache->told.used_bytes, cache->capacity_bytes);
        consumer->is_accounted = 1;
        consumer->pinned_bytes = cache->told.pinned_bytes;
        consumer->evictable_bytes = cache->told.evictable_bytes;
        consumer->cache = cache;
    }
}

/* work under way may take what is left below the mark of `high`, fetches ahead of it a part of the budget */
static void add_reservations(list_t *list, const health_snapshot_t *snapshot)
{
    uint64_t most_bytes = (uint64_t)((double)snapshot->budget_bytes * snapshot->high_ratio);

    add(list, "source", snapshot->reserved_bytes[0], snapshot->memory.source_limit_bytes)->is_accounted = 1;
    add(list, "decode", snapshot->reserved_bytes[1], most_bytes)->is_accounted = 1;
}

size_t health_list_consumers(const health_snapshot_t *snapshot, health_consumer_t *consumers, uint64_t *accounted_bytes)
{
    list_t list = {.consumers = consumers};

    add_caches(&list, snapshot);
    add_reservations(&list, snapshot);
    add(&list, "siblings", snapshot->memory.siblings_bytes, 0);
    add(&list, "seen", snapshot->memory.seen_bytes, 0);
    add(&list, "heap_free", snapshot->memory.heap.free_bytes, 0)->evictable_bytes = snapshot->memory.heap.free_bytes;
    *accounted_bytes = 0;
    for (size_t i = 0; i != list.count; ++i)
        if (consumers[i].is_accounted)
            *accounted_bytes += consumers[i].used_bytes + consumers[i].pinned_bytes;
    return list.count;
}
