/*
 * Prometheus text format 0.0.4, driven by the table: a row becomes one family, or a series of the family of the row before it.
 * QUOTA rows become a family with a series per quota, CACHE rows one family per cache; caches whose names come out alike in a
 * metric's name ("a-b", "a_b") share one, because the lines of a family must stand together. All series of a cache carry its name
 * as a label too, so that one query covers all caches.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "health/metrics.h"
#include "health/metrics_table.h"
#include "health/names.h"

static double hit_ratio(const void *base)
{
    return health_hit_ratio(base);
}

static double usage_ratio(const void *base)
{
    return health_usage_ratio(base);
}

static double level_number(const void *base)
{
    const health_snapshot_t *snapshot = base;
    return health_level_index(snapshot->level);
}

static double finished_requests(const void *base)
{
    return (double)health_finished_requests(base);
}

#define SIZE_OF(type, field) sizeof(((const type *)0)->field)
#define FIELD(kind, type, field)                                                                                                   \
    {                                                                                                                              \
        kind, offsetof(type, field), 1, NULL, NULL, NULL                                                                           \
    }
#define ARRAY(type, field, label, names)                                                                                           \
    {                                                                                                                              \
        PLACE_U64, offsetof(type, field), SIZE_OF(type, field) / sizeof(uint64_t), label, names, NULL                              \
    }
#define U64(field) FIELD(PLACE_U64, health_snapshot_t, field)
#define REAL(field) FIELD(PLACE_REAL, health_snapshot_t, field)
#define MS(field) FIELD(PLACE_MS, health_snapshot_t, field)
#define EACH(field, label, names) ARRAY(health_snapshot_t, field, label, names)
#define LABELLED(kind, field, label, value)                                                                                        \
    {                                                                                                                              \
        PLACE_##kind, offsetof(health_snapshot_t, field), 1, label, (const char *const[]){value}, NULL                             \
    }
#define COMPUTED(function)                                                                                                         \
    {                                                                                                                              \
        PLACE_COMPUTED, 0, 1, NULL, NULL, function                                                                                 \
    }
#define HISTOGRAMS(kind, field, label, names)                                                                                      \
    {                                                                                                                              \
        PLACE_##kind, offsetof(health_snapshot_t, field), SIZE_OF(health_snapshot_t, field) / sizeof(health_histogram_t), label,   \
            names, NULL                                                                                                            \
    }
#define HISTOGRAM(kind, field) HISTOGRAMS(kind, field, NULL, NULL)
#define INFO(field, label)                                                                                                         \
    {                                                                                                                              \
        PLACE_INFO, offsetof(health_snapshot_t, field), 1, label, NULL, NULL                                                       \
    }
#define CACHE_U64(field) FIELD(PLACE_U64, health_cache_t, field)
#define CACHE_MS(field) FIELD(PLACE_MS, health_cache_t, field)
#define CACHE_EACH(field, label, names) ARRAY(health_cache_t, field, label, names)
#define CACHE_COMPUTED(function) COMPUTED(function)
#define QUOTA_U64(field) FIELD(PLACE_U64, health_quota_t, field)
#define ROUTE_U64(field) FIELD(PLACE_U64, health_route_t, field)
#define METRIC(name, type, unit, scope, place, help) {name, #type, #unit, HEALTH_SCOPE_##scope, place, help},

const metric_t health_metrics[] = {HEALTH_METRICS(METRIC)};
const size_t health_num_metrics = sizeof(health_metrics) / sizeof(health_metrics[0]);

/* the two escapes of the format: a quote needs one in a label's value only */
static void put_escaped(health_text_t *text, const char *s, int quote)
{
    while (s != NULL && *s != '\0') {
        if (*s == '\\' || *s == '\n' || (quote && *s == '"')) {
            health_text_puts(text, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\");
            ++s;
        } else {
            s += health_text_put_char(text, s);
        }
    }
}

char health_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : '_';
}

static void put_name(health_text_t *text, const char *name, const health_cache_t *cache)
{
    for (; *name != '\0'; ++name) {
        if (*name != '*') {
            health_text_append(text, name, 1);
            continue;
        }
        for (const char *s = cache->name; s != NULL && *s != '\0'; ++s) {
            char c = health_name_char(*s);
            health_text_append(text, &c, 1);
        }
    }
}

static void put_head(health_text_t *text, const metric_t *metric, const health_cache_t *cache)
{
    health_text_puts(text, "# HELP ");
    put_name(text, metric->name, cache);
    health_text_puts(text, " ");
    put_escaped(text, metric->help, 0);
    health_text_puts(text, "\n# TYPE ");
    put_name(text, metric->name, cache);
    health_text_puts(text, " ");
    health_text_puts(text, metric->type);
    health_text_puts(text, "\n");
}

static void put_label(health_text_t *text, const char *separator, const char *label, const char *value)
{
    health_text_puts(text, separator);
    health_text_puts(text, label);
    health_text_puts(text, "=\"");
    put_escaped(text, value, 1);
    health_text_puts(text, "\"");
}

static void put_labels(health_text_t *text, const health_cache_t *cache, const char *label, const char *value)
{
    if (cache == NULL && label == NULL)
        return;
    if (cache != NULL)
        put_label(text, "{", "cache", cache->name);
    if (label != NULL)
        put_label(text, cache != NULL ? "," : "{", label, value);
    health_text_puts(text, "}");
}

static void put_value(health_text_t *text, const place_t *place, const void *base, const char *at)
{
    uint64_t number = 0;
    double real = 0;

    switch (place->kind) {
    case PLACE_U64:
        memcpy(&number, at, sizeof(number));
        health_text_put_u64(text, number);
        break;
    case PLACE_MS:
        memcpy(&number, at, sizeof(number));
        health_text_put_double(text, (double)number / 1000);
        break;
    case PLACE_REAL:
        memcpy(&real, at, sizeof(real));
        health_text_put_double(text, real);
        break;
    case PLACE_COMPUTED:
        health_text_put_double(text, place->compute(base));
        break;
    case PLACE_RATIOS: /* of several values */
    case PLACE_DURATIONS:
        break;
    case PLACE_INFO:
        health_text_puts(text, "1");
        break;
    }
}

/* --- histograms */

/* NULL: it is none */
static const char *const *histogram_bounds(place_kind_t kind)
{
    return kind == PLACE_RATIOS ? health_ratio_bounds : kind == PLACE_DURATIONS ? health_duration_bounds : NULL;
}

static size_t num_buckets(place_kind_t kind)
{
    return kind == PLACE_RATIOS ? HEALTH_NUM_RATIOS : HEALTH_NUM_DURATIONS;
}

/* a line of a histogram up to its value; le is NULL but for buckets, the value NULL without a label */
static void put_histogram_name(health_text_t *text, const metric_t *metric, const char *suffix, const char *value, const char *le)
{
    health_text_puts(text, metric->name);
    health_text_puts(text, suffix);
    if (value != NULL)
        put_label(text, "{", metric->place.label, value);
    if (le != NULL)
        put_label(text, value != NULL ? "," : "{", "le", le);
    health_text_puts(text, value != NULL || le != NULL ? "} " : " ");
}

/* buckets are written added up; the count is their sum, so that the two agree whatever was counted meanwhile */
static void put_histogram(health_text_t *text, const metric_t *metric, const health_histogram_t *histogram, const char *value)
{
    const char *const *bounds = histogram_bounds(metric->place.kind);
    uint64_t count = 0;

    for (size_t i = 0; i != num_buckets(metric->place.kind); ++i) {
        count += histogram->buckets[i];
        put_histogram_name(text, metric, "_bucket", value, bounds[i]);
        health_text_put_u64(text, count);
        health_text_puts(text, "\n");
    }
    put_histogram_name(text, metric, "_sum", value, NULL);
    health_text_put_double(text, histogram->sum);
    health_text_puts(text, "\n");
    put_histogram_name(text, metric, "_count", value, NULL);
    health_text_put_u64(text, count);
    health_text_puts(text, "\n");
}

static void put_histograms(health_text_t *text, const metric_t *metric, const void *base)
{
    const health_histogram_t *histograms = (const void *)((const char *)base + metric->place.offset);
    const char *const *values = metric->place.label_values;

    for (size_t i = 0; i != metric->place.count; ++i)
        put_histogram(text, metric, histograms + i, values != NULL ? values[i] : NULL);
}

static void put_series(health_text_t *text, const metric_t *metric, const void *base, const health_cache_t *cache)
{
    const place_t *place = &metric->place;

    if (histogram_bounds(place->kind) != NULL) {
        put_histograms(text, metric, base);
        return;
    }
    for (size_t i = 0; i != place->count; ++i) {
        const char *at = (const char *)base + place->offset + i * sizeof(uint64_t), *value = NULL;
        if (place->kind == PLACE_INFO)
            memcpy(&value, at, sizeof(value));
        else if (place->label_values != NULL)
            value = place->label_values[i];
        put_name(text, metric->name, cache);
        put_labels(text, cache, place->label, value);
        health_text_puts(text, " ");
        put_value(text, place, base, at);
        health_text_puts(text, "\n");
    }
}

static int same_family(const health_cache_t *x, const health_cache_t *y)
{
    const char *a = x->name != NULL ? x->name : "", *b = y->name != NULL ? y->name : "";

    for (; *a != '\0' && *b != '\0'; ++a, ++b)
        if (health_name_char(*a) != health_name_char(*b))
            return 0;
    return *a == *b;
}

static void put_cache_metric(health_text_t *text, const metric_t *metric, const health_snapshot_t *snapshot)
{
    const health_cache_t *caches = snapshot->caches;
    size_t num_caches = health_num_caches(snapshot), first;

    for (size_t i = 0; i != num_caches; ++i) {
        for (first = 0; !same_family(&caches[first], &caches[i]);)
            ++first;
        if (first != i) /* was written with that one */
            continue;
        put_head(text, metric, &caches[i]);
        for (size_t j = i; j != num_caches; ++j)
            if (same_family(&caches[j], &caches[i]))
                put_series(text, metric, &caches[j], &caches[j]);
    }
}

static void put_quota_metric(health_text_t *text, const metric_t *metric, const health_snapshot_t *snapshot)
{
    size_t num_quotas = health_num_quotas(snapshot);

    if (num_quotas != 0)
        put_head(text, metric, NULL);
    for (size_t i = 0; i != num_quotas; ++i) {
        const health_quota_t *quota = &snapshot->quotas[i];
        health_text_puts(text, metric->name);
        put_labels(text, NULL, "route", quota->route);
        health_text_puts(text, " ");
        put_value(text, &metric->place, quota, (const char *)quota + metric->place.offset);
        health_text_puts(text, "\n");
    }
}

static void put_route_metric(health_text_t *text, const metric_t *metric, const health_snapshot_t *snapshot)
{
    if (snapshot->num_routes != 0)
        put_head(text, metric, NULL);
    for (size_t i = 0; i != snapshot->num_routes; ++i) {
        const health_route_t *route = snapshot->routes + i;
        health_text_puts(text, metric->name);
        put_labels(text, NULL, "route", route->name);
        health_text_puts(text, " ");
        put_value(text, &metric->place, route, (const char *)route + metric->place.offset);
        health_text_puts(text, "\n");
    }
}

char *health_write_prometheus(health_text_t *text, const health_snapshot_t *snapshot, unsigned scopes, size_t *len)
{
    if (snapshot->last_reclaim.generation == 0)
        scopes &= ~(unsigned)HEALTH_SCOPE_RECLAIM;
    for (size_t i = 0; i != health_num_metrics; ++i) {
        const metric_t *metric = &health_metrics[i];
        if ((scopes & metric->scope) == 0)
            continue;
        if (metric->scope == HEALTH_SCOPE_CACHE) {
            put_cache_metric(text, metric, snapshot);
            continue;
        }
        if (metric->scope == HEALTH_SCOPE_QUOTA) {
            put_quota_metric(text, metric, snapshot);
            continue;
        }
        if (metric->scope == HEALTH_SCOPE_ROUTE) {
            put_route_metric(text, metric, snapshot);
            continue;
        }
        if (i == 0 || strcmp(metric->name, health_metrics[i - 1].name) != 0)
            put_head(text, metric, NULL);
        put_series(text, metric, snapshot, NULL);
    }
    return health_text_take(text, len);
}

char *health_prometheus(const health_snapshot_t *snapshot, size_t *len)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return health_write_prometheus(&text, snapshot, HEALTH_SCOPE_ALL, len);
}

char *health_cache_prometheus(const health_snapshot_t *snapshot, size_t *len)
{
    health_text_t text;
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    return health_write_prometheus(&text, snapshot, HEALTH_SCOPE_CACHE | HEALTH_SCOPE_QUOTA, len);
}
