/*
 * A slot holds one event as words, each of them atomic, and a version: twice the event's id, one more while it is written.
 *
 *   publisher: version = 2 id + 1; words; version = 2 id; last = id
 *   reader:    version is 2 id? words; version is still 2 id?
 *
 * Words are stored with release and loaded with acquire order. So a reader that has seen a single word of a later event also sees
 * that event's version, and throws its copy away: the event that it wanted is gone. It never waits for a publisher that was
 * preempted half-way, but takes the next event.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "health/events.h"

#define NUM_WORDS ((sizeof(health_event_t) + 7) / 8)
#define TEXT_WORD (offsetof(health_event_t, text) / 8) /* the first with some of the text */

struct st_slot_t {
    _Atomic uint64_t version; /* 0: nothing was here yet */
    _Atomic uint64_t words[NUM_WORDS];
};

typedef union un_image_t {
    health_event_t event;
    uint64_t words[NUM_WORDS];
} image_t;

struct st_health_events_t {
    pthread_mutex_t mutex; /* between publishers */
    void (*on_publish)(void *ctx);
    void *ctx;
    uint64_t first;
    _Atomic uint64_t last, left_out, published[HEALTH_NUM_EVENT_TYPES];
    size_t capacity;
    struct st_slot_t ring[]; /* the event of an id is at id % capacity */
};

const char *const health_event_type_names[HEALTH_NUM_EVENT_TYPES] = {
    "level", "reclaim", "condition", "watchdog", "alert", "leak", "operation", "drain", "simulation", "disposal", "purge", "other"};

health_events_t *health_events_create(size_t capacity, void (*on_publish)(void *ctx), void *ctx)
{
    health_events_t *events = calloc(1, sizeof(*events) + capacity * sizeof(events->ring[0]));

    if (events == NULL)
        return NULL;
    pthread_mutex_init(&events->mutex, NULL);
    events->capacity = capacity;
    events->on_publish = on_publish;
    events->ctx = ctx;
    health_events_number_from(events, 1);
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

void health_events_number_from(health_events_t *events, uint64_t first_id)
{
    events->first = first_id;
    atomic_store(&events->last, first_id - 1);
}

/* --- publishing */

static size_t words_of(size_t text_len)
{
    return (offsetof(health_event_t, text) + text_len + 1 + 7) / 8;
}

static void keep(health_events_t *events, image_t *image)
{
    pthread_mutex_lock(&events->mutex);
    uint64_t id = image->event.id = atomic_load_explicit(&events->last, memory_order_relaxed) + 1;
    struct st_slot_t *slot = events->ring + id % events->capacity;
    atomic_store_explicit(&slot->version, 2 * id + 1, memory_order_relaxed);
    for (size_t i = 0, count = words_of(image->event.len); i != count; ++i)
        atomic_store_explicit(slot->words + i, image->words[i], memory_order_release);
    atomic_store_explicit(&slot->version, 2 * id, memory_order_release);
    atomic_store(&events->last, id);
    pthread_mutex_unlock(&events->mutex);
}

static size_t index_of_type(const char *type)
{
    size_t i = 0;

    while (i != HEALTH_NUM_EVENT_TYPES - 1 && strcmp(health_event_type_names[i], type) != 0)
        ++i;
    return i;
}

/* returns the length of the text, 0: it is too long, or memory was out */
static size_t write_text(json_t *data, int64_t at_ms, char *text)
{
    size_t len = 0;

    if (json_object_set_new(data, "at", json_real((double)at_ms / 1000)) == 0)
        len = json_dumpb(data, text, HEALTH_EVENT_MAX, JSON_COMPACT | JSON_REAL_PRECISION(15));
    return len <= HEALTH_EVENT_MAX ? len : 0;
}

void health_events_publish(health_events_t *events, const char *type, int64_t at_ms, json_t *data)
{
    image_t image = {.event = {.at_ms = at_ms}};

    image.event.len = write_text(data, at_ms, image.event.text);
    json_decref(data);
    if (image.event.len == 0) {
        atomic_fetch_add(&events->left_out, 1);
        return;
    }
    image.event.text[image.event.len] = '\0';
    strncpy(image.event.type, type, sizeof(image.event.type) - 1);
    keep(events, &image);
    atomic_fetch_add_explicit(events->published + index_of_type(type), 1, memory_order_relaxed);
    if (events->on_publish != NULL)
        events->on_publish(events->ctx);
}

/* --- reading */

static void load_words(const struct st_slot_t *slot, image_t *image, size_t from, size_t to)
{
    for (size_t i = from; i != to; ++i)
        image->words[i] = atomic_load_explicit(slot->words + i, memory_order_acquire);
}

/* returns 0 if the event is no longer there */
static int read_slot(const health_events_t *events, uint64_t id, image_t *image)
{
    const struct st_slot_t *slot = events->ring + id % events->capacity;

    if (atomic_load_explicit(&slot->version, memory_order_acquire) != 2 * id)
        return 0;
    load_words(slot, image, 0, TEXT_WORD + 1);
    load_words(slot, image, TEXT_WORD + 1, words_of(image->event.len)); /* a length of another event is a length, too */
    return atomic_load_explicit(&slot->version, memory_order_relaxed) == 2 * id;
}

static uint64_t oldest_of(const health_events_t *events, uint64_t last)
{
    return last + 1 - events->first > events->capacity ? last + 1 - events->capacity : events->first;
}

int health_events_next(const health_events_t *events, uint64_t *after, health_event_t *event, uint64_t *missed)
{
    uint64_t last = health_events_last(events), oldest = oldest_of(events, last), id = *after + 1;
    uint64_t wanted = id > events->first ? id : events->first;
    image_t image;

    if (missed != NULL)
        *missed = 0;
    if (*after >= last)
        return 0;
    if (id < oldest)
        id = oldest;
    while (id <= last && !read_slot(events, id, &image)) {
        ++id;
        last = health_events_last(events);
    }
    if (id > last)
        return 0;
    *event = image.event;
    *after = id;
    if (missed != NULL)
        *missed = id - wanted;
    return 1;
}

int health_events_has_all_after(const health_events_t *events, uint64_t after)
{
    uint64_t oldest = oldest_of(events, health_events_last(events));

    return after + 1 >= oldest || oldest == events->first;
}

int health_events_knows(const health_events_t *events, uint64_t id)
{
    return id + 1 >= events->first && id <= health_events_last(events);
}

uint64_t health_events_last(const health_events_t *events)
{
    return atomic_load(&events->last);
}

void health_events_count(const health_events_t *events, health_event_counts_t *counts)
{
    for (size_t i = 0; i != HEALTH_NUM_EVENT_TYPES; ++i)
        counts->published[i] = atomic_load_explicit(events->published + i, memory_order_relaxed);
    counts->left_out = health_events_left_out(events);
}

uint64_t health_events_left_out(const health_events_t *events)
{
    return atomic_load_explicit(&events->left_out, memory_order_relaxed);
}
