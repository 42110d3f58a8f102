/* a module with one directive, `send-on: URL` (path), which sends every answer of 200 on to that URL, as X-Reproxy-URL would */
#include <stdlib.h>
#include <string.h>
#include "h2o.h"
#include "h2o/configurator.h"

int h2o_module_register(h2o_globalconf_t *globalconf);

struct st_send_on_filter_t {
    h2o_filter_t super;
    h2o_iovec_t url;
};

static void swallow(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t count, h2o_send_state_t state)
{
    (void)self;
    (void)req;
    (void)bufs;
    (void)count;
    (void)state;
}

static void on_setup_ostream(h2o_filter_t *_self, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct st_send_on_filter_t *self = (struct st_send_on_filter_t *)_self;

    if (req->res.status != 200) {
        h2o_setup_next_ostream(req, slot);
        return;
    }
    h2o_send_redirect_internal(req, req->method, self->url.base, self->url.len, 0);
    h2o_add_ostream(req, sizeof(h2o_ostream_t), slot)->do_send = swallow;
}

static int on_config_send_on(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    struct st_send_on_filter_t *filter = (struct st_send_on_filter_t *)h2o_create_filter(ctx->pathconf, sizeof(*filter));

    (void)cmd;
    filter->super.on_setup_ostream = on_setup_ostream;
    filter->url = h2o_strdup(NULL, node->data.scalar, SIZE_MAX);
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    h2o_configurator_t *configurator = h2o_configurator_create(globalconf, sizeof(*configurator));

    h2o_configurator_define_command(configurator, "send-on", H2O_CONFIGURATOR_FLAG_PATH | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_config_send_on);
    return 0;
}
