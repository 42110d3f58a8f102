/*
 * A stampede: a thousand lookups of one key at once, on four threads with a lane each.
 */
#include <pthread.h>
#include "test_image_cache_fixture.h"

struct st_test_waiter_t {
    icache_waiter_t real; /* first, so that on_done can get at the rest */
    int calls, error;
    icache_object_t *object;
};

static void keep_result(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    struct st_test_waiter_t *waiter = (struct st_test_waiter_t *)real;
    ++waiter->calls;
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

#define NUM_THREADS 4
#define NUM_WAITERS 251

struct st_lane_thread_t {
    icache_t *cache;
    pthread_t thread;
    pthread_barrier_t *looked_up;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    int wakes;
    icache_lane_t *lane;
    icache_flight_t *flight;
    int leads, waits;
    int error;
    struct st_test_waiter_t waiters[NUM_WAITERS];
};

static void signal_wake(void *ctx)
{
    struct st_lane_thread_t *self = ctx;
    pthread_mutex_lock(&self->lock);
    ++self->wakes;
    pthread_cond_signal(&self->woken);
    pthread_mutex_unlock(&self->lock);
}

static void wait_for_wake(struct st_lane_thread_t *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->wakes == 0)
        pthread_cond_wait(&self->woken, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static void *lane_thread(void *arg)
{
    struct st_lane_thread_t *self = arg;

    for (int i = 0; i < NUM_WAITERS; ++i) {
        icache_flight_t *flight;
        icache_verdict_t verdict = lookup(self->cache, "a", &self->waiters[i], self->lane, &flight);
        self->leads += verdict == ICACHE_LEAD;
        self->flight = flight != NULL ? flight : self->flight;
        self->waits += verdict == ICACHE_WAIT;
    }
    pthread_barrier_wait(self->looked_up);
    if (self->leads != 0)
        icache_flight_complete(&self->flight, self->error == 0 ? make_object(self->cache, "a", 100) : NULL, self->error, 1, 0);
    wait_for_wake(self);
    icache_lane_run(self->lane);
    return NULL;
}

static void run_stampede(int error)
{
    static struct st_lane_thread_t threads[NUM_THREADS];
    icache_t *cache = create_cache();
    pthread_barrier_t looked_up;
    int leads = 0, waits = 0;

    pthread_barrier_init(&looked_up, NULL, NUM_THREADS);
    for (int i = 0; i < NUM_THREADS; ++i) {
        threads[i] = (struct st_lane_thread_t){.cache = cache, .looked_up = &looked_up, .error = error};
        pthread_mutex_init(&threads[i].lock, NULL);
        pthread_cond_init(&threads[i].woken, NULL);
        threads[i].lane = icache_lane_create(cache, signal_wake, &threads[i]);
    }
    for (int i = 0; i < NUM_THREADS; ++i)
        pthread_create(&threads[i].thread, NULL, lane_thread, &threads[i]);
    for (int i = 0; i < NUM_THREADS; ++i)
        pthread_join(threads[i].thread, NULL);

    icache_object_t *object = threads[0].waiters[0].object;
    assert_int_equal(object != NULL, error == 0);
    for (int i = 0; i < NUM_THREADS; ++i) {
        assert_int_equal(threads[i].wakes, 1);
        leads += threads[i].leads;
        waits += threads[i].waits;
        for (int j = 0; j < NUM_WAITERS; ++j) {
            assert_int_equal(threads[i].waiters[j].calls, 1);
            assert_int_equal(threads[i].waiters[j].error, error);
            assert_ptr_equal(threads[i].waiters[j].object, object);
        }
    }
    assert_int_equal(leads, 1);
    assert_int_equal(waits, NUM_THREADS * NUM_WAITERS - 1);
    icache_stats_t stats = get_stats(cache);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.coalesced, NUM_THREADS * NUM_WAITERS - 1);
    assert_int_equal(stats.flights + stats.waiters, 0);
    assert_int_equal(stats.entries, error == 0);

    /* as many references as waiters, no more and no less */
    icache_clear(cache);
    for (int i = 0; i < NUM_THREADS; ++i) {
        for (int j = 0; j < NUM_WAITERS; ++j) {
            assert_int_equal(get_stats(cache).pinned_bytes != 0, error == 0);
            icache_object_unref(&threads[i].waiters[j].object);
        }
        icache_lane_destroy(&threads[i].lane);
        pthread_cond_destroy(&threads[i].woken);
        pthread_mutex_destroy(&threads[i].lock);
    }
    assert_int_equal(get_stats(cache).pinned_bytes, 0);
    pthread_barrier_destroy(&looked_up);
    icache_destroy(&cache);
}

static void a_stampede_is_one_flight(void **state)
{
    (void)state;
    run_stampede(0);
}

static void the_error_goes_to_everybody_once(void **state)
{
    (void)state;
    run_stampede(-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stampede_is_one_flight),
        cmocka_unit_test(the_error_goes_to_everybody_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
