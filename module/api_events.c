/*
 * GET /api/memory/events: events as they happen (server-sent events), or, with ?format=json, the last ones there are.
 *
 * A stream starts with a `state` event. It goes on behind Last-Event-ID, which a browser sends by itself when it connects again, or
 * else behind ?after=ID, or else with what is yet to come. An id that this process never gave away, 0 for example, stands for all
 * that is still there.
 */
#include "module/api.h"
#include "module/event_stream.h"
#include "module/respond.h"

#define DEFAULT_EVENTS 50
#define MAX_EVENTS 200
#define RETRY_AFTER_S 5

typedef struct st_position_t {
    uint64_t after;
    int is_given, is_known;
} position_t;

/* what a browser sends it got from here, or from a server that was here before: whatever it is, it is no fault */
static int read_last_event_id(const h2o_req_t *req, uint64_t *id)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("last-event-id"), -1);

    if (at == -1)
        return -1;
    if (sluice_api_parse_number(req->headers.entries[at].value, id) != 0)
        *id = 0;
    return 0;
}

/* returns 0, or -1: refused */
static int read_position(const sluice_api_call_t *call, position_t *position)
{
    h2o_iovec_t after = sluice_api_parameter(call->req, "after");

    *position = (position_t){0, 1, 0};
    if (read_last_event_id(call->req, &position->after) != 0) {
        position->is_given = after.base != NULL;
        if (position->is_given && sluice_api_parse_number(after, &position->after) != 0) {
            sluice_api_refuse(call->req, 400, "Bad Request", "after is the id of an event, a number; 0 stands for all there are",
                              "bad-position");
            return -1;
        }
    }
    position->is_known = position->is_given && health_events_knows(call->sluice->events, position->after);
    if (!position->is_known)
        position->after = 0;
    return 0;
}

/* --- the stream */

static json_t *describe_state(sluice_t *sluice, int resumed)
{
    pressure_snapshot_t p;
    json_t *state = json_object();

    pressure_get_snapshot(sluice->pressure, &p);
    health_json_add(&state, "level", json_string(health_level_names[p.level]));
    health_json_add(&state, "ratio", health_json_real((double)p.reading_bytes / (double)p.budget_bytes, 1000));
    health_json_add(&state, "resident_bytes", health_json_integer(p.resident_bytes));
    health_json_add(&state, "budget_bytes", health_json_integer(p.budget_bytes));
    health_json_add(&state, "simulated_bytes",
                    health_json_integer(sluice_simulation_bytes(&sluice->simulation, sluice_exact_ms())));
    health_json_add(&state, "resumed", json_boolean(resumed));
    health_json_add(&state, "at", health_json_real((double)sluice_wall_ms() / 1000, 1000));
    return state;
}

static void add_stream_headers(h2o_req_t *req)
{
    req->res.status = 200;
    req->res.reason = "OK";
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT("text/event-stream"));
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("no-store"));
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-accel-buffering"), 0, NULL, H2O_STRLIT("no"));
}

static void answer_head(h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};

    add_stream_headers(req);
    h2o_start_response(req, &generator);
    h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
}

static void answer_stream(const sluice_api_call_t *call, const position_t *position)
{
    uint64_t after = position->is_given ? position->after : health_events_last(call->sluice->events);

    if (sluice_is_head(call->req)) {
        answer_head(call->req);
        return;
    }
    if (sluice_event_stream_is_over(call->loop)) {
        sluice_respond_problem(call->req, 503, "Service Unavailable", "the server is about to end; another one takes over",
                               "draining", NULL, RETRY_AFTER_S);
        return;
    }
    if (sluice_event_hub_enter(&call->sluice->event_hub, call->loop->events.slot) != 0) {
        sluice_respond_problem(call->req, 503, "Service Unavailable",
                               "32 clients listen to events already, as many as may: close one, or read ?format=json now and then",
                               "too-many-streams", NULL, RETRY_AFTER_S);
        return;
    }
    add_stream_headers(call->req);
    sluice_event_stream_start(call->loop, call->req, after, describe_state(call->sluice, position->is_known));
}

/* --- the list */

static json_t *describe_event(const health_event_t *event)
{
    json_t *object = json_object();

    health_json_add(&object, "id", health_json_integer(event->id));
    health_json_add(&object, "type", json_string(event->type));
    health_json_add(&object, "data", json_loadb(event->text, event->len, 0, NULL));
    return object;
}

static json_t *describe_events(const health_events_t *events, uint64_t after, uint64_t count, int is_after)
{
    uint64_t last = health_events_last(events), missed = 0, m;
    json_t *answer = json_object(), *array = json_array();
    health_event_t event;

    if (!is_after)
        after = last > count ? last - count : 0;
    for (; count != 0 && health_events_next(events, &after, &event, &m); --count) {
        health_json_push(&array, describe_event(&event));
        missed += m;
    }
    health_json_add(&answer, "events", array);
    health_json_add(&answer, "last_id", health_json_integer(last));
    health_json_add(&answer, "missed", health_json_integer(is_after ? missed : 0));
    return answer;
}

static void answer_list(const sluice_api_call_t *call, const position_t *position)
{
    h2o_iovec_t n = sluice_api_parameter(call->req, "n");
    uint64_t count = DEFAULT_EVENTS;

    if (n.base != NULL && (sluice_api_parse_number(n, &count) != 0 || count == 0 || count > MAX_EVENTS)) {
        sluice_api_refuse(call->req, 400, "Bad Request", "n is a number of events, from 1 to 200", "bad-number");
        return;
    }
    sluice_api_respond_json(call->req, 200, describe_events(call->sluice->events, position->after, count, position->is_given));
}

void sluice_api_events(const sluice_api_call_t *call)
{
    h2o_iovec_t format = sluice_api_parameter(call->req, "format");
    position_t position;

    if (read_position(call, &position) != 0)
        return;
    if (h2o_memis(format.base, format.len, H2O_STRLIT("json")))
        answer_list(call, &position);
    else
        answer_stream(call, &position);
}
