/*
 * Operations from many threads, with a coordinator that steps all the time and reconciles every millisecond: some are cancelled
 * while they wait, some time out, some are cancelled by one thread while another grants them. Meant for the thread sanitizer; on
 * its own it checks that each operation has exactly one end, that no route ever has more than its slots and the memory never more
 * than its mark, that nothing is "healed" that is not broken, and that nothing is left. Exits with 0 if all of that held.
 *     stress_operation [ROUNDS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "pressure/operation.h"
#include "module/clock.h"

#define MIB ((uint64_t)1 << 20)
#define BUDGET (1000 * MIB)
#define NUM_THREADS 4
#define PER_THREAD 6
#define NUM_ROUTES 3
#define MAX_RUNNING 8

/* what becomes of a job belongs to the thread that takes it out of one of these by compare-and-swap */
enum { JOB_IDLE, JOB_STARTED, JOB_GRANTED };

typedef struct st_job_t {
    pressure_operation_t operation; /* first */
    _Atomic int state;
    _Atomic unsigned starts, ends;
} job_t;

static struct {
    pressure_t *pressure;
    unsigned rounds;
    pressure_route_t routes[NUM_ROUTES];
    _Atomic uint64_t on_route[NUM_ROUTES], held_bytes, running;
    job_t jobs[NUM_THREADS][PER_THREAD];
    atomic_uint num_failures, num_granted, num_cancelled, num_refused;
} stress;

static void expect(int holds, const char *what)
{
    if (!holds && atomic_fetch_add(&stress.num_failures, 1) < 10)
        fprintf(stderr, "stress_operation: %s\n", what);
}

static int sample_little(void *ctx, pressure_sample_t *sample)
{
    (void)ctx;
    sample->resident_bytes = 100 * MIB;
    return 0;
}

/* slots are counted where the operation's owner has them: from the grant to just before the end */
static void count_in(job_t *job)
{
    for (pressure_route_t *route = job->operation.route; route != NULL; route = route->parent)
        expect(atomic_fetch_add(&stress.on_route[route - stress.routes], 1) < route->max_concurrent, "a route is overfull");
    expect(atomic_fetch_add(&stress.held_bytes, job->operation.bytes) + job->operation.bytes <= BUDGET / 10 * 8, "too much memory");
    expect(atomic_fetch_add(&stress.running, 1) < MAX_RUNNING, "too many run");
}

static void count_out(job_t *job)
{
    for (pressure_route_t *route = job->operation.route; route != NULL; route = route->parent)
        atomic_fetch_sub(&stress.on_route[route - stress.routes], 1);
    atomic_fetch_sub(&stress.held_bytes, job->operation.bytes);
    atomic_fetch_sub(&stress.running, 1);
}

static void end_as(job_t *job, atomic_uint *counter)
{
    atomic_fetch_add(counter, 1);
    atomic_fetch_add(&job->ends, 1);
    atomic_store(&job->state, JOB_IDLE);
}

static void on_done(pressure_operation_t *operation, int result)
{
    job_t *job = (job_t *)(void *)operation;

    expect(atomic_load(&job->state) == JOB_STARTED, "told of one that does not wait");
    if (result != PRESSURE_OK) {
        end_as(job, &stress.num_refused);
        return;
    }
    count_in(job);
    atomic_store(&job->state, JOB_GRANTED);
}

static void start(job_t *job, uint64_t n)
{
    pressure_operation_t *operation = &job->operation;

    operation->resource_class = PRESSURE_CLASS_DECODE;
    operation->bytes = (n * 7919 % 300 + 1) * MIB;
    operation->party = n % 5;
    operation->route = n % 4 == 3 ? NULL : &stress.routes[n % 4];
    operation->deadline_ms = sluice_exact_ms() + n % 7;
    operation->on_done = on_done;
    atomic_fetch_add(&job->starts, 1);
    atomic_store(&job->state, JOB_STARTED);
    int result = pressure_operation_start(stress.pressure, operation);
    if (result == PRESSURE_OK) {
        count_in(job);
        atomic_store(&job->state, JOB_GRANTED);
    } else if (result != PRESSURE_WAITING) {
        end_as(job, &stress.num_refused);
    }
}

static void end(job_t *job)
{
    int granted = JOB_GRANTED;

    if (atomic_load(&job->state) != JOB_GRANTED)
        return;
    count_out(job);
    pressure_operation_end(stress.pressure, &job->operation);
    if (atomic_compare_exchange_strong(&job->state, &granted, JOB_STARTED))
        end_as(job, &stress.num_granted);
}

static void cancel(job_t *job)
{
    if (pressure_operation_cancel(stress.pressure, &job->operation))
        end_as(job, &stress.num_cancelled);
}

/* each thread starts and ends its own jobs, and cancels them; the grants come from wherever they come */
static void *run_worker(void *arg)
{
    uint64_t number = (uint64_t)(uintptr_t)arg, n = number * 1000003;

    for (uint64_t i = 0; i < stress.rounds; ++i, ++n) {
        job_t *job = &stress.jobs[number][i % PER_THREAD];
        switch (atomic_load(&job->state)) {
        case JOB_IDLE:
            start(job, n);
            break;
        case JOB_GRANTED:
            end(job);
            break;
        default:
            if (i % 3 == 0)
                cancel(job);
            break;
        }
    }
    for (unsigned i = 0; i < PER_THREAD; ++i) {
        job_t *job = &stress.jobs[number][i];
        while (atomic_load(&job->state) != JOB_IDLE) {
            cancel(job);
            end(job);
        }
        expect(atomic_load(&job->starts) == atomic_load(&job->ends), "an operation has not exactly one end");
    }
    return NULL;
}

static void create(void)
{
    pressure_config_t config;

    pressure_config_init(&config);
    config.budget_bytes = BUDGET;
    config.sample = sample_little;
    config.now_ms = sluice_exact_ms;
    config.max_operations = MAX_RUNNING;
    config.max_waiting = NUM_THREADS * PER_THREAD * 3 / 4;
    config.reconcile_period_ms = 1;
    config.operation_classes = 1u << PRESSURE_CLASS_DECODE;
    if ((stress.pressure = pressure_create(&config)) == NULL || pressure_start(stress.pressure) != 0)
        exit(1);
    for (unsigned i = 0; i < NUM_ROUTES; ++i) {
        stress.routes[i] =
            (pressure_route_t){.name = "r", .max_concurrent = i == 0 ? 5 : 2, .parent = i == 0 ? NULL : stress.routes};
        pressure_add_route(stress.pressure, &stress.routes[i]);
    }
}

static void check_end(void)
{
    pressure_queue_snapshot_t queue;
    pressure_snapshot_t snapshot;

    pressure_get_queue_snapshot(stress.pressure, &queue);
    pressure_get_snapshot(stress.pressure, &snapshot);
    expect(queue.waiting + queue.waiting_bytes + queue.granted + queue.granted_bytes == 0, "something is left in the queue");
    expect(snapshot.reserved_total_bytes == 0, "something is still reserved");
    expect(queue.healed == 0, "something was healed that was not broken");
    expect(queue.waited != 0 && queue.timed_out != 0 && queue.cancelled != 0 && queue.overtakes != 0, "not everything happened");
    for (unsigned i = 0; i < NUM_ROUTES; ++i)
        expect(stress.routes[i].in_use == 0 && stress.routes[i].waiting == 0, "a slot is still taken");
    printf("stress_operation: %u rounds, %u granted (%llu after a wait, %llu overtook), %u cancelled, %u refused, %u failures\n",
           stress.rounds, atomic_load(&stress.num_granted), (unsigned long long)queue.waited, (unsigned long long)queue.overtakes,
           atomic_load(&stress.num_cancelled), atomic_load(&stress.num_refused), atomic_load(&stress.num_failures));
}

int main(int argc, char **argv)
{
    pthread_t threads[NUM_THREADS];

    stress.rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
    create();
    for (unsigned i = 0; i < NUM_THREADS; ++i)
        if (pthread_create(&threads[i], NULL, run_worker, (void *)(uintptr_t)i) != 0)
            return 1;
    for (unsigned i = 0; i < NUM_THREADS; ++i)
        pthread_join(threads[i], NULL);
    check_end();
    pressure_destroy(&stress.pressure);
    return atomic_load(&stress.num_failures) == 0 ? 0 : 1;
}
