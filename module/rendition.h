/*
 * rendition.h - making one rendition: source, memory, transform, answer.
 */
#ifndef module__rendition_h
#define module__rendition_h

#include "module/image_options.h"
#include "module/sluice.h"

#define SLUICE_ETAG_MAX 36

/**
 * of rendition objects in the cache
 */
typedef struct st_sluice_rendition_meta_t {
    sluice_format_t format;
    uint32_t width, height;
    uint32_t queue_us, fetch_us, transform_us; /* what it took to make */
    uint32_t etag_len;
    char etag[SLUICE_ETAG_MAX]; /* quoted, of the bytes */
} sluice_rendition_meta_t;

typedef struct st_sluice_rendition_request_t {
    const sluice_origin_t *origin;
    const char *path; /* decoded, below the origin */
    size_t path_len;
    const char *source_key; /* canonical text of the source */
    size_t source_key_len;
    const sluice_options_t *options;
    const icache_key_t *key; /* of the rendition */
} sluice_rendition_request_t;

/**
 * makes the rendition for a flight that the caller leads; the flight is ended in any case. What the request points to is copied.
 * Does not block: called on event loops.
 */
void sluice_rendition_start(const sluice_rendition_request_t *request, icache_flight_t *flight);

#endif
