#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/health.h"
#include "health/metric_value.h"

#define MAX_SERIES 1024
#define MAX_NAME 256

/* ---- what is expected: filled together with the snapshot, so that no series can be forgotten on one side only */

static struct {
    char series[MAX_NAME];
    double value;
} expected[MAX_SERIES];
static size_t num_expected;

static void expect(double value, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void expect(double value, const char *format, ...)
{
    va_list args;
    assert_true(num_expected < MAX_SERIES);
    va_start(args, format);
    vsnprintf(expected[num_expected].series, MAX_NAME, format, args);
    va_end(args);
    expected[num_expected++].value = value;
}

static uint64_t next_value;

static const char *const operation_kinds[] = {"fetch", "transform", "renewal", "order", "webhook"};

static void set(uint64_t *field, const char *series)
{
    *field = next_value += 1000003;
    expect((double)*field, "%s", series);
}

static void set_real(double *field, const char *series)
{
    *field = (double)(next_value += 1000003) / 1000;
    expect(*field, "%s", series);
}

static void set_ms(uint64_t *field, const char *series)
{
    *field = next_value += 1000003;
    expect((double)*field / 1000, "%s", series);
}

static void set_each(uint64_t *fields, size_t count, const char *format, const char *const *names)
{
    for (size_t i = 0; i != count; ++i) {
        char series[MAX_NAME];
        const char *at = strchr(format, '@');
        snprintf(series, sizeof(series), "%.*s%s%s", (int)(at - format), format, names[i], at + 1);
        set(&fields[i], series);
    }
}

static void set_cache(health_cache_t *cache, const char *name)
{
    static const char *const reasons[] = {"capacity", "pressure", "expired", "purged", "replaced", "too_large", "quota"};
    struct {
        uint64_t *field;
        const char *suffix;
    } fields[] = {
        {&cache->used_bytes, "bytes"},
        {&cache->capacity_bytes, "capacity_bytes"},
        {&cache->pinned_bytes, "pinned_bytes"},
        {&cache->free_bytes, "free_bytes"},
        {&cache->entries, "entries"},
        {&cache->hits, "hits_total"},
        {&cache->misses, "misses_total"},
        {&cache->coalesced, "coalesced_total"},
        {&cache->inserts, "inserts_total"},
        {&cache->capacity_entries, "capacity_entries"},
        {&cache->detached_objects, "detached_objects"},
        {&cache->stale_hits, "stale_hits_total"},
        {&cache->refreshes, "refreshes_total"},
        {&cache->not_admitted, "not_admitted_total"},
        {&cache->limit_bytes, "limit_bytes"},
        {&cache->reclaim.calls, "reclaim_calls_total"},
        {&cache->reclaim.slow_calls, "reclaim_slow_calls_total"},
        {&cache->reclaim.failures, "reclaim_failures_total"},
        {&cache->reclaim.released_bytes, "reclaimed_bytes_total"},
        {&cache->reclaim.released_objects, "reclaimed_objects_total"},
    };
    char series[MAX_NAME];

    cache->name = name;
    for (size_t i = 0; i != sizeof(fields) / sizeof(fields[0]); ++i) {
        snprintf(series, sizeof(series), "sluice_%s_cache_%s{cache=\"%s\"}", name, fields[i].suffix, name);
        set(fields[i].field, series);
    }
    snprintf(series, sizeof(series), "sluice_%s_cache_reclaim_last_seconds{cache=\"%s\"}", name, name);
    set_ms(&cache->reclaim.last_ms, series);
    snprintf(series, sizeof(series), "sluice_%s_cache_reclaim_longest_seconds{cache=\"%s\"}", name, name);
    set_ms(&cache->reclaim.longest_ms, series);
    uint64_t hits = cache->hits + cache->stale_hits;
    expect((double)hits / (double)(hits + cache->misses + cache->coalesced), "sluice_%s_cache_hit_ratio{cache=\"%s\"}", name, name);
    snprintf(series, sizeof(series), "sluice_%s_cache_evictions_total{cache=\"%s\",reason=\"@\"}", name, name);
    set_each(cache->evictions, HEALTH_NUM_REASONS, series, reasons);
    snprintf(series, sizeof(series), "sluice_%s_cache_evicted_bytes_total{cache=\"%s\",reason=\"@\"}", name, name);
    set_each(cache->evicted_bytes, HEALTH_NUM_REASONS, series, reasons);
}

static void set_caches(health_snapshot_t *snapshot)
{
    snapshot->num_caches = 2;
    set_cache(&snapshot->caches[0], "image");
    set_cache(&snapshot->caches[1], "metadata");
}

static void set_quota(health_quota_t *quota, const char *route, const char *escaped)
{
    struct {
        uint64_t *field;
        const char *suffix;
    } fields[] = {
        {&quota->used_bytes, "bytes"},          {&quota->limit_bytes, "limit_bytes"},           {&quota->entries, "entries"},
        {&quota->evictions, "evictions_total"}, {&quota->evicted_bytes, "evicted_bytes_total"}, {&quota->refused, "refused_total"},
        {&quota->healed, "healed_total"},
    };
    char series[MAX_NAME];

    quota->route = route;
    for (size_t i = 0; i != sizeof(fields) / sizeof(fields[0]); ++i) {
        snprintf(series, sizeof(series), "sluice_image_cache_quota_%s{route=\"%s\"}", fields[i].suffix, escaped);
        set(fields[i].field, series);
    }
}

static void set_quotas(health_snapshot_t *snapshot)
{
    snapshot->num_quotas = 2;
    set_quota(&snapshot->quotas[0], "example.com", "example.com");
    set_quota(&snapshot->quotas[1], "example.com/a\"\\\n", "example.com/a\\\"\\\\\\n");
}

static void set_pressure(health_snapshot_t *snapshot)
{
    static const char *const levels[] = {"normal", "elevated", "degraded", "high", "critical", "emergency"};
    static const char *const classes[] = {"source", "decode"};

    snapshot->level = 3;
    expect(3, "sluice_pressure_level");
    set(&snapshot->resident_bytes, "sluice_pressure_resident_bytes");
    expect((double)snapshot->resident_bytes, "process_resident_memory_bytes");
    set(&snapshot->peak_resident_bytes, "sluice_pressure_peak_resident_bytes");
    set(&snapshot->budget_bytes, "sluice_pressure_budget_bytes");
    set(&snapshot->group_bytes, "sluice_pressure_group_bytes");
    set(&snapshot->group_limit_bytes, "sluice_pressure_group_limit_bytes");
    set(&snapshot->failed_group_reads, "sluice_pressure_failed_group_reads_total");
    set(&snapshot->watchdog_checks, "sluice_pressure_watchdog_checks_total");
    set(&snapshot->watchdog_failures, "sluice_pressure_watchdog_failures_total");
    set(&snapshot->watchdog_interventions, "sluice_pressure_watchdog_interventions_total");
    snapshot->watchdog_stands_in = 1;
    expect(1, "sluice_pressure_watchdog_stands_in");
    /* both ways to take it, of values that all differ */
    double by_resident = (double)snapshot->resident_bytes / (double)snapshot->budget_bytes;
    double by_group = (double)snapshot->group_bytes / (double)snapshot->group_limit_bytes;
    expect(by_group > by_resident ? by_group : by_resident, "sluice_pressure_usage_ratio");
    set_real(&snapshot->elevated_ratio, "sluice_pressure_mark_ratio{level=\"elevated\"}");
    set_real(&snapshot->degraded_ratio, "sluice_pressure_mark_ratio{level=\"degraded\"}");
    set_real(&snapshot->high_ratio, "sluice_pressure_mark_ratio{level=\"high\"}");
    set_real(&snapshot->critical_ratio, "sluice_pressure_mark_ratio{level=\"critical\"}");
    set_real(&snapshot->emergency_ratio, "sluice_pressure_mark_ratio{level=\"emergency\"}");
    set_each(snapshot->reserved_bytes, HEALTH_NUM_CLASSES, "sluice_pressure_reserved_bytes{class=\"@\"}", classes);
    set(&snapshot->reservations_granted, "sluice_pressure_reservations_granted_total");
    set(&snapshot->reservations_refused, "sluice_pressure_reservations_refused_total");
    set(&snapshot->samples, "sluice_pressure_samples_total");
    set(&snapshot->failed_samples, "sluice_pressure_failed_samples_total");
    set(&snapshot->failed_samples_in_row, "sluice_pressure_failed_samples_in_row");
    set_each(snapshot->events, HEALTH_NUM_LEVELS, "sluice_pressure_events_total{level=\"@\"}", levels);
    set_each(snapshot->repeats, HEALTH_NUM_LEVELS, "sluice_pressure_repeats_total{level=\"@\"}", levels);
    set(&snapshot->accounted_bytes, "sluice_pressure_accounted_bytes");
    set(&snapshot->residual_bytes, "sluice_pressure_residual_bytes");
    set(&snapshot->evictable_bytes, "sluice_pressure_evictable_bytes");
    set(&snapshot->reclaim.total, "sluice_pressure_reclaims_total");
    set(&snapshot->reclaim.poor, "sluice_pressure_poor_reclaims_total");
    set(&snapshot->reclaim.unfinished, "sluice_pressure_unfinished_reclaims_total");
    set(&snapshot->reclaim.skipped, "sluice_pressure_skipped_reclaims_total");
    set_ms(&snapshot->reclaim.backoff_ms, "sluice_pressure_backoff_seconds");
    set(&snapshot->reclaim.ineffective, "sluice_pressure_ineffective");
    set(&snapshot->reclaim.unreclaimable, "sluice_pressure_unreclaimable");
}

static void set_queue(health_snapshot_t *snapshot)
{
    static const char *const names[] = {"*", "default/images"};
    static health_route_t routes[2];

    set(&snapshot->queue.waiting, "sluice_pressure_waiting_operations");
    set(&snapshot->queue.waiting_bytes, "sluice_pressure_waiting_bytes");
    set(&snapshot->queue.granted, "sluice_pressure_waits_total{end=\"granted\"}");
    set(&snapshot->queue.timed_out, "sluice_pressure_waits_total{end=\"timed_out\"}");
    set(&snapshot->queue.cancelled, "sluice_pressure_waits_total{end=\"cancelled\"}");
    set(&snapshot->queue.refused, "sluice_pressure_queue_full_total");
    set(&snapshot->queue.overtakes, "sluice_pressure_overtakes_total");
    set(&snapshot->queue.healed, "sluice_pressure_healed_slots_total");
    set(&snapshot->queue.source_bytes, "sluice_pressure_source_ahead_bytes");
    set_real(&snapshot->queue.drain_bytes_per_s, "sluice_pressure_drain_bytes_per_second");
    snapshot->num_routes = 2;
    snapshot->routes = routes;
    for (size_t i = 0; i != 2; ++i) {
        routes[i].name = names[i];
        set(&routes[i].limit,
            i == 0 ? "sluice_route_slots_limit{route=\"*\"}" : "sluice_route_slots_limit{route=\"default/images\"}");
        set(&routes[i].in_use,
            i == 0 ? "sluice_route_slots_in_use{route=\"*\"}" : "sluice_route_slots_in_use{route=\"default/images\"}");
        set(&routes[i].waiting, i == 0 ? "sluice_route_waiting{route=\"*\"}" : "sluice_route_waiting{route=\"default/images\"}");
        set(&routes[i].refused,
            i == 0 ? "sluice_route_refused_total{route=\"*\"}" : "sluice_route_refused_total{route=\"default/images\"}");
    }
}

static void set_reclaim(health_snapshot_t *snapshot)
{
    set(&snapshot->last_reclaim.generation, "sluice_pressure_last_reclaim_generation");
    set(&snapshot->last_reclaim.claimed_bytes, "sluice_pressure_last_reclaim_claimed_bytes");
    set(&snapshot->last_reclaim.objects, "sluice_pressure_last_reclaim_objects");
    set(&snapshot->last_reclaim.resident_before_bytes, "sluice_pressure_last_reclaim_resident_before_bytes");
    set(&snapshot->last_reclaim.resident_after_bytes, "sluice_pressure_last_reclaim_resident_after_bytes");
    set_ms(&snapshot->last_reclaim.duration_ms, "sluice_pressure_last_reclaim_duration_seconds");
    set(&snapshot->last_reclaim.purged_bytes, "sluice_pressure_last_reclaim_purged_bytes");
    set_ms(&snapshot->last_reclaim.age_ms, "sluice_pressure_last_reclaim_age_seconds");
}

/* buckets are added up, the last one is the count. `labels` is empty, or ends in a comma */
static void set_histogram(health_histogram_t *histogram, const char *name, const char *labels, const char *const *bounds)
{
    char series[MAX_NAME], braces[MAX_NAME] = "";
    uint64_t count = 0;

    for (size_t i = 0; bounds[i] != NULL; ++i) {
        count += histogram->buckets[i] = (next_value += 1000003) % 1009;
        expect((double)count, "%s_bucket{%sle=\"%s\"}", name, labels, bounds[i]);
    }
    if (labels[0] != '\0')
        snprintf(braces, sizeof(braces), "{%.*s}", (int)strlen(labels) - 1, labels);
    expect((double)count, "%s_count%s", name, braces);
    snprintf(series, sizeof(series), "%s_sum%s", name, braces);
    set_real(&histogram->sum, series);
}

static void set_histograms(health_histogram_t *histograms, const char *name, const char *label, const char *const *values,
                           const char *const *bounds)
{
    char labels[MAX_NAME];

    for (size_t i = 0; values[i] != NULL; ++i) {
        snprintf(labels, sizeof(labels), "%s=\"%s\",", label, values[i]);
        set_histogram(histograms + i, name, labels, bounds);
    }
}

static void set_ratios(health_snapshot_t *snapshot)
{
    static const char *const formats[] = {"jpeg", "png", "webp", "gif", "avif", "tiff", "svg", NULL};
    static const char *const bounds[] = {"0.25", "0.5", "0.75", "0.9", "1", "1.1", "1.25", "+Inf", NULL};

    set_histograms(snapshot->memory_ratios, "sluice_transform_memory_ratio", "format", formats, bounds);
}

static void set_durations(health_snapshot_t *snapshot)
{
    static const char *const bounds[] = {"0.0001", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1",  "0.25",
                                         "0.5",    "1",     "2.5",   "5",    "10",    "30",   "+Inf", NULL};
    static const char *const outcomes[] = {"hit", "miss", "error", "shed", NULL};
    static const char *const spans[] = {"queue", "fetch", "decode", "transform", "encode", NULL};
    static const char *const ends[] = {"ok", "failed", NULL};

    set_histograms(snapshot->request_durations, "sluice_request_duration_seconds", "outcome", outcomes, bounds);
    set_histograms(snapshot->span_durations, "sluice_request_span_duration_seconds", "span", spans, bounds);
    set_histograms(snapshot->fetch_durations, "sluice_origin_fetch_duration_seconds", "outcome", ends, bounds);
    set_histogram(&snapshot->transform_durations, "sluice_transform_duration_seconds", "", bounds);
}

static void set_work(health_snapshot_t *snapshot)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    static const char *const degraded[] = {"webp-for-avif", "stale", "larger"};
    uint64_t sum = 0;

    set_each(snapshot->responses, 6, "sluice_request_responses_total{class=\"@\"}", classes);
    for (size_t i = 0; i != 6; ++i)
        sum += snapshot->responses[i];
    expect((double)sum, "sluice_requests_total");
    set(&snapshot->requests_in_progress, "sluice_requests_in_progress");
    set(&snapshot->shed, "sluice_requests_shed_total");
    set_each(snapshot->degraded, 3, "sluice_degraded_total{kind=\"@\"}", degraded);
    set(&snapshot->errors_bad_request, "sluice_errors_total{type=\"bad_request\"}");
    set(&snapshot->errors_origin, "sluice_errors_total{type=\"origin\"}");
    set(&snapshot->errors_image, "sluice_errors_total{type=\"image\"}");
    set(&snapshot->errors_no_room, "sluice_errors_total{type=\"no_room\"}");
    set(&snapshot->errors_timeout, "sluice_errors_total{type=\"timeout\"}");
    set(&snapshot->origin_fetches, "sluice_origin_fetches_total");
    set(&snapshot->origin_failures, "sluice_origin_failures_total");
    set(&snapshot->origin_bytes, "sluice_origin_received_bytes_total");
    set(&snapshot->origin_in_progress, "sluice_origin_fetches_in_progress");
    set(&snapshot->transforms, "sluice_transforms_total");
    set(&snapshot->transform_failures, "sluice_transform_failures_total");
    set(&snapshot->transforms_shared, "sluice_transform_shared_total");
    set(&snapshot->transforms_cancelled, "sluice_transform_cancellations_total");
    set(&snapshot->transforms_queued, "sluice_transform_queued");
    set_real(&snapshot->transform_seconds, "sluice_transform_seconds_total");
    set_ratios(snapshot);
    set_durations(snapshot);
    set(&snapshot->slow_requests, "sluice_slow_requests_total");
    set(&snapshot->transform_overruns, "sluice_transform_overruns_total");
    set(&snapshot->transforms_in_progress, "sluice_images_in_progress");
    set(&snapshot->vips_memory_bytes, "sluice_vips_memory_bytes");
    set(&snapshot->vips_memory_peak_bytes, "sluice_vips_max_memory_bytes");
    set_each(snapshot->operations.in_progress, HEALTH_NUM_OPERATION_KINDS, "sluice_operations_in_progress{kind=\"@\"}",
             operation_kinds);
    set_each(snapshot->operations.stale, HEALTH_NUM_OPERATION_KINDS, "sluice_operations_stale_total{kind=\"@\"}", operation_kinds);
    set_ms(&snapshot->operations.oldest_ms, "sluice_operations_oldest_age_seconds");
    set(&snapshot->operations.stuck, "sluice_operations_stuck");
    set(&snapshot->operations.untracked, "sluice_operations_untracked_total");
    set(&snapshot->draining, "sluice_draining");
    set_real(&snapshot->process_cpu_seconds, "process_cpu_seconds_total");
    set_real(&snapshot->process_start_time_seconds, "process_start_time_seconds");
    set(&snapshot->process_virtual_bytes, "process_virtual_memory_bytes");
    set(&snapshot->process_threads, "process_threads");
}

static void set_memory(health_memory_t *memory)
{
    set(&memory->process.fds, "process_open_fds");
    set(&memory->process.max_fds, "process_max_fds");
    set(&memory->process.swap_bytes, "sluice_process_swap_bytes");
    set(&memory->process.anonymous_bytes, "sluice_process_anonymous_bytes");
    memory->heap.allocator = "glibc";
    expect(1, "sluice_heap_info{allocator=\"glibc\"}");
    set(&memory->heap.allocated_bytes, "sluice_heap_allocated_bytes");
    set(&memory->heap.active_bytes, "sluice_heap_active_bytes");
    set(&memory->heap.resident_bytes, "sluice_heap_resident_bytes");
    set(&memory->heap.retained_bytes, "sluice_heap_retained_bytes");
    set(&memory->heap.free_bytes, "sluice_heap_free_bytes");
    set_real(&memory->stalls.some_avg10, "sluice_memory_stall_ratio{kind=\"some\"}");
    set_real(&memory->stalls.full_avg10, "sluice_memory_stall_ratio{kind=\"full\"}");
    set_real(&memory->stalls.some_seconds, "sluice_memory_stall_seconds_total{kind=\"some\"}");
    set_real(&memory->stalls.full_seconds, "sluice_memory_stall_seconds_total{kind=\"full\"}");
    set(&memory->simulated_bytes, "sluice_simulated_bytes");
}

static void set_live(health_snapshot_t *snapshot)
{
    set_each(snapshot->live.published, HEALTH_NUM_EVENT_TYPES, "sluice_events_total{type=\"@\"}", health_event_type_names);
    set(&snapshot->live.left_out, "sluice_events_left_out_total");
    set(&snapshot->live.streams, "sluice_event_streams");
    set(&snapshot->live.streams_dropped, "sluice_event_streams_dropped_total");
    set(&snapshot->live.streams_refused, "sluice_event_streams_refused_total");
    set(&snapshot->live.missed, "sluice_events_missed_total");
}

static void set_leak(health_leak_t *leak)
{
    set(&leak->suspected, "sluice_leak_suspected");
    set(&leak->likely, "sluice_leak_likely");
    set(&leak->confidence, "sluice_leak_confidence");
    set(&leak->floor_bytes, "sluice_leak_floor_bytes");
    set_real(&leak->bytes_per_second, "sluice_leak_growth_bytes_per_second");
    set_real(&leak->seconds_to_budget, "sluice_leak_time_to_budget_seconds");
}

static void set_alerts(health_snapshot_t *snapshot)
{
    static const char *const severities[] = {"warning", "critical"};
    static const char *const results[] = {"delivered", "failed", "dropped"};

    set_each(snapshot->alerts.firing, 2, "sluice_alerts_firing{severity=\"@\"}", severities);
    set_each(snapshot->alerts.webhooks, 3, "sluice_alert_webhooks_total{result=\"@\"}", results);
    set(&snapshot->alerts.exits_withheld, "sluice_alert_exits_withheld");
}

static void start(health_snapshot_t *snapshot)
{
    memset(snapshot, 0, sizeof(*snapshot));
    next_value = 0;
    num_expected = 0;
}

static void fill(health_snapshot_t *snapshot)
{
    start(snapshot);
    set_caches(snapshot);
    set_quotas(snapshot);
    set_pressure(snapshot);
    set_queue(snapshot);
    set_reclaim(snapshot);
    set_work(snapshot);
    set_memory(&snapshot->memory);
    set_live(snapshot);
    set_leak(&snapshot->leak);
    set_alerts(snapshot);
    snapshot->version = "1.2.3";
    expect(1, "sluice_build_info{version=\"1.2.3\"}");
    set_real(&snapshot->uptime_seconds, "sluice_uptime_seconds");
}

/* ---- a parser of the text format that knows nothing of the writer */

static struct {
    char series[MAX_NAME];
    double value;
} parsed[MAX_SERIES];
static size_t num_parsed, num_families;
static char families[MAX_SERIES][MAX_NAME], types[MAX_SERIES][MAX_NAME];

static int is_name(const char *s, size_t len)
{
    return len != 0 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") >= len && (s[0] < '0' || s[0] > '9');
}

static void open_family(const char *name, size_t len)
{
    assert_true(is_name(name, len) && len < MAX_NAME && num_families < MAX_SERIES);
    for (size_t i = 0; i != num_families; ++i)
        if (strlen(families[i]) == len && memcmp(families[i], name, len) == 0)
            fail_msg("family %s is described or used in two places", families[i]);
    memcpy(families[num_families], name, len);
    families[num_families][len] = '\0';
    types[num_families++][0] = '\0';
}

/* where the labels end; fails on anything that is not {name="value",...} with the three escapes */
static const char *skip_labels(const char *at)
{
    if (*at != '{')
        return at;
    do {
        size_t len = strcspn(++at, "=");
        assert_true(is_name(at, len));
        at += len + 1;
        assert_int_equal(*at, '"');
        for (++at; *at != '"'; ++at) {
            assert_int_not_equal(*at, '\0');
            if (*at == '\\')
                assert_non_null(strchr("\\n\"", *++at));
        }
        ++at;
    } while (*at == ',');
    assert_int_equal(*at, '}');
    return at + 1;
}

static int is_in_family(const char *name, size_t len)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    const char *family = families[num_families - 1];
    size_t family_len = strlen(family);

    if (len < family_len || memcmp(name, family, family_len) != 0)
        return 0;
    if (strcmp(types[num_families - 1], "histogram") != 0)
        return len == family_len;
    for (size_t i = 0; i != sizeof(suffixes) / sizeof(suffixes[0]); ++i)
        if (len == family_len + strlen(suffixes[i]) && memcmp(name + family_len, suffixes[i], strlen(suffixes[i])) == 0)
            return 1;
    return 0;
}

static void parse_sample(const char *line)
{
    size_t name_len = strcspn(line, "{ ");
    const char *end = skip_labels(line + name_len);
    char *rest;

    assert_true(num_families != 0);
    if (!is_in_family(line, name_len))
        fail_msg("not in the family that was opened last: %s", line);
    assert_string_not_equal(types[num_families - 1], "");
    assert_int_equal(*end, ' ');
    assert_true(num_parsed < MAX_SERIES && (size_t)(end - line) < MAX_NAME);
    memcpy(parsed[num_parsed].series, line, (size_t)(end - line));
    parsed[num_parsed].series[end - line] = '\0';
    for (size_t i = 0; i != num_parsed; ++i)
        if (strcmp(parsed[i].series, parsed[num_parsed].series) == 0)
            fail_msg("%s is there twice", parsed[i].series);
    parsed[num_parsed++].value = strtod(end + 1, &rest);
    assert_true(rest != end + 1 && *rest == '\0');
}

static void parse_line(const char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0) {
        size_t len = strcspn(line + 7, " ");
        open_family(line + 7, len);
        assert_true(strlen(line + 7) > len + 1);
    } else if (strncmp(line, "# TYPE ", 7) == 0) {
        size_t len = strcspn(line + 7, " ");
        assert_true(num_families != 0 && strlen(families[num_families - 1]) == len);
        assert_memory_equal(line + 7, families[num_families - 1], len);
        assert_string_equal(types[num_families - 1], "");
        assert_true(strcmp(line + 7 + len, " counter") == 0 || strcmp(line + 7 + len, " gauge") == 0 ||
                    strcmp(line + 7 + len, " histogram") == 0);
        snprintf(types[num_families - 1], MAX_NAME, "%s", line + 8 + len);
    } else {
        parse_sample(line);
    }
}

/* consumes the text */
static void parse(char *text, size_t len)
{
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    num_parsed = num_families = 0;
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end); /* the last line has to end in one too */
        *end = '\0';
        parse_line(line);
    }
    free(text);
}

static double value_of(const char *series)
{
    for (size_t i = 0; i != num_parsed; ++i)
        if (strcmp(parsed[i].series, series) == 0)
            return parsed[i].value;
    fail_msg("no series %s", series);
    return 0;
}

static void compare_with_expected(void)
{
    for (size_t i = 0; i != num_expected; ++i) {
        double value = value_of(expected[i].series);
        if (!(fabs(value - expected[i].value) < 1e-6))
            fail_msg("%s is %f instead of %f", expected[i].series, value, expected[i].value);
    }
    assert_int_equal(num_parsed, num_expected);
}

/* ---- the tests */

static void everything_is_written_once(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    char *text = health_prometheus(&snapshot, &len);
    parse(text, len);
    compare_with_expected();
    for (size_t i = 0; i != num_families; ++i) {
        size_t name_len = strlen(families[i]);
        int total = name_len > 6 && strcmp(families[i] + name_len - 6, "_total") == 0;
        assert_int_equal(strcmp(types[i], "counter") == 0, total);
    }
}

static int is_watchable(const char *series)
{
    for (size_t i = 0; i != num_families; ++i)
        if (strcmp(types[i], "histogram") == 0 && strncmp(series, families[i], strlen(families[i])) == 0)
            return 0;
    return strstr(series, "_info{") == NULL;
}

/* what rules of alerts read is what is written */
static void every_series_is_found_by_its_name(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    health_metric_t metric;
    char error[512];
    size_t len;

    fill(&snapshot);
    char *text = health_prometheus(&snapshot, &len);
    parse(text, len);
    for (size_t i = 0; i != num_parsed; ++i) {
        int found = health_metric_find(&snapshot, parsed[i].series, &metric, error, sizeof(error));
        if (found != (is_watchable(parsed[i].series) ? 0 : -1))
            fail_msg("%s: %s", parsed[i].series, found == 0 ? "found" : error);
        if (found == 0 && !(fabs(health_metric_value(&metric, &snapshot) - parsed[i].value) < 1e-6))
            fail_msg("%s is %f instead of %f", parsed[i].series, health_metric_value(&metric, &snapshot), parsed[i].value);
    }
}

static void caches_alone(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    start(&snapshot);
    set_caches(&snapshot);
    set_quotas(&snapshot);
    char *text = health_cache_prometheus(&snapshot, &len);
    parse(text, len);
    compare_with_expected();
}

static void no_reclaim_yet(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    memset(&snapshot.last_reclaim, 0, sizeof(snapshot.last_reclaim));
    char *text = health_prometheus(&snapshot, &len);
    assert_non_null(text);
    assert_null(strstr(text, "last_reclaim"));
    parse(text, len);
    assert_int_equal(num_parsed, num_expected - 8);
}

static void empty_and_odd_numbers(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    memset(&snapshot, 0, sizeof(snapshot));
    char *text = health_prometheus(&snapshot, &len);
    parse(text, len);
    assert_true(value_of("sluice_pressure_usage_ratio") == 0);
    assert_true(value_of("sluice_build_info{version=\"\"}") == 1);
    text = health_cache_prometheus(&snapshot, &len);
    assert_non_null(text);
    assert_string_equal(text, "");
    free(text);

    snapshot.level = 77;
    snapshot.num_caches = SIZE_MAX;
    for (size_t i = 0; i != HEALTH_MAX_CACHES; ++i)
        snapshot.caches[i].name = (const char *const[]){"a", "b", "c", "d"}[i];
    snapshot.shed = UINT64_MAX;
    snapshot.transform_seconds = NAN;
    text = health_prometheus(&snapshot, &len);
    assert_non_null(strstr(text, "sluice_requests_shed_total 18446744073709551615\n"));
    parse(text, len);
    assert_true(value_of("sluice_pressure_level") == 5);
    assert_true(isnan(value_of("sluice_transform_seconds_total")));
    assert_true(value_of("sluice_d_cache_hit_ratio{cache=\"d\"}") == 0);
}

static void odd_names_are_escaped(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    memset(&snapshot, 0, sizeof(snapshot));
    snapshot.version = "1\"2\\3\n4\xff"
                       "5\xc3\xa9";
    snapshot.num_caches = 4;
    snapshot.caches[0] = (health_cache_t){.name = "a-b", .hits = 1};
    snapshot.caches[1] = (health_cache_t){.name = "Q\"\\\n}", .hits = 2};
    snapshot.caches[2] = (health_cache_t){.name = "a_b", .hits = 3};
    snapshot.caches[3] = (health_cache_t){.name = "a_bc", .hits = 4};
    char *text = health_prometheus(&snapshot, &len);
    parse(text, len);
    assert_true(value_of("sluice_build_info{version=\"1\\\"2\\\\3\\n4\xef\xbf\xbd"
                         "5\xc3\xa9\"}") == 1);
    assert_true(value_of("sluice_a_b_cache_hits_total{cache=\"a-b\"}") == 1);
    assert_true(value_of("sluice_q_____cache_hits_total{cache=\"Q\\\"\\\\\\n}\"}") == 2);
    assert_true(value_of("sluice_a_b_cache_hits_total{cache=\"a_b\"}") == 3);
    assert_true(value_of("sluice_a_bc_cache_hits_total{cache=\"a_bc\"}") == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_written_once),
        cmocka_unit_test(caches_alone),
        cmocka_unit_test(no_reclaim_yet),
        cmocka_unit_test(every_series_is_found_by_its_name),
        cmocka_unit_test(caches_alone),
        cmocka_unit_test(no_reclaim_yet),
        cmocka_unit_test(empty_and_odd_numbers),
        cmocka_unit_test(odd_names_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
