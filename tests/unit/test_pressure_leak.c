/*
 * The leak detector by hand: windows, floors, verdicts that last, gaps, configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pressure/leak.h"

#define MIB (UINT64_C(1) << 20)
#define WINDOW_MS 60000
#define HOUR_MS UINT64_C(3600000)

static pressure_leak_t leak;
static uint64_t now_ms;

static int setup(void **state)
{
    pressure_leak_config_t config;

    (void)state;
    now_ms = 5000;
    pressure_leak_config_init(&config);
    pressure_leak_init(&leak, &config);
    return 0;
}

static pressure_leak_sample_t sample_of(uint64_t unaccounted_bytes)
{
    return (pressure_leak_sample_t){.now_ms = now_ms,
                                    .resident_bytes = 200 * MIB + unaccounted_bytes,
                                    .accounted_bytes = 200 * MIB,
                                    .budget_bytes = 1000 * MIB,
                                    .heap_free_bytes = PRESSURE_LEAK_UNKNOWN};
}

/* returns how often the verdict changed */
static int feed(uint64_t unaccounted_bytes)
{
    pressure_leak_sample_t sample = sample_of(unaccounted_bytes);
    int changed = pressure_leak_feed(&leak, &sample);

    now_ms += 10000;
    return changed;
}

/* a straight line from the present value on; a transient on top of all samples but each window's last is none of the floor */
static int grow(uint64_t from_bytes, double bytes_per_hour, uint64_t hours)
{
    int changes = 0;

    for (uint64_t t = 0; t < hours * HOUR_MS; t += 10000)
        changes +=
            feed((uint64_t)((double)from_bytes + bytes_per_hour * (double)t / HOUR_MS) + (t / 10000 % 6 == 3 ? 0 : 30 * MIB));
    return changes;
}

static void floors_are_the_least_of_each_window(void **state)
{
    (void)state;
    leak.config.warm_up_ms = 0;
    for (int i = 0; i != 12; ++i)
        feed((i == 3 ? 50 : i == 9 ? 70 : 90) * MIB);
    assert_null(pressure_leak_floor(&leak.fine, 1));
    feed(10 * MIB);
    assert_int_equal(pressure_leak_floor(&leak.fine, 0)->floor_bytes, 70 * MIB);
    assert_int_equal(pressure_leak_floor(&leak.fine, 1)->floor_bytes, 50 * MIB);
    assert_null(pressure_leak_floor(&leak.fine, 2));
    assert_int_equal(leak.report.floor_bytes, 70 * MIB);
    assert_int_equal(leak.report.samples, 13);
    assert_int_equal(leak.report.known_ms, 2 * WINDOW_MS);
}

static void accounted_bytes_are_no_growth(void **state)
{
    pressure_leak_sample_t sample;

    (void)state;
    for (uint64_t i = 0; i != 6 * 600; ++i) {
        sample = sample_of(60 * MIB);
        sample.resident_bytes += i * MIB / 4;
        sample.accounted_bytes += i * MIB / 4;
        pressure_leak_feed(&leak, &sample);
        now_ms += 10000;
    }
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_NONE);
    assert_int_equal(leak.report.best.growth_bytes, 0);
    sample.accounted_bytes = sample.resident_bytes + 1; /* counted at another instant */
    sample.now_ms += WINDOW_MS;
    pressure_leak_feed(&leak, &sample);
    sample.now_ms += WINDOW_MS;
    pressure_leak_feed(&leak, &sample);
    assert_int_equal(leak.report.floor_bytes, 0);
}

static void a_leak_is_found_and_its_end_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_WARMING_UP);
    assert_int_equal(grow(60 * MIB, 0, 2), 1); /* to none */
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_NONE);
    assert_int_equal(leak.report.seconds_to_budget, PRESSURE_LEAK_UNKNOWN);
    assert_int_equal(grow(60 * MIB, 50.0 * MIB, 4), 2);
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_LIKELY);
    assert_true(leak.report.best.bytes_per_hour > 45.0 * MIB && leak.report.best.bytes_per_hour < 51.0 * MIB);
    assert_int_equal(leak.report.best.reason, PRESSURE_LEAK_UNEXPLAINED);
    uint64_t left_bytes = 800 * MIB - 260 * MIB;
    assert_true(leak.report.seconds_to_budget > left_bytes / (55 * MIB) * 3600 &&
                leak.report.seconds_to_budget < left_bytes / (45 * MIB) * 3600);
    const pressure_leak_points_t *p = &leak.report.best.points;
    assert_int_equal(p->growth + p->steadiness + p->peak + p->reclaim_inefficiency + p->other, leak.report.best.confidence);
    assert_int_equal(grow(260 * MIB, 0, 12), 1);
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_NONE);
}

static void heap_that_is_free_explains_a_growth(void **state)
{
    (void)state;
    for (uint64_t i = 0; i != 6 * 60 * 5; ++i) {
        pressure_leak_sample_t sample = sample_of(60 * MIB + i * MIB / 6);
        sample.heap_free_bytes = i * MIB / 6;
        assert_true(pressure_leak_feed(&leak, &sample) == 0 || leak.report.verdict == PRESSURE_LEAK_NONE);
        now_ms += 10000;
    }
    assert_int_equal(leak.report.best.reason, PRESSURE_LEAK_HEAP_FREE);
    assert_int_equal(leak.report.best.confidence, 49);
}

static void reclaims_that_help_explain_a_growth(void **state)
{
    (void)state;
    for (int helps = 0; helps != 2; ++helps) {
        setup(NULL);
        for (uint64_t i = 0; i != 6 * 60 * 5; ++i) {
            int reclaims = i % 60 < 6;
            pressure_leak_sample_t sample = sample_of(reclaims && helps ? 60 * MIB : 60 * MIB + i * MIB / 6);
            sample.reclaimed = reclaims;
            pressure_leak_feed(&leak, &sample);
            now_ms += 10000;
        }
        assert_int_equal(leak.report.verdict, helps ? PRESSURE_LEAK_NONE : PRESSURE_LEAK_LIKELY);
        assert_int_equal(leak.report.best.reason, helps ? PRESSURE_LEAK_RECLAIMED : PRESSURE_LEAK_UNEXPLAINED);
        assert_int_equal(leak.report.best.points.reclaim_inefficiency, helps ? 0 : 15);
    }
}

static void gaps_are_not_filled(void **state)
{
    (void)state;
    grow(60 * MIB, 0, 1);
    size_t before = leak.fine.size;
    now_ms += 20 * WINDOW_MS;
    feed(60 * MIB);
    assert_in_range(leak.fine.size, before + 19, before + 21);
    assert_null(pressure_leak_floor(&leak.fine, 5));
    now_ms += UINT64_C(400) * WINDOW_MS; /* longer than what is kept in fine windows */
    feed(60 * MIB);
    assert_int_equal(leak.fine.size, 0);
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_WARMING_UP);
    grow(60 * MIB, 0, 1);
    assert_int_not_equal(leak.fine.size, 0);
    now_ms = 1; /* set back */
    feed(60 * MIB);
    assert_int_equal(leak.fine.size, 0);
}

static void samples_without_a_reading_do_not_count(void **state)
{
    pressure_leak_sample_t sample;

    (void)state;
    grow(60 * MIB, 0, 1);
    uint64_t samples = leak.report.samples;
    for (int i = 0; i != 18; ++i) {
        sample = sample_of(0);
        sample.resident_bytes = 0;
        pressure_leak_feed(&leak, &sample);
        now_ms += 10000;
    }
    assert_int_equal(leak.report.samples, samples);
    assert_int_equal(leak.report.floor_bytes, 60 * MIB);
    assert_null(pressure_leak_floor(&leak.fine, 0));
}

static void other_windows_begin_anew(void **state)
{
    pressure_leak_config_t config = leak.config;

    (void)state;
    grow(60 * MIB, 0, 1);
    config.min_growth_bytes = MIB;
    pressure_leak_configure(&leak, &config);
    assert_int_not_equal(leak.fine.size, 0);
    assert_int_equal(leak.config.min_growth_bytes, MIB);
    config.window_ms = 1000;
    pressure_leak_configure(&leak, &config);
    assert_int_equal(leak.fine.size, 0);
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_WARMING_UP);
}

static void numbers_at_the_edge_do_no_harm(void **state)
{
    static const uint64_t edges[] = {0, 1, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    pressure_leak_sample_t sample;

    (void)state;
    srand(1);
    for (int i = 0; i != 20000; ++i) {
#define EDGE edges[(size_t)rand() % 5]
        sample = (pressure_leak_sample_t){.now_ms = now_ms,
                                          .resident_bytes = EDGE,
                                          .budget_bytes = EDGE,
                                          .accounted_bytes = EDGE,
                                          .requests = EDGE,
                                          .heap_free_bytes = EDGE,
                                          .reclaimed = rand() % 2};
        pressure_leak_feed(&leak, &sample);
        now_ms += 30000;
        assert_true(leak.report.best.confidence <= 100);
    }
}

static void memory_is_bounded(void **state)
{
    (void)state;
    assert_true(sizeof(pressure_leak_t) < 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(floors_are_the_least_of_each_window, setup),
                                       cmocka_unit_test_setup(accounted_bytes_are_no_growth, setup),
                                       cmocka_unit_test_setup(a_leak_is_found_and_its_end_is_told_once, setup),
                                       cmocka_unit_test_setup(heap_that_is_free_explains_a_growth, setup),
                                       cmocka_unit_test_setup(reclaims_that_help_explain_a_growth, setup),
                                       cmocka_unit_test_setup(gaps_are_not_filled, setup),
                                       cmocka_unit_test_setup(samples_without_a_reading_do_not_count, setup),
                                       cmocka_unit_test_setup(other_windows_begin_anew, setup),
                                       cmocka_unit_test_setup(numbers_at_the_edge_do_no_harm, setup),
                                       cmocka_unit_test(memory_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
