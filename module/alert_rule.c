#include <stdio.h>
#include <string.h>
#include "module/alert_rule.h"
#include "module/config_values.h"

#define DEFAULT_COOLDOWN_MS 300000

static const struct {
    const char *name, *when, *hold;
    int severity;
} defaults[] = {
    {"memory-critical", "sluice_pressure_level >= 4", "1m", 1},
    {"reclaim-ineffective", "sluice_pressure_ineffective == 1", "30s", 0},
    {"watchdog-intervention", "sluice_pressure_watchdog_interventions_total > 0", "0", 1},
    {"samples-failing", "sluice_pressure_failed_samples_in_row >= 3", "10s", 1},
    {"leak-likely", "sluice_leak_likely == 1", "1m", 0},
};

static int fail(char *error, const char *text, const char *fault)
{
    snprintf(error, SLUICE_ALERT_ERROR_MAX, "`%.200s` %s", text, fault);
    return -1;
}

void sluice_alert_rule_init(health_alert_rule_t *rule)
{
    *rule = (health_alert_rule_t){.cooldown_ms = DEFAULT_COOLDOWN_MS};
}

/* --- its words */

static int set_name(health_alert_rule_t *rule, const char *text, char *error)
{
    size_t len = strlen(text);

    if (len == 0 || len > HEALTH_ALERT_NAME_MAX ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != len)
        return fail(error, text, "can be no name of an alert: it takes 1 to 48 letters, digits, dots, hyphens and underscores");
    memcpy(rule->name, text, len + 1);
    return 0;
}

static int set_severity(health_alert_rule_t *rule, const char *text, char *error)
{
    for (int i = 0; i != HEALTH_NUM_SEVERITIES; ++i) {
        if (strcmp(text, health_severity_names[i]) == 0) {
            rule->severity = i;
            return 0;
        }
    }
    return fail(error, text, "is no severity; there are warning and critical");
}

int sluice_alert_rule_add_action(health_alert_rule_t *rule, const char *name, char *error)
{
    for (unsigned i = 0; i != HEALTH_ALERT_NUM_ACTIONS; ++i) {
        if (strcmp(name, health_alert_action_names[i]) == 0) {
            rule->actions |= 1u << i;
            return 0;
        }
    }
    return fail(error, name, "is no action; there are log, webhook and drain-and-exit");
}

int sluice_alert_rule_set_ms(health_alert_rule_t *rule, const char *key, uint64_t ms, char *error)
{
    int is_for = strcmp(key, "for") == 0;

    if (ms > (is_for ? SLUICE_ALERT_FOR_MAX_MS : SLUICE_ALERT_COOLDOWN_MAX_MS)) {
        snprintf(error, SLUICE_ALERT_ERROR_MAX, "%s takes a time up to %s", key, is_for ? "1d" : "7d");
        return -1;
    }
    *(is_for ? &rule->for_ms : &rule->cooldown_ms) = ms;
    return 0;
}

static int set_time(health_alert_rule_t *rule, const char *key, const char *text, char *error)
{
    uint64_t ms;

    if (sluice_parse_value(SLUICE_UNIT_MS, text, &ms) != 0)
        return fail(error, text, "is no time such as 30s or 5m");
    return sluice_alert_rule_set_ms(rule, key, ms, error);
}

/* --- its condition */

/* where the comparison begins: behind the labels, whose values may have any character */
static const char *find_comparison(const char *text)
{
    int is_quoted = 0, is_label = 0;

    for (; *text != '\0'; ++text) {
        if (is_quoted && *text == '\\' && text[1] != '\0')
            ++text;
        else if (*text == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (*text == '{' || *text == '}'))
            is_label = *text == '{';
        else if (!is_quoted && !is_label && strchr("<>=!", *text) != NULL)
            return text;
    }
    return NULL;
}

/* returns what follows it, or NULL; the longer ones first */
static const char *read_comparison(const char *text, health_comparison_t *comparison)
{
    for (size_t len = 2; len != 0; --len) {
        for (int i = 0; i != HEALTH_NUM_COMPARISONS; ++i) {
            const char *name = health_comparison_names[i];
            if (strlen(name) == len && strncmp(text, name, len) == 0) {
                *comparison = (health_comparison_t)i;
                return text + len;
            }
        }
    }
    return NULL;
}

/* digits, perhaps with a point and more digits. Returns what follows, or NULL */
static const char *read_plain(const char *text, double *number)
{
    double place = 1;

    if (*text < '0' || *text > '9')
        return NULL;
    for (*number = 0; *text >= '0' && *text <= '9'; ++text)
        *number = *number * 10 + (*text - '0');
    if (*text == '.' && text[1] >= '0' && text[1] <= '9')
        for (++text; *text >= '0' && *text <= '9'; ++text)
            *number += (*text - '0') * (place /= 10);
    return text;
}

static int read_threshold(const char *text, const char *unit, double *threshold)
{
    const char *rest = read_plain(text, threshold);
    uint64_t value;

    if (rest == NULL || strlen(text) > 30)
        return -1;
    if (*rest == '\0')
        return 0;
    if (strcmp(unit, "ratio") == 0 && strcmp(rest, "%") == 0) {
        *threshold /= 100;
        return 0;
    }
    int is_bytes = strcmp(unit, "bytes") == 0;
    if ((!is_bytes && strcmp(unit, "seconds") != 0) ||
        sluice_parse_value(is_bytes ? SLUICE_UNIT_BYTES : SLUICE_UNIT_MS, text, &value) != 0)
        return -1;
    *threshold = is_bytes ? (double)value : (double)value / 1000;
    return 0;
}

static const char *number_form(const char *unit)
{
    if (strcmp(unit, "bytes") == 0)
        return "compares bytes, and takes a size such as 800MiB";
    if (strcmp(unit, "seconds") == 0)
        return "compares seconds, and takes a time such as 5m";
    return strcmp(unit, "ratio") == 0 ? "compares a ratio, and takes a number such as 0.85 or 85%"
                                      : "compares a number, and takes one without a unit, such as 10 or 0.5";
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t");
}

static int set_when(health_alert_rule_t *rule, const health_snapshot_t *names, const char *text, char *error)
{
    static const char form[] =
        "is no condition such as `sluice_pressure_usage_ratio > 0.85`: SERIES, one of > >= < <= == !=, NUMBER";
    const char *series = skip_spaces(text), *at = find_comparison(series), *number;
    size_t len = at != NULL ? (size_t)(at - series) : 0;

    while (len != 0 && strchr(" \t", series[len - 1]) != NULL)
        --len;
    if (len == 0 || len > HEALTH_SERIES_MAX || (number = read_comparison(at, &rule->comparison)) == NULL)
        return fail(error, text, form);
    memcpy(rule->series, series, len);
    rule->series[len] = '\0';
    if (health_metric_find(names, rule->series, &rule->metric, error, SLUICE_ALERT_ERROR_MAX) != 0)
        return -1;
    const char *unit = health_metric_unit(&rule->metric);
    return read_threshold(skip_spaces(number), unit, &rule->threshold) == 0 ? 0 : fail(error, text, number_form(unit));
}

int sluice_alert_rule_set(health_alert_rule_t *rule, const health_snapshot_t *names, const char *key, const char *text, char *error)
{
    if (strcmp(key, "name") == 0)
        return set_name(rule, text, error);
    if (strcmp(key, "when") == 0)
        return set_when(rule, names, text, error);
    if (strcmp(key, "severity") == 0)
        return set_severity(rule, text, error);
    if (strcmp(key, "for") == 0 || strcmp(key, "cooldown") == 0)
        return set_time(rule, key, text, error);
    return fail(error, key, "is no part of an alert; there are name, when, for, severity, cooldown and actions");
}

/* --- the whole */

int sluice_alert_rule_complete(health_alert_rule_t *rule, int has_webhook, int has_state_file, char *error)
{
    if (rule->name[0] == '\0' || rule->series[0] == '\0')
        snprintf(error, SLUICE_ALERT_ERROR_MAX,
                 "an alert needs a name and a condition: {name: memory-high, when: sluice_pressure_usage_ratio > 0.85}");
    else if ((rule->actions & HEALTH_ALERT_WEBHOOK) != 0 && !has_webhook)
        fail(error, rule->name, "has the action webhook, which needs health.webhook to say where to");
    else if ((rule->actions & HEALTH_ALERT_EXIT) != 0 && !has_state_file)
        fail(error, rule->name, "has the action drain-and-exit, which needs health.state-file, so that restarts can be counted");
    else {
        rule->actions |= rule->actions == 0 ? HEALTH_ALERT_LOG : 0;
        return 0;
    }
    return -1;
}

size_t sluice_alert_rules_default(const health_snapshot_t *names, health_alert_rule_t *rules, size_t max)
{
    size_t count = 0;
    char error[SLUICE_ALERT_ERROR_MAX];

    for (size_t i = 0; i != sizeof(defaults) / sizeof(defaults[0]) && count != max; ++i) {
        health_alert_rule_t *rule = rules + count;
        sluice_alert_rule_init(rule);
        rule->severity = defaults[i].severity;
        if (sluice_alert_rule_set(rule, names, "name", defaults[i].name, error) == 0 &&
            sluice_alert_rule_set(rule, names, "when", defaults[i].when, error) == 0 &&
            sluice_alert_rule_set(rule, names, "for", defaults[i].hold, error) == 0 &&
            sluice_alert_rule_complete(rule, 0, 0, error) == 0)
            ++count;
    }
    return count;
}
