/* a module with one directive, `leaky: ON` (path), whose handler allocates the number of KiB that the query names, writes to them,
 * and forgets them: GET /leaky?256 */
#include <stdlib.h>
#include <string.h>
#include "h2o.h"
#include "h2o/configurator.h"

int h2o_module_register(h2o_globalconf_t *globalconf);

static void leak(size_t bytes)
{
    char *volatile forgotten = malloc(bytes);

    if (forgotten != NULL)
        memset(forgotten, 1, bytes);
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    if (req->query_at != SIZE_MAX)
        leak(strtoul(h2o_strdup(&req->pool, req->path.base + req->query_at + 1, req->path.len - req->query_at - 1).base, NULL, 10)
             << 10);
    req->res.status = 200;
    req->res.reason = "OK";
    h2o_send_inline(req, H2O_STRLIT(""));
    return 0;
}

static int on_config_leaky(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    (void)cmd;
    (void)node;
    h2o_create_handler(ctx->pathconf, sizeof(h2o_handler_t))->on_req = on_req;
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    h2o_configurator_t *configurator = h2o_configurator_create(globalconf, sizeof(*configurator));

    h2o_configurator_define_command(configurator, "leaky", H2O_CONFIGURATOR_FLAG_PATH | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_config_leaky);
    return 0;
}
