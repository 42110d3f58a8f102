/*
 * rendition.h - making one rendition: source, memory, transform, answer.
 */
#ifndef module__rendition_h
#define module__rendition_h

#include "module/cache_control.h"
#include "module/field_texts.h"
#include "module/image_options.h"
#include "module/sluice.h"

/**
 * Of rendition objects in the cache. The atomic fields change in place, with the object's times, when the origin says that its
 * picture is still the same; Age counts from the object's created_ms, which is when the origin made its answer.
 */
typedef struct st_sluice_rendition_meta_t {
    sluice_format_t format;
    uint32_t width, height;
    uint32_t queue_us, fetch_us, decode_us, transform_us, encode_us; /* what it took to make */
    uint64_t made_of[2];                                             /* hash of the source's bytes */
    _Atomic int64_t last_modified;                                   /* of the source, seconds since 1970; -1: not known */
    _Atomic uint64_t stale_if_error_ms; /* until when it may stand in for an error, see sluice_rendition_helps() */
    _Atomic uint32_t max_age_s;         /* for clients, counted from created_ms */
    _Atomic uint32_t cache_control;     /* for clients: SLUICE_CC_* of what else the origin said; 0 if it was overridden */
    _Atomic uint32_t fwd_status;        /* what the origin answered when asked for it, 200 or 304; 0: it was not asked */
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
    int is_renewal;          /* nobody waits for it */
} sluice_rendition_request_t;

/**
 * makes the rendition for a flight that the caller leads; the flight is ended in any case. What the request points to is copied.
 * Does not block: called on event loops.
 */
void sluice_rendition_start(const sluice_rendition_request_t *request, icache_flight_t *flight);
/**
 * whether a rendition of any age, from icache_get_stale() say, may be the answer in place of the error (stale-if-error)
 */
int sluice_rendition_helps(const icache_object_t *object, sluice_error_t error, uint64_t now_ms);

#endif
