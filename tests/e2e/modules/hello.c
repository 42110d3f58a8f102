/* a module with one directive, `hello: TEXT` (global, host, path; inherited), which answers every request of a path with TEXT */
#include <string.h>
#include "h2o.h"
#include "h2o/configurator.h"

int h2o_module_register(h2o_globalconf_t *globalconf);

struct st_hello_configurator_t {
    h2o_configurator_t super;
    const char **text, *stack[H2O_CONFIGURATOR_NUM_LEVELS + 1];
};

struct st_hello_handler_t {
    h2o_handler_t super;
    const char *text;
};

static int on_req(h2o_handler_t *handler, h2o_req_t *req)
{
    const char *text = ((struct st_hello_handler_t *)handler)->text;

    req->res.status = 200;
    req->res.reason = "OK";
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT("text/plain"));
    h2o_send_inline(req, text, strlen(text));
    return 0;
}

static int on_config_hello(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    (void)ctx;
    *((struct st_hello_configurator_t *)cmd->configurator)->text = h2o_strdup(NULL, node->data.scalar, SIZE_MAX).base;
    return 0;
}

static int on_enter(h2o_configurator_t *configurator, h2o_configurator_context_t *ctx, yoml_t *node)
{
    struct st_hello_configurator_t *self = (struct st_hello_configurator_t *)configurator;

    (void)ctx;
    (void)node;
    ++self->text;
    self->text[0] = self->text[-1];
    return 0;
}

static int on_exit_level(h2o_configurator_t *configurator, h2o_configurator_context_t *ctx, yoml_t *node)
{
    struct st_hello_configurator_t *self = (struct st_hello_configurator_t *)configurator;

    if (self->text == self->stack) {
        h2o_configurator_errprintf(NULL, node, "hello: exit without enter");
        return -1;
    }
    if (ctx->pathconf != NULL && *self->text != NULL) {
        struct st_hello_handler_t *handler = (struct st_hello_handler_t *)h2o_create_handler(ctx->pathconf, sizeof(*handler));
        handler->super.on_req = on_req;
        handler->text = *self->text;
    }
    --self->text;
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    struct st_hello_configurator_t *self = (struct st_hello_configurator_t *)h2o_configurator_create(globalconf, sizeof(*self));

    self->super.enter = on_enter;
    self->super.exit = on_exit_level;
    self->text = self->stack;
    h2o_configurator_define_command(&self->super, "hello", H2O_CONFIGURATOR_FLAG_ALL_LEVELS | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_config_hello);
    return 0;
}
