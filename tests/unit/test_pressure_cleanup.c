/*
 * Ordered cleanups: everything is released whatever the level, by the steps of the coordinator, and nothing else changes.
 */
#include <pthread.h>
#include "test_pressure_fake.h"
#include "module/clock.h"

#define MIB FAKE_MIB
#define NUM_ORDERS 4

typedef struct st_store_t {
    pressure_registration_t *registration;
    uint64_t held_mib, batch_ms;
    int is_stuck, fails;
    unsigned num_calls, num_other_levels;
    uint64_t generation;
} store_t;

/* gives a MiB at a time until its slice is over */
static pressure_result_t give(void *ctx, const pressure_event_t *event)
{
    store_t *store = ctx;
    pressure_result_t result = {.status = PRESSURE_DONE};

    ++store->num_calls;
    store->num_other_levels += event->level != PRESSURE_EMERGENCY || event->final_level != PRESSURE_EMERGENCY;
    store->generation = event->generation;
    if (store->is_stuck)
        return (pressure_result_t){.status = PRESSURE_MORE};
    if (store->fails)
        return (pressure_result_t){.status = PRESSURE_FAILED};
    while (store->held_mib != 0 && fake.now_ms < event->deadline_ms) {
        --store->held_mib;
        fake.now_ms += store->batch_ms;
        fake.resident_bytes -= MIB;
        result.bytes_freed += MIB;
        ++result.objects_freed;
    }
    if (store->held_mib != 0)
        result.status = PRESSURE_MORE;
    return result;
}

static void tell_usage(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    const store_t *store = ctx;

    (void)level;
    usage->bytes = usage->evictable_bytes = store->held_mib * MIB;
}

static pressure_t *create(const pressure_config_t *config, store_t *store)
{
    pressure_listener_t listener = {.name = "store", .on_event = give, .usage = tell_usage, .ctx = store};
    pressure_t *pressure;

    fake.resident_bytes = 300 * MIB;
    assert_non_null(pressure = pressure_create(config));
    assert_int_equal(pressure_register(pressure, &listener, &store->registration), 0);
    return pressure;
}

static void destroy(pressure_t *pressure, store_t *store)
{
    pressure_unregister(pressure, &store->registration);
    pressure_destroy(&pressure);
}

/* without waiting for it */
static void give_order(pressure_t *pressure)
{
    pressure_cleanup_t cleanup;

    assert_int_equal(pressure_clean_up(pressure, 0, &cleanup), -1);
}

static pressure_snapshot_t look(pressure_t *pressure)
{
    pressure_snapshot_t snapshot;

    pressure_get_snapshot(pressure, &snapshot);
    return snapshot;
}

static void test_an_order_is_no_event(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 100};
    pressure_t *pressure = create(&config, &store);

    (void)arg;
    fake.purge_returns_bytes = 7 * MIB;
    give_order(pressure);
    assert_int_equal(store.num_calls, 0); /* on the coordinator's thread only */
    pressure_step(pressure);
    pressure_snapshot_t snapshot = look(pressure);
    assert_int_equal(store.held_mib, 0);
    assert_int_equal(store.num_other_levels, 0);
    assert_int_equal(snapshot.level, PRESSURE_NORMAL);
    for (unsigned level = 0; level < PRESSURE_NUM_LEVELS; ++level)
        assert_int_equal(snapshot.events[level] + snapshot.repeats[level], 0);
    assert_int_equal(snapshot.reclaims, 1);
    assert_int_equal(snapshot.poor_reclaims, 0);
    assert_int_equal(fake.num_purges, 1);
    const pressure_cleanup_t *cleanup = &pressure->orders.under_way;
    assert_int_equal(cleanup->claimed_bytes, 100 * MIB);
    assert_int_equal(cleanup->objects, 100);
    assert_int_equal(cleanup->purged_bytes, 7 * MIB);
    assert_int_equal(cleanup->resident_before_bytes, 300 * MIB);
    assert_int_equal(cleanup->resident_after_bytes, 193 * MIB);
    /* where nothing is left the heap is purged all the same, and what the last one gave is not told again */
    fake.purge_returns_bytes = 3 * MIB;
    give_order(pressure);
    pressure_step(pressure);
    assert_int_equal(fake.num_purges, 2);
    assert_int_equal(cleanup->claimed_bytes, 0);
    assert_int_equal(cleanup->objects, 0);
    assert_int_equal(cleanup->purged_bytes, 3 * MIB);
    /* and once only */
    pressure_step(pressure);
    assert_int_equal(store.num_calls, 2);
    assert_int_equal(look(pressure).reclaims, 2);
    destroy(pressure, &store);
}

/* an episode is limited: what is left comes in the next steps, with a look at the memory in between, and the queue served */
static void test_a_large_one_comes_in_parts(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 250, .batch_ms = 10};
    pressure_t *pressure = create(&config, &store);
    unsigned num_steps = 0;

    (void)arg;
    give_order(pressure);
    for (; pressure->orders.carried_out == 0 && num_steps < 100; ++num_steps)
        pressure_step(pressure);
    assert_int_equal(store.held_mib, 0);
    assert_true(num_steps >= 250 * 10 / (config.tuning.episode_limit_ms + 2 * config.tuning.listener_slice_ms) && num_steps <= 6);
    assert_int_equal(pressure->orders.under_way.claimed_bytes, 250 * MIB);
    assert_int_equal(pressure->orders.under_way.objects, 250);
    assert_int_equal(pressure->orders.under_way.resident_before_bytes, 300 * MIB);
    assert_int_equal(pressure->orders.under_way.resident_after_bytes, 50 * MIB);
    assert_true(pressure->orders.under_way.duration_ms >= 2500);
    destroy(pressure, &store);
}

/* what was given when a cleanup had begun may have come too late for it: it gets one of its own */
static void test_an_order_beside_another_one(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 100, .batch_ms = 10};
    pressure_t *pressure = create(&config, &store);

    (void)arg;
    give_order(pressure);
    atomic_store(&pressure->nap.kicked, 0);
    pressure_step(pressure);
    assert_int_equal(pressure->orders.carried_out, 0);
    assert_int_equal(atomic_load(&pressure->nap.kicked), 1); /* it does not wait for the period to be over */
    give_order(pressure);
    while (pressure->orders.carried_out == 0)
        pressure_step(pressure);
    assert_int_equal(pressure->orders.carried_out, 1);
    store.held_mib = 5;
    pressure_step(pressure);
    assert_int_equal(pressure->orders.carried_out, 2);
    assert_int_equal(pressure->orders.under_way.claimed_bytes, 5 * MIB);
    destroy(pressure, &store);
}

static void test_who_cannot_give_does_not_hold_it_up(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 10, .is_stuck = 1};
    pressure_t *pressure = create(&config, &store);

    (void)arg;
    give_order(pressure);
    pressure_step(pressure);
    assert_int_equal(pressure->orders.carried_out, 1);
    assert_int_equal(pressure->orders.under_way.claimed_bytes, 0);
    store.is_stuck = 0;
    store.fails = 1;
    give_order(pressure);
    pressure_step(pressure);
    assert_int_equal(pressure->orders.carried_out, 2);
    destroy(pressure, &store);
}

/* an operator may know better than a meter that is broken */
static void test_it_needs_no_reading(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 10};
    pressure_t *pressure = create(&config, &store);

    (void)arg;
    fake.sample_fails = 1;
    give_order(pressure);
    pressure_step(pressure);
    assert_int_equal(store.held_mib, 0);
    assert_int_equal(pressure->orders.under_way.claimed_bytes, 10 * MIB);
    destroy(pressure, &store);
}

static void test_it_comes_beside_an_event(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 10};
    pressure_t *pressure = create(&config, &store);

    (void)arg;
    fake.resident_bytes = 850 * MIB;
    give_order(pressure);
    pressure_step(pressure);
    pressure_snapshot_t snapshot = look(pressure);
    assert_int_equal(snapshot.level, PRESSURE_HIGH);
    assert_int_equal(snapshot.events[PRESSURE_ELEVATED], 1);
    assert_int_equal(snapshot.events[PRESSURE_HIGH], 1);
    assert_int_equal(snapshot.events[PRESSURE_EMERGENCY], 0);
    assert_int_equal(pressure->orders.carried_out, 1);
    destroy(pressure, &store);
}

/* --- with the thread */

typedef struct st_operator_t {
    pthread_t thread;
    pressure_t *pressure;
    pressure_cleanup_t cleanup;
    int result;
} operator_t;

static void *order_one(void *_operator)
{
    operator_t *operator= _operator;

    operator->result = pressure_clean_up(operator->pressure, 60000, &operator->cleanup);
    return NULL;
}

/* none is lost, and what was there is claimed once, but for those who were told of the same cleanup */
static void test_orders_at_once(void **arg)
{
    pressure_config_t config = fake_config();
    store_t store = {.held_mib = 100};
    operator_t operators[NUM_ORDERS];

    (void)arg;
    config.log = NULL;
    pressure_t *pressure = create(&config, &store);
    assert_int_equal(pressure_start(pressure), 0);
    for (size_t i = 0; i != NUM_ORDERS; ++i) {
        operators[i].pressure = pressure;
        assert_int_equal(pthread_create(&operators[i].thread, NULL, order_one, operators + i), 0);
    }
    unsigned num_full = 0;
    for (size_t i = 0; i != NUM_ORDERS; ++i) {
        pthread_join(operators[i].thread, NULL);
        assert_int_equal(operators[i].result, 0);
        assert_true(operators[i].cleanup.claimed_bytes == 100 * MIB || operators[i].cleanup.claimed_bytes == 0);
        num_full += operators[i].cleanup.claimed_bytes != 0;
    }
    assert_true(num_full >= 1);
    destroy(pressure, &store);
    assert_int_equal(store.held_mib, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_order_is_no_event),
                                       cmocka_unit_test(test_a_large_one_comes_in_parts),
                                       cmocka_unit_test(test_an_order_beside_another_one),
                                       cmocka_unit_test(test_who_cannot_give_does_not_hold_it_up),
                                       cmocka_unit_test(test_it_needs_no_reading),
                                       cmocka_unit_test(test_it_comes_beside_an_event),
                                       cmocka_unit_test(test_orders_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
