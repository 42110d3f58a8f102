/*
 * alerts.h - the alerts of a process: the observer looks at their rules once a second, and what comes of that is carried out here.
 *
 *   observer ---> engine (health/alerts.h) --+--> events, stderr              at once
 *   API --------> under its mutex            +--> webhook.h: a thread of its own
 *                                            +--> the clerk: asks exits.h, SIGTERM to ourselves
 *
 * The mutex is held while rules are looked at, and while the API reads or changes them; nothing is carried out under it.
 */
#ifndef module__alerts_h
#define module__alerts_h

#include <jansson.h>
#include "health/alerts.h"
#include "module/observer.h"

typedef struct st_sluice_alerts_t sluice_alerts_t;

/**
 * with the rules of the configuration; NULL: memory or threads are out
 */
sluice_alerts_t *sluice_alerts_create(sluice_t *sluice);
/**
 * after the observer and the clerk; sets the pointer to NULL, which it may be
 */
void sluice_alerts_destroy(sluice_alerts_t **alerts);
/**
 * a part of the observer
 */
void sluice_alerts_observe(sluice_t *sluice, const sluice_observation_t *observation);
/**
 * their numbers, for the snapshot. Any thread.
 */
void sluice_alerts_count(sluice_t *sluice, health_alert_counts_t *counts);

/* --- for the API. Any thread; recoveries that come of it are carried out */

/**
 * rules, active alerts and history; NULL: memory is out
 */
json_t *sluice_alerts_json(sluice_t *sluice);
/**
 * adds a rule, or replaces the one of its name. Returns 0, or -1 when there are too many
 */
int sluice_alerts_put(sluice_t *sluice, const health_alert_rule_t *rule);
/**
 * returns 0, or -1 when there is none of that name, as does the next one
 */
int sluice_alerts_remove(sluice_t *sluice, const char *name);
int sluice_alerts_silence(sluice_t *sluice, const char *name, uint64_t for_ms);
/**
 * a rule as sluice_alerts_json() has it; json_null() when it is gone. NULL: memory is out
 */
json_t *sluice_alerts_rule_json(sluice_t *sluice, const char *name);

#endif
