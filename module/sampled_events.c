#include <string.h>
#include "health/json.h"
#include "module/observer.h"
#include "module/sampled_events.h"

static json_t *new_amount(uint64_t objects, uint64_t bytes)
{
    json_t *amount = json_object();

    health_json_add(&amount, "objects", health_json_integer(objects));
    health_json_add(&amount, "bytes", health_json_integer(bytes));
    return amount;
}

json_t *sluice_sampled_disposal(sluice_sampled_events_t *sampled, const health_cache_t *cache, int *left)
{
    json_t *event, *reasons = json_object();
    uint64_t sum_objects = 0, sum_bytes = 0;

    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) {
        uint64_t objects = cache->evictions[i] - sampled->evictions[i], bytes = cache->evicted_bytes[i] - sampled->evicted_bytes[i];
        sum_objects += objects;
        sum_bytes += bytes;
        if (objects != 0)
            health_json_add(&reasons, health_reason_names[i], new_amount(objects, bytes));
    }
    memcpy(sampled->evictions, cache->evictions, sizeof(sampled->evictions));
    memcpy(sampled->evicted_bytes, cache->evicted_bytes, sizeof(sampled->evicted_bytes));
    if ((*left = sum_objects != 0) == 0) {
        json_decref(reasons);
        return NULL;
    }
    event = new_amount(sum_objects, sum_bytes);
    health_json_add(&event, "cache", json_string(cache->name));
    health_json_add(&event, "reasons", reasons);
    return event;
}

void sluice_sampled_events_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    int left;
    json_t *event = sluice_sampled_disposal(&sluice->sampled_events, observation->snapshot->caches, &left);

    if (left)
        health_events_publish(sluice->events, "disposal", sluice_wall_ms(), event);
    if (sluice_simulation_expire(&sluice->simulation, observation->now_ms))
        sluice_simulation_publish(sluice->events, 0, 0);
}
