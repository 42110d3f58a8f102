#include "health/json.h"
#include "health/names.h"
#include "health/views.h"
#include "health/writers.h"

#define RATIO_SCALE 1e4

/* what UINT64_MAX stands for: none, or never */
static json_t *new_bounded(uint64_t value)
{
    return value == UINT64_MAX ? json_null() : health_json_integer(value);
}

/* --- stats */

static json_t *new_marks(const health_snapshot_t *snapshot)
{
    double budget = (double)snapshot->budget_bytes;
    json_t *object = json_object();

    health_json_add(&object, "elevated", health_json_integer((uint64_t)(budget * snapshot->elevated_ratio)));
    health_json_add(&object, "degraded", health_json_integer((uint64_t)(budget * snapshot->degraded_ratio)));
    health_json_add(&object, "high", health_json_integer((uint64_t)(budget * snapshot->high_ratio)));
    health_json_add(&object, "critical", health_json_integer((uint64_t)(budget * snapshot->critical_ratio)));
    health_json_add(&object, "emergency", health_json_integer((uint64_t)(budget * snapshot->emergency_ratio)));
    return object;
}

static json_t *new_group(const health_snapshot_t *snapshot)
{
    if (snapshot->group_limit_bytes == 0)
        return json_null();
    json_t *object = json_object();
    health_json_add(&object, "bytes", health_json_integer(snapshot->group_bytes));
    health_json_add(&object, "limit_bytes", health_json_integer(snapshot->group_limit_bytes));
    return object;
}

static json_t *new_stalls(const health_stalls_t *stalls)
{
    if (stalls->source == NULL)
        return json_null();
    json_t *object = json_object();
    health_json_add(&object, "source", json_string(stalls->source));
    health_json_add(&object, "some_avg10", health_json_real(stalls->some_avg10, RATIO_SCALE));
    health_json_add(&object, "some_avg60", health_json_real(stalls->some_avg60, RATIO_SCALE));
    health_json_add(&object, "some_avg300", health_json_real(stalls->some_avg300, RATIO_SCALE));
    health_json_add(&object, "full_avg10", health_json_real(stalls->full_avg10, RATIO_SCALE));
    health_json_add(&object, "full_avg60", health_json_real(stalls->full_avg60, RATIO_SCALE));
    health_json_add(&object, "full_avg300", health_json_real(stalls->full_avg300, RATIO_SCALE));
    health_json_add(&object, "some_seconds", health_json_real(stalls->some_seconds, 1e6));
    health_json_add(&object, "full_seconds", health_json_real(stalls->full_seconds, 1e6));
    return object;
}

json_t *health_new_stats(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();

    health_json_add(&object, "level", json_string(health_level_names[health_level_index(snapshot->level)]));
    health_json_add(&object, "resident_bytes", health_json_integer(snapshot->resident_bytes));
    health_json_add(&object, "peak_resident_bytes", health_json_integer(snapshot->peak_resident_bytes));
    health_json_add(&object, "budget_bytes", health_json_integer(snapshot->budget_bytes));
    health_json_add(&object, "ratio", health_json_real(health_usage_ratio(snapshot), RATIO_SCALE));
    health_json_add(&object, "decided_by", json_string(health_group_decides(snapshot) ? "group" : "resident"));
    health_json_add(&object, "accounted_bytes", health_json_integer(snapshot->accounted_bytes));
    health_json_add(&object, "unaccounted_bytes", health_json_integer(snapshot->residual_bytes));
    health_json_add(&object, "evictable_bytes", health_json_integer(snapshot->evictable_bytes));
    health_json_add(&object, "reserved_bytes",
                    health_json_integers(health_class_names, snapshot->reserved_bytes, HEALTH_NUM_CLASSES));
    health_json_add(&object, "marks_bytes", new_marks(snapshot));
    health_json_add(&object, "cgroup", new_group(snapshot));
    health_json_add(&object, "psi", new_stalls(&snapshot->memory.stalls));
    health_json_add(&object, "heap", health_new_heap(snapshot));
    health_json_add(&object, "simulated_bytes", health_json_integer(snapshot->memory.simulated_bytes));
    health_json_add(&object, "growth_bytes_per_minute", json_real(snapshot->memory.growth_bytes_per_minute));
    return object;
}

/* --- heap and process */

static json_t *new_arenas(const health_heap_t *heap)
{
    json_t *array = json_array();

    for (size_t i = 0; i != heap->num_arenas; ++i) {
        json_t *object = json_object();
        health_json_add(&object, "system_bytes", health_json_integer(heap->arenas[i].system_bytes));
        health_json_add(&object, "free_bytes", health_json_integer(heap->arenas[i].free_bytes));
        health_json_push(&array, object);
    }
    return array;
}

json_t *health_new_heap(const health_snapshot_t *snapshot)
{
    const health_heap_t *heap = &snapshot->memory.heap;
    json_t *object = json_object();

    health_json_add(&object, "allocator", heap->allocator != NULL ? json_string(heap->allocator) : json_null());
    health_json_add(&object, "allocated_bytes", health_json_integer(heap->allocated_bytes));
    health_json_add(&object, "active_bytes", health_json_integer(heap->active_bytes));
    health_json_add(&object, "resident_bytes", health_json_integer(heap->resident_bytes));
    health_json_add(&object, "retained_bytes", health_json_integer(heap->retained_bytes));
    health_json_add(&object, "mapped_bytes", health_json_integer(heap->mapped_bytes));
    health_json_add(&object, "free_bytes", health_json_integer(heap->free_bytes));
    health_json_add(&object, "arenas", new_arenas(heap));
    health_json_add(&object, "looks", health_json_integer(heap->looks));
    health_json_add(&object, "look_ms", health_json_real((double)heap->look_us / 1000, 1e3));
    health_json_add(&object, "age_ms", health_json_integer(heap->age_ms));
    return object;
}

static void add_sizes(json_t **object, const health_process_t *process)
{
    health_json_add(object, "virtual_bytes", health_json_integer(process->virtual_bytes));
    health_json_add(object, "peak_virtual_bytes", health_json_integer(process->peak_virtual_bytes));
    health_json_add(object, "max_virtual_bytes", new_bounded(process->max_virtual_bytes));
    health_json_add(object, "resident_bytes", health_json_integer(process->resident_bytes));
    health_json_add(object, "peak_resident_bytes", health_json_integer(process->peak_resident_bytes));
    health_json_add(object, "anonymous_bytes", health_json_integer(process->anonymous_bytes));
    health_json_add(object, "file_bytes", health_json_integer(process->file_bytes));
    health_json_add(object, "shared_bytes", health_json_integer(process->shared_bytes));
    health_json_add(object, "data_bytes", health_json_integer(process->data_bytes));
    health_json_add(object, "stack_bytes", health_json_integer(process->stack_bytes));
    health_json_add(object, "page_table_bytes", health_json_integer(process->page_table_bytes));
    health_json_add(object, "locked_bytes", health_json_integer(process->locked_bytes));
    health_json_add(object, "swap_bytes", health_json_integer(process->swap_bytes));
}

json_t *health_new_process(const health_snapshot_t *snapshot)
{
    const health_process_t *process = &snapshot->memory.process;
    json_t *object = json_object();

    health_json_add(&object, "pid", health_json_integer(process->pid));
    health_json_add(&object, "uptime_seconds", health_json_real(snapshot->uptime_seconds, 1e3));
    health_json_add(&object, "threads", health_json_integer(process->threads));
    health_json_add(&object, "fds", health_json_integer(process->fds));
    health_json_add(&object, "max_fds", new_bounded(process->max_fds));
    health_json_add(&object, "cpu_seconds", health_json_real(process->user_seconds + process->system_seconds, 1e3));
    health_json_add(&object, "user_seconds", health_json_real(process->user_seconds, 1e3));
    health_json_add(&object, "system_seconds", health_json_real(process->system_seconds, 1e3));
    add_sizes(&object, process);
    health_json_add(&object, "minor_faults", health_json_integer(process->minor_faults));
    health_json_add(&object, "major_faults", health_json_integer(process->major_faults));
    health_json_add(&object, "voluntary_switches", health_json_integer(process->voluntary_switches));
    health_json_add(&object, "involuntary_switches", health_json_integer(process->involuntary_switches));
    health_json_add(&object, "read_bytes", health_json_integer(process->read_bytes));
    health_json_add(&object, "written_bytes", health_json_integer(process->written_bytes));
    health_json_add(&object, "age_ms", health_json_integer(snapshot->memory.age_ms));
    return object;
}

/* --- consumers */

static json_t *new_call(const health_cache_t *cache)
{
    if (cache->last_call.level == NULL)
        return json_null();
    json_t *object = json_object();
    health_json_add(&object, "generation", health_json_integer(cache->last_call.generation));
    health_json_add(&object, "level", json_string(cache->last_call.level));
    health_json_add(&object, "result", json_string(cache->last_call.result));
    health_json_add(&object, "released_bytes", health_json_integer(cache->last_call.released_bytes));
    health_json_add(&object, "released_objects", health_json_integer(cache->last_call.released_objects));
    health_json_add(&object, "duration_ms", health_json_integer(cache->reclaim.last_ms));
    health_json_add(&object, "age_ms", health_json_integer(cache->last_call.age_ms));
    return object;
}

static json_t *new_calls(const health_cache_t *cache)
{
    json_t *object = json_object();

    health_add_calls(&object, cache);
    health_json_add(&object, "last", new_call(cache));
    return object;
}

json_t *health_new_consumer(const health_consumer_t *consumer)
{
    static const char *const statuses[] = {"ok", "warning", "critical"};
    json_t *object = json_object();

    health_json_add(&object, "name", json_string(consumer->name));
    health_json_add(&object, "accounted", json_boolean(consumer->is_accounted));
    health_json_add(&object, "used_bytes", health_json_integer(consumer->used_bytes));
    health_json_add(&object, "pinned_bytes", health_json_integer(consumer->pinned_bytes));
    health_json_add(&object, "evictable_bytes", health_json_integer(consumer->evictable_bytes));
    health_json_add(&object, "limit_bytes", health_json_integer(consumer->limit_bytes));
    health_json_add(&object, "warning_bytes", health_json_integer(consumer->warning_bytes));
    health_json_add(&object, "critical_bytes", health_json_integer(consumer->critical_bytes));
    health_json_add(&object, "status", json_string(statuses[consumer->status]));
    if (consumer->cache == NULL)
        return object;
    health_json_add(&object, "present_limit_bytes", health_json_integer(consumer->cache->limit_bytes));
    health_json_add(&object, "entries", health_json_integer(consumer->cache->entries));
    health_json_add(&object, "free_bytes", health_json_integer(consumer->cache->free_bytes));
    health_json_add(&object, "reclaim", new_calls(consumer->cache));
    return object;
}

json_t *health_new_consumers(const health_snapshot_t *snapshot)
{
    health_consumer_t consumers[HEALTH_MAX_CONSUMERS];
    uint64_t accounted_bytes;
    size_t count = health_list_consumers(snapshot, consumers, &accounted_bytes);
    json_t *root = json_object(), *array = json_array();

    for (size_t i = 0; i != count; ++i)
        health_json_push(&array, health_new_consumer(consumers + i));
    health_json_add(&root, "consumers", array);
    health_json_add(&root, "accounted_bytes", health_json_integer(accounted_bytes));
    return root;
}

/* --- coordination */

static json_t *new_events(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();

    for (size_t i = 1; i != HEALTH_NUM_LEVELS; ++i) {
        if (i == HEALTH_LEVEL_DEGRADED) /* has no event */
            continue;
        json_t *event = json_object();
        health_json_add(&event, "told", health_json_integer(snapshot->events[i]));
        health_json_add(&event, "repeated", health_json_integer(snapshot->repeats[i]));
        health_json_add(&event, "age_ms", new_bounded(snapshot->event_age_ms[i]));
        health_json_add(&object, health_level_names[i], event);
    }
    return object;
}

static json_t *new_listeners(const health_snapshot_t *snapshot)
{
    json_t *array = json_array();

    for (size_t i = 0; i != health_num_caches(snapshot); ++i) {
        const health_cache_t *cache = snapshot->caches + i;
        json_t *object = new_calls(cache);
        health_json_add(&object, "name", json_string(cache->name));
        health_json_add(&object, "used_bytes", health_json_integer(cache->told.used_bytes));
        health_json_add(&object, "pinned_bytes", health_json_integer(cache->told.pinned_bytes));
        health_json_add(&object, "evictable_bytes", health_json_integer(cache->told.evictable_bytes));
        health_json_add(&object, "present_limit_bytes", health_json_integer(cache->limit_bytes));
        health_json_push(&array, object);
    }
    return array;
}

static json_t *new_admission(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();

    health_json_add(&object, "reserved_bytes",
                    health_json_integers(health_class_names, snapshot->reserved_bytes, HEALTH_NUM_CLASSES));
    health_json_add(&object, "granted", health_json_integer(snapshot->reservations_granted));
    health_json_add(&object, "refused", health_json_integer(snapshot->reservations_refused));
    health_json_add(&object, "running", health_json_integer(snapshot->transforms_in_progress));
    health_json_add(&object, "shed", health_json_integer(snapshot->shed));
    return object;
}

json_t *health_new_coordination(const health_snapshot_t *snapshot)
{
    json_t *health = health_new_json(snapshot), *object = json_object();
    static const char *const shared[] = {"queue", "routes", "degraded", "reclaims", "last_reclaim", "watchdog"};

    health_json_add(&object, "level", json_string(health_level_names[health_level_index(snapshot->level)]));
    health_json_add(&object, "level_age_ms", new_bounded(snapshot->level_age_ms));
    health_json_add(&object, "events", new_events(snapshot));
    health_json_add(&object, "listeners", new_listeners(snapshot));
    health_json_add(&object, "admission", new_admission(snapshot));
    for (size_t i = 0; i != sizeof(shared) / sizeof(shared[0]); ++i)
        health_json_add(&object, shared[i], json_incref(json_object_get(health, shared[i])));
    json_decref(health);
    return object;
}
