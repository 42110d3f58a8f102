/*
 * The metadata cache: against a naive model that knows which records each segment got, at its limits, and what a drop does to the
 * resident set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "image_cache/metadata_cache.h"

#define SEG ICACHE_META_SEGMENT_BYTES
#define NUM_KEYS 3000
#define MAX_VALUE 1500

static uint64_t random_state;

static size_t draw(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

static icache_meta_stats_t get_stats(icache_meta_t *meta)
{
    icache_meta_stats_t stats;
    icache_meta_get_stats(meta, &stats);
    assert_true(stats.used_bytes <= stats.capacity_bytes);
    return stats;
}

/* the model: an array of keys with what was put last, and in which segment (counted from the first ever) it went */

static struct {
    icache_meta_t *meta;
    struct {
        int present;
        long segment;
        uint64_t serial, expires_ms;
        size_t len;
    } records[NUM_KEYS];
    long oldest, newest; /* segments; newest < oldest: none */
    size_t newest_used, max_segments;
    uint64_t now_ms, serial, hits, misses, inserts, dropped;
} m;

static size_t make_key(char *key, size_t size, size_t number)
{
    return (size_t)snprintf(key, size, "http://origin/%zu/%0*d.jpg", number, (int)(number % 90) + 1, 0);
}

static void make_value(uint8_t *value, size_t len, uint64_t serial)
{
    for (size_t i = 0; i < len; ++i)
        value[i] = (uint8_t)(serial * 31 + i);
}

static void model_drop_oldest(void)
{
    for (size_t i = 0; i < NUM_KEYS; ++i)
        if (m.records[i].present && m.records[i].segment == m.oldest) {
            m.records[i].present = 0;
            ++m.dropped;
        }
    ++m.oldest;
}

static void model_append(size_t number, size_t key_len, size_t len)
{
    size_t bytes = (20 + key_len + len + 15) / 16 * 16;

    if (m.newest < m.oldest || m.newest_used + bytes > SEG) {
        if ((size_t)(m.newest - m.oldest + 1) == m.max_segments)
            model_drop_oldest();
        ++m.newest;
        m.newest_used = 0;
    }
    m.newest_used += bytes;
    m.records[number].present = 1;
    m.records[number].segment = m.newest;
    m.records[number].len = len;
    ++m.inserts;
}

static void step_put(void)
{
    char key[200];
    uint8_t value[MAX_VALUE];
    size_t number = draw(NUM_KEYS), key_len = make_key(key, sizeof(key), number), len = draw(MAX_VALUE);
    uint64_t expires_ms = draw(4) == 0 ? UINT64_MAX : m.now_ms + draw(5000);

    if (draw(200) == 0) {
        m.records[number].present = 0;
        assert_int_equal(icache_meta_put(m.meta, key, key_len, value, ICACHE_META_MAX_VALUE_BYTES + 1, expires_ms, 0), -1);
        return;
    }
    m.records[number].present = 0;
    m.records[number].serial = ++m.serial;
    m.records[number].expires_ms = expires_ms;
    model_append(number, key_len, len);
    make_value(value, len, m.serial);
    assert_int_equal(icache_meta_put(m.meta, key, key_len, value, len, expires_ms, 0), 0);
}

static void step_get(void)
{
    char key[200];
    uint8_t got[MAX_VALUE], expected[MAX_VALUE];
    size_t number = draw(NUM_KEYS), key_len = make_key(key, sizeof(key), number);
    size_t room = draw(10) == 0 ? draw(MAX_VALUE) : MAX_VALUE;
    long len = icache_meta_get(m.meta, key, key_len, m.now_ms, got, room);

    if (m.records[number].present && m.now_ms >= m.records[number].expires_ms)
        m.records[number].present = 0;
    if (m.records[number].present && m.records[number].len <= room) {
        ++m.hits;
        assert_int_equal(len, m.records[number].len);
        make_value(expected, (size_t)len, m.records[number].serial);
        assert_memory_equal(got, expected, (size_t)len);
    } else {
        ++m.misses;
        assert_int_equal(len, -1);
    }
}

static void step_remove(void)
{
    char key[200];
    size_t number = draw(NUM_KEYS), key_len = make_key(key, sizeof(key), number);

    assert_int_equal(icache_meta_remove(m.meta, key, key_len), m.records[number].present);
    m.records[number].present = 0;
}

static void step_drop(void)
{
    size_t segments = (size_t)(m.newest - m.oldest + 1), count = draw(segments + 2);
    uint64_t index_bytes, segment_bytes;

    for (size_t i = 0; i < count; ++i) {
        assert_int_equal(icache_meta_drop_segment(m.meta), i < segments ? SEG : 0);
        if (i < segments)
            model_drop_oldest();
    }
    icache_meta_get_usage(m.meta, &index_bytes, &segment_bytes);
    assert_int_equal(segment_bytes, (count < segments ? segments - count : 0) * SEG);
}

static void compare(uint64_t index_bytes)
{
    icache_meta_stats_t stats = get_stats(m.meta);
    uint64_t entries = 0;

    for (size_t i = 0; i < NUM_KEYS; ++i)
        entries += (uint64_t)m.records[i].present;
    assert_int_equal(stats.entries, entries);
    assert_int_equal(stats.used_bytes, index_bytes + (uint64_t)(m.newest - m.oldest + 1) * SEG);
    assert_int_equal(stats.hits, m.hits);
    assert_int_equal(stats.misses, m.misses);
    assert_int_equal(stats.inserts, m.inserts);
    assert_int_equal(stats.dropped, m.dropped);
}

static void run_model(uint64_t seed, uint64_t capacity, int steps)
{
    memset(&m, 0, sizeof(m));
    random_state = seed;
    m.newest = -1;
    m.now_ms = 1000;
    m.meta = icache_meta_create(capacity, seed);
    assert_non_null(m.meta);
    uint64_t index_bytes = get_stats(m.meta).used_bytes;
    assert_true(index_bytes >= get_stats(m.meta).capacity_bytes / 16 &&
                index_bytes <= get_stats(m.meta).capacity_bytes / 16 + 4096);
    m.max_segments = (size_t)((get_stats(m.meta).capacity_bytes - index_bytes) / SEG);
    assert_true(m.max_segments >= 2);
    for (int i = 0; i < steps; ++i) {
        size_t kind = draw(1000);
        if (kind < 500)
            step_put();
        else if (kind < 900)
            step_get();
        else if (kind < 960)
            step_remove();
        else if (kind < 998)
            m.now_ms += draw(200);
        else
            step_drop();
        compare(index_bytes);
        if (i % 64 == 0)
            assert_int_equal(icache_meta_check(m.meta), 0);
    }
    assert_int_equal(icache_meta_check(m.meta), 0);
    icache_meta_destroy(&m.meta);
    assert_null(m.meta);
    icache_meta_destroy(&m.meta);
}

static void random_steps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; ++seed)
        run_model(seed, 1500000, 20000);
    run_model(7, 0, 10000);
}

static void record_that_does_not_fit_is_gone(void **state)
{
    (void)state;
    icache_meta_t *meta = icache_meta_create(0, 1);
    static char big_key[ICACHE_META_MAX_KEY_BYTES + 1], value[ICACHE_META_MAX_VALUE_BYTES + 1], got[sizeof(value)];

    assert_int_equal(icache_meta_put(meta, "a", 1, "old", 3, UINT64_MAX, 0), 0);
    assert_int_equal(icache_meta_put(meta, "a", 1, value, sizeof(value), UINT64_MAX, 0), -1);
    assert_int_equal(icache_meta_get(meta, "a", 1, 0, got, sizeof(got)), -1);
    assert_int_equal(icache_meta_put(meta, big_key, sizeof(big_key), value, 1, UINT64_MAX, 0), -1);
    /* the largest that may be, and the smallest */
    assert_int_equal(icache_meta_put(meta, big_key, sizeof(big_key) - 1, value, sizeof(value) - 1, UINT64_MAX, 0), 0);
    assert_int_equal(icache_meta_get(meta, big_key, sizeof(big_key) - 1, 0, got, sizeof(got)), sizeof(value) - 1);
    assert_int_equal(icache_meta_put(meta, "", 0, NULL, 0, UINT64_MAX, 0), 0);
    assert_int_equal(icache_meta_get(meta, "", 0, 0, NULL, 0), 0);
    assert_int_equal(icache_meta_check(meta), 0);
    icache_meta_destroy(&meta);
}

static void expiry_is_exclusive(void **state)
{
    (void)state;
    icache_meta_t *meta = icache_meta_create(0, 1);
    char got[8];

    icache_meta_put(meta, "a", 1, "v", 1, 100, 0);
    assert_int_equal(icache_meta_get(meta, "a", 1, 99, got, sizeof(got)), 1);
    assert_int_equal(icache_meta_get(meta, "a", 1, 100, got, sizeof(got)), -1);
    assert_int_equal(get_stats(meta).entries, 0);
    icache_meta_destroy(&meta);
}

/* records so small that the index is full before the bytes are */
static void tiny_records(void **state)
{
    (void)state;
    icache_meta_t *meta = icache_meta_create(1 << 20, 1);
    char got[8];

    for (uint32_t i = 0; i < 60000; ++i) {
        assert_int_equal(icache_meta_put(meta, (const char *)&i, sizeof(i), "v", 1, UINT64_MAX, 0), 0);
        assert_int_equal(icache_meta_get(meta, (const char *)&i, sizeof(i), 0, got, sizeof(got)), 1);
        if (i % 500 == 0)
            assert_int_equal(icache_meta_check(meta), 0);
    }
    icache_meta_stats_t stats = get_stats(meta);
    assert_int_equal(stats.inserts, 60000);
    assert_int_equal(stats.entries + stats.dropped, 60000);
    assert_true(stats.entries > 0);
    icache_meta_destroy(&meta);
}

static int is_even(void *ctx, const char *key, size_t key_len)
{
    uint32_t number;

    assert_int_equal(key_len, sizeof(number));
    memcpy(&number, key, sizeof(number));
    ++*(uint32_t *)ctx;
    return number % 2 == 0;
}

/* over several segments, with copies that were replaced before; and what was learnt before a purge does not come back after it */
static void purge(void **state)
{
    (void)state;
    icache_meta_t *meta = icache_meta_create(4 << 20, 1);
    uint64_t epoch = icache_meta_epoch(meta);
    char value[500] = "v", got[500];
    uint32_t visits = 0;

    for (uint32_t i = 0; i < 2200; ++i) {
        uint32_t key = i % 2000;
        assert_int_equal(icache_meta_put(meta, (const char *)&key, sizeof(key), value, sizeof(value), UINT64_MAX, epoch), 0);
    }
    assert_int_equal(icache_meta_purge(meta, is_even, &visits), 1000);
    assert_in_range(visits, 2000, 2200);
    assert_int_equal(get_stats(meta).entries, 1000);
    assert_int_equal(icache_meta_check(meta), 0);
    for (uint32_t i = 0; i < 2000; ++i) {
        long expected = i % 2 == 0 ? -1 : (long)sizeof(value);
        assert_int_equal(icache_meta_get(meta, (const char *)&i, sizeof(i), 0, got, sizeof(got)), expected);
        assert_int_equal(icache_meta_put(meta, (const char *)&i, sizeof(i), "new", 3, UINT64_MAX, epoch), -1);
        assert_int_equal(icache_meta_get(meta, (const char *)&i, sizeof(i), 0, got, sizeof(got)), expected);
    }
    assert_int_equal(icache_meta_put(meta, "abcd", 4, "new", 3, UINT64_MAX, icache_meta_epoch(meta)), 0);
    assert_int_equal(icache_meta_get(meta, "abcd", 4, 0, got, sizeof(got)), 3);
    icache_meta_destroy(&meta);
}

static uint64_t rss_bytes(void)
{
    char text[128], *end;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    strtoul(text, &end, 10);
    return strtoul(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void dropped_segments_leave_the_resident_set(void **state)
{
    (void)state;
    icache_meta_t *meta = icache_meta_create(64 << 20, 1);
    char key[200], value[300];

    memset(value, 1, sizeof(value));
    for (size_t i = 0; i < 150000; ++i)
        assert_int_equal(icache_meta_put(meta, key, make_key(key, sizeof(key), i), value, sizeof(value), UINT64_MAX, 0), 0);
    icache_meta_stats_t stats = get_stats(meta);
    assert_true(stats.used_bytes > 50 << 20);
    static const uint64_t portions[] = {12 << 20, 20 << 20, UINT64_MAX};
    for (int i = 0; i < 3; ++i) {
        uint64_t before = rss_bytes(), claimed = 0, dropped = 1;
        while (claimed < portions[i] && dropped != 0)
            claimed += dropped = icache_meta_drop_segment(meta);
        uint64_t after = rss_bytes();
        print_message("claimed %.1f MiB, gone %.1f MiB\n", (double)claimed / 1048576, (double)(before - after) / 1048576);
        assert_true(claimed >= (5 << 20));
        assert_true(before > after && (before - after) * 100 >= claimed * 95);
        assert_int_equal(icache_meta_check(meta), 0);
    }
    assert_int_equal(get_stats(meta).entries, 0);
    icache_meta_destroy(&meta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps),
        cmocka_unit_test(record_that_does_not_fit_is_gone),
        cmocka_unit_test(expiry_is_exclusive),
        cmocka_unit_test(tiny_records),
        cmocka_unit_test(purge),
        cmocka_unit_test(dropped_segments_leave_the_resident_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
