/*
 * slab.h - the headers of a cache's objects, at addresses that stay those of headers; the arena of their blocks; and the ledger of
 * the pinned bytes.
 *
 * Owned by the cache and by all its objects together: what the cache closes goes with the last object. Any thread; one mutex, under
 * which nothing else is taken, and which a hit does not need.
 */
#ifndef image_cache__slab_h
#define image_cache__slab_h

#include <pthread.h>
#include "image_cache/arena.h"
#include "image_cache/image_cache.h"
#include "image_cache/span.h"

#define ICACHE_SLAB_UNIT_HEADERS 64 /* three pages of 4 KiB */
#define ICACHE_SLAB_UNIT_BYTES (ICACHE_SLAB_UNIT_HEADERS * sizeof(icache_object_t))
#define ICACHE_SLAB_MAX_IDLE 16 /* units without a header in use that are kept resident */
#define ICACHE_SLAB_SPARE_HEADERS 65536
#define ICACHE_SLAB_SPARE_BYTES ((uint64_t)64 << 20)
#define ICACHE_SLAB_LEVELS 5

typedef struct st_icache_slab_t {
    pthread_mutex_t lock;
    icache_arena_t *arena; /* the blocks; it has a lock of its own */
    icache_span_t header_span;
    icache_object_t *headers;
    uint64_t *map[ICACHE_SLAB_LEVELS]; /* the first one has a bit per header, each other one a bit per word of the one before */
    size_t num_words[ICACHE_SLAB_LEVELS], map_bytes, max_headers;
    unsigned num_levels;
    size_t num_used, touched_units; /* units from there on were never used */
    size_t idle[ICACHE_SLAB_MAX_IDLE], num_idle;
    uint64_t last_serial;
    int closed;
    _Atomic uint64_t pinned_bytes; /* of objects that the cache let go and readers still hold; no lock */
} icache_slab_t;

/**
 * a slab for as many linked objects as that, and as many again and ICACHE_SLAB_SPARE_HEADERS more that are being made or were
 * unlinked and are still referenced; or NULL when memory or address space is out
 * @param block_bytes of linked objects; the arena has room for as many again and ICACHE_SLAB_SPARE_BYTES more
 */
icache_slab_t *icache_slab_create(uint64_t max_objects, uint64_t block_bytes);
/**
 * the cache lets go of the slab, which must not be used to create objects any more
 */
void icache_slab_close(icache_slab_t *slab);
/**
 * the lowest header that is free, or NULL when none is. Its `_serial` is new, and it has no reference; the rest is undefined.
 */
icache_object_t *icache_slab_take(icache_slab_t *slab);
/**
 * gives a header back whose last reference went. The slab may be gone afterwards.
 */
void icache_slab_give(icache_slab_t *slab, icache_object_t *object);
/**
 * 0, or the line of a check that failed. Takes the lock.
 */
int icache_slab_check(icache_slab_t *slab);
/**
 * whether that is a header which is in use. Takes the lock.
 */
int icache_slab_has(icache_slab_t *slab, const icache_object_t *object);
size_t icache_slab_num_used(icache_slab_t *slab);
/**
 * For walks over the headers, ICACHE_SLAB_UNIT_HEADERS at a time: units from there on were never used; and a bit for each header of
 * a unit that is in use, the lowest for the first. Each takes the lock.
 */
size_t icache_slab_num_touched_units(icache_slab_t *slab);
uint64_t icache_slab_used_in_unit(icache_slab_t *slab, size_t unit);

#endif
