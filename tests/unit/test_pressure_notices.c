/*
 * What the coordinator tells the program of: the same as its snapshot and its lines say.
 */
#include "tests/unit/test_pressure_fake.h"

static struct {
    unsigned count;
    pressure_notice_t notices[64];
    pressure_reclaim_t reclaims[64];
    pressure_level_t seen[64]; /* the level as everybody sees it during the call */
    const pressure_t *pressure;
} heard;

static void hear(void *ctx, const pressure_notice_t *notice)
{
    assert_ptr_equal(ctx, &heard);
    assert_true(heard.count < 64);
    heard.notices[heard.count] = *notice;
    if (notice->reclaim != NULL)
        heard.reclaims[heard.count] = *notice->reclaim;
    heard.seen[heard.count++] = pressure_level(heard.pressure);
    assert_int_equal(notice->reclaim != NULL, notice->kind == PRESSURE_NOTICE_RECLAIM);
    assert_int_equal(notice->budget_bytes, FAKE_BUDGET);
}

static pressure_t *create(pressure_config_t config, uint64_t resident_mib)
{
    memset(&heard, 0, sizeof(heard));
    config.notify = hear;
    config.notify_ctx = &heard;
    fake.resident_bytes = resident_mib * FAKE_MIB;
    pressure_t *pressure = pressure_create(&config);
    assert_non_null(pressure);
    heard.pressure = pressure;
    return pressure;
}

static const pressure_notice_t *expect(unsigned index, pressure_notice_kind_t kind, int is_over)
{
    assert_true(index < heard.count);
    assert_int_equal(heard.notices[index].kind, kind);
    assert_int_equal(heard.notices[index].is_over, is_over);
    return heard.notices + index;
}

static void expect_level(unsigned index, pressure_level_t from, pressure_level_t level, uint64_t reading_mib)
{
    const pressure_notice_t *notice = expect(index, PRESSURE_NOTICE_LEVEL, 0);

    assert_int_equal(notice->from, from);
    assert_int_equal(notice->level, level);
    assert_int_equal(notice->reading_bytes, reading_mib * FAKE_MIB);
    assert_int_equal(notice->resident_bytes, reading_mib * FAKE_MIB);
    assert_int_equal(heard.seen[index], level);
}

static void test_levels(void **arg)
{
    pressure_t *pressure = create(fake_config(), 100);

    (void)arg;
    fake_step(pressure, 100, 690);
    assert_int_equal(heard.count, 0);
    fake_step(pressure, 100, 760);
    expect_level(0, PRESSURE_NORMAL, PRESSURE_DEGRADED, 760);
    fake_step(pressure, 100, 790);
    assert_int_equal(heard.count, 1); /* the same level */
    fake_step(pressure, 100, 910);
    expect_level(1, PRESSURE_DEGRADED, PRESSURE_CRITICAL, 910);
    for (unsigned i = 0; i < 100 && pressure_level(pressure) != PRESSURE_NORMAL; ++i)
        fake_step(pressure, 1000, 500);
    expect_level(2, PRESSURE_CRITICAL, PRESSURE_NORMAL, 500);
    assert_string_equal(fake_last_line(), "pressure: down from critical to normal (50 % of 1000 MiB)");
    assert_int_equal(heard.count, 3);
    pressure_destroy(&pressure);
}

/* the level by the memory cgroup: the reading is more than the resident set */
static int sample_group(void *ctx, pressure_sample_t *sample)
{
    (void)ctx;
    *sample = (pressure_sample_t){fake.resident_bytes, 75, 100};
    return 0;
}

static void test_the_reading_is_the_nearer_one(void **arg)
{
    pressure_config_t config = fake_config();

    (void)arg;
    config.sample = sample_group;
    pressure_t *pressure = create(config, 100);
    fake_step(pressure, 100, 100);
    expect(0, PRESSURE_NOTICE_LEVEL, 0);
    assert_int_equal(heard.notices[0].reading_bytes, 750 * FAKE_MIB);
    assert_int_equal(heard.notices[0].resident_bytes, 100 * FAKE_MIB);
    pressure_destroy(&pressure);
}

static pressure_result_t give(void *ctx, const pressure_event_t *event)
{
    (void)event;
    return (pressure_result_t){*(uint64_t *)ctx, *(uint64_t *)ctx != 0, PRESSURE_DONE};
}

static void test_reclaims(void **arg)
{
    uint64_t gives_bytes = 50 * FAKE_MIB;
    pressure_listener_t listener = {.name = "one", .on_event = give, .ctx = &gives_bytes};
    pressure_registration_t *registration;
    pressure_t *pressure = create(fake_config(), 500);

    (void)arg;
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    fake.purge_returns_bytes = 110 * FAKE_MIB;
    fake.purge_lasts_ms = 12;
    fake_step(pressure, 100, 810);
    expect_level(0, PRESSURE_NORMAL, PRESSURE_HIGH, 810); /* before anything is released */
    assert_int_equal(expect(1, PRESSURE_NOTICE_RECLAIM, 0)->is_poor, 0);
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_memory_equal(&heard.reclaims[1], &snapshot.last_reclaim, sizeof(snapshot.last_reclaim));
    assert_int_equal(heard.reclaims[1].claimed_bytes, 100 * FAKE_MIB);
    assert_int_equal(heard.reclaims[1].resident_after_bytes, 700 * FAKE_MIB);
    assert_int_equal(heard.count, 2);
    gives_bytes = 0;
    fake_step(pressure, 3000, 950); /* emergency is followed by a purge in any case */
    expect_level(2, PRESSURE_HIGH, PRESSURE_EMERGENCY, 950);
    expect(3, PRESSURE_NOTICE_RECLAIM, 0);
    assert_int_equal(heard.count, 4);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

static void test_reclaims_without_effect(void **arg)
{
    uint64_t gives_bytes = 100 * FAKE_MIB;
    pressure_listener_t listener = {.name = "liar", .on_event = give, .ctx = &gives_bytes};
    pressure_registration_t *registration;
    pressure_t *pressure = create(fake_config(), 500);
    unsigned began = 0, ended = 0, poor = 0;

    (void)arg;
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    for (unsigned i = 0; i < 10; ++i)
        fake_step(pressure, 3000, 910);
    assert_true(fake_snapshot(pressure).ineffective);
    for (unsigned i = 0; i < 100 && pressure_level(pressure) != PRESSURE_NORMAL; ++i)
        fake_step(pressure, 3000, 100);
    for (unsigned i = 0; i < heard.count; ++i) {
        began += heard.notices[i].kind == PRESSURE_NOTICE_INEFFECTIVE && !heard.notices[i].is_over;
        ended += heard.notices[i].kind == PRESSURE_NOTICE_INEFFECTIVE && heard.notices[i].is_over;
        poor += heard.notices[i].kind == PRESSURE_NOTICE_RECLAIM && heard.notices[i].is_poor;
    }
    assert_int_equal(began, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(poor, fake_snapshot(pressure).poor_reclaims);
    assert_true(poor >= 2);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

static void test_samples_that_fail(void **arg)
{
    pressure_t *pressure = create(fake_config(), 500);

    (void)arg;
    fake_step(pressure, 100, 500);
    fake.sample_fails = 1;
    fake_step(pressure, 100, 500);
    assert_int_equal(expect(0, PRESSURE_NOTICE_FAILED_SAMPLE, 0)->resident_bytes, 500 * FAKE_MIB);
    fake_step(pressure, 100, 500);
    assert_int_equal(heard.count, 1); /* said once */
    fake_step(pressure, 5000, 500);
    expect_level(1, PRESSURE_NORMAL, PRESSURE_ELEVATED, 500);
    const pressure_notice_t *blind = expect(2, PRESSURE_NOTICE_BLIND, 0);
    assert_int_equal(blind->blind_ms, 5200);
    assert_int_equal(blind->level, PRESSURE_ELEVATED);
    fake_step(pressure, 5000, 500);
    assert_int_equal(heard.count, 3);
    fake.sample_fails = 0;
    fake_step(pressure, 100, 400);
    expect_level(3, PRESSURE_ELEVATED, PRESSURE_NORMAL, 400);
    assert_int_equal(expect(4, PRESSURE_NOTICE_BLIND, 1)->level, PRESSURE_NORMAL);
    expect(5, PRESSURE_NOTICE_FAILED_SAMPLE, 1);
    assert_int_equal(heard.count, 6);
    fake.sample_fails = 1; /* one that recovers before anything is taken for granted */
    fake_step(pressure, 100, 400);
    fake.sample_fails = 0;
    fake_step(pressure, 100, 400);
    expect(6, PRESSURE_NOTICE_FAILED_SAMPLE, 0);
    expect(7, PRESSURE_NOTICE_FAILED_SAMPLE, 1);
    assert_int_equal(heard.count, 8);
    pressure_destroy(&pressure);
}

/* nothing is evictable and nobody accounts for it: hits are answered again, and the level says so */
static void test_unreclaimable(void **arg)
{
    pressure_t *pressure = create(fake_config(), 500);
    uint64_t waited_ms = 0;

    (void)arg;
    fake_step(pressure, 100, 920);
    expect_level(0, PRESSURE_NORMAL, PRESSURE_CRITICAL, 920);
    for (; waited_ms < 120000 && !fake_snapshot(pressure).gate_released; waited_ms += 500)
        fake_step(pressure, 500, 920);
    assert_true(fake_snapshot(pressure).gate_released);
    expect_level(1, PRESSURE_CRITICAL, PRESSURE_HIGH, 920);
    assert_int_equal(expect(2, PRESSURE_NOTICE_UNRECLAIMABLE, 0)->level, PRESSURE_HIGH);
    assert_int_equal(heard.count, 3);
    fake.sample_fails = 1; /* without readings nobody can tell */
    fake_step(pressure, 5000, 920);
    unsigned last = heard.count - 1;
    expect(last, PRESSURE_NOTICE_BLIND, 0);
    expect(last - 1, PRESSURE_NOTICE_UNRECLAIMABLE, 1);
    assert_int_equal(heard.seen[last], fake_snapshot(pressure).level);
    pressure_destroy(&pressure);
}

/* while the watchdog's level stands in, what the coordinator publishes is not what counts */
static void test_nothing_is_said_of_a_level_that_does_not_count(void **arg)
{
    pressure_t *pressure = create(fake_config(), 100);

    (void)arg;
    pressure_stand_in(pressure, 1, PRESSURE_CRITICAL);
    fake_step(pressure, 100, 760);
    assert_int_equal(heard.count, 0);
    pressure_stand_in(pressure, 0, PRESSURE_NORMAL);
    fake_step(pressure, 100, 810);
    expect_level(0, PRESSURE_DEGRADED, PRESSURE_HIGH, 810);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_the_reading_is_the_nearer_one),
        cmocka_unit_test(test_reclaims),
        cmocka_unit_test(test_reclaims_without_effect),
        cmocka_unit_test(test_samples_that_fail),
        cmocka_unit_test(test_unreclaimable),
        cmocka_unit_test(test_nothing_is_said_of_a_level_that_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
