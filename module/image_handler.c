/*
 * The request path of pictures, on the event loop: URL -> canonical key -> cache. A hit is answered at once, from the cached bytes.
 * Anything else parks the request as a waiter of a flight; the flight's lane calls it back on this loop. A parked request that goes
 * away takes its waiter out: when h2o disposes of it (the stream was reset, an HTTP/2 client hung up), or when the watch says that
 * its client has gone (HTTP/1, where h2o would not notice before the answer).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "module/handlers.h"
#include "module/image_options.h"
#include "module/loop.h"
#include "module/rendition.h"
#include "module/respond.h"
#include "module/source_path.h"

#define KEY_MAX (2 * SLUICE_SOURCE_PATH_MAX)

struct st_image_handler_t {
    h2o_handler_t super;
    sluice_origin_t *origin;
    char cache_control[48], negative_cache_control[48]; /* made when the first loop starts */
};

struct st_parked_t {
    icache_waiter_t waiter;
    sluice_watched_t client;
    struct st_image_handler_t *handler;
    sluice_loop_t *loop;
    h2o_req_t *req;
    sluice_outcome_t outcome;
};

/* a request's canonical names, on the stack of on_req */
struct st_names_t {
    char key[KEY_MAX]; /* of the source, then "?" and the options: of the rendition */
    size_t source_key_len, key_len;
    h2o_iovec_t path;
    sluice_options_t options;
};

static void count_response(sluice_stats_t *stats, int status)
{
    sluice_count(&stats->responses[status / 100], 1);
}

static void count_error(sluice_stats_t *stats, const sluice_error_info_t *info)
{
    sluice_counter_t *const counters[] = {&stats->bad_requests, &stats->errors_of_origin, &stats->errors_of_image,
                                          &stats->errors_of_room, &stats->errors_of_time};

    sluice_count(counters[info->kind], 1);
}

static void respond_error(struct st_image_handler_t *self, h2o_req_t *req, sluice_error_t error, sluice_outcome_t outcome)
{
    sluice_t *sluice = self->origin->sluice;
    const sluice_error_info_t *info = sluice_errors + error;
    char *status = h2o_mem_alloc_pool(&req->pool, 96);
    int len =
        snprintf(status, 96, "sluice; fwd=miss%s; detail=%s", outcome == SLUICE_OUTCOME_COLLAPSED ? "; collapsed" : "", info->code);

    count_error(&sluice->stats, info);
    count_response(&sluice->stats, info->status);
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("cache-status"), 0, NULL, status, (size_t)len);
    sluice_respond_problem(req, info->status, info->title, info->detail, info->code,
                           info->negative ? self->negative_cache_control : NULL,
                           info->retry ? (sluice->settings.retry_after_ms + 999) / 1000 : 0);
}

static void refuse(struct st_image_handler_t *self, h2o_req_t *req, int status, const char *title, const char *detail,
                   const char *code)
{
    sluice_count(&self->origin->sluice->stats.bad_requests, 1);
    count_response(&self->origin->sluice->stats, status);
    sluice_respond_problem(req, status, title, detail, code, NULL, 0);
}

static int respond_object(struct st_image_handler_t *self, h2o_req_t *req, icache_object_t *object, sluice_outcome_t outcome)
{
    sluice_answer_t answer = {outcome, icache_object_was_stored(object), sluice_now_ms(),
                              h2o_iovec_init(self->cache_control, strlen(self->cache_control))};

    return sluice_respond_object(req, object, &answer);
}

static void unpark(struct st_parked_t *parked)
{
    sluice_client_watch_remove(parked->loop->watch, &parked->client);
    sluice_count_own(&parked->loop->parked, (uint64_t)-1);
}

static void on_done(icache_waiter_t *waiter, icache_object_t *object, int failure)
{
    struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, waiter, waiter);
    sluice_stats_t *stats = &parked->loop->sluice->stats; /* the answer may be the end of `parked` */

    unpark(parked);
    if (object != NULL)
        count_response(stats, respond_object(parked->handler, parked->req, object, parked->outcome));
    else
        respond_error(parked->handler, parked->req, sluice_failure_error(failure), parked->outcome);
}

/* returns 0 if the request was not parked any more */
static int leave(struct st_parked_t *parked)
{
    if (!icache_waiter_detach(&parked->waiter))
        return 0;
    unpark(parked);
    count_response(&parked->loop->sluice->stats, 0);
    return 1;
}

static void on_request_gone(void *_parked)
{
    leave(_parked);
}

static void on_client_gone(sluice_watched_t *client)
{
    struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, client, client);

    /* nobody reads this answer, but it ends the request, closes the connection and is what the access log says */
    if (leave(parked))
        h2o_send_error_generic(parked->req, 499, "Client Closed Request", "", H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
}

static void start_rendition(struct st_image_handler_t *self, const struct st_names_t *names, const icache_key_t *key,
                            icache_flight_t *flight)
{
    sluice_rendition_request_t request = {
        self->origin, names->path.base, names->path.len, names->key, names->source_key_len, &names->options, key};

    sluice_rendition_start(&request, flight);
}

static void wait_for_flight(struct st_parked_t *parked)
{
    sluice_client_watch_add(parked->loop->watch, parked->req, &parked->client);
    sluice_count_own(&parked->loop->parked, 1);
}

static void park(struct st_image_handler_t *self, h2o_req_t *req, sluice_loop_t *loop, const struct st_names_t *names,
                 const icache_key_t *key)
{
    struct st_parked_t *parked = h2o_mem_alloc_shared(&req->pool, sizeof(*parked), on_request_gone);
    icache_object_t *object = NULL;
    icache_flight_t *flight = NULL;

    *parked =
        (struct st_parked_t){{.on_done = on_done, .lane = loop->lane}, {on_client_gone, -1}, self, loop, req, SLUICE_OUTCOME_MISS};
    switch (icache_lookup(loop->sluice->cache, key, sluice_now_ms(), &parked->waiter, &object, &flight)) {
    case ICACHE_HIT: /* it landed between two looks */
        count_response(&loop->sluice->stats, respond_object(self, req, object, SLUICE_OUTCOME_HIT));
        break;
    case ICACHE_STALE:
        if (flight != NULL)
            start_rendition(self, names, key, flight);
        count_response(&loop->sluice->stats, respond_object(self, req, object, SLUICE_OUTCOME_HIT));
        break;
    case ICACHE_LEAD:
        wait_for_flight(parked);
        start_rendition(self, names, key, flight);
        break;
    case ICACHE_WAIT:
        parked->outcome = SLUICE_OUTCOME_COLLAPSED;
        wait_for_flight(parked);
        break;
    case ICACHE_REFUSED:
        respond_error(self, req, SLUICE_ERROR_OUT_OF_MEMORY, SLUICE_OUTCOME_MISS);
        break;
    }
}

/* writes the key of the source. Returns 0, or -1 when the path cannot name one */
static int name_source(const sluice_origin_t *origin, h2o_req_t *req, struct st_names_t *names)
{
    h2o_iovec_t path = sluice_local_path(req);
    size_t prefix_len = strlen(origin->key_prefix), len;

    if (path.len == 0 || path.base[0] != '/' || !sluice_source_path_ok(path.base + 1, path.len - 1))
        return -1;
    names->path = h2o_iovec_init(path.base + 1, path.len - 1);
    memcpy(names->key, origin->key_prefix, prefix_len); /* its length was checked when the configuration was read */
    len = sluice_source_path_encode(names->path.base, names->path.len, names->key + prefix_len,
                                    sizeof(names->key) - prefix_len - SLUICE_OPTIONS_TEXT_MAX);
    names->source_key_len = prefix_len + len;
    return len != 0 ? 0 : -1;
}

static void name_rendition(struct st_names_t *names)
{
    names->key[names->source_key_len] = '?';
    names->key_len = names->source_key_len + 1 + sluice_options_text(&names->options, names->key + names->source_key_len + 1);
}

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_image_handler_t *self = (void *)_self;
    sluice_loop_t *loop = h2o_context_get_handler_context(req->conn->ctx, _self);
    const sluice_path_settings_t *settings = &self->origin->settings;
    h2o_iovec_t query = sluice_query(req);
    struct st_names_t names;
    char error[SLUICE_OPTIONS_ERROR_MAX];
    icache_object_t *object;

    if (sluice_refuse_method(req))
        return 0;
    if (name_source(self->origin, req, &names) != 0) {
        refuse(self, req, 404, "Not Found",
               "no picture can have this name: it is empty or too long, or has empty, dotted or control parts", "bad-path");
        return 0;
    }
    if (sluice_options_parse(query.base, query.len, (int)settings->strict, (uint32_t)settings->max_side, &names.options, error) !=
        0) {
        refuse(self, req, 400, "Bad Request", error, "bad-option");
        return 0;
    }
    name_rendition(&names);
    icache_key_t key = icache_key(loop->sluice->cache, names.key, names.key_len);
    if ((object = icache_get(loop->sluice->cache, loop->lane, &key, sluice_now_ms())) != NULL)
        sluice_count_own(respond_object(self, req, object, SLUICE_OUTCOME_HIT) == 200 ? &loop->hits_200 : &loop->hits_304, 1);
    else
        park(self, req, loop, &names, &key);
    return 0;
}

static void on_context_init(h2o_handler_t *_self, h2o_context_t *ctx)
{
    struct st_image_handler_t *self = (void *)_self;
    const sluice_path_settings_t *settings = &self->origin->settings;

    snprintf(self->cache_control, sizeof(self->cache_control), "public, max-age=%" PRIu64, settings->ttl_ms / 1000);
    snprintf(self->negative_cache_control, sizeof(self->negative_cache_control), "public, max-age=%" PRIu64,
             settings->negative_ttl_ms / 1000);
    h2o_context_set_handler_context(ctx, _self, sluice_loop_attach(self->origin->sluice, ctx));
}

static void on_context_dispose(h2o_handler_t *_self, h2o_context_t *ctx)
{
    sluice_loop_detach(h2o_context_get_handler_context(ctx, _self));
}

static void on_dispose(h2o_handler_t *_self)
{
    sluice_origin_t *origin = ((struct st_image_handler_t *)_self)->origin;

    if (origin->directory_fd != -1)
        close(origin->directory_fd);
    free(origin->url);
    free(origin->key_prefix);
    free(origin);
}

void sluice_image_handler_create(h2o_pathconf_t *pathconf, sluice_origin_t *origin)
{
    struct st_image_handler_t *self = (void *)h2o_create_handler(pathconf, sizeof(*self));

    self->super.on_context_init = on_context_init;
    self->super.on_context_dispose = on_context_dispose;
    self->super.dispose = on_dispose;
    self->super.on_req = on_req;
    self->origin = origin;
}
