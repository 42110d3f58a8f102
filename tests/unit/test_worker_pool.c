#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/worker_pool.h"

#define GIVE_UP_S 20

/* what the tasks did, guarded by the mutex; changes are signalled */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static char trace[64];
static size_t trace_len, gates_entered, gates_open;
static sluice_pool_t *pool;
static _Atomic size_t started, ended;
static _Thread_local int is_started;

struct st_job_t {
    sluice_task_t task;
    char name;
    _Atomic int runs;
    int parks; /* how often it still parks itself when it is run */
};

static struct timespec from_now(long ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void note(char name)
{
    pthread_mutex_lock(&mutex);
    if (trace_len + 1 != sizeof(trace))
        trace[trace_len++] = name;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}

static void run_note(sluice_task_t *task)
{
    struct st_job_t *job = (struct st_job_t *)(void *)task;

    if (job->parks-- > 0)
        sluice_pool_park(pool, task);
    else
        note(job->name);
}

/* keeps its worker until the gates open */
static void run_gate(sluice_task_t *task)
{
    (void)task;
    pthread_mutex_lock(&mutex);
    ++gates_entered;
    pthread_cond_broadcast(&cond);
    while (!gates_open)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void wait_until(const size_t *counter, size_t value)
{
    struct timespec deadline = from_now(GIVE_UP_S * 1000);
    int ret = 0;

    pthread_mutex_lock(&mutex);
    while (*counter < value && ret == 0)
        ret = pthread_cond_timedwait(&cond, &mutex, &deadline);
    pthread_mutex_unlock(&mutex);
    assert_int_equal(ret, 0);
}

static void open_gates(void)
{
    pthread_mutex_lock(&mutex);
    gates_open = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
}

static void wait_for_trace(const char *expected)
{
    wait_until(&trace_len, strlen(expected));
    pthread_mutex_lock(&mutex);
    assert_string_equal(trace, expected);
    pthread_mutex_unlock(&mutex);
}

static void start_thread(void)
{
    is_started = 1;
    ++started;
}

static void end_thread(void)
{
    ended += (size_t)is_started;
}

static int set_up(void **state)
{
    (void)state;
    memset(trace, 0, sizeof(trace));
    trace_len = gates_entered = gates_open = 0;
    started = ended = 0;
    pool = NULL;
    alarm(3 * GIVE_UP_S); /* a pool that hangs must not hang the test */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    open_gates();
    sluice_pool_destroy(&pool);
    alarm(0);
    return 0;
}

/* a pool of which each worker stands in a gate, so that what follows is queued */
static void create_held(size_t num_threads)
{
    static sluice_task_t gates[8];

    assert_non_null(pool = sluice_pool_create("test", num_threads, NULL, NULL));
    for (size_t i = 0; i != num_threads; ++i) {
        gates[i].run = run_gate;
        sluice_pool_push(pool, gates + i);
    }
    wait_until(&gates_entered, num_threads);
}

static void wait_until_none_runs(void)
{
    time_t deadline = time(NULL) + GIVE_UP_S;

    for (; sluice_pool_running(pool) != 0; sched_yield())
        assert_true(time(NULL) < deadline);
}

/* a pool of which each worker sleeps, without a deadline, for nothing is parked */
static void create_idle(size_t num_threads)
{
    create_held(num_threads);
    open_gates();
    wait_until_none_runs(); /* from there on a worker keeps the lock until it sleeps */
    gates_open = gates_entered = 0;
}

static struct st_job_t *jobs_named(const char *names)
{
    static struct st_job_t jobs[16];

    memset(jobs, 0, sizeof(jobs));
    for (size_t i = 0; names[i] != '\0'; ++i) {
        jobs[i].task.run = run_note;
        jobs[i].name = names[i];
    }
    return jobs;
}

static void test_first_in_first_out(void **state)
{
    struct st_job_t *jobs = jobs_named("abcdefgh");

    (void)state;
    create_held(1);
    for (size_t i = 0; i != 8; ++i)
        sluice_pool_push(pool, &jobs[i].task);
    open_gates();
    wait_for_trace("abcdefgh");
    sluice_pool_push(pool, &jobs[7].task); /* the list is whole after it was empty */
    sluice_pool_push(pool, &jobs[0].task);
    wait_for_trace("abcdefghha");
}

static void test_parked_go_first_and_in_order(void **state)
{
    struct st_job_t *jobs = jobs_named("abxyz");

    (void)state;
    create_held(1);
    sluice_pool_push(pool, &jobs[0].task);
    sluice_pool_park(pool, &jobs[2].task);
    sluice_pool_push(pool, &jobs[1].task);
    sluice_pool_park(pool, &jobs[3].task);
    sluice_pool_park(pool, &jobs[4].task);
    sluice_pool_unpark(pool);
    open_gates();
    wait_for_trace("xyzab");
}

static void test_unpark_into_an_empty_queue(void **state)
{
    struct st_job_t *jobs = jobs_named("xyzab");

    (void)state;
    create_held(1);
    sluice_pool_unpark(pool); /* nothing to do */
    sluice_pool_park(pool, &jobs[1].task);
    sluice_pool_park(pool, &jobs[2].task);
    sluice_pool_unpark(pool);
    sluice_pool_push(pool, &jobs[3].task);
    sluice_pool_park(pool, &jobs[0].task);
    sluice_pool_unpark(pool);
    sluice_pool_unpark(pool);
    sluice_pool_push(pool, &jobs[4].task);
    assert_int_equal(sluice_pool_waiting(pool), 5);
    open_gates();
    wait_for_trace("xyzab");
}

static void test_counts(void **state)
{
    struct st_job_t *jobs = jobs_named("aaaaa");

    (void)state;
    create_held(2);
    assert_int_equal(sluice_pool_waiting(pool), 0);
    assert_int_equal(sluice_pool_running(pool), 2);
    for (size_t i = 0; i != 3; ++i)
        sluice_pool_push(pool, &jobs[i].task);
    sluice_pool_park(pool, &jobs[3].task);
    sluice_pool_park(pool, &jobs[4].task);
    assert_int_equal(sluice_pool_waiting(pool), 5);
    sluice_pool_unpark(pool);
    assert_int_equal(sluice_pool_waiting(pool), 5);
    assert_int_equal(sluice_pool_running(pool), 2);
    open_gates();
    wait_for_trace("aaaaa");
    assert_int_equal(sluice_pool_waiting(pool), 0);
    wait_until_none_runs();
}

/* nobody unparks: the queue goes first, then, after its time, what is parked */
static void test_parked_are_retried_when_idle(void **state)
{
    struct st_job_t *jobs = jobs_named("xyab");
    struct timespec before, after;

    (void)state;
    create_held(1);
    jobs[1].parks = 2;
    clock_gettime(CLOCK_MONOTONIC, &before);
    sluice_pool_park(pool, &jobs[0].task);
    sluice_pool_park(pool, &jobs[1].task);
    sluice_pool_push(pool, &jobs[2].task);
    sluice_pool_push(pool, &jobs[3].task);
    open_gates();
    wait_for_trace("abxy");
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(jobs[1].parks, -1);
    /* three rounds, none of them early */
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 3 * SLUICE_POOL_PARK_MS - 1);
}

static void test_parking_wakes_the_idle(void **state)
{
    struct st_job_t *jobs = jobs_named("x");

    (void)state;
    create_idle(3);
    sluice_pool_park(pool, &jobs[0].task);
    wait_for_trace("x");
}

/* waits for the trace for `ms` at most; returns whether it has begun */
static int has_trace_after(long ms)
{
    struct timespec deadline = from_now(ms);
    int has_begun;

    pthread_mutex_lock(&mutex);
    while (trace_len == 0 && pthread_cond_timedwait(&cond, &mutex, &deadline) != ETIMEDOUT)
        ;
    has_begun = trace_len != 0;
    pthread_mutex_unlock(&mutex);
    return has_begun;
}

/* small tasks that come more often than parked ones are retried must not put the retry off for ever */
static void test_traffic_does_not_starve_the_parked(void **state)
{
    static sluice_task_t ticks[400];
    struct st_job_t *parked = jobs_named("x");
    size_t num_ticks = 0;

    (void)state;
    create_idle(1);
    gates_open = 1; /* the ticks do not stop in their gate */
    sluice_pool_park(pool, &parked->task);
    do {
        assert_true(num_ticks != sizeof(ticks) / sizeof(ticks[0]));
        ticks[num_ticks].run = run_gate;
        sluice_pool_push(pool, ticks + num_ticks++);
    } while (!has_trace_after(SLUICE_POOL_PARK_MS / 5));
}

/* one idle worker is enough, whoever of the others is busy */
static void test_one_idle_worker_retries(void **state)
{
    struct st_job_t *jobs = jobs_named("x");
    static sluice_task_t gates[3] = {{.run = run_gate}, {.run = run_gate}, {.run = run_gate}};

    (void)state;
    create_idle(4);
    jobs[0].parks = 2;
    sluice_pool_park(pool, &jobs[0].task);
    for (size_t i = 0; i != 3; ++i)
        sluice_pool_push(pool, gates + i);
    wait_for_trace("x");
    wait_until(&gates_entered, 3);
    open_gates();
    sluice_pool_destroy(&pool);
}

static void run_chain(sluice_task_t *task)
{
    struct st_job_t *job = (struct st_job_t *)(void *)task;

    if (atomic_fetch_add(&job->runs, 1) + 1 < 1000)
        sluice_pool_push(pool, task);
    else
        note(job->name);
}

static void test_push_from_inside(void **state)
{
    struct st_job_t *jobs = jobs_named("ab");

    (void)state;
    jobs[0].task.run = jobs[1].task.run = run_chain;
    assert_non_null(pool = sluice_pool_create("test", 2, NULL, NULL));
    sluice_pool_push(pool, &jobs[0].task);
    sluice_pool_push(pool, &jobs[1].task);
    wait_until(&trace_len, 2);
    assert_int_equal(jobs[0].runs, 1000);
    assert_int_equal(jobs[1].runs, 1000);
}

static void run_and_free(sluice_task_t *task)
{
    char name = ((struct st_job_t *)(void *)task)->name;

    memset(task, 0xa5, sizeof(struct st_job_t));
    free(task);
    note(name);
}

static void test_task_frees_itself(void **state)
{
    (void)state;
    create_held(1);
    for (char name = 'a'; name != 'e'; ++name) {
        struct st_job_t *job = calloc(1, sizeof(*job));
        assert_non_null(job);
        job->task.run = run_and_free;
        job->name = name;
        sluice_pool_push(pool, &job->task);
    }
    open_gates();
    wait_for_trace("abcd");
}

static void run_for_ever(sluice_task_t *task)
{
    struct st_job_t *job = (struct st_job_t *)(void *)task;

    if (++job->runs == 100)
        note(job->name);
    sluice_pool_push(pool, task);
}

/* with tasks that push themselves for ever, a pool that ran its queue to the end would never be destroyed */
static void test_destroy_leaves_the_queue(void **state)
{
    struct st_job_t *jobs = jobs_named("abcdx");
    sluice_pool_t *local;
    int runs[5];

    (void)state;
    for (size_t i = 0; i != 4; ++i)
        jobs[i].task.run = run_for_ever;
    assert_non_null(local = pool = sluice_pool_create("test", 2, start_thread, end_thread));
    for (size_t i = 0; i != 4; ++i)
        sluice_pool_push(pool, &jobs[i].task);
    sluice_pool_park(pool, &jobs[4].task);
    wait_until(&trace_len, 4);
    sluice_pool_destroy(&local); /* the tasks still need their pointer to it */
    pool = NULL;
    assert_null(local);
    assert_int_equal(ended, 2);
    for (size_t i = 0; i != 5; ++i)
        runs[i] = jobs[i].runs;
    sched_yield();
    for (size_t i = 0; i != 5; ++i)
        assert_int_equal(jobs[i].runs, runs[i]);
    assert_int_equal(trace_len, 4); /* there was never an idle worker to retry the parked one */
}

static void test_destroy_without_threads(void **state)
{
    struct st_job_t *jobs = jobs_named("ab");

    (void)state;
    assert_non_null(pool = sluice_pool_create("test", 0, start_thread, end_thread));
    sluice_pool_push(pool, &jobs[0].task);
    sluice_pool_park(pool, &jobs[1].task);
    assert_int_equal(sluice_pool_waiting(pool), 2);
    assert_int_equal(sluice_pool_running(pool), 0);
    sluice_pool_destroy(&pool);
    assert_null(pool);
    sluice_pool_destroy(&pool); /* no pool is fine */
    assert_true(trace_len == 0 && started == 0 && ended == 0);
}

static void run_check_thread(sluice_task_t *task)
{
    char name[16];

    note(pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 && is_started && strcmp(name, "a-name-that-is-") == 0
             ? ((struct st_job_t *)(void *)task)->name
             : '?');
}

static void test_threads(void **state)
{
    struct st_job_t *jobs = jobs_named("aaaa");

    (void)state;
    assert_non_null(pool = sluice_pool_create("a-name-that-is-too-long", 3, start_thread, end_thread));
    for (size_t i = 0; i != 4; ++i) {
        jobs[i].task.run = run_check_thread;
        sluice_pool_push(pool, &jobs[i].task);
    }
    wait_for_trace("aaaa");
    assert_int_equal(ended, 0);
    sluice_pool_destroy(&pool);
    assert_int_equal(started, 3);
    assert_int_equal(ended, 3);
}

int main(void)
{
    pthread_condattr_t attr;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_in_first_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parked_go_first_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unpark_into_an_empty_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parked_are_retried_when_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parking_wakes_the_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_traffic_does_not_starve_the_parked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_idle_worker_retries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_push_from_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_task_frees_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy_leaves_the_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy_without_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &attr);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
