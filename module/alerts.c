#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "module/alert_config.h"
#include "module/alert_json.h"
#include "module/alerts.h"
#include "module/exits.h"
#include "module/webhook.h"

#define FLUSH_MS 2000

/* what is to be carried out */
struct st_notice_t {
    health_alert_event_t event;
    health_alert_rule_t rule;
};

struct st_sluice_alerts_t {
    sluice_t *sluice;
    sluice_webhook_t *webhook; /* NULL: there is none */
    pthread_mutex_t mutex;
    health_alerts_t engine;                        /* guarded by it */
    struct st_notice_t notices[HEALTH_MAX_ALERTS]; /* the observer's own */
    _Atomic uint64_t num_messages;
    sluice_task_t exit_task; /* the clerk's while exit_asked */
    char exit_name[HEALTH_ALERT_NAME_MAX + 1];
    _Atomic int exit_asked, exit_withheld;
};

/* --- drain-and-exit, on the clerk */

static void ask_for_exit(sluice_task_t *task)
{
    sluice_alerts_t *alerts = H2O_STRUCT_FROM_MEMBER(sluice_alerts_t, exit_task, task);
    const char *path = alerts->sluice->alert_settings->state_file;
    sluice_moment_t now;
    int damaged;

    sluice_moment_now(&now);
    sluice_exit_verdict_t verdict = sluice_exits_ask(path, &now, &damaged);
    if (damaged)
        fprintf(stderr, "sluice: health.state-file %s is damaged, and taken as empty\n", path);
    if (verdict == SLUICE_EXIT_ALLOWED) {
        fprintf(stderr, "sluice: alert %s: draining, to be started anew\n", alerts->exit_name);
        if (alerts->webhook != NULL) /* h2o leaves without a word to modules */
            sluice_webhook_flush(alerts->webhook, FLUSH_MS);
        kill(getpid(), SIGTERM);
        return; /* and never asked again */
    }
    if (verdict == SLUICE_EXIT_TOO_MANY)
        fprintf(stderr, "sluice: alert %s: stays up, as %d starts in %d minutes did not help\n", alerts->exit_name,
                SLUICE_EXITS_MAX, SLUICE_EXITS_WINDOW_S / 60);
    else
        fprintf(stderr, "sluice: alert %s: stays up, as health.state-file %s cannot be written: %s\n", alerts->exit_name, path,
                strerror(errno));
    atomic_store(&alerts->exit_withheld, 1);
    atomic_store(&alerts->exit_asked, 0);
}

static void ask_clerk(sluice_alerts_t *alerts, const char *name)
{
    if (atomic_load(&alerts->sluice->draining) || atomic_exchange(&alerts->exit_asked, 1))
        return; /* it goes anyway */
    snprintf(alerts->exit_name, sizeof(alerts->exit_name), "%s", name);
    alerts->exit_task.run = ask_for_exit;
    sluice_pool_push(alerts->sluice->clerk, &alerts->exit_task);
}

/* --- carrying out */

static void say(const struct st_notice_t *notice)
{
    const health_alert_rule_t *rule = &notice->rule;
    char condition[SLUICE_ALERT_CONDITION_MAX], value[32];

    sluice_alert_write_condition(rule, condition);
    sluice_alert_write_number(notice->event.value, value, sizeof(value));
    if (notice->event.to == HEALTH_ALERT_FIRING)
        fprintf(stderr, "sluice: alert %s (%s): %s; it is %s\n", rule->name, health_severity_names[rule->severity], condition,
                value);
    else
        fprintf(stderr, "sluice: alert %s (%s) is over after %llu s; it is %s\n", rule->name, health_severity_names[rule->severity],
                (unsigned long long)notice->event.lasted_ms / 1000, value);
}

static void carry_out(sluice_alerts_t *alerts, const struct st_notice_t *notice)
{
    unsigned actions = notice->event.told ? notice->rule.actions : 0;

    health_events_publish(alerts->sluice->events, "alert", notice->event.at_ms, sluice_alert_event_json(&notice->event));
    if ((actions & HEALTH_ALERT_LOG) != 0)
        say(notice);
    if ((actions & HEALTH_ALERT_WEBHOOK) != 0 && alerts->webhook != NULL)
        sluice_webhook_push(alerts->webhook, sluice_alert_message_json(&notice->event, &notice->rule,
                                                                       atomic_fetch_add(&alerts->num_messages, 1) + 1));
    if ((actions & HEALTH_ALERT_EXIT) != 0 && notice->event.to == HEALTH_ALERT_FIRING)
        ask_clerk(alerts, notice->rule.name);
}

/* --- looking */

static size_t step_locked(sluice_alerts_t *alerts, const sluice_observation_t *observation)
{
    health_alert_event_t events[HEALTH_MAX_ALERTS];
    double values[HEALTH_MAX_ALERTS];
    size_t count;

    for (size_t i = 0; i != alerts->engine.size; ++i)
        values[i] = health_metric_value(&alerts->engine.alerts[i].rule.metric, observation->snapshot);
    count = health_alerts_step(&alerts->engine, values, observation->now_ms, sluice_wall_ms(), events);
    for (size_t i = 0; i != count; ++i)
        alerts->notices[i] = (struct st_notice_t){events[i], health_alerts_find(&alerts->engine, events[i].name)->rule};
    return count;
}

/* whether a firing that was told is to end the process */
static int wants_exit_locked(const sluice_alerts_t *alerts)
{
    for (size_t i = 0; i != alerts->engine.size; ++i) {
        const health_alert_t *alert = alerts->engine.alerts + i;
        if (alert->state == HEALTH_ALERT_FIRING && alert->is_told && (alert->rule.actions & HEALTH_ALERT_EXIT) != 0)
            return 1;
    }
    return 0;
}

void sluice_alerts_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    sluice_alerts_t *alerts = sluice->alerts;

    pthread_mutex_lock(&alerts->mutex);
    size_t count = step_locked(alerts, observation);
    int wants_exit = wants_exit_locked(alerts);
    pthread_mutex_unlock(&alerts->mutex);
    if (!wants_exit)
        atomic_store(&alerts->exit_withheld, 0);
    for (size_t i = 0; i != count; ++i)
        carry_out(alerts, alerts->notices + i);
}

void sluice_alerts_count(sluice_t *sluice, health_alert_counts_t *counts)
{
    sluice_alerts_t *alerts = sluice->alerts;

    pthread_mutex_lock(&alerts->mutex);
    for (size_t i = 0; i != alerts->engine.size; ++i)
        counts->firing[alerts->engine.alerts[i].rule.severity] += alerts->engine.alerts[i].state == HEALTH_ALERT_FIRING;
    pthread_mutex_unlock(&alerts->mutex);
    counts->exits_withheld = (uint64_t)atomic_load(&alerts->exit_withheld);
    if (alerts->webhook != NULL)
        sluice_webhook_count(alerts->webhook, counts->webhooks);
}

/* --- the API's */

json_t *sluice_alerts_json(sluice_t *sluice)
{
    sluice_alerts_t *alerts = sluice->alerts;

    pthread_mutex_lock(&alerts->mutex);
    json_t *json = sluice_alert_engine_json(&alerts->engine);
    pthread_mutex_unlock(&alerts->mutex);
    return json;
}

json_t *sluice_alerts_rule_json(sluice_t *sluice, const char *name)
{
    sluice_alerts_t *alerts = sluice->alerts;

    pthread_mutex_lock(&alerts->mutex);
    const health_alert_t *alert = health_alerts_find(&alerts->engine, name);
    json_t *json = alert != NULL ? sluice_alert_rule_json(&alerts->engine, alert) : json_null();
    pthread_mutex_unlock(&alerts->mutex);
    return json;
}

/* whether it was there; its recovery, if it fired, goes to *notice */
static int remove_locked(sluice_alerts_t *alerts, const char *name, struct st_notice_t *notice, int *has_notice)
{
    health_alert_t *alert = health_alerts_find(&alerts->engine, name);

    *has_notice = 0;
    if (alert == NULL)
        return 0;
    notice->rule = alert->rule;
    *has_notice = health_alerts_remove(&alerts->engine, alert, sluice_wall_ms(), &notice->event);
    return 1;
}

int sluice_alerts_remove(sluice_t *sluice, const char *name)
{
    sluice_alerts_t *alerts = sluice->alerts;
    struct st_notice_t notice;
    int has_notice;

    pthread_mutex_lock(&alerts->mutex);
    int was_there = remove_locked(alerts, name, &notice, &has_notice);
    pthread_mutex_unlock(&alerts->mutex);
    if (has_notice)
        carry_out(alerts, &notice);
    return was_there ? 0 : -1;
}

int sluice_alerts_put(sluice_t *sluice, const health_alert_rule_t *rule)
{
    sluice_alerts_t *alerts = sluice->alerts;
    struct st_notice_t notice;
    int has_notice;

    pthread_mutex_lock(&alerts->mutex);
    remove_locked(alerts, rule->name, &notice, &has_notice);
    int ret = health_alerts_add(&alerts->engine, rule, sluice_wall_ms());
    pthread_mutex_unlock(&alerts->mutex);
    if (has_notice)
        carry_out(alerts, &notice);
    return ret;
}

int sluice_alerts_silence(sluice_t *sluice, const char *name, uint64_t for_ms)
{
    sluice_alerts_t *alerts = sluice->alerts;

    pthread_mutex_lock(&alerts->mutex);
    health_alert_t *alert = health_alerts_find(&alerts->engine, name);
    if (alert != NULL)
        health_alerts_silence(&alerts->engine, alert, for_ms);
    pthread_mutex_unlock(&alerts->mutex);
    return alert != NULL ? 0 : -1;
}

/* --- life */

/* who cannot write there would learn it when it is too late */
static void try_state_file(const char *path)
{
    char *folder = strdup(path);

    if (folder == NULL)
        return;
    *strrchr(folder, '/') = '\0';
    if (access(folder[0] != '\0' ? folder : "/", W_OK | X_OK) != 0)
        fprintf(stderr,
                "sluice: health.state-file %s cannot be written by the server's user, so that drain-and-exit will not exit: %s\n",
                path, strerror(errno));
    free(folder);
}

sluice_alerts_t *sluice_alerts_create(sluice_t *sluice)
{
    const sluice_alert_settings_t *settings = sluice->alert_settings;
    sluice_alerts_t *alerts = calloc(1, sizeof(*alerts));

    if (alerts == NULL)
        return NULL;
    alerts->sluice = sluice;
    if (settings->webhook_url != NULL &&
        (alerts->webhook = sluice_webhook_create(settings->webhook_url, settings->webhook_token, sluice->operations)) == NULL) {
        free(alerts);
        return NULL;
    }
    pthread_mutex_init(&alerts->mutex, NULL);
    health_alerts_init(&alerts->engine, sluice_exact_ms());
    for (size_t i = 0; i != settings->num_rules; ++i)
        health_alerts_add(&alerts->engine, settings->rules + i, sluice_wall_ms());
    if (settings->state_file != NULL)
        try_state_file(settings->state_file);
    return alerts;
}

void sluice_alerts_destroy(sluice_alerts_t **_alerts)
{
    sluice_alerts_t *alerts = *_alerts;

    if (alerts == NULL)
        return;
    *_alerts = NULL;
    sluice_webhook_destroy(&alerts->webhook);
    pthread_mutex_destroy(&alerts->mutex);
    free(alerts);
}
