#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "health/health.h"
#include "health/writers.h"

typedef char *(*write_cb)(health_text_t *text, const health_snapshot_t *snapshot, size_t *len);

static uint64_t next_value;

/* distinct everywhere, so that a value in a wrong place is seen */
static uint64_t value(void)
{
    return next_value += 1000003;
}

static void fill_cache(health_cache_t *cache, const char *name)
{
    cache->name = name;
    cache->capacity_bytes = value();
    cache->limit_bytes = value();
    cache->reclaim.calls = value();
    cache->reclaim.released_bytes = value();
    cache->reclaim.released_objects = value();
    cache->reclaim.slow_calls = value();
    cache->reclaim.failures = value();
    cache->reclaim.last_ms = value();
    cache->reclaim.longest_ms = value();
    cache->used_bytes = value();
    cache->pinned_bytes = value();
    cache->free_bytes = value();
    cache->entries = value();
    cache->capacity_entries = value();
    cache->detached_objects = value();
    cache->hits = value();
    cache->stale_hits = value();
    cache->misses = value();
    cache->coalesced = value();
    cache->refreshes = value();
    cache->inserts = value();
    cache->not_admitted = value();
    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) {
        cache->evictions[i] = value();
        cache->evicted_bytes[i] = value();
    }
}

static void fill_quota(health_quota_t *quota, const char *route)
{
    *quota = (health_quota_t){.route = route};
    quota->limit_bytes = value();
    quota->used_bytes = value();
    quota->entries = value();
    quota->evictions = value();
    quota->evicted_bytes = value();
    quota->refused = value();
    quota->healed = value();
}

static void fill(health_snapshot_t *snapshot)
{
    memset(snapshot, 0, sizeof(*snapshot));
    next_value = 0;
    snapshot->num_quotas = 2;
    fill_quota(&snapshot->quotas[0], "example.com");
    fill_quota(&snapshot->quotas[1], "example.com/\"a\xff");
    snapshot->version = "1.2.3";
    snapshot->uptime_seconds = 1234.5678;
    snapshot->process_start_time_seconds = 1795290000.1236;
    snapshot->level = 3;
    snapshot->resident_bytes = 812345678;
    snapshot->peak_resident_bytes = value();
    snapshot->budget_bytes = 1000000000;
    snapshot->group_bytes = 700000000; /* less of its limit than the resident set is of the budget */
    snapshot->group_limit_bytes = 900000000;
    snapshot->failed_group_reads = value();
    snapshot->watchdog_checks = value();
    snapshot->watchdog_failures = value();
    snapshot->watchdog_interventions = value();
    snapshot->watchdog_stands_in = 1;
    for (uint64_t i = 0, power = 1; i != 6; ++i, power *= 10)
        snapshot->responses[i] = power;
    snapshot->reserved_bytes[0] = value();
    snapshot->reserved_bytes[1] = value();
    snapshot->last_reclaim.generation = value();
    snapshot->last_reclaim.claimed_bytes = value();
    snapshot->last_reclaim.objects = value();
    snapshot->last_reclaim.resident_before_bytes = value();
    snapshot->last_reclaim.resident_after_bytes = value();
    snapshot->last_reclaim.duration_ms = value();
    snapshot->last_reclaim.age_ms = value();
    snapshot->last_reclaim.purged_bytes = value();
    snapshot->accounted_bytes = value();
    snapshot->residual_bytes = value();
    snapshot->evictable_bytes = value();
    snapshot->reclaim.total = value();
    snapshot->reclaim.poor = value();
    snapshot->reclaim.unfinished = value();
    snapshot->reclaim.skipped = value();
    snapshot->reclaim.backoff_ms = value();
    static health_route_t route;

    snapshot->queue.waiting = value();
    snapshot->queue.waiting_bytes = value();
    snapshot->queue.granted = value();
    snapshot->queue.timed_out = value();
    snapshot->queue.cancelled = value();
    snapshot->queue.refused = value();
    snapshot->queue.overtakes = value();
    snapshot->queue.healed = value();
    snapshot->queue.source_bytes = value();
    snapshot->queue.drain_bytes_per_s = 12345678.25;
    route = (health_route_t){"default/images", value(), value(), value(), value()};
    snapshot->num_routes = 1;
    snapshot->routes = &route;
    snapshot->num_caches = 2;
    fill_cache(&snapshot->caches[0], "image");
    fill_cache(&snapshot->caches[1], "metadata");
    snapshot->shed = value();
    for (size_t i = 0; i != HEALTH_NUM_DEGRADED; ++i)
        snapshot->degraded[i] = value();
    snapshot->requests_in_progress = value();
    snapshot->origin_in_progress = value();
    snapshot->transforms_in_progress = value();
    snapshot->transforms_queued = value();
}

static json_t *parse(char *text, size_t len)
{
    json_error_t error;
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        fail_msg("%s in %s", error.text, text);
    free(text);
    return root;
}

static json_t *member(const json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL)
        fail_msg("no member %s", key);
    return found;
}

static void check_integer(const json_t *object, const char *key, uint64_t expected)
{
    json_t *found = member(object, key);
    if (!json_is_integer(found) || (uint64_t)json_integer_value(found) != expected)
        fail_msg("%s is %lld instead of %llu", key, (long long)json_integer_value(found), (unsigned long long)expected);
}

static void check_real(const json_t *object, const char *key, double expected, double tolerance)
{
    json_t *found = member(object, key);
    assert_true(json_is_real(found));
    if (!(fabs(json_real_value(found) - expected) <= tolerance))
        fail_msg("%s is %f instead of %f", key, json_real_value(found), expected);
}

static void check_string(const json_t *object, const char *key, const char *expected)
{
    json_t *found = member(object, key);
    assert_true(json_is_string(found));
    assert_string_equal(json_string_value(found), expected);
}

static double ratio_of(const health_cache_t *cache)
{
    uint64_t hits = cache->hits + cache->stale_hits;

    return (double)hits / (double)(hits + cache->misses + cache->coalesced);
}

static void check_quotas(const json_t *root, const health_quota_t *quotas)
{
    static const char *const routes[] = {"example.com", "example.com/\"a\xef\xbf\xbd"};
    const json_t *array = member(root, "quotas");

    assert_int_equal(json_array_size(array), 2);
    for (size_t i = 0; i != 2; ++i) {
        const json_t *object = json_array_get(array, i);
        assert_int_equal(json_object_size(object), 8);
        check_string(object, "route", routes[i]);
        check_integer(object, "limit_bytes", quotas[i].limit_bytes);
        check_integer(object, "bytes", quotas[i].used_bytes);
        check_integer(object, "entries", quotas[i].entries);
        check_integer(object, "evictions", quotas[i].evictions);
        check_integer(object, "evicted_bytes", quotas[i].evicted_bytes);
        check_integer(object, "refused", quotas[i].refused);
        check_integer(object, "healed", quotas[i].healed);
    }
}

static void check_queue(const json_t *root, const health_snapshot_t *snapshot)
{
    json_t *queue = member(root, "queue"), *routes = member(root, "routes"), *route = json_array_get(routes, 0);

    assert_int_equal(json_object_size(queue), 10);
    check_integer(queue, "waiting", snapshot->queue.waiting);
    check_integer(queue, "waiting_bytes", snapshot->queue.waiting_bytes);
    check_integer(queue, "granted", snapshot->queue.granted);
    check_integer(queue, "timed_out", snapshot->queue.timed_out);
    check_integer(queue, "cancelled", snapshot->queue.cancelled);
    check_integer(queue, "refused", snapshot->queue.refused);
    check_integer(queue, "overtakes", snapshot->queue.overtakes);
    check_integer(queue, "healed", snapshot->queue.healed);
    check_integer(queue, "source_bytes", snapshot->queue.source_bytes);
    check_real(queue, "drain_bytes_per_second", 12345678, 1e-9);
    assert_int_equal(json_array_size(routes), 1);
    assert_int_equal(json_object_size(route), 5);
    check_string(route, "name", "default/images");
    check_integer(route, "limit", snapshot->routes[0].limit);
    check_integer(route, "in_use", snapshot->routes[0].in_use);
    check_integer(route, "waiting", snapshot->routes[0].waiting);
    check_integer(route, "refused", snapshot->routes[0].refused);
}

static void health_by_field(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    char *text = health_json(&snapshot, &len);
    json_t *root = parse(text, len), *memory = member(root, "memory"), *caches = member(root, "caches");

    json_t *watchdog = member(root, "watchdog");

    assert_int_equal(json_object_size(root), 18);
    check_quotas(root, snapshot.quotas);
    assert_int_equal(json_object_size(watchdog), 4);
    check_integer(watchdog, "checks", snapshot.watchdog_checks);
    check_integer(watchdog, "failures", snapshot.watchdog_failures);
    check_integer(watchdog, "interventions", snapshot.watchdog_interventions);
    assert_true(json_is_true(member(watchdog, "stands_in")));
    check_queue(root, &snapshot);
    check_string(root, "status", "degraded");
    check_string(root, "version", "1.2.3");
    check_real(root, "uptime_seconds", 1234.568, 1e-9);
    check_real(root, "started_at", 1795290000.124, 1e-6);
    assert_int_equal(json_object_size(memory), 13);
    check_string(memory, "level", "high");
    check_integer(memory, "resident_bytes", snapshot.resident_bytes);
    check_integer(memory, "peak_resident_bytes", snapshot.peak_resident_bytes);
    check_integer(memory, "budget_bytes", snapshot.budget_bytes);
    check_integer(memory, "group_bytes", snapshot.group_bytes);
    check_integer(memory, "group_limit_bytes", snapshot.group_limit_bytes);
    check_integer(memory, "failed_group_reads", snapshot.failed_group_reads);
    check_real(memory, "ratio", 0.8123, 1e-9);
    check_string(memory, "decided_by", "resident");
    check_integer(memory, "accounted_bytes", snapshot.accounted_bytes);
    check_integer(memory, "residual_bytes", snapshot.residual_bytes);
    check_integer(memory, "evictable_bytes", snapshot.evictable_bytes);
    assert_int_equal(json_object_size(member(memory, "reserved_bytes")), 2);
    check_integer(member(memory, "reserved_bytes"), "source", snapshot.reserved_bytes[0]);
    check_integer(member(memory, "reserved_bytes"), "decode", snapshot.reserved_bytes[1]);
    assert_int_equal(json_object_size(caches), 2);
    for (size_t i = 0; i != 2; ++i) {
        const health_cache_t *cache = &snapshot.caches[i];
        json_t *object = member(caches, cache->name);
        assert_int_equal(json_object_size(object), 11);
        check_integer(object, "limit_bytes", cache->limit_bytes);
        check_integer(object, "hits", cache->hits);
        check_integer(object, "stale_hits", cache->stale_hits);
        check_integer(object, "misses", cache->misses);
        check_integer(object, "coalesced", cache->coalesced);
        check_integer(object, "bytes", cache->used_bytes);
        check_integer(object, "capacity_bytes", cache->capacity_bytes);
        check_integer(object, "pinned_bytes", cache->pinned_bytes);
        check_integer(object, "free_bytes", cache->free_bytes);
        check_integer(object, "entries", cache->entries);
        check_real(object, "hit_ratio", ratio_of(cache), 5e-5);
    }
    json_t *operations = member(root, "operations");
    assert_int_equal(json_object_size(operations), 4);
    check_integer(operations, "fetches", snapshot.origin_in_progress);
    check_integer(operations, "transforms", snapshot.transforms_in_progress);
    check_integer(operations, "transforms_queued", snapshot.transforms_queued);
    check_integer(operations, "requests", snapshot.requests_in_progress);
    check_integer(root, "requests_total", 111111);
    check_integer(root, "shed_total", snapshot.shed);
    json_t *degraded = member(root, "degraded");
    assert_int_equal(json_object_size(degraded), 3);
    check_integer(degraded, "webp-for-avif", snapshot.degraded[0]);
    check_integer(degraded, "stale", snapshot.degraded[1]);
    check_integer(degraded, "larger", snapshot.degraded[2]);
    json_t *reclaim = member(root, "last_reclaim");
    assert_int_equal(json_object_size(reclaim), 8);
    check_integer(reclaim, "generation", snapshot.last_reclaim.generation);
    check_integer(reclaim, "claimed_bytes", snapshot.last_reclaim.claimed_bytes);
    check_integer(reclaim, "objects", snapshot.last_reclaim.objects);
    check_integer(reclaim, "resident_before_bytes", snapshot.last_reclaim.resident_before_bytes);
    check_integer(reclaim, "resident_after_bytes", snapshot.last_reclaim.resident_after_bytes);
    check_integer(reclaim, "duration_ms", snapshot.last_reclaim.duration_ms);
    check_integer(reclaim, "age_ms", snapshot.last_reclaim.age_ms);
    check_integer(reclaim, "purged_bytes", snapshot.last_reclaim.purged_bytes);
    json_t *reclaims = member(root, "reclaims");
    assert_int_equal(json_object_size(reclaims), 7);
    check_integer(reclaims, "total", snapshot.reclaim.total);
    check_integer(reclaims, "poor", snapshot.reclaim.poor);
    check_integer(reclaims, "unfinished", snapshot.reclaim.unfinished);
    check_integer(reclaims, "skipped", snapshot.reclaim.skipped);
    check_integer(reclaims, "backoff_ms", snapshot.reclaim.backoff_ms);
    assert_true(json_is_false(member(reclaims, "ineffective")));
    assert_true(json_is_false(member(reclaims, "unreclaimable")));
    json_decref(root);
}

static void states_of_the_reclaim(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits != 4; ++bits) {
        health_snapshot_t snapshot;
        size_t len;
        fill(&snapshot);
        snapshot.reclaim.ineffective = bits & 1;
        snapshot.reclaim.unreclaimable = bits >> 1;
        char *text = health_json(&snapshot, &len);
        json_t *root = parse(text, len), *reclaims = member(root, "reclaims");
        assert_int_equal(json_is_true(member(reclaims, "ineffective")), bits & 1);
        assert_int_equal(json_is_true(member(reclaims, "unreclaimable")), bits >> 1);
        json_decref(root);
    }
}

static void health_repeats_the_verdict(void **state)
{
    (void)state;
    static const char *const statuses[] = {"healthy", "healthy", "degraded", "degraded", "critical", "critical"};
    for (int level = 0; level != HEALTH_NUM_LEVELS; ++level) {
        health_snapshot_t snapshot;
        health_verdict_t verdict;
        size_t len;
        fill(&snapshot);
        snapshot.level = level;
        health_judge(&snapshot, &verdict);
        char *text = health_json(&snapshot, &len);
        json_t *root = parse(text, len), *reasons = member(root, "reasons"), *advice = member(root, "recommendations");
        check_string(root, "status", statuses[level]);
        check_string(member(root, "memory"), "level", health_level_names[level]);
        assert_int_equal(json_array_size(reasons), verdict.num_reasons);
        assert_int_equal(json_array_size(advice), verdict.num_reasons);
        for (size_t i = 0; i != verdict.num_reasons; ++i) {
            assert_string_equal(json_string_value(json_array_get(reasons, i)), verdict.reasons[i]);
            assert_string_equal(json_string_value(json_array_get(advice, i)), verdict.recommendations[i]);
        }
        json_decref(root);
    }
}

static void check_counts(const json_t *object, const health_cache_t *cache)
{
    json_t *evictions = member(object, "evictions"), *evicted_bytes = member(object, "evicted_bytes");

    check_integer(object, "bytes", cache->used_bytes);
    check_integer(object, "capacity_bytes", cache->capacity_bytes);
    check_integer(object, "pinned_bytes", cache->pinned_bytes);
    check_integer(object, "free_bytes", cache->free_bytes);
    check_integer(object, "entries", cache->entries);
    check_integer(object, "capacity_entries", cache->capacity_entries);
    check_integer(object, "detached_objects", cache->detached_objects);
    check_integer(object, "hits", cache->hits);
    check_integer(object, "stale_hits", cache->stale_hits);
    check_integer(object, "misses", cache->misses);
    check_integer(object, "coalesced", cache->coalesced);
    check_integer(object, "refreshes", cache->refreshes);
    check_integer(object, "inserts", cache->inserts);
    check_integer(object, "not_admitted", cache->not_admitted);
    check_integer(object, "limit_bytes", cache->limit_bytes);
    check_real(object, "hit_ratio", ratio_of(cache), 5e-5);
    assert_int_equal(json_object_size(evictions), HEALTH_NUM_REASONS);
    assert_int_equal(json_object_size(evicted_bytes), HEALTH_NUM_REASONS);
    static const char *const reasons[] = {"capacity", "pressure", "expired", "purged", "replaced", "too_large", "quota"};
    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) {
        check_integer(evictions, reasons[i], cache->evictions[i]);
        check_integer(evicted_bytes, reasons[i], cache->evicted_bytes[i]);
    }
}

static void check_calls(const json_t *object, const health_cache_t *cache)
{
    assert_int_equal(json_object_size(object), 7);
    check_integer(object, "calls", cache->reclaim.calls);
    check_integer(object, "released_bytes", cache->reclaim.released_bytes);
    check_integer(object, "released_objects", cache->reclaim.released_objects);
    check_integer(object, "slow_calls", cache->reclaim.slow_calls);
    check_integer(object, "failures", cache->reclaim.failures);
    check_integer(object, "last_ms", cache->reclaim.last_ms);
    check_integer(object, "longest_ms", cache->reclaim.longest_ms);
}

static void caches_by_field(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    char *text = health_cache_json(&snapshot, &len);
    json_t *root = parse(text, len), *caches = member(root, "caches"), *totals = member(root, "totals");
    const health_cache_t *a = &snapshot.caches[0], *b = &snapshot.caches[1];
    health_cache_t sum = {.capacity_bytes = a->capacity_bytes + b->capacity_bytes,
                          .limit_bytes = a->limit_bytes + b->limit_bytes,
                          .used_bytes = a->used_bytes + b->used_bytes,
                          .pinned_bytes = a->pinned_bytes + b->pinned_bytes,
                          .free_bytes = a->free_bytes + b->free_bytes,
                          .entries = a->entries + b->entries,
                          .capacity_entries = a->capacity_entries + b->capacity_entries,
                          .detached_objects = a->detached_objects + b->detached_objects,
                          .hits = a->hits + b->hits,
                          .stale_hits = a->stale_hits + b->stale_hits,
                          .misses = a->misses + b->misses,
                          .coalesced = a->coalesced + b->coalesced,
                          .refreshes = a->refreshes + b->refreshes,
                          .inserts = a->inserts + b->inserts,
                          .not_admitted = a->not_admitted + b->not_admitted};
    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) {
        sum.evictions[i] = a->evictions[i] + b->evictions[i];
        sum.evicted_bytes[i] = a->evicted_bytes[i] + b->evicted_bytes[i];
    }
    assert_int_equal(json_object_size(root), 3);
    check_quotas(root, snapshot.quotas);
    assert_int_equal(json_array_size(caches), 2);
    for (size_t i = 0; i != 2; ++i) {
        json_t *object = json_array_get(caches, i);
        assert_int_equal(json_object_size(object), 20);
        check_string(object, "name", snapshot.caches[i].name);
        check_counts(object, &snapshot.caches[i]);
        check_calls(member(object, "reclaim"), &snapshot.caches[i]);
    }
    assert_int_equal(json_object_size(totals), 18);
    check_counts(totals, &sum);
    json_decref(root);
}

/* the ratio is of whichever is nearer to its bound */
static void memory_ratio(void **state)
{
    static const struct {
        uint64_t resident, budget, group, limit;
        double ratio;
        const char *decided_by;
    } cases[] = {
        {500, 1000, 0, 0, 0.5, "resident"},    {500, 1000, 250, 500, 0.5, "resident"},
        {500, 1000, 251, 500, 0.502, "group"}, {501, 1000, 250, 500, 0.501, "resident"},
        {100, 1000, 480, 500, 0.96, "group"},  {1100, 1000, 499, 500, 1.1, "resident"},
        {500, 1000, 400, 0, 0.5, "resident"}, /* no limit, whatever is used */
        {0, 0, 9, 10, 0.9, "group"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_snapshot_t snapshot;
        size_t len;
        fill(&snapshot);
        snapshot.resident_bytes = cases[i].resident;
        snapshot.budget_bytes = cases[i].budget;
        snapshot.group_bytes = cases[i].group;
        snapshot.group_limit_bytes = cases[i].limit;
        char *text = health_json(&snapshot, &len);
        json_t *root = parse(text, len);
        check_real(member(root, "memory"), "ratio", cases[i].ratio, 1e-9);
        check_string(member(root, "memory"), "decided_by", cases[i].decided_by);
        json_decref(root);
    }
}

static void empty_snapshot(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    memset(&snapshot, 0, sizeof(snapshot));
    char *text = health_json(&snapshot, &len);
    json_t *root = parse(text, len);
    assert_true(json_is_null(member(root, "last_reclaim")));
    check_real(member(root, "memory"), "ratio", 0, 0);
    check_string(member(root, "memory"), "decided_by", "resident");
    check_string(root, "version", "");
    assert_int_equal(json_object_size(member(root, "caches")), 0);
    json_decref(root);
    text = health_cache_json(&snapshot, &len);
    root = parse(text, len);
    assert_int_equal(json_array_size(member(root, "caches")), 0);
    check_real(member(root, "totals"), "hit_ratio", 0, 0);
    check_integer(member(root, "totals"), "hits", 0);
    json_decref(root);
}

static void extreme_numbers(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    snapshot.level = -7;
    snapshot.uptime_seconds = NAN;
    snapshot.shed = snapshot.responses[1] = snapshot.responses[2] = UINT64_MAX;
    snapshot.caches[0].used_bytes = snapshot.caches[1].used_bytes = (uint64_t)INT64_MAX;
    snapshot.caches[0].hits = UINT64_MAX;
    snapshot.num_caches = HEALTH_MAX_CACHES + 1;
    snapshot.num_quotas = HEALTH_MAX_QUOTAS + 1;
    fill_cache(&snapshot.caches[2], "c");
    fill_cache(&snapshot.caches[3], "d");
    char *text = health_json(&snapshot, &len);
    json_t *root = parse(text, len);
    check_real(root, "uptime_seconds", 0, 0);
    check_integer(root, "shed_total", (uint64_t)INT64_MAX);
    check_integer(root, "requests_total", (uint64_t)INT64_MAX);
    check_string(member(root, "memory"), "level", "normal");
    assert_int_equal(json_object_size(member(root, "caches")), HEALTH_MAX_CACHES);
    assert_int_equal(json_array_size(member(root, "quotas")), HEALTH_MAX_QUOTAS);
    json_decref(root);
    text = health_cache_json(&snapshot, &len);
    root = parse(text, len);
    check_integer(member(root, "totals"), "bytes", (uint64_t)INT64_MAX);
    check_integer(member(root, "totals"), "hits", (uint64_t)INT64_MAX);
    check_real(member(root, "totals"), "hit_ratio", 1, 1e-4);
    json_decref(root);
}

static void odd_strings(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    snapshot.version = "1\"\\\n\xc3";
    snapshot.caches[0].name = "q\"b\\n\n\xff"
                              "e\xc3\xa9";
    snapshot.caches[1].name = NULL;
    char *text = health_json(&snapshot, &len);
    json_t *root = parse(text, len);
    check_string(root, "version", "1\"\\\n\xef\xbf\xbd");
    check_integer(member(member(root, "caches"), "q\"b\\n\n\xef\xbf\xbd"
                                                 "e\xc3\xa9"),
                  "bytes", snapshot.caches[0].used_bytes);
    json_decref(root);
    text = health_cache_json(&snapshot, &len);
    root = parse(text, len);
    check_string(json_array_get(member(root, "caches"), 1), "name", "");
    json_decref(root);
}

static void problem(void **state)
{
    (void)state;
    size_t len;
    char *text = health_problem_json(422, "too \"wide\"", "w=99999\x01 \xc0\xaf: at most 8192", "width_out_of_range", &len);
    json_t *root = parse(text, len);
    assert_int_equal(json_object_size(root), 5);
    check_string(root, "type", "about:blank");
    check_integer(root, "status", 422);
    check_string(root, "title", "too \"wide\"");
    check_string(root, "detail", "w=99999\x01 \xef\xbf\xbd\xef\xbf\xbd: at most 8192");
    check_string(root, "code", "width_out_of_range");
    json_decref(root);
}

static void ceilings(void **state)
{
    (void)state;
    size_t len, size = HEALTH_MAX_TEXT_BYTES;
    char *big = malloc(size);
    memset(big, 'x', size);
    big[size - 1] = '\0';
    assert_null(health_problem_json(400, "t", big, "c", &len));
    big[size - 200] = '\0';
    char *text = health_problem_json(400, "t", big, "c", &len);
    json_decref(parse(text, len));
    free(big);

    health_snapshot_t snapshot;
    fill(&snapshot);
    text = health_json(&snapshot, &len);
    assert_non_null(text);
    free(text);
    for (size_t ceiling = 0; ceiling <= len + 1; ++ceiling) {
        health_text_t limited;
        size_t limited_len;
        health_text_init(&limited, ceiling, realloc);
        text = health_write_json(&limited, &snapshot, &limited_len);
        assert_int_equal(text != NULL, ceiling == len + 1);
        free(text);
    }
}

static unsigned long allocations, fail_at;
static long outstanding;

static int fails_now(void)
{
    return ++allocations == fail_at;
}

static void *failing_malloc(size_t size)
{
    void *block = fails_now() ? NULL : malloc(size);
    outstanding += block != NULL;
    return block;
}

static void counting_free(void *block)
{
    outstanding -= block != NULL;
    free(block);
}

static void *failing_resize(void *bytes, size_t size)
{
    return fails_now() ? NULL : realloc(bytes, size);
}

static char *write_problem(health_text_t *text, const health_snapshot_t *snapshot, size_t *len)
{
    (void)snapshot;
    return health_write_problem_json(text, 503, "title", "detail", "code", len);
}

/* lets the first, second, ... allocation fail until none does */
static void check_failures(write_cb write, unsigned long at_least)
{
    health_snapshot_t snapshot;
    char *text = NULL;
    fill(&snapshot);
    for (fail_at = 1; text == NULL; ++fail_at) {
        health_text_t buffer;
        size_t len;
        allocations = 0;
        health_text_init(&buffer, HEALTH_MAX_TEXT_BYTES, failing_resize);
        text = write(&buffer, &snapshot, &len);
        assert_int_equal(outstanding, 0);
        assert_int_equal(text == NULL, allocations >= fail_at);
        assert_null(buffer.bytes);
    }
    assert_true(fail_at > at_least);
    free(text);
    fail_at = 0;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    json_malloc_t old_malloc;
    json_free_t old_free;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(failing_malloc, counting_free);
    check_failures(health_write_json, 100);
    check_failures(health_write_cache_json, 100);
    check_failures(write_problem, 10);
    json_set_alloc_funcs(old_malloc, old_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_by_field),
        cmocka_unit_test(states_of_the_reclaim),
        cmocka_unit_test(health_repeats_the_verdict),
        cmocka_unit_test(caches_by_field),
        cmocka_unit_test(memory_ratio),
        cmocka_unit_test(empty_snapshot),
        cmocka_unit_test(extreme_numbers),
        cmocka_unit_test(odd_strings),
        cmocka_unit_test(problem),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
