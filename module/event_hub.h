/*
 * event_hub.h - between who publishes events (any thread) and the event loops with clients that listen: wakes those loops, and
 * bounds the number of streams. Knows loops as pointers only.
 *
 * Publishing takes no lock, and costs one load while nobody listens. A loop is detached before it goes; that waits for publishers
 * that are just waking it.
 */
#ifndef module__event_hub_h
#define module__event_hub_h

#include "health/event_counts.h"
#include "image_cache/image_cache.h"
#include "module/stats.h"

#define SLUICE_MAX_EVENT_STREAMS 32

typedef struct st_sluice_event_slot_t {
    _Atomic(void *) loop;
    _Atomic unsigned num_streams;
} sluice_event_slot_t;

typedef struct st_sluice_event_hub_t {
    void (*wake)(void *loop); /* any thread */
    _Atomic unsigned num_streams, num_publishers;
    sluice_event_slot_t slots[ICACHE_MAX_LANES]; /* one per loop; a loop without a lane does not start */
    sluice_counter_t dropped, refused, missed;   /* for /metrics: streams, streams, events */
} sluice_event_hub_t;

/**
 * @param hub all zero
 */
void sluice_event_hub_init(sluice_event_hub_t *hub, void (*wake)(void *loop));
/**
 * gives a loop its slot. One thread at a time, as for the next.
 */
sluice_event_slot_t *sluice_event_hub_attach(sluice_event_hub_t *hub, void *loop);
/**
 * has the loop woken no more; afterwards nobody is about to. Its streams are gone.
 */
void sluice_event_hub_detach(sluice_event_hub_t *hub, sluice_event_slot_t *slot);
/**
 * counts a stream of a loop. Returns 0, or -1 if there are SLUICE_MAX_EVENT_STREAMS. An event of which health_events_last() says
 * nothing yet when this has returned wakes the loop.
 */
int sluice_event_hub_enter(sluice_event_hub_t *hub, sluice_event_slot_t *slot);
void sluice_event_hub_leave(sluice_event_hub_t *hub, sluice_event_slot_t *slot);
/**
 * fills in the fields of streams
 */
void sluice_event_hub_count(const sluice_event_hub_t *hub, health_event_counts_t *counts);
/**
 * wakes the loops that have streams; for health_events_create(). Any thread.
 */
void sluice_event_hub_publish(void *hub);

#endif
