/*
 * events.h - the last events, in a ring: who publishes never waits for who reads, and who reads too slowly misses some and is told.
 *
 * An event is a type (a word: level, reclaim, disposal, alert, leak, operation, drain, simulation) and a JSON object. The mutex
 * inside is held for a copy of at most HEALTH_EVENT_MAX bytes, on either side.
 */
#ifndef health__events_h
#define health__events_h

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_EVENT_MAX 600 /* bytes of the JSON text; what is longer is left out and counted */
#define HEALTH_EVENT_TYPE_MAX 16

typedef struct st_health_event_t {
    uint64_t id;                                                  /* from 1 on, without gaps */
    int64_t at_ms;                                                /* since 1970 */
    size_t len;                                                   /* of text */
    char type[HEALTH_EVENT_TYPE_MAX], text[HEALTH_EVENT_MAX + 1]; /* both NUL-terminated; the text is one line */
} health_event_t;

typedef struct st_health_events_t health_events_t;

/**
 * @param capacity how many events are kept, at least 1
 * @param on_publish called after each event, on the publisher's thread, with no lock held; may be NULL
 */
health_events_t *health_events_create(size_t capacity, void (*on_publish)(void *ctx), void *ctx);
/**
 * sets *events to NULL, which it may be
 */
void health_events_destroy(health_events_t **events);
/**
 * Any thread.
 * @param data is consumed; NULL (memory was out) counts as an event that is too long
 */
void health_events_publish(health_events_t *events, const char *type, int64_t at_ms, json_t *data);
/**
 * copies the event that follows *after, or the oldest one there is if that is gone, and moves *after to it. Any thread.
 * @param missed how many were gone before it; may be NULL
 * @return 0 if there is none yet
 */
int health_events_next(health_events_t *events, uint64_t *after, health_event_t *event, uint64_t *missed);
/**
 * the id of the newest event, 0: none yet. Without a lock.
 */
uint64_t health_events_last(const health_events_t *events);
/**
 * events that could not be kept
 */
uint64_t health_events_left_out(const health_events_t *events);

#endif
