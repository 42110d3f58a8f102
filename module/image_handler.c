/*
 * The request path of pictures, on the event loop: URL -> canonical key -> cache. A hit is answered at once, from the cached bytes;
 * anything else is parked.c's.
 */
#include "module/answer.h"
#include "module/degrade.h"
#include "module/fields.h"
#include "module/handlers.h"
#include "module/image_request.h"
#include "module/origin_config.h"
#include "module/parked.h"

#define TIMED_HITS_MEAN 64 /* of so many hits one is timed */

struct st_image_handler_t {
    h2o_handler_t super;
    sluice_origin_t *origin;
    char outcomes[SLUICE_NUM_TAKEN]; /* their addresses are the owners of what targets that negotiate came to, each */
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

/* --- auto=format */

static sluice_taken_t read_lines(const h2o_req_t *req)
{
    sluice_accept_t accept;

    sluice_accept_init(&accept);
    for (ssize_t at = -1; (at = h2o_find_header(&req->headers, H2O_TOKEN_ACCEPT, at)) != -1;)
        sluice_accept_add(&accept, req->headers.entries[at].value.base, req->headers.entries[at].value.len);
    return sluice_accept_decide(&accept);
}

static sluice_taken_t what_client_takes(sluice_loop_t *loop, const h2o_req_t *req)
{
    const h2o_header_t *only = NULL;

    for (size_t i = 0; i != req->headers.size; ++i) {
        if (req->headers.entries[i].name != &H2O_TOKEN_ACCEPT->buf)
            continue;
        if (only != NULL)
            return read_lines(req);
        only = req->headers.entries + i;
    }
    return only != NULL ? sluice_accept_recall(&loop->accepts, only->value.base, only->value.len) : SLUICE_TAKES_COMMON;
}

/* --- targets that were asked for before */

static int answer_seen_as(const void *owner, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms, const sluice_seen_object_t *seen)
{
    static const sluice_manner_t negotiated = {.negotiated = 1};
    sluice_seen_object_t *outcome = sluice_seen_get_beside(loop->seen, seen, owner);
    icache_object_t *object;

    if (outcome == NULL || (object = icache_get_by_handle(loop->sluice->cache, loop->lane, outcome->handle, now_ms)) == NULL)
        return 0;
    sluice_answer_hit(loop, req, object, now_ms, &outcome->texts, &negotiated);
    return 1;
}

/* answers with what this very target came to before, if that is still in the cache and fresh. Nothing but the target decides which
 * picture is meant, and what the client takes where that is asked for; a signature that was right stays so until its time is over.
 * Returns 0 if it is not */
static int answer_seen(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms)
{
    sluice_seen_object_t *seen = sluice_seen_get(loop->seen, self, req->path.base, req->path.len);
    icache_object_t *object;

    if (seen == NULL || (seen->expires_s != INT64_MAX && sluice_wall_s() >= seen->expires_s))
        return 0;
    if ((object = icache_get_by_handle(loop->sluice->cache, loop->lane, seen->handle, now_ms)) == NULL)
        return seen->handle.object == NULL &&
               answer_seen_as(self->outcomes + what_client_takes(loop, req), loop, req, now_ms, seen);
    sluice_answer_hit(loop, req, object, now_ms, &seen->texts, NULL);
    return 1;
}

/* a target whose answers differ from their picture has to be read each time, and one that comes to another picture for now */
static void remember(struct st_image_handler_t *self, sluice_loop_t *loop, const h2o_req_t *req,
                     const sluice_image_request_t *image, sluice_taken_t taken, icache_object_t *object)
{
    const icache_handle_t none = {NULL, 0};

    if (image->detail != NULL || image->presentation.max_age_s != 0 || image->presentation.filename[0] != '\0')
        return;
    sluice_seen_put(loop->seen, self, req->path.base, req->path.len, image->negotiates ? none : icache_object_handle(object),
                    image->expires_s);
    if (image->negotiates)
        sluice_seen_put(loop->seen, self->outcomes + taken, req->path.base, req->path.len, icache_object_handle(object),
                        image->expires_s);
}

/* --- all others */

static void on_miss(h2o_req_t *req, sluice_loop_t *loop, const sluice_image_request_t *image)
{
    const sluice_cache_status_t not_asked = {.forward = SLUICE_FORWARD_NONE};

    if (wants_cached_only(req))
        sluice_answer_failure(loop->sluice, req, SLUICE_ERROR_NOT_CACHED, &not_asked, 0);
    else
        sluice_park(loop, req, image);
}

/* what costs less is better than what is smaller while memory is short, unless the latter is there already, be it expired */
static int should_avoid_avif(sluice_loop_t *loop, const sluice_image_request_t *image, sluice_taken_t taken, uint64_t now_ms)
{
    icache_key_t key = icache_key(loop->sluice->cache, image->key, image->key_len);
    icache_object_t *object = NULL;
    int is_new = 0;

    if (taken == SLUICE_TAKES_AVIF_OR_WEBP && image->options.output == SLUICE_FORMAT_AVIF && sluice_degrades_avif(loop->sluice))
        is_new = (object = icache_get_stale(loop->sluice->cache, &key, now_ms)) == NULL;
    icache_object_unref(&object);
    return is_new;
}

/* returns what the client takes */
static sluice_taken_t negotiate(sluice_loop_t *loop, h2o_req_t *req, sluice_image_request_t *image, uint64_t now_ms)
{
    const sluice_options_t asked = image->options;
    sluice_taken_t taken = what_client_takes(loop, req);

    sluice_add_vary(req); /* in front of all that becomes of it, an error, too */
    sluice_image_request_negotiate(image, taken);
    if (should_avoid_avif(loop, image, taken, now_ms)) {
        sluice_count(loop->sluice->stats.degraded + SLUICE_DEGRADED_WEBP_FOR_AVIF, 1);
        sluice_image_request_avoid_avif(image, &asked);
    }
    return taken;
}

static void answer_image(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms,
                         sluice_image_request_t *image)
{
    sluice_taken_t taken = image->negotiates ? negotiate(loop, req, image, now_ms) : SLUICE_TAKES_COMMON;
    icache_key_t key = icache_key(loop->sluice->cache, image->key, image->key_len);
    icache_object_t *object = icache_get(loop->sluice->cache, loop->lane, &key, now_ms);
    const sluice_manner_t manner = sluice_image_request_manner(image);

    if (object != NULL) {
        remember(self, loop, req, image, taken, object);
        sluice_answer_hit(loop, req, object, now_ms, NULL, &manner);
    } else {
        on_miss(req, loop, image);
    }
}

/* of a target that is new, or that has expired, or whose picture has or is gone */
static void answer_unseen(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req, uint64_t now_ms)
{
    sluice_image_request_t image;
    sluice_refusal_t refusal;

    if (sluice_image_request_read(&image, self->origin, req, &refusal) == 0)
        answer_image(self, loop, req, now_ms, &image);
    else
        sluice_answer_refusal(loop->sluice, req, refusal.status, refusal.title, refusal.detail, refusal.code);
}

static void answer(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req)
{
    uint64_t now_ms = sluice_now_ms();

    if (!sluice_refuse_method(req) && !answer_seen(self, loop, req, now_ms))
        answer_unseen(self, loop, req, now_ms);
}

static uint64_t count_hits(const sluice_loop_t *loop)
{
    uint64_t sum = 0;

    for (size_t i = 0; i != sizeof(loop->hits) / sizeof(loop->hits[0]); ++i)
        sum += sluice_counted(loop->hits + i);
    return sum;
}

/* to read the clock twice would cost a hit as much as finding its picture. The distance to the next one that is timed is random, as
 * clients may ask for the same pictures round and round */
static void __attribute__((noinline, cold)) answer_timed(struct st_image_handler_t *self, sluice_loop_t *loop, h2o_req_t *req)
{
    uint64_t begun_us = sluice_now_us(), hits = count_hits(loop), misses = loop->misses;

    loop->random ^= loop->random << 13;
    loop->random ^= loop->random >> 17;
    loop->random ^= loop->random << 5;
    loop->until_timed = 1 + loop->random % (2 * TIMED_HITS_MEAN - 1);
    answer(self, loop, req);
    if (count_hits(loop) == hits + 1 && loop->misses == misses)
        sluice_durations_count(loop->sluice->stats.request_durations + SLUICE_OUTCOME_HIT, sluice_now_us() - begun_us,
                               TIMED_HITS_MEAN);
}

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    struct st_image_handler_t *self = (void *)_self;
    sluice_loop_t *loop = h2o_context_get_handler_context(req->conn->ctx, _self);

    if (--loop->until_timed == 0)
        answer_timed(self, loop, req);
    else
        answer(self, loop, req);
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
