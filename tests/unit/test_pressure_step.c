/*
 * The steps of the coordinator: which events, how often, in which order; reclaim and its record; repetition; failing samples.
 */
#include "test_pressure_fake.h"

typedef struct st_ear_t {
    pressure_t *pressure;
    pressure_registration_t *registration;
    unsigned num_events;
    pressure_event_t events[64];
    unsigned order[64];        /* the place of each call among the calls of all listeners */
    pressure_level_t seen[64]; /* what pressure_level() said during the call */
    uint64_t gives_bytes;      /* at each event from gives_from on */
    pressure_level_t gives_from;
} ear_t;

static unsigned num_calls;

static pressure_result_t hear(void *ctx, const pressure_event_t *event)
{
    ear_t *ear = ctx;
    pressure_result_t result = {0};

    assert_true(ear->num_events < 64);
    ear->events[ear->num_events] = *event;
    ear->order[ear->num_events] = num_calls++;
    ear->seen[ear->num_events++] = pressure_level(ear->pressure);
    if (ear->gives_bytes != 0 && event->level >= ear->gives_from) {
        result.bytes_freed = ear->gives_bytes;
        result.objects_freed = 2;
    }
    return result;
}

static void listen_to(pressure_t *pressure, ear_t *ear, int phase)
{
    pressure_listener_t listener = {.name = "ear", .phase = phase, .on_event = hear, .ctx = ear};

    ear->pressure = pressure;
    assert_int_equal(pressure_register(pressure, &listener, &ear->registration), 0);
}

static void test_jump_is_one_generation(void **arg)
{
    static const pressure_level_t expected[] = {PRESSURE_ELEVATED, PRESSURE_HIGH, PRESSURE_CRITICAL};
    pressure_t *pressure = fake_create(600);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 600);
    assert_int_equal(ear.num_events, 0);
    fake_step(pressure, 100, 930);
    assert_int_equal(ear.num_events, 3);
    for (unsigned i = 0; i < 3; ++i) {
        assert_int_equal(ear.events[i].level, expected[i]);
        assert_int_equal(ear.events[i].final_level, PRESSURE_CRITICAL);
        assert_int_equal(ear.events[i].generation, 1);
        assert_int_equal(ear.events[i].resident_bytes, 930 * FAKE_MIB);
        assert_int_equal(ear.events[i].budget_bytes, FAKE_BUDGET);
        assert_int_equal(ear.seen[i], PRESSURE_CRITICAL); /* published before the first listener */
    }
    fake_step(pressure, 100, 955);
    assert_int_equal(ear.num_events, 4);
    assert_int_equal(ear.events[3].level, PRESSURE_EMERGENCY);
    assert_int_equal(ear.events[3].generation, 2);
    pressure_unregister(pressure, &ear.registration);
    assert_null(ear.registration);
    pressure_destroy(&pressure);
    assert_null(pressure);
}

static void test_degraded_has_no_event(void **arg)
{
    pressure_t *pressure = fake_create(700);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 700);
    fake_step(pressure, 100, 750);
    assert_int_equal(pressure_level(pressure), PRESSURE_DEGRADED);
    assert_int_equal(ear.num_events, 1);
    assert_string_equal(fake_last_line(), "pressure: degraded (75 % of 1000 MiB)");
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.generations, 1);
    assert_int_equal(snapshot.events[PRESSURE_ELEVATED], 1);
    assert_int_equal(snapshot.events[PRESSURE_DEGRADED], 0);
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

/* each event goes to all listeners by (phase, registration) before the next event goes to any */
static void test_order_of_listeners(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t second = {0}, first = {0}, third = {0}, fourth = {0}, zeroth = {0};
    ear_t *const expected[] = {&zeroth, &first, &second, &third, &fourth};

    (void)arg;
    num_calls = 0;
    listen_to(pressure, &second, 1);
    listen_to(pressure, &fourth, 2);
    listen_to(pressure, &third, 1);
    listen_to(pressure, &zeroth, -1);
    listen_to(pressure, &first, 0);
    fake_step(pressure, 100, 800);
    for (unsigned i = 0; i < 5; ++i) {
        assert_int_equal(expected[i]->num_events, 2);
        assert_int_equal(expected[i]->order[0], i);
        assert_int_equal(expected[i]->order[1], 5 + i);
        pressure_unregister(pressure, &expected[i]->registration);
    }
    pressure_destroy(&pressure);
}

static void test_reclaim_is_recorded(void **arg)
{
    pressure_t *pressure = fake_create(500);
    ear_t ear = {.gives_bytes = 50 * FAKE_MIB}, other = {.gives_bytes = 10 * FAKE_MIB};

    (void)arg;
    listen_to(pressure, &ear, 0);
    listen_to(pressure, &other, 1);
    fake.purge_returns_bytes = 110 * FAKE_MIB;
    fake.purge_lasts_ms = 12;
    fake_step(pressure, 100, 810);
    assert_int_equal(fake.num_purges, 1); /* one for two events and two listeners */
    pressure_reclaim_t reclaim = fake_snapshot(pressure).last_reclaim;
    assert_int_equal(reclaim.generation, 1);
    assert_int_equal(reclaim.level, PRESSURE_HIGH);
    assert_int_equal(reclaim.claimed_bytes, 120 * FAKE_MIB);
    assert_int_equal(reclaim.objects, 8);
    assert_int_equal(reclaim.resident_before_bytes, 810 * FAKE_MIB);
    assert_int_equal(reclaim.resident_after_bytes, 700 * FAKE_MIB);
    assert_int_equal(reclaim.duration_ms, 12);
    assert_int_equal(reclaim.at_ms, fake.now_ms);
    assert_int_equal(fake.num_lines, 1);
    assert_string_equal(fake_last_line(), "pressure: high (81 % of 1000 MiB), released 120.0 MiB in 8 objects, "
                                          "resident 810.0 -> 700.0 MiB in 12 ms");
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.resident_bytes, 700 * FAKE_MIB);
    assert_int_equal(snapshot.peak_resident_bytes, 810 * FAKE_MIB);
    assert_int_equal(snapshot.samples, 3);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH); /* no fall without a dwell */
    pressure_unregister(pressure, &ear.registration);
    pressure_unregister(pressure, &other.registration);
    pressure_destroy(&pressure);
}

static void test_nothing_released_nothing_purged(void **arg)
{
    pressure_t *pressure = fake_create(500);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 930);
    assert_int_equal(fake.num_purges, 0);
    assert_int_equal(fake_snapshot(pressure).last_reclaim.at_ms, 0);
    assert_string_equal(fake_last_line(), "pressure: critical (93 % of 1000 MiB), nothing to release");
    fake_step(pressure, 100, 950);
    assert_int_equal(fake.num_purges, 1); /* but emergency purges in any case */
    fake_step(pressure, 1000, 950);
    assert_int_equal(ear.num_events, 5);
    assert_int_equal(fake.num_purges, 1); /* once, not at each repetition */
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

static pressure_result_t give_and_break_the_meter(void *ctx, const pressure_event_t *event)
{
    (void)ctx;
    (void)event;
    fake.sample_fails = 1;
    return (pressure_result_t){.bytes_freed = FAKE_MIB, .objects_freed = 1};
}

static void test_sample_after_a_reclaim_fails(void **arg)
{
    pressure_t *pressure = fake_create(500);
    pressure_listener_t listener = {.name = "breaker", .on_event = give_and_break_the_meter};
    pressure_registration_t *registration;

    (void)arg;
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    fake_step(pressure, 100, 720);
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.failed_samples, 1);
    assert_int_equal(snapshot.last_reclaim.resident_after_bytes, 720 * FAKE_MIB); /* nothing is proved to have gone */
    assert_int_equal(snapshot.resident_bytes, 720 * FAKE_MIB);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

/* the pauses: 10 s at elevated, 2 s at high and critical, 1 s at emergency, counted from the end of the last reclaim */
static void test_a_level_that_persists_is_repeated(void **arg)
{
    static const struct {
        uint64_t resident_mib, pause_ms;
        pressure_level_t level;
        unsigned first_events;
    } rows[] = {{700, 10000, PRESSURE_ELEVATED, 1},
                {760, 10000, PRESSURE_ELEVATED, 1},
                {800, 2000, PRESSURE_HIGH, 2},
                {900, 2000, PRESSURE_CRITICAL, 3},
                {950, 1000, PRESSURE_EMERGENCY, 4}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_t *pressure = fake_create(500);
        ear_t ear = {.gives_bytes = FAKE_MIB};
        listen_to(pressure, &ear, 0);
        fake.purge_lasts_ms = 300;
        fake_step(pressure, 100, rows[i].resident_mib);
        assert_int_equal(ear.num_events, rows[i].first_events);
        for (unsigned n = 1; n <= 3; ++n) {
            fake_step(pressure, rows[i].pause_ms - 1, rows[i].resident_mib);
            assert_int_equal(ear.num_events, rows[i].first_events + n - 1);
            fake_step(pressure, 1, rows[i].resident_mib);
            assert_int_equal(ear.num_events, rows[i].first_events + n);
            assert_int_equal(ear.events[ear.num_events - 1].level, rows[i].level);
            assert_int_equal(ear.events[ear.num_events - 1].generation, 1 + n);
        }
        assert_non_null(strstr(fake_last_line(), " still ("));
        pressure_unregister(pressure, &ear.registration);
        pressure_destroy(&pressure);
    }
}

static void test_no_repetition_below_the_mark(void **arg)
{
    pressure_t *pressure = fake_create(500);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 910);
    assert_int_equal(ear.num_events, 3);
    for (unsigned i = 0; i < 24; ++i)
        fake_step(pressure, 1000, 869); /* critical stands, its mark is not reached, nor may high be told every second */
    assert_int_equal(pressure_level(pressure), PRESSURE_CRITICAL);
    assert_int_equal(ear.events[3].level, PRESSURE_HIGH);
    assert_int_equal(ear.num_events, 3 + 12);
    unsigned lines = fake.num_lines;
    for (unsigned i = 0; i < 60; ++i)
        fake_step(pressure, 1000, 690);
    assert_int_equal(ear.num_events, 15);
    assert_int_equal(pressure_level(pressure), PRESSURE_ELEVATED);
    assert_int_equal(fake.num_lines, lines + 1);
    assert_string_equal(fake_last_line(), "pressure: down from critical to elevated (69 % of 1000 MiB)");
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

static void test_repetition_survives_a_clock_set_back(void **arg)
{
    pressure_t *pressure = fake_create(500);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 900);
    fake.now_ms = 50;
    pressure_step(pressure);
    assert_int_equal(ear.num_events, 3);
    fake_step(pressure, 2000, 900);
    assert_int_equal(ear.num_events, 4);
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

static void test_failing_samples(void **arg)
{
    static const struct {
        uint64_t resident_mib;
        pressure_level_t level, stale_level;
    } rows[] = {{100, PRESSURE_NORMAL, PRESSURE_ELEVATED},   {700, PRESSURE_ELEVATED, PRESSURE_DEGRADED},
                {750, PRESSURE_DEGRADED, PRESSURE_HIGH},     {800, PRESSURE_HIGH, PRESSURE_HIGH},
                {900, PRESSURE_CRITICAL, PRESSURE_CRITICAL}, {950, PRESSURE_EMERGENCY, PRESSURE_EMERGENCY}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_t *pressure = fake_create(100);
        fake_step(pressure, 100, rows[i].resident_mib);
        unsigned lines = fake.num_lines;
        uint64_t generations = fake_snapshot(pressure).generations;
        fake.sample_fails = 1;
        assert_true(fake_step(pressure, 1000, 0) <= 250);
        fake_step(pressure, 1999, 0);
        assert_int_equal(pressure_level(pressure), rows[i].level);
        assert_int_equal(fake.num_lines, lines + 1);
        fake_step(pressure, 1, 0);
        assert_int_equal(pressure_level(pressure), rows[i].stale_level);
        assert_int_equal(fake_snapshot(pressure).level, rows[i].stale_level);
        for (unsigned n = 0; n < 50; ++n)
            fake_step(pressure, 1000, 0);
        assert_int_equal(pressure_level(pressure), rows[i].stale_level); /* one level, not one per step; and no fall */
        assert_int_equal(fake.num_lines, lines + 2);
        assert_int_equal(fake_snapshot(pressure).failed_samples, 53);
        assert_int_equal(fake_snapshot(pressure).resident_bytes, rows[i].resident_mib * FAKE_MIB);
        assert_int_equal(fake_snapshot(pressure).generations, generations);
        fake.sample_fails = 0;
        fake_step(pressure, 100, rows[i].resident_mib);
        assert_int_equal(pressure_level(pressure), rows[i].level);
        pressure_destroy(&pressure);
    }
}

static void test_a_failed_sample_breaks_a_dwell(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    fake_step(pressure, 100, 800);
    fake_step(pressure, 100, 100);
    fake.sample_fails = 1;
    fake_step(pressure, 2000, 0);
    fake.sample_fails = 0;
    fake_step(pressure, 2000, 100);
    fake_step(pressure, 4999, 100);
    assert_int_equal(pressure_level(pressure), PRESSURE_HIGH);
    fake_step(pressure, 1, 100);
    assert_int_equal(pressure_level(pressure), PRESSURE_NORMAL);
    pressure_destroy(&pressure);
}

static void test_periods(void **arg)
{
    static const struct {
        unsigned permille;
        pressure_level_t level;
        uint64_t period_ms;
    } rows[] = {{0, PRESSURE_NORMAL, 1000},   {599, PRESSURE_NORMAL, 1000},   {600, PRESSURE_NORMAL, 250},
                {699, PRESSURE_NORMAL, 250},  {700, PRESSURE_ELEVATED, 100},  {849, PRESSURE_HIGH, 100},
                {850, PRESSURE_HIGH, 25},     {2000, PRESSURE_EMERGENCY, 25}, {100, PRESSURE_CRITICAL, 250},
                {100, PRESSURE_ELEVATED, 250}};
    pressure_config_t config = fake_config();

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(pressure_period_ms(&config.tuning, rows[i].permille * 1000, 1000000, rows[i].level), rows[i].period_ms);
    pressure_t *pressure = fake_create(100);
    assert_int_equal(fake_step(pressure, 100, 100), 1000);
    assert_int_equal(fake_step(pressure, 100, 860), 25);
    pressure_destroy(&pressure);
}

static pressure_result_t step_again(void *ctx, const pressure_event_t *event)
{
    (void)event;
    pressure_step(ctx);
    return (pressure_result_t){0};
}

static void test_a_step_inside_a_step_does_nothing(void **arg)
{
    pressure_t *pressure = fake_create(100);
    pressure_listener_t listener = {.name = "again", .on_event = step_again, .ctx = pressure};
    pressure_registration_t *registration;

    (void)arg;
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    fake_step(pressure, 100, 930);
    assert_int_equal(fake_snapshot(pressure).samples, 2);
    assert_int_equal(fake_snapshot(pressure).generations, 1);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
}

static void test_a_wish_for_room_names_what_is_missing(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 600);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 300 * FAKE_MIB), PRESSURE_NOT_NOW);
    fake_step(pressure, 100, 600);
    assert_int_equal(ear.num_events, 0); /* a refusal alone asks for nothing */

    pressure_note_wish(pressure, 250 * FAKE_MIB);
    pressure_note_wish(pressure, 300 * FAKE_MIB);
    pressure_note_wish(pressure, 1 * FAKE_MIB);
    fake.purge_returns_bytes = 100 * FAKE_MIB;
    fake_step(pressure, 100, 600);
    assert_int_equal(ear.num_events, 1); /* the largest wish counts, once */
    assert_int_equal(ear.events[0].level, PRESSURE_ELEVATED);
    assert_int_equal(ear.events[0].final_level, PRESSURE_ELEVATED);
    assert_int_equal(ear.events[0].wanted_bytes, 100 * FAKE_MIB);
    assert_int_equal(fake.num_purges, 1); /* even though the listener had nothing */
    assert_int_equal(fake_snapshot(pressure).events[PRESSURE_ELEVATED], 0);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 300 * FAKE_MIB), PRESSURE_OK);
    pressure_release(pressure, PRESSURE_CLASS_DECODE, 300 * FAKE_MIB);
    fake_step(pressure, 1000, 500);
    assert_int_equal(ear.num_events, 1); /* the wish is forgotten */
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

static void test_wishes_pause_and_need_a_shortage(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t ear = {0};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 600);
    pressure_note_wish(pressure, 200 * FAKE_MIB);
    fake_step(pressure, 100, 600);
    assert_int_equal(ear.num_events, 0); /* it would be granted as it is */
    for (unsigned i = 0; i < 10; ++i) {
        pressure_note_wish(pressure, 300 * FAKE_MIB);
        fake_step(pressure, 10, 600);
    }
    assert_int_equal(ear.num_events, 2); /* 100 ms of wishes, at most one each 50 ms */
    pressure_unregister(pressure, &ear.registration);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jump_is_one_generation),
        cmocka_unit_test(test_degraded_has_no_event),
        cmocka_unit_test(test_order_of_listeners),
        cmocka_unit_test(test_reclaim_is_recorded),
        cmocka_unit_test(test_nothing_released_nothing_purged),
        cmocka_unit_test(test_sample_after_a_reclaim_fails),
        cmocka_unit_test(test_a_level_that_persists_is_repeated),
        cmocka_unit_test(test_no_repetition_below_the_mark),
        cmocka_unit_test(test_repetition_survives_a_clock_set_back),
        cmocka_unit_test(test_failing_samples),
        cmocka_unit_test(test_a_failed_sample_breaks_a_dwell),
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_a_step_inside_a_step_does_nothing),
        cmocka_unit_test(test_a_wish_for_room_names_what_is_missing),
        cmocka_unit_test(test_wishes_pause_and_need_a_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
