/*
 * Publishers, readers that go as fast as they can in a ring that is far too small, and loops whose streams come and go while they
 * are woken. Meant for the thread sanitizer; on its own it checks that no event is torn, that ids have no gaps but those that a
 * reader was told of, and that a loop is never woken after it was detached, nor left asleep behind an event. Exits with 0 if all of
 * that held.
 *     stress_events [EVENTS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "health/events.h"
#include "module/event_hub.h"

#define NUM_PUBLISHERS 3
#define NUM_READERS 2
#define NUM_LOOPS 2
#define CAPACITY 8

typedef struct st_loop_t {
    _Atomic int is_there, is_woken;
} loop_t;

static struct {
    health_events_t *events;
    sluice_event_hub_t hub;
    unsigned per_publisher;
    pthread_mutex_t attaching;
    _Atomic uint64_t num_read, num_missed, num_failures, num_visits;
    _Atomic int is_over;
} stress;

static void expect(int holds, const char *what)
{
    if (!holds && atomic_fetch_add(&stress.num_failures, 1) < 10)
        fprintf(stderr, "stress_events: %s\n", what);
}

/* all that a text says follows from its number, so that one with parts of two is seen */
static json_t *make_data(unsigned number)
{
    char text[400];
    size_t len = number % 390;

    memset(text, 'a' + (int)(number % 26), len);
    text[len] = '\0';
    return json_pack("{s:i,s:s}", "number", (int)number, "text", text);
}

static void check_event(const health_event_t *event)
{
    json_t *data = json_loadb(event->text, event->len, 0, NULL);
    const char *text = json_string_value(json_object_get(data, "text"));
    unsigned number = (unsigned)json_integer_value(json_object_get(data, "number"));

    expect(text != NULL && strlen(text) == number % 390, "the text has the length of another one");
    for (size_t i = 0; text != NULL && text[i] != '\0'; ++i)
        if (text[i] != (char)('a' + (int)(number % 26))) {
            expect(0, "the text is torn");
            break;
        }
    expect(event->at_ms == (int64_t)number * 1000, "the time is of another one");
    expect(strcmp(event->type, number % 2 == 0 ? "level" : "disposal") == 0, "the type is of another one");
    json_decref(data);
}

static void *publish_all(void *_first)
{
    unsigned first = *(const unsigned *)_first;

    for (unsigned i = 0; i != stress.per_publisher; ++i) {
        unsigned number = first + i * NUM_PUBLISHERS;
        health_events_publish(stress.events, number % 2 == 0 ? "level" : "disposal", (int64_t)number * 1000, make_data(number));
        if (i % 4 == 0) /* readers are to meet them */
            sched_yield();
    }
    return NULL;
}

/* reads what there is; returns how many events there were, read or missed */
static uint64_t read_some(uint64_t *after)
{
    uint64_t before = *after, expected = before + 1, missed;
    health_event_t event;

    while (health_events_next(stress.events, after, &event, &missed)) {
        expect(event.id == *after && event.id == expected + missed, "an id is out of order");
        expected = event.id + 1;
        check_event(&event);
        atomic_fetch_add(&stress.num_read, 1);
        atomic_fetch_add(&stress.num_missed, missed);
    }
    return *after - before;
}

static void *read_all(void *_unused)
{
    uint64_t after = 0, total = (uint64_t)stress.per_publisher * NUM_PUBLISHERS;

    (void)_unused;
    while (after != total)
        if (read_some(&after) == 0)
            sched_yield();
    return NULL;
}

static void wake(void *_loop)
{
    loop_t *loop = _loop;

    expect(atomic_load(&loop->is_there), "a loop is woken that has gone");
    atomic_store(&loop->is_woken, 1);
}

/* a stream that ends once it has read some events: if it finds none, it sleeps until it is woken */
static void visit(loop_t *loop, sluice_event_slot_t *slot)
{
    uint64_t after = health_events_last(stress.events);

    if (sluice_event_hub_enter(&stress.hub, slot) != 0)
        return;
    for (int i = 0; i != 3; ++i) {
        atomic_store(&loop->is_woken, 0);
        if (read_some(&after) != 0)
            continue;
        while (!atomic_load(&loop->is_woken) && !atomic_load(&stress.is_over))
            sched_yield();
    }
    sluice_event_hub_leave(&stress.hub, slot);
    atomic_fetch_add(&stress.num_visits, 1);
}

static void *run_loops(void *_unused)
{
    (void)_unused;
    while (!atomic_load(&stress.is_over)) {
        loop_t *loop = calloc(1, sizeof(*loop));
        atomic_store(&loop->is_there, 1);
        pthread_mutex_lock(&stress.attaching);
        sluice_event_slot_t *slot = sluice_event_hub_attach(&stress.hub, loop);
        pthread_mutex_unlock(&stress.attaching);
        visit(loop, slot);
        visit(loop, slot);
        pthread_mutex_lock(&stress.attaching);
        sluice_event_hub_detach(&stress.hub, slot);
        pthread_mutex_unlock(&stress.attaching);
        atomic_store(&loop->is_there, 0);
        free(loop);
    }
    return NULL;
}

static void start_all(pthread_t *threads, size_t count, void *(*run)(void *), unsigned *args)
{
    for (size_t i = 0; i != count; ++i)
        if (pthread_create(threads + i, NULL, run, args != NULL ? args + i : NULL) != 0)
            exit(2);
}

static void join_all(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i != count; ++i)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    pthread_t publishers[NUM_PUBLISHERS], readers[NUM_READERS], loops[NUM_LOOPS];
    unsigned firsts[NUM_PUBLISHERS] = {0, 1, 2};

    stress.per_publisher = (argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 30000) / NUM_PUBLISHERS;
    pthread_mutex_init(&stress.attaching, NULL);
    sluice_event_hub_init(&stress.hub, wake);
    stress.events = health_events_create(CAPACITY, sluice_event_hub_publish, &stress.hub);
    start_all(readers, NUM_READERS, read_all, NULL);
    start_all(loops, NUM_LOOPS, run_loops, NULL);
    start_all(publishers, NUM_PUBLISHERS, publish_all, firsts);
    join_all(publishers, NUM_PUBLISHERS);
    join_all(readers, NUM_READERS);
    atomic_store(&stress.is_over, 1);
    join_all(loops, NUM_LOOPS);
    expect(health_events_last(stress.events) == (uint64_t)stress.per_publisher * NUM_PUBLISHERS, "events are lost");
    health_events_destroy(&stress.events);
    printf("stress_events: %u events, %llu read, %llu missed, %llu streams, %llu failures\n", stress.per_publisher * NUM_PUBLISHERS,
           (unsigned long long)stress.num_read, (unsigned long long)stress.num_missed, (unsigned long long)stress.num_visits,
           (unsigned long long)stress.num_failures);
    return stress.num_failures != 0;
}
