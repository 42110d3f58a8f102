/*
 * The views of memory. What is a copy of some numbers is answered at once; the trend, of 2100 points, and the report are made by
 * the clerk.
 */
#include <stdlib.h>
#include "health/views.h"
#include "module/api.h"
#include "module/health_snapshot.h"
#include "module/memory_look.h"
#include "module/report.h"

static void respond_view(const sluice_api_call_t *call, json_t *(*make)(const health_snapshot_t *snapshot))
{
    health_snapshot_t snapshot;

    sluice_health_snapshot(call->sluice, &snapshot);
    json_t *view = make(&snapshot);
    sluice_health_snapshot_dispose(&snapshot);
    sluice_api_respond_json(call->req, 200, view);
}

void sluice_api_coordination(const sluice_api_call_t *call)
{
    respond_view(call, health_new_coordination);
}

void sluice_api_memory_stats(const sluice_api_call_t *call)
{
    respond_view(call, health_new_stats);
}

void sluice_api_memory_heap(const sluice_api_call_t *call)
{
    respond_view(call, health_new_heap);
}

void sluice_api_memory_process(const sluice_api_call_t *call)
{
    respond_view(call, health_new_process);
}

void sluice_api_memory_consumers(const sluice_api_call_t *call)
{
    respond_view(call, health_new_consumers);
}

/* --- one consumer */

static const health_consumer_t *find_consumer(const health_consumer_t *consumers, size_t count, h2o_iovec_t name)
{
    for (size_t i = 0; i != count; ++i)
        if (h2o_memis(name.base, name.len, consumers[i].name, strlen(consumers[i].name)))
            return consumers + i;
    return NULL;
}

static void refuse_consumer(h2o_req_t *req, const health_consumer_t *consumers, size_t count)
{
    h2o_iovec_t detail = h2o_iovec_init(H2O_STRLIT("the consumers are"));

    for (size_t i = 0; i != count; ++i)
        detail = h2o_concat(&req->pool, detail, h2o_iovec_init(i == 0 ? " " : ", ", i == 0 ? 1 : 2),
                            h2o_iovec_init(consumers[i].name, strlen(consumers[i].name)));
    sluice_api_refuse(req, 404, "Not Found", h2o_strdup(&req->pool, detail.base, detail.len).base, "unknown-consumer");
}

void sluice_api_memory_consumer(const sluice_api_call_t *call)
{
    health_consumer_t consumers[HEALTH_MAX_CONSUMERS];
    health_snapshot_t snapshot;
    uint64_t accounted_bytes;

    sluice_health_snapshot(call->sluice, &snapshot);
    size_t count = health_list_consumers(&snapshot, consumers, &accounted_bytes);
    const health_consumer_t *consumer = find_consumer(consumers, count, call->rest);
    if (consumer != NULL)
        sluice_api_respond_json(call->req, 200, health_new_consumer(consumer));
    else
        refuse_consumer(call->req, consumers, count);
    sluice_health_snapshot_dispose(&snapshot);
}

/* --- what the clerk makes */

#define MAX_WAITING 16 /* jobs of the clerk: anybody may ask, and the administrator's orders stand in the same line */

static void defer_view(const sluice_api_call_t *call, json_t *(*work)(sluice_api_job_t *job), void *ctx)
{
    if (sluice_pool_waiting(call->sluice->clerk) >= MAX_WAITING)
        sluice_api_refuse(call->req, 503, "Service Unavailable", "too many ask for trends and reports: ask less often", "busy");
    else
        sluice_api_defer(call, work, ctx, NULL);
}

/* --- the trend */

typedef struct st_trend_order_t {
    size_t first, end; /* which series */
} trend_order_t;

static json_t *new_point(const health_trend_point_t *point)
{
    json_t *object = json_object();

    health_json_add(&object, "at", json_integer(point->at));
    health_json_add(&object, "level", json_string(health_level_names[point->level]));
    health_json_add(&object, "resident_bytes", health_json_integer(point->resident_bytes));
    health_json_add(&object, "accounted_bytes", health_json_integer(point->accounted_bytes));
    health_json_add(&object, "unaccounted_bytes", health_json_integer(point->unaccounted_bytes));
    health_json_add(&object, "image_bytes", health_json_integer(point->image_bytes));
    health_json_add(&object, "metadata_bytes", health_json_integer(point->metadata_bytes));
    health_json_add(&object, "reserved_bytes", health_json_integer(point->reserved_bytes));
    health_json_add(&object, "hits", health_json_integer(point->hits));
    health_json_add(&object, "misses", health_json_integer(point->misses));
    health_json_add(&object, "shed", health_json_integer(point->shed));
    health_json_add(&object, "requests", health_json_integer(point->requests));
    return object;
}

static json_t *new_series(sluice_t *sluice, size_t series)
{
    health_trend_point_t *points = calloc(HEALTH_TREND_POINTS_MAX, sizeof(*points));
    json_t *object = json_object(), *array = json_array();
    size_t count = points != NULL ? sluice_memory_trend(sluice, series, points, HEALTH_TREND_POINTS_MAX) : 0;

    for (size_t i = 0; i != count; ++i)
        health_json_push(&array, new_point(points + i));
    health_json_add(&object, "period_seconds", health_json_integer(health_trend_period_ms(series) / 1000));
    health_json_add(&object, "points", array);
    if (points == NULL)
        health_json_add(&object, "points", NULL);
    free(points);
    return object;
}

static json_t *make_trend(sluice_api_job_t *job)
{
    const trend_order_t *order = job->ctx;
    json_t *root = json_object(), *array = json_array();
    health_memory_t memory;

    sluice_memory_read(job->sluice, &memory);
    for (size_t i = order->first; i != order->end; ++i)
        health_json_push(&array, new_series(job->sluice, i));
    health_json_add(&root, "series", array);
    health_json_add(&root, "growth_bytes_per_minute", json_real(memory.growth_bytes_per_minute));
    health_json_add(&root, "growth_span_seconds", health_json_real(memory.growth_span_seconds, 1e3));
    return root;
}

/* the constant orders: all series, or one */
static const trend_order_t orders[] = {{0, HEALTH_TREND_SERIES}, {0, 1}, {1, 2}, {2, 3}};

static const trend_order_t *find_order(h2o_iovec_t period)
{
    static const char *const names[] = {NULL, "1", "10", "60"};

    if (period.base == NULL)
        return orders;
    for (size_t i = 1; i != sizeof(orders) / sizeof(orders[0]); ++i)
        if (h2o_memis(period.base, period.len, names[i], strlen(names[i])))
            return orders + i;
    return NULL;
}

void sluice_api_memory_trend(const sluice_api_call_t *call)
{
    const trend_order_t *order = find_order(sluice_api_parameter(call->req, "period"));

    if (order == NULL)
        sluice_api_refuse(call->req, 400, "Bad Request",
                          "period is 1, 10 or 60: the seconds of a point; without it all series come", "bad-period");
    else
        defer_view(call, make_trend, (void *)(uintptr_t)order);
}

/* --- the report */

static json_t *make_report(sluice_api_job_t *job)
{
    return sluice_report_new(job->sluice);
}

void sluice_api_memory_report(const sluice_api_call_t *call)
{
    defer_view(call, make_report, NULL);
}
