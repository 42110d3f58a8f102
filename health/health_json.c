/*
 * The JSON of /api/health and /api/metrics/cache, and of problems.
 */
#include <stdlib.h>
#include "health/json.h"
#include "health/names.h"
#include "health/writers.h"

static json_t *new_memory(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    health_json_add(&object, "level", json_string(health_level_names[health_level_index(snapshot->level)]));
    health_json_add(&object, "resident_bytes", health_json_integer(snapshot->resident_bytes));
    health_json_add(&object, "peak_resident_bytes", health_json_integer(snapshot->peak_resident_bytes));
    health_json_add(&object, "budget_bytes", health_json_integer(snapshot->budget_bytes));
    health_json_add(&object, "group_bytes", health_json_integer(snapshot->group_bytes));
    health_json_add(&object, "group_limit_bytes", health_json_integer(snapshot->group_limit_bytes));
    health_json_add(&object, "failed_group_reads", health_json_integer(snapshot->failed_group_reads));
    health_json_add(&object, "ratio", health_json_real(health_usage_ratio(snapshot), 1e4));
    health_json_add(&object, "decided_by", json_string(health_group_decides(snapshot) ? "group" : "resident"));
    health_json_add(&object, "reserved_bytes",
                    health_json_integers(health_class_names, snapshot->reserved_bytes, HEALTH_NUM_CLASSES));
    health_json_add(&object, "accounted_bytes", health_json_integer(snapshot->accounted_bytes));
    health_json_add(&object, "residual_bytes", health_json_integer(snapshot->residual_bytes));
    health_json_add(&object, "evictable_bytes", health_json_integer(snapshot->evictable_bytes));
    return object;
}

static json_t *new_watchdog(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    health_json_add(&object, "checks", health_json_integer(snapshot->watchdog_checks));
    health_json_add(&object, "failures", health_json_integer(snapshot->watchdog_failures));
    health_json_add(&object, "interventions", health_json_integer(snapshot->watchdog_interventions));
    health_json_add(&object, "stands_in", json_boolean(snapshot->watchdog_stands_in != 0));
    return object;
}

static void add_size(json_t **object, const health_cache_t *cache)
{
    health_json_add(object, "bytes", health_json_integer(cache->used_bytes));
    health_json_add(object, "capacity_bytes", health_json_integer(cache->capacity_bytes));
    health_json_add(object, "limit_bytes", health_json_integer(cache->limit_bytes));
    health_json_add(object, "pinned_bytes", health_json_integer(cache->pinned_bytes));
    health_json_add(object, "free_bytes", health_json_integer(cache->free_bytes));
    health_json_add(object, "entries", health_json_integer(cache->entries));
}

static void add_lookups(json_t **object, const health_cache_t *cache)
{
    health_json_add(object, "hits", health_json_integer(cache->hits));
    health_json_add(object, "stale_hits", health_json_integer(cache->stale_hits));
    health_json_add(object, "misses", health_json_integer(cache->misses));
    health_json_add(object, "coalesced", health_json_integer(cache->coalesced));
    health_json_add(object, "hit_ratio", health_json_real(health_hit_ratio(cache), 1e4));
}

/* the name may be odd; as a key it has to be the cleaned one */
static json_t *new_cache_sizes(const health_text_t *text, const health_snapshot_t *snapshot)
{
    json_t *caches = json_object();
    for (size_t i = 0; i != health_num_caches(snapshot); ++i) {
        const health_cache_t *cache = &snapshot->caches[i];
        json_t *name = health_json_string(text, cache->name), *object = json_object();
        add_size(&object, cache);
        add_lookups(&object, cache);
        health_json_add(&caches, json_string_value(name), object);
        json_decref(name);
    }
    return caches;
}

static json_t *new_quotas(const health_text_t *text, const health_snapshot_t *snapshot)
{
    json_t *quotas = json_array();
    for (size_t i = 0; i != health_num_quotas(snapshot); ++i) {
        const health_quota_t *quota = &snapshot->quotas[i];
        json_t *object = json_object();
        health_json_add(&object, "route", health_json_string(text, quota->route));
        health_json_add(&object, "bytes", health_json_integer(quota->used_bytes));
        health_json_add(&object, "limit_bytes", health_json_integer(quota->limit_bytes));
        health_json_add(&object, "entries", health_json_integer(quota->entries));
        health_json_add(&object, "evictions", health_json_integer(quota->evictions));
        health_json_add(&object, "evicted_bytes", health_json_integer(quota->evicted_bytes));
        health_json_add(&object, "refused", health_json_integer(quota->refused));
        health_json_add(&object, "healed", health_json_integer(quota->healed));
        health_json_push(&quotas, object);
    }
    return quotas;
}

static uint64_t saturate_sum(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static json_t *new_operations(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    health_json_add(&object, "fetches", health_json_integer(snapshot->origin_in_progress));
    health_json_add(&object, "transforms", health_json_integer(snapshot->transforms_in_progress));
    health_json_add(&object, "transforms_queued", health_json_integer(snapshot->transforms_queued));
    health_json_add(&object, "requests", health_json_integer(snapshot->requests_in_progress));
    return object;
}

static json_t *new_queue(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    health_json_add(&object, "waiting", health_json_integer(snapshot->queue.waiting));
    health_json_add(&object, "waiting_bytes", health_json_integer(snapshot->queue.waiting_bytes));
    health_json_add(&object, "granted", health_json_integer(snapshot->queue.granted));
    health_json_add(&object, "timed_out", health_json_integer(snapshot->queue.timed_out));
    health_json_add(&object, "cancelled", health_json_integer(snapshot->queue.cancelled));
    health_json_add(&object, "refused", health_json_integer(snapshot->queue.refused));
    health_json_add(&object, "overtakes", health_json_integer(snapshot->queue.overtakes));
    health_json_add(&object, "healed", health_json_integer(snapshot->queue.healed));
    health_json_add(&object, "source_bytes", health_json_integer(snapshot->queue.source_bytes));
    health_json_add(&object, "drain_bytes_per_second", health_json_real(snapshot->queue.drain_bytes_per_s, 1));
    return object;
}

static json_t *new_routes(const health_text_t *text, const health_snapshot_t *snapshot)
{
    json_t *array = json_array();
    for (size_t i = 0; i != snapshot->num_routes; ++i) {
        json_t *object = json_object();
        health_json_add(&object, "name", health_json_string(text, snapshot->routes[i].name));
        health_json_add(&object, "limit", health_json_integer(snapshot->routes[i].limit));
        health_json_add(&object, "in_use", health_json_integer(snapshot->routes[i].in_use));
        health_json_add(&object, "waiting", health_json_integer(snapshot->routes[i].waiting));
        health_json_add(&object, "refused", health_json_integer(snapshot->routes[i].refused));
        health_json_push(&array, object);
    }
    return array;
}

static json_t *new_sentences(const char *const *sentences, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i != count; ++i)
        if (sentences[i] != NULL)
            health_json_push(&array, json_string(sentences[i]));
    return array;
}

static json_t *new_reclaim(const health_snapshot_t *snapshot)
{
    if (snapshot->last_reclaim.generation == 0)
        return json_null();
    json_t *object = json_object();
    health_json_add(&object, "generation", health_json_integer(snapshot->last_reclaim.generation));
    health_json_add(&object, "claimed_bytes", health_json_integer(snapshot->last_reclaim.claimed_bytes));
    health_json_add(&object, "objects", health_json_integer(snapshot->last_reclaim.objects));
    health_json_add(&object, "resident_before_bytes", health_json_integer(snapshot->last_reclaim.resident_before_bytes));
    health_json_add(&object, "resident_after_bytes", health_json_integer(snapshot->last_reclaim.resident_after_bytes));
    health_json_add(&object, "duration_ms", health_json_integer(snapshot->last_reclaim.duration_ms));
    health_json_add(&object, "age_ms", health_json_integer(snapshot->last_reclaim.age_ms));
    health_json_add(&object, "purged_bytes", health_json_integer(snapshot->last_reclaim.purged_bytes));
    return object;
}

static json_t *new_reclaims(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    health_json_add(&object, "total", health_json_integer(snapshot->reclaim.total));
    health_json_add(&object, "poor", health_json_integer(snapshot->reclaim.poor));
    health_json_add(&object, "unfinished", health_json_integer(snapshot->reclaim.unfinished));
    health_json_add(&object, "skipped", health_json_integer(snapshot->reclaim.skipped));
    health_json_add(&object, "backoff_ms", health_json_integer(snapshot->reclaim.backoff_ms));
    health_json_add(&object, "ineffective", json_boolean(snapshot->reclaim.ineffective));
    health_json_add(&object, "unreclaimable", json_boolean(snapshot->reclaim.unreclaimable));
    return object;
}

static json_t *new_health(const health_text_t *text, const health_snapshot_t *snapshot)
{
    static const char *const status_names[] = {"healthy", "degraded", "critical"};
    health_verdict_t verdict;
    json_t *root = json_object();

    health_judge(snapshot, &verdict);
    health_json_add(&root, "status", json_string(status_names[verdict.status]));
    health_json_add(&root, "version", health_json_string(text, snapshot->version));
    health_json_add(&root, "started_at", health_json_real(snapshot->process_start_time_seconds, 1e3));
    health_json_add(&root, "uptime_seconds", health_json_real(snapshot->uptime_seconds, 1e3));
    health_json_add(&root, "memory", new_memory(snapshot));
    health_json_add(&root, "watchdog", new_watchdog(snapshot));
    health_json_add(&root, "caches", new_cache_sizes(text, snapshot));
    health_json_add(&root, "quotas", new_quotas(text, snapshot));
    health_json_add(&root, "operations", new_operations(snapshot));
    health_json_add(&root, "queue", new_queue(snapshot));
    health_json_add(&root, "routes", new_routes(text, snapshot));
    health_json_add(&root, "requests_total", health_json_integer(health_finished_requests(snapshot)));
    health_json_add(&root, "shed_total", health_json_integer(snapshot->shed));
    health_json_add(&root, "degraded", health_json_integers(health_degraded_names, snapshot->degraded, HEALTH_NUM_DEGRADED));
    health_json_add(&root, "reasons", new_sentences(verdict.reasons, verdict.num_reasons));
    health_json_add(&root, "recommendations", new_sentences(verdict.recommendations, verdict.num_reasons));
    health_json_add(&root, "reclaims", new_reclaims(snapshot));
    health_json_add(&root, "last_reclaim", new_reclaim(snapshot));
    return root;
}

char *health_write_json(health_text_t *text, const health_snapshot_t *snapshot, size_t *len)
{
    return health_json_dump(text, new_health(text, snapshot), len);
}

void health_add_calls(json_t **object, const health_cache_t *cache)
{
    health_json_add(object, "calls", health_json_integer(cache->reclaim.calls));
    health_json_add(object, "released_bytes", health_json_integer(cache->reclaim.released_bytes));
    health_json_add(object, "released_objects", health_json_integer(cache->reclaim.released_objects));
    health_json_add(object, "slow_calls", health_json_integer(cache->reclaim.slow_calls));
    health_json_add(object, "failures", health_json_integer(cache->reclaim.failures));
    health_json_add(object, "longest_ms", health_json_integer(cache->reclaim.longest_ms));
}

static json_t *new_calls(const health_cache_t *cache)
{
    json_t *object = json_object();

    health_add_calls(&object, cache);
    health_json_add(&object, "last_ms", health_json_integer(cache->reclaim.last_ms));
    return object;
}

static void add_counts(json_t **object, const health_cache_t *cache)
{
    add_size(object, cache);
    health_json_add(object, "capacity_entries", health_json_integer(cache->capacity_entries));
    health_json_add(object, "detached_objects", health_json_integer(cache->detached_objects));
    add_lookups(object, cache);
    health_json_add(object, "refreshes", health_json_integer(cache->refreshes));
    health_json_add(object, "inserts", health_json_integer(cache->inserts));
    health_json_add(object, "not_admitted", health_json_integer(cache->not_admitted));
    health_json_add(object, "evictions", health_json_integers(health_reason_names, cache->evictions, HEALTH_NUM_REASONS));
    health_json_add(object, "evicted_bytes", health_json_integers(health_reason_names, cache->evicted_bytes, HEALTH_NUM_REASONS));
}

static void sum_up(health_cache_t *sum, const health_cache_t *cache)
{
    sum->used_bytes = saturate_sum(sum->used_bytes, cache->used_bytes);
    sum->capacity_bytes = saturate_sum(sum->capacity_bytes, cache->capacity_bytes);
    sum->limit_bytes = saturate_sum(sum->limit_bytes, cache->limit_bytes);
    sum->pinned_bytes = saturate_sum(sum->pinned_bytes, cache->pinned_bytes);
    sum->free_bytes = saturate_sum(sum->free_bytes, cache->free_bytes);
    sum->entries = saturate_sum(sum->entries, cache->entries);
    sum->capacity_entries = saturate_sum(sum->capacity_entries, cache->capacity_entries);
    sum->detached_objects = saturate_sum(sum->detached_objects, cache->detached_objects);
    sum->hits = saturate_sum(sum->hits, cache->hits);
    sum->stale_hits = saturate_sum(sum->stale_hits, cache->stale_hits);
    sum->misses = saturate_sum(sum->misses, cache->misses);
    sum->coalesced = saturate_sum(sum->coalesced, cache->coalesced);
    sum->refreshes = saturate_sum(sum->refreshes, cache->refreshes);
    sum->inserts = saturate_sum(sum->inserts, cache->inserts);
    sum->not_admitted = saturate_sum(sum->not_admitted, cache->not_admitted);
    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) {
        sum->evictions[i] = saturate_sum(sum->evictions[i], cache->evictions[i]);
        sum->evicted_bytes[i] = saturate_sum(sum->evicted_bytes[i], cache->evicted_bytes[i]);
    }
}

char *health_write_cache_json(health_text_t *text, const health_snapshot_t *snapshot, size_t *len)
{
    health_cache_t sum = {0};
    json_t *root = json_object(), *caches = json_array(), *totals = json_object();

    for (size_t i = 0; i != health_num_caches(snapshot); ++i) {
        json_t *object = json_object();
        health_json_add(&object, "name", health_json_string(text, snapshot->caches[i].name));
        add_counts(&object, &snapshot->caches[i]);
        health_json_add(&object, "reclaim", new_calls(&snapshot->caches[i]));
        health_json_push(&caches, object);
        sum_up(&sum, &snapshot->caches[i]);
    }
    add_counts(&totals, &sum);
    health_json_add(&root, "caches", caches);
    health_json_add(&root, "totals", totals);
    health_json_add(&root, "quotas", new_quotas(text, snapshot));
    return health_json_dump(text, root, len);
}

char *health_write_problem_json(health_text_t *text, int status, const char *title, const char *detail, const char *code,
                                size_t *len)
{
    json_t *root = json_object();
    health_json_add(&root, "type", json_string("about:blank"));
    health_json_add(&root, "status", json_integer(status));
    health_json_add(&root, "title", health_json_string(text, title));
    health_json_add(&root, "detail", health_json_string(text, detail));
    health_json_add(&root, "code", health_json_string(text, code));
    return health_json_dump(text, root, len);
}

json_t *health_new_json(const health_snapshot_t *snapshot)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return new_health(&text, snapshot);
}

char *health_json(const health_snapshot_t *snapshot, size_t *len)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return health_write_json(&text, snapshot, len);
}

char *health_cache_json(const health_snapshot_t *snapshot, size_t *len)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return health_write_cache_json(&text, snapshot, len);
}

char *health_problem_json(int status, const char *title, const char *detail, const char *code, size_t *len)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return health_write_problem_json(&text, status, title, detail, code, len);
}
