/*
 * answer.h - what a request for a picture is answered once it is known how it went: the answer, its Cache-Status (the table is in
 * cache_status.h), and the counters. On the event loop of the request, which may be gone when these return.
 */
#ifndef module__answer_h
#define module__answer_h

#include "module/loop.h"
#include "module/respond.h"

/* of the first four, the reference to the object is taken over, and the manner may be NULL */

/**
 * it was there, fresh or not
 * @param texts of its fields, from its last hit; or NULL, as it is if there is a manner
 */
void sluice_answer_hit(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, uint64_t now_ms, sluice_field_texts_t *texts,
                       const sluice_manner_t *manner);
/**
 * it has been made or renewed
 * @param way `forward` and `collapsed` are set, here and below
 */
void sluice_answer_made(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                        const sluice_manner_t *manner);
/**
 * it has expired and could not be renewed for this failure, but is allowed in its place
 */
void sluice_answer_instead(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                           const sluice_manner_t *manner, sluice_failure_t failure);
/**
 * it is another one, in place of that which could not be had for this failure
 */
void sluice_answer_fallback(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                            const sluice_manner_t *manner, sluice_failure_t failure);
/**
 * @param remembered_ms for how long the next request would end like this without any work; 0: it would not
 */
void sluice_answer_failure(sluice_t *sluice, h2o_req_t *req, sluice_failure_t failure, const sluice_cache_status_t *way,
                           uint64_t remembered_ms);
/**
 * what can be no picture, so that the cache was not asked
 */
void sluice_answer_refusal(sluice_t *sluice, h2o_req_t *req, int status, const char *title, const char *detail, const char *code);
/**
 * nobody was there to be answered any more
 */
void sluice_answer_nobody(sluice_t *sluice);

#endif
