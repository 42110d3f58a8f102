/*
 * Objects and the index: layout, charge, references, the order of eviction, keys, growth of the table.
 */
#include <stdio.h>
#include <malloc.h>
#include "test_image_cache_fixture.h"
#include "image_cache/image_cache_private.h"

#define PAGE_BYTES 4096
#define HEADER_BYTES 192

static void *block_of(const icache_object_t *object)
{
    return (void *)(uintptr_t)object->key;
}

static int is_cached(icache_t *cache, const char *text)
{
    icache_key_t key = make_key(cache, text);
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    int found = object != NULL;
    icache_object_unref(&object);
    return found;
}

static void layout(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 15, 16, 17, 100, 4095, 4096, 300000};
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);

    for (size_t k = 0; k < 3; ++k)
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); ++i)
            for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); ++j) {
                icache_key_t key = icache_key(cache, "abcdefghijklmnopq", k * 8);
                icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, lens[i], lens[j]);
                assert_non_null(object);
                assert_int_equal((uintptr_t)object->meta % 16, 0);
                assert_int_equal((uintptr_t)object->body % 16, 0);
                assert_true((const char *)object->meta > object->key + object->key_len);
                assert_true(object->body >= (uint8_t *)object->meta + lens[i]);
                for (size_t n = 0; n < lens[i]; ++n)
                    assert_int_equal(((uint8_t *)object->meta)[n], 0);
                memset(object->body, 0xff, lens[j]);
                memset(object->meta, 0xff, lens[i]);
                assert_int_equal(strlen(object->key), k * 8);
                assert_memory_equal(object->key, "abcdefghijklmnopq", k * 8);
                assert_int_equal(object->body_len, lens[j]);
                assert_true(object->expires_ms == UINT64_MAX);
                assert_int_equal(object->object_class, ICACHE_CLASS_SOURCE);
                icache_object_unref(&object);
                assert_null(object);
            }
    icache_destroy(&cache);
}

static void absurd_sizes_are_out_of_memory(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    icache_key_t key = make_key(cache, "k");

    assert_null(icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, 0, SIZE_MAX));
    assert_null(icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, 0, SIZE_MAX - 4096));
    assert_null(icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, SIZE_MAX - 64, 128));
    assert_null(icache_object_create(cache, ICACHE_CLASS_SOURCE, &key, 0, SIZE_MAX / 16));
    icache_destroy(&cache);
}

static void charge_is_what_the_block_takes(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(64 << 20, 64 << 20);
    uint64_t sum = 0;
    char text[32];

    for (int i = 0; i < 200; ++i) {
        snprintf(text, sizeof(text), "key-%d", i);
        icache_object_t *object = make_object(cache, text, (size_t)i * i * 10);
        size_t needed = (size_t)(object->body - (uint8_t *)block_of(object)) + object->body_len;
        size_t unit = needed >= ICACHE_MAP_BYTES ? PAGE_BYTES : ICACHE_ARENA_GRANULE_BYTES;
        uint64_t block = (needed + unit - 1) / unit * unit;
        assert_int_equal(icache_arena_has(cache->slab->arena, block_of(object)), needed < ICACHE_MAP_BYTES);
        assert_int_equal(icache_object_charge(object), block + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES);
        sum += block + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES;
        assert_int_equal(icache_insert(cache, object, 0), 0);
        assert_int_equal(get_stats(cache).used_bytes, sum);
    }
    assert_int_equal(icache_clear(cache), sum);
    assert_int_equal(get_stats(cache).used_bytes, 0);
    assert_int_equal(get_stats(cache).pinned_bytes, 0);
    icache_destroy(&cache);
}

static void lowered_body_gives_its_tail_back(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(64 << 20, 64 << 20);
    icache_object_t *mapped = make_object(cache, "mapped", 10 << 20), *small = make_object(cache, "small", 100000);

    memset(mapped->body, 7, 10 << 20);
    memset(small->body, 8, 100000);
    mapped->body_len = 5000;
    small->body_len = 600;
    icache_object_ref(mapped);
    icache_object_ref(small);
    assert_int_equal(icache_insert(cache, mapped, 0), 0);
    assert_int_equal(icache_insert(cache, small, 0), 0);
    assert_int_equal(icache_object_charge(mapped), 2 * PAGE_BYTES + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES);
    assert_int_equal(icache_object_charge(small), 2 * ICACHE_ARENA_GRANULE_BYTES + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES);
    assert_int_equal(mapped->body[4999], 7);
    assert_int_equal(small->body[599], 8);
    assert_int_equal(get_stats(cache).used_bytes, icache_object_charge(mapped) + icache_object_charge(small));
    /* what was behind the small one is used next, and is not its own any more */
    icache_object_t *next = make_object(cache, "next", 90000);
    assert_ptr_equal(block_of(next), (char *)block_of(small) + 2 * ICACHE_ARENA_GRANULE_BYTES);
    assert_int_equal(small->body[599], 8);
    icache_object_unref(&next);
    icache_object_unref(&mapped);
    icache_object_unref(&small);
    icache_destroy(&cache);
}

/* pinned and unfinished objects of more than twice the capacity: their blocks are outside, and nothing else is different */
static void a_full_arena_is_not_the_end(void **state)
{
    (void)state;
    enum { NUM = 400, BYTES = 250000 };
    static icache_object_t *objects[NUM];
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    size_t outside = 0;

    for (int i = 0; i < NUM; ++i) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        objects[i] = make_object(cache, text, BYTES);
        int inside = icache_arena_has(cache->slab->arena, block_of(objects[i]));
        size_t unit = inside ? ICACHE_ARENA_GRANULE_BYTES : PAGE_BYTES,
               needed = (size_t)(objects[i]->body + BYTES - (uint8_t *)block_of(objects[i]));
        assert_int_equal(icache_object_charge(objects[i]),
                         (needed + unit - 1) / unit * unit + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES);
        outside += !inside;
    }
    assert_true(outside > 0 && outside < NUM / 2);
    icache_object_ref(objects[NUM - 1]);
    objects[NUM - 1]->body_len = 10000;
    assert_int_equal(icache_insert(cache, objects[NUM - 1], 0), 0);
    assert_int_equal(get_stats(cache).used_bytes, 3 * PAGE_BYTES + HEADER_BYTES + ICACHE_INDEX_SHARE_BYTES);
    for (int i = 0; i < NUM; ++i)
        icache_object_unref(&objects[i]);
    icache_object_t *again = make_object(cache, "again", BYTES);
    assert_true(icache_arena_has(cache->slab->arena, block_of(again)));
    icache_object_unref(&again);
    icache_destroy(&cache);
}

static void order_of_eviction(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    uint64_t charge = 0;

    for (const char *text = "a\0b\0c\0d\0"; *text != '\0'; text += 2) {
        icache_object_t *object = make_object(cache, text, 1000);
        charge = icache_object_charge(object);
        assert_int_equal(icache_insert(cache, object, 0), 0);
    }
    /* used last: b, then a; never: c, d */
    assert_true(is_cached(cache, "b"));
    assert_true(is_cached(cache, "a"));
    assert_int_equal(icache_shrink_to(cache, 3 * charge), charge);
    assert_false(is_cached(cache, "c"));
    assert_int_equal(icache_shrink_to(cache, 3 * charge - 1), charge);
    assert_false(is_cached(cache, "d"));
    assert_int_equal(icache_shrink_to(cache, 2 * charge), 0);
    assert_true(is_cached(cache, "b"));
    assert_int_equal(icache_shrink_to(cache, charge), charge);
    assert_false(is_cached(cache, "a"));
    assert_true(is_cached(cache, "b"));
    assert_int_equal(get_stats(cache).removed[ICACHE_REASON_PRESSURE], 3);
    icache_destroy(&cache);
}

static void insert_evicts_oldest_and_no_more_than_needed(void **state)
{
    (void)state;
    icache_object_t *probe;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    probe = make_object(cache, "x", 1000);
    uint64_t charge = icache_object_charge(probe);
    icache_object_unref(&probe);
    icache_destroy(&cache);

    cache = create_cache_of(3 * charge, 1 << 20);
    for (const char *text = "a\0b\0c\0"; *text != '\0'; text += 2)
        assert_int_equal(icache_insert(cache, make_object(cache, text, 1000), 0), 0);
    assert_int_equal(get_stats(cache).used_bytes, 3 * charge);
    assert_true(is_cached(cache, "a"));
    assert_int_equal(icache_insert(cache, make_object(cache, "d", 1000), 0), 0);
    assert_int_equal(get_stats(cache).used_bytes, 3 * charge);
    assert_int_equal(get_stats(cache).removed[ICACHE_REASON_CAPACITY], 1);
    assert_false(is_cached(cache, "b"));
    assert_true(is_cached(cache, "a"));
    assert_true(is_cached(cache, "c"));
    assert_true(is_cached(cache, "d"));
    icache_destroy(&cache);
}

static void too_large_leaves_the_cache_alone(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(100000, 50000);

    assert_int_equal(icache_insert(cache, make_object(cache, "a", 1000), 0), 0);
    assert_int_equal(icache_insert(cache, make_object(cache, "b", 1000), 0), 0);
    icache_stats_t before = get_stats(cache);
    assert_int_equal(icache_insert(cache, make_object(cache, "c", 50001), 0), -1);
    assert_int_equal(icache_insert(cache, make_object(cache, "a", 200000), 0), -1);
    icache_stats_t after = get_stats(cache);
    assert_int_equal(after.used_bytes, before.used_bytes);
    assert_int_equal(after.entries, 2);
    assert_int_equal(after.removed[ICACHE_REASON_TOO_LARGE], 2);
    assert_int_equal(after.removed[ICACHE_REASON_CAPACITY], 0);
    assert_true(is_cached(cache, "a"));
    assert_true(is_cached(cache, "b"));
    /* exactly the limit is allowed */
    assert_int_equal(icache_insert(cache, make_object(cache, "d", 50000), 0), 0);
    icache_destroy(&cache);
}

static void pinned_until_the_last_reader(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    icache_object_t *object = make_object(cache, "a", 1000), *first, *second;
    icache_key_t key = make_key(cache, "a");
    uint64_t charge = icache_object_charge(object);

    icache_insert(cache, object, 0);
    first = icache_get(cache, NULL, &key, 0);
    second = icache_get(cache, NULL, &key, 0);
    assert_int_equal(get_stats(cache).pinned_bytes, 0);
    assert_int_equal(icache_remove(cache, &key), 1);
    assert_int_equal(icache_remove(cache, &key), 0);
    assert_int_equal(get_stats(cache).used_bytes, 0);
    assert_int_equal(get_stats(cache).pinned_bytes, charge);
    icache_object_unref(&first);
    assert_int_equal(get_stats(cache).pinned_bytes, charge);
    icache_object_unref(&second);
    icache_object_unref(&second);
    assert_int_equal(get_stats(cache).pinned_bytes, 0);
    icache_destroy(&cache);
    icache_destroy(&cache);
}

static void readers_outlive_the_cache(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(8 << 20, 1 << 20);
    icache_object_t *small = make_object(cache, "a", 1000), *mapped = make_object(cache, "b", 500000), *evicted;
    icache_key_t key = make_key(cache, "c");

    icache_insert(cache, make_object(cache, "c", 10), 0);
    evicted = icache_get(cache, NULL, &key, 0);
    icache_clear(cache);
    icache_insert(cache, icache_object_ref(small), 0);
    icache_insert(cache, icache_object_ref(mapped), 0);
    icache_destroy(&cache);
    memset(small->body, 1, small->body_len);
    memset(mapped->body, 1, mapped->body_len);
    icache_object_unref(&small);
    icache_object_unref(&mapped);
    icache_object_unref(&evicted);
}

static void equal_hash_is_not_equal_key(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    icache_key_t key = make_key(cache, "a"), same_len = key, longer = key;

    same_len.text = "b";
    longer.text = "ab";
    longer.len = 2;
    icache_insert(cache, make_object(cache, "a", 10), 0);
    assert_null(icache_get(cache, NULL, &same_len, 0));
    assert_null(icache_get(cache, NULL, &longer, 0));
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_RENDITION, &same_len, 0, 10);
    icache_insert(cache, object, 0);
    assert_int_equal(get_stats(cache).entries, 2);
    object = icache_get(cache, NULL, &same_len, 0);
    assert_string_equal(object->key, "b");
    icache_object_unref(&object);
    assert_true(is_cached(cache, "a"));
    assert_int_equal(icache_remove(cache, &same_len), 1);
    assert_true(is_cached(cache, "a"));
    icache_destroy(&cache);
}

static void seed_matters(void **state)
{
    (void)state;
    icache_config_t config = {.capacity_bytes = 1 << 20, .max_object_bytes = 1 << 20, .seed = 1};
    icache_t *one = icache_create(&config);
    config.seed = 2;
    icache_t *two = icache_create(&config);

    assert_true(make_key(one, "a").lo != make_key(two, "a").lo);
    assert_true(make_key(one, "a").lo == make_key(one, "a").lo);
    assert_true(make_key(one, "a").hi != make_key(one, "b").hi);
    icache_destroy(&one);
    icache_destroy(&two);
}

static void linked_once_and_never_expired(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    icache_object_t *object = make_object(cache, "a", 10), *expired = make_object(cache, "b", 10);

    assert_int_equal(icache_insert(cache, icache_object_ref(object), 0), 0);
    assert_int_equal(icache_insert(cache, icache_object_ref(object), 0), -1);
    icache_clear(cache);
    assert_int_equal(icache_insert(cache, object, 0), -1);
    expired->expires_ms = 100;
    assert_int_equal(icache_insert(cache, expired, 100), -1);
    icache_stats_t stats = get_stats(cache);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.inserts, 1);
    assert_int_equal(stats.pinned_bytes, 0);
    icache_destroy(&cache);
}

static void expiry_is_exclusive(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(1 << 20, 1 << 20);
    icache_object_t *object = make_object(cache, "a", 10);
    icache_key_t key = make_key(cache, "a");

    object->expires_ms = 100;
    assert_int_equal(icache_insert(cache, object, 99), 0);
    object = icache_get(cache, NULL, &key, 99);
    assert_non_null(object);
    icache_object_unref(&object);
    assert_null(icache_get(cache, NULL, &key, 100));
    icache_stats_t stats = get_stats(cache);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.removed[ICACHE_REASON_EXPIRED], 1);
    assert_int_equal(stats.hits, 1);
    icache_destroy(&cache);
}

/* the table splits and joins its buckets all the way up and down, and never takes more than its share */
static void table_grows_and_shrinks(void **state)
{
    (void)state;
    enum { NUM = 30000 };
    icache_t *cache = create_cache_of(64 << 20, 1 << 20);
    char text[32];

    for (int i = 0; i < NUM; ++i) {
        snprintf(text, sizeof(text), "key-%d", i);
        assert_int_equal(icache_insert(cache, make_object(cache, text, 0), 0), 0);
        if (i % 997 == 0)
            assert_int_equal(icache_check(cache), 0);
    }
    assert_int_equal(get_stats(cache).entries, NUM);
    assert_true(cache->index.table.num_buckets >= 2 * NUM);
    for (int i = 0; i < NUM; ++i) {
        snprintf(text, sizeof(text), "key-%d", i);
        assert_true(is_cached(cache, text));
    }
    for (int i = 0; i < NUM; ++i) {
        snprintf(text, sizeof(text), "key-%d", (i * 7919) % NUM);
        icache_key_t key = make_key(cache, text);
        assert_int_equal(icache_remove(cache, &key), 1);
        if (i % 997 == 0)
            assert_int_equal(icache_check(cache), 0);
    }
    assert_int_equal(get_stats(cache).entries, 0);
    assert_int_equal(cache->index.table.num_buckets, ICACHE_TABLE_MIN_BUCKETS);
    assert_true(cache->index.table.touched_buckets < 20 * ICACHE_TABLE_MIN_BUCKETS);
    icache_destroy(&cache);
}

static void huge_capacity(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(UINT64_MAX, UINT64_MAX);

    assert_int_equal(icache_insert(cache, make_object(cache, "a", 1000), 0), 0);
    assert_true(is_cached(cache, "a"));
    assert_int_equal(icache_check(cache), 0);
    icache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(absurd_sizes_are_out_of_memory),
        cmocka_unit_test(charge_is_what_the_block_takes),
        cmocka_unit_test(lowered_body_gives_its_tail_back),
        cmocka_unit_test(a_full_arena_is_not_the_end),
        cmocka_unit_test(order_of_eviction),
        cmocka_unit_test(insert_evicts_oldest_and_no_more_than_needed),
        cmocka_unit_test(too_large_leaves_the_cache_alone),
        cmocka_unit_test(pinned_until_the_last_reader),
        cmocka_unit_test(readers_outlive_the_cache),
        cmocka_unit_test(equal_hash_is_not_equal_key),
        cmocka_unit_test(seed_matters),
        cmocka_unit_test(linked_once_and_never_expired),
        cmocka_unit_test(expiry_is_exclusive),
        cmocka_unit_test(table_grows_and_shrinks),
        cmocka_unit_test(huge_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
