/*
 * Of a rendition a client gets what its preconditions and its Range leave:
 *
 *   no such field, which is nearly always -> 200
 *   a precondition fails                  -> 412, a problem
 *   the client has it already             -> 304, the fields of a 200 without a body
 *   GET with a Range of one part          -> 206, or 416, a problem
 *
 * The body is sent from where the cache has it: a reference is held until the answer is out, however it ends (hold.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "health/health.h"
#include "module/byte_range.h"
#include "module/clock.h"
#include "module/conditional.h"
#include "module/fields.h"
#include "module/hold.h"
#include "module/http_date.h"
#include "module/rendition.h"
#include "module/respond.h"

/* nothing to do when a client stops reading: what a response holds goes with the request */
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
                                            now_s - (int64_t)sluice_age_s(object, now_ms)};
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

/* --- sending */

static void respond_without(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int status)
{
    sluice_add_cache_status(req, &answer->cache_status);
    if (answer->manner != NULL && answer->manner->negotiated)
        sluice_add_vary(req);
    if (status == 412) {
        sluice_respond_problem(req, 412, "Precondition Failed",
                               "the picture is not the one that If-Match or If-Unmodified-Since names; ask again without them",
                               "precondition-failed", NULL, 0);
        return;
    }
    sluice_add_content_range(req, 0, 0, object->body_len);
    sluice_respond_problem(req, 416, "Range Not Satisfiable",
                           "Range begins behind the end of the picture; Content-Range says how long it is", "bad-range", NULL, 0);
}

/* 200, 206 or 304 */
static void respond_with(h2o_req_t *req, icache_object_t *object, const struct st_selection_t *selection,
                         const sluice_answer_t *answer)
{
    h2o_iovec_t body = h2o_iovec_init(object->body + selection->first, selection->count);
    int with_body = selection->status != 304;

    sluice_hold(req, object);
    if (with_body)
        req->res.content_length = selection->count;
    sluice_add_picture_fields(req, object, answer, with_body);
    if (answer->manner != NULL && answer->manner->filename != NULL && with_body)
        sluice_add_filename(req, object, answer->manner->filename);
    if (selection->status == 206)
        sluice_add_content_range(req, selection->first, selection->count, object->body_len);
    if (answer->with_timing)
        sluice_add_server_timing(req, object);
    /* pictures are compressed already, and block no page: what h2o would find out by their type */
    req->res.mime_attr = &h2o_mime_attributes_as_is;
    send_final(req, with_body ? &body : NULL);
}

int sluice_respond_object(h2o_req_t *req, icache_object_t *object, const sluice_answer_t *answer)
{
    struct st_selection_t selection = select_part(req, object, answer->now_ms);

    req->res.status = selection.status;
    switch (selection.status) {
    case 200:
    case 206:
    case 304:
        req->res.reason = selection.status == 200 ? "OK" : selection.status == 206 ? "Partial Content" : "Not Modified";
        respond_with(req, object, &selection, answer);
        break;
    default:
        respond_without(req, object, answer, selection.status);
        icache_object_unref(&object);
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
