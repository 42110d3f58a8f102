/* names that are no series, and what is missing; test_health_prometheus.c compares every row with the text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/metric_value.h"

static health_route_t routes[] = {{"a", 0, 1, 2, 3}, {"b\"\\\n}", 0, 4, 5, 6}};

static health_snapshot_t sample(void)
{
    health_snapshot_t snapshot = {.version = "1", .num_caches = 2, .num_routes = 2, .routes = routes, .num_quotas = 1};

    snapshot.caches[0] = (health_cache_t){.name = "image", .hits = 7};
    snapshot.caches[1] = (health_cache_t){.name = "Meta-Data", .hits = 8};
    snapshot.quotas[0] = (health_quota_t){.route = "a", .used_bytes = 9};
    return snapshot;
}

static void good_names(void **state)
{
    static const struct {
        const char *series, *unit;
        double value;
        int is_counter;
    } cases[] = {
        {"sluice_image_cache_hits_total", "none", 7, 1},
        {"sluice_image_cache_hits_total{cache=\"image\"}", "none", 7, 1},
        {"sluice_meta_data_cache_hits_total", "none", 8, 1},
        {"sluice_meta_data_cache_hits_total{cache=\"Meta-Data\"}", "none", 8, 1},
        {"sluice_image_cache_evictions_total{reason=\"quota\"}", "none", 0, 1},
        {"sluice_image_cache_evictions_total{reason=\"quota\",cache=\"image\"}", "none", 0, 1},
        {"sluice_route_waiting{route=\"a\"}", "none", 2, 0},
        {"sluice_route_waiting{route=\"b\\\"\\\\\\n}\"}", "none", 5, 0},
        {"sluice_image_cache_quota_bytes", "bytes", 9, 0},
        {"sluice_pressure_usage_ratio", "ratio", 0, 0},
        {"sluice_pressure_last_reclaim_age_seconds", "seconds", NAN, 0},
    };
    health_snapshot_t snapshot = sample();

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_metric_t metric;
        char error[512] = "";
        if (health_metric_find(&snapshot, cases[i].series, &metric, error, sizeof(error)) != 0)
            fail_msg("%s: %s", cases[i].series, error);
        double value = health_metric_value(&metric, &snapshot);
        if (value != cases[i].value && !(isnan(value) && isnan(cases[i].value)))
            fail_msg("%s is %f", cases[i].series, value);
        assert_int_equal(health_metric_is_counter(&metric), cases[i].is_counter);
        assert_string_equal(health_metric_unit(&metric), cases[i].unit);
    }
}

static void bad_names(void **state)
{
    static const struct {
        const char *series, *says;
    } cases[] = {
        {"", "is no metric; /metrics lists"},
        {"sluice_pressure_usage_rato", "such as sluice_pressure_usage_ratio,"},
        {"sluice_*_cache_hits_total", "is no metric"},
        {"sluice_other_cache_hits_total", "is no metric"},
        {"sluice_errors_total", "is several series; name one of them, such as sluice_errors_total{type=\"bad_request\"}, "},
        {"sluice_errors_total{type=\"origins\"}", "is no series of its metric"},
        {"sluice_errors_total{typ=\"origin\"}", "is no series of its metric"},
        {"sluice_image_cache_hits_total{cache=\"Meta-Data\"}", "is no series"},
        {"sluice_route_waiting", "is several series"},
        {"sluice_route_waiting{route=\"c\"}", "such as sluice_route_waiting{route=\"a\"}"},
        {"sluice_route_waiting{", "is not the name of a series"},
        {"sluice_route_waiting{}", "is not the name of a series"},
        {"sluice_route_waiting{route}", "is not the name of a series"},
        {"sluice_route_waiting{route=a}", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a}", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a\\", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a\\x\"}", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a\"", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a\"}x", "is not the name of a series"},
        {"sluice_route_waiting{route=\"a\",}", "is not the name of a series"},
        {"x{a=\"1\",a=\"1\",a=\"1\",a=\"1\",a=\"1\"}", "is not the name of a series"},
        {"sluice_build_info", "cannot be watched"},
        {"sluice_transform_memory_ratio{format=\"jpeg\"}", "cannot be watched"},
        {"sluice_transform_memory_ratio", "cannot be watched"},
    };
    health_snapshot_t snapshot = sample();

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_metric_t metric;
        char error[512] = "", *copy = strdup(cases[i].series); /* of its exact size, for what looks beyond */
        if (health_metric_find(&snapshot, copy, &metric, error, sizeof(error)) == 0)
            fail_msg("%s was found", cases[i].series);
        if (strstr(error, cases[i].says) == NULL)
            fail_msg("%s: `%s` does not say `%s`", cases[i].series, error, cases[i].says);
        free(copy);
    }
}

static void long_names_are_refused(void **state)
{
    health_snapshot_t snapshot = sample();
    health_metric_t metric;
    char series[1000], error[16];

    (void)state;
    memset(series, 'x', sizeof(series) - 1);
    series[sizeof(series) - 1] = '\0';
    for (size_t len = 1; len <= sizeof(error); ++len) {
        error[0] = '\0';
        assert_int_equal(health_metric_find(&snapshot, series, &metric, error, len), -1);
        assert_true(strlen(error) < len);
        assert_int_equal(health_metric_find(&snapshot, "sluice_errors_total", &metric, error, len), -1);
        assert_true(strlen(error) < len);
    }
}

/* a route that goes has no value, and no other one's */
static void what_is_gone_is_missing(void **state)
{
    health_snapshot_t snapshot = sample();
    health_metric_t route, cache, quota;
    char error[512];

    (void)state;
    assert_int_equal(health_metric_find(&snapshot, "sluice_route_waiting{route=\"a\"}", &route, error, sizeof(error)), 0);
    assert_int_equal(health_metric_find(&snapshot, "sluice_image_cache_hits_total", &cache, error, sizeof(error)), 0);
    assert_int_equal(health_metric_find(&snapshot, "sluice_image_cache_quota_bytes", &quota, error, sizeof(error)), 0);
    snapshot.num_routes = snapshot.num_caches = snapshot.num_quotas = 0;
    assert_true(isnan(health_metric_value(&route, &snapshot)));
    assert_true(isnan(health_metric_value(&cache, &snapshot)));
    assert_true(isnan(health_metric_value(&quota, &snapshot)));
    snapshot.num_caches = 1;
    snapshot.caches[0].name = NULL;
    assert_true(isnan(health_metric_value(&cache, &snapshot)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_names),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(what_is_gone_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
