/*
 * events.h - the last events, in a ring: who publishes never waits for who reads, and who reads too slowly misses some and is told.
 *
 * An event is a type (a word of health_event_type_names) and a JSON object, to which its time is added as `at`, in seconds since
 * 1970. Its id is one more than that of the event before.
 *
 * Readers take no lock, and write nothing: each slot has a version, which a reader compares before and after its copy. Publishers
 * exclude each other by a mutex, which is held for a copy of at most HEALTH_EVENT_MAX bytes, so that ids have no gaps; all of them
 * are threads that look after the server, and none is one that works for requests alone.
 */
#ifndef health__events_h
#define health__events_h

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "health/event_counts.h"

#define HEALTH_EVENT_MAX 600 /* bytes of the JSON text; what is longer is left out and counted */
#define HEALTH_EVENT_TYPE_MAX 16

typedef struct st_health_event_t {
    uint64_t id;
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
 * The id of the first event; without this, 1. Before anything is published or read. One that is above all ids of the process
 * before lets a reader go on where it was, and never mistake an event for another one.
 */
void health_events_number_from(health_events_t *events, uint64_t first_id);
/**
 * Any thread.
 * @param data is consumed; NULL (memory was out) counts as an event that is too long
 */
void health_events_publish(health_events_t *events, const char *type, int64_t at_ms, json_t *data);
/**
 * copies the event that follows *after, or the oldest one there is if that is gone, and moves *after to it. Any thread; never
 * waits.
 * @param missed how many were gone before it; may be NULL
 * @return 0 if there is none yet
 */
int health_events_next(const health_events_t *events, uint64_t *after, health_event_t *event, uint64_t *missed);
/**
 * Whether the event that follows `after` can still be read, or is yet to come: a reader there has missed nothing.
 */
int health_events_has_all_after(const health_events_t *events, uint64_t after);
/**
 * Whether an id is one of this ring (or the number before its first one), still there or gone.
 */
int health_events_knows(const health_events_t *events, uint64_t id);
/**
 * the id of the newest event; if there is none yet, the one before the first
 */
uint64_t health_events_last(const health_events_t *events);
/**
 * what was published, and what could not be kept; the fields of streams are left alone
 */
void health_events_count(const health_events_t *events, health_event_counts_t *counts);
/**
 * events that could not be kept
 */
uint64_t health_events_left_out(const health_events_t *events);

#endif
