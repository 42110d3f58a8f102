/*
 * The naive model of the image cache: plain arrays, linear searches, a number for recency. Included by its test alone.
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

#define NUM_KEYS 24
#define NUM_LANES 3
#define NUM_WAITERS 24
#define NUM_FLIGHTS 32
#define MAX_OBJECTS 512
#define MAX_HELD 16

struct st_model_object_t {
    icache_object_t *real; /* identity; NULL: the place is free */
    int key, linked, was_linked, refs;
    uint64_t charge, expires_ms, recency;
    icache_class_t object_class;
};

struct st_model_flight_t {
    icache_flight_t *real; /* NULL: the place is free */
    int key, flying, num_waiters, landed, abandon_calls, registered;
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
    uint64_t capacity, max_object, now_ms, tick, random;
    struct st_model_object_t objects[MAX_OBJECTS];
    struct st_model_flight_t flights[NUM_FLIGHTS];
    struct st_model_waiter_t waiters[NUM_WAITERS];
    struct st_model_object_t *held[MAX_HELD];
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

static struct st_model_flight_t *model_flying(int key)
{
    for (int i = 0; i < NUM_FLIGHTS; ++i)
        if (m.flights[i].real != NULL && m.flights[i].flying && m.flights[i].key == key)
            return &m.flights[i];
    return NULL;
}

static void model_forget_if_dead(struct st_model_object_t *object)
{
    if (!object->linked && object->refs == 0)
        object->real = NULL;
}

static void model_unlink(struct st_model_object_t *object, icache_reason_t reason)
{
    object->linked = 0;
    m.expected.used_bytes -= object->charge;
    m.expected.class_bytes[object->object_class] -= object->charge;
    --m.expected.class_entries[object->object_class];
    --m.expected.entries;
    ++m.expected.removed[reason];
    m.expected.removed_bytes[reason] += object->charge;
    model_forget_if_dead(object);
}

static struct st_model_object_t *model_oldest(void)
{
    struct st_model_object_t *oldest = NULL;
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked && (oldest == NULL || m.objects[i].recency < oldest->recency))
            oldest = &m.objects[i];
    return oldest;
}

static int model_store(struct st_model_object_t *object, size_t body_len, int keep_existing)
{
    struct st_model_object_t *existing = model_linked(object->key);

    if (m.now_ms >= object->expires_ms)
        return -1;
    if (body_len > m.max_object || object->charge > m.capacity) {
        ++m.expected.removed[ICACHE_REASON_TOO_LARGE];
        m.expected.removed_bytes[ICACHE_REASON_TOO_LARGE] += object->charge;
        return -1;
    }
    if (existing != NULL && keep_existing && m.now_ms < existing->expires_ms)
        return -1;
    if (existing != NULL)
        model_unlink(existing, ICACHE_REASON_REPLACED);
    while (m.expected.used_bytes + object->charge > m.capacity)
        model_unlink(model_oldest(), ICACHE_REASON_CAPACITY);
    object->linked = object->was_linked = 1;
    object->recency = ++m.tick;
    m.expected.used_bytes += object->charge;
    m.expected.class_bytes[object->object_class] += object->charge;
    ++m.expected.class_entries[object->object_class];
    ++m.expected.entries;
    ++m.expected.inserts;
    return 0;
}

/* what a lookup has to find; an expired object goes */
static struct st_model_object_t *model_get(int key)
{
    struct st_model_object_t *object = model_linked(key);

    if (object != NULL && m.now_ms >= object->expires_ms) {
        model_unlink(object, ICACHE_REASON_EXPIRED);
        object = NULL;
    }
    if (object != NULL) {
        object->recency = ++m.tick;
        ++m.expected.hits;
    }
    return object;
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
