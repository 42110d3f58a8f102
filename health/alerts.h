/*
 * alerts.h - rules over metrics, and what they come to over time. Decides only: who calls acts.
 *
 *             holds                  held for for_ms                          no longer holds
 *     ok ---------------> pending ----------------------> firing --------------------------------> ok
 *      ^---------------------+  no longer holds, or not known
 *
 * A rule holds when its value compares as it says. The value of a gauge is the gauge; of a counter, by how much it grew in the last
 * HEALTH_ALERT_WINDOW_MS (a counter that becomes less was started anew). A value that is missing (NaN) takes `pending` back and
 * leaves `firing` as it is: not to know is no recovery.
 *
 * That an alert fires is told at most once per cooldown, counted from when it was told: one that fires again within it is told when
 * the cooldown is over, if it still fires then. One that is silenced is told when the silence is over. A recovery is told exactly
 * if its firing was, silence or not.
 *
 * Time is what the caller says, in steps of at most HEALTH_ALERT_STEP_MAX_MS: of a pause in which nobody looked, or a clock that
 * was set, no more than that counts, and what runs backwards counts as nothing.
 *
 * Not for use by two threads at a time.
 */
#ifndef health__alerts_h
#define health__alerts_h

#include <stddef.h>
#include <stdint.h>
#include "health/alert_counts.h"
#include "health/metric_value.h"

#define HEALTH_ALERT_NAME_MAX 48
#define HEALTH_MAX_ALERTS 64
#define HEALTH_ALERT_HISTORY 64
#define HEALTH_ALERT_WINDOW_MS 60000
#define HEALTH_ALERT_STEP_MAX_MS 10000
#define HEALTH_ALERT_NUM_ACTIONS 3
#define HEALTH_NUM_COMPARISONS 6

typedef enum en_health_alert_state_t { HEALTH_ALERT_OK, HEALTH_ALERT_PENDING, HEALTH_ALERT_FIRING } health_alert_state_t;
typedef enum en_health_comparison_t {
    HEALTH_GREATER,
    HEALTH_GREATER_EQUAL,
    HEALTH_LESS,
    HEALTH_LESS_EQUAL,
    HEALTH_EQUAL,
    HEALTH_NOT_EQUAL
} health_comparison_t;
typedef enum en_health_alert_action_t {
    HEALTH_ALERT_LOG = 1,
    HEALTH_ALERT_WEBHOOK = 2,
    HEALTH_ALERT_EXIT = 4
} health_alert_action_t;

extern const char *const health_alert_state_names[3];                         /* ok, pending, firing */
extern const char *const health_alert_action_names[HEALTH_ALERT_NUM_ACTIONS]; /* log, webhook, drain-and-exit: by bit */
extern const char *const health_comparison_names[HEALTH_NUM_COMPARISONS];     /* > >= < <= == != */

typedef struct st_health_alert_rule_t {
    char name[HEALTH_ALERT_NAME_MAX + 1]; /* distinct */
    char series[HEALTH_SERIES_MAX + 1];   /* as it was written */
    health_metric_t metric;               /* what that is */
    health_comparison_t comparison;
    double threshold;
    uint64_t for_ms, cooldown_ms;
    int severity;     /* index into health_severity_names */
    unsigned actions; /* a set of health_alert_action_t */
} health_alert_rule_t;

/**
 * one change of state, or a firing that is told late
 */
typedef struct st_health_alert_event_t {
    char name[HEALTH_ALERT_NAME_MAX + 1];
    health_alert_state_t from, to;
    int severity;
    int told; /* its actions are to be carried out */
    double value;
    int64_t at_ms;      /* since 1970 */
    uint64_t lasted_ms; /* the state before */
} health_alert_event_t;

typedef struct st_health_alert_t {
    health_alert_rule_t rule;
    health_alert_state_t state;
    double value;     /* NaN: missing */
    int64_t since_ms; /* of the state, since 1970 */
    /* private: times are those of health_alerts_t.clock_ms */
    uint64_t changed_ms, muted_until_ms, silent_until_ms;
    int is_told; /* this firing was */
    struct {
        int is_known;
        double last, grown;                         /* as it was read; all growth so far */
        double past[HEALTH_ALERT_WINDOW_MS / 1000]; /* growth as of each second of the window, by second */
        uint64_t second;
    } counter;
} health_alert_t;

typedef struct st_health_alerts_t {
    uint64_t clock_ms, last_ms;
    size_t size;
    health_alert_t alerts[HEALTH_MAX_ALERTS];
    uint64_t num_events; /* ever; the last HEALTH_ALERT_HISTORY of them are in the ring, each at its number modulo that */
    health_alert_event_t history[HEALTH_ALERT_HISTORY];
} health_alerts_t;

void health_alerts_init(health_alerts_t *alerts, uint64_t now_ms);
/**
 * NULL: there is none of that name
 */
health_alert_t *health_alerts_find(health_alerts_t *alerts, const char *name);
/**
 * adds a rule, in state ok; one of that name has to be removed first. Returns 0, or -1 when there are HEALTH_MAX_ALERTS already
 */
int health_alerts_add(health_alerts_t *alerts, const health_alert_rule_t *rule, int64_t wall_ms);
/**
 * removes a rule. Returns 1 with the event if it leaves `pending` or `firing` by that, which is told as any recovery; else 0
 */
int health_alerts_remove(health_alerts_t *alerts, health_alert_t *alert, int64_t wall_ms, health_alert_event_t *event);
/**
 * mutes a rule's firings from now on, for so long
 */
void health_alerts_silence(health_alerts_t *alerts, health_alert_t *alert, uint64_t for_ms);
/**
 * how long a rule is silent still, 0: it is not
 */
uint64_t health_alerts_silent_ms(const health_alerts_t *alerts, const health_alert_t *alert);
/**
 * Looks at all rules.
 * @param values one for each of alerts->alerts, as the metric says: of a counter its count
 * @param events what happened, at most one for each rule
 * @return how many events there are
 */
size_t health_alerts_step(health_alerts_t *alerts, const double *values, uint64_t now_ms, int64_t wall_ms,
                          health_alert_event_t events[HEALTH_MAX_ALERTS]);

#endif
