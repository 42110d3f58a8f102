/*
 * Of a rendition a client gets what its preconditions and its Range leave:
 *
 *   no such field, which is nearly always -> 200
 *   a precondition fails                  -> 412, a problem
 *   the client has it already             -> 304, the fields of a 200 without a body
 *   GET with a Range of one part          -> 206, or 416, a problem
 *
 * The body is sent from where the cache has it: the request's pool holds a reference until the answer is out, however it ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "health/health.h"
#include "module/byte_range.h"
#include "module/client_caching.h"
#include "module/clock.h"
#include "module/conditional.h"
#include "module/decimal.h"
#include "module/hold.h"
#include "module/http_date.h"
#include "module/image_options.h"
#include "module/rendition.h"
#include "module/respond.h"

/* nothing to do when a client stops reading: what a response holds goes with the request's pool */
static h2o_generator_t no_generator = {NULL, NULL};

/* what a request makes of a rendition */
struct st_selection_t {
    int status;
    uint64_t first, count; /* bytes of the body, for 200 and 206 */
};

int sluice_is_head(const h2o_req_t *req)
{
    return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
}

static void add_header(h2o_req_t *req, const h2o_token_t *token, const char *value, size_t len)
{
    h2o_add_header(&req->pool, &req->res.headers, token, NULL, value, len);
}

static void add_named_header(h2o_req_t *req, const char *name, size_t name_len, const char *value, size_t len)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, name_len, 0, NULL, value, len);
}

static void send_final(h2o_req_t *req, h2o_iovec_t *body)
{
    h2o_start_response(req, &no_generator);
    if (body == NULL || body->len == 0 || sluice_is_head(req))
        h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
    else
        h2o_send(req, body, 1, H2O_SEND_STATE_FINAL);
}

/* --- what the client wants of it */

/* h2o knows names by their place in a table, in which the conditional ones stand side by side */
static int asks_for_less(const h2o_req_t *req)
{
    uintptr_t first = (uintptr_t)&H2O_TOKEN_IF_MATCH->buf, last = (uintptr_t)&H2O_TOKEN_IF_UNMODIFIED_SINCE->buf;

    for (size_t i = 0; i != req->headers.size; ++i) {
        uintptr_t name = (uintptr_t)req->headers.entries[i].name;
        if (name - first <= last - first || name == (uintptr_t)&H2O_TOKEN_RANGE->buf)
            return 1;
    }
    return 0;
}

static void add_conditions(const h2o_req_t *req, sluice_conditions_t *conditions)
{
    const struct {
        const h2o_token_t *token;
        sluice_condition_t field;
    } fields[] = {{H2O_TOKEN_IF_MATCH, SLUICE_IF_MATCH},
                  {H2O_TOKEN_IF_UNMODIFIED_SINCE, SLUICE_IF_UNMODIFIED_SINCE},
                  {H2O_TOKEN_IF_NONE_MATCH, SLUICE_IF_NONE_MATCH},
                  {H2O_TOKEN_IF_MODIFIED_SINCE, SLUICE_IF_MODIFIED_SINCE},
                  {H2O_TOKEN_IF_RANGE, SLUICE_IF_RANGE}};

    for (size_t i = 0; i != sizeof(fields) / sizeof(fields[0]); ++i)
        for (ssize_t at = -1; (at = h2o_find_header(&req->headers, fields[i].token, at)) != -1;)
            sluice_conditions_add(conditions, fields[i].field, req->headers.entries[at].value.base,
                                  req->headers.entries[at].value.len);
}

static void select_range(const h2o_req_t *req, uint64_t body_len, struct st_selection_t *selection)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_RANGE, -1);
    h2o_iovec_t value;

    if (at == -1 || h2o_find_header(&req->headers, H2O_TOKEN_RANGE, at) != -1)
        return;
    value = req->headers.entries[at].value;
    switch (sluice_byte_range(value.base, value.len, body_len, &selection->first, &selection->count)) {
    case SLUICE_RANGE_PART:
        selection->status = 206;
        break;
    case SLUICE_RANGE_UNSATISFIABLE:
        selection->status = 416;
        break;
    case SLUICE_RANGE_WHOLE:
        break;
    }
}

static uint64_t age_s(const icache_object_t *object, uint64_t now_ms)
{
    return now_ms > object->created_ms ? (now_ms - object->created_ms) / 1000 : 0;
}

static struct st_selection_t select_part(const h2o_req_t *req, const icache_object_t *object, uint64_t now_ms)
{
    const sluice_rendition_meta_t *meta = object->meta;
    struct st_selection_t selection = {200, 0, object->body_len};
    sluice_conditions_t conditions;
    int64_t now_s;

    if (!asks_for_less(req))
        return selection;
    now_s = sluice_wall_s();
    const sluice_validators_t validators = {meta->etag, meta->etag_len, meta->last_modified,
                                            now_s - (int64_t)age_s(object, now_ms)};
    sluice_conditions_init(&conditions, &validators, now_s);
    add_conditions(req, &conditions);
    switch (sluice_conditions_decide(&conditions)) {
    case SLUICE_PRECONDITION_FAILED:
        selection.status = 412;
        break;
    case SLUICE_PRECONDITION_NOT_MODIFIED:
        selection.status = 304;
        break;
    case SLUICE_PRECONDITION_PASSED: /* a Range means something to GET alone */
        if (!sluice_is_head(req) && sluice_conditions_want_range(&conditions))
            select_range(req, object->body_len, &selection);
        break;
    }
    return selection;
}

/* --- the fields of its answer */

static void add_age(h2o_req_t *req, const icache_object_t *object, uint64_t now_ms)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, SLUICE_DECIMAL_MAX);

    add_header(req, H2O_TOKEN_AGE, buf, sluice_put_decimal(buf, age_s(object, now_ms)));
}

static void add_last_modified(h2o_req_t *req, int64_t seconds)
{
    char *buf;

    if (seconds == SLUICE_NO_DATE)
        return;
    buf = h2o_mem_alloc_pool(&req->pool, SLUICE_HTTP_DATE_LEN + 1);
    sluice_http_date_format(seconds, buf);
    add_header(req, H2O_TOKEN_LAST_MODIFIED, buf, strlen(buf));
}

static void add_client_caching(h2o_req_t *req, const sluice_rendition_meta_t *meta)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, SLUICE_CLIENT_CACHING_MAX);

    add_header(req, H2O_TOKEN_CACHE_CONTROL, buf, sluice_client_caching_text(meta->cache_control, meta->max_age_s, buf));
}

void sluice_add_cache_status(h2o_req_t *req, const sluice_cache_status_t *status)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, SLUICE_CACHE_STATUS_MAX);

    add_named_header(req, H2O_STRLIT("cache-status"), buf, sluice_cache_status_text(status, buf));
}

static void add_server_timing(h2o_req_t *req, const sluice_rendition_meta_t *meta)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 160);
    int len = snprintf(buf, 160, "queue;dur=%.1f, fetch;dur=%.1f, decode;dur=%.1f, transform;dur=%.1f, encode;dur=%.1f",
                       meta->queue_us / 1e3, meta->fetch_us / 1e3, meta->decode_us / 1e3, meta->transform_us / 1e3,
                       meta->encode_us / 1e3);

    add_named_header(req, H2O_STRLIT("server-timing"), buf, (size_t)len);
}

/* "bytes 0-99/1000", or without a part "bytes * / 1000" in one word */
static void add_content_range(h2o_req_t *req, const struct st_selection_t *part, uint64_t body_len)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 80);
    int len = part != NULL ? snprintf(buf, 80, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, part->first, part->first + part->count - 1,
                                      body_len)
                           : snprintf(buf, 80, "bytes */%" PRIu64, body_len);

    add_header(req, H2O_TOKEN_CONTENT_RANGE, buf, (size_t)len);
}

/* what 200, 206 and 304 have in common */
static void add_fields(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer)
{
    const sluice_rendition_meta_t *meta = object->meta;

    add_header(req, H2O_TOKEN_ETAG, meta->etag, meta->etag_len);
    add_last_modified(req, meta->last_modified);
    add_client_caching(req, meta);
    add_age(req, object, answer->now_ms);
    sluice_add_cache_status(req, &answer->cache_status);
    if (answer->with_timing)
        add_server_timing(req, meta);
}

static void add_body_fields(h2o_req_t *req, const icache_object_t *object, const struct st_selection_t *selection)
{
    const char *mime_type = sluice_format_mime_type(((const sluice_rendition_meta_t *)object->meta)->format);

    req->res.content_length = selection->count;
    add_header(req, H2O_TOKEN_CONTENT_TYPE, mime_type, strlen(mime_type));
    add_header(req, H2O_TOKEN_ACCEPT_RANGES, H2O_STRLIT("bytes"));
    if (selection->status == 206)
        add_content_range(req, selection, object->body_len);
}

/* --- sending */

static void respond_without(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int status)
{
    sluice_add_cache_status(req, &answer->cache_status);
    if (status == 412) {
        sluice_respond_problem(req, 412, "Precondition Failed",
                               "the picture is not the one that If-Match or If-Unmodified-Since names; ask again without them",
                               "precondition-failed", NULL, 0);
        return;
    }
    add_content_range(req, NULL, object->body_len);
    sluice_respond_problem(req, 416, "Range Not Satisfiable",
                           "Range begins behind the end of the picture; Content-Range says how long it is", "bad-range", NULL, 0);
}

int sluice_respond_object(h2o_req_t *req, icache_object_t *object, const sluice_answer_t *answer)
{
    struct st_selection_t selection = select_part(req, object, answer->now_ms);
    h2o_iovec_t body = h2o_iovec_init(object->body + selection.first, selection.count);

    sluice_hold(req, object);
    req->res.status = selection.status;
    switch (selection.status) {
    case 200:
    case 206:
        req->res.reason = selection.status == 200 ? "OK" : "Partial Content";
        add_body_fields(req, object, &selection);
        add_fields(req, object, answer);
        send_final(req, &body);
        break;
    case 304:
        req->res.reason = "Not Modified";
        add_fields(req, object, answer);
        send_final(req, NULL);
        break;
    default:
        respond_without(req, object, answer, selection.status);
        break;
    }
    return selection.status;
}

void sluice_respond_text(h2o_req_t *req, int status, const char *reason, const char *content_type, const char *text, size_t len)
{
    h2o_iovec_t body = h2o_strdup(&req->pool, text, len);

    req->res.status = status;
    req->res.reason = reason;
    req->res.content_length = len;
    add_header(req, H2O_TOKEN_CONTENT_TYPE, content_type, strlen(content_type));
    send_final(req, &body);
}

void sluice_respond_problem(h2o_req_t *req, int status, const char *title, const char *detail, const char *code,
                            const char *cache_control, uint64_t retry_after_s)
{
    size_t len = 0;
    char *json = health_problem_json(status, title, detail, code, &len);

    if (retry_after_s != 0) {
        char *buf = h2o_mem_alloc_pool(&req->pool, 24);
        int n = snprintf(buf, 24, "%" PRIu64, retry_after_s);
        add_named_header(req, H2O_STRLIT("retry-after"), buf, (size_t)n);
    }
    if (cache_control == NULL)
        cache_control = "no-store";
    add_header(req, H2O_TOKEN_CACHE_CONTROL, cache_control, strlen(cache_control));
    /* without memory for the sentence, the status alone must do */
    sluice_respond_text(req, status, title, "application/problem+json", json != NULL ? json : "{}", json != NULL ? len : 2);
    free(json);
}

int sluice_refuse_method(h2o_req_t *req)
{
    if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) || sluice_is_head(req))
        return 0;
    add_named_header(req, H2O_STRLIT("allow"), H2O_STRLIT("GET, HEAD"));
    sluice_respond_problem(req, 405, "Method Not Allowed", "pictures and health are read with GET or HEAD", "method-not-allowed",
                           NULL, 0);
    return 1;
}
