/*
 * Readers hammer icache_get() and icache_get_by_handle() while writers insert, replace, renew, remove, purge and evict in a cache
 * of about twenty objects, so that headers go from one object to the next all the time.
 *
 * Each body is made of its key and a number that grows with each object of that key (its generation), so a reader can tell whether
 * what it got is its own key's and whole. Each key has one writer, who says after a removal or a replacement returned which
 * generations are over (`floor`): a lookup that starts after that must not see an older one.
 *
 * Included by test_image_cache_lockfree.c and stress_image_cache_hits.c alone.
 */
#ifndef tests__hit_hammer_h
#define tests__hit_hammer_h

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache.h"

#define HAMMER_KEYS 32
#define HAMMER_MAX_THREADS 16
#define HAMMER_CAPACITY_BYTES (16 * 1024)
#define HAMMER_MAX_BODY_BYTES 1200
#define HAMMER_HANDLES 64
#define HAMMER_HELD 4

#define HAMMER_REQUIRE(cond)                                                                                                       \
    do {                                                                                                                           \
        if (!(cond)) {                                                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);                                               \
            abort();                                                                                                               \
        }                                                                                                                          \
    } while (0)

struct st_hammer_meta_t {
    uint64_t key, generation;
};

struct st_hammer_thread_t {
    pthread_t thread;
    unsigned number;
    uint64_t random, hits, handle_hits;
    icache_lane_t *lane;
    icache_handle_t handles[HAMMER_HANDLES];
    uint64_t handle_keys[HAMMER_HANDLES];
    icache_object_t *held[HAMMER_HELD];
};

static struct {
    icache_t *cache;
    icache_group_t *group; /* of every third key */
    unsigned long iterations;
    unsigned num_writers;
    _Atomic unsigned readers_left;
    _Atomic uint64_t floor[HAMMER_KEYS], now_ms, inserted;
    uint64_t generation[HAMMER_KEYS]; /* its writer's */
    struct st_hammer_thread_t threads[HAMMER_MAX_THREADS];
} hammer;

static uint64_t hammer_draw(struct st_hammer_thread_t *self, uint64_t below)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return (self->random >> 33) % below;
}

static icache_key_t hammer_key(uint64_t number)
{
    static _Thread_local char text[32];
    int len = snprintf(text, sizeof(text), "picture-%llu", (unsigned long long)number);
    return icache_key(hammer.cache, text, (size_t)len);
}

static uint8_t hammer_byte(uint64_t key, uint64_t generation, size_t at)
{
    return (uint8_t)((key * 131 + generation * 31 + at * 7) ^ (generation >> 8));
}

static void hammer_require_intact(const icache_object_t *object, uint64_t key)
{
    const struct st_hammer_meta_t *meta = object->meta;
    icache_key_t wanted = hammer_key(key);

    HAMMER_REQUIRE(object->key_len == wanted.len && memcmp(object->key, wanted.text, wanted.len) == 0);
    HAMMER_REQUIRE(meta->key == key);
    for (size_t i = 0; i < object->body_len; ++i)
        HAMMER_REQUIRE(object->body[i] == hammer_byte(key, meta->generation, i));
}

static uint64_t hammer_key_of(const icache_object_t *object)
{
    return ((const struct st_hammer_meta_t *)object->meta)->key;
}

static uint64_t hammer_generation_of(const icache_object_t *object)
{
    return ((const struct st_hammer_meta_t *)object->meta)->generation;
}

/* keeps some for a while, to see that they stay as they are */
static void hammer_hold_or_drop(struct st_hammer_thread_t *self, icache_object_t *object)
{
    icache_object_t **place = &self->held[hammer_draw(self, HAMMER_HELD)];

    if (hammer_draw(self, 8) == 0) {
        icache_object_t *held = *place;
        *place = object;
        object = held;
        if (object != NULL)
            hammer_require_intact(object, hammer_key_of(object));
    }
    icache_object_unref(&object);
}

static void hammer_get(struct st_hammer_thread_t *self)
{
    uint64_t number = hammer_draw(self, HAMMER_KEYS);
    icache_key_t key = hammer_key(number);
    uint64_t now_ms = atomic_load(&hammer.now_ms), floor = atomic_load(&hammer.floor[number]);
    icache_object_t *object = icache_get(hammer.cache, self->lane, &key, now_ms);

    if (object == NULL)
        return;
    ++self->hits;
    HAMMER_REQUIRE(hammer_generation_of(object) >= floor);
    hammer_require_intact(object, number);
    size_t at = hammer_draw(self, HAMMER_HANDLES);
    self->handles[at] = icache_object_handle(object);
    self->handle_keys[at] = number;
    hammer_hold_or_drop(self, object);
}

static void hammer_get_by_handle(struct st_hammer_thread_t *self)
{
    size_t at = hammer_draw(self, HAMMER_HANDLES);
    uint64_t number = self->handle_keys[at], floor = atomic_load(&hammer.floor[number]);
    icache_object_t *object = icache_get_by_handle(hammer.cache, self->lane, self->handles[at], atomic_load(&hammer.now_ms));

    if (object == NULL)
        return;
    ++self->hits;
    ++self->handle_hits;
    HAMMER_REQUIRE(object == self->handles[at].object && icache_object_handle(object).serial == self->handles[at].serial);
    HAMMER_REQUIRE(hammer_generation_of(object) >= floor);
    hammer_require_intact(object, number);
    hammer_hold_or_drop(self, object);
}

static void *hammer_read(void *arg)
{
    struct st_hammer_thread_t *self = arg;

    for (unsigned long i = 0; i < hammer.iterations; ++i)
        if (hammer_draw(self, 3) != 0)
            hammer_get(self);
        else
            hammer_get_by_handle(self);
    for (int i = 0; i < HAMMER_HELD; ++i)
        icache_object_unref(&self->held[i]);
    atomic_fetch_sub(&hammer.readers_left, 1);
    return NULL;
}

static void hammer_insert(struct st_hammer_thread_t *self, uint64_t number)
{
    icache_key_t key = hammer_key(number);
    size_t body_len = hammer_draw(self, HAMMER_MAX_BODY_BYTES);
    icache_object_t *object =
        icache_object_create(hammer.cache, ICACHE_CLASS_RENDITION, &key, sizeof(struct st_hammer_meta_t), body_len);

    HAMMER_REQUIRE(object != NULL);
    uint64_t generation = ++hammer.generation[number], now_ms = atomic_load(&hammer.now_ms);
    *(struct st_hammer_meta_t *)object->meta = (struct st_hammer_meta_t){number, generation};
    for (size_t i = 0; i < body_len; ++i)
        object->body[i] = hammer_byte(number, generation, i);
    icache_object_set_group(object, number % 3 == 0 ? hammer.group : NULL);
    if (hammer_draw(self, 4) == 0)
        object->expires_ms = now_ms + 1 + hammer_draw(self, 20);
    if (icache_insert(hammer.cache, object, now_ms) != 0)
        return;
    atomic_store(&hammer.floor[number], generation);
    atomic_fetch_add(&hammer.inserted, 1);
}

static void hammer_remove(uint64_t number, int purge)
{
    icache_key_t key = hammer_key(number);

    if (purge)
        icache_purge(hammer.cache, ICACHE_PURGE_ITEM, key.text, key.len, NULL);
    else
        icache_remove(hammer.cache, &key);
    atomic_store(&hammer.floor[number], hammer.generation[number] + 1);
}

static void hammer_renew(uint64_t number)
{
    icache_key_t key = hammer_key(number);
    uint64_t now_ms = atomic_load(&hammer.now_ms);
    icache_object_t *object = icache_get_stale(hammer.cache, &key, now_ms);

    if (object == NULL)
        return;
    hammer_require_intact(object, number);
    icache_renew(hammer.cache, object, &(icache_life_t){.created_ms = now_ms, .expires_ms = now_ms + 5, .keep_ms = now_ms + 30},
                 now_ms);
    icache_object_unref(&object);
}

/* until the readers are done */
static void *hammer_write(void *arg)
{
    struct st_hammer_thread_t *self = arg;

    while (atomic_load(&hammer.readers_left) != 0) {
        uint64_t number = hammer_draw(self, HAMMER_KEYS / hammer.num_writers) * hammer.num_writers + self->number, kind;
        if ((kind = hammer_draw(self, 100)) < 65)
            hammer_insert(self, number);
        else if (kind < 85)
            hammer_remove(number, kind < 70);
        else if (kind < 90)
            hammer_renew(number);
        else if (kind < 94)
            icache_shrink_to(hammer.cache, hammer_draw(self, HAMMER_CAPACITY_BYTES));
        else if (kind < 98)
            atomic_fetch_add(&hammer.now_ms, 1);
        else
            HAMMER_REQUIRE(icache_check(hammer.cache) == 0);
    }
    return NULL;
}

static void hammer_no_wake(void *ctx)
{
    (void)ctx;
}

static void hammer_require_balance(unsigned num_threads)
{
    icache_stats_t stats;
    uint64_t hits = 0, handle_hits = 0;

    for (unsigned i = 0; i < num_threads; ++i) {
        hits += hammer.threads[i].hits;
        handle_hits += hammer.threads[i].handle_hits;
        /* what the lanes counted is not lost with them */
        if (i % 2 == 0)
            icache_lane_destroy(&hammer.threads[i].lane);
    }
    HAMMER_REQUIRE(icache_check(hammer.cache) == 0);
    icache_get_stats(hammer.cache, &stats);
    HAMMER_REQUIRE(stats.hits == hits && stats.inserts == atomic_load(&hammer.inserted));
    HAMMER_REQUIRE(stats.removed[ICACHE_REASON_QUOTA] != 0);
    HAMMER_REQUIRE(stats.pinned_bytes == 0 && stats.objects == stats.entries);
    HAMMER_REQUIRE(stats.used_bytes <= HAMMER_CAPACITY_BYTES);
    HAMMER_REQUIRE(icache_clear(hammer.cache) == stats.used_bytes);
    icache_get_stats(hammer.cache, &stats);
    HAMMER_REQUIRE(stats.objects == 0 && stats.used_bytes == 0);
    printf("%llu hits, %llu of them by handle, %llu inserts\n", (unsigned long long)hits, (unsigned long long)handle_hits,
           (unsigned long long)stats.inserts);
    for (unsigned i = 0; i < num_threads; ++i)
        icache_lane_destroy(&hammer.threads[i].lane);
}

static void hammer_run(icache_policy_kind_t policy, unsigned long iterations, unsigned num_readers, unsigned num_writers)
{
    icache_config_t config = {
        .policy = policy, .capacity_bytes = HAMMER_CAPACITY_BYTES, .max_object_bytes = HAMMER_CAPACITY_BYTES, .seed = 0x5eed};
    unsigned num_threads = num_readers + num_writers;

    memset(&hammer, 0, sizeof(hammer));
    hammer.iterations = iterations;
    hammer.num_writers = num_writers;
    atomic_store(&hammer.readers_left, num_readers);
    HAMMER_REQUIRE(num_threads <= HAMMER_MAX_THREADS && (hammer.cache = icache_create(&config)) != NULL);
    HAMMER_REQUIRE((hammer.group = icache_group_create(hammer.cache, "group", HAMMER_CAPACITY_BYTES / 5, NULL)) != NULL);
    for (unsigned i = 0; i < num_threads; ++i) {
        struct st_hammer_thread_t *thread = &hammer.threads[i];
        thread->number = i;
        thread->random = i * 77 + 1;
        HAMMER_REQUIRE((thread->lane = icache_lane_create(hammer.cache, hammer_no_wake, NULL)) != NULL);
    }
    for (unsigned i = 0; i < num_threads; ++i)
        HAMMER_REQUIRE(
            pthread_create(&hammer.threads[i].thread, NULL, i < num_writers ? hammer_write : hammer_read, &hammer.threads[i]) == 0);
    for (unsigned i = 0; i < num_threads; ++i)
        pthread_join(hammer.threads[i].thread, NULL);
    hammer_require_balance(num_threads);
    icache_destroy(&hammer.cache);
}

#endif
