/* the engine of alerts: a table of stories, one value per second, and random walks beside a naive model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/alerts.h"

#define START_MS 123456789
#define GAUGE "sluice_pressure_waiting_operations"
#define COUNTER "sluice_requests_shed_total"

static health_alert_rule_t new_rule(const char *name, const char *series, double threshold, unsigned for_s, unsigned cooldown_s)
{
    health_snapshot_t names = {.version = "1"};
    health_alert_rule_t rule = {.comparison = HEALTH_GREATER,
                                .threshold = threshold,
                                .for_ms = for_s * 1000,
                                .cooldown_ms = cooldown_s * 1000,
                                .actions = HEALTH_ALERT_LOG};
    char error[512];

    snprintf(rule.name, sizeof(rule.name), "%s", name);
    snprintf(rule.series, sizeof(rule.series), "%s", series);
    assert_int_equal(health_metric_find(&names, series, &rule.metric, error, sizeof(error)), 0);
    return rule;
}

/* --- stories. Values: a digit, or ? for missing. States: . ok, p pending, f firing. Told: F a firing, R a recovery */

static char told_letter(const health_alert_event_t *event)
{
    return !event->told ? '.' : event->to == HEALTH_ALERT_FIRING ? 'F' : 'R';
}

static void tell_story(const char *values, unsigned for_s, unsigned cooldown_s, const char *states, const char *told)
{
    static health_alerts_t alerts;
    health_alert_rule_t rule = new_rule("a", GAUGE, 5, for_s, cooldown_s);
    health_alert_event_t events[HEALTH_MAX_ALERTS];

    health_alerts_init(&alerts, START_MS);
    assert_int_equal(health_alerts_add(&alerts, &rule, 0), 0);
    for (size_t i = 0; values[i] != '\0'; ++i) {
        double value = values[i] == '?' ? NAN : values[i] - '0';
        size_t count = health_alerts_step(&alerts, &value, START_MS + i * 1000, (int64_t)i * 1000, events);
        assert_in_range(count, 0, 1);
        char state = ".pf"[alerts.alerts[0].state], letter = count == 0 ? '.' : told_letter(events);
        if (state != states[i] || letter != told[i])
            fail_msg("%s at %zu: %c %c instead of %c %c", values, i, state, letter, states[i], told[i]);
    }
}

static void stories(void **state)
{
    (void)state;
    /* at once, or when it has held for so long; in between it is forgotten */
    tell_story("0690", 0, 0, ".ff.", ".F.R");
    tell_story("06666", 3, 0, ".pppf", "....F");
    tell_story("0666066660", 3, 0, ".ppp.pppf.", "........FR");
    tell_story("0555", 0, 0, "....", "....");
    /* within the cooldown nothing is told, then what still fires */
    tell_story("060606666600", 0, 5, ".f.f.fffff..", ".FR...F...R.");
    tell_story("06060600606", 0, 5, ".f.f.f..f.f", ".FR.....FR.");
    tell_story("0606000000", 0, 5, ".f.f......", ".FR.......");
    /* a firing is told once, however long it is, and its recovery once */
    tell_story("66666666666600", 0, 2, "ffffffffffff..", "F...........R.");
    /* missing: forgets what was pending, keeps what fires */
    tell_story("6?666", 2, 0, "p.ppf", "....F");
    tell_story("?6??60??", 0, 0, ".ffff...", ".F...R..");
}

static void clocks_that_jump(void **state)
{
    static health_alerts_t alerts;
    health_alert_rule_t rule = new_rule("a", GAUGE, 5, 30, 60);
    health_alert_event_t events[HEALTH_MAX_ALERTS];
    double value = 9;

    (void)state;
    health_alerts_init(&alerts, START_MS);
    health_alerts_add(&alerts, &rule, 0);
    health_alerts_step(&alerts, &value, START_MS, 0, events);
    assert_int_equal(health_alerts_step(&alerts, &value, START_MS + 86400000, 0, events),
                     0);                                                           /* nobody looked: ten seconds of it count */
    assert_int_equal(health_alerts_step(&alerts, &value, START_MS, 0, events), 0); /* backwards: none of it */
    assert_int_equal(alerts.alerts[0].state, HEALTH_ALERT_PENDING);
    assert_int_equal(health_alerts_step(&alerts, &value, START_MS + 10000, 0, events), 0);
    assert_int_equal(health_alerts_step(&alerts, &value, START_MS + 19999, 0, events), 0);
    assert_int_equal(health_alerts_step(&alerts, &value, START_MS + 20000, 0, events), 1);
    assert_int_equal(alerts.alerts[0].state, HEALTH_ALERT_FIRING);
    assert_int_equal(health_alerts_step(&alerts, &value, 0, 0, events), 0);
    assert_int_equal(health_alerts_step(&alerts, &value, UINT64_MAX, 0, events), 0);
}

static void comparisons(void **state)
{
    static const char expected[HEALTH_NUM_COMPARISONS][4] = {"001", "011", "100", "110", "010", "101"}; /* 4, 5, 6 with 5 */

    (void)state;
    for (int comparison = 0; comparison != HEALTH_NUM_COMPARISONS; ++comparison) {
        for (int i = 0; i != 3; ++i) {
            static health_alerts_t alerts;
            health_alert_rule_t rule = new_rule("a", GAUGE, 5, 0, 0);
            health_alert_event_t events[HEALTH_MAX_ALERTS];
            double value = 4 + i;
            rule.comparison = (health_comparison_t)comparison;
            health_alerts_init(&alerts, START_MS);
            health_alerts_add(&alerts, &rule, 0);
            if (health_alerts_step(&alerts, &value, START_MS, 0, events) != (size_t)(expected[comparison][i] - '0'))
                fail_msg("%f %s 5", value, health_comparison_names[comparison]);
        }
    }
}

static void counters_grow_within_a_minute(void **state)
{
    static health_alerts_t alerts;
    health_alert_rule_t rule = new_rule("a", COUNTER, 9, 0, 0);
    health_alert_event_t events[HEALTH_MAX_ALERTS];
    double count = 1000000; /* what was counted before the first look is no growth */

    (void)state;
    health_alerts_init(&alerts, START_MS);
    health_alerts_add(&alerts, &rule, 0);
    for (unsigned i = 0; i != 200; ++i) {
        if (i == 50)
            count += 10;
        if (i == 120)
            count = 4; /* started anew, and counted four since */
        health_alerts_step(&alerts, &count, START_MS + i * 1000, 0, events);
        double expected = i >= 50 && i < 110 ? 10 : i >= 120 && i < 180 ? 4 : 0;
        if (alerts.alerts[0].value != expected)
            fail_msg("%f at %u", alerts.alerts[0].value, i);
        assert_int_equal(alerts.alerts[0].state, expected == 10 ? HEALTH_ALERT_FIRING : HEALTH_ALERT_OK);
    }
}

static void silence(void **state)
{
    static health_alerts_t alerts;
    health_alert_rule_t rule = new_rule("a", GAUGE, 5, 0, 0);
    health_alert_event_t events[HEALTH_MAX_ALERTS];
    double high = 9, low = 1;

    (void)state;
    health_alerts_init(&alerts, START_MS);
    health_alerts_add(&alerts, &rule, 0);
    assert_int_equal(health_alerts_step(&alerts, &high, START_MS, 0, events), 1);
    assert_true(events[0].told);
    health_alerts_silence(&alerts, alerts.alerts, 10000);
    assert_int_equal(health_alerts_silent_ms(&alerts, alerts.alerts), 10000);
    assert_int_equal(health_alerts_step(&alerts, &low, START_MS + 1000, 0, events), 1);
    assert_true(events[0].told); /* its firing was */
    assert_int_equal(health_alerts_step(&alerts, &high, START_MS + 2000, 0, events), 1);
    assert_false(events[0].told);
    assert_int_equal(health_alerts_step(&alerts, &high, START_MS + 9999, 0, events), 0);
    assert_int_equal(health_alerts_step(&alerts, &high, START_MS + 10000, 0, events), 1);
    assert_true(events[0].told && events[0].to == HEALTH_ALERT_FIRING);
    assert_int_equal(health_alerts_silent_ms(&alerts, alerts.alerts), 0);
    health_alerts_silence(&alerts, alerts.alerts, 10000);
    health_alerts_silence(&alerts, alerts.alerts, 0);
    assert_int_equal(health_alerts_silent_ms(&alerts, alerts.alerts), 0);
}

static void rules_come_and_go(void **state)
{
    static health_alerts_t alerts;
    health_alert_event_t event, events[HEALTH_MAX_ALERTS];
    double values[HEALTH_MAX_ALERTS];
    char name[8];

    (void)state;
    health_alerts_init(&alerts, START_MS);
    for (unsigned i = 0; i != HEALTH_MAX_ALERTS; ++i) {
        snprintf(name, sizeof(name), "r%u", i);
        health_alert_rule_t rule = new_rule(name, GAUGE, 5, i % 2, 0);
        assert_int_equal(health_alerts_add(&alerts, &rule, 0), 0);
        values[i] = i % 3 == 0 ? 9 : 1;
    }
    health_alert_rule_t rule = new_rule("more", GAUGE, 5, 0, 0);
    assert_int_equal(health_alerts_add(&alerts, &rule, 0), -1);
    assert_int_equal(health_alerts_step(&alerts, values, START_MS, 0, events), 22);
    assert_int_equal(health_alerts_remove(&alerts, health_alerts_find(&alerts, "r0"), 7, &event), 1);
    assert_string_equal(event.name, "r0");
    assert_true(event.told && event.from == HEALTH_ALERT_FIRING && event.to == HEALTH_ALERT_OK && event.at_ms == 7);
    assert_int_equal(health_alerts_remove(&alerts, health_alerts_find(&alerts, "r3"), 7, &event), 1);
    assert_false(event.told); /* it was pending */
    assert_int_equal(health_alerts_remove(&alerts, health_alerts_find(&alerts, "r63"), 7, &event), 1);
    assert_int_equal(health_alerts_remove(&alerts, health_alerts_find(&alerts, "r1"), 7, &event), 0);
    assert_null(health_alerts_find(&alerts, "r0"));
    assert_int_equal(alerts.size, HEALTH_MAX_ALERTS - 4);
    assert_string_equal(health_alerts_find(&alerts, "r6")->rule.name, "r6");
    assert_int_equal(health_alerts_find(&alerts, "r6")->state, HEALTH_ALERT_FIRING);
    assert_int_equal(health_alerts_find(&alerts, "r62")->state, HEALTH_ALERT_OK);
}

static void history_keeps_the_last(void **state)
{
    static health_alerts_t alerts;
    health_alert_rule_t rule = new_rule("a", GAUGE, 5, 0, 0);
    health_alert_event_t events[HEALTH_MAX_ALERTS];

    (void)state;
    health_alerts_init(&alerts, START_MS);
    health_alerts_add(&alerts, &rule, 0);
    for (unsigned i = 0; i != 100; ++i) {
        double value = i % 2 == 0 ? 9 : 1;
        health_alerts_step(&alerts, &value, START_MS + i * 1000, i, events);
    }
    assert_int_equal(alerts.num_events, 100);
    for (unsigned i = 36; i != 100; ++i)
        assert_int_equal(alerts.history[i % HEALTH_ALERT_HISTORY].at_ms, i);
}

/* --- random walks. The model keeps every look, and thinks in them */

#define MAX_LOOKS 400

struct st_model_t {
    const health_alert_rule_t *rule;
    uint64_t at_ms[MAX_LOOKS];
    double seen[MAX_LOOKS], value;
    size_t num_looks;
    int state, told;                   /* of this firing */
    uint64_t pending_ms, last_told_ms; /* 0: never */
};

/* growth between the looks, those of the last sixty seconds, the present one among them */
static double model_value(const struct st_model_t *model)
{
    double sum = 0, before = NAN;

    if (!health_metric_is_counter(&model->rule->metric) || isnan(model->seen[model->num_looks - 1]))
        return model->seen[model->num_looks - 1];
    for (size_t i = 0; i != model->num_looks; ++i) {
        double count = model->seen[i];
        if (isnan(count))
            continue;
        if (!isnan(before) && model->at_ms[i] / 1000 + 60 > model->at_ms[model->num_looks - 1] / 1000)
            sum += count >= before ? count - before : count;
        before = count;
    }
    return sum;
}

/* returns the letter of what is told */
static char model_look(struct st_model_t *model, uint64_t clock_ms, double seen)
{
    model->at_ms[model->num_looks] = clock_ms;
    model->seen[model->num_looks++] = seen;
    double value = model->value = model_value(model);
    if (!isnan(value) && value > model->rule->threshold) {
        if (model->state == HEALTH_ALERT_OK) {
            model->state = HEALTH_ALERT_PENDING;
            model->pending_ms = clock_ms;
        }
        if (model->state == HEALTH_ALERT_PENDING && clock_ms - model->pending_ms >= model->rule->for_ms)
            model->state = HEALTH_ALERT_FIRING;
    } else if (!isnan(value) || model->state == HEALTH_ALERT_PENDING) {
        char letter = model->told ? 'R' : '.';
        model->state = HEALTH_ALERT_OK;
        model->told = 0;
        return letter;
    }
    if (model->state != HEALTH_ALERT_FIRING || model->told ||
        (model->last_told_ms != 0 && clock_ms < model->last_told_ms + model->rule->cooldown_ms))
        return '.';
    model->last_told_ms = clock_ms;
    model->told = 1;
    return 'F';
}

static void walk(unsigned seed)
{
    static health_alerts_t alerts;
    static struct st_model_t model;
    unsigned short random[3] = {(unsigned short)seed, (unsigned short)(seed >> 16), 7};
    int is_counter = seed % 2;
    health_alert_rule_t rule = new_rule("a", is_counter ? COUNTER : GAUGE, is_counter ? 40 : 0.7, seed % 5 * 2, seed % 7 * 5);
    health_alert_event_t events[HEALTH_MAX_ALERTS];
    uint64_t now_ms = START_MS, clock_ms = 0;
    double value = 0;

    memset(&model, 0, sizeof(model));
    model.rule = &rule;
    health_alerts_init(&alerts, now_ms);
    health_alerts_add(&alerts, &rule, 0);
    for (size_t i = 0; i != MAX_LOOKS; ++i) {
        uint64_t step_ms = erand48(random) < 0.05 ? (uint64_t)(erand48(random) * 60000) : 900 + (uint64_t)(erand48(random) * 200);
        now_ms += step_ms;
        clock_ms += step_ms < HEALTH_ALERT_STEP_MAX_MS ? step_ms : HEALTH_ALERT_STEP_MAX_MS;
        if (is_counter)
            value = erand48(random) < 0.02 ? floor(erand48(random) * 5) : value + floor(erand48(random) * 1.7);
        else if (erand48(random) < 0.3)
            value = erand48(random);
        double seen = erand48(random) < 0.05 ? NAN : value;
        char expected = model_look(&model, clock_ms, seen);
        size_t count = health_alerts_step(&alerts, &seen, now_ms, 0, events);
        char letter = count == 0 ? '.' : told_letter(events);
        if ((int)alerts.alerts[0].state != model.state || letter != expected ||
            (alerts.alerts[0].value != model.value && !isnan(model.value)))
            fail_msg("seed %u, look %zu: state %d told %c value %f instead of %d %c %f", seed, i, alerts.alerts[0].state, letter,
                     alerts.alerts[0].value, model.state, expected, model.value);
    }
}

static void random_walks(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed != 2000; ++seed)
        walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories),
        cmocka_unit_test(clocks_that_jump),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(counters_grow_within_a_minute),
        cmocka_unit_test(silence),
        cmocka_unit_test(rules_come_and_go),
        cmocka_unit_test(history_keeps_the_last),
        cmocka_unit_test(random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
