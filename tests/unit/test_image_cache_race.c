/* ldflags: -Wl,--wrap=pthread_mutex_lock -Wl,--wrap=pthread_mutex_unlock */
/*
 * Races played out one by one: at the n-th moment at which a call is about to take a lock while it holds none, "another thread"
 * gets in with a whole call of its own. Looped over n until the call has no such moment left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>
#include "image_cache/image_cache.h"

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static _Thread_local struct {
    int countdown, depth; /* countdown 0: off */
    void (*intrude)(void);
} hook;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (hook.depth == 0 && hook.countdown != 0 && --hook.countdown == 0)
        hook.intrude();
    ++hook.depth;
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    --hook.depth;
    return __real_pthread_mutex_unlock(mutex);
}

static icache_t *cache;
static icache_lane_t *lane;
static icache_key_t key;
static icache_flight_t *flight;
static icache_waiter_t leader, follower;
static icache_object_t *result;
static int calls, abandoned, inside_complete, intruded;

static void on_wake(void *ctx)
{
    (void)ctx;
}

static void on_done(icache_waiter_t *waiter, icache_object_t *object, int64_t error)
{
    (void)waiter;
    (void)error;
    ++calls;
    icache_object_unref(&object);
}

static void on_abandon(void *ctx)
{
    (void)ctx;
    assert_false(inside_complete);
    ++abandoned;
}

static icache_verdict_t lookup(icache_waiter_t *waiter, icache_flight_t **led)
{
    icache_object_t *object;

    *waiter = (icache_waiter_t){.on_done = on_done, .lane = lane};
    icache_verdict_t verdict = icache_lookup(cache, &key, 0, waiter, &object, led);
    icache_object_unref(&object);
    return verdict;
}

static void set_up(void)
{
    icache_config_t config = {.capacity_bytes = 1 << 20, .max_object_bytes = 1 << 20, .seed = 7};

    hook.countdown = 0;
    calls = abandoned = inside_complete = intruded = 0;
    cache = icache_create(&config);
    lane = icache_lane_create(cache, on_wake, NULL);
    key = icache_key(cache, "a", 1);
    result = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 10);
    assert_int_equal(lookup(&leader, &flight), ICACHE_LEAD);
    icache_flight_on_abandon(flight, on_abandon, NULL);
}

static void tear_down(void)
{
    icache_stats_t stats;

    hook.countdown = 0;
    icache_lane_run(lane);
    icache_get_stats(cache, &stats);
    assert_int_equal(stats.flights + stats.waiters + stats.pinned_bytes, 0);
    assert_int_equal(icache_check(cache), 0);
    /* a reference that is left over shows when its object leaves the cache */
    icache_clear(cache);
    icache_get_stats(cache, &stats);
    assert_int_equal(stats.objects, 0);
    icache_lane_destroy(&lane);
    icache_destroy(&cache);
}

static void intrude_complete(void)
{
    intruded = 1;
    icache_flight_complete(&flight, result, 0, 1, 0);
}

static icache_flight_t *intruder_flight;
static icache_waiter_t intruder;

/* wherever the landing falls into the lookup, there is no second leader */
static void landing_inside_lookup(void **state)
{
    (void)state;
    int n = 0;
    do {
        icache_flight_t *second = NULL;
        set_up();
        hook.intrude = intrude_complete;
        hook.countdown = ++n;
        icache_verdict_t verdict = lookup(&follower, &second);
        hook.countdown = 0;
        assert_int_not_equal(verdict, ICACHE_LEAD);
        assert_null(second);
        if (!intruded) {
            assert_int_equal(verdict, ICACHE_WAIT);
            icache_flight_complete(&flight, result, 0, 1, 0);
        }
        icache_lane_run(lane);
        assert_int_equal(calls, verdict == ICACHE_WAIT ? 2 : 1);
        tear_down();
    } while (intruded);
    assert_true(n > 2);
}

static void intrude_lookup(void)
{
    intruded = 1;
    assert_int_not_equal(lookup(&intruder, &intruder_flight), ICACHE_REFUSED);
}

/* two that miss at the same time */
static void lookup_inside_lookup(void **state)
{
    (void)state;
    int n = 0;
    do {
        icache_flight_t *second = NULL;
        set_up();
        icache_flight_complete(&flight, NULL, -1, 0, 0);
        icache_lane_run(lane);
        intruder_flight = NULL;
        hook.intrude = intrude_lookup;
        hook.countdown = ++n;
        icache_verdict_t verdict = lookup(&follower, &second);
        hook.countdown = 0;
        assert_int_equal(verdict == ICACHE_LEAD, intruder_flight == NULL);
        assert_int_equal(verdict == ICACHE_LEAD, second != NULL);
        icache_flight_complete(second != NULL ? &second : &intruder_flight, result, 0, 1, 0);
        icache_lane_run(lane);
        assert_int_equal(calls, intruded ? 3 : 2);
        tear_down();
    } while (intruded);
    assert_true(n > 2);
}

static void intrude_renew(void)
{
    const icache_life_t life = {0, 100, 0, 0};
    intruded = 1;
    icache_renew(cache, result, &life, 0);
}

static void intrude_replace(void)
{
    intruded = 1;
    icache_insert(cache, icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 20), 0);
}

static void intrude_purge(void)
{
    intruded = 1;
    icache_purge(cache, ICACHE_PURGE_ALL, NULL, 0, NULL);
}

/* of an object that has expired and may be served; what becomes of it meanwhile costs no reference and no flight */
static void intrusions_into_a_stale_lookup(void **state)
{
    void (*const intrusions[])(void) = {intrude_renew, intrude_replace, intrude_purge, intrude_lookup};

    (void)state;
    for (size_t i = 0; i < sizeof(intrusions) / sizeof(intrusions[0]); ++i) {
        int n = 0;
        do {
            icache_flight_t *second = NULL;
            set_up();
            result->expires_ms = 0;
            result->stale_ms = 100;
            icache_flight_complete(&flight, result, 0, 1, 0);
            icache_lane_run(lane);
            intruder_flight = NULL;
            hook.intrude = intrusions[i];
            hook.countdown = ++n;
            icache_verdict_t verdict = lookup(&follower, &second);
            hook.countdown = 0;
            assert_true(verdict == ICACHE_STALE || intruded);
            assert_true(second == NULL || intruder_flight == NULL);
            if (second != NULL)
                icache_flight_complete(&second, NULL, -1, 0, 0);
            if (intruder_flight != NULL)
                icache_flight_complete(&intruder_flight, NULL, -1, 0, 0);
            tear_down();
        } while (intruded);
        assert_true(n > 2);
    }
}

static void intrude_detach(void)
{
    intruded = 1;
    icache_waiter_detach(&leader);
}

/* the last waiter leaves while the result is being delivered: no abandonment, and the result is stored */
static void detach_inside_complete(void **state)
{
    (void)state;
    int n = 0;
    do {
        set_up();
        hook.intrude = intrude_detach;
        hook.countdown = ++n;
        /* the first lock is where complete() is entered, until then it may still be abandoned */
        inside_complete = n > 1;
        icache_flight_complete(&flight, result, 0, 1, 0);
        hook.countdown = 0;
        inside_complete = 0;
        assert_int_equal(abandoned, n == 1);
        icache_lane_run(lane);
        assert_int_equal(calls, !intruded);
        assert_int_equal(lookup(&follower, &flight), ICACHE_HIT);
        tear_down();
    } while (intruded);
    assert_true(n > 2);
}

/* joining while the result is being delivered */
static void lookup_inside_complete(void **state)
{
    (void)state;
    int n = 0;
    do {
        set_up();
        hook.intrude = intrude_lookup;
        hook.countdown = ++n;
        icache_flight_complete(&flight, result, 0, 0, 0);
        hook.countdown = 0;
        icache_lane_run(lane);
        assert_int_equal(calls, intruded ? 2 : 1);
        tear_down();
    } while (intruded);
    assert_true(n > 1);
}

/* complete() on one thread waits for the on_abandon on the other, whose context goes after it */

static pthread_barrier_t in_callback;
static int context_gone, callback_done;

static void slow_abandon(void *ctx)
{
    (void)ctx;
    pthread_barrier_wait(&in_callback);
    for (int i = 0; i < 1000; ++i) {
        assert_false(__atomic_load_n(&context_gone, __ATOMIC_SEQ_CST));
        sched_yield();
    }
    __atomic_store_n(&callback_done, 1, __ATOMIC_SEQ_CST);
}

static void *complete_thread(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&in_callback);
    icache_flight_complete(&flight, result, 0, 0, 0);
    assert_true(__atomic_load_n(&callback_done, __ATOMIC_SEQ_CST));
    __atomic_store_n(&context_gone, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void complete_waits_for_the_callback(void **state)
{
    (void)state;
    pthread_t thread;

    set_up();
    context_gone = callback_done = 0;
    pthread_barrier_init(&in_callback, NULL, 2);
    icache_flight_on_abandon(flight, slow_abandon, NULL);
    pthread_create(&thread, NULL, complete_thread, NULL);
    assert_int_equal(icache_waiter_detach(&leader), 1);
    pthread_join(thread, NULL);
    tear_down();
    pthread_barrier_destroy(&in_callback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(landing_inside_lookup),          cmocka_unit_test(lookup_inside_lookup),
        cmocka_unit_test(detach_inside_complete),         cmocka_unit_test(lookup_inside_complete),
        cmocka_unit_test(intrusions_into_a_stale_lookup), cmocka_unit_test(complete_waits_for_the_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
