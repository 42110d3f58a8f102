/*
 * Episodes: slices of time and turns, the verdict on a reclaim and the back-off, repetitions that cannot help, the records; and a
 * random walk under which the promises about events must hold.
 */
#include "test_pressure_fake.h"

#define MIB FAKE_MIB

/* --- the verdict, as a table */

static void test_verdicts(void **arg)
{
    static const struct {
        uint64_t claimed_mib, before_mib, after_mib, granted_mib;
        int failed, poor;
        uint64_t poor_in_row; /* after one poor one before */
    } rows[] = {
        {100, 800, 750, 0, 0, 0, 0},                                /* half came back */
        {100, 800, 751, 0, 0, 1, 2},  {100, 800, 900, 0, 0, 1, 2},  /* grew meanwhile */
        {100, 800, 780, 30, 0, 0, 0}, {100, 800, 780, 29, 0, 1, 2}, /* ... by what was granted */
        {9, 800, 800, 0, 0, 0, 1},                                  /* too little to tell: nothing changes */
        {10, 800, 800, 0, 0, 1, 2},                                 /* a hundredth of the budget */
        {0, 800, 800, 0, 0, 0, 1},    {0, 800, 800, 0, 1, 1, 2},    /* nothing, because there was nothing; because it failed */
        {100, 800, 700, 0, 1, 0, 0},                                /* one failed, the others did enough */
    };
    pressure_config_t config = fake_config();

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_backoff_t backoff = {.poor_in_row = 1};
        pressure_outcome_t outcome = {.claimed_bytes = rows[i].claimed_mib * MIB,
                                      .before_bytes = rows[i].before_mib * MIB,
                                      .after_bytes = rows[i].after_mib * MIB,
                                      .granted_bytes = rows[i].granted_mib * MIB,
                                      .budget_bytes = FAKE_BUDGET,
                                      .failed = rows[i].failed};
        int poor = pressure_backoff_judge(&config.tuning, &backoff, &outcome);
        if (poor != rows[i].poor || backoff.poor_in_row != rows[i].poor_in_row || backoff.ineffective != rows[i].poor)
            fail_msg("row %zu: %d, %llu in a row", i, poor, (unsigned long long)backoff.poor_in_row);
    }
}

static void test_pauses_double(void **arg)
{
    static const uint64_t pauses_ms[] = {0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    pressure_config_t config = fake_config();
    pressure_outcome_t poor = {.claimed_bytes = 100 * MIB, .before_bytes = MIB, .after_bytes = MIB, .budget_bytes = FAKE_BUDGET};
    pressure_outcome_t good = poor;
    pressure_backoff_t backoff = {0};

    (void)arg;
    good.before_bytes = 101 * MIB;
    for (unsigned round = 0; round < 2; ++round) {
        for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); ++i) {
            pressure_backoff_judge(&config.tuning, &backoff, &poor);
            assert_int_equal(backoff.pause_ms, pauses_ms[i]);
            assert_int_equal(backoff.ineffective, i >= 1);
        }
        pressure_backoff_judge(&config.tuning, &backoff, &good);
        assert_int_equal(backoff.pause_ms, 0);
        assert_int_equal(backoff.ineffective, 0);
    }
}

/* --- listeners that work in slices */

typedef struct st_worker_t {
    pressure_registration_t *registration;
    unsigned batches;       /* left to do */
    uint64_t batch_ms;      /* each lasts so long */
    int stuck, fails, mute; /* asks for more without progress; fails; cannot tell its usage */
    unsigned num_calls, num_levels[PRESSURE_NUM_LEVELS];
    char mark;
} worker_t;

static char turns[256];

static pressure_result_t work(void *ctx, const pressure_event_t *event)
{
    worker_t *worker = ctx;
    pressure_result_t result = {0};
    size_t len = strlen(turns);

    assert_true(len + 1 < sizeof(turns));
    turns[len] = worker->mark;
    ++worker->num_calls;
    ++worker->num_levels[event->level];
    if (worker->fails)
        return (pressure_result_t){.status = PRESSURE_FAILED};
    while (worker->batches != 0 && !worker->stuck) {
        --worker->batches;
        fake.now_ms += worker->batch_ms;
        result.bytes_freed += MIB;
        ++result.objects_freed;
        if (fake.now_ms >= event->deadline_ms)
            break;
    }
    result.status = worker->batches != 0 ? PRESSURE_MORE : PRESSURE_DONE;
    return result;
}

static void tell_usage(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    const worker_t *worker = ctx;

    (void)level;
    usage->bytes = usage->evictable_bytes = worker->batches * MIB;
}

static void employ(pressure_t *pressure, worker_t *worker, char mark, int phase)
{
    pressure_listener_t listener = {
        .name = "worker", .phase = phase, .on_event = work, .usage = worker->mute ? NULL : tell_usage, .ctx = worker};

    memset(turns, 0, sizeof(turns));
    worker->mark = mark;
    assert_int_equal(pressure_register(pressure, &listener, &worker->registration), 0);
}

/* the slice is 20 ms: all have their turn before one has its next, until all are done */
static void test_listeners_take_turns(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 10, .batch_ms = 5}, b = {.batches = 3, .batch_ms = 30}, c = {.batches = 1, .batch_ms = 1};
    worker_t d = {.batches = 7, .stuck = 1};

    (void)arg;
    employ(pressure, &c, 'c', 2);
    employ(pressure, &a, 'a', 0);
    employ(pressure, &b, 'b', 1);
    employ(pressure, &d, 'd', 3);
    fake_step(pressure, 100, 720);
    assert_string_equal(turns, "abcd"
                               "ab"
                               "ab"); /* d made no progress, and a is done after 20 + 20 + 10 ms */
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.last_reclaim.claimed_bytes, 14 * MIB);
    assert_int_equal(snapshot.last_reclaim.objects, 14);
    assert_int_equal(snapshot.last_reclaim.unfinished, 0);
    assert_int_equal(snapshot.last_reclaim.duration_ms, 50 + 90 + 1);
    assert_int_equal(fake.num_purges, 1);
    assert_int_equal(snapshot.evictable_bytes, 7 * MIB);

    pressure_listener_record_t records[3];
    assert_int_equal(pressure_get_listener_records(pressure, records, 3), 3);
    assert_int_equal(records[0].calls, 3);
    assert_int_equal(records[0].bytes_freed, 10 * MIB);
    assert_int_equal(records[0].objects_freed, 10);
    assert_int_equal(records[0].last_ms, 10);
    assert_int_equal(records[0].longest_ms, 20);
    assert_int_equal(records[0].slow_calls, 0);
    assert_int_equal(records[1].longest_ms, 30);
    assert_int_equal(records[1].slow_calls, 0); /* slow is more than twice the slice */
    assert_int_equal(records[0].last_call.result.bytes_freed, 2 * MIB);
    assert_int_equal(records[0].last_call.result.objects_freed, 2);
    assert_int_equal(records[0].last_call.result.status, PRESSURE_DONE);
    assert_int_equal(records[0].last_call.level, PRESSURE_ELEVATED);
    assert_int_equal(records[0].last_call.generation, snapshot.last_reclaim.generation);
    assert_int_equal(records[0].last_call.at_ms - records[2].last_call.at_ms, 20 + 30 + 10); /* c's call was in the first round */
    pressure_unregister(pressure, &a.registration);
    pressure_unregister(pressure, &b.registration);
    pressure_unregister(pressure, &c.registration);
    pressure_unregister(pressure, &d.registration);
    pressure_destroy(&pressure);
}

/* 500 ms are over: the episode ends, memory is looked at, and the next step goes on without a pause, if it still has to */
static void test_an_episode_has_a_limit(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 60, .batch_ms = 20}, late = {0};

    (void)arg;
    employ(pressure, &a, 'a', 0);
    fake_step(pressure, 100, 720);
    assert_int_equal(a.num_calls, 25);
    assert_int_equal(fake_snapshot(pressure).last_reclaim.unfinished, 1);
    assert_non_null(strstr(fake_last_line(), ", and goes on"));
    employ(pressure, &late, 'l', 1);
    fake_step(pressure, 25, 720);
    assert_int_equal(a.num_calls, 50);
    assert_int_equal(late.num_calls, 1); /* its turn comes before the time is up */
    assert_int_equal(fake_snapshot(pressure).generations, 2);
    fake_step(pressure, 25, 690);
    assert_int_equal(a.num_calls, 50); /* no mark is reached any more */
    fake_step(pressure, 25, 720);
    assert_int_equal(a.num_calls, 50); /* and now a repetition has its pause */
    fake_step(pressure, 10000, 720);
    assert_int_equal(a.batches, 0);
    assert_int_equal(fake_snapshot(pressure).unfinished_reclaims, 2);
    assert_int_equal(fake_snapshot(pressure).reclaims, 3);
    pressure_unregister(pressure, &a.registration);
    pressure_unregister(pressure, &late.registration);
    pressure_destroy(&pressure);
}

/* every level is told once, even when the first one has used up all the time */
static void test_no_level_is_lost_to_the_limit(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 100, .batch_ms = 600}, b = {0};

    (void)arg;
    employ(pressure, &a, 'a', 0);
    employ(pressure, &b, 'b', 1);
    fake_step(pressure, 100, 930);
    assert_string_equal(turns, "ababab");
    assert_int_equal(b.num_levels[PRESSURE_ELEVATED] * 100 + b.num_levels[PRESSURE_HIGH] * 10 + b.num_levels[PRESSURE_CRITICAL],
                     111);
    pressure_listener_record_t records[1];
    pressure_get_listener_records(pressure, records, 1);
    assert_int_equal(records[0].slow_calls, 3);
    pressure_unregister(pressure, &a.registration);
    pressure_unregister(pressure, &b.registration);
    pressure_destroy(&pressure);
}

/* what the last step surveyed is what is said, for the level of that step, and its sum is what is accounted for */
static void test_records_say_what_is_held(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 5}, b = {.batches = 7}, mute = {.mute = 1, .batches = 9};
    pressure_listener_record_t records[3];

    (void)arg;
    employ(pressure, &a, 'a', 0);
    employ(pressure, &b, 'b', 1);
    employ(pressure, &mute, 'm', 2);
    pressure_get_listener_records(pressure, records, 3);
    assert_int_equal(records[0].usage.bytes, 0); /* not asked yet */
    fake_step(pressure, 100, 500);
    a.batches = 100; /* too late for this step */
    pressure_get_listener_records(pressure, records, 3);
    assert_int_equal(records[0].usage.bytes, 5 * MIB);
    assert_int_equal(records[1].usage.evictable_bytes, 7 * MIB);
    assert_int_equal(records[2].usage.bytes, 0);
    assert_int_equal(fake_snapshot(pressure).accounted_bytes, 12 * MIB);
    assert_int_equal(records[0].last_call.generation, 0);
    assert_int_equal(records[0].last_call.at_ms, 0);
    pressure_unregister(pressure, &a.registration);
    pressure_unregister(pressure, &b.registration);
    pressure_unregister(pressure, &mute.registration);
    pressure_destroy(&pressure);
}

/* --- repetitions */

static void test_empty_caches_are_not_told_again(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 3}, mute = {.mute = 1};

    (void)arg;
    employ(pressure, &a, 'a', 0);
    fake_step(pressure, 100, 910);
    unsigned num_calls = a.num_calls, purges = fake.num_purges;
    for (unsigned i = 0; i < 10; ++i)
        fake_step(pressure, 1000, 910);
    assert_int_equal(a.num_calls, num_calls);
    assert_int_equal(fake.num_purges, purges);
    assert_int_equal(fake_snapshot(pressure).skipped_reclaims, 5); /* one in 2 s, not one in each step */
    a.batches = 1;
    fake_step(pressure, 2000, 910);
    assert_int_equal(a.num_calls, num_calls + 1);
    employ(pressure, &mute, 'm', 0); /* who cannot tell is told */
    fake_step(pressure, 2000, 910);
    assert_int_equal(mute.num_calls, 1);
    pressure_unregister(pressure, &a.registration);
    pressure_unregister(pressure, &mute.registration);
    pressure_destroy(&pressure);
}

/* nothing that is released leaves the resident set: said once, the pauses grow from 2 s on, and it ends with a good reclaim */
static void test_ineffective_reclaims_back_off(void **arg)
{
    static const uint64_t pauses_ms[] = {2000, 2000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    pressure_t *pressure = fake_create(500);
    worker_t a = {.batches = 20};
    uint64_t told_ms;
    unsigned num_said = 0;

    (void)arg;
    employ(pressure, &a, 'a', 0);
    fake_step(pressure, 100, 910);
    told_ms = fake.now_ms;
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]);) {
        unsigned before = a.num_calls, lines = fake.num_lines;
        a.batches = 20;
        fake_step(pressure, 100, 910);
        for (unsigned line = lines; line < fake.num_lines; ++line)
            num_said += strstr(fake.lines[line % 32], "INEFFECTIVE") != NULL;
        if (a.num_calls == before)
            continue;
        if (fake.now_ms - told_ms != pauses_ms[i])
            fail_msg("pause %zu: %llu", i, (unsigned long long)(fake.now_ms - told_ms));
        told_ms = fake.now_ms;
        ++i;
    }
    assert_int_equal(num_said, 1);
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.ineffective, 1);
    assert_int_equal(snapshot.backoff_ms, 60000);
    assert_int_equal(snapshot.poor_reclaims, 10);
    assert_int_equal(snapshot.residual_bytes, 910 * MIB);

    a.batches = 20;
    fake.purge_returns_bytes = 20 * MIB;
    fake_step(pressure, 60000, 910);
    assert_int_equal(fake_snapshot(pressure).ineffective, 0);
    assert_int_equal(fake_snapshot(pressure).backoff_ms, 0);
    assert_non_null(strstr(fake_last_line(), "effective again"));
    pressure_unregister(pressure, &a.registration);
    pressure_destroy(&pressure);
}

static void test_a_normal_level_ends_the_back_off(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.fails = 1, .batches = 1};

    (void)arg;
    employ(pressure, &a, 'a', 0);
    fake_step(pressure, 100, 710);
    fake_step(pressure, 10000, 710);
    fake_step(pressure, 10000, 710);
    assert_int_equal(fake_snapshot(pressure).ineffective, 1);
    pressure_listener_record_t record;
    pressure_get_listener_records(pressure, &record, 1);
    assert_int_equal(record.failures, 3);
    fake_step(pressure, 1000, 100);
    assert_int_equal(fake_snapshot(pressure).ineffective, 1);
    fake_step(pressure, 5000, 100);
    assert_int_equal(pressure_level(pressure), PRESSURE_NORMAL);
    assert_int_equal(fake_snapshot(pressure).ineffective, 0);
    pressure_unregister(pressure, &a.registration);
    pressure_destroy(&pressure);
}

static void test_repetitions_are_counted_apart(void **arg)
{
    pressure_t *pressure = fake_create(500);
    worker_t a = {.mute = 1};

    (void)arg;
    employ(pressure, &a, 'a', 0);
    fake_step(pressure, 100, 910);
    for (unsigned i = 0; i < 3; ++i)
        fake_step(pressure, 2000, 910);
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.events[PRESSURE_CRITICAL], 4);
    assert_int_equal(snapshot.repeats[PRESSURE_CRITICAL], 3);
    assert_int_equal(snapshot.events[PRESSURE_HIGH], 1);
    assert_int_equal(snapshot.repeats[PRESSURE_HIGH], 0);
    assert_int_equal(fake.now_ms - snapshot.event_ms[PRESSURE_CRITICAL], 0);
    assert_int_equal(fake.now_ms - snapshot.event_ms[PRESSURE_ELEVATED], 6000);
    assert_int_equal(snapshot.event_ms[PRESSURE_EMERGENCY], 0);
    pressure_unregister(pressure, &a.registration);
    pressure_destroy(&pressure);
}

/* --- promises under a random walk */

typedef struct st_witness_t {
    pressure_t *pressure;
    uint64_t generation;
    pressure_level_t level, final_level;
    unsigned num_events, in_step; /* bits of the levels told in this step */
} witness_t;

static pressure_result_t witness(void *ctx, const pressure_event_t *event)
{
    witness_t *w = ctx;

    assert_true(event->generation >= w->generation); /* none of g after one of g + 1 */
    if (event->generation == w->generation) {
        assert_true(event->level > w->level); /* ascending, each once */
        assert_int_equal(event->final_level, w->final_level);
    } else {
        assert_int_equal(w->in_step, 0);            /* one generation in a step */
        assert_int_equal(w->level, w->final_level); /* the one before had come to its end */
    }
    assert_true(event->level <= event->final_level);
    assert_true(pressure_level(w->pressure) >= PRESSURE_ELEVATED); /* published before */
    w->generation = event->generation;
    w->level = event->level;
    w->final_level = event->final_level;
    w->in_step |= 1u << event->level;
    ++w->num_events;
    return (pressure_result_t){0};
}

/* readings, failures and clocks at random; then what a jump from 60 to 93 has to tell, from any past */
static void test_promises_under_a_random_walk(void **arg)
{
    (void)arg;
    for (uint64_t seed = 1, round = 0; round < 100; ++round) {
        pressure_t *pressure = fake_create(100);
        witness_t w = {.pressure = pressure};
        pressure_listener_t listener = {.name = "witness", .on_event = witness, .ctx = &w};
        pressure_registration_t *registration;
        uint64_t mib = 500;
        assert_int_equal(pressure_register(pressure, &listener, &registration), 0);
        for (unsigned i = 0; i < 500; ++i) {
            mib = fake_random(&seed) % 20 == 0 ? fake_random(&seed) % 1100 : mib + fake_random(&seed) % 41 - 20;
            mib = mib > 1100 ? 0 : mib;
            fake.sample_fails = fake_random(&seed) % 10 == 0;
            if (fake_random(&seed) % 100 == 0)
                fake.now_ms = fake_random(&seed) % 2 ? fake.now_ms / 2 : fake.now_ms * 2;
            w.in_step = 0;
            fake_step(pressure, fake_random(&seed) % 4 * 500, mib);
            assert_true(!fake.sample_fails || w.in_step == 0);
            /* up at the first sample; a gate that is released hides a level, a stale reading raises it */
            if (!fake.sample_fails && mib >= 800)
                assert_true(pressure_level(pressure) >= PRESSURE_HIGH);
        }
        fake.sample_fails = 0;
        for (unsigned i = 0; i < 6; ++i)
            fake_step(pressure, 11000, 600);
        assert_int_equal(pressure_level(pressure), PRESSURE_NORMAL);
        w.in_step = w.num_events = 0;
        fake_step(pressure, 25, 930);
        assert_int_equal(w.in_step, 1u << PRESSURE_ELEVATED | 1u << PRESSURE_HIGH | 1u << PRESSURE_CRITICAL);
        assert_int_equal(w.num_events, 3);
        pressure_unregister(pressure, &registration);
        pressure_destroy(&pressure);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_pauses_double),
        cmocka_unit_test(test_listeners_take_turns),
        cmocka_unit_test(test_records_say_what_is_held),
        cmocka_unit_test(test_an_episode_has_a_limit),
        cmocka_unit_test(test_no_level_is_lost_to_the_limit),
        cmocka_unit_test(test_empty_caches_are_not_told_again),
        cmocka_unit_test(test_ineffective_reclaims_back_off),
        cmocka_unit_test(test_a_normal_level_ends_the_back_off),
        cmocka_unit_test(test_repetitions_are_counted_apart),
        cmocka_unit_test(test_promises_under_a_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
