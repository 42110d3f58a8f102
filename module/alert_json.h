/*
 * alert_json.h - alerts as texts and JSON. All JSON is new, and NULL when memory is out. Nothing here locks: the engine is the
 * caller's while it is read.
 */
#ifndef module__alert_json_h
#define module__alert_json_h

#include <jansson.h>
#include "health/alerts.h"

#define SLUICE_ALERT_CONDITION_MAX (HEALTH_SERIES_MAX + 128)

/**
 * as short as it is exact to six digits; "unknown" for NaN
 */
void sluice_alert_write_number(double number, char *buf, size_t buf_len);
/**
 * "sluice_pressure_usage_ratio > 0.85 for 30 s"; of a counter "sluice_requests_shed_total > 0 in a minute". To a
 * buffer of SLUICE_ALERT_CONDITION_MAX bytes
 */
void sluice_alert_write_condition(const health_alert_rule_t *rule, char *buf);
/**
 * of /api/memory/events
 */
json_t *sluice_alert_event_json(const health_alert_event_t *event);
/**
 * what goes to the webhook
 * @param number of the message, for receivers that look out for repetitions
 */
json_t *sluice_alert_message_json(const health_alert_event_t *event, const health_alert_rule_t *rule, uint64_t number);
json_t *sluice_alert_rule_json(const health_alerts_t *alerts, const health_alert_t *alert);
/**
 * GET /api/memory/alerts
 */
json_t *sluice_alert_engine_json(const health_alerts_t *alerts);

#endif
