/*
 * The level machine: as a table, against a naive model that keeps all readings, under noise, and with clocks that misbehave.
 */
#include "test_pressure_fake.h"

#define BUDGET 1000000u
#define MAX_READINGS 20000

static const pressure_level_rules_t rules = {
    .mark_permille = {0, 700, 750, 800, 900, 950}, .down_gap_permille = 50, .dwell_ms = 5000, .dwell_critical_ms = 10000};

static unsigned feed(pressure_level_state_t *state, unsigned permille, uint64_t now_ms)
{
    return pressure_level_step(&rules, state, (uint64_t)permille * (BUDGET / 1000), BUDGET, now_ms);
}

static unsigned bits_above(pressure_level_t before, pressure_level_t after)
{
    unsigned bits = 0;

    for (unsigned level = before + 1; level <= after; ++level)
        bits |= 1u << level;
    return bits;
}

static void test_names(void **arg)
{
    (void)arg;
    assert_string_equal(pressure_level_name(PRESSURE_NORMAL), "normal");
    assert_string_equal(pressure_level_name(PRESSURE_DEGRADED), "degraded");
    assert_string_equal(pressure_level_name(PRESSURE_EMERGENCY), "emergency");
    assert_string_equal(pressure_level_name((pressure_level_t)99), "unknown");
}

static void test_mark_bytes(void **arg)
{
    static const struct {
        uint64_t budget_bytes;
        unsigned permille;
        uint64_t expected;
    } rows[] = {{1000, 700, 700}, {1001, 700, 701}, {1, 1, 1}, {10, 1000, 10}, {0, 700, 0}, {UINT64_MAX, 1000, UINT64_MAX}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(pressure_mark_bytes(rows[i].budget_bytes, rows[i].permille), rows[i].expected);
}

static void test_every_rise(void **arg)
{
    (void)arg;
    for (unsigned from = PRESSURE_NORMAL; from < PRESSURE_NUM_LEVELS; ++from) {
        for (unsigned to = from; to < PRESSURE_NUM_LEVELS; ++to) {
            pressure_level_state_t state = {.level = (pressure_level_t)from, .since_ms = 10};
            assert_int_equal(feed(&state, rules.mark_permille[to], 20), bits_above((pressure_level_t)from, (pressure_level_t)to));
            assert_int_equal(state.level, to);
            assert_int_equal(state.since_ms, from == to ? 10 : 20);
        }
        if (from != PRESSURE_EMERGENCY) {
            pressure_level_state_t state = {.level = (pressure_level_t)from};
            assert_int_equal(pressure_level_step(&rules, &state, rules.mark_permille[from + 1] * 1000 - 1, BUDGET, 20), 0);
            assert_int_equal(state.level, from);
        }
    }
}

/* from every level to every reading: the fall takes the dwell of the level it starts from, and not a millisecond less */
static void test_every_fall(void **arg)
{
    (void)arg;
    for (unsigned from = PRESSURE_ELEVATED; from < PRESSURE_NUM_LEVELS; ++from) {
        for (unsigned to = PRESSURE_NORMAL; to < from; ++to) {
            pressure_level_state_t state = {.level = (pressure_level_t)from};
            unsigned permille = rules.mark_permille[to + 1] - 51; /* below the gap of the next one, in that of `to` */
            uint64_t dwell_ms = from >= PRESSURE_CRITICAL ? 10000 : 5000;
            assert_int_equal(feed(&state, permille, 1000), 0);
            assert_int_equal(feed(&state, permille, 1000 + dwell_ms - 1), 0);
            assert_int_equal(state.level, from);
            assert_int_equal(feed(&state, permille, 1000 + dwell_ms), 0);
            assert_int_equal(state.level, to);
        }
        pressure_level_state_t state = {.level = (pressure_level_t)from};
        for (uint64_t now_ms = 0; now_ms < 100000; now_ms += 100)
            assert_int_equal(feed(&state, rules.mark_permille[from] - 50, now_ms), 0); /* on the edge of the gap: stands */
        assert_int_equal(state.level, from);
    }
}

typedef struct st_row_t {
    uint64_t now_ms;
    unsigned permille;
    pressure_level_t level;
} row_t;

static void run_rows(const row_t *rows, size_t num_rows)
{
    pressure_level_state_t state = {0};

    for (size_t i = 0; i < num_rows; ++i) {
        pressure_level_t before = state.level;
        unsigned crossed = feed(&state, rows[i].permille, rows[i].now_ms);
        assert_int_equal(state.level, rows[i].level);
        assert_int_equal(crossed, bits_above(before, state.level));
    }
}

static void test_one_high_reading_ends_the_dwell(void **arg)
{
    static const row_t rows[] = {{0, 800, PRESSURE_HIGH},    {100, 600, PRESSURE_HIGH},   {5000, 750, PRESSURE_HIGH},
                                 {5100, 600, PRESSURE_HIGH}, {10099, 600, PRESSURE_HIGH}, {10100, 600, PRESSURE_NORMAL}};

    (void)arg;
    run_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

/* the last reading would be normal, but one reading of the dwell stood for degraded; the next dwell begins with that last reading
 */
static void test_high_tide(void **arg)
{
    static const row_t rows[] = {{0, 910, PRESSURE_CRITICAL},     {100, 500, PRESSURE_CRITICAL},   {5000, 749, PRESSURE_CRITICAL},
                                 {9000, 500, PRESSURE_CRITICAL},  {10099, 500, PRESSURE_CRITICAL}, {10100, 500, PRESSURE_DEGRADED},
                                 {15099, 500, PRESSURE_DEGRADED}, {15100, 500, PRESSURE_NORMAL}};

    (void)arg;
    run_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_rise_during_a_dwell(void **arg)
{
    static const row_t rows[] = {{0, 800, PRESSURE_HIGH},         {100, 600, PRESSURE_HIGH},        {4000, 960, PRESSURE_EMERGENCY},
                                 {5200, 600, PRESSURE_EMERGENCY}, {15199, 600, PRESSURE_EMERGENCY}, {15200, 600, PRESSURE_NORMAL}};

    (void)arg;
    run_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_clock_that_stands_still(void **arg)
{
    pressure_level_state_t state = {0};

    (void)arg;
    feed(&state, 850, 7);
    for (unsigned i = 0; i < 10000; ++i)
        assert_int_equal(feed(&state, 100, 7), 0);
    assert_int_equal(state.level, PRESSURE_HIGH);
    assert_int_equal(feed(&state, 960, 7), bits_above(PRESSURE_HIGH, PRESSURE_EMERGENCY));
}

static void test_clock_that_jumps(void **arg)
{
    /* back: the dwell starts over. Ahead: no level is lost at the reading that begins the dwell */
    static const row_t back[] = {{100000, 800, PRESSURE_HIGH},
                                 {100100, 600, PRESSURE_HIGH},
                                 {50, 600, PRESSURE_HIGH},
                                 {5049, 600, PRESSURE_HIGH},
                                 {5050, 600, PRESSURE_NORMAL}};
    static const row_t ahead[] = {{0, 800, PRESSURE_HIGH},
                                  {UINT64_MAX - 10000, 600, PRESSURE_HIGH},
                                  {UINT64_MAX - 5001, 600, PRESSURE_HIGH},
                                  {UINT64_MAX - 5000, 600, PRESSURE_NORMAL}};

    (void)arg;
    run_rows(back, sizeof(back) / sizeof(back[0]));
    run_rows(ahead, sizeof(ahead) / sizeof(ahead[0]));
}

/* once it has settled, noise of +-3 points causes no transition at all around a mark, and none anywhere if it is faster than the
 * dwell. A slow square wave between two marks may fall, but then not within 5 s of anything */
static void test_noise(void **arg)
{
    uint64_t seed = 1;

    (void)arg;
    for (unsigned centre = 600; centre <= 1000; centre += 5) {
        for (unsigned shape = 0; shape < 3; ++shape) {
            pressure_level_state_t state = {0};
            uint64_t last_ms = 0;
            unsigned transitions = 0;
            for (uint64_t now_ms = 0; now_ms < 120000; now_ms += 25) {
                unsigned permille = centre - 30; /* as a random noise, a slow square wave, a fast one */
                permille += shape == 0 ? fake_random(&seed) % 61 : now_ms / (shape == 1 ? 8000 : 100) % 2 * 60;
                pressure_level_t before = state.level;
                feed(&state, permille, now_ms);
                if (state.level == before || now_ms < 10000)
                    continue;
                assert_true(transitions == 0 || now_ms - last_ms >= 5000 || state.level > before);
                last_ms = now_ms;
                ++transitions;
            }
            if (shape != 1)
                assert_int_equal(transitions, 0);
            for (unsigned level = PRESSURE_ELEVATED; level < PRESSURE_NUM_LEVELS; ++level) {
                if (centre == rules.mark_permille[level])
                    assert_int_equal(transitions, 0);
            }
        }
    }
}

typedef struct st_history_t {
    unsigned permille[MAX_READINGS];
    uint64_t now_ms[MAX_READINGS];
    size_t len;
    size_t fell; /* index + 1 of the reading at which the level last fell, the first one of the next dwell; 0: none */
    size_t rose; /* ... last rose */
} history_t;

static pressure_level_t stands_for(unsigned permille, pressure_level_t top)
{
    while (top != PRESSURE_NORMAL && permille + rules.down_gap_permille < rules.mark_permille[top])
        --top;
    return top;
}

/**
 * what the level must be after the last reading of the history, found by looking through all of it
 */
static pressure_level_t model_level(const history_t *history, pressure_level_t before)
{
    size_t last = history->len - 1, begin = history->len;
    size_t earliest = history->fell > history->rose ? history->fell - 1 : history->rose;
    pressure_level_t reached = PRESSURE_EMERGENCY, tide = PRESSURE_NORMAL;

    while (reached != PRESSURE_NORMAL && history->permille[last] < rules.mark_permille[reached])
        --reached;
    if (reached > before)
        return reached;
    while (begin > earliest && stands_for(history->permille[begin - 1], before) < before)
        --begin;
    if (begin == history->len ||
        history->now_ms[last] - history->now_ms[begin] < (before >= PRESSURE_CRITICAL ? rules.dwell_critical_ms : rules.dwell_ms))
        return before;
    for (size_t i = begin; i != history->len; ++i) {
        pressure_level_t level = stands_for(history->permille[i], before);
        tide = level > tide ? level : tide;
    }
    return tide;
}

static void run_random(uint64_t seed)
{
    static history_t history;
    pressure_level_state_t state = {0};
    uint64_t now_ms = 0;
    int permille = 500, drift = 0;

    history.len = history.fell = history.rose = 0;
    while (history.len != MAX_READINGS) {
        if (fake_random(&seed) % 200 == 0)
            drift = (int)(fake_random(&seed) % 9) - 4;
        permille += drift + (int)(fake_random(&seed) % 31) - 15;
        permille = permille < 0 ? 0 : permille > 1100 ? 1100 : permille;
        if (fake_random(&seed) % 500 == 0)
            permille = (int)(fake_random(&seed) % 1100);
        now_ms += fake_random(&seed) % 4 * 100;
        history.permille[history.len] = (unsigned)permille;
        history.now_ms[history.len++] = now_ms;

        pressure_level_t before = state.level, expected = model_level(&history, before);
        unsigned crossed = feed(&state, (unsigned)permille, now_ms);
        assert_int_equal(state.level, expected);
        assert_int_equal(crossed, bits_above(before, expected));
        if (expected < before)
            history.fell = history.len;
        if (expected > before)
            history.rose = history.len;
    }
}

static void test_random_readings_against_the_model(void **arg)
{
    (void)arg;
    for (uint64_t seed = 1; seed <= 10; ++seed)
        run_random(seed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mark_bytes),
        cmocka_unit_test(test_every_rise),
        cmocka_unit_test(test_every_fall),
        cmocka_unit_test(test_one_high_reading_ends_the_dwell),
        cmocka_unit_test(test_high_tide),
        cmocka_unit_test(test_rise_during_a_dwell),
        cmocka_unit_test(test_clock_that_stands_still),
        cmocka_unit_test(test_clock_that_jumps),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_random_readings_against_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
