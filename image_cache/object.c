/*
 * One object: a single block of header, key, meta and body.
 *
 * Below ICACHE_MAP_BYTES the block is malloc's, above it has a mapping of its own, which goes back to the system with the last
 * reference whatever the heap around it looks like. The charge is what was really given: malloc_usable_size() or the mapping, plus
 * the share of the index. A creator that asked for more than it needed lowers body_len: a mapping then gives its tail back, but a
 * heap block keeps its size and its charge, because pointers into it are out already and realloc could move it.
 *
 * References are counted with atomics of our own. The last one frees, and if the cache has let go of the object before, takes the
 * bytes off the ledger of pinned ones. `_ledger` is written while the cache still holds its reference, so whoever drops the last
 * one sees it.
 */
#include <malloc.h>
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

icache_ledger_t *icache_ledger_create(void)
{
    icache_ledger_t *ledger = malloc(sizeof(*ledger));

    if (ledger == NULL)
        return NULL;
    atomic_init(&ledger->refs, 1);
    atomic_init(&ledger->pinned_bytes, 0);
    return ledger;
}

void icache_ledger_unref(icache_ledger_t *ledger)
{
    if (atomic_fetch_sub_explicit(&ledger->refs, 1, memory_order_acq_rel) == 1)
        free(ledger);
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t round_to_pages(size_t n)
{
    return round_up(n, (size_t)sysconf(_SC_PAGESIZE));
}

static icache_object_t *allocate_block(size_t bytes)
{
    icache_object_t *object;
    size_t mapped_bytes = 0;

    if (bytes < ICACHE_MAP_BYTES) {
        if ((object = malloc(bytes)) == NULL)
            return NULL;
    } else {
        mapped_bytes = round_to_pages(bytes);
        void *block = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return NULL;
        object = block;
    }
    *object = (icache_object_t){._mapped_bytes = mapped_bytes};
    return object;
}

icache_object_t *icache_object_create(icache_class_t object_class, const icache_key_t *key, size_t meta_len, size_t body_len)
{
    icache_object_t *object;
    size_t meta_at, body_at;

    if (key->len > MAX_PART_BYTES || meta_len > MAX_PART_BYTES || body_len > MAX_PART_BYTES)
        return NULL;
    meta_at = round_up(sizeof(*object) + key->len + 1, 16);
    body_at = round_up(meta_at + meta_len, 16);
    if ((object = allocate_block(body_at + body_len)) == NULL)
        return NULL;

    char *block = (char *)object;
    memcpy(block + sizeof(*object), key->text, key->len);
    block[sizeof(*object) + key->len] = '\0';
    memset(block + meta_at, 0, meta_len);
    object->key = block + sizeof(*object);
    object->key_len = key->len;
    object->meta = block + meta_at;
    object->body = (uint8_t *)block + body_at;
    object->body_len = body_len;
    object->expires_ms = UINT64_MAX;
    object->object_class = object_class;
    object->_hash_lo = key->lo;
    object->_hash_hi = key->hi;
    object->_charge_bytes = icache_object_measure(object);
    atomic_init(&object->_refs, 1);
    return object;
}

uint64_t icache_object_measure(const icache_object_t *object)
{
    /* malloc_usable_size wants a pointer that is not const, and only reads */
    uint64_t block_bytes = object->_mapped_bytes != 0 ? object->_mapped_bytes : malloc_usable_size((void *)(uintptr_t)object);
    return block_bytes + ICACHE_INDEX_SHARE_BYTES;
}

uint64_t icache_object_charge(const icache_object_t *object)
{
    return object->_charge_bytes;
}

int icache_object_was_stored(const icache_object_t *object)
{
    return object->_linked;
}

/* a neighbouring mapping may have become one with ours, and then cutting it can fail for want of map entries; the pages still go */
static int give_back(void *start, size_t bytes)
{
    if (munmap(start, bytes) == 0)
        return 0;
    madvise(start, bytes, MADV_DONTNEED);
    return -1;
}

void icache_object_seal(icache_object_t *object)
{
    if (object->_sealed)
        return;
    object->_sealed = 1;
    if (object->_mapped_bytes == 0)
        return;
    size_t keep = round_to_pages((size_t)(object->body - (uint8_t *)object) + object->body_len);
    if (keep < object->_mapped_bytes && give_back((uint8_t *)object + keep, object->_mapped_bytes - keep) == 0)
        object->_mapped_bytes = keep;
    object->_charge_bytes = icache_object_measure(object);
}

void icache_object_pin(icache_object_t *object, icache_ledger_t *ledger)
{
    atomic_fetch_add_explicit(&ledger->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&ledger->pinned_bytes, object->_charge_bytes, memory_order_relaxed);
    object->_ledger = ledger;
}

icache_object_t *icache_object_ref(icache_object_t *object)
{
    atomic_fetch_add_explicit(&object->_refs, 1, memory_order_relaxed);
    return object;
}

static void free_object(icache_object_t *object)
{
    icache_ledger_t *ledger = object->_ledger;
    uint64_t charge_bytes = object->_charge_bytes;

    if (object->_mapped_bytes != 0)
        give_back(object, object->_mapped_bytes);
    else
        free(object);
    if (ledger != NULL) {
        atomic_fetch_sub_explicit(&ledger->pinned_bytes, charge_bytes, memory_order_relaxed);
        icache_ledger_unref(ledger);
    }
}

void icache_object_unref(icache_object_t **_object)
{
    icache_object_t *object = *_object;

    *_object = NULL;
    if (object != NULL && atomic_fetch_sub_explicit(&object->_refs, 1, memory_order_acq_rel) == 1)
        free_object(object);
}
