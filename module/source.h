/*
 * source.h - getting the bytes of a source from its origin into the cache.
 *
 * A source is fetched by a flight of the image cache, so that ten renditions that need it at once are one download. What the origin
 * said (size, validators; or that there is nothing) is kept in the metadata cache, so that a missing picture does not cost a
 * request each time it is asked for.
 */
#ifndef module__source_h
#define module__source_h

#include "module/sluice.h"

/**
 * of source objects in the cache
 */
typedef struct st_sluice_source_meta_t {
    uint32_t fetch_us;
} sluice_source_meta_t;

/**
 * The job of one flight, on its way through a fetcher or a reader.
 */
typedef struct st_sluice_fetch_t {
    sluice_task_t task; /* of readers */
    sluice_t *sluice;
    const sluice_origin_t *origin;
    icache_flight_t *flight;
    uint64_t started_us, deadline_ms; /* of waiting for memory */
    uint64_t reserved_bytes;
    char *key;  /* canonical text of the source: prefix + encoded path */
    char *path; /* decoded path below the origin */
} sluice_fetch_t;

/**
 * starts the job for a flight that the caller leads; the flight is ended in any case. The strings are copied.
 */
void sluice_source_start(const sluice_origin_t *origin, const char *key, size_t key_len, const char *path, size_t path_len,
                         icache_flight_t *flight);
/**
 * what is known of a source without asking for it: an error that is still remembered, or SLUICE_OK
 */
sluice_error_t sluice_source_known_error(const sluice_origin_t *origin, const char *key, size_t key_len);
void sluice_source_remember_error(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_error_t error);

/* for the two kinds of origins */

/**
 * asks for memory for `bytes` more of the source. SLUICE_OK, SLUICE_ERROR_NO_ROOM (try again until fetch->deadline_ms), or a final
 * error. Sources that wait for a decoder count too, so that downloads cannot fill the memory that decoding them needs.
 */
sluice_error_t sluice_source_reserve(sluice_fetch_t *fetch, uint64_t bytes);
icache_object_t *sluice_source_new_object(sluice_fetch_t *fetch, size_t body_len);
/**
 * ends the flight with the object (its reference is consumed) or, if that is NULL, with the error; gives back what was reserved and
 * frees the fetch.
 */
void sluice_source_finish(sluice_fetch_t *fetch, icache_object_t *object, sluice_error_t error);

void sluice_file_start(sluice_fetch_t *fetch);

sluice_fetcher_t *sluice_fetcher_create(sluice_t *sluice);
void sluice_fetcher_destroy(sluice_fetcher_t **fetcher);
void sluice_http_start(sluice_fetch_t *fetch);

#endif
