#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "health/json.h"
#include "module/alert_json.h"
#include "module/version.h"

/* --- texts */

void sluice_alert_write_number(double number, char *buf, size_t buf_len)
{
    if (isfinite(number) && fabs(number) < 1e15 && number == floor(number))
        snprintf(buf, buf_len, "%.0f", number);
    else
        snprintf(buf, buf_len, isnan(number) ? "unknown" : "%.6g", number);
}

void sluice_alert_write_condition(const health_alert_rule_t *rule, char *buf)
{
    char threshold[32], hold[48] = "";

    sluice_alert_write_number(rule->threshold, threshold, sizeof(threshold));
    if (rule->for_ms != 0)
        snprintf(hold, sizeof(hold), " for %g s", (double)rule->for_ms / 1000);
    snprintf(buf, SLUICE_ALERT_CONDITION_MAX, "%s %s %s%s%s", rule->series, health_comparison_names[rule->comparison], threshold,
             health_metric_is_counter(&rule->metric) ? " in a minute" : "", hold);
}

/* --- JSON */

static json_t *new_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

/* since 1970, to the millisecond */
static json_t *new_time(int64_t ms)
{
    return json_real((double)ms / 1000);
}

static json_t *new_seconds(uint64_t ms)
{
    return health_json_real((double)ms / 1000, 1e3);
}

static void add_condition(json_t **object, const health_alert_rule_t *rule)
{
    health_json_add(object, "metric", json_string(rule->series));
    health_json_add(object, "comparison", json_string(health_comparison_names[rule->comparison]));
    health_json_add(object, "threshold", json_real(rule->threshold));
    health_json_add(object, "for_seconds", new_seconds(rule->for_ms));
}

static json_t *new_actions(unsigned actions)
{
    json_t *array = json_array();

    for (unsigned i = 0; i != HEALTH_ALERT_NUM_ACTIONS; ++i)
        if ((actions & 1u << i) != 0)
            health_json_push(&array, json_string(health_alert_action_names[i]));
    return array;
}

json_t *sluice_alert_event_json(const health_alert_event_t *event)
{
    json_t *object = json_object();

    health_json_add(&object, "name", json_string(event->name));
    health_json_add(&object, "severity", json_string(health_severity_names[event->severity]));
    health_json_add(&object, "from", json_string(health_alert_state_names[event->from]));
    health_json_add(&object, "state", json_string(health_alert_state_names[event->to]));
    health_json_add(&object, "told", json_boolean(event->told));
    health_json_add(&object, "value", new_number(event->value));
    return object;
}

json_t *sluice_alert_message_json(const health_alert_event_t *event, const health_alert_rule_t *rule, uint64_t number)
{
    char host[256] = "";
    json_t *object = json_object();

    gethostname(host, sizeof(host) - 1);
    health_json_add(&object, "alert", json_string(event->name));
    health_json_add(&object, "state", json_string(health_alert_state_names[event->to]));
    health_json_add(&object, "severity", json_string(health_severity_names[event->severity]));
    add_condition(&object, rule);
    health_json_add(&object, "value", new_number(event->value));
    health_json_add(&object, "at", new_time(event->at_ms));
    health_json_add(&object, "lasted_seconds", new_seconds(event->lasted_ms));
    health_json_add(&object, "host", json_string(host));
    health_json_add(&object, "pid", json_integer(getpid()));
    health_json_add(&object, "number", health_json_integer(number));
    health_json_add(&object, "version", json_string(SLUICE_VERSION));
    return object;
}

json_t *sluice_alert_rule_json(const health_alerts_t *alerts, const health_alert_t *alert)
{
    const health_alert_rule_t *rule = &alert->rule;
    json_t *object = json_object();

    health_json_add(&object, "name", json_string(rule->name));
    add_condition(&object, rule);
    health_json_add(&object, "severity", json_string(health_severity_names[rule->severity]));
    health_json_add(&object, "cooldown_seconds", new_seconds(rule->cooldown_ms));
    health_json_add(&object, "actions", new_actions(rule->actions));
    health_json_add(&object, "state", json_string(health_alert_state_names[alert->state]));
    health_json_add(&object, "value", new_number(alert->value));
    health_json_add(&object, "since", new_time(alert->since_ms));
    health_json_add(&object, "silent_seconds", new_seconds(health_alerts_silent_ms(alerts, alert)));
    return object;
}

/* the latest first */
static json_t *new_history(const health_alerts_t *alerts)
{
    json_t *array = json_array();
    uint64_t count = alerts->num_events < HEALTH_ALERT_HISTORY ? alerts->num_events : HEALTH_ALERT_HISTORY;

    for (uint64_t i = 1; i <= count; ++i) {
        const health_alert_event_t *event = alerts->history + (alerts->num_events - i) % HEALTH_ALERT_HISTORY;
        json_t *object = sluice_alert_event_json(event);
        health_json_add(&object, "at", new_time(event->at_ms));
        health_json_push(&array, object);
    }
    return array;
}

json_t *sluice_alert_engine_json(const health_alerts_t *alerts)
{
    json_t *root = json_object(), *rules = json_array(), *active = json_array();

    for (size_t i = 0; i != alerts->size; ++i) {
        health_json_push(&rules, sluice_alert_rule_json(alerts, alerts->alerts + i));
        if (alerts->alerts[i].state != HEALTH_ALERT_OK)
            health_json_push(&active, sluice_alert_rule_json(alerts, alerts->alerts + i));
    }
    health_json_add(&root, "rules", rules);
    health_json_add(&root, "active", active);
    health_json_add(&root, "history", new_history(alerts));
    return root;
}
