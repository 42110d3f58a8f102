/*
 * One configurator for all directives. Directives that are a plain value come from the table of knobs; the few others have
 * callbacks of their own. Path settings live on a stack that is copied when h2o enters a host or path and popped when it leaves.
 *
 * The module is loaded by a line of the configuration, in the middle of its global level, where a program that embeds h2o registers
 * it before that level. So as not to depend on who calls `enter` for it, the global level is never pushed or popped: it is the
 * bottom of the stack.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>
#include "module/alert_config.h"
#include "module/config.h"
#include "module/config_lists.h"
#include "module/configurator.h"
#include "module/handlers.h"
#include "module/hold.h"
#include "module/options_config.h"
#include "module/origin_config.h"
#include "module/presentation.h"
#include "module/start_pressure.h"

static const char *const default_exempt[] = {"/api/health",    "/api/metrics", "/api/cache", "/api/memory",
                                             "/api/dashboard", "/metrics",     NULL};

static int is_global(const h2o_configurator_context_t *ctx)
{
    return ctx->hostconf == NULL && ctx->pathconf == NULL;
}

static int on_enter(h2o_configurator_t *_self, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)_self;

    (void)node;
    if (is_global(ctx))
        return 0;
    ++self->vars;
    self->vars[0] = self->vars[-1];
    self->vars->origin = NULL;
    sluice_knobs_default(SLUICE_SCOPE_ROUTE, &self->vars->route_settings);
    if (ctx->pathconf == NULL) {
        h2o_iovec_t host = ctx->hostconf->authority.hostport;
        if ((self->vars->route = sluice_add_route(self->sluice, host.base, host.len, NULL, 0, NULL)) == NULL)
            return -1;
    }
    if (ctx->pathconf != NULL)
        sluice_front_filter_create(ctx->pathconf, self->sluice);
    return 0;
}

static const char *find_contradiction(const sluice_settings_t *s)
{
    pressure_config_t config;
    const char *fault;

    sluice_fill_pressure_config(s, &config);
    if (config.budget_bytes == 0)
        config.budget_bytes = 1 << 30; /* auto: any will do for this check */
    if ((fault = pressure_config_check(&config)) != NULL)
        return fault;
    if (s->watchdog_deadline_ms < 2 * config.tuning.period_ms)
        return "watchdog-deadline must be at least twice sample-period, or a coordinator that rests would be taken for one that "
               "hangs";
    if (s->max_retry_after_ms < s->retry_after_ms)
        return "max-retry-after must not be below retry-after";
    return NULL;
}

static int check_settings(sluice_configurator_t *self, yoml_t *node)
{
    const char *fault = find_contradiction(&self->sluice->settings);

    if (fault == NULL)
        return 0;
    h2o_configurator_errprintf(NULL, node, "pressure.*: %s", fault);
    return -1;
}

/* of a path that has pictures, which gets its settings here. NULL: it has none */
static pressure_route_t *add_path_route(sluice_configurator_t *self, h2o_configurator_context_t *ctx)
{
    h2o_iovec_t host = ctx->hostconf->authority.hostport, path = ctx->pathconf->path;
    sluice_origin_t *origin = self->vars->origin;

    if (origin == NULL)
        return NULL;
    origin->settings = self->vars->settings;
    origin->option_rules = self->vars->option_rules;
    origin->fallback = self->vars->fallback[0] != '\0' ? strdup(self->vars->fallback) : NULL;
    origin->quota = self->vars->quota;
    origin->sign_keys = self->vars->sign_keys;
    if (sluice_origin_set_lists(origin, self->vars->allow_addresses, self->vars->allow_origins) != 0)
        return NULL;
    origin->route = sluice_add_route(self->sluice, host.base, host.len, path.base, path.len, self->vars->route);
    return origin->route;
}

static int on_exit_level(h2o_configurator_t *_self, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)_self;

    if (is_global(ctx)) {
        sluice_hold_register(ctx->globalconf);
        return check_settings(self, node) == 0 ? sluice_config_complete_alerts(self) : -1;
    }
    pressure_route_t *route = self->vars->route;
    if (ctx->pathconf != NULL) {
        if (sluice_config_complete_rules(&self->vars->settings, node, &self->vars->option_rules) != 0)
            return -1;
        route = add_path_route(self, ctx);
    }
    if (route != NULL)
        route->max_concurrent = self->vars->route_settings.max_concurrent;
    --self->vars;
    return 0;
}

static int on_knob(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    const sluice_knob_t *knob = sluice_knob_find(cmd->name);
    void *const settings[] = {[SLUICE_SCOPE_PROCESS] = &self->sluice->settings,
                              [SLUICE_SCOPE_PATH] = &self->vars->settings,
                              [SLUICE_SCOPE_ROUTE] = &self->vars->route_settings};
    char error[256];

    (void)ctx;
    if (sluice_knob_set(knob, settings[knob->scope], node->data.scalar, error, sizeof(error)) == 0)
        return 0;
    h2o_configurator_errprintf(cmd, node, "%s", error);
    return -1;
}

char *sluice_config_folder(const yoml_t *node)
{
    char *filename = strdup(node->filename != NULL ? node->filename : "."), *folder;

    if (filename == NULL)
        return NULL;
    folder = strdup(dirname(filename));
    free(filename);
    return folder;
}

static int on_origin(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    char error[512] = "out of memory", *folder = sluice_config_folder(node);

    if (self->vars->origin != NULL) {
        h2o_configurator_errprintf(cmd, node, "a path has one origin");
        free(folder);
        return -1;
    }
    if (folder != NULL)
        self->vars->origin = sluice_origin_create(self->sluice, node->data.scalar, folder, error, sizeof(error));
    free(folder);
    if (self->vars->origin == NULL) {
        h2o_configurator_errprintf(cmd, node, "%s", error);
        return -1;
    }
    sluice_image_handler_create(ctx->pathconf, self->vars->origin);
    return 0;
}

/* "default", "example.com", "example.com/pictures" */
static char *name_route(const h2o_configurator_context_t *ctx)
{
    h2o_iovec_t host = ctx->hostconf->authority.hostport, path = h2o_iovec_init(NULL, 0);
    char *name;

    if (ctx->pathconf != NULL)
        path = ctx->pathconf->path;
    return asprintf(&name, "%.*s%.*s", (int)host.len, host.base, (int)path.len, path.base) != -1 ? name : NULL;
}

static int add_quota(sluice_configurator_t *self, const h2o_configurator_context_t *ctx, uint64_t limit_bytes)
{
    sluice_quota_t *quota = calloc(1, sizeof(*quota));

    if (quota == NULL || (quota->route = name_route(ctx)) == NULL) {
        free(quota);
        return -1;
    }
    quota->limit_bytes = limit_bytes;
    quota->parent = self->vars->quota;
    quota->next = self->sluice->quotas;
    self->sluice->quotas = self->vars->quota = quota;
    return 0;
}

static int on_quota(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    sluice_route_settings_t settings;
    char error[256];

    if (sluice_knob_set(sluice_knob_find(cmd->name), &settings, node->data.scalar, error, sizeof(error)) != 0)
        h2o_configurator_errprintf(cmd, node, "%s", error);
    else if (settings.quota_bytes == 0)
        return 0;
    else if (self->vars->quota != self->vars[-1].quota)
        h2o_configurator_errprintf(cmd, node, "a host or path has one quota");
    else if (++self->num_quotas > ICACHE_MAX_GROUPS)
        h2o_configurator_errprintf(cmd, node, "there can be %d quotas, no more", ICACHE_MAX_GROUPS);
    else if (add_quota(self, ctx, settings.quota_bytes) != 0)
        h2o_configurator_errprintf(cmd, node, "out of memory");
    else
        return 0;
    return -1;
}

static int on_policy(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    static const char *const names[] = {
        [ICACHE_POLICY_LRU] = "lru", [ICACHE_POLICY_S3_FIFO] = "s3-fifo", [ICACHE_POLICY_COST] = "cost"};
    sluice_configurator_t *self = (void *)cmd->configurator;

    (void)ctx;
    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i) {
        if (strcmp(node->data.scalar, names[i]) == 0) {
            self->sluice->policy = (icache_policy_kind_t)i;
            return 0;
        }
    }
    h2o_configurator_errprintf(cmd, node, "`%s` is no policy; there are lru, s3-fifo and cost", node->data.scalar);
    return -1;
}

static int on_admin_token(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    char error[512] = "out of memory", *folder = sluice_config_folder(node);
    uint64_t seed = 0;

    (void)ctx;
    sluice_admin_destroy(&self->sluice->admin);
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        snprintf(error, sizeof(error), "no random numbers");
    else if (folder != NULL)
        self->sluice->admin = sluice_admin_create(node->data.scalar, folder, seed, error, sizeof(error));
    free(folder);
    if (self->sluice->admin != NULL)
        return 0;
    h2o_configurator_errprintf(cmd, node, "%s", error);
    return -1;
}

static int read_switch(h2o_configurator_command_t *cmd, yoml_t *node)
{
    uint64_t on;

    if (sluice_parse_value(SLUICE_UNIT_SWITCH, node->data.scalar, &on) == 0)
        return (int)on;
    h2o_configurator_errprintf(cmd, node, "`%s` is not ON or OFF", node->data.scalar);
    return -1;
}

static int on_health(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    int on = read_switch(cmd, node);

    if (on == 1)
        (strcmp(cmd->name, "health.api") == 0 ? sluice_api_handler_create : sluice_prometheus_handler_create)(ctx->pathconf,
                                                                                                              self->sluice);
    return on == -1 ? -1 : 0;
}

static int is_path(const char *word)
{
    return word[0] == '/';
}

static int on_exempt(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    char **prefixes =
        sluice_config_strings(cmd, node, is_path, "paths that start with a slash, such as [\"/api/health\", \"/metrics\"]");

    (void)ctx;
    if (prefixes == NULL)
        return -1;
    sluice_strings_free(self->sluice->exempt);
    self->sluice->exempt = prefixes;
    return 0;
}

static int on_dispose(h2o_configurator_t *_self)
{
    sluice_destroy(&((sluice_configurator_t *)_self)->sluice);
    return 0;
}

void sluice_config_register(h2o_globalconf_t *globalconf, sluice_t *sluice)
{
    sluice_configurator_t *self = (void *)h2o_configurator_create(globalconf, sizeof(*self));
    h2o_configurator_t *c = &self->super;
    /* deferred like those of h2o that add a handler: these stand in the order of the file, an acl in front of what it guards */
    const int path = H2O_CONFIGURATOR_FLAG_PATH | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR | H2O_CONFIGURATOR_FLAG_DEFERRED;
    const int levels[] = {[SLUICE_SCOPE_PROCESS] = H2O_CONFIGURATOR_FLAG_GLOBAL,
                          [SLUICE_SCOPE_PATH] =
                              H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_HOST | H2O_CONFIGURATOR_FLAG_PATH,
                          [SLUICE_SCOPE_ROUTE] = H2O_CONFIGURATOR_FLAG_HOST | H2O_CONFIGURATOR_FLAG_PATH};

    self->sluice = sluice;
    self->vars = self->stack;
    self->vars->origin = NULL;
    self->vars->allow_addresses = NULL;
    self->vars->allow_origins = NULL;
    self->vars->quota = NULL;
    self->vars->option_rules = (sluice_options_rules_t){0};
    self->vars->sign_keys = NULL;
    self->num_quotas = 0;
    self->vars->route = NULL;
    self->vars->fallback[0] = '\0';
    sluice_knobs_default(SLUICE_SCOPE_PATH, &self->vars->settings);
    sluice_knobs_default(SLUICE_SCOPE_ROUTE, &self->vars->route_settings);
    sluice->exempt = sluice_strings_copy(default_exempt);
    c->enter = on_enter;
    c->exit = on_exit_level;
    c->dispose = on_dispose;
    for (size_t i = 0; i != sluice_num_knobs; ++i)
        h2o_configurator_define_command(c, sluice_knobs[i].name,
                                        levels[sluice_knobs[i].scope] | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                        strcmp(sluice_knobs[i].name, "image-cache.quota") == 0 ? on_quota : on_knob);
    h2o_configurator_define_command(c, "image-cache.policy", H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_policy);
    h2o_configurator_define_command(c, "health.admin-token", H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_admin_token);
    h2o_configurator_define_command(c, "image.origin", path, on_origin);
    h2o_configurator_define_command(c, "health.api", path, on_health);
    h2o_configurator_define_command(c, "health.prometheus", path, on_health);
    h2o_configurator_define_command(
        c, "pressure.exempt",
        H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR | H2O_CONFIGURATOR_FLAG_EXPECT_SEQUENCE, on_exempt);
    sluice_config_define_inherited(self);
    sluice_config_define_alerts(self);
    sluice_config_define_report(self);
}
