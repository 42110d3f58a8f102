#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/health.h"
#include "module/durations.h"

/* what is counted is what the metrics say: their bounds are texts */
static void buckets_are_those_of_the_metrics(void **state)
{
    (void)state;
    assert_int_equal(HEALTH_NUM_DURATIONS, SLUICE_NUM_DURATIONS);
    assert_string_equal(health_duration_bounds[SLUICE_NUM_DURATIONS - 1], "+Inf");
    assert_int_equal(sluice_duration_bucket(0), 0);
    assert_int_equal(sluice_duration_bucket(UINT64_MAX), SLUICE_NUM_DURATIONS - 1);
    for (size_t i = 0; i != SLUICE_NUM_DURATIONS - 1; ++i) {
        uint64_t bound_us = (uint64_t)(strtod(health_duration_bounds[i], NULL) * 1e6 + 0.5);
        assert_int_equal(sluice_duration_bucket(bound_us - 1), i);
        assert_int_equal(sluice_duration_bucket(bound_us), i);
        assert_int_equal(sluice_duration_bucket(bound_us + 1), i + 1);
    }
}

static void weights(void **state)
{
    sluice_durations_t durations = {0};
    uint64_t count = 0;

    (void)state;
    sluice_durations_count(&durations, 7, 64);
    sluice_durations_count(&durations, 2000000, 1);
    for (size_t i = 0; i != SLUICE_NUM_DURATIONS; ++i)
        count += sluice_counted(durations.buckets + i);
    assert_int_equal(count, 65);
    assert_int_equal(sluice_counted(durations.buckets), 64);
    assert_int_equal(sluice_counted(durations.buckets + sluice_duration_bucket(2000000)), 1);
    assert_int_equal(sluice_counted(&durations.sum_us), 7 * 64 + 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_are_those_of_the_metrics), cmocka_unit_test(weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
