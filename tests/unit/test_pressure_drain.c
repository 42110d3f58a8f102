#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "pressure/operation.h"

#define MIB ((uint64_t)1 << 20)
#define START 5000000

static void assert_near(double value, double expected, double part)
{
    if (!(value >= expected * (1 - part) && value <= expected * (1 + part)))
        fail_msg("%f is not near %f", value, expected);
}

static void test_nothing_is_known(void **state)
{
    pressure_drain_t drain = {0};

    (void)state;
    assert_true(pressure_drain_rate(&drain, START) == 0);
    pressure_drain_note(&drain, START, 0, 0);
    assert_true(pressure_drain_rate(&drain, START + 100000) == 0); /* idle for ever */
    pressure_drain_note(&drain, START + 100000, 0, 1);
    assert_true(pressure_drain_rate(&drain, START + 100000) == 0);
    assert_true(pressure_drain_rate(&drain, START + 105000) == 0); /* the first is still at work */
}

/* returns when it ended */
static uint64_t work(pressure_drain_t *drain, uint64_t from_ms, unsigned count, uint64_t each_ms, uint64_t bytes)
{
    pressure_drain_note(drain, from_ms, 0, 1);
    for (unsigned i = 0; i < count; ++i)
        pressure_drain_note(drain, from_ms += each_ms, bytes, i + 1 != count);
    return from_ms;
}

static void test_steady_work(void **state)
{
    static const struct {
        unsigned count;
        uint64_t each_ms, bytes;
    } rows[] = {{1, 100, 10 * MIB}, {10, 100, 10 * MIB}, {1000, 100, 10 * MIB}, {20, 5000, 400 * MIB}, {100, 1, MIB}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_drain_t drain = {0};
        uint64_t now_ms = work(&drain, START, rows[i].count, rows[i].each_ms, rows[i].bytes);
        /* a work of seconds, seen right at its end, counts for more; by a third at most here */
        assert_near(pressure_drain_rate(&drain, now_ms), (double)rows[i].bytes * 1000 / (double)rows[i].each_ms, 0.35);
    }
}

static void test_idle_time_does_not_count(void **state)
{
    pressure_drain_t drain = {0};
    uint64_t now_ms = work(&drain, START, 50, 100, 10 * MIB);
    double rate = pressure_drain_rate(&drain, now_ms);

    (void)state;
    assert_true(pressure_drain_rate(&drain, now_ms + 3600000) == rate);
    now_ms = work(&drain, now_ms + 3600000, 1, 100, 10 * MIB);
    assert_near(pressure_drain_rate(&drain, now_ms), rate, 0.01);
}

/* what it was is forgotten; what hangs shows */
static void test_change_of_pace(void **state)
{
    pressure_drain_t drain = {0};
    uint64_t now_ms = work(&drain, START, 100, 100, 100 * MIB);

    (void)state;
    now_ms = work(&drain, now_ms, 500, 100, MIB);
    assert_near(pressure_drain_rate(&drain, now_ms), 10.0 * (double)MIB, 0.7);
    pressure_drain_note(&drain, now_ms, 0, 1);
    double before = pressure_drain_rate(&drain, now_ms), at_10s = pressure_drain_rate(&drain, now_ms + 10000);
    assert_near(at_10s, before / 2.7, 0.05);
    assert_true(pressure_drain_rate(&drain, now_ms + 60000) < before / 100);
}

static void test_clock_that_runs_backwards(void **state)
{
    pressure_drain_t drain = {0};
    uint64_t now_ms = work(&drain, START, 50, 100, 10 * MIB);
    double rate = pressure_drain_rate(&drain, now_ms);

    (void)state;
    assert_true(pressure_drain_rate(&drain, 0) == rate);
    pressure_drain_note(&drain, 0, 0, 1);
    assert_true(pressure_drain_rate(&drain, 0) == rate);
}

static void test_retry_after(void **state)
{
    static const struct {
        uint64_t waiting_mib;
        double mib_per_s;
        uint64_t least_ms, most_ms, from_ms, to_ms; /* by random 0 and UINT32_MAX */
    } rows[] = {
        {1000, 0, 5000, 60000, 5000, 5000}, /* not known */
        {0, 100, 5000, 60000, 5000, 5000},
        {400, 100, 5000, 60000, 5000, 5000},
        {1000, 100, 5000, 60000, 10000, 11250},
        {4000, 100, 5000, 60000, 40000, 48750},
        {4900, 100, 5000, 60000, 49000, 60000},
        {1000000, 100, 5000, 60000, 49000, 60000},
        {1000000, 1e-300, 5000, 60000, 49000, 60000},
        {1000, 100, 30000, 30000, 30000, 30000}, /* one value */
        {1000, 1, 30000, 20000, 30000, 30000},   /* the least counts */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        double rate = rows[i].mib_per_s * (double)MIB;
        uint64_t bytes = rows[i].waiting_mib * MIB;
        assert_int_equal(pressure_retry_after_ms(bytes, rate, rows[i].least_ms, rows[i].most_ms, 0), rows[i].from_ms);
        assert_int_equal(pressure_retry_after_ms(bytes, rate, rows[i].least_ms, rows[i].most_ms, UINT32_MAX), rows[i].to_ms);
        uint64_t middle_ms = pressure_retry_after_ms(bytes, rate, rows[i].least_ms, rows[i].most_ms, UINT32_MAX / 2);
        assert_in_range(middle_ms, (rows[i].from_ms + rows[i].to_ms) / 2 - 1, (rows[i].from_ms + rows[i].to_ms) / 2 + 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known),          cmocka_unit_test(test_steady_work),
        cmocka_unit_test(test_idle_time_does_not_count),  cmocka_unit_test(test_change_of_pace),
        cmocka_unit_test(test_clock_that_runs_backwards), cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
