/* The rings against a model that keeps every observation and groups them anew each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/trend.h"

static const size_t capacities[HEALTH_TREND_SERIES] = {300, 360, 1440};
static const uint64_t periods_ms[HEALTH_TREND_SERIES] = {1000, 10000, 60000};

static health_trend_point_t *seen;
static size_t num_seen, max_seen;
static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % sides;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* the groups of a period, the newest first */
static size_t model(size_t series, health_trend_point_t *groups)
{
    size_t count = 0;
    uint64_t group = UINT64_MAX;

    for (size_t i = num_seen; i-- != 0;) {
        const health_trend_point_t *p = seen + i;
        if (count == 0 || p->at_ms / periods_ms[series] != group) {
            if (count == capacities[series])
                break;
            group = p->at_ms / periods_ms[series];
            groups[count++] = *p;
            continue;
        }
        health_trend_point_t *g = groups + count - 1;
        g->level = (int)most((uint64_t)g->level, (uint64_t)p->level);
        g->resident_bytes = most(g->resident_bytes, p->resident_bytes);
        g->accounted_bytes = most(g->accounted_bytes, p->accounted_bytes);
        g->unaccounted_bytes = most(g->unaccounted_bytes, p->unaccounted_bytes);
        g->image_bytes = most(g->image_bytes, p->image_bytes);
        g->metadata_bytes = most(g->metadata_bytes, p->metadata_bytes);
        g->reserved_bytes = most(g->reserved_bytes, p->reserved_bytes);
    }
    return count;
}

static void compare(const health_trend_t *trend)
{
    static health_trend_point_t expected[HEALTH_TREND_POINTS_MAX], points[HEALTH_TREND_POINTS_MAX + 1];

    for (size_t i = 0; i != HEALTH_TREND_SERIES; ++i) {
        size_t count = model(i, expected);
        assert_int_equal(health_trend_get(trend, i, points, HEALTH_TREND_POINTS_MAX + 1), count);
        for (size_t j = 0; j != count; ++j)
            if (memcmp(points + j, expected + count - 1 - j, sizeof(points[0])) != 0)
                fail_msg("series %zu, point %zu of %zu, after %zu observations", i, j, count, num_seen);
    }
}

static void observe(health_trend_t *trend, uint64_t at_ms)
{
    health_trend_point_t p;

    memset(&p, 0, sizeof(p)); /* what is between the members is compared too */
    p.at = (int64_t)(1700000000 + at_ms / 1000 - roll(3));
    p.at_ms = at_ms;
    p.level = (int)roll(6);
    p.resident_bytes = roll(1000);
    p.accounted_bytes = roll(1000);
    p.unaccounted_bytes = roll(1000);
    p.image_bytes = roll(1000);
    p.metadata_bytes = roll(1000);
    p.reserved_bytes = roll(1000);
    p.hits = roll(1000);
    p.misses = roll(1000);
    p.shed = roll(1000);
    p.requests = roll(1000);
    assert_true(num_seen != max_seen);
    seen[num_seen++] = p;
    health_trend_add(trend, &p);
}

static void walk(uint32_t seed, size_t steps, const uint32_t *pauses_ms, size_t num_pauses, size_t look_each)
{
    health_trend_t *trend = health_trend_create();
    uint64_t now_ms = 123456;

    assert_non_null(trend);
    dice = seed;
    num_seen = 0;
    max_seen = steps;
    seen = calloc(steps, sizeof(*seen));
    compare(trend);
    for (size_t i = 0; i != steps; ++i) {
        now_ms += roll(pauses_ms[roll((uint32_t)num_pauses)] + 1);
        observe(trend, now_ms);
        if (i % look_each == 0 || i + 1 == steps)
            compare(trend);
    }
    free(seen);
    health_trend_destroy(&trend);
    assert_null(trend);
}

static void rings_equal_the_model(void **state)
{
    (void)state;
    static const uint32_t often[] = {0, 5, 900, 2000}, steady[] = {2000}, rare[] = {20000, 100000, 300000, 4000000};

    for (uint32_t seed = 1; seed != 5; ++seed) {
        walk(seed, 2000, often, 4, 1);
        walk(seed, 3000, rare, 4, 7);
    }
    walk(9, 100000, steady, 1, 997);
}

static void the_newest_are_given_if_room_is_short(void **state)
{
    (void)state;
    health_trend_t *trend = health_trend_create();
    health_trend_point_t points[2];

    assert_int_equal(health_trend_get(trend, 0, points, 2), 0);
    for (uint64_t i = 1; i <= 5; ++i)
        health_trend_add(trend, &(health_trend_point_t){.at_ms = i * 1000, .hits = i});
    assert_int_equal(health_trend_get(trend, 0, points, 0), 0);
    assert_int_equal(health_trend_get(trend, 0, points, 2), 2);
    assert_true(points[0].hits == 4 && points[1].hits == 5);
    /* a clock that runs back does not make points of the past */
    health_trend_add(trend, &(health_trend_point_t){.at_ms = 1000, .hits = 9});
    assert_int_equal(health_trend_get(trend, 0, points, 2), 2);
    assert_true(points[1].at_ms == 5000 && points[1].hits == 9);
    health_trend_destroy(&trend);
    health_trend_destroy(&trend);
}

/* so many observations a second, of a resident set that a function gives */
static health_trend_slope_t slope_of(uint64_t seconds, uint64_t (*resident)(uint64_t second))
{
    health_trend_t *trend = health_trend_create();

    for (uint64_t s = 0; s != seconds; ++s)
        health_trend_add(trend, &(health_trend_point_t){.at_ms = s * 1000, .resident_bytes = resident(s)});
    health_trend_slope_t slope = health_trend_slope(trend);
    health_trend_destroy(&trend);
    return slope;
}

static uint64_t flat(uint64_t second)
{
    (void)second;
    return 5000000;
}

static uint64_t rising(uint64_t second)
{
    return 5000000 + 100 * second;
}

static uint64_t falling(uint64_t second)
{
    return 5000000 - 100 * second;
}

/* a burst that is over again, a tenth of the time, far above the rest */
static uint64_t rising_with_bursts(uint64_t second)
{
    return rising(second) + (second / 10 % 10 == 7 ? 1000000000 : 0);
}

/* it grew before, and no longer does */
static uint64_t levelled_off(uint64_t second)
{
    return second < 2000 ? rising(second) : rising(2000);
}

static void slopes_are_robust(void **state)
{
    (void)state;
    assert_true(slope_of(0, rising).span_seconds == 0);
    assert_true(slope_of(30, rising).span_seconds == 0 && slope_of(30, rising).bytes_per_minute == 0);
    assert_true(slope_of(31, rising).span_seconds == 30 && slope_of(31, rising).bytes_per_minute == 6000);
    assert_true(slope_of(50, rising).span_seconds == 49 && slope_of(51, rising).span_seconds == 50 - 9); /* of the other ring */
    assert_true(slope_of(3600, flat).bytes_per_minute == 0 && slope_of(3600, flat).span_seconds == 590);
    assert_true(slope_of(3600, rising).bytes_per_minute == 6000);
    assert_true(slope_of(45, falling).bytes_per_minute == -6000);
    double burst = slope_of(3600, rising_with_bursts).bytes_per_minute;
    assert_true(burst > 5900 && burst < 6100);
    assert_true(slope_of(3600, levelled_off).bytes_per_minute == 0);
}

static void a_gap_takes_the_past_away(void **state)
{
    (void)state;
    health_trend_t *trend = health_trend_create();

    for (uint64_t i = 0; i != 20; ++i)
        health_trend_add(trend, &(health_trend_point_t){.at_ms = i * 10000, .resident_bytes = 1000 * i});
    assert_true(health_trend_slope(trend).bytes_per_minute == 6000);
    for (uint64_t i = 0; i != 5; ++i)
        health_trend_add(trend, &(health_trend_point_t){.at_ms = 3600000 + i * 10000, .resident_bytes = 77});
    assert_true(health_trend_slope(trend).span_seconds == 0);
    health_trend_add(trend, &(health_trend_point_t){.at_ms = 3660000, .resident_bytes = 77});
    assert_true(health_trend_slope(trend).span_seconds == 60 && health_trend_slope(trend).bytes_per_minute == 0);
    health_trend_destroy(&trend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_equal_the_model),
        cmocka_unit_test(the_newest_are_given_if_room_is_short),
        cmocka_unit_test(slopes_are_robust),
        cmocka_unit_test(a_gap_takes_the_past_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
