/*
 * listing.h - what is in a cache: the objects that come first by some order, for people who want to know.
 */
#ifndef image_cache__listing_h
#define image_cache__listing_h

#include "image_cache/image_cache.h"

#define ICACHE_ENTRY_KEY_MAX 500 /* bytes of a key that are copied */

typedef enum en_icache_order_t {
    ICACHE_ORDER_BYTES, /* the largest first */
    ICACHE_ORDER_AGE,   /* the oldest first */
    ICACHE_ORDER_HITS   /* the most asked for first, as far as the policy counts */
} icache_order_t;

typedef struct st_icache_entry_t {
    uint64_t charge_bytes;
    uint64_t created_ms, expires_ms; /* as in the object; expires_ms UINT64_MAX: never */
    /* as the policy counts them: they saturate, and what is asked for no more loses them. 0 with ICACHE_POLICY_LRU */
    unsigned hits;
    icache_class_t object_class;
    size_t key_len;                     /* of the whole key */
    char key[ICACHE_ENTRY_KEY_MAX + 1]; /* NUL-terminated; the first bytes of it where it is longer */
    uint64_t _rank;
} icache_entry_t;

/**
 * fills in the first `max` objects of the cache by that order, sorted, and returns how many there are. Walks all headers in slices,
 * between which others get at the cache: for threads that have time. Takes no reference and counts as no use. An object that comes
 * or goes meanwhile may be listed or not, and one that was made anew twice.
 * @param scanned how many objects were looked at
 */
size_t icache_list(icache_t *cache, icache_order_t order, icache_entry_t *entries, size_t max, uint64_t *scanned);

#endif
