/*
 * JSON answers. Every constructor of jansson returns NULL when memory is out and every setter takes NULL for an answer, so the
 * functions here build without looking and dump() asks once: `add` remembers in the object's place that a member is missing.
 * The text goes through our own buffer, because jansson's dump has no ceiling and need not be good for free().
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "health/names.h"
#include "health/writers.h"

/* takes over value, and drops *object for good if anything fails: a later add finds NULL and fails too */
static void add(json_t **object, const char *key, json_t *value)
{
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

static void push(json_t **array, json_t *value)
{
    if (json_array_append_new(*array, value) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}

static json_t *new_integer(uint64_t value)
{
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

/* rounds to a 1/scale, so that 0.8 does not come out with 17 digits */
static json_t *new_real(double value, double scale)
{
    if (!isfinite(value))
        value = 0;
    if (value > 0 && value * scale < 9e15)
        value = (double)(uint64_t)(value * scale + 0.5) / scale;
    return json_real(value);
}

/* `like` lends its allocator and ceiling */
static json_t *new_string(const health_text_t *like, const char *s)
{
    health_text_t clean;
    size_t len;

    health_text_init(&clean, like->ceiling, like->resize);
    while (s != NULL && *s != '\0')
        s += health_text_put_char(&clean, s);
    char *bytes = health_text_take(&clean, &len);
    json_t *string = bytes != NULL ? json_stringn(bytes, len) : NULL;
    free(bytes);
    return string;
}

static json_t *new_integers(const char *const *names, const uint64_t *values, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i != count; ++i)
        add(&object, names[i], new_integer(values[i]));
    return object;
}

static int append_dumped(const char *bytes, size_t len, void *text)
{
    return health_text_append(text, bytes, len);
}

/* consumes root */
static char *dump(health_text_t *text, json_t *root, size_t *len)
{
    int failed = root == NULL || json_dump_callback(root, append_dumped, text, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0;
    json_decref(root);
    char *bytes = health_text_take(text, len);
    if (failed && bytes != NULL) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

static json_t *new_memory(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    add(&object, "level", json_string(health_level_names[health_level_index(snapshot->level)]));
    add(&object, "resident_bytes", new_integer(snapshot->resident_bytes));
    add(&object, "peak_resident_bytes", new_integer(snapshot->peak_resident_bytes));
    add(&object, "budget_bytes", new_integer(snapshot->budget_bytes));
    add(&object, "group_bytes", new_integer(snapshot->group_bytes));
    add(&object, "group_limit_bytes", new_integer(snapshot->group_limit_bytes));
    add(&object, "failed_group_reads", new_integer(snapshot->failed_group_reads));
    add(&object, "ratio", new_real(health_usage_ratio(snapshot), 1e4));
    add(&object, "decided_by", json_string(health_group_decides(snapshot) ? "group" : "resident"));
    add(&object, "reserved_bytes", new_integers(health_class_names, snapshot->reserved_bytes, HEALTH_NUM_CLASSES));
    add(&object, "accounted_bytes", new_integer(snapshot->accounted_bytes));
    add(&object, "residual_bytes", new_integer(snapshot->residual_bytes));
    add(&object, "evictable_bytes", new_integer(snapshot->evictable_bytes));
    return object;
}

static json_t *new_watchdog(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    add(&object, "checks", new_integer(snapshot->watchdog_checks));
    add(&object, "failures", new_integer(snapshot->watchdog_failures));
    add(&object, "interventions", new_integer(snapshot->watchdog_interventions));
    add(&object, "stands_in", json_boolean(snapshot->watchdog_stands_in != 0));
    return object;
}

static void add_size(json_t **object, const health_cache_t *cache)
{
    add(object, "bytes", new_integer(cache->used_bytes));
    add(object, "capacity_bytes", new_integer(cache->capacity_bytes));
    add(object, "limit_bytes", new_integer(cache->limit_bytes));
    add(object, "pinned_bytes", new_integer(cache->pinned_bytes));
    add(object, "free_bytes", new_integer(cache->free_bytes));
    add(object, "entries", new_integer(cache->entries));
}

/* the name may be odd; as a key it has to be the cleaned one */
static json_t *new_cache_sizes(const health_text_t *text, const health_snapshot_t *snapshot)
{
    json_t *caches = json_object();
    for (size_t i = 0; i != health_num_caches(snapshot); ++i) {
        const health_cache_t *cache = &snapshot->caches[i];
        json_t *name = new_string(text, cache->name), *object = json_object();
        add_size(&object, cache);
        add(&object, "hit_ratio", new_real(health_hit_ratio(cache), 1e4));
        add(&caches, json_string_value(name), object);
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
        add(&object, "route", new_string(text, quota->route));
        add(&object, "bytes", new_integer(quota->used_bytes));
        add(&object, "limit_bytes", new_integer(quota->limit_bytes));
        add(&object, "entries", new_integer(quota->entries));
        add(&object, "evictions", new_integer(quota->evictions));
        add(&object, "evicted_bytes", new_integer(quota->evicted_bytes));
        add(&object, "refused", new_integer(quota->refused));
        add(&object, "healed", new_integer(quota->healed));
        push(&quotas, object);
    }
    return quotas;
}

static json_t *new_operations(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    add(&object, "fetches", new_integer(snapshot->origin_in_progress));
    add(&object, "transforms", new_integer(snapshot->transforms_in_progress));
    add(&object, "transforms_queued", new_integer(snapshot->transforms_queued));
    add(&object, "requests", new_integer(snapshot->requests_in_progress));
    return object;
}

static json_t *new_queue(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    add(&object, "waiting", new_integer(snapshot->queue.waiting));
    add(&object, "waiting_bytes", new_integer(snapshot->queue.waiting_bytes));
    add(&object, "granted", new_integer(snapshot->queue.granted));
    add(&object, "timed_out", new_integer(snapshot->queue.timed_out));
    add(&object, "cancelled", new_integer(snapshot->queue.cancelled));
    add(&object, "refused", new_integer(snapshot->queue.refused));
    add(&object, "overtakes", new_integer(snapshot->queue.overtakes));
    add(&object, "healed", new_integer(snapshot->queue.healed));
    add(&object, "source_bytes", new_integer(snapshot->queue.source_bytes));
    add(&object, "drain_bytes_per_second", new_real(snapshot->queue.drain_bytes_per_s, 1));
    return object;
}

static json_t *new_routes(const health_text_t *text, const health_snapshot_t *snapshot)
{
    json_t *array = json_array();
    for (size_t i = 0; i != snapshot->num_routes; ++i) {
        json_t *object = json_object();
        add(&object, "name", new_string(text, snapshot->routes[i].name));
        add(&object, "limit", new_integer(snapshot->routes[i].limit));
        add(&object, "in_use", new_integer(snapshot->routes[i].in_use));
        add(&object, "waiting", new_integer(snapshot->routes[i].waiting));
        add(&object, "refused", new_integer(snapshot->routes[i].refused));
        push(&array, object);
    }
    return array;
}

static json_t *new_sentences(const char *const *sentences, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i != count; ++i)
        if (sentences[i] != NULL)
            push(&array, json_string(sentences[i]));
    return array;
}

static json_t *new_reclaim(const health_snapshot_t *snapshot)
{
    if (snapshot->last_reclaim.generation == 0)
        return json_null();
    json_t *object = json_object();
    add(&object, "generation", new_integer(snapshot->last_reclaim.generation));
    add(&object, "claimed_bytes", new_integer(snapshot->last_reclaim.claimed_bytes));
    add(&object, "objects", new_integer(snapshot->last_reclaim.objects));
    add(&object, "resident_before_bytes", new_integer(snapshot->last_reclaim.resident_before_bytes));
    add(&object, "resident_after_bytes", new_integer(snapshot->last_reclaim.resident_after_bytes));
    add(&object, "duration_ms", new_integer(snapshot->last_reclaim.duration_ms));
    add(&object, "age_ms", new_integer(snapshot->last_reclaim.age_ms));
    add(&object, "purged_bytes", new_integer(snapshot->last_reclaim.purged_bytes));
    return object;
}

static json_t *new_reclaims(const health_snapshot_t *snapshot)
{
    json_t *object = json_object();
    add(&object, "total", new_integer(snapshot->reclaim.total));
    add(&object, "poor", new_integer(snapshot->reclaim.poor));
    add(&object, "unfinished", new_integer(snapshot->reclaim.unfinished));
    add(&object, "skipped", new_integer(snapshot->reclaim.skipped));
    add(&object, "backoff_ms", new_integer(snapshot->reclaim.backoff_ms));
    add(&object, "ineffective", json_boolean(snapshot->reclaim.ineffective));
    add(&object, "unreclaimable", json_boolean(snapshot->reclaim.unreclaimable));
    return object;
}

char *health_write_json(health_text_t *text, const health_snapshot_t *snapshot, size_t *len)
{
    static const char *const status_names[] = {"healthy", "degraded", "critical"};
    health_verdict_t verdict;
    json_t *root = json_object();

    health_judge(snapshot, &verdict);
    add(&root, "status", json_string(status_names[verdict.status]));
    add(&root, "version", new_string(text, snapshot->version));
    add(&root, "uptime_seconds", new_real(snapshot->uptime_seconds, 1e3));
    add(&root, "memory", new_memory(snapshot));
    add(&root, "watchdog", new_watchdog(snapshot));
    add(&root, "caches", new_cache_sizes(text, snapshot));
    add(&root, "quotas", new_quotas(text, snapshot));
    add(&root, "operations", new_operations(snapshot));
    add(&root, "queue", new_queue(snapshot));
    add(&root, "routes", new_routes(text, snapshot));
    add(&root, "shed_total", new_integer(snapshot->shed));
    add(&root, "degraded", new_integers(health_degraded_names, snapshot->degraded, HEALTH_NUM_DEGRADED));
    add(&root, "reasons", new_sentences(verdict.reasons, verdict.num_reasons));
    add(&root, "recommendations", new_sentences(verdict.recommendations, verdict.num_reasons));
    add(&root, "reclaims", new_reclaims(snapshot));
    add(&root, "last_reclaim", new_reclaim(snapshot));
    return dump(text, root, len);
}

static json_t *new_calls(const health_cache_t *cache)
{
    json_t *object = json_object();
    add(&object, "calls", new_integer(cache->reclaim.calls));
    add(&object, "released_bytes", new_integer(cache->reclaim.released_bytes));
    add(&object, "released_objects", new_integer(cache->reclaim.released_objects));
    add(&object, "slow_calls", new_integer(cache->reclaim.slow_calls));
    add(&object, "failures", new_integer(cache->reclaim.failures));
    add(&object, "last_ms", new_integer(cache->reclaim.last_ms));
    add(&object, "longest_ms", new_integer(cache->reclaim.longest_ms));
    return object;
}

static void add_counts(json_t **object, const health_cache_t *cache)
{
    add_size(object, cache);
    add(object, "capacity_entries", new_integer(cache->capacity_entries));
    add(object, "detached_objects", new_integer(cache->detached_objects));
    add(object, "hits", new_integer(cache->hits));
    add(object, "stale_hits", new_integer(cache->stale_hits));
    add(object, "misses", new_integer(cache->misses));
    add(object, "coalesced", new_integer(cache->coalesced));
    add(object, "refreshes", new_integer(cache->refreshes));
    add(object, "inserts", new_integer(cache->inserts));
    add(object, "not_admitted", new_integer(cache->not_admitted));
    add(object, "hit_ratio", new_real(health_hit_ratio(cache), 1e4));
    add(object, "evictions", new_integers(health_reason_names, cache->evictions, HEALTH_NUM_REASONS));
    add(object, "evicted_bytes", new_integers(health_reason_names, cache->evicted_bytes, HEALTH_NUM_REASONS));
}

static uint64_t saturate_sum(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
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
        add(&object, "name", new_string(text, snapshot->caches[i].name));
        add_counts(&object, &snapshot->caches[i]);
        add(&object, "reclaim", new_calls(&snapshot->caches[i]));
        push(&caches, object);
        sum_up(&sum, &snapshot->caches[i]);
    }
    add_counts(&totals, &sum);
    add(&root, "caches", caches);
    add(&root, "totals", totals);
    add(&root, "quotas", new_quotas(text, snapshot));
    return dump(text, root, len);
}

char *health_write_problem_json(health_text_t *text, int status, const char *title, const char *detail, const char *code,
                                size_t *len)
{
    json_t *root = json_object();
    add(&root, "type", json_string("about:blank"));
    add(&root, "status", json_integer(status));
    add(&root, "title", new_string(text, title));
    add(&root, "detail", new_string(text, detail));
    add(&root, "code", new_string(text, code));
    return dump(text, root, len);
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
