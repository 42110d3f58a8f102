/*
 * The index: a chained hash table that grows and shrinks by one bucket at a time (linear hashing).
 *
 * The array is reserved once, as address space for the largest number of objects that the capacity allows; pages become resident as
 * buckets come into use. So growing allocates nothing and cannot fail, there is no pause to rehash everything, never an old array
 * beside a new one, and what is resident follows the number of objects: two buckets each (ICACHE_INDEX_SHARE_BYTES pays for them),
 * and up to ICACHE_TABLE_MIN_BUCKETS more. An array that doubles would need three times its share for the moment of doubling, at
 * the time when the cache is fullest.
 *
 * With 2^k <= num_buckets < 2^(k+1), bucket i takes the hashes with i as their last k+1 bits, or the last k bits where the bucket
 * for k+1 bits does not exist yet. Adding bucket n splits bucket n - 2^k; removing it joins the two again.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#define BUCKETS_PER_OBJECT ((size_t)2)
#define MAX_BUCKETS ((size_t)1 << 27) /* beyond that the chains grow instead */
#define BUCKETS_PER_PAGE ((size_t)4096 / sizeof(icache_object_t *))
#define RELEASE_BUCKETS (16 * BUCKETS_PER_PAGE)

int icache_table_init(icache_table_t *table, uint64_t max_objects)
{
    uint64_t max = max_objects < MAX_BUCKETS / BUCKETS_PER_OBJECT ? max_objects * BUCKETS_PER_OBJECT : MAX_BUCKETS;

    *table = (icache_table_t){.num_buckets = ICACHE_TABLE_MIN_BUCKETS, .mask = ICACHE_TABLE_MIN_BUCKETS - 1};
    table->touched_buckets = table->num_buckets;
    table->max_buckets = (size_t)max < table->num_buckets ? table->num_buckets : (size_t)max;
    void *array = mmap(NULL, table->max_buckets * sizeof(*table->buckets), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (array == MAP_FAILED)
        return -1;
    table->buckets = array;
    return 0;
}

void icache_table_dispose(icache_table_t *table)
{
    if (table->buckets != NULL)
        munmap(table->buckets, table->max_buckets * sizeof(*table->buckets));
    table->buckets = NULL;
}

size_t icache_table_bucket_of(const icache_table_t *table, uint64_t hash_lo)
{
    uint64_t bucket = hash_lo & table->mask;
    return bucket < table->num_buckets ? bucket : bucket & (table->mask >> 1);
}

icache_object_t *icache_table_find(const icache_table_t *table, const icache_key_t *key)
{
    icache_object_t *object = table->buckets[icache_table_bucket_of(table, key->lo)];

    for (; object != NULL; object = object->_next_in_bucket)
        if (object->_hash_lo == key->lo && object->_hash_hi == key->hi && object->key_len == key->len &&
            memcmp(object->key, key->text, key->len) == 0)
            break;
    return object;
}

static void push_to_bucket(icache_table_t *table, icache_object_t *object)
{
    icache_object_t **bucket = &table->buckets[icache_table_bucket_of(table, object->_hash_lo)];
    object->_next_in_bucket = *bucket;
    *bucket = object;
}

/* takes a bucket apart and puts each object where it belongs by now */
static void redistribute(icache_table_t *table, size_t bucket)
{
    icache_object_t *object = table->buckets[bucket];

    table->buckets[bucket] = NULL;
    while (object != NULL) {
        icache_object_t *next = object->_next_in_bucket;
        push_to_bucket(table, object);
        object = next;
    }
}

static void add_bucket(icache_table_t *table)
{
    size_t added = table->num_buckets++;

    if (added > table->mask)
        table->mask = table->mask * 2 + 1;
    if (table->touched_buckets < table->num_buckets)
        table->touched_buckets = table->num_buckets;
    redistribute(table, added & (table->mask >> 1));
}

static void remove_bucket(icache_table_t *table)
{
    size_t removed = --table->num_buckets;

    if (removed == (table->mask >> 1) + 1)
        table->mask >>= 1;
    redistribute(table, removed);
}

/* the pages hold nothing but NULLs, so it does not matter whether the system really takes them */
static void release_pages(icache_table_t *table)
{
    size_t keep = (table->num_buckets + BUCKETS_PER_PAGE - 1) / BUCKETS_PER_PAGE * BUCKETS_PER_PAGE;

    if (keep + RELEASE_BUCKETS > table->touched_buckets)
        return;
    madvise(table->buckets + keep, (table->touched_buckets - keep) * sizeof(*table->buckets), MADV_DONTNEED);
    table->touched_buckets = keep;
}

void icache_table_link(icache_table_t *table, icache_object_t *object)
{
    push_to_bucket(table, object);
    ++table->num_objects;
    while (table->num_buckets < table->num_objects * BUCKETS_PER_OBJECT && table->num_buckets < table->max_buckets)
        add_bucket(table);
}

static void shrink(icache_table_t *table)
{
    if (table->num_walkers != 0)
        return;
    while (table->num_buckets > table->num_objects * BUCKETS_PER_OBJECT + ICACHE_TABLE_MIN_BUCKETS)
        remove_bucket(table);
    release_pages(table);
}

void icache_table_unlink(icache_table_t *table, icache_object_t *object)
{
    icache_object_t **link = &table->buckets[icache_table_bucket_of(table, object->_hash_lo)];

    for (; *link != object; link = &(*link)->_next_in_bucket)
        assert(*link != NULL);
    *link = object->_next_in_bucket;
    object->_next_in_bucket = NULL;
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
