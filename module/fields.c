/*
 * Every hit has the same seven fields. They are written straight into the response's list, and their values, which are remembered
 * from the last time, copied to behind it: one block of the request's pool. Made each time and added one by one, they would cost
 * several times as much as finding the picture.
 */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include "module/conditional.h"
#include "module/fields.h"
#include "module/rendition.h"

#define MAX_FIELDS 8

/* h2o wants names at addresses that stay, and not constant */
static char cache_status[] = "cache-status", server_timing[] = "server-timing";
static h2o_iovec_t cache_status_name = {cache_status, sizeof(cache_status) - 1},
                   server_timing_name = {server_timing, sizeof(server_timing) - 1};

static h2o_iovec_t *name_of(const h2o_token_t *token)
{
    return (h2o_iovec_t *)(uintptr_t)&token->buf;
}

uint64_t sluice_age_s(const icache_object_t *object, uint64_t now_ms)
{
    uint64_t created_ms = object->created_ms;

    return now_ms > created_ms ? (now_ms - created_ms) / 1000 : 0;
}

/* room for MAX_FIELDS in the list, and for `len` bytes of text */
static char *make_room(h2o_req_t *req, size_t len)
{
    h2o_headers_t *headers = &req->res.headers;
    char *block;

    if (headers->size != 0) { /* another handler was here before */
        h2o_vector_reserve(&req->pool, headers, headers->size + MAX_FIELDS);
        return h2o_mem_alloc_pool(&req->pool, len);
    }
    block = h2o_mem_alloc_pool(&req->pool, MAX_FIELDS * sizeof(headers->entries[0]) + len);
    headers->entries = (h2o_header_t *)(void *)block;
    headers->capacity = MAX_FIELDS;
    return block + MAX_FIELDS * sizeof(headers->entries[0]);
}

/* returns where the next field goes */
static h2o_header_t *put_field(h2o_header_t *field, h2o_iovec_t *name, const char *value, size_t len)
{
    *field = (h2o_header_t){.name = name, .value = h2o_iovec_init(value, len)};
    return field + 1;
}

/* `at`: where the texts go */
static h2o_header_t *put_texts(h2o_header_t *field, const sluice_field_texts_t *texts, char *at, int with_body)
{
    memcpy(at, texts->text, texts->len);
    if (with_body) {
        field = put_field(field, name_of(H2O_TOKEN_CONTENT_TYPE), at, texts->type_len);
        field = put_field(field, name_of(H2O_TOKEN_ACCEPT_RANGES), H2O_STRLIT("bytes"));
    }
    at += texts->type_len;
    field = put_field(field, name_of(H2O_TOKEN_ETAG), at, texts->etag_len);
    at += texts->etag_len;
    if (texts->last_modified_len != 0)
        field = put_field(field, name_of(H2O_TOKEN_LAST_MODIFIED), at, texts->last_modified_len);
    at += texts->last_modified_len;
    field = put_field(field, name_of(H2O_TOKEN_CACHE_CONTROL), at, texts->cache_control_len);
    at += texts->cache_control_len;
    if (texts->age_len != 0)
        field = put_field(field, name_of(H2O_TOKEN_AGE), at, texts->age_len);
    return put_field(field, &cache_status_name, at + texts->age_len, texts->cache_status_len);
}

/* a lifetime of the request's own begins now, so it has no Age. It may not undo what the origin forbids, nor make an expired
 * picture a fresh one */
static void apply_manner(sluice_field_values_t *values, const sluice_manner_t *manner, int fresh)
{
    int forbidden = (values->cache_control & (SLUICE_CC_PRIVATE | SLUICE_CC_NO_STORE | SLUICE_CC_NO_CACHE)) != 0;

    if (manner->max_age_s != 0 && !forbidden && (fresh || manner->stands_in)) {
        values->max_age_s = manner->max_age_s;
        values->cache_control = 0;
        values->age_s = SLUICE_NO_AGE;
    }
    if (manner->stands_in) /* or the right picture, if it is older, would seem to be the same */
        values->last_modified_s = SLUICE_NO_DATE;
}

static void update(sluice_field_texts_t *texts, const icache_object_t *object, const sluice_answer_t *answer)
{
    const sluice_rendition_meta_t *meta = object->meta;
    const sluice_cache_status_t *status = &answer->cache_status;
    sluice_field_values_t values = {meta->last_modified, sluice_age_s(object, answer->now_ms), status->ttl_s, meta->max_age_s,
                                    meta->cache_control};

    if (answer->manner != NULL)
        apply_manner(&values, answer->manner, answer->now_ms < object->expires_ms);
    if (!sluice_field_texts_are_of(texts, &values))
        sluice_field_texts_make(texts, &values, sluice_format_mime_type(meta->format), meta->etag, status);
}

static void add_kept(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int with_body,
                     sluice_field_texts_t *texts)
{
    h2o_headers_t *headers = &req->res.headers;
    h2o_header_t *field;
    char *at;

    update(texts, object, answer);
    at = make_room(req, texts->len);
    field = put_texts(headers->entries + headers->size, texts, at, with_body);
    if (answer->manner != NULL && answer->manner->negotiated)
        field = put_field(field, name_of(H2O_TOKEN_VARY), H2O_STRLIT("Accept"));
    headers->size = (size_t)(field - headers->entries);
}

static void add_unkept(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int with_body)
{
    sluice_field_texts_t texts;

    texts.of.age_s = UINT64_MAX;
    add_kept(req, object, answer, with_body, &texts);
}

void sluice_add_picture_fields(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int with_body)
{
    if (answer->texts != NULL)
        add_kept(req, object, answer, with_body, answer->texts);
    else
        add_unkept(req, object, answer, with_body);
}

static void add_field(h2o_req_t *req, h2o_iovec_t *name, const char *value, size_t len)
{
    h2o_vector_reserve(&req->pool, &req->res.headers, req->res.headers.size + 1);
    put_field(req->res.headers.entries + req->res.headers.size++, name, value, len);
}

void sluice_add_vary(h2o_req_t *req)
{
    add_field(req, name_of(H2O_TOKEN_VARY), H2O_STRLIT("Accept"));
}

void sluice_add_cache_status(h2o_req_t *req, const sluice_cache_status_t *status)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, SLUICE_CACHE_STATUS_MAX);

    add_field(req, &cache_status_name, buf, sluice_cache_status_text(status, buf));
}

/* one that has the extension already is not given another */
void sluice_add_filename(h2o_req_t *req, const icache_object_t *object, const char *name)
{
    const char *extension = sluice_format_name(((const sluice_rendition_meta_t *)object->meta)->format);
    size_t len = strlen(name), extension_len = strlen(extension), max = len + extension_len + 24;
    int has = len > extension_len && name[len - extension_len - 1] == '.' && strcasecmp(name + len - extension_len, extension) == 0;
    char *buf = h2o_mem_alloc_pool(&req->pool, max);

    add_field(req, name_of(H2O_TOKEN_CONTENT_DISPOSITION), buf,
              (size_t)snprintf(buf, max, "inline; filename=\"%s%s%s\"", name, has ? "" : ".", has ? "" : extension));
}

void sluice_add_server_timing(h2o_req_t *req, const icache_object_t *object)
{
    const sluice_rendition_meta_t *meta = object->meta;
    char *buf = h2o_mem_alloc_pool(&req->pool, 160);
    int len = snprintf(buf, 160, "queue;dur=%.1f, fetch;dur=%.1f, decode;dur=%.1f, transform;dur=%.1f, encode;dur=%.1f",
                       meta->queue_us / 1e3, meta->fetch_us / 1e3, meta->decode_us / 1e3, meta->transform_us / 1e3,
                       meta->encode_us / 1e3);

    add_field(req, &server_timing_name, buf, (size_t)len);
}

void sluice_add_content_range(h2o_req_t *req, uint64_t first, uint64_t count, uint64_t body_len)
{
    char *buf = h2o_mem_alloc_pool(&req->pool, 80);
    int len = count != 0 ? snprintf(buf, 80, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, first + count - 1, body_len)
                         : snprintf(buf, 80, "bytes */%" PRIu64, body_len);

    add_field(req, name_of(H2O_TOKEN_CONTENT_RANGE), buf, (size_t)len);
}
