/*
 * GET /api/memory/alerts: rules with their states, those that are pending or firing, and the last changes.
 *
 * POST /api/memory/alerts, one of:
 *     {"name": "shedding", "when": "sluice_requests_shed_total > 0", "for_seconds": 10, ...}    adds or replaces a rule
 *     {"name": "shedding", "remove": true}
 *     {"name": "shedding", "silence_seconds": 600}                                              0 ends it
 *
 * Until the server is started anew: nothing is written to h2o.conf.
 */
#include <stdio.h>
#include <string.h>
#include "module/alert_config.h"
#include "module/alert_rule.h"
#include "module/alerts.h"
#include "module/api.h"
#include "module/health_snapshot.h"

#define EXPECTED                                                                                                                   \
    "send {\"name\": \"...\", \"when\": \"sluice_pressure_usage_ratio > 0.85\"}, and perhaps for_seconds, severity, "              \
    "cooldown_seconds, actions; or {\"name\": \"...\", \"remove\": true} or {\"name\": \"...\", \"silence_seconds\": 600}"
#define SILENCE_MAX_SECONDS (7 * 24 * 3600)

void sluice_api_alerts(const sluice_api_call_t *call)
{
    sluice_api_respond_json(call->req, 200, sluice_alerts_json(call->sluice));
}

/* --- a rule */

static int refuse(char *error, const char *what)
{
    snprintf(error, SLUICE_ALERT_ERROR_MAX, "%.200s; " EXPECTED, what);
    return -1;
}

static int refuse_name(char *error, const char *name)
{
    char what[100];

    snprintf(what, sizeof(what), "`%.48s` has no meaning here", name);
    return refuse(error, what);
}

static int read_seconds(const char *key, const json_t *value, double max, uint64_t *ms, char *error)
{
    double seconds = json_number_value(value);
    char fault[100];

    if (json_is_number(value) && seconds >= 0 && seconds <= max) {
        *ms = (uint64_t)(seconds * 1000 + 0.5);
        return 0;
    }
    snprintf(fault, sizeof(fault), "%s takes a number from 0 to %.0f", key, max);
    return refuse(error, fault);
}

static int read_actions(const json_t *value, health_alert_rule_t *rule, char *error)
{
    if (!json_is_array(value))
        return refuse(error, "actions takes a list such as [\"log\", \"webhook\"]");
    for (size_t i = 0; i != json_array_size(value); ++i) {
        const char *name = json_string_value(json_array_get(value, i));
        if (sluice_alert_rule_add_action(rule, name != NULL ? name : "", error) != 0)
            return -1;
    }
    return 0;
}

static int read_part(const char *key, const json_t *value, const health_snapshot_t *names, health_alert_rule_t *rule, char *error)
{
    int is_for = strcmp(key, "for_seconds") == 0;
    uint64_t ms;

    if (strcmp(key, "actions") == 0)
        return read_actions(value, rule, error);
    if (is_for || strcmp(key, "cooldown_seconds") == 0)
        return read_seconds(key, value, (double)(is_for ? SLUICE_ALERT_FOR_MAX_MS : SLUICE_ALERT_COOLDOWN_MAX_MS) / 1000, &ms,
                            error) == 0
                   ? sluice_alert_rule_set_ms(rule, is_for ? "for" : "cooldown", ms, error)
                   : -1;
    if (strcmp(key, "name") != 0 && strcmp(key, "when") != 0 && strcmp(key, "severity") != 0)
        return refuse_name(error, key);
    return json_is_string(value) ? sluice_alert_rule_set(rule, names, key, json_string_value(value), error)
                                 : refuse(error, "name, when and severity take texts");
}

static int read_rule(json_t *body, sluice_t *sluice, health_alert_rule_t *rule, char *error)
{
    const sluice_alert_settings_t *settings = sluice->alert_settings;
    health_snapshot_t names;
    const char *key;
    json_t *value;
    int ret = 0;

    sluice_alert_rule_init(rule);
    sluice_health_snapshot(sluice, &names);
    json_object_foreach(body, key, value)
    {
        if ((ret = read_part(key, value, &names, rule, error)) != 0)
            break;
    }
    sluice_health_snapshot_dispose(&names);
    if (ret != 0)
        return -1;
    return sluice_alert_rule_complete(rule, settings->webhook_url != NULL, settings->state_file != NULL, error);
}

/* --- orders */

static void refuse_order(const sluice_api_call_t *call, const char *error)
{
    sluice_api_refuse(call->req, 400, "Bad Request", error, "bad-order");
}

static void answer(const sluice_api_call_t *call, const char *name)
{
    json_t *root = json_object();

    health_json_add(&root, "rule", sluice_alerts_rule_json(call->sluice, name));
    health_json_add(&root, "until", json_string("restart: health.alerts in h2o.conf is not changed"));
    sluice_api_respond_json(call->req, 200, root);
}

static void put_rule(const sluice_api_call_t *call, json_t *body)
{
    health_alert_rule_t rule;
    char error[SLUICE_ALERT_ERROR_MAX];

    if (read_rule(body, call->sluice, &rule, error) != 0)
        refuse_order(call, error);
    else if (sluice_alerts_put(call->sluice, &rule) != 0)
        sluice_api_refuse(call->req, 409, "Conflict", "there are 64 alerts, and can be no more: remove one first",
                          "too-many-alerts");
    else
        answer(call, rule.name);
}

/* remove or silence, of which exactly one is there */
static void change_rule(const sluice_api_call_t *call, const char *name, const json_t *remove, const json_t *silence)
{
    char error[SLUICE_ALERT_ERROR_MAX];
    uint64_t ms = 0;
    int ret;

    if (remove != NULL && !json_is_true(remove)) {
        refuse(error, "remove takes true");
        refuse_order(call, error);
        return;
    }
    if (silence != NULL && read_seconds("silence_seconds", silence, SILENCE_MAX_SECONDS, &ms, error) != 0) {
        refuse_order(call, error);
        return;
    }
    ret = remove != NULL ? sluice_alerts_remove(call->sluice, name) : sluice_alerts_silence(call->sluice, name, ms);
    if (ret == 0)
        answer(call, name);
    else
        sluice_api_refuse(call->req, 404, "Not Found", "there is no alert of this name; GET /api/memory/alerts lists them",
                          "unknown-alert");
}

void sluice_api_change_alerts(const sluice_api_call_t *call)
{
    json_t *body = sluice_api_read_body(call);

    if (body == NULL)
        return;
    const json_t *remove = json_object_get(body, "remove"), *silence = json_object_get(body, "silence_seconds");
    const char *name = json_string_value(json_object_get(body, "name"));
    if (remove == NULL && silence == NULL)
        put_rule(call, body);
    else if (name != NULL && json_object_size(body) == 2)
        change_rule(call, name, remove, silence);
    else
        refuse_order(call, EXPECTED);
    json_decref(body);
}
