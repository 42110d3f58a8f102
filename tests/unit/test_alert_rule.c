#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/alert_rule.h"

static health_route_t routes[] = {{"a > 1{\"", 0, 1, 2, 3}};

static health_snapshot_t names(void)
{
    health_snapshot_t snapshot = {.version = "1", .num_caches = 2, .num_routes = 1, .routes = routes};

    snapshot.caches[0].name = "image";
    snapshot.caches[1].name = "metadata";
    return snapshot;
}

static void conditions(void **state)
{
    static const struct {
        const char *text, *series;
        health_comparison_t comparison;
        double threshold;
    } cases[] = {
        {"sluice_pressure_usage_ratio > 0.85", "sluice_pressure_usage_ratio", HEALTH_GREATER, 0.85},
        {" \tsluice_pressure_usage_ratio>85%", "sluice_pressure_usage_ratio", HEALTH_GREATER, 0.85},
        {"sluice_pressure_usage_ratio >= 1", "sluice_pressure_usage_ratio", HEALTH_GREATER_EQUAL, 1},
        {"sluice_pressure_level == 4", "sluice_pressure_level", HEALTH_EQUAL, 4},
        {"sluice_pressure_level != 4.5", "sluice_pressure_level", HEALTH_NOT_EQUAL, 4.5},
        {"sluice_pressure_level < 007", "sluice_pressure_level", HEALTH_LESS, 7},
        {"sluice_pressure_resident_bytes <= 1.5GiB", "sluice_pressure_resident_bytes", HEALTH_LESS_EQUAL, 1.5 * (1 << 30)},
        {"sluice_pressure_resident_bytes > 1000", "sluice_pressure_resident_bytes", HEALTH_GREATER, 1000},
        {"sluice_pressure_resident_bytes > 1 MB", "sluice_pressure_resident_bytes", HEALTH_GREATER, 1e6},
        {"sluice_uptime_seconds > 2m", "sluice_uptime_seconds", HEALTH_GREATER, 120},
        {"sluice_uptime_seconds > 250ms", "sluice_uptime_seconds", HEALTH_GREATER, 0.25},
        {"sluice_image_cache_evictions_total{reason=\"quota\"} > 0", "sluice_image_cache_evictions_total{reason=\"quota\"}",
         HEALTH_GREATER, 0},
        {"sluice_route_waiting{route=\"a > 1{\\\"\"} < 9", "sluice_route_waiting{route=\"a > 1{\\\"\"}", HEALTH_LESS, 9},
    };
    health_snapshot_t snapshot = names();

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_alert_rule_t rule;
        char error[SLUICE_ALERT_ERROR_MAX] = "";
        sluice_alert_rule_init(&rule);
        if (sluice_alert_rule_set(&rule, &snapshot, "when", cases[i].text, error) != 0)
            fail_msg("%s: %s", cases[i].text, error);
        assert_string_equal(rule.series, cases[i].series);
        assert_int_equal(rule.comparison, cases[i].comparison);
        if (!(fabs(rule.threshold - cases[i].threshold) < 1e-12))
            fail_msg("%s: %.17g", cases[i].text, rule.threshold);
    }
}

static void wrong_parts(void **state)
{
    static const struct {
        const char *key, *text, *says;
    } cases[] = {
        {"when", "", "is no condition"},
        {"when", ">", "is no condition"},
        {"when", "> 1", "is no condition"},
        {"when", "sluice_pressure_level", "is no condition"},
        {"when", "sluice_pressure_level = 4", "is no condition"},
        {"when", "sluice_pressure_level ! 4", "is no condition"},
        {"when", "sluice_route_waiting{route=\"a > 1", "is no condition"},
        {"when", "sluice_route_waiting{route=\"a\\", "is no condition"},
        {"when", "sluice_pressure_level >", "takes one without a unit"},
        {"when", "sluice_pressure_level > -1", "takes one without a unit"},
        {"when", "sluice_pressure_level > 1e3", "takes one without a unit"},
        {"when", "sluice_pressure_level > 1.", "takes one without a unit"},
        {"when", "sluice_pressure_level > .5", "takes one without a unit"},
        {"when", "sluice_pressure_level > 0x10", "takes one without a unit"},
        {"when", "sluice_pressure_level > 4 or so", "takes one without a unit"},
        {"when", "sluice_pressure_level > 50%", "takes one without a unit"},
        {"when", "sluice_pressure_level => 4", "is no condition"},
        {"when", "sluice_pressure_level > 1111111111111111111111111111111", "takes one without a unit"},
        {"when", "sluice_pressure_usage_ratio > 1MiB", "a number such as 0.85 or 85%"},
        {"when", "sluice_pressure_resident_bytes > 5m", "a size such as 800MiB"},
        {"when", "sluice_uptime_seconds > 5MiB", "a time such as 5m"},
        {"when", "no_such_metric > 5", "is no metric"},
        {"name", "", "1 to 48"},
        {"name", "a b", "1 to 48"},
        {"name", "1234567890123456789012345678901234567890123456789", "1 to 48"},
        {"severity", "Warning", "warning and critical"},
        {"for", "", "is no time"},
        {"for", "25h", "up to 1d"},
        {"cooldown", "-1", "is no time"},
        {"cooldown", "169h", "up to 7d"},
        {"labels", "x", "there are name, when"},
    };
    health_snapshot_t snapshot = names();

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_alert_rule_t rule;
        char error[SLUICE_ALERT_ERROR_MAX] = "", *copy = strdup(cases[i].text);
        sluice_alert_rule_init(&rule);
        if (sluice_alert_rule_set(&rule, &snapshot, cases[i].key, copy, error) == 0)
            fail_msg("%s: %s is taken", cases[i].key, cases[i].text);
        if (strstr(error, cases[i].says) == NULL)
            fail_msg("%s: `%s` does not say `%s`", cases[i].text, error, cases[i].says);
        free(copy);
    }
}

static void bounds(void **state)
{
    health_snapshot_t snapshot = names();
    health_alert_rule_t rule;
    char error[SLUICE_ALERT_ERROR_MAX];

    (void)state;
    sluice_alert_rule_init(&rule);
    assert_int_equal(rule.cooldown_ms, 300000);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "for", "24h", error), 0);
    assert_int_equal(rule.for_ms, 86400000);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "cooldown", "7d", error), 0);
    assert_int_equal(rule.cooldown_ms, 604800000);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "name", "123456789012345678901234567890123456789012345678", error), 0);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "severity", "critical", error), 0);
    assert_int_equal(rule.severity, 1);
}

static void what_actions_need(void **state)
{
    health_snapshot_t snapshot = names();
    health_alert_rule_t rule;
    char error[SLUICE_ALERT_ERROR_MAX];

    (void)state;
    sluice_alert_rule_init(&rule);
    assert_int_equal(sluice_alert_rule_complete(&rule, 1, 1, error), -1);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "name", "a", error), 0);
    assert_int_equal(sluice_alert_rule_complete(&rule, 1, 1, error), -1);
    assert_int_equal(sluice_alert_rule_set(&rule, &snapshot, "when", "sluice_pressure_level > 1", error), 0);
    assert_int_equal(sluice_alert_rule_complete(&rule, 0, 0, error), 0);
    assert_int_equal(rule.actions, HEALTH_ALERT_LOG);
    rule.actions = 0;
    assert_int_equal(sluice_alert_rule_add_action(&rule, "webhook", error), 0);
    assert_int_equal(sluice_alert_rule_complete(&rule, 0, 1, error), -1);
    assert_non_null(strstr(error, "health.webhook"));
    assert_int_equal(sluice_alert_rule_complete(&rule, 1, 0, error), 0);
    assert_int_equal(rule.actions, HEALTH_ALERT_WEBHOOK);
    assert_int_equal(sluice_alert_rule_add_action(&rule, "drain-and-exit", error), 0);
    assert_int_equal(sluice_alert_rule_complete(&rule, 1, 0, error), -1);
    assert_non_null(strstr(error, "health.state-file"));
    assert_int_equal(sluice_alert_rule_complete(&rule, 1, 1, error), 0);
    assert_int_equal(sluice_alert_rule_add_action(&rule, "", error), -1);
}

/* all of them are taken, so that none names a metric that is gone */
static void default_rules(void **state)
{
    static const char *const expected[] = {"memory-critical", "reclaim-ineffective", "watchdog-intervention", "samples-failing",
                                           "leak-likely"};
    health_snapshot_t snapshot = names();
    health_alert_rule_t rules[HEALTH_MAX_ALERTS];
    health_metric_t metric;
    char error[SLUICE_ALERT_ERROR_MAX];
    size_t count = health_metric_find(&snapshot, "sluice_leak_likely", &metric, error, sizeof(error)) == 0 ? 5 : 4;

    (void)state;
    assert_int_equal(sluice_alert_rules_default(&snapshot, rules, HEALTH_MAX_ALERTS), count);
    for (size_t i = 0; i != count; ++i) {
        assert_string_equal(rules[i].name, expected[i]);
        assert_int_equal(rules[i].actions, HEALTH_ALERT_LOG);
    }
    assert_int_equal(sluice_alert_rules_default(&snapshot, rules, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions),        cmocka_unit_test(wrong_parts),   cmocka_unit_test(bounds),
        cmocka_unit_test(what_actions_need), cmocka_unit_test(default_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
