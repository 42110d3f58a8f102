/*
 * The release of the gate: the conditions as a table, the wait, rises and noise, clocks that misbehave, and that there is always a
 * way out. One budget of 1000 MiB.
 */
#include "test_pressure_fake.h"

#define MIB FAKE_MIB
#define AFTER_MS 30000

static pressure_tuning_t tuning;

static pressure_gate_facts_t stuck(uint64_t reading_mib)
{
    pressure_config_t config;

    pressure_config_init(&config);
    tuning = config.tuning;
    return (pressure_gate_facts_t){.level = reading_mib >= 950 ? PRESSURE_EMERGENCY : PRESSURE_CRITICAL,
                                   .reading_bytes = reading_mib * MIB,
                                   .budget_bytes = FAKE_BUDGET,
                                   .leave_bytes = 850 * MIB,
                                   .accounted_bytes = 100 * MIB};
}

/**
 * steps once a second for so long; returns whether the gate is released then
 */
static int run(pressure_gate_t *gate, const pressure_gate_facts_t *facts, uint64_t *now_ms, uint64_t for_ms)
{
    for (uint64_t end_ms = *now_ms + for_ms; *now_ms < end_ms; *now_ms += 1000)
        pressure_gate_step(&tuning, gate, facts, *now_ms);
    return gate->released;
}

typedef struct st_row_t {
    const char *name;
    pressure_level_t level;
    uint64_t reading_mib, evictable_mib, accounted_mib, group_mib, group_limit_mib;
    int ineffective, released;
} row_t;

static const row_t rows[] = {
    {"stuck at critical", PRESSURE_CRITICAL, 930, 0, 100, 0, 0, 0, 1},
    {"stuck at emergency", PRESSURE_EMERGENCY, 970, 0, 100, 0, 0, 0, 1},
    {"stuck in the gap of critical", PRESSURE_CRITICAL, 870, 0, 100, 0, 0, 0, 1},
    {"high has no gate", PRESSURE_HIGH, 870, 0, 100, 0, 0, 0, 0},
    {"below the gap the dwell opens", PRESSURE_CRITICAL, 849, 0, 100, 0, 0, 0, 0},
    {"an eviction could help", PRESSURE_CRITICAL, 930, 81, 100, 0, 0, 0, 0},
    {"an eviction could not help enough", PRESSURE_CRITICAL, 930, 80, 100, 0, 0, 0, 1},
    {"it could, but what is evicted stays", PRESSURE_CRITICAL, 930, 500, 599, 0, 0, 1, 1},
    {"everything is evictable, as they say", PRESSURE_CRITICAL, 930, 5000, 100, 0, 0, 0, 0},
    {"much is accounted for", PRESSURE_CRITICAL, 930, 0, 600, 0, 0, 0, 0},
    {"not so much", PRESSURE_CRITICAL, 930, 0, 599, 0, 0, 0, 1},
    {"over the budget, nothing known of a limit", PRESSURE_EMERGENCY, 1000, 0, 100, 0, 0, 0, 0},
    {"just below it", PRESSURE_EMERGENCY, 999, 0, 100, 0, 0, 0, 1},
    {"over the budget, and the group has room", PRESSURE_EMERGENCY, 1300, 0, 100, 899, 1000, 0, 1},
    {"the group is nearly full", PRESSURE_CRITICAL, 930, 0, 100, 900, 1000, 0, 0},
    {"the group is full", PRESSURE_EMERGENCY, 1300, 0, 100, 1000, 1000, 0, 0},
};

static void test_conditions(void **arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        const row_t *row = rows + i;
        pressure_gate_facts_t facts = stuck(row->reading_mib);
        pressure_gate_t gate = {0};
        uint64_t now_ms = 5000;
        facts.level = row->level;
        facts.evictable_bytes = row->evictable_mib * MIB;
        facts.accounted_bytes = row->accounted_mib * MIB;
        facts.group_bytes = row->group_mib * MIB;
        facts.group_limit_bytes = row->group_limit_mib * MIB;
        facts.ineffective = row->ineffective;
        pressure_gate_step(&tuning, &gate, &facts, now_ms);
        pressure_gate_step(&tuning, &gate, &facts, now_ms + AFTER_MS - 1);
        assert_int_equal(gate.released, 0);
        pressure_gate_step(&tuning, &gate, &facts, now_ms + AFTER_MS);
        if (gate.released != row->released)
            fail_msg("%s", row->name);
        assert_int_equal(pressure_gate_level(&gate, row->level), row->released ? PRESSURE_HIGH : row->level);
    }
}

/* each condition that fails for one reading shuts the gate at that reading, and the wait starts over */
static void test_a_condition_that_fails_shuts(void **arg)
{
    (void)arg;
    for (unsigned which = 0; which < 5; ++which) {
        pressure_gate_facts_t good = stuck(930), bad = good;
        pressure_gate_t gate = {0};
        uint64_t now_ms = 5000;
        assert_true(run(&gate, &good, &now_ms, AFTER_MS + 1000));
        if (which == 0)
            bad.evictable_bytes = 200 * MIB;
        else if (which == 1)
            bad.accounted_bytes = 700 * MIB;
        else if (which == 2)
            bad.level = PRESSURE_HIGH;
        else if (which == 3)
            bad.group_bytes = bad.group_limit_bytes = MIB;
        else
            bad.reading_bytes = 940 * MIB;
        pressure_gate_step(&tuning, &gate, &bad, now_ms);
        assert_int_equal(gate.released, 0);
        assert_int_equal(pressure_gate_level(&gate, PRESSURE_CRITICAL), PRESSURE_CRITICAL);
        assert_false(run(&gate, &good, &now_ms, AFTER_MS));
        assert_true(run(&gate, &good, &now_ms, 2000));
    }
}

static void test_a_rise_starts_the_wait_over(void **arg)
{
    pressure_gate_facts_t facts = stuck(930);
    pressure_gate_t gate = {0};

    (void)arg;
    pressure_gate_step(&tuning, &gate, &facts, 0);
    facts.reading_bytes = 940 * MIB - 1;
    pressure_gate_step(&tuning, &gate, &facts, 10000);
    facts.reading_bytes = 940 * MIB; /* a point above where the wait began */
    pressure_gate_step(&tuning, &gate, &facts, 20000);
    pressure_gate_step(&tuning, &gate, &facts, 49999);
    assert_int_equal(gate.released, 0);
    pressure_gate_step(&tuning, &gate, &facts, 50000);
    assert_int_equal(gate.released, 1);
    facts.reading_bytes = 950 * MIB - 1;
    pressure_gate_step(&tuning, &gate, &facts, 50025);
    assert_int_equal(gate.released, 1);
    facts.reading_bytes = 950 * MIB;
    pressure_gate_step(&tuning, &gate, &facts, 50050);
    assert_int_equal(gate.released, 0);
}

/* +-3 points of noise: a bounded number of restarts, then released and never shut again. A leak of a point in 10 s: never released,
 * and at the ceiling for good */
static void test_noise_and_leaks(void **arg)
{
    uint64_t seed = 3;

    (void)arg;
    for (unsigned centre = 885; centre <= 965; centre += 5) {
        pressure_gate_facts_t facts = stuck(centre);
        pressure_gate_t gate = {0};
        unsigned changes = 0;
        for (uint64_t now_ms = 0; now_ms < 600000; now_ms += 25) {
            int before = gate.released;
            facts.reading_bytes = (centre - 30) * MIB + fake_random(&seed) % (60 * MIB);
            pressure_gate_step(&tuning, &gate, &facts, now_ms);
            changes += gate.released != before;
            assert_true(now_ms < 7 * AFTER_MS || gate.released);
        }
        assert_int_equal(changes, 1);
    }
    pressure_gate_facts_t facts = stuck(900);
    pressure_gate_t gate = {0};
    for (uint64_t now_ms = 0; now_ms < 600000; now_ms += 25) {
        facts.reading_bytes = 900 * MIB + now_ms * MIB / 1000;
        pressure_gate_step(&tuning, &gate, &facts, now_ms);
        assert_int_equal(gate.released, 0);
    }
}

static void test_clocks(void **arg)
{
    pressure_gate_facts_t facts = stuck(930);
    pressure_gate_t gate = {0};

    (void)arg;
    for (unsigned i = 0; i < 10000; ++i)
        pressure_gate_step(&tuning, &gate, &facts, 100000);
    assert_int_equal(gate.released, 0);             /* stands still */
    pressure_gate_step(&tuning, &gate, &facts, 50); /* set back: starts over */
    pressure_gate_step(&tuning, &gate, &facts, 50 + AFTER_MS - 1);
    assert_int_equal(gate.released, 0);
    pressure_gate_step(&tuning, &gate, &facts, 50 + AFTER_MS);
    assert_int_equal(gate.released, 1);
    pressure_gate_step(&tuning, &gate, &facts, 7); /* set back once it is open: stays open */
    assert_int_equal(gate.released, 1);
    facts.reading_bytes = 940 * MIB;
    pressure_gate_step(&tuning, &gate, &facts, 7);
    assert_int_equal(gate.released, 0);
}

/* --- the coordinator as a whole: from any state there is a way out */

typedef struct st_cache_t {
    uint64_t bytes, pinned_bytes;
} cache_t;

static pressure_result_t clear_cache(void *ctx, const pressure_event_t *event)
{
    cache_t *cache = ctx;
    pressure_result_t result = {.bytes_freed = event->level >= PRESSURE_CRITICAL ? cache->bytes : 0};

    cache->bytes -= result.bytes_freed;
    fake.resident_bytes -= result.bytes_freed;
    return result;
}

static void tell_usage(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    const cache_t *cache = ctx;

    *usage = (pressure_usage_t){.bytes = cache->bytes,
                                .pinned_bytes = cache->pinned_bytes,
                                .capacity_bytes = FAKE_BUDGET / 2,
                                .evictable_bytes = level >= PRESSURE_CRITICAL ? cache->bytes : 0};
}

/**
 * a random past: readings, failures, a cache that fills, clocks that jump
 */
static void live_at_random(pressure_t *pressure, cache_t *cache, uint64_t *seed)
{
    for (unsigned i = fake_random(seed) % 200; i != 0; --i) {
        fake.sample_fails = fake_random(seed) % 8 == 0;
        fake.now_ms += fake_random(seed) % 20 == 0 ? 100000 : fake_random(seed) % 2000;
        if (fake_random(seed) % 50 == 0)
            fake.now_ms /= 2;
        cache->bytes = fake_random(seed) % 3 == 0 ? fake_random(seed) % 500 * MIB : cache->bytes;
        fake.resident_bytes = cache->bytes + fake_random(seed) % 600 * MIB;
        pressure_step(pressure);
    }
    fake.sample_fails = 0;
}

static void test_there_is_always_a_way_out(void **arg)
{
    (void)arg;
    for (uint64_t seed = 1, round = 0; round < 400; ++round) {
        pressure_t *pressure = fake_create(100);
        cache_t cache = {0};
        pressure_listener_t listener = {.name = "cache", .on_event = clear_cache, .usage = tell_usage, .ctx = &cache};
        pressure_registration_t *registration;
        uint64_t open_after_ms = 0, wait_ms;
        assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
        live_at_random(pressure, &cache, &seed);

        /* a reading that stays, anywhere up to the ceiling, with nothing left to reclaim */
        uint64_t stays_mib = fake_random(&seed) % 1000;
        cache.bytes = 0;
        for (unsigned i = 0; i < 2; ++i)
            wait_ms = fake_step(pressure, 1, stays_mib);
        while (pressure_level(pressure) >= PRESSURE_CRITICAL) {
            wait_ms = fake_step(pressure, wait_ms, stays_mib);
            open_after_ms += wait_ms;
            if (open_after_ms > AFTER_MS + 10000 + 2000)
                fail_msg("shut for ever at %u, round %u", (unsigned)stays_mib, (unsigned)round);
        }

        /* a reading that falls: within the dwell and one period */
        fake_step(pressure, 1, 990);
        fake_step(pressure, 1, 1200);
        assert_int_equal(pressure_level(pressure), PRESSURE_EMERGENCY);
        wait_ms = fake_step(pressure, 25, 600);
        for (open_after_ms = 0; pressure_level(pressure) >= PRESSURE_CRITICAL; open_after_ms += wait_ms)
            wait_ms = fake_step(pressure, wait_ms, 600);
        assert_true(open_after_ms <= 10000 + 1000);
        pressure_unregister(pressure, &registration);
        pressure_destroy(&pressure);
    }
}

/* what it looks like from outside: high is published, nothing is granted, the snapshot and the log say so, once */
static void test_a_released_gate_from_outside(void **arg)
{
    pressure_t *pressure = fake_create(100);
    cache_t cache = {0};
    pressure_listener_t listener = {.name = "cache", .on_event = clear_cache, .usage = tell_usage, .ctx = &cache};
    pressure_registration_t *registration;

    (void)arg;
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    fake_step(pressure, 25, 930);
    for (unsigned i = 1; i < AFTER_MS / 25; ++i)
        fake_step(pressure, 25, 930);
    assert_int_equal(pressure_level(pressure), PRESSURE_CRITICAL);
    unsigned lines = fake.num_lines;
    for (unsigned i = 0; i < 10000 / 25; ++i)
        fake_step(pressure, 25, 930);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    assert_int_equal(fake_snapshot(pressure).level, PRESSURE_HIGH);
    assert_int_equal(fake_snapshot(pressure).gate_released, 1);
    assert_int_equal(fake.num_lines, lines + 1);
    assert_non_null(strstr(fake_last_line(), "nothing is left to reclaim at 93 %"));
    assert_non_null(strstr(fake_last_line(), "930.0 MiB belong to nobody"));
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);

    /* work that holds much memory is no leak: shut again */
    cache.pinned_bytes = 400 * MIB;
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    fake_step(pressure, 25, 930);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    cache.pinned_bytes = 600 * MIB;
    fake_step(pressure, 25, 930);
    fake_step(pressure, 25, 930);
    assert_int_equal(pressure_level(pressure), PRESSURE_CRITICAL);
    assert_int_equal(fake_snapshot(pressure).gate_released, 0);
    cache.pinned_bytes = 0;

    /* a crossing while it is open is told, and shuts it */
    for (unsigned i = 0; i < (AFTER_MS + 12000) / 25; ++i)
        fake_step(pressure, 25, 930);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    uint64_t emergencies = fake_snapshot(pressure).events[PRESSURE_EMERGENCY];
    fake_step(pressure, 25, 955);
    assert_int_equal(pressure_level(pressure), PRESSURE_EMERGENCY);
    assert_int_equal(fake_snapshot(pressure).events[PRESSURE_EMERGENCY], emergencies + 1);

    /* and so do samples that fail: nobody knows whether the conditions hold */
    for (unsigned i = 0; i < (AFTER_MS + 12000) / 25; ++i)
        fake_step(pressure, 25, 955);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    fake.sample_fails = 1;
    fake_step(pressure, 3000, 955);
    assert_int_equal(pressure_level(pressure), PRESSURE_EMERGENCY);
    assert_int_equal(fake_snapshot(pressure).gate_released, 0);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_a_condition_that_fails_shuts),
        cmocka_unit_test(test_a_rise_starts_the_wait_over),
        cmocka_unit_test(test_noise_and_leaks),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_there_is_always_a_way_out),
        cmocka_unit_test(test_a_released_gate_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
