/*
 * POST /api/memory/simulate {"bytes": 300000000, "seconds": 30}: pretends memory, see simulation.h. A new order replaces the one
 * before; 0 bytes or seconds end it. The answer comes at once, and the coordinator looks at once.
 */
#include "module/api.h"

#define MAX_SECONDS 3600
#define MAX_BYTES (INT64_C(1) << 50)

static int read_order(const json_t *body, json_int_t *bytes, json_int_t *seconds)
{
    const json_t *b = json_object_get(body, "bytes"), *s = json_object_get(body, "seconds");

    *bytes = json_integer_value(b);
    *seconds = json_integer_value(s);
    return json_is_integer(b) && json_is_integer(s) && *bytes >= 0 && *bytes <= MAX_BYTES && *seconds >= 0 &&
                   *seconds <= MAX_SECONDS && json_object_size(body) == 2
               ? 0
               : -1;
}

static void simulate(sluice_t *sluice, uint64_t bytes, uint64_t seconds)
{
    sluice_simulation_t *simulation = &sluice->simulation;
    int begins = bytes != 0 && seconds != 0, ended = atomic_exchange(&simulation->until_ms, 0) != 0;

    atomic_store(&simulation->bytes, bytes);
    if (begins)
        atomic_store(&simulation->until_ms, sluice_exact_ms() + seconds * 1000);
    if (begins || ended) /* before what it leads to */
        sluice_simulation_publish(sluice->events, begins ? bytes : 0, begins ? seconds : 0);
    pressure_kick(sluice->pressure);
}

void sluice_api_simulate(const sluice_api_call_t *call)
{
    json_int_t bytes, seconds;
    json_t *body, *answer;

    if (!call->sluice->settings.simulate) {
        sluice_api_refuse(call->req, 403, "Forbidden",
                          "simulation is off: set health.simulate: ON, on no server that has real users", "simulation-off");
        return;
    }
    if ((body = sluice_api_read_body(call)) == NULL)
        return;
    int wrong = read_order(body, &bytes, &seconds) != 0;
    json_decref(body);
    if (wrong) {
        sluice_api_refuse(call->req, 400, "Bad Request",
                          "send {\"bytes\": N, \"seconds\": N}, bytes from 0 to 1 PiB and seconds from 0 to 3600", "bad-order");
        return;
    }
    simulate(call->sluice, (uint64_t)bytes, (uint64_t)seconds);
    answer = json_object();
    health_json_add(&answer, "bytes", json_integer(bytes));
    health_json_add(&answer, "seconds", json_integer(seconds));
    sluice_api_respond_json(call->req, 200, answer);
}
