#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/worker_pool.h"

#define NUM_WORKERS 4
#define NUM_PUSHERS 3
#define NUM_PUSHED 3000
#define NUM_JOBS ((size_t)NUM_PUSHERS * NUM_PUSHED)

struct st_job_t {
    sluice_task_t task;
    int runs, parks; /* parks: how often it still parks itself; plain numbers, for the pool has to order what is done to them */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static size_t finished; /* guarded by mutex */
static sluice_pool_t *pool;
static _Atomic int wrong_counts;

static void run_restless(sluice_task_t *task)
{
    struct st_job_t *job = (struct st_job_t *)(void *)task;

    if (job->parks-- > 0) {
        sluice_pool_park(pool, task);
        return;
    }
    ++job->runs;
    sluice_pool_unpark(pool);
    pthread_mutex_lock(&mutex);
    if (++finished == NUM_JOBS)
        pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static void *push_many(void *_jobs)
{
    struct st_job_t *jobs = _jobs;

    for (size_t i = 0; i != NUM_PUSHED; ++i) {
        jobs[i].task.run = run_restless;
        jobs[i].parks = (int)(i % 3);
        if (i % 5 == 0)
            sluice_pool_park(pool, &jobs[i].task);
        else
            sluice_pool_push(pool, &jobs[i].task);
        wrong_counts += sluice_pool_waiting(pool) > NUM_JOBS || sluice_pool_running(pool) > NUM_WORKERS;
    }
    return NULL;
}

/* whatever is pushed, parked and unparked at the same time: nothing is lost, nothing runs twice */
static void test_every_task_runs_once(void **state)
{
    struct st_job_t *jobs = calloc(NUM_JOBS, sizeof(*jobs));
    pthread_t threads[NUM_PUSHERS];

    (void)state;
    alarm(120); /* a task that is lost must not hang the test */
    assert_non_null(jobs);
    assert_non_null(pool = sluice_pool_create("test", NUM_WORKERS, NULL, NULL));
    for (size_t i = 0; i != NUM_PUSHERS; ++i)
        assert_int_equal(pthread_create(threads + i, NULL, push_many, jobs + i * NUM_PUSHED), 0);
    for (size_t i = 0; i != NUM_PUSHERS; ++i)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&mutex);
    while (finished != NUM_JOBS)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    assert_int_equal(sluice_pool_waiting(pool), 0);
    sluice_pool_destroy(&pool);
    assert_int_equal(wrong_counts, 0);
    for (size_t i = 0; i != NUM_JOBS; ++i)
        assert_int_equal(jobs[i].runs, 1);
    free(jobs);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_task_runs_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
