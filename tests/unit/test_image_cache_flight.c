/*
 * Flights on one thread with two lanes: each waiter answered once or detached, abandonment, what on_done and wake() may do.
 */
#include "test_image_cache_fixture.h"

struct st_test_waiter_t {
    icache_waiter_t real; /* first, so that on_done can get at the rest */
    int calls, error, order;
    icache_object_t *object;
};

static void count_call(void *ctx)
{
    ++*(int *)ctx;
}

static int sequence;

static void keep_result(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    struct st_test_waiter_t *waiter = (struct st_test_waiter_t *)real;
    ++waiter->calls;
    waiter->order = ++sequence;
    waiter->object = object;
    waiter->error = error;
}

static icache_verdict_t lookup(icache_t *cache, const char *text, struct st_test_waiter_t *waiter, icache_lane_t *lane,
                               icache_flight_t **flight)
{
    icache_key_t key = make_key(cache, text);
    icache_object_t *object;

    *waiter = (struct st_test_waiter_t){.real = {.on_done = keep_result, .lane = lane}};
    icache_verdict_t verdict = icache_lookup(cache, &key, 0, &waiter->real, &object, flight);
    assert_int_equal(verdict == ICACHE_HIT, object != NULL);
    icache_object_unref(&object);
    return verdict;
}

struct st_fixture_t {
    icache_t *cache;
    icache_lane_t *lanes[2];
    int wakes[2];
    struct st_test_waiter_t waiters[7];
    icache_flight_t *flight, *flight2;
    int abandoned;
};

static int setup(void **state)
{
    static struct st_fixture_t f;

    f = (struct st_fixture_t){.cache = create_cache()};
    for (int i = 0; i < 2; ++i)
        f.lanes[i] = icache_lane_create(f.cache, count_call, &f.wakes[i]);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct st_fixture_t *f = *state;

    for (int i = 0; i < 2; ++i)
        icache_lane_destroy(&f->lanes[i]);
    assert_int_equal(get_stats(f->cache).flights, 0);
    icache_destroy(&f->cache);
    return 0;
}

static void run_lanes(struct st_fixture_t *f)
{
    icache_lane_run(f->lanes[0]);
    icache_lane_run(f->lanes[1]);
}

static void join_all(struct st_fixture_t *f)
{
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight), ICACHE_LEAD);
    for (int i = 1; i < 6; ++i)
        assert_int_equal(lookup(f->cache, "a", &f->waiters[i], f->lanes[i % 2], &f->flight2), ICACHE_WAIT);
}

static void those_who_left_are_not_called(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    icache_flight_on_abandon(f->flight, count_call, &f->abandoned);
    assert_int_equal(icache_waiter_detach(&f->waiters[0].real), 1);
    assert_int_equal(icache_waiter_detach(&f->waiters[0].real), 0);
    assert_int_equal(icache_waiter_detach(&f->waiters[3].real), 1);
    assert_true(icache_flight_wanted(f->flight));
    assert_int_equal(get_stats(f->cache).waiters, 4);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 10), 0, 1, 0);
    /* landed, not called yet: may still leave */
    assert_int_equal(icache_waiter_detach(&f->waiters[4].real), 1);
    run_lanes(f);
    static const int expected[] = {0, 1, 1, 0, 0, 1};
    for (int i = 0; i < 6; ++i) {
        assert_int_equal(f->waiters[i].calls, expected[i]);
        assert_int_equal(icache_waiter_detach(&f->waiters[i].real), 0);
        icache_object_unref(&f->waiters[i].object);
    }
    assert_int_equal(f->abandoned, 0);
    assert_int_equal(get_stats(f->cache).abandoned, 0);
}

static void all_leave_after_landing(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    icache_flight_on_abandon(f->flight, count_call, &f->abandoned);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 10), 0, 0, 0);
    for (int i = 0; i < 6; ++i)
        assert_int_equal(icache_waiter_detach(&f->waiters[i].real), 1);
    run_lanes(f);
    for (int i = 0; i < 6; ++i)
        assert_int_equal(f->waiters[i].calls, 0);
    assert_int_equal(f->abandoned, 0);
    assert_int_equal(get_stats(f->cache).waiters, 0);
}

static void each_lane_is_woken_once(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    icache_flight_complete(&f->flight, NULL, -1, 1, 0);
    assert_int_equal(f->wakes[0], 1);
    assert_int_equal(f->wakes[1], 1);
    run_lanes(f);
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[1], &f->flight), ICACHE_LEAD);
    icache_flight_complete(&f->flight, NULL, -1, 1, 0);
    assert_int_equal(f->wakes[0], 1);
    assert_int_equal(f->wakes[1], 2);
    run_lanes(f);
    assert_int_equal(f->waiters[0].calls, 1);
}

static void the_last_one_leaving_abandons(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    icache_flight_on_abandon(f->flight, count_call, &f->abandoned);
    for (int i = 0; i < 6; ++i) {
        assert_int_equal(f->abandoned, 0);
        assert_int_equal(icache_waiter_detach(&f->waiters[i].real), 1);
    }
    assert_int_equal(f->abandoned, 1);
    assert_false(icache_flight_wanted(f->flight));
    assert_int_equal(get_stats(f->cache).flights, 0);
    /* the next one starts afresh, and the old result neither reaches it nor overwrites its own */
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight2), ICACHE_LEAD);
    assert_ptr_not_equal(f->flight, f->flight2);
    icache_flight_complete(&f->flight2, make_object(f->cache, "a", 22), 0, 1, 0);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 11), 0, 1, 0);
    run_lanes(f);
    assert_int_equal(f->waiters[0].calls, 1);
    assert_int_equal(f->waiters[0].object->body_len, 22);
    icache_object_unref(&f->waiters[0].object);
    icache_key_t key = make_key(f->cache, "a");
    icache_object_t *object = icache_get(f->cache, NULL, &key, 0);
    assert_int_equal(object->body_len, 22);
    icache_object_unref(&object);
    assert_int_equal(f->abandoned, 1);
}

static void an_abandoned_result_may_fill_a_gap(void **state)
{
    struct st_fixture_t *f = *state;

    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight), ICACHE_LEAD);
    icache_waiter_detach(&f->waiters[0].real);
    assert_int_equal(lookup(f->cache, "a", &f->waiters[1], f->lanes[0], &f->flight2), ICACHE_LEAD);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 11), 0, 1, 0);
    assert_int_equal(get_stats(f->cache).entries, 1);
    run_lanes(f);
    assert_int_equal(f->waiters[1].calls, 0);
    icache_flight_complete(&f->flight2, NULL, -7, 1, 0);
    run_lanes(f);
    assert_int_equal(f->waiters[1].error, -7);
    assert_int_equal(get_stats(f->cache).entries, 1);
}

static void late_registration_is_called_at_once(void **state)
{
    struct st_fixture_t *f = *state;

    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight), ICACHE_LEAD);
    icache_waiter_detach(&f->waiters[0].real);
    assert_int_equal(f->abandoned, 0);
    icache_flight_on_abandon(f->flight, count_call, &f->abandoned);
    assert_int_equal(f->abandoned, 1);
    icache_flight_complete(&f->flight, NULL, -1, 0, 0);
    assert_int_equal(f->abandoned, 1);
}

static void complete_from_callback(void *ctx)
{
    struct st_fixture_t *f = ctx;
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 10), 0, 1, 0);
    ++f->abandoned;
}

static void the_callback_may_complete(void **state)
{
    struct st_fixture_t *f = *state;

    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight), ICACHE_LEAD);
    icache_flight_on_abandon(f->flight, complete_from_callback, f);
    assert_int_equal(icache_waiter_detach(&f->waiters[0].real), 1);
    assert_int_equal(f->abandoned, 1);
    assert_null(f->flight);
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], f->lanes[0], &f->flight), ICACHE_HIT);
}

static void what_is_not_stored_is_still_delivered(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", (1 << 20) + 1), 0, 1, 0);
    run_lanes(f);
    for (int i = 0; i < 6; ++i) {
        assert_int_equal(f->waiters[i].object->body_len, (1 << 20) + 1);
        assert_int_equal(f->waiters[i].object->body[1 << 20], 'x');
        icache_object_unref(&f->waiters[i].object);
    }
    icache_stats_t stats = get_stats(f->cache);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.removed[ICACHE_REASON_TOO_LARGE], 1);
    assert_int_equal(stats.pinned_bytes, 0);
}

static void detach_and_reuse(icache_waiter_t *real, icache_object_t *object, int64_t error);
static struct st_fixture_t *reused;

static void detach_and_reuse(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    keep_result(real, object, error);
    /* the next ones of this lane leave, and their memory with them */
    assert_int_equal(icache_waiter_detach(&reused->waiters[2].real), 1);
    assert_int_equal(icache_waiter_detach(&reused->waiters[4].real), 1);
    memset(&reused->waiters[2], 0xee, sizeof(reused->waiters[2]));
    memset(&reused->waiters[4], 0xee, sizeof(reused->waiters[4]));
    /* and this one is used again */
    assert_int_equal(icache_waiter_detach(real), 0);
    icache_object_unref(&((struct st_test_waiter_t *)real)->object);
    assert_int_equal(lookup(reused->cache, "b", (struct st_test_waiter_t *)real, reused->lanes[0], &reused->flight2), ICACHE_LEAD);
}

static void on_done_may_take_others_out(void **state)
{
    struct st_fixture_t *f = *state;

    reused = f;
    join_all(f);
    f->waiters[0].real.on_done = detach_and_reuse;
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 10), 0, 1, 0);
    run_lanes(f);
    for (int i = 1; i < 6; i += 2) {
        assert_int_equal(f->waiters[i].calls, 1);
        icache_object_unref(&f->waiters[i].object);
    }
    assert_int_equal(f->waiters[0].calls, 0);
    icache_flight_complete(&f->flight2, NULL, -3, 0, 0);
    run_lanes(f);
    assert_int_equal(f->waiters[0].calls, 1);
    assert_int_equal(f->waiters[0].error, -3);
}

/* a lane where any thread will do may run from its wake() */
static icache_lane_t *inline_lane;

static void run_inline(void *ctx)
{
    (void)ctx;
    icache_lane_run(inline_lane);
}

static void wake_may_run_the_lane(void **state)
{
    struct st_fixture_t *f = *state;

    inline_lane = icache_lane_create(f->cache, run_inline, NULL);
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], inline_lane, &f->flight), ICACHE_LEAD);
    icache_flight_complete(&f->flight, make_object(f->cache, "a", 10), 0, 1, 0);
    assert_int_equal(f->waiters[0].calls, 1);
    icache_object_unref(&f->waiters[0].object);
    icache_lane_destroy(&inline_lane);
}

static void waiters_are_served_in_order(void **state)
{
    struct st_fixture_t *f = *state;

    join_all(f);
    assert_int_equal(lookup(f->cache, "b", &f->waiters[6], f->lanes[1], &f->flight2), ICACHE_LEAD);
    icache_flight_complete(&f->flight, NULL, -1, 0, 0);
    icache_flight_complete(&f->flight2, NULL, -2, 0, 0);
    sequence = 0;
    icache_lane_run(f->lanes[1]);
    static const int order[] = {0, 1, 0, 2, 0, 3, 4};
    for (int i = 0; i < 7; ++i) {
        assert_int_equal(f->waiters[i].order, order[i]);
        assert_int_equal(f->waiters[i].error, order[i] == 0 ? 0 : i == 6 ? -2 : -1);
    }
    run_lanes(f);
}

static void lanes_run_out_and_come_back(void **state)
{
    struct st_fixture_t *f = *state;
    icache_lane_t *lanes[ICACHE_MAX_LANES];
    int n = 0;

    while ((lanes[n] = icache_lane_create(f->cache, count_call, &f->wakes[0])) != NULL)
        ++n;
    assert_int_equal(n, ICACHE_MAX_LANES - 2);
    /* the last lane there can be works like the first */
    assert_int_equal(lookup(f->cache, "a", &f->waiters[0], lanes[n - 1], &f->flight), ICACHE_LEAD);
    icache_flight_complete(&f->flight, NULL, -1, 0, 0);
    icache_lane_run(lanes[n - 1]);
    assert_int_equal(f->waiters[0].calls, 1);
    icache_lane_destroy(&lanes[7]);
    assert_non_null(lanes[7] = icache_lane_create(f->cache, count_call, &f->wakes[0]));
    while (n-- > 0)
        icache_lane_destroy(&lanes[n]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_who_left_are_not_called),
        TEST(all_leave_after_landing),
        TEST(each_lane_is_woken_once),
        TEST(the_last_one_leaving_abandons),
        TEST(an_abandoned_result_may_fill_a_gap),
        TEST(late_registration_is_called_at_once),
        TEST(the_callback_may_complete),
        TEST(what_is_not_stored_is_still_delivered),
        TEST(on_done_may_take_others_out),
        TEST(wake_may_run_the_lane),
        TEST(waiters_are_served_in_order),
        TEST(lanes_run_out_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
