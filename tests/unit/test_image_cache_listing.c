/*
 * Listing what is in the cache: keys that are too long, the walk beside others, and what it must not touch. (That the right entries
 * come first is test_image_cache_model.c's.)
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include "tests/unit/test_image_cache_fixture.h"
#include "image_cache/listing.h"

#define NUM_ROUNDS 3000
#define NUM_KEYS 700

static void insert(icache_t *cache, const char *text, size_t body_len)
{
    icache_insert(cache, make_object(cache, text, body_len), 0);
}

static void test_long_keys_are_cut(void **state)
{
    static icache_entry_t entry;
    char text[ICACHE_ENTRY_KEY_MAX + 2];
    uint64_t scanned;

    (void)state;
    for (size_t len = ICACHE_ENTRY_KEY_MAX - 1; len <= ICACHE_ENTRY_KEY_MAX + 1; ++len) {
        icache_t *cache = create_cache();
        memset(text, 'k', len);
        text[len] = '\0';
        insert(cache, text, 100);
        assert_int_equal(icache_list(cache, ICACHE_ORDER_BYTES, &entry, 1, &scanned), 1);
        assert_int_equal(entry.key_len, len);
        assert_int_equal(strlen(entry.key), len < ICACHE_ENTRY_KEY_MAX ? len : ICACHE_ENTRY_KEY_MAX);
        icache_destroy(&cache);
    }
}

/* what is pinned, or being made, is not in the cache; and to be listed is no use */
static void test_only_what_is_linked(void **state)
{
    static icache_entry_t entries[4];
    icache_t *cache = create_cache();
    icache_object_t *made = make_object(cache, "being made", 100);
    uint64_t scanned;

    (void)state;
    assert_int_equal(icache_list(cache, ICACHE_ORDER_BYTES, entries, 4, &scanned), 0);
    insert(cache, "linked", 100);
    insert(cache, "pinned", 200);
    icache_key_t key = make_key(cache, "pinned");
    icache_object_t *pinned = icache_get(cache, NULL, &key, 0);
    icache_remove(cache, &key);
    assert_int_equal(icache_list(cache, ICACHE_ORDER_BYTES, entries, 4, &scanned), 1);
    assert_string_equal(entries[0].key, "linked");
    assert_int_equal(scanned, 1);
    assert_int_equal(icache_list(cache, ICACHE_ORDER_HITS, entries, 0, &scanned), 0);
    assert_int_equal(scanned, 1);
    assert_int_equal(get_stats(cache).hits, 1);
    icache_object_unref(&pinned);
    icache_object_unref(&made);
    icache_destroy(&cache);
}

/* --- beside others who insert and clear */

static _Atomic int is_over;

static void *churn(void *_cache)
{
    icache_t *cache = _cache;
    char text[32];

    for (unsigned i = 0; !atomic_load(&is_over); ++i) {
        snprintf(text, sizeof(text), "key-%u", i * 31 % NUM_KEYS);
        insert(cache, text, 100 + i % 3000);
        if (i % 5000 == 0)
            icache_clear(cache);
    }
    return NULL;
}

static void test_beside_others(void **state)
{
    static icache_entry_t entries[16];
    icache_t *cache = create_cache();
    pthread_t threads[2];
    uint64_t scanned;

    (void)state;
    for (size_t i = 0; i != 2; ++i)
        assert_int_equal(pthread_create(threads + i, NULL, churn, cache), 0);
    for (int round = 0; round != NUM_ROUNDS; ++round) {
        icache_order_t order = (icache_order_t)(round % 3);
        size_t size = icache_list(cache, order, entries, 16, &scanned);
        assert_true(size <= scanned || scanned == 0);
        for (size_t i = 0; i != size; ++i) {
            assert_memory_equal(entries[i].key, "key-", 4);
            assert_int_equal(entries[i].key_len, strlen(entries[i].key));
            assert_true(i == 0 || entries[i - 1]._rank >= entries[i]._rank);
        }
    }
    atomic_store(&is_over, 1);
    for (size_t i = 0; i != 2; ++i)
        pthread_join(threads[i], NULL);
    assert_int_equal(icache_check(cache), 0);
    icache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_keys_are_cut),
        cmocka_unit_test(test_only_what_is_linked),
        cmocka_unit_test(test_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
