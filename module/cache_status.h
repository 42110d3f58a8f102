/*
 * cache_status.h - what the Cache-Status field (RFC 9211) says of each answer. Pure.
 *
 *   what happened                                            Cache-Status
 *   in the cache and fresh                                   sluice; hit; ttl=3540
 *   expired, served while it is being renewed                sluice; hit; ttl=-12; detail=revalidating
 *   made, and the origin was asked                           sluice; fwd=uri-miss; fwd-status=200; stored
 *   made from a source that was there                        sluice; fwd=uri-miss; stored
 *   made by the work of another request                      the same with "collapsed" behind "stored"
 *   expired, and made anew                                   sluice; fwd=stale; fwd-status=200; stored
 *   expired, and the origin says it has not changed          sluice; fwd=stale; fwd-status=304
 *   expired, and served as it cannot be renewed              sluice; fwd=stale; fwd-status=503; detail=origin-failed
 *   the same, of a failure from a while ago                  sluice; hit; ttl=-12; detail=origin-failed
 *   an error, or the picture of default= in its place        sluice; fwd=uri-miss; fwd-status=404; detail=not-found
 *   the same, from a while ago                               sluice; hit; detail=not-found
 *   memory is short, in place of work: as it was last        sluice; hit; ttl=-12; detail=stale
 *   the same: a larger one                                   sluice; hit; ttl=3540; detail=larger
 *   memory is less short, and AVIF was negotiated            any of the above; detail=webp-for-avif
 *   only-if-cached, and it is not                            sluice; detail=not-cached
 *
 * "stored" is missing where the answer may not be kept. fwd-status is missing where the origin did not answer, or is a directory.
 * 304, 412, 206 and 416 to a client say the same as its 200. What is refused before the cache is asked (400, 405) says nothing.
 */
#ifndef module__cache_status_h
#define module__cache_status_h

#include <stddef.h>
#include <stdint.h>

typedef enum en_sluice_forward_t {
    SLUICE_FORWARD_NONE,       /* nobody was asked, and nothing was found */
    SLUICE_FORWARD_REMEMBERED, /* nobody was asked: an error is remembered */
    SLUICE_FORWARD_HIT,        /* nobody was asked, as it was found */
    SLUICE_FORWARD_URI_MISS,   /* it was not there */
    SLUICE_FORWARD_STALE       /* it was there, and had expired */
} sluice_forward_t;

typedef struct st_sluice_cache_status_t {
    sluice_forward_t forward;
    int64_t ttl_s;       /* of a hit: how long it is fresh yet; negative: since when it is not */
    uint32_t fwd_status; /* what the origin answered; 0: nothing */
    int stored, collapsed;
    const char *detail; /* a token of RFC 8941, of at most SLUICE_CACHE_STATUS_DETAIL_MAX bytes; or NULL */
} sluice_cache_status_t;

#define SLUICE_CACHE_STATUS_DETAIL_MAX 48
#define SLUICE_CACHE_STATUS_MAX 160 /* bytes of the longest text */

/**
 * writes the value of the field, without NUL; returns its length
 */
size_t sluice_cache_status_text(const sluice_cache_status_t *status, char dst[SLUICE_CACHE_STATUS_MAX]);

#endif
