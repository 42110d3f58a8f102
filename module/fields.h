/*
 * fields.h - the response fields that say what a picture is and where it came from. On the event loop of the request.
 */
#ifndef module__fields_h
#define module__fields_h

#include <h2o.h>
#include "image_cache/image_cache.h"
#include "module/field_texts.h"
#include "module/respond.h"

/**
 * adds what 200, 206 and 304 have in common: ETag, Last-Modified, Cache-Control, Age and Cache-Status; and for the first two, in
 * front of them, Content-Type and Accept-Ranges. Their values do not need the object any more.
 * @param answer its texts are what this made of the same object for its last hit, brought up to date; NULL: nothing is kept. Only
 *               of hits that say no more than their ttl, in no manner of their own.
 */
void sluice_add_picture_fields(h2o_req_t *req, const icache_object_t *object, const sluice_answer_t *answer, int with_body);
/**
 * Content-Disposition: inline, with a name and the extension of the picture's format
 */
void sluice_add_filename(h2o_req_t *req, const icache_object_t *object, const char *name);
/**
 * how long the parts of its making took
 */
void sluice_add_server_timing(h2o_req_t *req, const icache_object_t *object);
/**
 * adds Vary: Accept
 */
void sluice_add_vary(h2o_req_t *req);
/**
 * adds Cache-Status to an answer that is no picture
 */
void sluice_add_cache_status(h2o_req_t *req, const sluice_cache_status_t *status);
/**
 * of the bytes from `first` on; count 0: of an answer without any, which says just how many there are
 */
void sluice_add_content_range(h2o_req_t *req, uint64_t first, uint64_t count, uint64_t body_len);
/**
 * whole seconds, 0 if it comes from the future
 */
uint64_t sluice_age_s(const icache_object_t *object, uint64_t now_ms);

#endif
