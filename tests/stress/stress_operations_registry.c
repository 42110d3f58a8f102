/*
 * The registry of operations (health/operations.h) from all sides: owners that begin, change and end operations as fast as they
 * can, with fewer slots than operations at times; an observer that orders to stop what has a deadline; readers that copy slots.
 * Meant for the thread sanitizer; on its own it checks that a copy is never a mixture of two operations, that nobody is told to
 * stop who has no deadline, and that nothing is left. Exits with 0 if all of that held. stress_operations_registry [ROUNDS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "health/operations.h"

#define NUM_OWNERS 4
#define NUM_READERS 2
#define HELD 6
#define CAPACITY 16 /* of up to 24 */
#define DUE 1       /* a deadline in the past */

static struct {
    health_operations_t *operations;
    unsigned rounds;
    _Atomic int stop;
    atomic_uint num_failures;
    _Atomic uint64_t num_looks, num_stopped, num_unseen;
} stress;

static void expect(int holds, const char *what)
{
    if (!holds && atomic_fetch_add(&stress.num_failures, 1) < 10)
        fprintf(stderr, "stress_operations_registry: %s\n", what);
}

/* all that an operation says of itself follows from its mark, which is its age, too */
static void name(uint64_t mark, char text[64])
{
    snprintf(text, 64, "%llu.%.*s", (unsigned long long)mark, (int)(mark % 40),
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
}

static int is_due(uint64_t mark)
{
    return mark % 5 == 0;
}

static void begin(health_operation_t *operation, uint64_t mark)
{
    char text[64];

    name(mark, text);
    health_operation_begin(stress.operations, operation, (health_operation_kind_t)(mark % HEALTH_NUM_OPERATION_KINDS),
                           HEALTH_OPERATION_QUEUED, mark, "", text);
    if (is_due(mark))
        health_operation_set_deadline(operation, DUE);
    if (operation->slot == NULL)
        atomic_fetch_add(&stress.num_unseen, 1);
}

static void end(health_operation_t *operation, uint64_t mark)
{
    health_operation_order_t order = health_operation_order(operation);

    expect(order == HEALTH_OPERATION_GO_ON || is_due(mark), "told to stop without a reason");
    if (order != HEALTH_OPERATION_GO_ON)
        atomic_fetch_add(&stress.num_stopped, 1);
    health_operation_end(operation);
}

static void *run_owner(void *_number)
{
    uint64_t mark = (uint64_t)(size_t)_number + 1;
    health_operation_t held[HELD];
    uint64_t marks[HELD] = {0};

    for (unsigned round = 0; round != stress.rounds; ++round) {
        size_t at = (size_t)(round * 2654435761u >> 8) % HELD;
        if (marks[at] != 0)
            end(held + at, marks[at]);
        marks[at] = mark += NUM_OWNERS;
        begin(held + at, mark);
        if (round % 64 == 0)
            sched_yield(); /* so that the others get a look at it */
        health_operation_enter(held + at, HEALTH_OPERATION_RECEIVING, mark, is_due(mark) ? DUE : 0);
        health_operation_set_bytes(held + at, mark);
        health_operation_set_reserved(held + at, mark);
    }
    for (size_t at = 0; at != HELD; ++at)
        if (marks[at] != 0)
            end(held + at, marks[at]);
    return NULL;
}

static void verify(const health_operation_view_t *view)
{
    char text[64];

    name(view->begun_ms, text);
    expect(strcmp(view->target, text) == 0, "the target is of another operation");
    expect(view->kind == view->begun_ms % HEALTH_NUM_OPERATION_KINDS, "the kind is of another operation");
    expect(view->bytes == 0 || view->bytes == view->begun_ms, "the bytes are of another operation");
    expect(view->reserved_bytes == 0 || view->reserved_bytes == view->begun_ms, "the reservation is of another operation");
    expect(view->entered_ms == view->begun_ms, "the time of the state is of another operation");
    expect(view->deadline_ms == 0 || (view->deadline_ms == DUE && is_due(view->begun_ms)), "the deadline is of another operation");
    expect(view->order == HEALTH_OPERATION_GO_ON || is_due(view->begun_ms), "the order is of another operation");
}

static void *run_reader(void *unused)
{
    health_operation_stats_t stats;
    health_operation_view_t view;

    (void)unused;
    while (!atomic_load(&stress.stop)) {
        for (size_t i = 0; i != CAPACITY; ++i)
            if (health_operations_look(stress.operations, i, &view)) {
                verify(&view);
                atomic_fetch_add(&stress.num_looks, 1);
            }
        health_operations_get_stats(stress.operations, UINT64_MAX, &stats);
    }
    return NULL;
}

static void on_found(const health_operation_view_t *view, void *ctx)
{
    (void)ctx;
    expect(is_due(view->begun_ms), "found without a deadline");
    verify(view);
}

static void *run_observer(void *unused)
{
    (void)unused;
    for (uint64_t now_ms = DUE; !atomic_load(&stress.stop); ++now_ms)
        health_operations_check(stress.operations, now_ms, 10, on_found, on_found, NULL);
    return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), size_t number)
{
    if (pthread_create(thread, NULL, run, (void *)number) != 0)
        abort();
}

/* what one operation costs its owner, with nobody looking */
static double cost_ns(void)
{
    enum { COUNT = 200000 };
    health_operation_t operation;
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i != COUNT; ++i) {
        health_operation_begin(stress.operations, &operation, HEALTH_OPERATION_FETCH, HEALTH_OPERATION_QUEUED, i, "default/images",
                               "a/picture/of/the/usual/length.jpg");
        health_operation_enter(&operation, HEALTH_OPERATION_RECEIVING, i, 0);
        health_operation_set_bytes(&operation, i);
        health_operation_end(&operation);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / COUNT;
}

int main(int argc, char **argv)
{
    pthread_t owners[NUM_OWNERS], readers[NUM_READERS], observer;

    stress.rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50000;
    if ((stress.operations = health_operations_create(CAPACITY)) == NULL)
        return 1;
    for (size_t i = 0; i != NUM_READERS; ++i)
        start(readers + i, run_reader, i);
    start(&observer, run_observer, 0);
    for (size_t i = 0; i != NUM_OWNERS; ++i)
        start(owners + i, run_owner, i);
    for (size_t i = 0; i != NUM_OWNERS; ++i)
        pthread_join(owners[i], NULL);
    atomic_store(&stress.stop, 1);
    for (size_t i = 0; i != NUM_READERS; ++i)
        pthread_join(readers[i], NULL);
    pthread_join(observer, NULL);
    expect(health_operations_in_progress(stress.operations) == 0, "something is left");
    expect(atomic_load(&stress.num_stopped) != 0 && atomic_load(&stress.num_looks) != 0, "nothing has been tried");
    fprintf(stderr, "stress_operations_registry: %llu looks, %llu told to stop, %llu unseen; %.0f ns for one operation\n",
            (unsigned long long)stress.num_looks, (unsigned long long)stress.num_stopped, (unsigned long long)stress.num_unseen,
            cost_ns());
    health_operations_destroy(&stress.operations);
    return atomic_load(&stress.num_failures) != 0;
}
