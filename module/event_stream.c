/*
 * The life of a stream:
 *
 *   start --> idle --(events, or a heartbeat is due)--> sending --proceed()--> idle ...
 *               |                                          |
 *               +-- the server goes, and that was told     |
 *               |   (or a tick is over): end of the answer |
 *               +-- the client is gone: the answer breaks off
 *                                                          +-- dropped, or the client is gone: the socket is shut down
 *
 * While h2o is sending, the answer cannot be ended, for h2o has no call for it; so the connection is. On HTTP/2 that ends its other
 * streams too, which a client brings upon itself that leaves one stream full and goes on with others. In each case h2o disposes of
 * the request by and by, which calls stop(), unless the answer was ended here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include "module/event_stream.h"
#include "module/loop.h"

#define EVENT_ROOM (HEALTH_EVENT_MAX + HEALTH_EVENT_TYPE_MAX + 64) /* an event with its field names and id */
#define NOTE_ROOM 64                                               /* word of missed events */
#define SEND_BUFFER_BYTES 65536
#define RETRY_MS 2000      /* a browser connects again after that */
#define LAST_CHUNK_MS 1000 /* what the client may take for the chunk under way when the server goes */

typedef struct st_stream_t {
    h2o_generator_t super;
    h2o_linklist_t link;
    sluice_watched_t client;
    sluice_loop_t *loop;
    h2o_req_t *req;
    uint64_t after;   /* id of the last event that was read */
    uint64_t sent_ms; /* when the last chunk was given to h2o, by the loop's clock */
    int is_sending;   /* h2o has the chunk */
    int is_cut;       /* the connection is being ended */
    int told_drain;   /* the client knows that the server goes */
    size_t len;
    char chunk[SLUICE_EVENT_CHUNK];
} stream_t;

/* --- ends */

static void forget(stream_t *stream)
{
    sluice_event_streams_t *streams = &stream->loop->events;

    if (!h2o_linklist_is_linked(&stream->link))
        return;
    h2o_linklist_unlink(&stream->link);
    sluice_client_watch_remove(stream->loop->watch, &stream->client);
    sluice_event_hub_leave(&stream->loop->sluice->event_hub, streams->slot);
    if (h2o_linklist_is_empty(&streams->list))
        h2o_timeout_unlink(&streams->tick);
}

/* h2o disposes of the request */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    (void)req;
    forget(H2O_STRUCT_FROM_MEMBER(stream_t, super, generator));
}

/* the stream may be gone afterwards */
static void end(stream_t *stream, h2o_send_state_t how)
{
    forget(stream);
    h2o_send(stream->req, NULL, 0, how);
}

/* what the kernel still has for the client goes, too */
static void cut(stream_t *stream)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fd = h2o_socket_get_fd(stream->req->conn->callbacks->get_socket(stream->req->conn));

    stream->is_cut = 1;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    shutdown(fd, SHUT_RDWR);
}

static void on_client_gone(sluice_watched_t *client)
{
    stream_t *stream = H2O_STRUCT_FROM_MEMBER(stream_t, client, client);

    if (stream->is_sending)
        cut(stream);
    else
        end(stream, H2O_SEND_STATE_ERROR);
}

int sluice_event_stream_is_over(const sluice_loop_t *loop)
{
    return loop->ctx->shutdown_requested || atomic_load(&loop->sluice->draining);
}

/* --- sending */

static void append(stream_t *stream, const char *text, size_t len)
{
    memcpy(stream->chunk + stream->len, text, len);
    stream->len += len;
}

static size_t room_of(const stream_t *stream)
{
    return sizeof(stream->chunk) - stream->len;
}

static void append_missed(stream_t *stream, uint64_t missed)
{
    sluice_count(&stream->loop->sluice->event_hub.missed, missed);
    stream->len +=
        (size_t)snprintf(stream->chunk + stream->len, room_of(stream), "event: missed\ndata: {\"count\":%" PRIu64 "}\n\n", missed);
}

static void append_event(stream_t *stream, const health_event_t *event)
{
    stream->len += (size_t)snprintf(stream->chunk + stream->len, room_of(stream), "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n",
                                    event->id, event->type, event->text);
}

static void append_events(stream_t *stream)
{
    uint64_t missed;
    health_event_t event;

    while (room_of(stream) >= EVENT_ROOM + NOTE_ROOM &&
           health_events_next(stream->loop->sluice->events, &stream->after, &event, &missed)) {
        if (missed != 0)
            append_missed(stream, missed);
        append_event(stream, &event);
        stream->told_drain |= strcmp(event.type, "drain") == 0;
    }
}

/* the first thing that a client reads: where the stream starts, and how things are */
static void append_state(stream_t *stream, json_t *state)
{
    char text[HEALTH_EVENT_MAX];
    size_t len = state != NULL ? json_dumpb(state, text, sizeof(text), JSON_COMPACT | JSON_REAL_PRECISION(15)) : 0;

    json_decref(state);
    if (len == 0 || len > sizeof(text))
        len = (size_t)snprintf(text, sizeof(text), "{}");
    stream->len +=
        (size_t)snprintf(stream->chunk + stream->len, room_of(stream), "retry: %d\nid: %" PRIu64 "\nevent: state\ndata: %.*s\n\n",
                         RETRY_MS, stream->after, (int)len, text);
}

static void send_chunk(stream_t *stream)
{
    h2o_iovec_t chunk = {stream->chunk, stream->len};

    stream->len = 0;
    stream->is_sending = 1;
    stream->sent_ms = h2o_now(stream->loop->ctx->loop);
    h2o_send(stream->req, &chunk, 1, H2O_SEND_STATE_IN_PROGRESS);
}

/* an idle stream: sends what there is. It may be gone afterwards */
static void go_on(stream_t *stream)
{
    append_events(stream);
    if (stream->len == 0 && (stream->loop->events.is_over || (stream->told_drain && sluice_event_stream_is_over(stream->loop)))) {
        end(stream, H2O_SEND_STATE_FINAL);
        return;
    }
    if (stream->len == 0 && h2o_now(stream->loop->ctx->loop) - stream->sent_ms >= SLUICE_EVENT_HEARTBEAT_MS)
        append(stream, H2O_STRLIT(": still here\n\n"));
    if (stream->len != 0)
        send_chunk(stream);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    stream_t *stream = H2O_STRUCT_FROM_MEMBER(stream_t, super, generator);

    (void)req;
    stream->is_sending = 0;
    if (stream->is_cut)
        end(stream, H2O_SEND_STATE_ERROR);
    else
        go_on(stream);
}

/* --- all streams of a loop */

/* a stream whose chunk is not taken */
static void look_at_slow(stream_t *stream)
{
    sluice_t *sluice = stream->loop->sluice;
    uint64_t waits_ms = h2o_now(stream->loop->ctx->loop) - stream->sent_ms;

    if (stream->is_cut)
        return;
    if (sluice_event_stream_is_over(stream->loop)) {
        if (waits_ms >= LAST_CHUNK_MS)
            cut(stream);
    } else if (waits_ms >= SLUICE_EVENT_PATIENCE_MS || !health_events_has_all_after(sluice->events, stream->after)) {
        sluice_count(&sluice->event_hub.dropped, 1);
        cut(stream);
    }
}

void sluice_event_streams_run(sluice_loop_t *loop)
{
    h2o_linklist_t *list = &loop->events.list;

    for (h2o_linklist_t *node = list->next, *next; node != list; node = next) {
        stream_t *stream = H2O_STRUCT_FROM_MEMBER(stream_t, link, node);
        next = node->next;
        if (stream->is_sending)
            look_at_slow(stream);
        else
            go_on(stream);
    }
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    sluice_loop_t *loop = H2O_STRUCT_FROM_MEMBER(sluice_loop_t, events.tick, entry);

    h2o_timeout_link(loop->ctx->loop, &loop->ctx->one_sec_timeout, entry);
    loop->events.is_over = sluice_event_stream_is_over(loop);
    sluice_event_streams_run(loop);
}

void sluice_event_streams_init(sluice_loop_t *loop)
{
    h2o_linklist_init_anchor(&loop->events.list);
    loop->events.tick.cb = on_tick;
    loop->events.slot = sluice_event_hub_attach(&loop->sluice->event_hub, loop);
}

void sluice_event_streams_dispose(sluice_loop_t *loop)
{
    sluice_event_hub_detach(&loop->sluice->event_hub, loop->events.slot);
}

/* --- start */

/* a client that reads nothing is to be noticed before the kernel has taken megabytes for it */
static void bound_send_buffer(h2o_req_t *req)
{
    const int bytes = SEND_BUFFER_BYTES;

    if (req->version < 0x200)
        setsockopt(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void sluice_event_stream_start(sluice_loop_t *loop, h2o_req_t *req, uint64_t after, json_t *state)
{
    stream_t *stream = h2o_mem_alloc_pool(&req->pool, sizeof(*stream));

    *stream = (stream_t){.super = {on_proceed, on_stop}, .client = {on_client_gone, -1}, .loop = loop, .req = req, .after = after};
    if (h2o_linklist_is_empty(&loop->events.list))
        h2o_timeout_link(loop->ctx->loop, &loop->ctx->one_sec_timeout, &loop->events.tick);
    h2o_linklist_insert(&loop->events.list, &stream->link);
    sluice_client_watch_add(loop->watch, req, &stream->client);
    bound_send_buffer(req);
    req->http1_is_persistent = 0;                   /* it ends when the server does */
    req->compress_hint = H2O_COMPRESS_HINT_DISABLE; /* it would hold events back */
    append_state(stream, state);
    append_events(stream);
    h2o_start_response(req, &stream->super);
    send_chunk(stream);
}
