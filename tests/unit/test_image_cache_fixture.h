/*
 * What the image cache's tests have in common: a cache, keys and objects of it, and its stats after a consistency walk.
 */
#ifndef tests__unit__test_image_cache_fixture_h
#define tests__unit__test_image_cache_fixture_h

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "image_cache/image_cache.h"

static inline icache_t *create_cache_of(uint64_t capacity_bytes, uint64_t max_object_bytes)
{
    icache_config_t config = {.capacity_bytes = capacity_bytes, .max_object_bytes = max_object_bytes, .seed = 0x5eed};
    icache_t *cache = icache_create(&config);
    assert_non_null(cache);
    return cache;
}

static inline icache_t *create_cache(void)
{
    return create_cache_of(8 << 20, 1 << 20);
}

static inline icache_key_t make_key(icache_t *cache, const char *text)
{
    return icache_key(cache, text, strlen(text));
}

static inline icache_object_t *make_object(icache_t *cache, const char *text, size_t body_len)
{
    icache_key_t key = make_key(cache, text);
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, body_len);
    assert_non_null(object);
    memset(object->body, 'x', body_len);
    return object;
}

static inline icache_stats_t get_stats(icache_t *cache)
{
    icache_stats_t stats;
    assert_int_equal(icache_check(cache), 0);
    icache_get_stats(cache, &stats);
    return stats;
}

#endif
