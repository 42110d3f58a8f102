/*
 * A request that waits is parked from LEAD or WAIT until the first of these, all of which happen on its loop:
 *
 *   its flight has landed (on_done)          -> answered with the picture or the error
 *   image.request-timeout is over            -> 504
 *   its client has hung up, as the watch says (HTTP/1, where h2o would not notice before the answer)    -> ended
 *   h2o disposes of it (the stream was reset, an HTTP/2 client hung up)                                 -> gone
 *
 * Each of the last three first takes the waiter out of its flight; the flight goes on for the others, or is abandoned by the last.
 * Whatever comes first ends the others, by unpark(). In place of an error, a deadline too, the client gets the picture as it was
 * last, where that is allowed (stale-if-error). Else, if the picture itself cannot be had, the request is parked once more, for its
 * fallback (default=, image.default). When that cannot be had either, the first failure is the answer.
 */
#include <string.h>
#include "module/answer.h"
#include "module/degrade.h"
#include "module/drain_phase.h"
#include "module/parked.h"
#include "module/rendition.h"
#include "module/request_clock.h"
#include "module/source_memory.h"

/* the picture in whose place another one is asked for */
struct st_wanted_t {
    sluice_failure_t failure; /* SLUICE_OK: none, it is the first itself */
    sluice_cache_status_t way;
    uint64_t remembered_ms;
};

struct st_parked_t {
    icache_waiter_t waiter;
    sluice_watched_t client;
    h2o_timeout_entry_t deadline;
    const sluice_origin_t *origin;
    sluice_loop_t *loop;
    h2o_linklist_t link; /* of loop->waiting */
    h2o_req_t *req;
    sluice_request_clock_t *clock;
    sluice_cache_status_t way; /* forward and collapsed */
    sluice_manner_t manner;
    struct st_wanted_t wanted;
    const char *fallback; /* decoded path, or NULL */
    sluice_options_t options;
    uint32_t outputs;
    icache_key_t key;
    size_t source_key_len; /* of the key */
    char key_text[];
};

static void unpark(struct st_parked_t *parked)
{
    h2o_timeout_unlink(&parked->deadline);
    sluice_client_watch_remove(parked->loop->watch, &parked->client);
    h2o_linklist_unlink(&parked->link);
    sluice_count_own(&parked->loop->parked, (uint64_t)-1);
    if (atomic_load_explicit(&parked->loop->sluice->draining, memory_order_relaxed))
        parked->req->http1_is_persistent = 0; /* of a request from before the server was told to end */
}

static void park(sluice_loop_t *loop, sluice_request_clock_t *clock, const sluice_image_request_t *image,
                 const sluice_manner_t *manner, const struct st_wanted_t *wanted);

static void answer_hit(struct st_parked_t *parked, icache_object_t *object, uint64_t now_ms)
{
    const struct st_wanted_t *wanted = &parked->wanted;

    if (wanted->failure != SLUICE_OK)
        sluice_answer_fallback(parked->loop, parked->req, object, &wanted->way, &parked->manner, wanted->failure);
    else
        sluice_answer_hit(parked->loop, parked->req, object, now_ms, NULL, &parked->manner);
}

static void answer_made(struct st_parked_t *parked, icache_object_t *object)
{
    if (parked->wanted.failure != SLUICE_OK)
        answer_hit(parked, object, sluice_now_ms());
    else
        sluice_answer_made(parked->loop, parked->req, object, &parked->way, &parked->manner);
}

/* returns whether the picture as it is in the cache was the better answer */
static int answer_instead(struct st_parked_t *parked, sluice_failure_t failure)
{
    uint64_t now_ms = sluice_now_ms();
    icache_object_t *object = icache_get_stale(parked->loop->sluice->cache, &parked->key, now_ms);

    if (object == NULL)
        return 0;
    if (now_ms < object->expires_ms) { /* it landed at the last moment */
        answer_hit(parked, object, now_ms);
        return 1;
    }
    if (sluice_rendition_helps(object, sluice_failure_error(failure), now_ms)) {
        if (parked->wanted.failure != SLUICE_OK)
            answer_hit(parked, object, now_ms);
        else
            sluice_answer_instead(parked->loop, parked->req, object, &parked->way, &parked->manner, failure);
        return 1;
    }
    icache_object_unref(&object);
    return 0;
}

static struct st_wanted_t give_up(const struct st_parked_t *parked, sluice_failure_t failure)
{
    uint64_t remembered_ms =
        sluice_source_error_left_ms(parked->origin, parked->key_text, parked->source_key_len, sluice_failure_error(failure));

    return (struct st_wanted_t){failure, parked->way, remembered_ms};
}

/* asks for the fallback; returns 0 if there is none for this failure */
static int fall_back(struct st_parked_t *parked, const struct st_wanted_t *wanted)
{
    uint64_t for_ms = wanted->remembered_ms != 0 ? wanted->remembered_ms : parked->origin->settings.negative_ttl_ms;
    sluice_manner_t manner = parked->manner;
    sluice_image_request_t image;

    if (parked->fallback == NULL || !sluice_error_is_of_picture(sluice_failure_error(wanted->failure)) ||
        sluice_image_request_fall_back(&image, parked->origin, h2o_iovec_init(parked->fallback, strlen(parked->fallback)),
                                       &parked->options) != 0)
        return 0;
    manner.max_age_s = for_ms >= 1000 ? (uint32_t)(for_ms / 1000) : 1;
    manner.stands_in = 1;
    park(parked->loop, parked->clock, &image, &manner, wanted);
    return 1;
}

static int answer_lesser(struct st_parked_t *parked)
{
    const sluice_lacking_t lacking = {&parked->key, parked->source_key_len, &parked->options, parked->outputs, &parked->manner};

    return parked->wanted.failure == SLUICE_OK && sluice_answer_lesser(parked->loop, parked->req, &lacking);
}

/* the answer may be the end of `parked` */
static void answer_failure(struct st_parked_t *parked, sluice_failure_t failure)
{
    struct st_wanted_t wanted = parked->wanted;
    int lacks_room = sluice_errors[sluice_failure_error(failure)].kind == SLUICE_ERROR_OF_ROOM;

    if (answer_instead(parked, failure) || (lacks_room && answer_lesser(parked)))
        return;
    if (wanted.failure == SLUICE_OK) {
        wanted = give_up(parked, failure);
        if (fall_back(parked, &wanted))
            return;
    }
    parked->clock->lacks_room = sluice_errors[sluice_failure_error(wanted.failure)].kind == SLUICE_ERROR_OF_ROOM;
    sluice_answer_failure(parked->loop->sluice, parked->req, wanted.failure, &wanted.way, wanted.remembered_ms);
}

static void on_done(icache_waiter_t *waiter, icache_object_t *object, int64_t failure)
{
    struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, waiter, waiter);

    unpark(parked);
    if (object != NULL)
        answer_made(parked, object);
    else
        answer_failure(parked, failure);
}

/* returns 0 if the request was not parked any more */
static int leave(struct st_parked_t *parked)
{
    if (!icache_waiter_detach(&parked->waiter))
        return 0;
    unpark(parked);
    return 1;
}

static void on_deadline(h2o_timeout_entry_t *entry)
{
    struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, deadline, entry);

    if (leave(parked))
        answer_failure(parked, SLUICE_ERROR_REQUEST_TIMEOUT);
}

/* those whose flight has landed, but that have not been told, stay where they are */
void sluice_parked_answer_all(sluice_loop_t *loop)
{
    h2o_linklist_t all;

    h2o_linklist_init_anchor(&all);
    h2o_linklist_insert_list(&all, &loop->waiting);
    while (!h2o_linklist_is_empty(&all)) {
        struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, link, all.next);
        h2o_linklist_unlink(&parked->link);
        h2o_linklist_insert(&loop->waiting, &parked->link);
        if (leave(parked))
            answer_failure(parked, SLUICE_ERROR_DRAINING);
    }
}

static void on_request_gone(void *_parked)
{
    struct st_parked_t *parked = _parked;

    if (leave(parked)) {
        sluice_request_clock_abandon(parked->clock);
        sluice_answer_nobody(parked->loop->sluice);
    }
    sluice_request_clock_end(parked->clock);
}

static void on_client_gone(sluice_watched_t *client)
{
    struct st_parked_t *parked = H2O_STRUCT_FROM_MEMBER(struct st_parked_t, client, client);

    if (!leave(parked))
        return;
    sluice_request_clock_abandon(parked->clock);
    sluice_answer_nobody(parked->loop->sluice);
    /* nobody reads this answer, but it ends the request, closes the connection and is what the access log says */
    h2o_send_error_generic(parked->req, 499, "Client Closed Request", "", H2O_SEND_ERROR_HTTP1_CLOSE_CONNECTION);
}

static void wait_for_flight(struct st_parked_t *parked)
{
    sluice_loop_t *loop = parked->loop;

    sluice_client_watch_add(loop->watch, parked->req, &parked->client);
    h2o_timeout_link(loop->ctx->loop, sluice_loop_timeout(loop, parked->origin->settings.request_timeout_ms), &parked->deadline);
    h2o_linklist_insert(&loop->waiting, &parked->link);
    sluice_count_own(&loop->parked, 1);
}

static sluice_forward_t look_for_expired(sluice_loop_t *loop, const icache_key_t *key)
{
    icache_object_t *object = icache_get_stale(loop->sluice->cache, key, sluice_now_ms());
    sluice_forward_t forward = object != NULL ? SLUICE_FORWARD_STALE : SLUICE_FORWARD_URI_MISS;

    icache_object_unref(&object);
    return forward;
}

static struct st_parked_t *create_parked(sluice_loop_t *loop, sluice_request_clock_t *clock, const sluice_image_request_t *image,
                                         const sluice_manner_t *manner, const struct st_wanted_t *wanted)
{
    h2o_req_t *req = clock->req;
    struct st_parked_t *parked = h2o_mem_alloc_shared(&req->pool, sizeof(*parked) + image->key_len, on_request_gone);

    *parked = (struct st_parked_t){.waiter = {.on_done = on_done, .lane = loop->lane},
                                   .client = {on_client_gone, -1},
                                   .deadline = {.cb = on_deadline},
                                   .origin = image->origin,
                                   .loop = loop,
                                   .req = req,
                                   .clock = clock,
                                   .manner = *manner,
                                   .wanted = *wanted,
                                   .options = image->options,
                                   .outputs = image->outputs,
                                   .source_key_len = image->source_key_len};
    memcpy(parked->key_text, image->key, image->key_len);
    parked->key = icache_key(loop->sluice->cache, parked->key_text, image->key_len);
    parked->way.forward = look_for_expired(loop, &parked->key);
    return parked;
}

/* what the image does not have longer than its request */
static const char *keep(h2o_req_t *req, const char *text)
{
    return text != NULL && text[0] != '\0' ? h2o_strdup(&req->pool, text, SIZE_MAX).base : NULL;
}

static void park(sluice_loop_t *loop, sluice_request_clock_t *clock, const sluice_image_request_t *image,
                 const sluice_manner_t *manner, const struct st_wanted_t *wanted)
{
    struct st_parked_t *parked = create_parked(loop, clock, image, manner, wanted);
    sluice_rendition_request_t rendition = {image->origin,         image->path.base, image->path.len, image->key,
                                            image->source_key_len, &image->options,  &parked->key,    0};
    uint64_t now_ms = sluice_now_ms();
    icache_object_t *object = NULL;
    icache_flight_t *flight = NULL;

    parked->fallback = keep(clock->req, image->presentation.fallback);
    parked->manner.filename = keep(clock->req, manner->filename);
    if (sluice_degrades_work(loop->sluice) && answer_lesser(parked))
        return;
    switch (icache_lookup(loop->sluice->cache, &parked->key, now_ms, &parked->waiter, &object, &flight)) {
    case ICACHE_HIT: /* it landed between two looks, or is a fallback */
    case ICACHE_STALE:
        if (flight != NULL) { /* its renewal, for which nobody waits */
            rendition.is_renewal = 1;
            sluice_rendition_start(&rendition, flight);
        }
        answer_hit(parked, object, now_ms);
        break;
    case ICACHE_LEAD:
        wait_for_flight(parked);
        sluice_rendition_start(&rendition, flight);
        break;
    case ICACHE_WAIT:
        parked->way.collapsed = 1;
        wait_for_flight(parked);
        break;
    case ICACHE_REFUSED:
        answer_failure(parked, SLUICE_ERROR_OUT_OF_MEMORY);
        break;
    }
}

void sluice_park(sluice_loop_t *loop, h2o_req_t *req, const sluice_image_request_t *image)
{
    const sluice_manner_t manner = sluice_image_request_manner(image);
    const struct st_wanted_t none = {.failure = SLUICE_OK};

    ++loop->misses;
    park(loop, sluice_request_clock_start(loop->sluice, req), image, &manner, &none);
}
