/*
 * Ghosts: hashes of objects that were turned out before anybody asked for them again.
 *
 * A set-associative table of fixed size: a bucket is one cache line of 32-bit fingerprints with the time they were put in, counted
 * in ghosts. A new one takes the place of its bucket's oldest; so there is no list to maintain, and the age is known without one.
 * The array is address space until the first ghost. A wrong match (one in 2^32 per entry compared) lets an object in early, no
 * more.
 */
#include <string.h>
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#define MAX_BUCKETS ((size_t)1 << 20)

int icache_ghosts_init(icache_ghosts_t *ghosts, uint64_t capacity_bytes)
{
    *ghosts = (icache_ghosts_t){.num_buckets = 0};
    if (capacity_bytes < ICACHE_GHOST_BUCKET_CAPACITY_BYTES)
        return 0;
    ghosts->num_buckets = 1;
    while (ghosts->num_buckets < MAX_BUCKETS && ghosts->num_buckets <= capacity_bytes / ICACHE_GHOST_BUCKET_CAPACITY_BYTES / 2)
        ghosts->num_buckets *= 2;
    ghosts->buckets = icache_reserve(icache_ghosts_size(ghosts));
    return ghosts->buckets != NULL ? 0 : -1;
}

void icache_ghosts_dispose(icache_ghosts_t *ghosts)
{
    if (ghosts->buckets != NULL)
        munmap(ghosts->buckets, icache_ghosts_size(ghosts));
    ghosts->buckets = NULL;
}

size_t icache_ghosts_size(const icache_ghosts_t *ghosts)
{
    return ghosts->num_buckets * sizeof(*ghosts->buckets);
}

/* the stamp of a place that is free is 0, so that it is the oldest of all */
static uint32_t age_of(const icache_ghosts_t *ghosts, const icache_ghost_t *ghost)
{
    return ghost->stamp != 0 ? ghosts->now - ghost->stamp : UINT32_MAX;
}

void icache_ghosts_add(icache_ghosts_t *ghosts, const icache_object_t *object)
{
    if (ghosts->num_buckets == 0)
        return;
    icache_ghost_t *bucket = ghosts->buckets[object->_hash_lo & (ghosts->num_buckets - 1)], *oldest = bucket;
    for (int i = 1; i < ICACHE_GHOST_WAYS; ++i)
        if (age_of(ghosts, &bucket[i]) > age_of(ghosts, oldest))
            oldest = &bucket[i];
    if (++ghosts->now == 0)
        ghosts->now = 1;
    *oldest = (icache_ghost_t){.fingerprint = (uint32_t)object->_hash_hi, .stamp = ghosts->now};
}

int icache_ghosts_take(icache_ghosts_t *ghosts, const icache_object_t *object, uint64_t max_age)
{
    if (ghosts->now == 0)
        return 0;
    icache_ghost_t *bucket = ghosts->buckets[object->_hash_lo & (ghosts->num_buckets - 1)];
    for (int i = 0; i < ICACHE_GHOST_WAYS; ++i)
        if (bucket[i].stamp != 0 && bucket[i].fingerprint == (uint32_t)object->_hash_hi) {
            int fresh = age_of(ghosts, &bucket[i]) < max_age;
            bucket[i].stamp = 0;
            return fresh;
        }
    return 0;
}

void icache_ghosts_forget(icache_ghosts_t *ghosts)
{
    if (ghosts->now == 0)
        return;
    ghosts->now = 0;
    if (madvise(ghosts->buckets, icache_ghosts_size(ghosts), MADV_DONTNEED) != 0)
        memset(ghosts->buckets, 0, icache_ghosts_size(ghosts));
}
