/*
 * One object: a header from the slab, and a block of key, meta and body.
 *
 * Below ICACHE_MAP_BYTES the block comes from the arena, where what was freed is used again without a page fault. Above it has a
 * mapping of its own, which leaves the resident set with the last reference: of blocks that large a few in a region would cut it to
 * pieces, a page fault costs little beside what was done to make them, and a source of many megabytes that is done with must not
 * count any more when room is looked for. When the arena is full, which takes pinned and unfinished objects of more than the
 * capacity together, small blocks get mappings too. The charge is what was really given, plus the header and the share of the
 * index. A creator that asked for more than it needed lowers body_len: what is behind it goes back at handover.
 *
 * References are counted with atomics of our own. The last one frees, and if the cache has let go of the object before, takes the
 * bytes off the ledger of pinned ones. `_pinned` is written while the cache still holds its reference, so whoever drops the last
 * one sees it.
 *
 * A header is another object's before and after, and somebody may come to it without a reference at any time (table.c says what
 * for). Such a reader looks at `_hash_lo`, `_next_in_bucket` and `_refs` only, which are therefore written by atomic stores, and
 * `_refs` last: it is 0 from the end of one life to the store of 1 at creation, which whoever raises it from there on has seen, and
 * all that came before it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "image_cache/image_cache_private.h"

#define MAX_PART_BYTES (SIZE_MAX / 8) /* of key, meta and body each: their sum cannot overflow */

icache_key_t icache_key(const icache_t *cache, const char *text, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(text, len, cache->config.seed);
    return (icache_key_t){.lo = hash.low64, .hi = hash.high64, .text = text, .len = len};
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t round_to_pages(size_t n)
{
    return round_up(n, (size_t)sysconf(_SC_PAGESIZE));
}

static char *map_block(size_t bytes, size_t *block_bytes)
{
    *block_bytes = round_to_pages(bytes);
    void *block = mmap(NULL, *block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block != MAP_FAILED ? block : NULL;
}

static char *allocate_block(icache_arena_t *arena, size_t bytes, size_t *block_bytes)
{
    char *block = bytes < ICACHE_MAP_BYTES ? icache_arena_take(arena, bytes) : NULL;

    *block_bytes = icache_arena_round(bytes);
    return block != NULL ? block : map_block(bytes, block_bytes);
}

/* a neighbouring mapping may have become one with ours, and then cutting it can fail for want of map entries; the pages still go */
static int unmap(void *start, size_t bytes)
{
    if (munmap(start, bytes) == 0)
        return 0;
    madvise(start, bytes, MADV_DONTNEED);
    return -1;
}

static void free_block(icache_arena_t *arena, char *block, size_t block_bytes)
{
    if (icache_arena_has(arena, block))
        icache_arena_give(arena, block, block_bytes);
    else
        unmap(block, block_bytes);
}

/* returns what the block takes now */
static size_t shrink_block(icache_arena_t *arena, char *block, size_t block_bytes, size_t bytes)
{
    if (icache_arena_has(arena, block)) {
        icache_arena_shrink(arena, block, block_bytes, bytes);
        return icache_arena_round(bytes);
    }
    size_t keep = round_to_pages(bytes);
    return keep < block_bytes && unmap(block + keep, block_bytes - keep) == 0 ? keep : block_bytes;
}

/* all but _serial, _hash_lo, _next_in_bucket, _linked and _refs, which others may be looking at */
static void clear_header(icache_object_t *object)
{
    atomic_init(&object->created_ms, 0);
    atomic_init(&object->expires_ms, UINT64_MAX);
    atomic_init(&object->stale_ms, 0);
    atomic_init(&object->keep_ms, 0);
    object->cost_us = 0;
    object->_prev = object->_next = NULL;
    object->_sealed = object->_was_linked = object->_pinned = object->_reason = object->_in_small = object->_ranked_hits = 0;
    object->_group = 0;
    atomic_store_explicit(&object->_hits, 0, memory_order_relaxed);
}

icache_object_t *icache_object_create(icache_t *cache, icache_class_t object_class, const icache_key_t *key, size_t meta_len,
                                      size_t body_len)
{
    size_t block_bytes;

    if (key->len > MAX_PART_BYTES || meta_len > MAX_PART_BYTES || body_len > MAX_PART_BYTES)
        return NULL;
    size_t meta_at = round_up(key->len + 1, 16), body_at = round_up(meta_at + meta_len, 16);
    char *block = allocate_block(cache->slab->arena, body_at + body_len, &block_bytes);
    if (block == NULL)
        return NULL;
    icache_object_t *object = icache_slab_take(cache->slab);
    if (object == NULL) {
        free_block(cache->slab->arena, block, block_bytes);
        return NULL;
    }

    clear_header(object);
    memcpy(block, key->text, key->len);
    block[key->len] = '\0';
    memset(block + meta_at, 0, meta_len);
    object->key = block;
    object->key_len = key->len;
    object->meta = block + meta_at;
    object->body = (uint8_t *)block + body_at;
    object->body_len = body_len;
    object->object_class = object_class;
    object->_hash_hi = key->hi;
    object->_block_bytes = block_bytes;
    object->_slab = cache->slab;
    object->_charge_bytes = icache_object_measure(object);
    atomic_store_explicit(&object->_hash_lo, key->lo, memory_order_relaxed);
    atomic_store_explicit(&object->_refs, 1, memory_order_release);
    return object;
}

uint64_t icache_object_measure(const icache_object_t *object)
{
    return object->_block_bytes + sizeof(*object) + ICACHE_INDEX_SHARE_BYTES;
}

uint64_t icache_object_charge(const icache_object_t *object)
{
    return object->_charge_bytes;
}

int icache_object_was_stored(const icache_object_t *object)
{
    return object->_was_linked;
}

void icache_object_seal(icache_object_t *object)
{
    if (object->_sealed)
        return;
    object->_sealed = 1;
    char *block = (char *)(uintptr_t)object->key;
    size_t bytes = (size_t)((char *)object->body - block) + object->body_len;
    object->_block_bytes = shrink_block(object->_slab->arena, block, object->_block_bytes, bytes);
    object->_charge_bytes = icache_object_measure(object);
}

void icache_object_pin(icache_object_t *object)
{
    atomic_fetch_add_explicit(&object->_slab->pinned_bytes, object->_charge_bytes, memory_order_relaxed);
    object->_pinned = 1;
}

icache_object_t *icache_object_ref(icache_object_t *object)
{
    atomic_fetch_add_explicit(&object->_refs, 1, memory_order_relaxed);
    return object;
}

static void free_object(icache_object_t *object)
{
    icache_slab_t *slab = object->_slab;

    free_block(slab->arena, (char *)(uintptr_t)object->key, object->_block_bytes);
    object->key = NULL;
    object->meta = object->body = NULL;
    if (object->_pinned)
        atomic_fetch_sub_explicit(&slab->pinned_bytes, object->_charge_bytes, memory_order_relaxed);
    icache_slab_give(slab, object);
}

void icache_object_drop(icache_object_t *object)
{
    icache_object_unref(&object);
}

void icache_object_unref(icache_object_t **_object)
{
    icache_object_t *object = *_object;

    *_object = NULL;
    if (object != NULL && atomic_fetch_sub_explicit(&object->_refs, 1, memory_order_acq_rel) == 1)
        free_object(object);
}

uint64_t icache_trim(icache_t *cache, uint64_t bytes)
{
    return icache_arena_trim(cache->slab->arena, bytes);
}

uint64_t icache_free_bytes(const icache_t *cache)
{
    return icache_arena_usage(cache->slab->arena).free_bytes;
}
