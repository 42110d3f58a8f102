/*
 * The watchdog: its decision as a table of checks, over a fake clock; and its thread beside a coordinator that hangs in a listener.
 */
#include <sched.h>
#include <semaphore.h>
#include "test_pressure_fake.h"
#include "pressure/watchdog.h"
#include "module/clock.h"

#define DEADLINE_MS 5000

enum { HEALTHY = 0, STANDS_IN = 1, FLUSHES = 2, SAYS_FAILURE = 4, SAYS_RECOVERY = 8, PROVES = 16, KICKS = 32 };

typedef struct st_row_t {
    uint64_t after_ms;
    uint64_t steps;               /* that the coordinator has ended since the last check */
    int reading_permille;         /* < 0: it fails */
    pressure_level_t published;   /* by the coordinator */
    unsigned critical, emergency; /* events told since the last check */
    int actions;
    pressure_level_t stand_in_level;
} row_t;

static pressure_watchdog_rules_t make_rules(void)
{
    return (pressure_watchdog_rules_t){.levels = {.mark_permille = {0, 700, 750, 800, 900, 950},
                                                  .down_gap_permille = 50,
                                                  .dwell_ms = 5000,
                                                  .dwell_critical_ms = 10000},
                                       .deadline_ms = DEADLINE_MS};
}

static int flags_of(const pressure_watchdog_actions_t *actions)
{
    return (actions->stand_in ? STANDS_IN : 0) | (actions->flush ? FLUSHES : 0) | (actions->say_failure ? SAYS_FAILURE : 0) |
           (actions->say_recovery ? SAYS_RECOVERY : 0) | (actions->say_proof != PRESSURE_NORMAL ? PROVES : 0) |
           (actions->kick ? KICKS : 0);
}

/**
 * one check per row. Returns the number of failures that began.
 */
static unsigned run_rows(const row_t *rows, size_t num_rows)
{
    pressure_watchdog_rules_t rules = make_rules();
    pressure_watchdog_state_t state = {0};
    pressure_watchdog_view_t view = {.budget_bytes = 1000000};
    uint64_t now_ms = 1000000;
    unsigned began = 0;

    for (size_t i = 0; i < num_rows; ++i) {
        const row_t *row = rows + i;
        now_ms += row->after_ms;
        view.steps_ended += row->steps;
        view.has_reading = row->reading_permille >= 0;
        view.reading_bytes = view.has_reading ? (uint64_t)row->reading_permille * 1000 : 0;
        view.published = row->published;
        view.events[PRESSURE_CRITICAL] += row->critical;
        view.events[PRESSURE_EMERGENCY] += row->emergency;
        pressure_watchdog_actions_t actions = pressure_watchdog_decide(&rules, &state, &view, now_ms);
        if (flags_of(&actions) != row->actions)
            fail_msg("row %zu: %d, not %d", i, flags_of(&actions), row->actions);
        if (actions.stand_in && actions.stand_in_level != row->stand_in_level)
            fail_msg("row %zu: level %d, not %d", i, actions.stand_in_level, row->stand_in_level);
        began += actions.began;
    }
    return began;
}
#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof(rows[0]))

#define NO PRESSURE_NORMAL
#define HI PRESSURE_HIGH
#define CR PRESSURE_CRITICAL
#define EM PRESSURE_EMERGENCY

static void test_nothing_to_do(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},    {1000, 1, 500, NO, 0, 0, HEALTHY, NO}, {1000, 1, 790, NO, 0, 0, KICKS, NO},
        {1000, 9, 850, HI, 0, 0, HEALTHY, NO}, {1000, 9, -1, HI, 0, 0, HEALTHY, NO},  {60000, 1, 500, NO, 0, 0, HEALTHY, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 0);
}

/* told within the deadline, be it before the watchdog's own look or after it: proved, not more than once a minute */
static void test_coordination_works(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},      {1000, 40, 920, CR, 1, 0, PROVES, NO}, /* it was faster */
        {1000, 40, 920, CR, 1, 0, HEALTHY, NO},                                         /* told again */
        {1000, 40, 960, CR, 0, 0, KICKS, NO},                                           /* the watchdog is faster */
        {1000, 40, 960, EM, 0, 1, PROVES, NO},                                          /* worse than what was said */
        {1000, 40, 940, EM, 0, 0, HEALTHY, NO},  {20000, 40, 500, NO, 0, 0, HEALTHY, NO}, {10000, 40, 500, NO, 0, 0, HEALTHY, NO},
        {10000, 40, 500, NO, 0, 0, HEALTHY, NO}, {1000, 40, 920, CR, 1, 0, HEALTHY, NO},  {30000, 40, 500, NO, 2, 0, PROVES, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 0);
}

static void test_it_hangs(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 1, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 0, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 0, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 0, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 0, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 0, 500, NO, 0, 0, STANDS_IN | SAYS_FAILURE, NO},
        {1000, 0, 850, NO, 0, 0, STANDS_IN | SAYS_FAILURE | KICKS, HI}, /* the level is the watchdog's */
        {1000, 0, 850, NO, 0, 0, STANDS_IN, HI},
        {1000, 0, 910, NO, 0, 0, STANDS_IN | SAYS_FAILURE | KICKS, CR},
        {1000, 0, 960, NO, 0, 0, STANDS_IN | SAYS_FAILURE | KICKS | FLUSHES, EM},
        {1000, 0, 960, NO, 0, 0, STANDS_IN, EM},
        {4000, 0, 960, NO, 0, 0, STANDS_IN | FLUSHES, EM}, /* once per deadline */
        {1000, 0, -1, NO, 0, 0, STANDS_IN, EM},            /* and without a reading it stays */
        {1000, 0, 400, NO, 0, 0, STANDS_IN, EM},           /* down only after the dwell, */
        {9000, 0, 400, NO, 0, 0, STANDS_IN, EM},
        {1000, 0, 400, NO, 0, 0, STANDS_IN, NO}, /* but down: the gate has an exit */
        {1000, 1, 400, NO, 0, 0, SAYS_RECOVERY, NO},
        {1000, 1, 400, NO, 0, 0, HEALTHY, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 1);
}

/* what the coordinator published before it hung does not shut the gate for ever either */
static void test_it_hangs_at_critical(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},      {1000, 1, 920, CR, 1, 0, PROVES, NO},
        {1000, 0, 400, CR, 0, 0, HEALTHY, NO},   {1000, 0, 400, CR, 0, 0, HEALTHY, NO},
        {1000, 0, 400, CR, 0, 0, HEALTHY, NO},   {2000, 0, 400, CR, 0, 0, STANDS_IN | SAYS_FAILURE, CR},
        {6000, 0, 400, CR, 0, 0, STANDS_IN, NO}, {1000, 1, 400, NO, 0, 0, SAYS_RECOVERY, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 1);
}

/* it steps, but its readings are wrong, or it tells nobody */
static void test_it_does_not_tell(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},      {1000, 1, 920, NO, 0, 0, KICKS, NO},
        {4000, 4, 920, NO, 0, 0, HEALTHY, NO},   {1000, 1, 920, NO, 0, 0, STANDS_IN | SAYS_FAILURE, CR},
        {1000, 1, 890, NO, 0, 0, STANDS_IN, CR}, /* noise below the mark is no recovery */
        {1000, 1, 920, NO, 0, 0, STANDS_IN, CR}, {1000, 1, 920, CR, 1, 0, SAYS_RECOVERY | PROVES, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 1);
}

/* the level is published and falls short of critical, as no event was told: emergency after critical */
static void test_emergency_is_not_told(void **arg)
{
    static const row_t rows[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 9, 920, CR, 1, 0, PROVES, NO},
        {1000, 9, 970, CR, 0, 0, KICKS, NO},
        {5000, 9, 970, CR, 0, 0, STANDS_IN | SAYS_FAILURE | FLUSHES, EM},
        {1000, 9, 970, EM, 0, 1, SAYS_RECOVERY | PROVES, NO},
        {1000, 9, 970, EM, 0, 0, HEALTHY, NO},
    };

    (void)arg;
    assert_int_equal(RUN(rows), 1);
}

/* a gate that the coordinator has released, and readings that pass a mark now and then, are no failures */
static void test_what_is_no_failure(void **arg)
{
    static const row_t released[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},    {1000, 9, 920, CR, 1, 0, PROVES, NO},   {30000, 9, 920, HI, 0, 0, HEALTHY, NO},
        {1000, 9, 920, HI, 0, 0, HEALTHY, NO}, {10000, 9, 920, HI, 0, 0, HEALTHY, NO}, {1000, 9, 880, HI, 0, 0, HEALTHY, NO},
        {1000, 9, 920, HI, 0, 0, HEALTHY, NO}, {10000, 9, 920, HI, 0, 0, HEALTHY, NO},
    };
    /* the coordinator's dwell ends before the watchdog's */
    static const row_t falls[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},    {1000, 9, 920, CR, 1, 0, PROVES, NO},  {1000, 9, 920, CR, 0, 0, HEALTHY, NO},
        {9000, 9, 500, NO, 0, 0, HEALTHY, NO}, {1000, 9, 500, NO, 0, 0, HEALTHY, NO}, {9000, 9, 500, NO, 0, 0, HEALTHY, NO},
    };
    /* the whole process was stopped, or the clock jumped */
    static const row_t stopped[] = {
        {0, 1, 500, NO, 0, 0, HEALTHY, NO},
        {600000, 0, 500, NO, 0, 0, HEALTHY, NO},
        {1000, 9, 500, NO, 0, 0, HEALTHY, NO},
    };

    (void)arg;
    assert_int_equal(RUN(released), 0);
    assert_int_equal(RUN(falls), 0);
    assert_int_equal(RUN(stopped), 0);
}

/* whatever happens: never a stand-in while the coordinator steps and is where the readings are; no flush below emergency */
static void test_random_walk(void **arg)
{
    pressure_watchdog_rules_t rules = make_rules();
    pressure_watchdog_state_t state = {0};
    pressure_watchdog_view_t view = {.budget_bytes = 1000000};
    pressure_level_state_t coordinator = {0};
    uint64_t seed = 7, now_ms = 1000000, flushed_ms = 0;
    unsigned hangs = 0, flushes = 0, stand_ins = 0;

    (void)arg;
    for (unsigned i = 0; i < 300000; ++i) {
        if (fake_random(&seed) % 200 == 0)
            hangs = fake_random(&seed) % 3 ? 0 : 1;
        now_ms += 1000;
        int drift = (int)(fake_random(&seed) % 81) - 40;
        int64_t reading = (int64_t)view.reading_bytes + drift * 1000;
        view.reading_bytes = (uint64_t)(reading < 600000 ? 600000 : reading > 1000000 ? 1000000 : reading);
        view.has_reading = fake_random(&seed) % 20 != 0;
        if (!hangs) {
            ++view.steps_ended;
            unsigned crossed = pressure_level_step(&rules.levels, &coordinator, view.reading_bytes, view.budget_bytes, now_ms);
            for (pressure_level_t level = PRESSURE_NORMAL; level < PRESSURE_NUM_LEVELS; ++level)
                view.events[level] += crossed >> level & 1;
            view.published = coordinator.level;
        }
        pressure_watchdog_actions_t actions = pressure_watchdog_decide(&rules, &state, &view, now_ms);
        stand_ins += (unsigned)actions.stand_in;
        flushes += (unsigned)actions.flush;
        assert_false(!hangs && actions.stand_in);
        assert_false(actions.flush && (!actions.stand_in || actions.stand_in_level < PRESSURE_EMERGENCY));
        assert_false(actions.flush && flushed_ms != 0 && now_ms - flushed_ms < DEADLINE_MS);
        if (actions.flush)
            flushed_ms = now_ms;
    }
    assert_true(stand_ins > 1000 && flushes > 10);
}

/* --- beside a coordinator, whose listener hangs */

static struct {
    sem_t entered, leave;
    atomic_uint flushes, said_hang, said_again;
    _Atomic uint64_t resident_bytes;
    atomic_int stuck;
    /* of the notices, all by the watchdog's thread */
    pressure_level_t level;
    unsigned level_changes, hangs_began, hangs_ended, flushed, others;
} world;

static int sample_world(void *ctx, pressure_sample_t *sample)
{
    (void)ctx;
    sample->resident_bytes = atomic_load(&world.resident_bytes);
    return 0;
}

static pressure_result_t hang(void *ctx, const pressure_event_t *event)
{
    (void)ctx;
    (void)event;
    if (atomic_exchange(&world.stuck, 0)) {
        sem_post(&world.entered);
        sem_wait(&world.leave);
    }
    return (pressure_result_t){0};
}

static void note_flush(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&world.flushes, 1);
}

static void note_line(void *ctx, const char *line)
{
    (void)ctx;
    if (strstr(line, "has not stepped") != NULL && strstr(line, "in listener stuck") != NULL)
        atomic_fetch_add(&world.said_hang, 1);
    if (strstr(line, "works again") != NULL)
        atomic_fetch_add(&world.said_again, 1);
}

/* the levels of the notices are a chain, from the one that counted before the watchdog stood in */
static void note_notice(void *ctx, const pressure_notice_t *notice)
{
    assert_ptr_equal(ctx, &world);
    if (notice->kind == PRESSURE_NOTICE_LEVEL) {
        assert_int_equal(notice->from, world.level);
        assert_int_not_equal(notice->from, notice->level);
        world.level = notice->level;
        ++world.level_changes;
    } else if (notice->kind == PRESSURE_NOTICE_HANGS) {
        ++*(notice->is_over ? &world.hangs_ended : &world.hangs_began);
    } else if (notice->kind == PRESSURE_NOTICE_FLUSHED) {
        assert_int_equal(notice->level, PRESSURE_EMERGENCY);
        ++world.flushed;
    } else {
        ++world.others;
    }
}

static void wait_for_level(const pressure_t *pressure, pressure_level_t level)
{
    uint64_t began_ms = sluice_exact_ms();

    while (pressure_level(pressure) != level) {
        assert_true(sluice_exact_ms() - began_ms < 20000);
        sched_yield();
    }
}

static void test_the_gate_closes_although_a_listener_hangs(void **arg)
{
    pressure_config_t config = fake_config();
    pressure_listener_t listener = {.name = "stuck", .phase = 1, .on_event = hang};
    pressure_registration_t *registration;
    pressure_watchdog_counts_t counts;
    pressure_snapshot_t snapshot;

    (void)arg;
    sem_init(&world.entered, 0, 0);
    sem_init(&world.leave, 0, 0);
    world.stuck = 1;
    world.level = PRESSURE_ELEVATED;
    world.resident_bytes = 100 * FAKE_MIB;
    config.sample = sample_world;
    config.now_ms = sluice_exact_ms;
    config.log = NULL;
    config.purge = NULL;
    config.dwell_ms = config.dwell_critical_ms = 100;
    pressure_t *pressure = pressure_create(&config);
    assert_non_null(pressure);
    assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
    pressure_watchdog_config_t dog_config = {.pressure = pressure,
                                             .sample = sample_world,
                                             .now_ms = sluice_exact_ms,
                                             .period_ms = 5,
                                             .deadline_ms = 300,
                                             .flush = note_flush,
                                             .log = note_line,
                                             .notify = note_notice,
                                             .notify_ctx = &world};
    pressure_watchdog_t *watchdog = pressure_watchdog_create(&dog_config);
    assert_non_null(watchdog);
    assert_int_equal(pressure_start(pressure), 0);
    world.resident_bytes = 710 * FAKE_MIB;
    pressure_kick(pressure);
    sem_wait(&world.entered); /* the coordinator is in the listener, and stays there */
    assert_int_equal(pressure_level(pressure), PRESSURE_ELEVATED);
    assert_int_equal(pressure_watchdog_start(watchdog), 0);
    world.resident_bytes = 920 * FAKE_MIB;
    wait_for_level(pressure, PRESSURE_CRITICAL);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    pressure_get_snapshot(pressure, &snapshot);
    assert_int_equal(snapshot.level, PRESSURE_CRITICAL);
    assert_int_equal(snapshot.events[PRESSURE_CRITICAL], 0);
    assert_int_equal(world.flushes, 0);
    world.resident_bytes = 970 * FAKE_MIB;
    wait_for_level(pressure, PRESSURE_EMERGENCY);
    while (atomic_load(&world.flushes) == 0)
        sched_yield();
    world.resident_bytes = 100 * FAKE_MIB; /* the gate opens again, though the coordinator hangs still */
    wait_for_level(pressure, PRESSURE_NORMAL);
    pressure_watchdog_get_counts(watchdog, &counts);
    assert_int_equal(counts.failures, 1);
    assert_true(counts.stands_in && counts.interventions >= 2 && counts.checks > 2);
    assert_true(world.said_hang >= 1);
    world.resident_bytes = 710 * FAKE_MIB;
    sem_post(&world.leave);
    while (atomic_load(&world.said_again) == 0)
        sched_yield();
    wait_for_level(pressure, PRESSURE_ELEVATED); /* and this is the coordinator's own again */
    pressure_watchdog_get_counts(watchdog, &counts);
    assert_int_equal(counts.failures, 1);
    assert_false(counts.stands_in);
    pressure_watchdog_destroy(&watchdog);
    assert_int_equal(world.level, PRESSURE_ELEVATED);
    assert_true(world.level_changes >= 4);
    assert_true(world.hangs_began == 1 && world.hangs_ended == 1 && world.others == 0);
    assert_int_equal(world.flushed, world.flushes);
    pressure_unregister(pressure, &registration);
    pressure_destroy(&pressure);
    sem_destroy(&world.entered);
    sem_destroy(&world.leave);
}

/* the line that validates: made by the real coordinator, in the fake world */
static void test_it_says_what_came_of_it(void **arg)
{
    pressure_t *pressure = fake_create(500);
    pressure_watchdog_config_t config = {.pressure = pressure,
                                         .sample = fake_sample,
                                         .now_ms = fake_now_ms,
                                         .period_ms = 1000,
                                         .deadline_ms = DEADLINE_MS,
                                         .log = fake_log};
    pressure_watchdog_t *watchdog = pressure_watchdog_create(&config);

    (void)arg;
    assert_non_null(watchdog);
    fake_step(pressure, 1000, 500);
    pressure_watchdog_check(watchdog);
    assert_int_equal(fake.num_lines, 0);
    fake_step(pressure, 1000, 920);
    pressure_watchdog_check(watchdog);
    assert_string_equal(fake_last_line(), "watchdog: at critical: told, nothing to release");
    fake.purge_returns_bytes = 300 * FAKE_MIB;
    fake.purge_lasts_ms = 40;
    fake_step(pressure, 1000, 960); /* emergency is followed by a purge even if no listener has anything */
    pressure_watchdog_check(watchdog);
    assert_string_equal(fake_last_line(), "watchdog: at emergency: told in 40 ms, 0.0 MiB released, resident 960.0 -> 660.0 MiB");
    pressure_watchdog_destroy(&watchdog);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_coordination_works),
        cmocka_unit_test(test_it_hangs),
        cmocka_unit_test(test_it_hangs_at_critical),
        cmocka_unit_test(test_it_does_not_tell),
        cmocka_unit_test(test_emergency_is_not_told),
        cmocka_unit_test(test_what_is_no_failure),
        cmocka_unit_test(test_random_walk),
        cmocka_unit_test(test_the_gate_closes_although_a_listener_hangs),
        cmocka_unit_test(test_it_says_what_came_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
