/*
 * respond.h - the answers that Sluice sends, on the event loop of their request.
 */
#ifndef module__respond_h
#define module__respond_h

#include <h2o.h>
#include "image_cache/image_cache.h"
#include "module/errors.h"

/**
 * how an answer came about, for Cache-Status
 */
typedef enum en_sluice_outcome_t { SLUICE_OUTCOME_HIT, SLUICE_OUTCOME_MISS, SLUICE_OUTCOME_COLLAPSED } sluice_outcome_t;

typedef struct st_sluice_answer_t {
    sluice_outcome_t outcome;
    int stored;
    uint64_t now_ms;
    h2o_iovec_t cache_control; /* lives as long as the configuration */
} sluice_answer_t;

/**
 * answers with a rendition, without copying its body; takes over the reference. 304 if the client has it already. Returns the
 * status.
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
