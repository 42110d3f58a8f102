/*
 * The leak detector by hand: windows, floors, verdicts that last, gaps, configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
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

/* --- one reason each: as much, and as steady, as a leak, but for one thing */

/* hour 0 to `hours`; returns the worst verdict on the way */
static pressure_leak_verdict_t run(double hours, void (*shape)(double hour, pressure_leak_sample_t *sample))
{
    pressure_leak_verdict_t worst = PRESSURE_LEAK_NONE;
    double requests = 0;

    for (double hour = 0; hour < hours; hour += 1.0 / 360) {
        pressure_leak_sample_t sample = sample_of(60 * MIB);
        shape(hour, &sample);
        requests += (double)sample.requests;
        sample.requests = (uint64_t)requests;
        pressure_leak_feed(&leak, &sample);
        if (leak.report.verdict > PRESSURE_LEAK_WARMING_UP && leak.report.verdict > worst)
            worst = leak.report.verdict;
        now_ms += 10000;
    }
    return worst;
}

static int says(pressure_leak_reason_t reason)
{
    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        if (leak.report.spans[i].points.growth != 0 && leak.report.spans[i].reason == reason)
            return 1;
    return 0;
}

static void steady(double hour, pressure_leak_sample_t *sample)
{
    sample->resident_bytes += (uint64_t)(30 * hour * MIB);
    sample->requests = 500;
}

static void with_caches(double hour, pressure_leak_sample_t *sample)
{
    steady(hour, sample);
    sample->accounted_bytes += (uint64_t)(150 * hour * MIB);
    sample->resident_bytes += (uint64_t)(150 * hour * MIB);
}

static void with_caches_less_than_a_leak_takes(double hour, pressure_leak_sample_t *sample)
{
    steady(hour, sample);
    sample->accounted_bytes += (uint64_t)(90 * hour * MIB);
    sample->resident_bytes += (uint64_t)(90 * hour * MIB);
}

static void with_traffic(double hour, pressure_leak_sample_t *sample)
{
    steady(hour, sample);
    sample->requests = (uint64_t)(50 * exp2(hour));
}

static void levelling_off(double hour, pressure_leak_sample_t *sample)
{
    sample->resident_bytes += (uint64_t)(60 * (1 - exp(-hour / 0.7)) * MIB);
}

static void two_steps(double hour, pressure_leak_sample_t *sample)
{
    sample->resident_bytes += hour > 4.1 ? 90 * MIB : hour > 3.1 ? 45 * MIB : 0;
}

/* quick at first, so that the first rise is not the one to be judged */
static void sawtooth(double hour, pressure_leak_sample_t *sample)
{
    sample->resident_bytes += (uint64_t)((hour < 1.5 ? 1 : fmod(hour, 6) / 6) * 120 * (double)MIB);
}

static void growth_is_explained(void **state)
{
    static const struct {
        void (*shape)(double hour, pressure_leak_sample_t *sample);
        pressure_leak_verdict_t verdict;
        pressure_leak_reason_t reason;
    } cases[] = {{steady, PRESSURE_LEAK_LIKELY, PRESSURE_LEAK_UNEXPLAINED},
                 {with_caches, PRESSURE_LEAK_NONE, PRESSURE_LEAK_CACHES_GROW},
                 {with_caches_less_than_a_leak_takes, PRESSURE_LEAK_LIKELY, PRESSURE_LEAK_UNEXPLAINED},
                 {with_traffic, PRESSURE_LEAK_NONE, PRESSURE_LEAK_TRAFFIC_GREW},
                 {levelling_off, PRESSURE_LEAK_NONE, PRESSURE_LEAK_LEVELS_OFF},
                 {two_steps, PRESSURE_LEAK_NONE, PRESSURE_LEAK_STEPS},
                 {sawtooth, PRESSURE_LEAK_NONE, PRESSURE_LEAK_SEEN_BEFORE}};

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        setup(NULL);
        pressure_leak_verdict_t verdict = run(4.9, cases[i].shape);
        if (verdict != cases[i].verdict || !says(cases[i].reason))
            fail_msg("case %zu: %s, %s", i, pressure_leak_verdict_names[verdict],
                     pressure_leak_reason_names[leak.report.best.reason]);
    }
}

/* slower and slower, but never flat: what was before the span tells it from a leak */
static void logarithm(double hour, pressure_leak_sample_t *sample)
{
    sample->resident_bytes += (uint64_t)(30 * log(1 + 4 * hour) * MIB);
}

static void what_was_before_counts(void **state)
{
    (void)state;
    assert_int_not_equal(run(40, logarithm), PRESSURE_LEAK_LIKELY);
}

static void the_warm_up_is_left_out(void **state)
{
    (void)state;
    uint64_t warm_ms = now_ms + leak.config.warm_up_ms;
    while (now_ms < warm_ms)
        feed(10 * MIB);
    assert_int_equal(leak.report.samples, 0);
    feed(60 * MIB);
    assert_int_equal(leak.report.samples, 1);
}

static void a_day(double hour, pressure_leak_sample_t *sample)
{
    double load = 0.5 - 0.5 * cos(hour / 24 * 2 * M_PI);

    sample->resident_bytes += (uint64_t)(60 * load * MIB);
    sample->requests = (uint64_t)(20 + 500 * load);
}

static void a_leaky_day(double hour, pressure_leak_sample_t *sample)
{
    a_day(hour, sample);
    sample->resident_bytes += (uint64_t)(0.7 * hour * MIB);
}

static void days_do_not_hide_a_slow_leak(void **state)
{
    (void)state;
    assert_int_equal(run(110, a_day), PRESSURE_LEAK_NONE);
    setup(NULL);
    run(110, a_leaky_day);
    assert_int_equal(leak.report.verdict, PRESSURE_LEAK_LIKELY);
    assert_true(leak.report.best.by_days);
    assert_true(leak.report.best.bytes_per_hour > 0.6 * MIB && leak.report.best.bytes_per_hour < 0.8 * MIB);
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
                                       cmocka_unit_test_setup(growth_is_explained, setup),
                                       cmocka_unit_test_setup(what_was_before_counts, setup),
                                       cmocka_unit_test_setup(the_warm_up_is_left_out, setup),
                                       cmocka_unit_test_setup(days_do_not_hide_a_slow_leak, setup),
                                       cmocka_unit_test_setup(gaps_are_not_filled, setup),
                                       cmocka_unit_test_setup(samples_without_a_reading_do_not_count, setup),
                                       cmocka_unit_test_setup(other_windows_begin_anew, setup),
                                       cmocka_unit_test_setup(numbers_at_the_edge_do_no_harm, setup),
                                       cmocka_unit_test(memory_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
