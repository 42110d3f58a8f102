/*
 * How fast a cache that was shrunk grows again: as a table, and under random readings.
 */
#include "test_pressure_fake.h"

#define MIB FAKE_MIB
#define CAPACITY (400 * MIB) /* a step is 20 MiB, a rise 10 MiB */

static pressure_tuning_t tuning;

static uint64_t step(pressure_refill_t *refill, int shrunk, pressure_level_t level, uint64_t used_mib, uint64_t reading_mib,
                     uint64_t now_ms)
{
    pressure_refill_facts_t facts = {.level = level,
                                     .shrunk = shrunk,
                                     .used_bytes = used_mib * MIB,
                                     .capacity_bytes = CAPACITY,
                                     .reading_bytes = reading_mib * MIB,
                                     .budget_bytes = FAKE_BUDGET};
    pressure_config_t config;

    pressure_config_init(&config);
    tuning = config.tuning;
    return pressure_refill_step(&tuning, refill, &facts, now_ms) / MIB;
}

typedef struct st_row_t {
    int shrunk;
    pressure_level_t level;
    uint64_t used_mib, reading_mib, now_ms, limit_mib;
} row_t;

static void run_rows(const row_t *rows, size_t num_rows)
{
    pressure_refill_t refill = {0};

    for (size_t i = 0; i < num_rows; ++i) {
        uint64_t limit_mib = step(&refill, rows[i].shrunk, rows[i].level, rows[i].used_mib, rows[i].reading_mib, rows[i].now_ms);
        if (limit_mib != rows[i].limit_mib)
            fail_msg("row %zu: %llu", i, (unsigned long long)limit_mib);
    }
}

static void test_rows(void **arg)
{
    static const row_t rows[] = {
        {0, PRESSURE_NORMAL, 300, 500, 0, 400}, /* no limit without an episode */
        {0, PRESSURE_NORMAL, 400, 690, 1000, 400},
        {1, PRESSURE_ELEVATED, 240, 650, 2000, 240},  /* to what is used */
        {0, PRESSURE_ELEVATED, 240, 650, 22000, 240}, /* nothing while a level lasts */
        {0, PRESSURE_ELEVATED, 200, 640, 42000, 240}, /* that less is used is no reason for less */
        {0, PRESSURE_NORMAL, 200, 640, 51999, 240},   /* the level has just ended */
        {0, PRESSURE_NORMAL, 200, 640, 52000, 260},   /* one period after the last reading of the level */
        {0, PRESSURE_NORMAL, 260, 651, 61000, 260},
        {0, PRESSURE_NORMAL, 260, 651, 62000, 260}, /* has risen by more than a point since 52000 */
        {0, PRESSURE_NORMAL, 260, 661, 72000, 280}, /* by a point: that is rest */
        {0, PRESSURE_NORMAL, 280, 600, 82000, 300}, /* falls */
        {1, PRESSURE_ELEVATED, 290, 700, 83000, 290},
        {1, PRESSURE_ELEVATED, 295, 700, 84000, 290}, /* never more by an episode */
        {1, PRESSURE_CRITICAL, 0, 920, 85000, 20},    /* one step is left at least */
        {0, PRESSURE_NORMAL, 0, 100, 95000, 40},
        {0, PRESSURE_NORMAL, 0, 100, 100000000, 60}, /* a jump of the clock gives one step */
        {0, PRESSURE_NORMAL, 0, 100, 500, 60},       /* set back: the period starts over */
        {0, PRESSURE_NORMAL, 0, 100, 10499, 60},
        {0, PRESSURE_NORMAL, 0, 100, 10500, 80},
    };

    (void)arg;
    run_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_full_again(void **arg)
{
    pressure_refill_t refill = {0};
    uint64_t now_ms = 0;

    (void)arg;
    assert_int_equal(step(&refill, 1, PRESSURE_CRITICAL, 0, 950, now_ms), 20);
    for (uint64_t limit_mib = 40; limit_mib <= 400; limit_mib += 20) {
        now_ms += 10000;
        assert_int_equal(step(&refill, 0, PRESSURE_NORMAL, 0, 100, now_ms), limit_mib);
    }
    assert_int_equal(refill.limited, 0);
}

/* whatever happens: at least a step and at most the capacity; growth only while normal, a step per period at most */
static void test_random(void **arg)
{
    uint64_t seed = 5;

    (void)arg;
    for (unsigned round = 0; round < 100; ++round) {
        pressure_refill_t refill = {0};
        uint64_t now_ms = 0, limit_mib = 400, grown_ms = 0;
        for (unsigned i = 0; i < 2000; ++i) {
            pressure_level_t level = fake_random(&seed) % 3 == 0 ? (pressure_level_t)(fake_random(&seed) % 6) : PRESSURE_NORMAL;
            int shrunk = level >= PRESSURE_ELEVATED && fake_random(&seed) % 10 == 0;
            uint64_t used_mib = fake_random(&seed) % (limit_mib + 1), reading_mib = fake_random(&seed) % 1000;
            uint64_t low_mib = refill.reading_bytes / MIB;
            now_ms += fake_random(&seed) % 4 * 2500;
            uint64_t next_mib = step(&refill, shrunk, level, used_mib, reading_mib, now_ms);
            assert_true(next_mib >= 20 && next_mib <= 400);
            if (shrunk)
                assert_int_equal(next_mib, used_mib < 20 ? 20 : used_mib < limit_mib ? used_mib : limit_mib);
            if (next_mib > limit_mib) {
                assert_int_equal(level, PRESSURE_NORMAL);
                assert_true(next_mib - limit_mib <= 20);
                assert_true(grown_ms == 0 || now_ms - grown_ms >= 10000);
                assert_true(reading_mib <= low_mib + 10);
                grown_ms = now_ms;
            }
            limit_mib = next_mib;
        }
    }
}

/* --- through the coordinator: the listener is told, in the step of the episode, and only of changes */

static struct {
    uint64_t used_bytes, limit_bytes;
    unsigned num_limits;
} cache;

static pressure_result_t shrink(void *ctx, const pressure_event_t *event)
{
    uint64_t before = cache.used_bytes;

    (void)ctx;
    if (event->wanted_bytes == 0 && cache.used_bytes > 240 * MIB)
        cache.used_bytes = 240 * MIB;
    return (pressure_result_t){.bytes_freed = before - cache.used_bytes};
}

static void tell_usage(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    (void)ctx;
    (void)level;
    *usage = (pressure_usage_t){.bytes = cache.used_bytes,
                                .capacity_bytes = CAPACITY,
                                .evictable_bytes = cache.used_bytes > 240 * MIB ? cache.used_bytes - 240 * MIB : 0};
}

static void set_limit(void *ctx, uint64_t bytes)
{
    (void)ctx;
    ++cache.num_limits;
    cache.limit_bytes = bytes;
}

static void test_a_listener_is_limited(void **arg)
{
    pressure_t *pressure = fake_create(100);
    pressure_listener_t listener = {.name = "cache", .on_event = shrink, .usage = tell_usage, .set_limit = set_limit};
    pressure_registration_t *registration;

    (void)arg;
    memset(&cache, 0, sizeof(cache));
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    cache.used_bytes = 300 * MIB;
    for (unsigned i = 0; i < 100; ++i)
        fake_step(pressure, 1000, 600);
    assert_int_equal(cache.num_limits, 0); /* nothing to say without an episode */
    pressure_note_wish(pressure, 300 * MIB);
    fake_step(pressure, 1000, 600);
    assert_int_equal(cache.num_limits, 0); /* nor for a wish for room */
    fake_step(pressure, 1000, 700);
    assert_int_equal(cache.num_limits, 1);
    assert_int_equal(cache.limit_bytes, 240 * MIB);
    assert_int_equal(fake_snapshot(pressure).accounted_bytes, 240 * MIB);
    assert_int_equal(fake_snapshot(pressure).residual_bytes, 460 * MIB);
    for (unsigned i = 0; i < 5; ++i)
        fake_step(pressure, 1000, 600);
    assert_int_equal(cache.num_limits, 1);
    for (unsigned i = 0; i < 300; ++i)
        fake_step(pressure, 1000, 600);
    assert_int_equal(cache.limit_bytes, CAPACITY);
    assert_int_equal(cache.num_limits, 1 + 8); /* 240 -> 400 in steps of 20 */
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_full_again),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_a_listener_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
