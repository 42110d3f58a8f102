/*
 * The request path of pictures, on the event loop: URL -> canonical key -> cache. A hit is answered at once, from the cached bytes;
 * anything else is parked.c's.
 */
#include "module/answer.h"
#include "module/handlers.h"
#include "module/image_request.h"
#include "module/origin_config.h"
#include "module/parked.h"

struct st_image_handler_t {
    h2o_handler_t super;
    sluice_origin_t *origin;
};

/* a client may ask for what costs nothing, or for nothing at all (RFC 9111, 5.2.1.7). What else its Cache-Control says is not
 * followed: it would let anybody make us work */
static int wants_cached_only(const h2o_req_t *req)
{
    for (ssize_t at = -1; (at = h2o_find_header(&req->headers, H2O_TOKEN_CACHE_CONTROL, at)) != -1;)
        if (h2o_contains_token(req->headers.entries[at].value.base, req->headers.entries[at].value.len,
                               H2O_STRLIT("only-if-cached"), ','))
            return 1;
    return 0;
}

static void on_miss(h2o_req_t *req, sluice_loop_t *loop, const sluice_image_request_t *image, const icache_key_t *key)
{
    const sluice_rendition_request_t rendition = {
        image->origin, image->path.base, image->path.len, image->key, image->source_key_len, &image->options, key};
    const sluice_cache_status_t not_asked = {.forward = SLUICE_FORWARD_NONE};

    if (wants_cached_only(req))
        sluice_answer_failure(loop->sluice, req, SLUICE_ERROR_NOT_CACHED, &not_asked, 0);
    else
        sluice_park(loop, req, &rendition);
}

/* answers with what this very target came to before, if that is still in the cache and fresh: nothing but the target decides which
 * picture is meant, and a signature that was right stays so until its time is over. Returns 0 if it is not */
static int answer_seen(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms)
{
    sluice_seen_object_t *seen = sluice_seen_get(loop->seen, self, req->path.base, req->path.len);
    icache_object_t *object;

    if (seen == NULL || (seen->expires_s != INT64_MAX && sluice_wall_s() >= seen->expires_s) ||
        (object = icache_get_by_handle(loop->sluice->cache, loop->lane, seen->handle, now_ms)) == NULL)
        return 0;
    sluice_answer_hit(loop, req, object, now_ms, &seen->texts);
    return 1;
}

/* of a target that is new, or that has expired, or whose picture has or is gone */
static void answer_unseen(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms)
{
    sluice_image_request_t image;
    sluice_refusal_t refusal;
    icache_object_t *object;

    if (sluice_image_request_read(&image, self->origin, req, &refusal) != 0) {
        sluice_answer_refusal(loop->sluice, req, refusal.status, refusal.title, refusal.detail, refusal.code);
        return;
    }
    icache_key_t key = icache_key(loop->sluice->cache, image.key, image.key_len);
    if ((object = icache_get(loop->sluice->cache, loop->lane, &key, now_ms)) != NULL) {
        sluice_seen_put(loop->seen, self, req->path.base, req->path.len, icache_object_handle(object), image.expires_s);
        sluice_answer_hit(loop, req, object, now_ms, NULL);
    } else {
        on_miss(req, loop, &image, &key);
    }
}

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_image_handler_t *self = (void *)_self;
    sluice_loop_t *loop = h2o_context_get_handler_context(req->conn->ctx, _self);
    uint64_t now_ms = sluice_now_ms();

    if (!sluice_refuse_method(req) && !answer_seen(self, loop, req, now_ms))
        answer_unseen(self, loop, req, now_ms);
    return 0;
}

const sluice_origin_t *sluice_image_origin_of(const h2o_pathconf_t *pathconf)
{
    for (size_t i = 0; i != pathconf->handlers.size; ++i)
        if (pathconf->handlers.entries[i]->on_req == on_req)
            return ((struct st_image_handler_t *)(void *)pathconf->handlers.entries[i])->origin;
    return NULL;
}

static void on_context_init(h2o_handler_t *_self, h2o_context_t *ctx)
{
    struct st_image_handler_t *self = (void *)_self;

    h2o_context_set_handler_context(ctx, _self, sluice_loop_attach(self->origin->sluice, ctx));
}

static void on_context_dispose(h2o_handler_t *_self, h2o_context_t *ctx)
{
    sluice_loop_detach(h2o_context_get_handler_context(ctx, _self));
}

static void on_dispose(h2o_handler_t *_self)
{
    sluice_origin_destroy(&((struct st_image_handler_t *)_self)->origin);
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
