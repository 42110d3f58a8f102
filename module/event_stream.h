/*
 * event_stream.h - clients that listen to events as they happen (server-sent events, the format of the HTML standard). The route is
 * in api_events.c.
 *
 * A stream belongs to the loop of its request, and all of this is called there. It holds one chunk of at most SLUICE_EVENT_CHUNK
 * bytes: it reads from the ring only when the chunk before has been taken by the client, so that a slow client costs no more memory
 * than a fast one. One for which the ring has moved on meanwhile, or that has taken nothing for SLUICE_EVENT_PATIENCE_MS, is
 * dropped.
 */
#ifndef module__event_stream_h
#define module__event_stream_h

#include <h2o.h>
#include <jansson.h>
#include "module/event_hub.h"
#include "module/sluice.h"

#define SLUICE_EVENT_CHUNK 16384
#define SLUICE_EVENT_HEARTBEAT_MS 15000
#define SLUICE_EVENT_PATIENCE_MS 30000

/**
 * the streams of one loop
 */
typedef struct st_sluice_event_streams_t {
    h2o_linklist_t list;
    h2o_timeout_entry_t tick; /* linked while there are streams */
    sluice_event_slot_t *slot;
    int is_over; /* the server went at the last tick already */
} sluice_event_streams_t;

/**
 * for create_loop() and destroy_loop(), when the loop has no stream
 */
void sluice_event_streams_init(sluice_loop_t *loop);
void sluice_event_streams_dispose(sluice_loop_t *loop);
/**
 * sends what has been published to all streams of a loop, or ends them if the server goes
 */
void sluice_event_streams_run(sluice_loop_t *loop);
/**
 * Whether streams have no future here, because the server goes.
 */
int sluice_event_stream_is_over(const sluice_loop_t *loop);
/**
 * answers a request, whose headers are set, with the events that follow `after`, until the client or the server goes. The hub has
 * let it in (sluice_event_hub_enter()); its place is given back at the end.
 * @param state what the client is told first; consumed. NULL: memory was out, it is told nothing
 */
void sluice_event_stream_start(sluice_loop_t *loop, h2o_req_t *req, uint64_t after, json_t *state);

#endif
