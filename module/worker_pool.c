/*
 * One mutex, one condition. A worker that finds the queue empty waits: for ever while nothing is parked, else until retry_at, which
 * is set when the first task is parked and does not move with the traffic. All idle workers are woken at that moment, so that
 * whichever of them gets the next task, the others wait with the deadline.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "module/clock.h"
#include "module/worker_pool.h"

struct st_task_list_t {
    sluice_task_t *head, **tail;
    size_t size;
};

struct st_sluice_pool_t {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct st_task_list_t queue, parked; /* guarded by mutex, as are the next three */
    struct timespec retry_at;            /* of what is parked; on the monotonic clock */
    size_t running;
    int closing;
    void (*thread_init)(void), (*thread_exit)(void);
    char name[16];
    size_t num_threads;
    pthread_t threads[];
};

static void list_init(struct st_task_list_t *list)
{
    *list = (struct st_task_list_t){NULL, &list->head, 0};
}

static void list_append(struct st_task_list_t *list, sluice_task_t *task)
{
    task->_next = NULL;
    *list->tail = task;
    list->tail = &task->_next;
    ++list->size;
}

static sluice_task_t *list_pop(struct st_task_list_t *list)
{
    sluice_task_t *task = list->head;

    assert(task != NULL);
    if ((list->head = task->_next) == NULL)
        list->tail = &list->head;
    --list->size;
    return task;
}

static void unpark_locked(sluice_pool_t *pool)
{
    if (pool->parked.head == NULL)
        return;
    *pool->parked.tail = pool->queue.head;
    if (pool->queue.head == NULL)
        pool->queue.tail = pool->parked.tail;
    pool->queue.head = pool->parked.head;
    pool->queue.size += pool->parked.size;
    list_init(&pool->parked);
    pthread_cond_broadcast(&pool->cond);
}

static void wait_locked(sluice_pool_t *pool)
{
    struct timespec until = pool->retry_at;

    if (pool->parked.head == NULL) {
        pthread_cond_wait(&pool->cond, &pool->mutex);
        return;
    }
    if (pthread_cond_timedwait(&pool->cond, &pool->mutex, &until) != ETIMEDOUT)
        return;
    /* another worker may have been first: what it ran and parked again has a later time */
    if (until.tv_sec == pool->retry_at.tv_sec && until.tv_nsec == pool->retry_at.tv_nsec)
        unpark_locked(pool);
}

static void *run_worker(void *arg)
{
    sluice_pool_t *pool = arg;

    pthread_setname_np(pthread_self(), pool->name);
    if (pool->thread_init != NULL)
        pool->thread_init();
    pthread_mutex_lock(&pool->mutex);
    while (!pool->closing) {
        if (pool->queue.head == NULL) {
            wait_locked(pool);
            continue;
        }
        sluice_task_t *task = list_pop(&pool->queue);
        ++pool->running;
        pthread_mutex_unlock(&pool->mutex);
        task->run(task);
        pthread_mutex_lock(&pool->mutex);
        --pool->running;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (pool->thread_exit != NULL)
        pool->thread_exit();
    return NULL;
}

sluice_pool_t *sluice_pool_create(const char *name, size_t num_threads, void (*thread_init)(void), void (*thread_exit)(void))
{
    sluice_pool_t *pool = calloc(1, sizeof(*pool) + num_threads * sizeof(pool->threads[0]));

    if (pool == NULL)
        return NULL;
    strncpy(pool->name, name, sizeof(pool->name) - 1);
    pool->thread_init = thread_init;
    pool->thread_exit = thread_exit;
    list_init(&pool->queue);
    list_init(&pool->parked);
    pthread_mutex_init(&pool->mutex, NULL);
    sluice_cond_init(&pool->cond);
    for (; pool->num_threads != num_threads; ++pool->num_threads) {
        if (pthread_create(pool->threads + pool->num_threads, NULL, run_worker, pool) != 0) {
            sluice_pool_destroy(&pool);
            return NULL;
        }
    }
    return pool;
}

void sluice_pool_destroy(sluice_pool_t **_pool)
{
    sluice_pool_t *pool = *_pool;

    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = 1;
    pthread_cond_broadcast(&pool->cond);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i != pool->num_threads; ++i)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->cond);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
    *_pool = NULL;
}

void sluice_pool_push(sluice_pool_t *pool, sluice_task_t *task)
{
    pthread_mutex_lock(&pool->mutex);
    list_append(&pool->queue, task);
    pthread_cond_signal(&pool->cond);
    pthread_mutex_unlock(&pool->mutex);
}

void sluice_pool_park(sluice_pool_t *pool, sluice_task_t *task)
{
    pthread_mutex_lock(&pool->mutex);
    list_append(&pool->parked, task);
    if (pool->parked.size == 1) {
        pool->retry_at = sluice_deadline(SLUICE_POOL_PARK_MS);
        pthread_cond_broadcast(&pool->cond); /* the idle workers must go over to the timed wait */
    }
    pthread_mutex_unlock(&pool->mutex);
}

void sluice_pool_unpark(sluice_pool_t *pool)
{
    pthread_mutex_lock(&pool->mutex);
    unpark_locked(pool);
    pthread_mutex_unlock(&pool->mutex);
}

size_t sluice_pool_waiting(sluice_pool_t *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t waiting = pool->queue.size + pool->parked.size;
    pthread_mutex_unlock(&pool->mutex);
    return waiting;
}

size_t sluice_pool_running(sluice_pool_t *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t running = pool->running;
    pthread_mutex_unlock(&pool->mutex);
    return running;
}
