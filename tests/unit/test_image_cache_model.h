/*
 * The naive model of the image cache and its policies: plain arrays, linear searches, a number for the order. Included by its test
 * alone.
 */
#ifndef tests__unit__test_image_cache_model_h
#define tests__unit__test_image_cache_model_h

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "image_cache/image_cache_private.h"
#include "image_cache/listing.h"

#define NUM_LANES 3
#define NUM_WAITERS 24
#define NUM_FLIGHTS 32
#define MAX_OBJECTS 512
#define MAX_GHOSTS 512
#define MAX_HELD 16
#define NUM_HANDLES 32
#define NUM_GROUPS 5 /* the first one is "none" */
#define MAX_GROUP_CHANCES 64

struct st_model_object_t {
    icache_object_t *real; /* identity; NULL: the place is free */
    int key, linked, was_linked, refs;
    uint64_t charge, expires_ms, stale_ms, keep_ms;
    uint64_t order; /* when it came to where it is in its queue */
    icache_class_t object_class;
    uint32_t cost_us;
    unsigned in_small, hits, ranked_hits;
    double priority;
    uint64_t serial;
    int group, hit_lately; /* since the group looked */
    uint64_t group_order;
};

struct st_model_group_t {
    icache_group_t *real;
    int parent; /* 0: none */
    uint64_t limit, evictions, evicted_bytes, refused;
};

struct st_model_ghost_t {
    uint64_t hash_lo, hash_hi, number; /* number 0: the place is free */
};

struct st_model_flight_t {
    icache_flight_t *real; /* NULL: the place is free */
    int key, flying, num_waiters, landed, abandon_calls, registered, abandoned, background, purged;
    uint64_t purges_seen;
    struct st_model_object_t *object;
    int error;
};

struct st_model_waiter_t {
    icache_waiter_t real;
    struct st_model_flight_t *flight; /* NULL: idle */
    int lane, calls;
};

static struct {
    icache_t *cache;
    icache_policy_kind_t policy;
    uint64_t capacity, limit, max_object, max_entries, max_age_ms[ICACHE_NUM_CLASSES];
    uint64_t num_keys, now_ms, tick, random, num_purges;
    uint64_t removed[ICACHE_NUM_REASONS]; /* as the listener was told */
    const icache_object_t *swept[MAX_OBJECTS];
    size_t num_swept;
    uint64_t ghost_buckets, num_ghosts, ghosts_taken, ghost_bytes;
    double inflation;
    int has_groups;
    struct st_model_group_t groups[NUM_GROUPS];
    struct st_model_ghost_t ghosts[MAX_GHOSTS];
    struct st_model_object_t objects[MAX_OBJECTS];
    struct st_model_flight_t flights[NUM_FLIGHTS];
    struct st_model_waiter_t waiters[NUM_WAITERS];
    struct st_model_object_t *held[MAX_HELD];
    icache_handle_t handles[NUM_HANDLES];
    uint64_t num_created;
    icache_lane_t *lanes[NUM_LANES];
    int wakes[NUM_LANES];
    icache_stats_t expected;
} m;

static uint64_t draw(uint64_t below)
{
    m.random = m.random * 6364136223846793005u + 1442695040888963407u;
    return (m.random >> 33) % below;
}

static icache_key_t make_key(int key)
{
    static char text[32];
    int len = snprintf(text, sizeof(text), "origin/picture-%02d.jpg?w=%d", key, key * 10);
    return icache_key(m.cache, text, (size_t)len);
}

static struct st_model_object_t *model_linked(int key)
{
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked && m.objects[i].key == key)
            return &m.objects[i];
    return NULL;
}

static struct st_model_object_t *model_find(const icache_object_t *real)
{
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real == real)
            return &m.objects[i];
    fail();
    return NULL;
}

static uint64_t model_num_objects(void)
{
    uint64_t count = 0;

    for (int i = 0; i < MAX_OBJECTS; ++i)
        count += m.objects[i].real != NULL;
    return count;
}

static struct st_model_flight_t *model_flying(int key)
{
    for (int i = 0; i < NUM_FLIGHTS; ++i)
        if (m.flights[i].real != NULL && m.flights[i].flying && !m.flights[i].purged && m.flights[i].key == key)
            return &m.flights[i];
    return NULL;
}

static void model_forget_if_dead(struct st_model_object_t *object)
{
    if (!object->linked && object->refs == 0)
        object->real = NULL;
}

/* one bucket of eight ghosts for each 32 KB of capacity, down to a power of two */
static void model_init_policy(void)
{
    if (m.policy == ICACHE_POLICY_LRU)
        return;
    for (uint64_t buckets = 1; buckets * 32768 <= m.capacity; buckets *= 2)
        m.ghost_buckets = buckets;
}

static uint64_t model_reserved_bytes(void)
{
    return m.ghost_buckets * 64;
}

static struct st_model_ghost_t *model_find_ghost(uint64_t hash_lo, uint64_t hash_hi)
{
    for (int i = 0; i < MAX_GHOSTS; ++i)
        if (m.ghosts[i].number != 0 && m.ghosts[i].hash_lo == hash_lo && m.ghosts[i].hash_hi == hash_hi)
            return &m.ghosts[i];
    return NULL;
}

/* a ninth ghost of a bucket takes the place of the oldest */
static void model_add_ghost(const struct st_model_object_t *object)
{
    struct st_model_ghost_t *place = NULL, *oldest = NULL;
    int same = 0;

    if (m.ghost_buckets == 0)
        return;
    for (int i = 0; i < MAX_GHOSTS; ++i) {
        struct st_model_ghost_t *ghost = &m.ghosts[i];
        if (ghost->number == 0) {
            place = ghost;
        } else if (ghost->hash_lo % m.ghost_buckets == object->real->_hash_lo % m.ghost_buckets) {
            ++same;
            if (oldest == NULL || ghost->number < oldest->number)
                oldest = ghost;
        }
    }
    if (same == 8)
        place = oldest;
    assert_non_null(place);
    *place = (struct st_model_ghost_t){object->real->_hash_lo, object->real->_hash_hi, ++m.num_ghosts};
    m.ghost_bytes = model_reserved_bytes();
}

static int model_take_ghost(const struct st_model_object_t *object)
{
    struct st_model_ghost_t *ghost = model_find_ghost(object->real->_hash_lo, object->real->_hash_hi);

    if (ghost == NULL)
        return 0;
    int fresh = m.num_ghosts - ghost->number < m.expected.entries;
    m.ghosts_taken += (uint64_t)fresh;
    ghost->number = 0;
    return fresh;
}

static void model_forget_ghosts(void)
{
    memset(m.ghosts, 0, sizeof(m.ghosts));
    m.num_ghosts = m.ghost_bytes = 0;
}

static void model_unlink(struct st_model_object_t *object, icache_reason_t reason)
{
    if (m.policy != ICACHE_POLICY_LRU)
        if (reason == ICACHE_REASON_EXPIRED || (reason == ICACHE_REASON_CAPACITY && object->in_small))
            model_add_ghost(object);
    object->linked = 0;
    m.expected.used_bytes -= object->charge;
    m.expected.class_bytes[object->object_class] -= object->charge;
    --m.expected.class_entries[object->object_class];
    --m.expected.entries;
    ++m.expected.removed[reason];
    m.expected.removed_bytes[reason] += object->charge;
    model_forget_if_dead(object);
}

/* a tenth, or 16 objects of average size if that is more, but none rather than more than a half */
static uint64_t model_small_capacity(void)
{
    uint64_t capacity = m.capacity - model_reserved_bytes(), size = capacity / 10;

    if (m.expected.entries != 0 && m.expected.used_bytes / m.expected.entries * 16 > size)
        size = m.expected.used_bytes / m.expected.entries * 16;
    return size > capacity / 2 ? 0 : size;
}

static int model_goes_before(const struct st_model_object_t *a, const struct st_model_object_t *b)
{
    if (m.policy == ICACHE_POLICY_COST && !a->in_small && (a->priority < b->priority || a->priority > b->priority))
        return a->priority < b->priority;
    return a->order < b->order;
}

static struct st_model_object_t *model_first(unsigned in_small)
{
    struct st_model_object_t *first = NULL;

    for (int i = 0; i < MAX_OBJECTS; ++i) {
        struct st_model_object_t *object = &m.objects[i];
        if (object->real != NULL && object->linked && object->in_small == in_small)
            if (first == NULL || model_goes_before(object, first))
                first = object;
    }
    return first;
}

static uint64_t model_small_bytes(void)
{
    uint64_t bytes = 0;

    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked && m.objects[i].in_small)
            bytes += m.objects[i].charge;
    return bytes;
}

static void model_rank(struct st_model_object_t *object, unsigned hits)
{
    object->ranked_hits += hits;
    if (object->ranked_hits > 15)
        object->ranked_hits = 15;
    object->hits = 0;
    object->order = ++m.tick;
    object->priority =
        m.inflation + (double)object->ranked_hits * (object->cost_us == 0 ? 1. : (double)object->cost_us) / (double)object->charge;
}

static void model_enter_main(struct st_model_object_t *object)
{
    object->in_small = 0;
    object->ranked_hits = 0;
    model_rank(object, object->hits + 1);
}

static int model_is_below(int group, int above)
{
    while (group != 0 && group != above)
        group = m.groups[group].parent;
    return group == above && above != 0;
}

static uint64_t model_group_bytes(int group, uint64_t *entries)
{
    uint64_t bytes = 0;

    *entries = 0;
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked && model_is_below(m.objects[i].group, group)) {
            bytes += m.objects[i].charge;
            ++*entries;
        }
    return bytes;
}

static struct st_model_object_t *model_group_victim(int group)
{
    struct st_model_object_t *oldest = NULL;

    for (unsigned chances = 0;; ++chances) {
        oldest = NULL;
        for (int i = 0; i < MAX_OBJECTS; ++i)
            if (m.objects[i].real != NULL && m.objects[i].linked && model_is_below(m.objects[i].group, group))
                if (oldest == NULL || m.objects[i].group_order < oldest->group_order)
                    oldest = &m.objects[i];
        assert_non_null(oldest);
        if (!oldest->hit_lately)
            return oldest;
        oldest->hit_lately = 0;
        if (chances == MAX_GROUP_CHANCES)
            return oldest;
        oldest->group_order = ++m.tick;
    }
}

/* who has to go next; objects that have earned it move on */
static struct st_model_object_t *model_victim(void)
{
    struct st_model_object_t *object;

    if (m.policy == ICACHE_POLICY_LRU)
        return model_first(0);
    while ((object = model_first(1)) != NULL && (model_small_bytes() >= model_small_capacity() || model_first(0) == NULL)) {
        if (object->hits == 0)
            return object;
        model_enter_main(object);
    }
    while ((object = model_first(0)) != NULL) {
        unsigned hits = object->hits;
        m.inflation = object->priority;
        if (hits == 0)
            break;
        model_rank(object, hits);
        if (m.policy == ICACHE_POLICY_S3_FIFO)
            object->hits = hits - 1;
    }
    return object;
}

static uint64_t model_limit_of_objects(void)
{
    return m.limit > model_reserved_bytes() ? m.limit - model_reserved_bytes() : 0;
}

static int model_is_full(uint64_t charge)
{
    return m.expected.used_bytes + charge > model_limit_of_objects() || (m.max_entries != 0 && m.expected.entries >= m.max_entries);
}

/* returns whether the object is let in; in_small says where */
static int model_place(struct st_model_object_t *object, int replaces)
{
    object->in_small = 0;
    if (m.policy == ICACHE_POLICY_LRU || replaces || model_take_ghost(object) || model_small_capacity() == 0)
        return 1;
    object->in_small = 1;
    if (!model_is_full(object->charge) || object->charge <= model_small_capacity() / 8)
        return 1;
    model_add_ghost(object);
    ++m.expected.not_admitted;
    return 0;
}

static uint64_t model_keep_until(const struct st_model_object_t *object)
{
    uint64_t last = object->expires_ms;

    last = object->stale_ms > last ? object->stale_ms : last;
    return object->keep_ms > last ? object->keep_ms : last;
}

static void model_limit_age(struct st_model_object_t *object)
{
    uint64_t limit = m.now_ms + m.max_age_ms[object->object_class];

    if (m.max_age_ms[object->object_class] == 0)
        return;
    object->expires_ms = object->expires_ms < limit ? object->expires_ms : limit;
    object->stale_ms = object->stale_ms < limit ? object->stale_ms : limit;
    object->keep_ms = object->keep_ms < limit ? object->keep_ms : limit;
}

/* abandoned flights cannot be told from others by a purge, so that any counts */
static int model_was_purged(const struct st_model_flight_t *flight)
{
    return flight->purged || (flight->abandoned && flight->purges_seen != m.num_purges);
}

static int model_store(struct st_model_object_t *object, size_t body_len, const struct st_model_flight_t *flight)
{
    struct st_model_object_t *existing = model_linked(object->key);

    model_limit_age(object);
    if (m.now_ms >= model_keep_until(object))
        return -1;
    int too_small = object->group;
    while (too_small != 0 && object->charge <= m.groups[too_small].limit)
        too_small = m.groups[too_small].parent;
    if (body_len > m.max_object || object->charge > m.capacity - model_reserved_bytes() || too_small != 0) {
        m.groups[too_small].refused += too_small != 0;
        ++m.expected.removed[ICACHE_REASON_TOO_LARGE];
        m.expected.removed_bytes[ICACHE_REASON_TOO_LARGE] += object->charge;
        return -1;
    }
    if (flight != NULL && model_was_purged(flight))
        return -1;
    if (existing != NULL && flight != NULL && flight->abandoned && m.now_ms < existing->expires_ms)
        return -1;
    if (object->charge > model_limit_of_objects()) {
        ++m.expected.not_admitted;
        return -1;
    }
    if (!model_place(object, existing != NULL))
        return -1;
    if (existing != NULL)
        model_unlink(existing, ICACHE_REASON_REPLACED);
    for (int group = object->group; group != 0; group = m.groups[group].parent) {
        uint64_t entries;
        while (model_group_bytes(group, &entries) + object->charge > m.groups[group].limit) {
            struct st_model_object_t *victim = model_group_victim(group);
            ++m.groups[group].evictions;
            m.groups[group].evicted_bytes += victim->charge;
            model_unlink(victim, ICACHE_REASON_QUOTA);
        }
    }
    while (model_is_full(object->charge))
        model_unlink(model_victim(), ICACHE_REASON_CAPACITY);
    object->linked = object->was_linked = 1;
    object->group_order = ++m.tick;
    if (object->in_small)
        object->order = ++m.tick;
    else
        model_enter_main(object);
    m.expected.used_bytes += object->charge;
    m.expected.class_bytes[object->object_class] += object->charge;
    ++m.expected.class_entries[object->object_class];
    ++m.expected.entries;
    ++m.expected.inserts;
    return 0;
}

static void model_use(struct st_model_object_t *object)
{
    object->hit_lately = 1;
    if (m.policy == ICACHE_POLICY_LRU)
        object->order = ++m.tick;
    else if (object->hits < (m.policy == ICACHE_POLICY_COST ? 15u : 3u))
        ++object->hits;
}

/* what is there of a key; an object past its time goes */
static struct st_model_object_t *model_kept(int key)
{
    struct st_model_object_t *object = model_linked(key);

    if (object == NULL || m.now_ms < model_keep_until(object))
        return object;
    model_unlink(object, ICACHE_REASON_EXPIRED);
    return NULL;
}

/* what a lookup has to find; an expired object too where `stale` is given, which is set then */
static struct st_model_object_t *model_get(int key, int *stale)
{
    struct st_model_object_t *object = model_kept(key);
    int fresh = object != NULL && m.now_ms < object->expires_ms;

    if (object == NULL || (!fresh && (stale == NULL || m.now_ms >= object->stale_ms)))
        return NULL;
    m.expected.hits += (uint64_t)fresh;
    if (!fresh)
        *stale = 1;
    model_use(object);
    return object;
}

/* what is kept no longer stays where it is: nothing is removed on the way */
static struct st_model_object_t *model_get_by_handle(icache_handle_t handle)
{
    for (int i = 0; i < MAX_OBJECTS; ++i) {
        struct st_model_object_t *object = &m.objects[i];
        if (object->real == NULL || object->serial != handle.serial || !object->linked || m.now_ms >= object->expires_ms)
            continue;
        ++m.expected.hits;
        model_use(object);
        return object;
    }
    return NULL;
}

static uint64_t model_pinned_bytes(void)
{
    uint64_t bytes = 0;
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].was_linked && !m.objects[i].linked && m.objects[i].refs > 0)
            bytes += m.objects[i].charge;
    return bytes;
}

#endif
