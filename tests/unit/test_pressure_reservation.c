/*
 * The ledger: the pure rule as a table, refunds, refusals, kicks, and many threads that must never pass the mark together.
 */
#include "test_pressure_fake.h"

#define MIBS(n) ((uint64_t)(n)*FAKE_MIB)

static int reserve(pressure_t *pressure, pressure_class_t resource_class, uint64_t mib)
{
    return pressure_reserve(pressure, resource_class, MIBS(mib));
}

static void release(pressure_t *pressure, pressure_class_t resource_class, uint64_t mib)
{
    pressure_release(pressure, resource_class, MIBS(mib));
}

static void test_committed_bytes(void **arg)
{
    static const struct {
        pressure_reading_t reading;
        uint64_t reserved_bytes, kept_bytes, expected;
    } rows[] = {
        {{.resident_bytes = 100, .settled_bytes = 100}, 0, 0, 100},
        {{.resident_bytes = 100, .settled_bytes = 100}, 50, 0, 150},                       /* granted since, untouched */
        {{.resident_bytes = 150, .settled_bytes = 100, .reserved_bytes = 50}, 50, 0, 150}, /* touched: not counted twice */
        {{.resident_bytes = 100, .settled_bytes = 100, .reserved_bytes = 50}, 50, 0, 150}, /* granted before, still untouched */
        {{.resident_bytes = 200, .settled_bytes = 100, .reserved_bytes = 50}, 70, 0, 220}, /* more there than explained */
        {{.resident_bytes = 150, .settled_bytes = 100, .reserved_bytes = 50}, 0, 50, 150}, /* released into a cache */
        {{.resident_bytes = 150, .settled_bytes = 100, .reserved_bytes = 50}, 0, 0, 150},  /* what was seen is there until seen */
        {{.resident_bytes = 100, .settled_bytes = 100, .kept_bytes = 7}, 10, 17, 120},
        {{.resident_bytes = 100, .settled_bytes = 100}, UINT64_MAX, 0, UINT64_MAX},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(pressure_committed_bytes(&rows[i].reading, rows[i].reserved_bytes, rows[i].kept_bytes), rows[i].expected);
}

static void test_settled_bytes(void **arg)
{
    static const struct {
        uint64_t settled_bytes, kept_before, resident_bytes, reserved_bytes, kept_bytes, expected;
    } rows[] = {
        {100, 0, 100, 0, 0, 100},   {100, 0, 150, 50, 0, 100}, /* explained by the reserved */
        {100, 0, 120, 50, 0, 100},                             /* half touched */
        {100, 0, 180, 50, 0, 130},                             /* 30 that nothing explains */
        {100, 0, 80, 0, 0, 80},                                /* given back */
        {100, 0, 150, 0, 50, 150},                             /* released into a cache */
        {100, 20, 150, 0, 30, 150},                            /* ... and 40 more */
        {100, 0, 110, 0, 50, 110},                             /* released and gone */
        {100, 0, 150, 20, 40, 140},                            /* one is kept, another runs */
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_reading_t last = {.settled_bytes = rows[i].settled_bytes, .kept_bytes = rows[i].kept_before, .base_bytes = 90};
        pressure_reading_t next = pressure_next_reading(&last, rows[i].resident_bytes, rows[i].reserved_bytes, rows[i].kept_bytes);
        assert_int_equal(next.settled_bytes, rows[i].expected);
        assert_int_equal(next.base_bytes, rows[i].resident_bytes < 90 ? rows[i].resident_bytes : 90);
    }
    assert_int_equal(pressure_next_reading(NULL, 100, 40, 3).settled_bytes, 100);
}

static void test_up_to_the_mark_and_not_a_byte_more(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, MIBS(700) + 1), PRESSURE_NEVER);
    assert_int_equal(pressure_largest_bytes(pressure), MIBS(700));
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, MIBS(700)), PRESSURE_OK);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    release(pressure, PRESSURE_CLASS_DECODE, 700);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, MIBS(700)), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 700);
    pressure_destroy(&pressure);
}

static void test_never_knows_the_base(void **arg)
{
    pressure_t *pressure = fake_create(500);

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 301), PRESSURE_NEVER);
    fake_step(pressure, 100, 50);
    fake_step(pressure, 100, 500);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 301), PRESSURE_NOT_NOW); /* it was down to 50 once */
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 750), PRESSURE_NOT_NOW);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 751), PRESSURE_NEVER);
    assert_int_equal(pressure_largest_bytes(pressure), MIBS(750));
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, UINT64_MAX), PRESSURE_NEVER);
    assert_int_equal(fake_snapshot(pressure).reservations_refused, 5);
    pressure_destroy(&pressure);
}

static void test_refund_and_sums(void **arg)
{
    pressure_t *pressure = fake_create(100);
    pressure_snapshot_t snapshot;

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_SOURCE, 10), PRESSURE_OK);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 200), PRESSURE_OK);
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(200), MIBS(300)), PRESSURE_OK);
    snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.reserved_bytes[PRESSURE_CLASS_SOURCE], MIBS(10));
    assert_int_equal(snapshot.reserved_bytes[PRESSURE_CLASS_DECODE], MIBS(300));
    assert_int_equal(snapshot.reserved_total_bytes, MIBS(310));
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(300), MIBS(691)), PRESSURE_NOT_NOW);
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(300), MIBS(701)), PRESSURE_NEVER);
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(300), MIBS(690)), PRESSURE_OK);
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(690), MIBS(690)), PRESSURE_OK);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    assert_int_equal(pressure_resize(pressure, PRESSURE_CLASS_DECODE, MIBS(690), MIBS(20)), PRESSURE_OK);
    assert_int_equal(fake_snapshot(pressure).reserved_total_bytes, MIBS(30));
    release(pressure, PRESSURE_CLASS_DECODE, 20);
    release(pressure, PRESSURE_CLASS_SOURCE, 10);
    snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.reserved_total_bytes, 0);
    assert_int_equal(snapshot.reservations_granted, 4);
    assert_int_equal(snapshot.reservations_refused, 3);
    pressure_destroy(&pressure);
}

/* what the ledger must remember: grants from before the last sample whose pages are still untouched, with a full cache beside */
static void test_untouched_grants_outlive_samples(void **arg)
{
    pressure_t *pressure = fake_create(40);

    (void)arg;
    fake_step(pressure, 100, 500); /* a cache has filled up */
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 250), PRESSURE_OK);
    for (unsigned i = 0; i < 10; ++i)
        fake_step(pressure, 100, 500);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 51), PRESSURE_NOT_NOW);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 50), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 300);
    pressure_destroy(&pressure);
}

/* ... and what it must not count twice: pages that are touched and seen */
static void test_touched_grants_count_once(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 350), PRESSURE_OK);
    fake_step(pressure, 100, 450);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 350), PRESSURE_OK);
    fake_step(pressure, 100, 800);
    release(pressure, PRESSURE_CLASS_DECODE, 350);
    fake_step(pressure, 100, 450);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 350), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 700);
    pressure_destroy(&pressure);
}

/* source bytes move into a cache at the release, and a reservation that was never touched lies in wait beside them */
static void test_released_source_is_kept_until_seen(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_SOURCE, 400), PRESSURE_OK);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 300), PRESSURE_OK);
    fake_step(pressure, 100, 500); /* the source is there, the decode has not begun */
    release(pressure, PRESSURE_CLASS_SOURCE, 400);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    fake_step(pressure, 100, 500); /* still there */
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    fake_step(pressure, 100, 200); /* the cache has let 300 of it go */
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 300), PRESSURE_OK);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    release(pressure, PRESSURE_CLASS_DECODE, 600);
    pressure_destroy(&pressure);
}

static void test_memory_that_nothing_explains(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 200), PRESSURE_OK);
    fake_step(pressure, 100, 600); /* at least 300 belong to no reservation */
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 201), PRESSURE_NOT_NOW);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 200), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 400);
    pressure_destroy(&pressure);
}

static void test_nothing_from_critical_on(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    fake_step(pressure, 100, 900);
    fake_step(pressure, 100, 100); /* falling, but critical for the dwell */
    assert_int_equal(pressure_level(pressure), PRESSURE_CRITICAL);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 800), PRESSURE_NEVER);
    fake_step(pressure, 10000, 100);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 1);
    pressure_destroy(&pressure);
}

static void test_nothing_before_the_first_reading(void **arg)
{
    pressure_config_t config = fake_config();
    pressure_t *pressure;

    (void)arg;
    fake.sample_fails = 1;
    pressure = pressure_create(&config);
    assert_non_null(pressure);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_NOT_NOW);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 801), PRESSURE_NEVER);
    fake.sample_fails = 0;
    fake_step(pressure, 100, 100);
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 1), PRESSURE_OK);
    release(pressure, PRESSURE_CLASS_DECODE, 1);
    pressure_destroy(&pressure);
}

static int was_kicked(pressure_t *pressure)
{
    return atomic_exchange(&pressure->nap.kicked, 0);
}

static void test_kicks(void **arg)
{
    pressure_t *pressure = fake_create(100);

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 500), PRESSURE_OK);
    assert_false(was_kicked(pressure));
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 100), PRESSURE_OK); /* reaches elevated */
    assert_true(was_kicked(pressure));
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 10), PRESSURE_OK);
    assert_false(was_kicked(pressure));
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 400), PRESSURE_NOT_NOW);
    assert_true(was_kicked(pressure));
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 800), PRESSURE_NEVER); /* no sample could help */
    assert_false(was_kicked(pressure));
    release(pressure, PRESSURE_CLASS_DECODE, 610);
    assert_false(was_kicked(pressure));
    pressure_destroy(&pressure);
}

#define NUM_THREADS 4
#define NUM_ROUNDS 50000

typedef struct st_worker_t {
    pressure_t *pressure;
    _Atomic uint64_t *held_mib;
    uint64_t seed, worst_mib;
    unsigned num_granted, num_refused;
} worker_t;

static void *run_worker(void *arg)
{
    worker_t *worker = arg;

    for (unsigned i = 0; i < NUM_ROUNDS; ++i) {
        uint64_t mib = fake_random(&worker->seed) % 5 + 1, held_mib;
        if (reserve(worker->pressure, PRESSURE_CLASS_DECODE, mib) != PRESSURE_OK) {
            ++worker->num_refused;
            continue;
        }
        ++worker->num_granted;
        held_mib = atomic_fetch_add(worker->held_mib, mib) + mib;
        if (held_mib > worker->worst_mib)
            worker->worst_mib = held_mib;
        atomic_fetch_sub(worker->held_mib, mib);
        release(worker->pressure, PRESSURE_CLASS_DECODE, mib);
    }
    return NULL;
}

/* so little is left that two threads which do not see each other's grant soon pass the mark; a coordinator samples all the time */
static void test_threads_never_pass_the_mark(void **arg)
{
    pressure_t *pressure = fake_create(100);
    _Atomic uint64_t held_mib = 0;
    worker_t workers[NUM_THREADS];
    pthread_t threads[NUM_THREADS];
    unsigned num_granted = 0, num_refused = 0;

    (void)arg;
    assert_int_equal(reserve(pressure, PRESSURE_CLASS_DECODE, 695), PRESSURE_OK);
    for (unsigned i = 0; i < NUM_THREADS; ++i) {
        workers[i] = (worker_t){.pressure = pressure, .held_mib = &held_mib, .seed = i};
        pthread_create(&threads[i], NULL, run_worker, &workers[i]);
    }
    for (unsigned i = 0; i < 10000; ++i)
        pressure_step(pressure);
    for (unsigned i = 0; i < NUM_THREADS; ++i) {
        pthread_join(threads[i], NULL);
        assert_true(workers[i].worst_mib <= 5);
        num_granted += workers[i].num_granted;
        num_refused += workers[i].num_refused;
    }
    release(pressure, PRESSURE_CLASS_DECODE, 695);
    pressure_snapshot_t snapshot = fake_snapshot(pressure);
    assert_int_equal(snapshot.reserved_total_bytes, 0);
    assert_int_equal(snapshot.reservations_granted, num_granted + 1);
    assert_int_equal(snapshot.reservations_refused, num_refused);
    assert_true(num_granted > 0);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committed_bytes),
        cmocka_unit_test(test_settled_bytes),
        cmocka_unit_test(test_up_to_the_mark_and_not_a_byte_more),
        cmocka_unit_test(test_never_knows_the_base),
        cmocka_unit_test(test_refund_and_sums),
        cmocka_unit_test(test_untouched_grants_outlive_samples),
        cmocka_unit_test(test_touched_grants_count_once),
        cmocka_unit_test(test_released_source_is_kept_until_seen),
        cmocka_unit_test(test_memory_that_nothing_explains),
        cmocka_unit_test(test_nothing_from_critical_on),
        cmocka_unit_test(test_nothing_before_the_first_reading),
        cmocka_unit_test(test_kicks),
        cmocka_unit_test(test_threads_never_pass_the_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
