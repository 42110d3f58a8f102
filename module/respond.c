#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "health/health.h"
#include "module/decimal.h"
#include "module/image_options.h"
#include "module/rendition.h"
#include "module/respond.h"

/* nothing to do when a client stops reading: what a response holds goes with the request's pool */
static h2o_generator_t no_generator = {NULL, NULL};

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

/* whether one of the entity tags in an If-None-Match is ours; the comparison is the weak one (RFC 9110, 13.1.2) */
static int etag_matches(const char *list, size_t len, const char *etag, size_t etag_len)
{
    if (len == 1 && list[0] == '*')
        return 1;
    for (size_t at = 0; at + etag_len <= len; ++at)
        if (list[at] == '"' && memcmp(list + at, etag, etag_len) == 0)
            return 1;
    return 0;
}

static int client_has_it(h2o_req_t *req, const sluice_rendition_meta_t *meta)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_IF_NONE_MATCH, -1);

    return at != -1 &&
           etag_matches(req->headers.entries[at].value.base, req->headers.entries[at].value.len, meta->etag, meta->etag_len);
}

static void on_response_done(void *_slot)
{
    icache_object_unref((icache_object_t **)_slot);
}

static void hold_until_sent(h2o_req_t *req, icache_object_t *object)
{
    icache_object_t **slot = h2o_mem_alloc_shared(&req->pool, sizeof(*slot), on_response_done);

    *slot = object;
}

static size_t put_text(char *dst, const char *text, size_t len)
{
    memcpy(dst, text, len);
    return len;
}

static void add_cache_status(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 64);
    size_t len;

    if (answer->outcome == SLUICE_OUTCOME_HIT) {
        len = put_text(buf, H2O_STRLIT("sluice; hit; ttl="));
        len +=
            sluice_put_decimal(buf + len, object->expires_ms > answer->now_ms ? (object->expires_ms - answer->now_ms) / 1000 : 0);
    } else {
        len = put_text(buf, H2O_STRLIT("sluice; fwd=miss"));
        if (answer->stored)
            len += put_text(buf + len, H2O_STRLIT("; stored"));
        if (answer->outcome == SLUICE_OUTCOME_COLLAPSED)
            len += put_text(buf + len, H2O_STRLIT("; collapsed"));
    }
    add_named_header(req, H2O_STRLIT("cache-status"), buf, len);
}

static void add_age(h2o_req_t *req, const icache_object_t *object, uint64_t now_ms)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 24);

    add_header(req, H2O_TOKEN_AGE, buf,
               sluice_put_decimal(buf, now_ms > object->created_ms ? (now_ms - object->created_ms) / 1000 : 0));
}

static void add_server_timing(h2o_req_t *req, const sluice_rendition_meta_t *meta)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 128);
    int len = snprintf(buf, 128, "queue;dur=%.1f, fetch;dur=%.1f, transform;dur=%.1f", meta->queue_us / 1e3, meta->fetch_us / 1e3,
                       meta->transform_us / 1e3);

    add_named_header(req, H2O_STRLIT("server-timing"), buf, (size_t)len);
}

int sluice_respond_object(h2o_req_t *req, icache_object_t *object, const sluice_answer_t *answer)
{
    const sluice_rendition_meta_t *meta = object->meta;
    const char *mime_type = sluice_format_mime_type(meta->format);
    h2o_iovec_t body = h2o_iovec_init(object->body, object->body_len);
    int unchanged = client_has_it(req, meta);

    hold_until_sent(req, object);
    req->res.status = unchanged ? 304 : 200;
    req->res.reason = unchanged ? "Not Modified" : "OK";
    if (!unchanged) {
        req->res.content_length = object->body_len;
        add_header(req, H2O_TOKEN_CONTENT_TYPE, mime_type, strlen(mime_type));
    }
    add_header(req, H2O_TOKEN_ETAG, meta->etag, meta->etag_len);
    add_header(req, H2O_TOKEN_CACHE_CONTROL, answer->cache_control.base, answer->cache_control.len);
    add_age(req, object, answer->now_ms);
    add_cache_status(req, object, answer);
    if (answer->outcome != SLUICE_OUTCOME_HIT)
        add_server_timing(req, meta);
    send_final(req, unchanged ? NULL : &body);
    return unchanged ? 304 : 200;
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
