#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <curl/curl.h>
#include "module/alert_config.h"
#include "module/alert_rule.h"
#include "module/secret.h"

/* --- texts */

static int replace(char **slot, char *text)
{
    free(*slot);
    *slot = text;
    return text != NULL ? 0 : -1;
}

static const char *url_fault(const char *text)
{
    CURLU *handle;

    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return "it does not begin with http:// or https://";
    if ((handle = curl_url()) == NULL)
        return "out of memory";
    CURLUcode result = curl_url_set(handle, CURLUPART_URL, text, 0);
    curl_url_cleanup(handle);
    return result == CURLUE_OK ? NULL : curl_url_strerror(result);
}

static int on_webhook(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    const char *fault = url_fault(node->data.scalar);

    (void)ctx;
    if (fault == NULL && replace(&self->sluice->alert_settings->webhook_url, strdup(node->data.scalar)) == 0)
        return 0;
    h2o_configurator_errprintf(cmd, node, "this is no URL to send alerts to, such as \"https://hooks.example.com/sluice\": %s",
                               fault != NULL ? fault : "out of memory");
    return -1;
}

static int on_webhook_token(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    char *folder = sluice_config_folder(node), token[SLUICE_SECRET_MAX], error[512] = "out of memory";
    ssize_t len = folder != NULL ? sluice_secret_read("token", node->data.scalar, folder, token, error, sizeof(error)) : -1;

    (void)ctx;
    free(folder);
    if (len != -1 && replace(&self->sluice->alert_settings->webhook_token, strndup(token, (size_t)len)) == 0)
        return 0;
    h2o_configurator_errprintf(cmd, node, "%s", error);
    return -1;
}

/* absolute, of a folder that exists; to be freed. NULL: errno says why */
static char *resolve(const char *folder, const char *path)
{
    char *joined, *resolved, *copy, *result = NULL;

    if (asprintf(&joined, "%s%s%s", path[0] == '/' ? "" : folder, path[0] == '/' ? "" : "/", path) == -1)
        return NULL;
    copy = strdup(joined);
    resolved = copy != NULL ? realpath(dirname(copy), NULL) : NULL;
    if (resolved != NULL && asprintf(&result, "%s/%s", resolved, strrchr(joined, '/') + 1) == -1)
        result = NULL;
    free(resolved);
    free(copy);
    free(joined);
    return result;
}

static int on_state_file(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;
    const char *path = node->data.scalar;
    size_t len = strlen(path);
    char *folder = sluice_config_folder(node);

    (void)ctx;
    errno = EISDIR;
    char *resolved = folder != NULL && len != 0 && path[len - 1] != '/' ? resolve(folder, path) : NULL;
    free(folder);
    if (replace(&self->sluice->alert_settings->state_file, resolved) == 0)
        return 0;
    h2o_configurator_errprintf(cmd, node,
                               "`%.300s`: %s; the value is the path of a file that Sluice writes, in a folder that exists and that "
                               "the server's user may write to",
                               path, strerror(errno));
    return -1;
}

/* --- rules */

/* with the line of `at`, which is where the fault is */
static int say(const sluice_configurator_t *self, yoml_t *at, const char *error)
{
    h2o_configurator_errprintf(self->alerts_cmd, at, "%s", error);
    return -1;
}

static int read_action(const sluice_configurator_t *self, yoml_t *node, health_alert_rule_t *rule)
{
    char error[SLUICE_ALERT_ERROR_MAX];

    if (node->type != YOML_TYPE_SCALAR)
        return say(self, node, "actions takes a list of words, such as [log, webhook]");
    return sluice_alert_rule_add_action(rule, node->data.scalar, error) == 0 ? 0 : say(self, node, error);
}

static int read_actions(const sluice_configurator_t *self, yoml_t *node, health_alert_rule_t *rule)
{
    if (node->type != YOML_TYPE_SEQUENCE)
        return read_action(self, node, rule);
    for (size_t i = 0; i != node->data.sequence.size; ++i)
        if (read_action(self, node->data.sequence.elements[i], rule) != 0)
            return -1;
    return 0;
}

static int is_repeated(const yoml_t *mapping, size_t at)
{
    for (size_t i = 0; i != at; ++i)
        if (strcmp(mapping->data.mapping.elements[i].key->data.scalar, mapping->data.mapping.elements[at].key->data.scalar) == 0)
            return 1;
    return 0;
}

static int read_part(const sluice_configurator_t *self, const health_snapshot_t *names, const yoml_t *mapping, size_t at,
                     health_alert_rule_t *rule)
{
    yoml_t *key = mapping->data.mapping.elements[at].key, *value = mapping->data.mapping.elements[at].value;
    char error[SLUICE_ALERT_ERROR_MAX];

    if (key->type != YOML_TYPE_SCALAR)
        return say(self, key, "the parts of an alert are name, when, for, severity, cooldown and actions");
    if (is_repeated(mapping, at))
        return say(self, key, "this part of the alert is there twice");
    if (strcmp(key->data.scalar, "actions") == 0)
        return read_actions(self, value, rule);
    if (sluice_alert_rule_set(rule, names, key->data.scalar, value->type == YOML_TYPE_SCALAR ? value->data.scalar : "", error) != 0)
        return say(self, value, error);
    return 0;
}

static int read_rule(const sluice_configurator_t *self, const health_snapshot_t *names, yoml_t *node)
{
    sluice_alert_settings_t *settings = self->sluice->alert_settings;
    health_alert_rule_t *rule = settings->rules + settings->num_rules;
    char error[SLUICE_ALERT_ERROR_MAX];

    if (node->type != YOML_TYPE_MAPPING)
        return say(self, node, "an alert is a mapping such as {name: memory-high, when: sluice_pressure_usage_ratio > 0.85}");
    sluice_alert_rule_init(rule);
    for (size_t i = 0; i != node->data.mapping.size; ++i)
        if (read_part(self, names, node, i, rule) != 0)
            return -1;
    if (sluice_alert_rule_complete(rule, settings->webhook_url != NULL, settings->state_file != NULL, error) != 0)
        return say(self, node, error);
    for (size_t i = 0; i != settings->num_rules; ++i)
        if (strcmp(settings->rules[i].name, rule->name) == 0)
            return say(self, node, "there is an alert of this name already; each has a name of its own");
    ++settings->num_rules;
    return 0;
}

static int read_rules(const sluice_configurator_t *self, const health_snapshot_t *names)
{
    yoml_t *node = self->alerts_node;

    if (node->data.sequence.size > HEALTH_MAX_ALERTS)
        return say(self, node->data.sequence.elements[HEALTH_MAX_ALERTS], "there can be 64 alerts, no more");
    for (size_t i = 0; i != node->data.sequence.size; ++i)
        if (read_rule(self, names, node->data.sequence.elements[i]) != 0)
            return -1;
    return 0;
}

/* what rules may name; the arrays are not filled but for the names */
static int list_names(const sluice_t *sluice, health_snapshot_t *names)
{
    size_t count = 0;

    *names = (health_snapshot_t){.version = "", .num_caches = 2};
    names->caches[0].name = "image";
    names->caches[1].name = "metadata";
    for (const sluice_quota_t *quota = sluice->quotas; quota != NULL && names->num_quotas != HEALTH_MAX_QUOTAS; quota = quota->next)
        names->quotas[names->num_quotas++].route = quota->route;
    for (const sluice_route_t *route = sluice->routes; route != NULL; route = route->next)
        ++count;
    if ((names->routes = calloc(count + 1, sizeof(*names->routes))) == NULL)
        return -1;
    for (const sluice_route_t *route = sluice->routes; route != NULL; route = route->next)
        names->routes[names->num_routes++].name = route->name;
    return 0;
}

int sluice_config_complete_alerts(sluice_configurator_t *self)
{
    sluice_alert_settings_t *settings = self->sluice->alert_settings;
    health_snapshot_t names;
    int ret = 0;

    if (list_names(self->sluice, &names) != 0)
        return -1;
    settings->num_rules = 0;
    if (self->alerts_node != NULL)
        ret = read_rules(self, &names);
    else
        settings->num_rules = sluice_alert_rules_default(&names, settings->rules, HEALTH_MAX_ALERTS);
    free(names.routes);
    return ret;
}

/* --- directives */

static int on_alerts(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_configurator_t *self = (void *)cmd->configurator;

    (void)ctx;
    self->alerts_cmd = cmd;
    self->alerts_node = node;
    return 0;
}

void sluice_config_define_alerts(sluice_configurator_t *self)
{
    h2o_configurator_t *c = &self->super;
    const int text = H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR;

    self->alerts_node = NULL;
    self->alerts_cmd = NULL;
    h2o_configurator_define_command(c, "health.alerts", H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SEQUENCE,
                                    on_alerts);
    h2o_configurator_define_command(c, "health.webhook", text, on_webhook);
    h2o_configurator_define_command(c, "health.webhook-token", text, on_webhook_token);
    h2o_configurator_define_command(c, "health.state-file", text, on_state_file);
}

void sluice_alert_settings_destroy(sluice_alert_settings_t **_settings)
{
    sluice_alert_settings_t *settings = *_settings;

    if (settings == NULL)
        return;
    *_settings = NULL;
    free(settings->webhook_url);
    free(settings->webhook_token);
    free(settings->state_file);
    free(settings);
}
