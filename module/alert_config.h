/*
 * alert_config.h - the directives health.alerts, health.webhook, health.webhook-token and health.state-file.
 */
#ifndef module__alert_config_h
#define module__alert_config_h

#include "health/alerts.h"
#include "module/configurator.h"

/**
 * what they say; owned by the sluice, fixed once the configuration is read
 */
typedef struct st_sluice_alert_settings_t {
    char *webhook_url, *webhook_token, *state_file; /* NULL: not set. The last one is absolute */
    size_t num_rules;
    health_alert_rule_t rules[HEALTH_MAX_ALERTS];
} sluice_alert_settings_t;

void sluice_config_define_alerts(sluice_configurator_t *self);
/**
 * reads the rules, or takes the default ones. When all of the configuration is known: rules name hosts and paths, and what their
 * actions need may stand behind them. Returns 0, or -1 when that was said
 */
int sluice_config_complete_alerts(sluice_configurator_t *self);
/**
 * sets the pointer to NULL, which it may be
 */
void sluice_alert_settings_destroy(sluice_alert_settings_t **settings);

#endif
