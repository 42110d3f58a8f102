/*
 * GET /api/memory/leaks, and the orders to check, to configure and to clear. The first answers at once with what was found last;
 * the others are carried out by the clerk, for they may wait until a judgement is over.
 */
#include <stdlib.h>
#include <string.h>
#include "module/api.h"
#include "module/leaks.h"

/* --- the answer */

static json_t *new_points(const pressure_leak_points_t *points)
{
    json_t *json = json_object();

    health_json_add(&json, "growth", json_integer((json_int_t)points->growth));
    health_json_add(&json, "steadiness", json_integer((json_int_t)points->steadiness));
    health_json_add(&json, "peak", json_integer((json_int_t)points->peak));
    health_json_add(&json, "reclaim_inefficiency", json_integer((json_int_t)points->reclaim_inefficiency));
    health_json_add(&json, "other", json_integer((json_int_t)points->other));
    return json;
}

static json_t *new_seconds(uint64_t ms)
{
    return health_json_integer(ms / 1000);
}

static json_t *new_span(const pressure_leak_span_t *span)
{
    json_t *json = json_object();

    health_json_add(&json, "span_seconds", new_seconds(span->span_ms));
    health_json_add(&json, "by_days", json_boolean(span->by_days));
    health_json_add(&json, "growth_bytes", json_integer((json_int_t)span->growth_bytes));
    health_json_add(&json, "needed_bytes", json_integer((json_int_t)span->needed_bytes));
    health_json_add(&json, "confidence", json_integer((json_int_t)span->confidence));
    health_json_add(&json, "reason", json_string(pressure_leak_reason_names[span->reason]));
    return json;
}

static json_t *new_spans(const pressure_leak_report_t *report)
{
    json_t *json = json_array();

    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        if (report->spans[i].span_ms != 0)
            health_json_push(&json, new_span(report->spans + i));
    return json;
}

static json_t *new_config(const pressure_leak_config_t *config)
{
    json_t *json = json_object();

    health_json_add(&json, "window_ms", health_json_integer(config->window_ms));
    health_json_add(&json, "warm_up_ms", health_json_integer(config->warm_up_ms));
    health_json_add(&json, "min_growth_bytes", health_json_integer(config->min_growth_bytes));
    health_json_add(&json, "likely_points", health_json_integer(config->likely_points));
    health_json_add(&json, "suspected_points", health_json_integer(config->suspected_points));
    return json;
}

static json_t *new_history(const sluice_leaks_view_t *view)
{
    json_t *json = json_array();

    for (size_t i = 0; i != view->num_changes; ++i) {
        const sluice_leaks_change_t *change = view->changes + i;
        json_t *object = json_object();
        health_json_add(&object, "at", json_integer(change->at));
        health_json_add(&object, "from", json_string(pressure_leak_verdict_names[change->from]));
        health_json_add(&object, "verdict", json_string(pressure_leak_verdict_names[change->to]));
        health_json_add(&object, "confidence", json_integer((json_int_t)change->confidence));
        health_json_add(&object, "growth_bytes_per_hour", json_integer((json_int_t)change->bytes_per_hour));
        health_json_add(&object, "floor_bytes", health_json_integer(change->floor_bytes));
        health_json_push(&json, object);
    }
    return json;
}

static const char *const advice_by_verdict[PRESSURE_LEAK_NUM_VERDICTS][3] = {
    [PRESSURE_LEAK_SUSPECTED] = {"look again later: what grows for another reason levels off, and a leak becomes likely"},
    [PRESSURE_LEAK_LIKELY] = {"restart the server before the budget is reached: seconds_to_budget says when that is",
                              "take two heap profiles some time apart, and report what has grown between them",
                              "if the growth is known and will end, POST /api/memory/leaks/clear-history"}};

static const char *const advice_by_reason[PRESSURE_LEAK_NUM_REASONS] = {
    [PRESSURE_LEAK_CACHES_GROW] = "unaccounted memory grows with the caches, as their overhead does: nothing to do",
    [PRESSURE_LEAK_TRAFFIC_GREW] =
        "unaccounted memory grows with the traffic: nothing to do unless it goes on when traffic does not",
    [PRESSURE_LEAK_LEVELS_OFF] = "unaccounted memory grows more and more slowly: nothing to do",
    [PRESSURE_LEAK_HEAP_FREE] = "the heap grows by chunks that are free: POST /api/memory/trim gives back what can be given back",
    [PRESSURE_LEAK_RECLAIMED] = "what grows is given back by reclaims: nothing to do"};

static json_t *new_recommendations(const pressure_leak_report_t *report)
{
    json_t *json = json_array();

    for (size_t i = 0; i != 3 && advice_by_verdict[report->verdict][i] != NULL; ++i)
        health_json_push(&json, json_string(advice_by_verdict[report->verdict][i]));
    if (advice_by_reason[report->best.reason] != NULL)
        health_json_push(&json, json_string(advice_by_reason[report->best.reason]));
    return json;
}

json_t *sluice_api_leaks_json(const sluice_leaks_view_t *view)
{
    const pressure_leak_report_t *report = &view->report;
    json_t *json = json_object();

    health_json_add(&json, "verdict", json_string(pressure_leak_verdict_names[report->verdict]));
    health_json_add(&json, "confidence", json_integer((json_int_t)report->best.confidence));
    health_json_add(&json, "points", new_points(&report->best.points));
    health_json_add(&json, "reason", json_string(pressure_leak_reason_names[report->best.reason]));
    health_json_add(&json, "growth_bytes_per_hour", json_integer((json_int_t)report->best.bytes_per_hour));
    health_json_add(&json, "span_seconds", new_seconds(report->best.span_ms));
    health_json_add(&json, "seconds_to_budget",
                    report->seconds_to_budget != PRESSURE_LEAK_UNKNOWN ? health_json_integer(report->seconds_to_budget)
                                                                       : json_null());
    health_json_add(&json, "floor_bytes", health_json_integer(report->floor_bytes));
    health_json_add(&json, "samples", health_json_integer(report->samples));
    health_json_add(&json, "known_seconds", new_seconds(report->known_ms));
    health_json_add(&json, "spans", new_spans(report));
    health_json_add(&json, "config", new_config(&view->config));
    health_json_add(&json, "history", new_history(view));
    health_json_add(&json, "recommendations", new_recommendations(report));
    return json;
}

void sluice_api_leaks(const sluice_api_call_t *call)
{
    sluice_leaks_view_t view;

    sluice_leaks_view(call->sluice->leaks, &view);
    sluice_api_respond_json(call->req, 200, sluice_api_leaks_json(&view));
}

/* --- orders */

static json_t *check(sluice_api_job_t *job)
{
    sluice_leaks_view_t view;

    sluice_leaks_check(job->sluice, &view);
    return sluice_api_leaks_json(&view);
}

static json_t *clear(sluice_api_job_t *job)
{
    sluice_leaks_view_t view;

    sluice_leaks_clear(job->sluice, &view);
    return sluice_api_leaks_json(&view);
}

static json_t *configure(sluice_api_job_t *job)
{
    sluice_leaks_view_t view;

    sluice_leaks_configure(job->sluice, job->ctx, &view);
    return new_config(&view.config);
}

void sluice_api_leaks_check(const sluice_api_call_t *call)
{
    sluice_api_defer_bare(call, check);
}

void sluice_api_leaks_clear(const sluice_api_call_t *call)
{
    sluice_api_defer_bare(call, clear);
}

/* --- configuration: the bounds are those of the settings */

static const struct st_parameter_t {
    const char *name, *knob;
    size_t offset; /* in pressure_leak_config_t */
} parameters[] = {{"window_ms", "health.leak-window", offsetof(pressure_leak_config_t, window_ms)},
                  {"warm_up_ms", "health.leak-warm-up", offsetof(pressure_leak_config_t, warm_up_ms)},
                  {"min_growth_bytes", "health.leak-min-growth", offsetof(pressure_leak_config_t, min_growth_bytes)},
                  {"likely_points", "health.leak-likely", offsetof(pressure_leak_config_t, likely_points)}};

#define NUM_PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

static const struct st_parameter_t *find_parameter(const char *name)
{
    for (size_t i = 0; i != NUM_PARAMETERS; ++i)
        if (strcmp(parameters[i].name, name) == 0)
            return parameters + i;
    return NULL;
}

/* returns 0, or -1 with a sentence in `error` */
static int set_parameter(pressure_leak_config_t *config, const char *name, const json_t *value, char *error, size_t error_len)
{
    const struct st_parameter_t *parameter = find_parameter(name);

    if (parameter == NULL) {
        snprintf(error, error_len, "window_ms, warm_up_ms, min_growth_bytes and likely_points can be set, %.64s cannot", name);
        return -1;
    }
    const sluice_knob_t *knob = sluice_knob_find(parameter->knob);
    uint64_t number = (uint64_t)json_integer_value(value);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || number < knob->min || number > knob->max) {
        snprintf(error, error_len, "%s takes a whole number from %llu to %llu", name, (unsigned long long)knob->min,
                 (unsigned long long)knob->max);
        return -1;
    }
    memcpy((char *)config + parameter->offset, &number, sizeof(number));
    return 0;
}

static int read_config(json_t *body, pressure_leak_config_t *config, char *error, size_t error_len)
{
    const char *name;
    json_t *value;

    if (json_object_size(body) == 0) {
        snprintf(error, error_len, "send what is to be set: window_ms, warm_up_ms, min_growth_bytes, likely_points");
        return -1;
    }
    json_object_foreach(body, name, value)
    {
        if (set_parameter(config, name, value, error, error_len) != 0)
            return -1;
    }
    sluice_leaks_set_points(config, config->likely_points);
    return 0;
}

void sluice_api_leaks_configure(const sluice_api_call_t *call)
{
    sluice_leaks_view_t view;
    pressure_leak_config_t *config;
    char error[200];
    json_t *body = sluice_api_read_body(call);

    if (body == NULL)
        return;
    sluice_leaks_view(call->sluice->leaks, &view);
    int wrong = read_config(body, &view.config, error, sizeof(error)) != 0;
    json_decref(body);
    if (wrong) {
        sluice_api_refuse(call->req, 400, "Bad Request", error, "bad-order");
    } else if ((config = malloc(sizeof(*config))) == NULL) {
        sluice_api_refuse_memory(call->req);
    } else {
        *config = view.config;
        sluice_api_defer(call, configure, config, free);
    }
}
