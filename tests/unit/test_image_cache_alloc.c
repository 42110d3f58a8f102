/* ldflags: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=aligned_alloc -Wl,--wrap=mmap */
/*
 * The n-th allocation fails, for every n there is: whatever had begun is undone, nothing leaks, and the caches still agree with
 * themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "image_cache/image_cache.h"
#include "image_cache/metadata_cache.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__real_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);

static int countdown, allocations; /* countdown 0: none fails */

static int fails(void)
{
    ++allocations;
    if (countdown == 0 || --countdown != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap(addr, bytes, prot, flags, fd, offset);
}

static int calls, wakes;
static icache_policy_kind_t policy;
static icache_group_t *group; /* of what is inserted; may be NULL */

static void on_wake(void *ctx)
{
    (void)ctx;
    ++wakes;
}

static void on_done(icache_waiter_t *waiter, icache_object_t *object, int64_t error)
{
    (void)waiter;
    (void)error;
    ++calls;
    icache_object_unref(&object);
}

static void insert(icache_t *cache, const char *text, size_t body_len)
{
    icache_key_t key = icache_key(cache, text, strlen(text));
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, 16, body_len);

    if (object == NULL)
        return;
    icache_object_set_group(object, group);
    icache_insert(cache, object, 0);
}

/* a request for a key: a hit or a flight, which ends in an object if there is memory for one */
static void request(icache_t *cache, icache_lane_t *lane, const char *text, size_t body_len)
{
    icache_waiter_t waiter = {.on_done = on_done, .lane = lane, ._flight = (void *)&calls};
    icache_key_t key = icache_key(cache, text, strlen(text));
    icache_object_t *object;
    icache_flight_t *flight;
    int before = calls;

    switch (icache_lookup(cache, &key, 0, &waiter, &object, &flight)) {
    case ICACHE_HIT:
        assert_int_equal(icache_waiter_detach(&waiter), 0);
        icache_object_unref(&object);
        break;
    case ICACHE_LEAD:
        object = icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, 16, body_len);
        int allocations_before = allocations;
        icache_flight_complete(&flight, object, object != NULL ? 0 : -1, 1, 0);
        assert_int_equal(allocations, allocations_before);
        icache_lane_run(lane);
        assert_int_equal(calls, before + 1);
        break;
    case ICACHE_REFUSED:
        assert_int_equal(icache_waiter_detach(&waiter), 0);
        break;
    case ICACHE_WAIT:
    case ICACHE_STALE:
        fail();
    }
    assert_int_equal(icache_check(cache), 0);
}

static void hits_allocate_nothing(icache_t *cache, icache_lane_t *lane, const char *text)
{
    icache_key_t key = icache_key(cache, text, strlen(text));
    icache_waiter_t waiter = {.on_done = on_done, .lane = lane};
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    icache_flight_t *flight;

    if (object == NULL)
        return;
    icache_object_unref(&object);
    int before = allocations;
    assert_int_equal(icache_lookup(cache, &key, 0, &waiter, &object, &flight), ICACHE_HIT);
    assert_int_equal(allocations, before);
    icache_object_unref(&object);
}

static void use_image_cache(void)
{
    icache_config_t config = {.capacity_bytes = 2 << 20, .max_object_bytes = 1 << 20, .seed = 3, .policy = policy};
    icache_t *cache = icache_create(&config);
    icache_lane_t *lane;
    icache_stats_t stats;

    if (cache == NULL)
        return;
    if ((group = icache_group_create(cache, "host", 1 << 20, NULL)) != NULL)
        group = icache_group_create(cache, "path", 1 << 19, group);
    if ((lane = icache_lane_create(cache, on_wake, NULL)) != NULL) {
        request(cache, lane, "a", 100);
        request(cache, lane, "a", 100);
        request(cache, lane, "b", 300000);
        hits_allocate_nothing(cache, lane, "b");
        insert(cache, "c", 900000);
        insert(cache, "d", 900000);
        insert(cache, "e", 50);
        for (int i = 0; i < 300; ++i) {
            char text[16];
            snprintf(text, sizeof(text), "%d", i % 250);
            insert(cache, text, 10000);
        }
        icache_shrink_to(cache, 1000);
        assert_int_equal(icache_check(cache), 0);
        icache_get_stats(cache, &stats);
        assert_int_equal(stats.pinned_bytes + stats.flights + stats.waiters, 0);
        icache_lane_destroy(&lane);
    }
    icache_destroy(&cache);
}

static void use_metadata_cache(void)
{
    icache_meta_t *meta = icache_meta_create(4 * ICACHE_META_SEGMENT_BYTES, 3);
    char key[32], value[1000] = "v", got[1000];

    if (meta == NULL)
        return;
    for (int i = 0; i < 1200; ++i) {
        int len = snprintf(key, sizeof(key), "key-%d", i % 900);
        int stored = icache_meta_put(meta, key, (size_t)len, value, sizeof(value), UINT64_MAX, 0) == 0;
        /* a put that failed leaves no old record behind */
        assert_int_equal(icache_meta_get(meta, key, (size_t)len, 0, got, sizeof(got)), stored ? (long)sizeof(value) : -1);
        /* and only the first segment can fail to be had: later ones are used again */
        assert_true(stored || i == 0);
        if (i % 100 == 0)
            assert_int_equal(icache_meta_check(meta), 0);
    }
    icache_meta_drop_segment(meta);
    assert_int_equal(icache_meta_check(meta), 0);
    icache_meta_destroy(&meta);
}

static void fail_each(void (*use)(void), int at_least)
{
    int n = 0;

    do {
        allocations = 0;
        countdown = ++n;
        use();
    } while (countdown == 0);
    countdown = 0;
    assert_true(n > at_least);
}

static void image_cache(void **state)
{
    (void)state;
    /* a policy takes nothing but what it reserves when the cache is created */
    static const int at_least[ICACHE_NUM_POLICIES] = {
        [ICACHE_POLICY_LRU] = 11, [ICACHE_POLICY_S3_FIFO] = 12, [ICACHE_POLICY_COST] = 13};
    for (int i = 0; i < ICACHE_NUM_POLICIES; ++i) {
        policy = (icache_policy_kind_t)i;
        fail_each(use_image_cache, at_least[i]);
    }
}

static void metadata_cache(void **state)
{
    (void)state;
    fail_each(use_metadata_cache, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_cache),
        cmocka_unit_test(metadata_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
