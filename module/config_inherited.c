#include <string.h>
#include "module/configurator.h"
#include "module/guard_config.h"
#include "module/options_config.h"
#include "module/sign_config.h"
#include "module/source_path.h"

static int on_allow_addresses(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;

    (void)ctx;
    return (self->vars->allow_addresses = sluice_config_networks(cmd, node, &self->sluice->allow_addresses)) != NULL ? 0 : -1;
}

static int on_allow_origins(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;

    (void)ctx;
    return (self->vars->allow_origins = sluice_config_base_urls(cmd, node, &self->sluice->allow_origins)) != NULL ? 0 : -1;
}

static int on_option_list(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;

    (void)ctx;
    return sluice_config_option_list(self->sluice, cmd, node, &self->vars->option_rules);
}

static int on_sign_key(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    const sluice_sign_keys_t *keys;
    char error[512];

    (void)ctx;
    if ((keys = sluice_sign_keys_read(self->sluice, node, error, sizeof(error))) == NULL) {
        h2o_configurator_errprintf(cmd, node, "%s", error);
        return -1;
    }
    self->vars->sign_keys = keys;
    return 0;
}

static int on_default(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    const char *path = node->data.scalar + (node->data.scalar[0] == '/');
    size_t len = strlen(path);

    (void)ctx;
    if (len > SLUICE_FALLBACK_MAX || !sluice_source_path_ok(path, len)) {
        h2o_configurator_errprintf(cmd, node, "`%.200s` can be no picture's path below image.origin", node->data.scalar);
        return -1;
    }
    memcpy(self->vars->fallback, path, len + 1);
    return 0;
}

void sluice_config_define_inherited(sluice_configurator_t *self)
{
    h2o_configurator_t *c = &self->super;
    const int any_level = H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_HOST | H2O_CONFIGURATOR_FLAG_PATH;
    const int list = any_level | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR | H2O_CONFIGURATOR_FLAG_EXPECT_SEQUENCE;

    h2o_configurator_define_command(c, "image.widths", list, on_option_list);
    h2o_configurator_define_command(c, "image.presets", any_level | H2O_CONFIGURATOR_FLAG_EXPECT_MAPPING, on_option_list);
    h2o_configurator_define_command(c, "image.sign-key", list, on_sign_key);
    h2o_configurator_define_command(c, "image.default", any_level | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR, on_default);
    h2o_configurator_define_command(c, "image.allow-addresses", list, on_allow_addresses);
    h2o_configurator_define_command(c, "image.allow-origins", list, on_allow_origins);
}
