#include <math.h>
#include <string.h>
#include "health/alerts.h"

#define NUM_SECONDS (HEALTH_ALERT_WINDOW_MS / 1000)

const char *const health_alert_state_names[3] = {"ok", "pending", "firing"};
const char *const health_alert_action_names[HEALTH_ALERT_NUM_ACTIONS] = {"log", "webhook", "drain-and-exit"};
const char *const health_comparison_names[HEALTH_NUM_COMPARISONS] = {">", ">=", "<", "<=", "==", "!="};

void health_alerts_init(health_alerts_t *alerts, uint64_t now_ms)
{
    memset(alerts, 0, sizeof(*alerts));
    alerts->last_ms = now_ms;
}

health_alert_t *health_alerts_find(health_alerts_t *alerts, const char *name)
{
    for (size_t i = 0; i != alerts->size; ++i)
        if (strcmp(alerts->alerts[i].rule.name, name) == 0)
            return alerts->alerts + i;
    return NULL;
}

int health_alerts_add(health_alerts_t *alerts, const health_alert_rule_t *rule, int64_t wall_ms)
{
    if (alerts->size == HEALTH_MAX_ALERTS)
        return -1;
    alerts->alerts[alerts->size++] =
        (health_alert_t){.rule = *rule, .value = NAN, .since_ms = wall_ms, .changed_ms = alerts->clock_ms};
    return 0;
}

void health_alerts_silence(health_alerts_t *alerts, health_alert_t *alert, uint64_t for_ms)
{
    alert->silent_until_ms = alerts->clock_ms + for_ms;
}

uint64_t health_alerts_silent_ms(const health_alerts_t *alerts, const health_alert_t *alert)
{
    return alert->silent_until_ms > alerts->clock_ms ? alert->silent_until_ms - alerts->clock_ms : 0;
}

/* --- changes of state */

static health_alert_event_t *note(health_alerts_t *alerts, const health_alert_t *alert, health_alert_state_t from, int told,
                                  int64_t wall_ms)
{
    health_alert_event_t *event = alerts->history + alerts->num_events++ % HEALTH_ALERT_HISTORY;

    *event = (health_alert_event_t){.from = from,
                                    .to = alert->state,
                                    .severity = alert->rule.severity,
                                    .told = told,
                                    .value = alert->value,
                                    .at_ms = wall_ms,
                                    .lasted_ms = alerts->clock_ms - alert->changed_ms};
    memcpy(event->name, alert->rule.name, sizeof(event->name));
    return event;
}

static void change(health_alerts_t *alerts, health_alert_t *alert, health_alert_state_t to, int64_t wall_ms)
{
    alert->state = to;
    alert->since_ms = wall_ms;
    alert->changed_ms = alerts->clock_ms;
}

/* whether a firing is to be told now; it counts as told then */
static int tell_firing(const health_alerts_t *alerts, health_alert_t *alert)
{
    if (alert->is_told || alerts->clock_ms < alert->muted_until_ms || alerts->clock_ms < alert->silent_until_ms)
        return 0;
    alert->muted_until_ms = alerts->clock_ms + alert->rule.cooldown_ms;
    return alert->is_told = 1;
}

static health_alert_event_t *recover(health_alerts_t *alerts, health_alert_t *alert, int64_t wall_ms)
{
    health_alert_state_t from = alert->state;

    alert->state = HEALTH_ALERT_OK;
    health_alert_event_t *event = note(alerts, alert, from, alert->is_told, wall_ms);
    change(alerts, alert, HEALTH_ALERT_OK, wall_ms);
    alert->is_told = 0;
    return event;
}

int health_alerts_remove(health_alerts_t *alerts, health_alert_t *alert, int64_t wall_ms, health_alert_event_t *event)
{
    int has_event = alert->state != HEALTH_ALERT_OK;
    size_t at = (size_t)(alert - alerts->alerts);

    if (has_event)
        *event = *recover(alerts, alert, wall_ms);
    memmove(alert, alert + 1, (--alerts->size - at) * sizeof(*alert));
    return has_event;
}

/* --- a step */

/* of the present second and those since the last look, what had grown before */
static void remember(health_alert_t *alert, uint64_t second)
{
    for (; alert->counter.second != second; ++alert->counter.second)
        alert->counter.past[(alert->counter.second + 1) % NUM_SECONDS] = alert->counter.grown;
}

static void start_counter(health_alert_t *alert, double count, uint64_t second)
{
    alert->counter.is_known = 1;
    alert->counter.last = count;
    alert->counter.second = second;
}

/* growth in the window; the first look only learns where the counter stands */
static double growth(health_alert_t *alert, double count, uint64_t clock_ms)
{
    uint64_t second = clock_ms / 1000;

    if (!alert->counter.is_known && !isnan(count))
        start_counter(alert, count, second);
    if (isnan(count))
        return NAN;
    remember(alert, second);
    alert->counter.grown += count >= alert->counter.last ? count - alert->counter.last : count;
    alert->counter.last = count;
    return alert->counter.grown - alert->counter.past[(second + 1) % NUM_SECONDS];
}

static int compares(const health_alert_rule_t *rule, double value)
{
    switch (rule->comparison) {
    case HEALTH_GREATER:
        return value > rule->threshold;
    case HEALTH_GREATER_EQUAL:
        return value >= rule->threshold;
    case HEALTH_LESS:
        return value < rule->threshold;
    case HEALTH_LESS_EQUAL:
        return value <= rule->threshold;
    case HEALTH_EQUAL:
        return value == rule->threshold;
    default:
        return value != rule->threshold;
    }
}

/* that the rule holds: ok -> pending -> firing, both at once if it need not hold for long */
static health_alert_event_t *rise(health_alerts_t *alerts, health_alert_t *alert, int64_t wall_ms)
{
    health_alert_state_t from = alert->state;
    uint64_t held_ms = from == HEALTH_ALERT_PENDING ? alerts->clock_ms - alert->changed_ms : 0;

    if (from == HEALTH_ALERT_FIRING)
        return tell_firing(alerts, alert) ? note(alerts, alert, from, 1, wall_ms) : NULL;
    health_alert_state_t to = held_ms >= alert->rule.for_ms ? HEALTH_ALERT_FIRING : HEALTH_ALERT_PENDING;
    if (to == from)
        return NULL;
    alert->state = to;
    health_alert_event_t *event = note(alerts, alert, from, to == HEALTH_ALERT_FIRING && tell_firing(alerts, alert), wall_ms);
    change(alerts, alert, to, wall_ms);
    return event;
}

static health_alert_event_t *step_one(health_alerts_t *alerts, health_alert_t *alert, double value, int64_t wall_ms)
{
    alert->value = health_metric_is_counter(&alert->rule.metric) ? growth(alert, value, alerts->clock_ms) : value;
    int is_missing = isnan(alert->value);

    if (!is_missing && compares(&alert->rule, alert->value))
        return rise(alerts, alert, wall_ms);
    if (alert->state == HEALTH_ALERT_PENDING || (alert->state == HEALTH_ALERT_FIRING && !is_missing))
        return recover(alerts, alert, wall_ms);
    return alert->state == HEALTH_ALERT_FIRING && tell_firing(alerts, alert) ? note(alerts, alert, alert->state, 1, wall_ms) : NULL;
}

static void move_clock(health_alerts_t *alerts, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > alerts->last_ms ? now_ms - alerts->last_ms : 0;

    alerts->clock_ms += passed_ms < HEALTH_ALERT_STEP_MAX_MS ? passed_ms : HEALTH_ALERT_STEP_MAX_MS;
    alerts->last_ms = now_ms;
}

size_t health_alerts_step(health_alerts_t *alerts, const double *values, uint64_t now_ms, int64_t wall_ms,
                          health_alert_event_t events[HEALTH_MAX_ALERTS])
{
    size_t num_events = 0;

    move_clock(alerts, now_ms);
    for (size_t i = 0; i != alerts->size; ++i) {
        const health_alert_event_t *event = step_one(alerts, alerts->alerts + i, values[i], wall_ms);
        if (event != NULL)
            events[num_events++] = *event;
    }
    return num_events;
}
