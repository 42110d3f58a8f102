#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "health/events.h"

struct st_health_events_t {
    pthread_mutex_t mutex;
    void (*on_publish)(void *ctx);
    void *ctx;
    _Atomic uint64_t last, left_out;
    size_t capacity;
    health_event_t ring[]; /* guarded by mutex; the event of an id is at id % capacity */
};

health_events_t *health_events_create(size_t capacity, void (*on_publish)(void *ctx), void *ctx)
{
    health_events_t *events = calloc(1, sizeof(*events) + capacity * sizeof(events->ring[0]));

    if (events == NULL)
        return NULL;
    pthread_mutex_init(&events->mutex, NULL);
    events->capacity = capacity;
    events->on_publish = on_publish;
    events->ctx = ctx;
    return events;
}

void health_events_destroy(health_events_t **_events)
{
    health_events_t *events = *_events;

    if (events == NULL)
        return;
    *_events = NULL;
    pthread_mutex_destroy(&events->mutex);
    free(events);
}

static void keep(health_events_t *events, health_event_t *event)
{
    pthread_mutex_lock(&events->mutex);
    event->id = atomic_load_explicit(&events->last, memory_order_relaxed) + 1;
    events->ring[event->id % events->capacity] = *event;
    atomic_store_explicit(&events->last, event->id, memory_order_release);
    pthread_mutex_unlock(&events->mutex);
}

void health_events_publish(health_events_t *events, const char *type, int64_t at_ms, json_t *data)
{
    health_event_t event = {.at_ms = at_ms};

    event.len = data != NULL ? json_dumpb(data, event.text, HEALTH_EVENT_MAX, JSON_COMPACT | JSON_REAL_PRECISION(15)) : 0;
    json_decref(data);
    if (event.len == 0 || event.len > HEALTH_EVENT_MAX) {
        atomic_fetch_add(&events->left_out, 1);
        return;
    }
    event.text[event.len] = '\0';
    strncpy(event.type, type, sizeof(event.type) - 1);
    keep(events, &event);
    if (events->on_publish != NULL)
        events->on_publish(events->ctx);
}

int health_events_next(health_events_t *events, uint64_t *after, health_event_t *event, uint64_t *missed)
{
    uint64_t last = health_events_last(events), id = *after + 1;

    if (missed != NULL)
        *missed = 0;
    if (*after >= last)
        return 0;
    pthread_mutex_lock(&events->mutex);
    last = atomic_load_explicit(&events->last, memory_order_relaxed);
    if (last - *after > events->capacity) {
        id = last - events->capacity + 1;
        if (missed != NULL)
            *missed = id - *after - 1;
    }
    *event = events->ring[id % events->capacity];
    pthread_mutex_unlock(&events->mutex);
    *after = id;
    return 1;
}

uint64_t health_events_last(const health_events_t *events)
{
    return atomic_load_explicit(&events->last, memory_order_acquire);
}

uint64_t health_events_left_out(const health_events_t *events)
{
    return atomic_load_explicit(&events->left_out, memory_order_relaxed);
}
