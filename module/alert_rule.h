/*
 * alert_rule.h - rules of alerts from the words of h2o.conf and of the API. Pure functions on text.
 *
 *     when: SERIES COMPARISON NUMBER       sluice_pressure_usage_ratio > 0.85
 *
 * The number is in the unit of the metric (bytes, seconds), or has one: 800MiB, 5m, 85%.
 */
#ifndef module__alert_rule_h
#define module__alert_rule_h

#include "health/alerts.h"

#define SLUICE_ALERT_FOR_MAX_MS (24 * 3600 * UINT64_C(1000))
#define SLUICE_ALERT_COOLDOWN_MAX_MS (7 * 24 * 3600 * UINT64_C(1000))
#define SLUICE_ALERT_ERROR_MAX 800 /* bytes that each error below has room for */

/**
 * a rule without name and condition, everything else at its default: at once, warning, 5m of cooldown, no action yet
 */
void sluice_alert_rule_init(health_alert_rule_t *rule);
/**
 * Sets name, when, for, severity or cooldown. Returns 0, or -1 with a sentence in `error` that says what is right.
 * @param names see health_metric_find()
 */
int sluice_alert_rule_set(health_alert_rule_t *rule, const health_snapshot_t *names, const char *key, const char *text,
                          char *error);
/**
 * sets for or cooldown
 */
int sluice_alert_rule_set_ms(health_alert_rule_t *rule, const char *key, uint64_t ms, char *error);
int sluice_alert_rule_add_action(health_alert_rule_t *rule, const char *name, char *error);
/**
 * to be called when all is set: a rule has a name and a condition, and what its actions need is there. No action becomes `log`.
 */
int sluice_alert_rule_complete(health_alert_rule_t *rule, int has_webhook, int has_state_file, char *error);
/**
 * the rules there are if none are given, up to max of them; returns how many. One whose metric there is not is left out
 */
size_t sluice_alert_rules_default(const health_snapshot_t *names, health_alert_rule_t *rules, size_t max);

#endif
