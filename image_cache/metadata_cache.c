/*
 * A log of records in segments, and an index over it.
 *
 * The segments are a ring in order of arrival; only the newest one is appended to, and only the oldest one is dropped. A record is
 * live while its slot of the index points to it; a copy that was replaced, removed or found expired has no slot any more and waits
 * for its segment to go. Dropping walks the segment's records and takes the live ones out of the index.
 *
 * The index is open addressing with linear probing, and one size for life: a slot for each BYTES_PER_SLOT of capacity, so that it
 * costs a sixteenth of it and there is never a rehash that would stall everyone or need two indexes at once. When it is
 * MAX_LOAD full (records of less than 160 bytes on average), the oldest segment goes as if the bytes had run out. A slot's tag, 32
 * bits of the hash, gives its home as well, so that slots move back over a removed one without a look at the records; there are no
 * tombstones.
 *
 * One mutex. Segments are unmapped outside of it.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "image_cache/metadata_cache.h"

#define BYTES_PER_SLOT 128
#define MAX_LOAD(num_slots) ((num_slots) / 4 * 3)
#define UNIT_BYTES 16 /* records start at multiples of it */
#define UNITS_PER_SEGMENT (ICACHE_META_SEGMENT_BYTES / UNIT_BYTES)
#define MIN_CAPACITY_BYTES (2 * ICACHE_META_SEGMENT_BYTES + ICACHE_META_SEGMENT_BYTES / 4)
#define MAX_CAPACITY_BYTES ((uint64_t)1 << 35) /* what `where` can number */
#define PAGE_BYTES 4096
#define NOT_FOUND UINT64_MAX

struct st_slot_t {
    uint32_t tag;
    uint32_t where; /* 0: empty; else 1 + segment's place in the ring * UNITS_PER_SEGMENT + unit */
};

struct st_record_t {
    uint64_t expires_ms;
    uint32_t tag, key_len, value_len;
    char bytes[]; /* key, value */
};

struct st_segment_t {
    uint8_t *base;
    size_t used;
};

struct st_icache_meta_t {
    uint64_t seed;
    pthread_mutex_t lock;
    struct st_slot_t *slots;
    uint64_t num_slots, index_bytes;
    size_t max_segments, oldest;
    _Atomic size_t num_segments; /* read without the lock too */
    uint64_t epoch;
    icache_meta_stats_t stats;
    struct st_segment_t segments[];
};

struct st_lookup_t {
    const char *key;
    size_t key_len;
    uint32_t tag;
};

static struct st_lookup_t prepare(const icache_meta_t *meta, const char *key, size_t key_len)
{
    uint64_t hash = XXH3_64bits_withSeed(key, key_len, meta->seed);
    return (struct st_lookup_t){key, key_len, (uint32_t)(hash >> 32)};
}

static void *map_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

icache_meta_t *icache_meta_create(uint64_t capacity_bytes, uint64_t seed)
{
    uint64_t capacity = capacity_bytes < MIN_CAPACITY_BYTES ? MIN_CAPACITY_BYTES : capacity_bytes;
    uint64_t indexed = capacity < MAX_CAPACITY_BYTES ? capacity : MAX_CAPACITY_BYTES;
    uint64_t index_bytes = (indexed / BYTES_PER_SLOT * sizeof(struct st_slot_t) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    size_t max_segments = (size_t)((indexed - index_bytes) / ICACHE_META_SEGMENT_BYTES);
    icache_meta_t *meta = calloc(1, sizeof(*meta) + max_segments * sizeof(meta->segments[0]));

    if (meta == NULL)
        return NULL;
    if ((meta->slots = map_pages(index_bytes)) == NULL) {
        free(meta);
        return NULL;
    }
    meta->seed = seed;
    meta->index_bytes = index_bytes;
    meta->num_slots = index_bytes / sizeof(struct st_slot_t);
    meta->max_segments = max_segments;
    meta->stats.capacity_bytes = capacity;
    pthread_mutex_init(&meta->lock, NULL);
    return meta;
}

void icache_meta_destroy(icache_meta_t **_meta)
{
    icache_meta_t *meta = *_meta;

    if (meta == NULL)
        return;
    *_meta = NULL;
    for (size_t i = 0; i < meta->max_segments; ++i)
        if (meta->segments[i].base != NULL)
            munmap(meta->segments[i].base, ICACHE_META_SEGMENT_BYTES);
    munmap(meta->slots, meta->index_bytes);
    pthread_mutex_destroy(&meta->lock);
    free(meta);
}

static uint64_t home_of(const icache_meta_t *meta, uint32_t tag)
{
    return (tag * meta->num_slots) >> 32;
}

static uint64_t next_slot(const icache_meta_t *meta, uint64_t slot)
{
    return slot + 1 < meta->num_slots ? slot + 1 : 0;
}

static uint64_t distance(const icache_meta_t *meta, uint64_t from, uint64_t to)
{
    return to >= from ? to - from : to + meta->num_slots - from;
}

static struct st_record_t *record_at(const icache_meta_t *meta, uint32_t where)
{
    const struct st_segment_t *segment = &meta->segments[(where - 1) / UNITS_PER_SEGMENT];
    return (void *)(segment->base + (size_t)((where - 1) % UNITS_PER_SEGMENT) * UNIT_BYTES);
}

static uint32_t where_of(size_t segment, size_t offset)
{
    return (uint32_t)(1 + segment * UNITS_PER_SEGMENT + offset / UNIT_BYTES);
}

/* `used` is a multiple of UNIT_BYTES and so is this, which keeps records aligned */
static size_t record_bytes(size_t key_len, size_t value_len)
{
    return (offsetof(struct st_record_t, bytes) + key_len + value_len + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

static uint64_t find_slot_locked(const icache_meta_t *meta, const struct st_lookup_t *lookup)
{
    uint64_t slot = home_of(meta, lookup->tag);

    for (; meta->slots[slot].where != 0; slot = next_slot(meta, slot)) {
        if (meta->slots[slot].tag != lookup->tag)
            continue;
        const struct st_record_t *record = record_at(meta, meta->slots[slot].where);
        if (record->key_len == lookup->key_len && memcmp(record->bytes, lookup->key, lookup->key_len) == 0)
            return slot;
    }
    return NOT_FOUND;
}

static uint64_t find_slot_of_record_locked(const icache_meta_t *meta, uint32_t tag, uint32_t where)
{
    uint64_t slot = home_of(meta, tag);

    for (; meta->slots[slot].where != 0; slot = next_slot(meta, slot))
        if (meta->slots[slot].where == where)
            return slot;
    return NOT_FOUND;
}

static void add_slot_locked(icache_meta_t *meta, uint32_t tag, uint32_t where)
{
    uint64_t slot = home_of(meta, tag);

    while (meta->slots[slot].where != 0)
        slot = next_slot(meta, slot);
    meta->slots[slot] = (struct st_slot_t){tag, where};
    ++meta->stats.entries;
}

/* closes the gap with the slots behind that may move there without leaving the way from their home */
static void remove_slot_locked(icache_meta_t *meta, uint64_t gap)
{
    for (uint64_t slot = next_slot(meta, gap); meta->slots[slot].where != 0; slot = next_slot(meta, slot)) {
        if (distance(meta, home_of(meta, meta->slots[slot].tag), slot) < distance(meta, gap, slot))
            continue;
        meta->slots[gap] = meta->slots[slot];
        gap = slot;
    }
    meta->slots[gap] = (struct st_slot_t){0, 0};
    --meta->stats.entries;
}

/* empties the oldest segment and returns its pages, which are the caller's now */
static uint8_t *drop_oldest_locked(icache_meta_t *meta)
{
    struct st_segment_t *segment = &meta->segments[meta->oldest];
    uint8_t *base = segment->base;

    for (size_t offset = 0; offset < segment->used;) {
        const struct st_record_t *record = (void *)(base + offset);
        uint64_t slot = find_slot_of_record_locked(meta, record->tag, where_of(meta->oldest, offset));
        if (slot != NOT_FOUND) {
            remove_slot_locked(meta, slot);
            ++meta->stats.dropped;
        }
        offset += record_bytes(record->key_len, record->value_len);
    }
    *segment = (struct st_segment_t){NULL, 0};
    meta->oldest = (meta->oldest + 1) % meta->max_segments;
    --meta->num_segments;
    return base;
}

static struct st_segment_t *newest_locked(icache_meta_t *meta)
{
    return &meta->segments[(meta->oldest + meta->num_segments - 1) % meta->max_segments];
}

/* a segment with room for that many bytes, at the cost of the oldest one where need be; NULL when memory is out */
static struct st_segment_t *make_room_locked(icache_meta_t *meta, size_t bytes)
{
    uint8_t *base = NULL;

    if (meta->num_segments != 0 && newest_locked(meta)->used + bytes <= ICACHE_META_SEGMENT_BYTES)
        return newest_locked(meta);
    if (meta->num_segments < meta->max_segments)
        base = map_pages(ICACHE_META_SEGMENT_BYTES);
    if (base == NULL && meta->num_segments != 0)
        base = drop_oldest_locked(meta);
    if (base == NULL)
        return NULL;
    ++meta->num_segments;
    *newest_locked(meta) = (struct st_segment_t){base, 0};
    return newest_locked(meta);
}

static void forget_locked(icache_meta_t *meta, const struct st_lookup_t *lookup)
{
    uint64_t slot = find_slot_locked(meta, lookup);

    if (slot != NOT_FOUND)
        remove_slot_locked(meta, slot);
}

static int put_locked(icache_meta_t *meta, const struct st_lookup_t *lookup, const void *value, size_t value_len,
                      uint64_t expires_ms)
{
    forget_locked(meta, lookup);
    if (value_len > ICACHE_META_MAX_VALUE_BYTES || lookup->key_len > ICACHE_META_MAX_KEY_BYTES)
        return -1;
    size_t bytes = record_bytes(lookup->key_len, value_len);
    struct st_segment_t *segment = make_room_locked(meta, bytes);
    if (segment == NULL)
        return -1;

    struct st_record_t *record = (void *)(segment->base + segment->used);
    *record = (struct st_record_t){expires_ms, lookup->tag, (uint32_t)lookup->key_len, (uint32_t)value_len};
    memcpy(record->bytes, lookup->key, lookup->key_len);
    if (value_len != 0)
        memcpy(record->bytes + lookup->key_len, value, value_len);
    add_slot_locked(meta, lookup->tag, where_of((size_t)(segment - meta->segments), segment->used));
    segment->used += bytes;
    ++meta->stats.inserts;
    return 0;
}

uint64_t icache_meta_epoch(icache_meta_t *meta)
{
    pthread_mutex_lock(&meta->lock);
    uint64_t epoch = meta->epoch;
    pthread_mutex_unlock(&meta->lock);
    return epoch;
}

int icache_meta_put(icache_meta_t *meta, const char *key, size_t key_len, const void *value, size_t value_len, uint64_t expires_ms,
                    uint64_t epoch)
{
    struct st_lookup_t lookup = prepare(meta, key, key_len);

    pthread_mutex_lock(&meta->lock);
    while (meta->stats.entries >= MAX_LOAD(meta->num_slots)) {
        uint8_t *base = drop_oldest_locked(meta);
        pthread_mutex_unlock(&meta->lock);
        munmap(base, ICACHE_META_SEGMENT_BYTES);
        pthread_mutex_lock(&meta->lock);
    }
    int result = epoch == meta->epoch ? put_locked(meta, &lookup, value, value_len, expires_ms) : -1;
    pthread_mutex_unlock(&meta->lock);
    return result;
}

static long get_locked(icache_meta_t *meta, const struct st_lookup_t *lookup, uint64_t now_ms, void *buf, size_t buf_len)
{
    uint64_t slot = find_slot_locked(meta, lookup);

    if (slot == NOT_FOUND)
        return -1;
    const struct st_record_t *record = record_at(meta, meta->slots[slot].where);
    if (now_ms >= record->expires_ms) {
        remove_slot_locked(meta, slot);
        return -1;
    }
    if (record->value_len > buf_len)
        return -1;
    if (record->value_len != 0)
        memcpy(buf, record->bytes + record->key_len, record->value_len);
    return (long)record->value_len;
}

long icache_meta_get(icache_meta_t *meta, const char *key, size_t key_len, uint64_t now_ms, void *buf, size_t buf_len)
{
    struct st_lookup_t lookup = prepare(meta, key, key_len);

    pthread_mutex_lock(&meta->lock);
    long result = get_locked(meta, &lookup, now_ms, buf, buf_len);
    ++*(result >= 0 ? &meta->stats.hits : &meta->stats.misses);
    pthread_mutex_unlock(&meta->lock);
    return result;
}

int icache_meta_remove(icache_meta_t *meta, const char *key, size_t key_len)
{
    struct st_lookup_t lookup = prepare(meta, key, key_len);

    pthread_mutex_lock(&meta->lock);
    uint64_t before = meta->stats.entries;
    forget_locked(meta, &lookup);
    int removed = meta->stats.entries != before;
    pthread_mutex_unlock(&meta->lock);
    return removed;
}

static uint64_t purge_segment_locked(icache_meta_t *meta, size_t segment,
                                     int (*matches)(void *ctx, const char *key, size_t key_len), void *ctx)
{
    uint64_t num_removed = 0;

    for (size_t offset = 0; offset < meta->segments[segment].used;) {
        uint32_t where = where_of(segment, offset);
        const struct st_record_t *record = record_at(meta, where);
        uint64_t slot =
            matches(ctx, record->bytes, record->key_len) ? find_slot_of_record_locked(meta, record->tag, where) : NOT_FOUND;
        if (slot != NOT_FOUND) {
            remove_slot_locked(meta, slot);
            ++num_removed;
        }
        offset += record_bytes(record->key_len, record->value_len);
    }
    return num_removed;
}

uint64_t icache_meta_purge(icache_meta_t *meta, int (*matches)(void *ctx, const char *key, size_t key_len), void *ctx)
{
    uint64_t num_removed = 0;

    pthread_mutex_lock(&meta->lock);
    ++meta->epoch; /* from here on only what is learnt after this is stored, so it does not matter in which order segments come */
    pthread_mutex_unlock(&meta->lock);
    for (size_t segment = 0; segment < meta->max_segments; ++segment) {
        pthread_mutex_lock(&meta->lock);
        if (meta->segments[segment].base != NULL)
            num_removed += purge_segment_locked(meta, segment, matches, ctx);
        pthread_mutex_unlock(&meta->lock);
    }
    return num_removed;
}

uint64_t icache_meta_drop_segment(icache_meta_t *meta)
{
    pthread_mutex_lock(&meta->lock);
    uint8_t *base = meta->num_segments != 0 ? drop_oldest_locked(meta) : NULL;
    pthread_mutex_unlock(&meta->lock);
    if (base == NULL)
        return 0;
    munmap(base, ICACHE_META_SEGMENT_BYTES);
    return ICACHE_META_SEGMENT_BYTES;
}

void icache_meta_get_usage(icache_meta_t *meta, uint64_t *index_bytes, uint64_t *segment_bytes)
{
    *index_bytes = meta->index_bytes;
    *segment_bytes = (uint64_t)atomic_load_explicit(&meta->num_segments, memory_order_relaxed) * ICACHE_META_SEGMENT_BYTES;
}

static uint64_t used_bytes_locked(const icache_meta_t *meta)
{
    return meta->index_bytes + (uint64_t)meta->num_segments * ICACHE_META_SEGMENT_BYTES;
}

void icache_meta_get_stats(icache_meta_t *meta, icache_meta_stats_t *stats)
{
    pthread_mutex_lock(&meta->lock);
    *stats = meta->stats;
    stats->used_bytes = used_bytes_locked(meta);
    pthread_mutex_unlock(&meta->lock);
}

#define CHECK(cond)                                                                                                                \
    do {                                                                                                                           \
        if (!(cond))                                                                                                               \
            return __LINE__;                                                                                                       \
    } while (0)

static int check_slots_locked(const icache_meta_t *meta)
{
    uint64_t entries = 0;

    for (uint64_t slot = 0; slot < meta->num_slots; ++slot) {
        if (meta->slots[slot].where == 0)
            continue;
        size_t segment = (meta->slots[slot].where - 1) / UNITS_PER_SEGMENT;
        CHECK(segment < meta->max_segments && meta->segments[segment].base != NULL);
        const struct st_record_t *record = record_at(meta, meta->slots[slot].where);
        CHECK(record->tag == meta->slots[slot].tag);
        struct st_lookup_t lookup = {record->bytes, record->key_len, record->tag};
        CHECK(find_slot_locked(meta, &lookup) == slot);
        ++entries;
    }
    CHECK(entries == meta->stats.entries && entries <= MAX_LOAD(meta->num_slots));
    return 0;
}

static int check_segments_locked(const icache_meta_t *meta)
{
    uint64_t live = 0;

    CHECK(used_bytes_locked(meta) <= meta->stats.capacity_bytes);
    for (size_t i = 0; i < meta->max_segments; ++i) {
        size_t segment = (meta->oldest + i) % meta->max_segments, offset = 0;
        CHECK((meta->segments[segment].base != NULL) == (i < meta->num_segments));
        while (offset < meta->segments[segment].used) {
            const struct st_record_t *record = record_at(meta, where_of(segment, offset));
            live += find_slot_of_record_locked(meta, record->tag, where_of(segment, offset)) != NOT_FOUND;
            offset += record_bytes(record->key_len, record->value_len);
        }
        CHECK(offset == meta->segments[segment].used && offset <= ICACHE_META_SEGMENT_BYTES);
    }
    CHECK(live == meta->stats.entries);
    return 0;
}

int icache_meta_check(icache_meta_t *meta)
{
    pthread_mutex_lock(&meta->lock);
    int line = check_slots_locked(meta);
    if (line == 0)
        line = check_segments_locked(meta);
    pthread_mutex_unlock(&meta->lock);
    return line;
}
