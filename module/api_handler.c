/*
 * Finds the row of a request below /api, and refuses what has none, what its row does not allow, and whom it does not let in.
 */
#include <string.h>
#include "module/api.h"
#include "module/api_gate.h"
#include "module/handlers.h"
#include "module/respond.h"

struct st_api_handler_t {
    h2o_handler_t super;
    sluice_t *sluice;
};

static int is_at(const sluice_api_route_t *route, h2o_iovec_t path, h2o_iovec_t *rest)
{
    size_t len = strlen(route->path);

    if (path.len < len || memcmp(path.base, route->path, len) != 0 || (path.len != len && route->path[len - 1] != '/'))
        return 0;
    *rest = h2o_iovec_init(path.base + len, path.len - len);
    return 1;
}

static unsigned method_of(const h2o_req_t *req)
{
    if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST")))
        return SLUICE_API_POST;
    return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) || sluice_is_head(req) ? SLUICE_API_GET : 0;
}

/* what is there but for another method is in *allowed */
static const sluice_api_route_t *find_route(const sluice_t *sluice, const h2o_req_t *req, h2o_iovec_t *rest, unsigned *allowed)
{
    h2o_iovec_t path = sluice_local_path(req);
    unsigned method = method_of(req);

    *allowed = 0;
    for (size_t i = 0; i != sluice_num_api_routes; ++i) {
        const sluice_api_route_t *route = sluice_api_routes + i;
        if ((route->admin && sluice->admin == NULL) || !is_at(route, path, rest))
            continue;
        if (route->method == method)
            return route;
        *allowed |= route->method;
    }
    return NULL;
}

static void refuse_method(h2o_req_t *req, unsigned allowed)
{
    static const struct {
        const char *list, *detail;
    } methods[] = {[SLUICE_API_GET] = {"GET, HEAD", "this route takes GET and HEAD"},
                   [SLUICE_API_POST] = {"POST", "this route takes POST"},
                   [SLUICE_API_GET | SLUICE_API_POST] = {"GET, HEAD, POST", "this route takes GET, HEAD and POST"}};
    h2o_iovec_t list = h2o_strdup(&req->pool, methods[allowed].list, SIZE_MAX);

    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("allow"), 1, NULL, list.base, list.len);
    sluice_api_refuse(req, 405, "Method Not Allowed", methods[allowed].detail, "method-not-allowed");
}

static int on_api_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_api_handler_t *self = (void *)_self;
    sluice_api_call_t call = {.req = req, .sluice = self->sluice, .loop = h2o_context_get_handler_context(req->conn->ctx, _self)};
    unsigned allowed;
    const sluice_api_route_t *route = find_route(self->sluice, req, &call.rest, &allowed);

    if (route == NULL && allowed != 0)
        refuse_method(req, allowed);
    else if (route == NULL)
        sluice_api_refuse(req, 404, "Not Found",
                          "README.md, \"Health and metrics\", lists the routes that are known here; those of "
                          "the administrator need health.admin-token",
                          "unknown-route");
    else if (!route->admin || sluice_api_refuse_stranger(req, self->sluice->admin) == 0)
        route->on_call(&call);
    return 0;
}

static int on_prometheus_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_api_handler_t *self = (void *)_self;
    h2o_iovec_t path = sluice_local_path(req);

    if (sluice_refuse_method(req))
        return 0;
    if (path.len == 0 || h2o_memis(path.base, path.len, H2O_STRLIT("/")))
        sluice_api_respond_prometheus(req, self->sluice, health_prometheus);
    else
        sluice_api_refuse(req, 404, "Not Found", "the metrics are at the path that has health.prometheus itself", "unknown-route");
    return 0;
}

static void on_context_init(h2o_handler_t *_self, h2o_context_t *ctx)
{
    h2o_context_set_handler_context(ctx, _self, sluice_loop_attach(((struct st_api_handler_t *)_self)->sluice, ctx));
}

static void on_context_dispose(h2o_handler_t *_self, h2o_context_t *ctx)
{
    sluice_loop_detach(h2o_context_get_handler_context(ctx, _self));
}

static void create_handler(h2o_pathconf_t *pathconf, sluice_t *sluice, int (*on_req)(h2o_handler_t *self, h2o_req_t *req))
{
    struct st_api_handler_t *self = (void *)h2o_create_handler(pathconf, sizeof(*self));

    self->super.on_context_init = on_context_init;
    self->super.on_context_dispose = on_context_dispose;
    self->super.on_req = on_req;
    self->sluice = sluice;
}

void sluice_api_handler_create(h2o_pathconf_t *pathconf, sluice_t *sluice)
{
    create_handler(pathconf, sluice, on_api_req);
}

void sluice_prometheus_handler_create(h2o_pathconf_t *pathconf, sluice_t *sluice)
{
    create_handler(pathconf, sluice, on_prometheus_req);
}
