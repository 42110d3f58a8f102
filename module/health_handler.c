#include <stdlib.h>
#include <string.h>
#include "module/handlers.h"
#include "module/health_snapshot.h"
#include "module/loop.h"
#include "module/respond.h"

#define JSON_TYPE "application/json"
#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct st_health_handler_t {
    h2o_handler_t super;
    sluice_t *sluice;
    sluice_health_route_t route;
};

typedef char *(*writer_t)(const health_snapshot_t *snapshot, size_t *len);

static void respond_written(h2o_req_t *req, int status, const char *content_type, char *text, size_t len)
{
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("no-store"));
    if (text != NULL)
        sluice_respond_text(req, status, status == 200 ? "OK" : "Service Unavailable", content_type, text, len);
    else
        sluice_respond_text(req, 503, "Service Unavailable", "text/plain", H2O_STRLIT("out of memory\n"));
    free(text);
}

static void respond_health(struct st_health_handler_t *self, h2o_req_t *req)
{
    health_snapshot_t snapshot;
    health_verdict_t verdict;
    size_t len = 0;

    sluice_health_snapshot(self->sluice, &snapshot);
    health_judge(&snapshot, &verdict);
    char *text = health_json(&snapshot, &len);
    sluice_health_snapshot_dispose(&snapshot);
    respond_written(req, verdict.http_status, JSON_TYPE, text, len);
}

static void respond_metrics(struct st_health_handler_t *self, h2o_req_t *req, writer_t write, const char *content_type)
{
    health_snapshot_t snapshot;
    size_t len = 0;

    sluice_health_snapshot(self->sluice, &snapshot);
    char *text = write(&snapshot, &len);
    sluice_health_snapshot_dispose(&snapshot);
    respond_written(req, 200, content_type, text, len);
}

static int query_says(const h2o_req_t *req, const char *pair, size_t pair_len)
{
    h2o_iovec_t query = sluice_query(req);
    size_t at = 0;

    while (at < query.len) {
        const char *amp = memchr(query.base + at, '&', query.len - at);
        size_t len = amp != NULL ? (size_t)(amp - query.base) - at : query.len - at;
        if (h2o_memis(query.base + at, len, pair, pair_len))
            return 1;
        at += len + 1;
    }
    return 0;
}

static int accepts_text(h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, -1);

    if (at == -1)
        return 0;
    h2o_iovec_t accept = req->headers.entries[at].value;
    return (h2o_strstr(accept.base, accept.len, H2O_STRLIT("text/plain")) != SIZE_MAX ||
            h2o_strstr(accept.base, accept.len, H2O_STRLIT("openmetrics-text")) != SIZE_MAX) &&
           h2o_strstr(accept.base, accept.len, H2O_STRLIT("application/json")) == SIZE_MAX;
}

static int wants_prometheus(struct st_health_handler_t *self, h2o_req_t *req)
{
    if (query_says(req, H2O_STRLIT("format=prometheus")))
        return 1;
    if (query_says(req, H2O_STRLIT("format=json")))
        return 0;
    return self->sluice->prometheus_by_default || accepts_text(req);
}

static void respond_cache_metrics(struct st_health_handler_t *self, h2o_req_t *req)
{
    if (wants_prometheus(self, req))
        respond_metrics(self, req, health_cache_prometheus, PROMETHEUS_TYPE);
    else
        respond_metrics(self, req, health_cache_json, JSON_TYPE);
}

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_health_handler_t *self = (void *)_self;
    h2o_iovec_t path = sluice_local_path(req);

    if (self->route == SLUICE_HEALTH_API && self->sluice->admin != NULL &&
        h2o_memis(path.base, path.len, H2O_STRLIT("/cache/purge"))) {
        sluice_purge_on_req(req, h2o_context_get_handler_context(req->conn->ctx, _self));
        return 0;
    }
    if (sluice_refuse_method(req))
        return 0;
    if (self->route == SLUICE_HEALTH_PROMETHEUS && (path.len == 0 || h2o_memis(path.base, path.len, H2O_STRLIT("/"))))
        respond_metrics(self, req, health_prometheus, PROMETHEUS_TYPE);
    else if (self->route == SLUICE_HEALTH_API && h2o_memis(path.base, path.len, H2O_STRLIT("/health")))
        respond_health(self, req);
    else if (self->route == SLUICE_HEALTH_API && h2o_memis(path.base, path.len, H2O_STRLIT("/metrics/cache")))
        respond_cache_metrics(self, req);
    else
        sluice_respond_problem(req, 404, "Not Found",
                               "known here are /api/health, /api/metrics/cache and /metrics, where they are configured",
                               "unknown-route", NULL, 0);
    return 0;
}

static void on_context_init(h2o_handler_t *_self, h2o_context_t *ctx)
{
    h2o_context_set_handler_context(ctx, _self, sluice_loop_attach(((struct st_health_handler_t *)_self)->sluice, ctx));
}

static void on_context_dispose(h2o_handler_t *_self, h2o_context_t *ctx)
{
    sluice_loop_detach(h2o_context_get_handler_context(ctx, _self));
}

void sluice_health_handler_create(h2o_pathconf_t *pathconf, sluice_t *sluice, sluice_health_route_t route)
{
    struct st_health_handler_t *self = (void *)h2o_create_handler(pathconf, sizeof(*self));

    self->super.on_context_init = on_context_init;
    self->super.on_context_dispose = on_context_dispose;
    self->super.on_req = on_req;
    self->sluice = sluice;
    self->route = route;
}
