#include "module/api.h"
#include "module/health_snapshot.h"

void sluice_api_health(const sluice_api_call_t *call)
{
    health_snapshot_t snapshot;
    health_verdict_t verdict;
    size_t len = 0;

    sluice_health_snapshot(call->sluice, &snapshot);
    health_judge(&snapshot, &verdict);
    char *text = health_json(&snapshot, &len);
    sluice_health_snapshot_dispose(&snapshot);
    sluice_api_respond_text(call->req, verdict.http_status, "application/json", text, len);
}

static int accepts_text(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, -1);

    if (at == -1)
        return 0;
    h2o_iovec_t accept = req->headers.entries[at].value;
    return (h2o_strstr(accept.base, accept.len, H2O_STRLIT("text/plain")) != SIZE_MAX ||
            h2o_strstr(accept.base, accept.len, H2O_STRLIT("openmetrics-text")) != SIZE_MAX) &&
           h2o_strstr(accept.base, accept.len, H2O_STRLIT("application/json")) == SIZE_MAX;
}

static int wants_prometheus(const sluice_api_call_t *call)
{
    h2o_iovec_t format = sluice_api_parameter(call->req, "format");

    if (h2o_memis(format.base, format.len, H2O_STRLIT("prometheus")))
        return 1;
    if (h2o_memis(format.base, format.len, H2O_STRLIT("json")))
        return 0;
    return call->sluice->prometheus_by_default || accepts_text(call->req);
}

void sluice_api_cache_metrics(const sluice_api_call_t *call)
{
    health_snapshot_t snapshot;
    size_t len = 0;

    if (wants_prometheus(call)) {
        sluice_api_respond_prometheus(call->req, call->sluice, health_cache_prometheus);
        return;
    }
    sluice_health_snapshot(call->sluice, &snapshot);
    char *text = health_cache_json(&snapshot, &len);
    sluice_health_snapshot_dispose(&snapshot);
    sluice_api_respond_text(call->req, 200, "application/json", text, len);
}
