/*
 * respond.h - the answers that Sluice sends, on the event loop of their request.
 */
#ifndef module__respond_h
#define module__respond_h

#include <h2o.h>
#include "image_cache/image_cache.h"
#include "module/cache_status.h"
#include "module/errors.h"
#include "module/field_texts.h"

/**
 * What an answer says otherwise than its picture would; all zero: nothing.
 */
typedef struct st_sluice_manner_t {
    uint32_t max_age_s;   /* for clients, from now on, unless the origin forbids that; 0: what the picture says */
    int stands_in;        /* for another picture */
    int negotiated;       /* Vary: Accept, where the response does not have that yet */
    const char *filename; /* without its extension; NULL: none */
    const char *detail;   /* of Cache-Status; NULL: as it is */
} sluice_manner_t;

typedef struct st_sluice_answer_t {
    sluice_cache_status_t cache_status;
    uint64_t now_ms;
    int with_timing;               /* say how long it took to make (Server-Timing) */
    sluice_field_texts_t *texts;   /* see sluice_add_picture_fields() */
    const sluice_manner_t *manner; /* or NULL */
} sluice_answer_t;

/**
 * Answers with a rendition, without copying its body; takes over the reference. What the request's preconditions and its Range
 * (that of a GET) make of it is the answer: 200, 206, 304, 412 or 416. Returns the status.
 */
int sluice_respond_object(h2o_req_t *req, icache_object_t *object, const sluice_answer_t *answer);
/**
 * answers with problem details (RFC 9457). cache_control may be NULL ("no-store"); else it must live as long as the request.
 * retry_after_s 0: no Retry-After.
 */
void sluice_respond_problem(h2o_req_t *req, int status, const char *title, const char *detail, const char *code,
                            const char *cache_control, uint64_t retry_after_s);
/**
 * answers with a copy of a text
 */
void sluice_respond_text(h2o_req_t *req, int status, const char *reason, const char *content_type, const char *text, size_t len);
/**
 * 405 with Allow: GET, HEAD, and 1, unless the method is one of these
 */
int sluice_refuse_method(h2o_req_t *req);
int sluice_is_head(const h2o_req_t *req);

#endif
