/*
 * The walk goes over the headers as that of the reconciliation does (reconcile.c): they stay where they are, and what is in one is
 * only good to read if it is linked, under the index lock. What it keeps are copies, so that nothing is pinned.
 *
 * The entry that has to give way to a better one is found by a look at all of them, and kept in mind: that is done once per entry
 * that gets in, which are few.
 */
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache_private.h"
#include "image_cache/listing.h"

#define BATCH 4 /* units of headers looked at in one hold of the lock */

typedef struct st_listing_t {
    icache_order_t order;
    icache_entry_t *entries;
    size_t max, num_entries;
    size_t last; /* the entry that gives way first, once all are taken */
    uint64_t scanned;
} listing_t;

/* the higher the earlier */
static uint64_t rank_of(icache_order_t order, const icache_entry_t *entry)
{
    switch (order) {
    case ICACHE_ORDER_AGE:
        return UINT64_MAX - entry->created_ms;
    case ICACHE_ORDER_HITS:
        return entry->hits;
    default:
        return entry->charge_bytes;
    }
}

static void copy_facts(const icache_object_t *object, icache_entry_t *entry)
{
    entry->charge_bytes = object->_charge_bytes;
    entry->created_ms = atomic_load_explicit(&object->created_ms, memory_order_relaxed);
    entry->expires_ms = atomic_load_explicit(&object->expires_ms, memory_order_relaxed);
    entry->hits = (unsigned)object->_ranked_hits + icache_object_hits(object);
    entry->object_class = object->object_class;
}

static void copy_key(const icache_object_t *object, icache_entry_t *entry)
{
    size_t len = object->key_len < ICACHE_ENTRY_KEY_MAX ? object->key_len : ICACHE_ENTRY_KEY_MAX;

    memcpy(entry->key, object->key, len);
    entry->key[len] = '\0';
    entry->key_len = object->key_len;
}

static void find_last(listing_t *listing)
{
    listing->last = 0;
    for (size_t i = 1; i < listing->num_entries; ++i)
        if (listing->entries[i]._rank < listing->entries[listing->last]._rank)
            listing->last = i;
}

static void consider_locked(listing_t *listing, const icache_object_t *object)
{
    int is_full = listing->num_entries == listing->max;
    icache_entry_t facts, *place;

    ++listing->scanned;
    if (listing->max == 0)
        return;
    copy_facts(object, &facts);
    facts._rank = rank_of(listing->order, &facts);
    place = listing->entries + (is_full ? listing->last : listing->num_entries);
    if (is_full && facts._rank <= place->_rank)
        return;
    copy_facts(object, place);
    copy_key(object, place);
    place->_rank = rank_of(listing->order, place); /* hits may have been counted since */
    listing->num_entries += !is_full;
    if (listing->num_entries == listing->max)
        find_last(listing);
}

static void consider_unit_locked(icache_t *cache, listing_t *listing, size_t unit)
{
    uint64_t used = icache_slab_used_in_unit(cache->slab, unit);

    for (; used != 0; used &= used - 1) {
        const icache_object_t *object = &cache->slab->headers[unit * ICACHE_SLAB_UNIT_HEADERS + (size_t)__builtin_ctzll(used)];
        if (icache_object_is_linked(object))
            consider_locked(listing, object);
    }
}

/* one hold of the lock; returns whether there is more */
static int list_batch(icache_t *cache, listing_t *listing, size_t *unit)
{
    pthread_mutex_lock(&cache->index.lock);
    size_t num_units = icache_slab_num_touched_units(cache->slab);
    for (unsigned i = 0; i < BATCH && *unit < num_units; ++i, ++*unit)
        consider_unit_locked(cache, listing, *unit);
    pthread_mutex_unlock(&cache->index.lock);
    return *unit < num_units;
}

static int compare_ranks(const void *_a, const void *_b)
{
    const icache_entry_t *a = _a, *b = _b;

    return a->_rank < b->_rank ? 1 : a->_rank > b->_rank ? -1 : strcmp(a->key, b->key);
}

size_t icache_list(icache_t *cache, icache_order_t order, icache_entry_t *entries, size_t max, uint64_t *scanned)
{
    listing_t listing = {.order = order, .entries = entries, .max = max};
    size_t unit = 0;

    while (list_batch(cache, &listing, &unit))
        ;
    *scanned = listing.scanned;
    if (listing.num_entries != 0)
        qsort(entries, listing.num_entries, sizeof(*entries), compare_ranks);
    return listing.num_entries;
}
