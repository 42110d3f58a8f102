#include <assert.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/seen.h"

struct st_entry_t {
    uint64_t hash;
    const void *owner; /* NULL: empty */
    uint64_t len;
    char target[SLUICE_SEEN_TARGET_MAX];
    sluice_seen_object_t object;
};

_Static_assert(sizeof(struct st_entry_t) == SLUICE_SEEN_ENTRY_BYTES, "whole cache lines");

struct st_sluice_seen_t {
    size_t num_sets;
    uint64_t seed;
    struct st_entry_t (*sets)[SLUICE_SEEN_WAYS];
    uint8_t *last; /* way of each set that was found or put last */
};

sluice_seen_t *sluice_seen_create(size_t num_sets, uint64_t seed)
{
    sluice_seen_t *seen = malloc(sizeof(*seen));

    assert((num_sets & (num_sets - 1)) == 0);
    if (seen == NULL)
        return NULL;
    *seen = (sluice_seen_t){num_sets, seed, calloc(num_sets, sizeof(*seen->sets)), calloc(num_sets, 1)};
    if (seen->sets == NULL || seen->last == NULL)
        sluice_seen_destroy(&seen);
    return seen;
}

void sluice_seen_destroy(sluice_seen_t **seen)
{
    if (*seen == NULL)
        return;
    free((*seen)->sets);
    free((*seen)->last);
    free(*seen);
    *seen = NULL;
}

/* the way of an entry in its set, or -1 */
static int find(const struct st_entry_t *set, uint64_t hash, const void *owner, const char *target, size_t len)
{
    for (int way = 0; way != SLUICE_SEEN_WAYS; ++way)
        if (set[way].hash == hash && set[way].owner == owner && set[way].len == len && memcmp(set[way].target, target, len) == 0)
            return way;
    return -1;
}

/* entries of one target and several owners, such as neighbours in an array, go to different sets */
static uint64_t hash_of(const sluice_seen_t *seen, const void *owner, const char *target, size_t len)
{
    return XXH3_64bits_withSeed(target, len, seen->seed) + (uintptr_t)owner;
}

static sluice_seen_object_t *get(sluice_seen_t *seen, uint64_t hash, const void *owner, const char *target, size_t len)
{
    size_t at = hash & (seen->num_sets - 1);
    int way = find(seen->sets[at], hash, owner, target, len);

    if (way == -1)
        return NULL;
    seen->last[at] = (uint8_t)way;
    return &seen->sets[at][way].object;
}

sluice_seen_object_t *sluice_seen_get(sluice_seen_t *seen, const void *owner, const char *target, size_t len)
{
    if (len > SLUICE_SEEN_TARGET_MAX)
        return NULL;
    return get(seen, hash_of(seen, owner, target, len), owner, target, len);
}

sluice_seen_object_t *sluice_seen_get_beside(sluice_seen_t *seen, const sluice_seen_object_t *found, const void *owner)
{
    const struct st_entry_t *entry =
        (const struct st_entry_t *)(const void *)((const char *)found - offsetof(struct st_entry_t, object));

    return get(seen, entry->hash - (uintptr_t)entry->owner + (uintptr_t)owner, owner, entry->target, entry->len);
}

void sluice_seen_put(sluice_seen_t *seen, const void *owner, const char *target, size_t len, icache_handle_t handle,
                     int64_t expires_s)
{
    int way;

    if (len > SLUICE_SEEN_TARGET_MAX)
        return;
    uint64_t hash = hash_of(seen, owner, target, len);
    size_t at = hash & (seen->num_sets - 1);
    if ((way = find(seen->sets[at], hash, owner, target, len)) == -1)
        way = (seen->last[at] + 1) % SLUICE_SEEN_WAYS;
    struct st_entry_t *entry = &seen->sets[at][way];
    entry->hash = hash;
    entry->owner = owner;
    entry->len = len;
    memcpy(entry->target, target, len);
    entry->object.handle = handle;
    entry->object.expires_s = expires_s;
    entry->object.texts.of.age_s = UINT64_MAX;
    seen->last[at] = (uint8_t)way;
}
