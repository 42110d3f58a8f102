/*
 * The front filter: when memory is critical, every route of the server says so at once and costs next to nothing, while the exempt
 * ones (health, metrics) go on. It is the first handler of each path (h2o calls handlers in their order until one answers).
 */
#include <string.h>
#include "module/handlers.h"
#include "module/loop.h"
#include "module/respond.h"

struct st_front_filter_t {
    h2o_handler_t super;
    sluice_t *sluice;
};

static int is_below(h2o_iovec_t path, const char *prefix)
{
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '/')
        --len;
    return path.len >= len && memcmp(path.base, prefix, len) == 0 && (path.len == len || path.base[len] == '/');
}

static int is_exempt(const sluice_t *sluice, h2o_iovec_t path)
{
    for (char **prefix = sluice->exempt; *prefix != NULL; ++prefix)
        if (is_below(path, *prefix))
            return 1;
    return 0;
}

/* kept out of on_req(), which is on the way of every request and should cost it next to nothing */
static int __attribute__((noinline, cold)) filter(struct st_front_filter_t *self, h2o_req_t *req)
{
    uint64_t begun_us = sluice_now_us();

    if (is_exempt(self->sluice, req->path_normalized))
        return -1;
    sluice_count(&self->sluice->stats.shed, 1);
    sluice_respond_problem(req, 503, "Service Unavailable",
                           "the server is out of memory for the moment; pressure.budget says how much it may use",
                           "memory-critical", NULL, (self->sluice->settings.retry_after_ms + 999) / 1000);
    sluice_durations_count(self->sluice->stats.request_durations + SLUICE_OUTCOME_SHED, sluice_now_us() - begun_us, 1);
    return 0;
}

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_front_filter_t *self = (void *)_self;

    return pressure_level(self->sluice->pressure) < PRESSURE_CRITICAL ? -1 : filter(self, req);
}

static void on_context_init(h2o_handler_t *_self, h2o_context_t *ctx)
{
    struct st_front_filter_t *self = (void *)_self;

    h2o_context_set_handler_context(ctx, _self, sluice_loop_attach(self->sluice, ctx));
}

static void on_context_dispose(h2o_handler_t *_self, h2o_context_t *ctx)
{
    sluice_loop_detach(h2o_context_get_handler_context(ctx, _self));
}

void sluice_front_filter_create(h2o_pathconf_t *pathconf, sluice_t *sluice)
{
    struct st_front_filter_t *self = (void *)h2o_create_handler(pathconf, sizeof(*self));

    self->super.on_context_init = on_context_init;
    self->super.on_context_dispose = on_context_dispose;
    self->super.on_req = on_req;
    self->sluice = sluice;
}
