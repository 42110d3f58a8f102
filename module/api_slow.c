/*
 * GET /api/metrics/slow: the slowest requests of the last hour, and the latest that were slow. Their URLs are why it needs the
 * token.
 */
#include "module/api.h"

void sluice_api_slow(const sluice_api_call_t *call)
{
    json_t *answer = health_slow_json(call->sluice->slow, sluice_wall_ms());

    health_json_add(&answer, "threshold_ms", health_json_integer(call->sluice->settings.slow_request_ms));
    health_json_add(&answer, "slow_requests_total", health_json_integer(sluice_counted(&call->sluice->stats.slow_requests)));
    sluice_api_respond_json(call->req, 200, answer);
}
