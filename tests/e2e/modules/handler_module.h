/* a module that has one directive, NAME: ON (path), which adds a handler to its path */
#include <stdlib.h>
#include "h2o.h"
#include "h2o/configurator.h"

int h2o_module_register(h2o_globalconf_t *globalconf);

struct st_handler_configurator_t {
    h2o_configurator_t super;
    int (*on_req)(h2o_handler_t *self, h2o_req_t *req);
};

static int on_handler_directive(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    (void)node;
    h2o_create_handler(ctx->pathconf, sizeof(h2o_handler_t))->on_req =
        ((struct st_handler_configurator_t *)cmd->configurator)->on_req;
    return 0;
}

static int register_handler(h2o_globalconf_t *globalconf, const char *name, int (*on_req)(h2o_handler_t *self, h2o_req_t *req))
{
    struct st_handler_configurator_t *self = (struct st_handler_configurator_t *)h2o_configurator_create(globalconf, sizeof(*self));

    self->on_req = on_req;
    h2o_configurator_define_command(&self->super, name, H2O_CONFIGURATOR_FLAG_PATH | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_handler_directive);
    return 0;
}

/* NULL: there is none */
static const char *query_of(h2o_req_t *req)
{
    if (req->query_at == SIZE_MAX)
        return NULL;
    return h2o_strdup(&req->pool, req->path.base + req->query_at + 1, req->path.len - req->query_at - 1).base;
}
