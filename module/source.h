/*
 * source.h - getting the bytes of a source from its origin into the cache, or learning that those in the cache are still right.
 *
 * A source is fetched by a flight of the image cache, so that ten renditions that need it at once are one download. What the origin
 * said of it last (validators and a hash of the bytes; or that there is nothing) is kept in the metadata cache, so that a missing
 * picture does not cost a request each time it is asked for, and a picture whose bytes are gone can still be asked for with a
 * condition.
 *
 * The flight's result is one of
 *   a source with its bytes   200, or 304 while they were still cached
 *   one without a body        304, and only the hash is known (meta->unchanged): renditions made of these bytes are right, whoever
 *                             has none asks again, without a condition. Never in the cache
 *   an error
 *
 * Sources that the origin marks private or no-store go to those who wait for the flight, and nowhere else. They share one download,
 * which is safe here: the origin is asked without cookies, credentials or anything else of a client's, so its answer is not about
 * any of them. (Varnish and nginx, whose requests do carry them, send each client's on by itself.)
 */
#ifndef module__source_h
#define module__source_h

#include "module/freshness.h"
#include "module/sluice.h"

/**
 * what an origin's answer was, so that it can be asked whether it still holds
 */
typedef struct st_sluice_known_t {
    uint64_t hash[2]; /* XXH3-128 of the bytes */
    sluice_said_t said;
} sluice_known_t;

/**
 * of source objects in the cache. The atomic fields change in place when the origin says that nothing has changed.
 */
typedef struct st_sluice_source_meta_t {
    sluice_known_t known;
    int unchanged; /* there is no body */
    uint32_t fetch_us;
    _Atomic uint64_t stale_ms, stale_if_error_ms; /* of renditions; sources are never used stale */
    _Atomic uint32_t max_age_s, cache_control, store;
    _Atomic uint32_t fwd_status; /* 200 or 304; 0: of a file */
    uint32_t holders;            /* see sluice_source_share_hold() */
} sluice_source_meta_t;

typedef struct st_sluice_source_request_t {
    const sluice_origin_t *origin;
    const char *key; /* canonical text of the source: prefix + encoded path */
    size_t key_len;
    const char *path; /* decoded, below the origin */
    size_t path_len;
    const uint64_t *made_of; /* hash of the bytes that an answer without a body will do for, or NULL */
} sluice_source_request_t;

/**
 * The job of one flight, on its way through a fetcher or a reader.
 */
typedef struct st_sluice_fetch_t {
    sluice_task_t task; /* of readers */
    sluice_t *sluice;
    const sluice_origin_t *origin;
    icache_flight_t *flight;
    icache_object_t *old; /* expired but still cached, or NULL */
    sluice_known_t known;
    int conditional;                  /* ask whether `known` still holds */
    uint64_t started_us, deadline_ms; /* of waiting for memory */
    health_operation_t operation;
    uint64_t reserved_bytes, epoch;
    uint64_t need_bytes; /* with SLUICE_ERROR_SOURCE_NEVER_FITS, else 0 */
    /* set by the fetcher or reader */
    sluice_said_t said;
    uint64_t answered_ms; /* when `said` was said */
    uint32_t status;      /* of HTTP, or 0 */
    char *key, *path;     /* as in the request, NUL-terminated */
} sluice_fetch_t;

/**
 * starts the job for a flight that the caller leads; the flight is ended in any case. What the request points to is copied.
 */
void sluice_source_start(const sluice_source_request_t *request, icache_flight_t *flight);
/**
 * for how long a source that was handed out by a flight or the cache holds, and what is made of it
 */
void sluice_source_life(const icache_object_t *source, sluice_life_t *life);
void sluice_source_rules(const sluice_origin_t *origin, sluice_freshness_rules_t *rules);

/* for the two kinds of origins */

/**
 * asks for memory for `bytes` more of the source. SLUICE_OK, SLUICE_ERROR_NO_ROOM (try again until fetch->deadline_ms), or a final
 * error. Beyond the share of sources (source_share.h) there is no room either.
 */
sluice_error_t sluice_source_reserve(sluice_fetch_t *fetch, uint64_t bytes);
/**
 * whether the rest of a source is of any use, by its first `len` bytes, as in picture_check.h; sets fetch->need_bytes
 * @param source_bytes that it has, as far as it is known
 */
sluice_error_t sluice_source_check(sluice_fetch_t *fetch, const uint8_t *bytes, size_t len, uint64_t source_bytes);
/**
 * gives back a part of what was reserved, which has been freed
 */
void sluice_source_unreserve(sluice_fetch_t *fetch, uint64_t bytes);
icache_object_t *sluice_source_new_object(sluice_fetch_t *fetch, size_t body_len);
/**
 * These two end the flight, give back what was reserved and free the fetch. With an object (its reference is consumed) or, if that
 * is NULL, with the error; or because what fetch->conditional asked for holds.
 */
void sluice_source_finish(sluice_fetch_t *fetch, icache_object_t *object, sluice_error_t error);
void sluice_source_finish_unchanged(sluice_fetch_t *fetch);

void sluice_file_start(sluice_fetch_t *fetch);

sluice_fetcher_t *sluice_fetcher_create(sluice_t *sluice);
void sluice_fetcher_destroy(sluice_fetcher_t **fetcher);
/**
 * makes it look at once at what has changed, such as sluice->stopping
 */
void sluice_fetcher_wake(sluice_fetcher_t *fetcher);
void sluice_http_start(sluice_fetch_t *fetch);

#endif
