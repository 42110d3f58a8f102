/*
 * The index: a chained hash table that grows and shrinks by one bucket at a time (linear hashing), and is read without a lock.
 *
 * The array is reserved once, as address space for the largest number of objects that the capacity allows; pages become resident as
 * buckets come into use. So growing allocates nothing and cannot fail, there is no pause to rehash everything, never an old array
 * beside a new one, and what is resident follows the number of objects: two buckets each (ICACHE_INDEX_SHARE_BYTES pays for them),
 * and up to ICACHE_TABLE_MIN_BUCKETS more. An array that doubles would need three times its share for the moment of doubling, at
 * the time when the cache is fullest.
 *
 * With 2^k < num_buckets <= 2^(k+1), bucket i takes the hashes with i as their last k+1 bits, or the last k bits where the bucket
 * for k+1 bits does not exist. Adding bucket n splits bucket n - 2^k; removing it joins the two again. Both follow from num_buckets
 * alone, so a reader who loads that once looks into a bucket that exists or did.
 *
 * Readers without the lock (icache_table_get())
 *   Everything changes under the index lock; readers look on. What they see may be a chain that is being taken apart, a header that
 *   was removed and leads into another chain, or one that has become another object's since. They make sure of three things:
 *   - They never leave the headers: a link is NULL or points to a header, no link is ever anything else, and neither headers nor
 *     buckets are unmapped (slab.c). A chain that goes in circles as they watch ends after MAX_HOPS.
 *   - They find nothing wrong. The reference comes first: `_refs` is raised only from what is not 0, in one step, so from then on
 *     the header keeps the life it is in. Then they look at the object: `_linked` first. The store of 1 to `_refs` at creation
 *     (release) is read by the raise, directly or through the raises and drops in between (acquire), hence nothing of an earlier
 *     life is seen, and in this life `_linked` is set once, after key and body were written (release, acquire), and cleared once.
 *     So what is linked is complete and in the cache, and hash, key and text, which no longer change, say which object it is. An
 *     object under construction is not linked yet, one that was unlinked is not linked any more: a lookup that starts after the
 *     unlink does not get it, since it sees `_linked` cleared. On any mismatch the reference goes back, and may be the last one.
 *   - They may miss what is there: the hash is compared before there is a reference, and a chain may change under the reader. So a
 *     miss is not an answer; the caller takes the lock and looks again.
 *   Chains are linked with release and followed with acquire, so that of a header in a chain at least the link is up to date.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#define BUCKETS_PER_OBJECT ((size_t)2)
#define MAX_BUCKETS ((size_t)1 << 27) /* beyond that the chains grow instead */
#define MAX_HOPS 64

int icache_table_init(icache_table_t *table, uint64_t max_objects)
{
    uint64_t max = max_objects < MAX_BUCKETS / BUCKETS_PER_OBJECT ? max_objects * BUCKETS_PER_OBJECT : MAX_BUCKETS;

    *table = (icache_table_t){.num_buckets = ICACHE_TABLE_MIN_BUCKETS, .touched_buckets = ICACHE_TABLE_MIN_BUCKETS};
    table->max_buckets = (size_t)max < ICACHE_TABLE_MIN_BUCKETS ? ICACHE_TABLE_MIN_BUCKETS : (size_t)max;
    table->buckets = icache_reserve(table->max_buckets * sizeof(*table->buckets));
    return table->buckets != NULL ? 0 : -1;
}

void icache_table_dispose(icache_table_t *table)
{
    if (table->buckets != NULL)
        munmap(table->buckets, table->max_buckets * sizeof(*table->buckets));
    table->buckets = NULL;
}

static inline size_t bucket_among(size_t num_buckets, uint64_t hash_lo)
{
    uint64_t mask = UINT64_MAX >> __builtin_clzll(num_buckets - 1), bucket = hash_lo & mask;
    return bucket < num_buckets ? bucket : bucket & (mask >> 1);
}

static size_t get_num_buckets(const icache_table_t *table)
{
    return atomic_load_explicit(&table->num_buckets, memory_order_relaxed);
}

size_t icache_table_bucket_of(const icache_table_t *table, uint64_t hash_lo)
{
    return bucket_among(get_num_buckets(table), hash_lo);
}

static icache_object_t *follow(const _Atomic(icache_object_t *) *link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}

static void set_link(_Atomic(icache_object_t *) *link, icache_object_t *object)
{
    atomic_store_explicit(link, object, memory_order_release);
}

static uint64_t hash_lo_of(const icache_object_t *object)
{
    return atomic_load_explicit(&object->_hash_lo, memory_order_relaxed);
}

static int has_key(const icache_object_t *object, const icache_key_t *key)
{
    return object->_hash_hi == key->hi && object->key_len == key->len && memcmp(object->key, key->text, key->len) == 0;
}

icache_object_t *icache_table_find(const icache_table_t *table, const icache_key_t *key)
{
    icache_object_t *object = follow(&table->buckets[icache_table_bucket_of(table, key->lo)]);

    while (object != NULL && !(hash_lo_of(object) == key->lo && has_key(object, key)))
        object = follow(&object->_next_in_bucket);
    return object;
}

icache_object_t *icache_table_get(const icache_table_t *table, const icache_key_t *key)
{
    icache_object_t *object = follow(&table->buckets[bucket_among(get_num_buckets(table), key->lo)]);

    for (int hops = 0; object != NULL && hops < MAX_HOPS; object = follow(&object->_next_in_bucket), ++hops) {
        __builtin_prefetch(&object->_refs, 1);
        if (hash_lo_of(object) != key->lo || !icache_object_try_ref(object))
            continue;
        if (icache_object_is_linked(object) && has_key(object, key))
            return object;
        icache_object_drop(object);
    }
    return NULL;
}

static void push_to_bucket(icache_table_t *table, icache_object_t *object)
{
    _Atomic(icache_object_t *) *bucket = &table->buckets[icache_table_bucket_of(table, hash_lo_of(object))];

    set_link(&object->_next_in_bucket, follow(bucket));
    set_link(bucket, object);
}

/* takes a bucket apart and puts each object where it belongs by now */
static void redistribute(icache_table_t *table, size_t bucket)
{
    icache_object_t *object = follow(&table->buckets[bucket]);

    set_link(&table->buckets[bucket], NULL);
    while (object != NULL) {
        icache_object_t *next = follow(&object->_next_in_bucket);
        push_to_bucket(table, object);
        object = next;
    }
}

/* 2^k for 2^k < num_buckets <= 2^(k+1) */
static size_t half_of(size_t num_buckets)
{
    return (size_t)1 << (63 - __builtin_clzll(num_buckets - 1));
}

static void set_num_buckets(icache_table_t *table, size_t num_buckets)
{
    atomic_store_explicit(&table->num_buckets, num_buckets, memory_order_relaxed);
}

static void add_bucket(icache_table_t *table)
{
    size_t num_buckets = get_num_buckets(table) + 1;

    set_num_buckets(table, num_buckets);
    if (table->touched_buckets < num_buckets)
        table->touched_buckets = num_buckets;
    redistribute(table, num_buckets - 1 - half_of(num_buckets));
}

static void remove_bucket(icache_table_t *table)
{
    size_t removed = get_num_buckets(table) - 1;

    set_num_buckets(table, removed);
    redistribute(table, removed);
}

/* the pages hold nothing but NULLs, so it does not matter whether the system really takes them */
static void release_pages(icache_table_t *table)
{
    table->touched_buckets =
        icache_release_tail(table->buckets, sizeof(*table->buckets), get_num_buckets(table), table->touched_buckets);
}

void icache_table_link(icache_table_t *table, icache_object_t *object)
{
    push_to_bucket(table, object);
    ++table->num_objects;
    while (get_num_buckets(table) < table->num_objects * BUCKETS_PER_OBJECT && get_num_buckets(table) < table->max_buckets)
        add_bucket(table);
}

static void shrink(icache_table_t *table)
{
    if (table->num_walkers != 0)
        return;
    while (get_num_buckets(table) > table->num_objects * BUCKETS_PER_OBJECT + ICACHE_TABLE_MIN_BUCKETS)
        remove_bucket(table);
    release_pages(table);
}

/* the object's own link stays, for readers who are at it */
void icache_table_unlink(icache_table_t *table, icache_object_t *object)
{
    _Atomic(icache_object_t *) *link = &table->buckets[icache_table_bucket_of(table, hash_lo_of(object))];
    icache_object_t *at;

    for (; (at = follow(link)) != object; link = &at->_next_in_bucket)
        assert(at != NULL);
    set_link(link, follow(&object->_next_in_bucket));
    --table->num_objects;
    shrink(table);
}

void icache_table_begin_walk(icache_table_t *table)
{
    ++table->num_walkers;
}

void icache_table_end_walk(icache_table_t *table)
{
    --table->num_walkers;
    shrink(table);
}
