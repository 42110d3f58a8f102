/*
 * Is it alive, may it be sent requests: for supervisors and load balancers, who ask often and read the status alone.
 */
#include "module/api.h"

/* that this runs is the answer: the loop turns */
void sluice_api_live(const sluice_api_call_t *call)
{
    json_t *answer = json_object();

    health_json_add(&answer, "status", json_string("alive"));
    health_json_add(&answer, "uptime_seconds", health_json_real((double)(sluice_now_us() - call->sluice->started_us) / 1e6, 1e3));
    sluice_api_respond_json(call->req, 200, answer);
}

void sluice_api_ready(const sluice_api_call_t *call)
{
    pressure_level_t level = pressure_level(call->sluice->pressure);
    int is_draining = atomic_load(&call->sluice->draining) != 0, is_ready = !is_draining && level < PRESSURE_CRITICAL;
    json_t *answer = json_object();

    health_json_add(&answer, "status", json_string(is_ready ? "ready" : "not-ready"));
    health_json_add(&answer, "level", json_string(pressure_level_name(level)));
    health_json_add(&answer, "draining", json_boolean(is_draining));
    sluice_api_respond_json(call->req, is_ready ? 200 : 503, answer);
}
