/*
 * worker_pool.h - threads that take tasks from one queue, first in, first out, and a place for tasks that wait for memory.
 *
 * Tasks are embedded in their owners' structures: pushing cannot fail and allocates nothing. A task that is run may push, park or
 * free itself. Parked tasks go back to the front of the queue, in order, when sluice_pool_unpark() is called, and otherwise as soon
 * as a worker is idle SLUICE_POOL_PARK_MS after the first of them was parked: memory can also come back without anybody here
 * knowing.
 */
#ifndef module__worker_pool_h
#define module__worker_pool_h

#include <stddef.h>

#define SLUICE_POOL_PARK_MS 50

typedef struct st_sluice_task_t {
    void (*run)(struct st_sluice_task_t *task); /* on a worker's thread, no lock held */
    struct st_sluice_task_t *_next;
} sluice_task_t;

typedef struct st_sluice_pool_t sluice_pool_t;

/**
 * starts the threads. `thread_init` and `thread_exit` run on each of them first and last; may be NULL. NULL when the threads cannot
 * be had.
 */
sluice_pool_t *sluice_pool_create(const char *name, size_t num_threads, void (*thread_init)(void), void (*thread_exit)(void));
/**
 * waits for the tasks that run, ends the threads and frees the pool. What is still queued is not run.
 */
void sluice_pool_destroy(sluice_pool_t **pool);
void sluice_pool_push(sluice_pool_t *pool, sluice_task_t *task);
void sluice_pool_park(sluice_pool_t *pool, sluice_task_t *task);
void sluice_pool_unpark(sluice_pool_t *pool);
/**
 * tasks that are queued or parked
 */
size_t sluice_pool_waiting(sluice_pool_t *pool);
size_t sluice_pool_running(sluice_pool_t *pool);

#endif
