/*
 * Who goes first, policy by policy; what survives a scan; who is remembered; and that a hit leaves the queues alone.
 */
#include <stdio.h>
#include "image_cache/image_cache_private.h"
#include "tests/unit/test_image_cache_fixture.h"

#define BODY_BYTES 300000 /* large enough for a mapping: all charges are equal */

static const char *name_of(int number)
{
    static char text[16];
    snprintf(text, sizeof(text), "key-%05d", number);
    return text;
}

/* its body is never touched */
static icache_object_t *make_number(icache_t *cache, int number, size_t body_len)
{
    icache_key_t key = make_key(cache, name_of(number));
    icache_object_t *object = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, body_len);
    assert_non_null(object);
    return object;
}

static uint64_t charge_of(size_t body_len)
{
    icache_t *cache = create_cache();
    icache_object_t *object = make_number(cache, 0, body_len);
    uint64_t charge = icache_object_charge(object);

    icache_object_unref(&object);
    icache_destroy(&cache);
    return charge;
}

/* with room for so many objects of BODY_BYTES, beside the ghosts */
static icache_t *create_for(icache_policy_kind_t policy, unsigned num_objects)
{
    icache_config_t config = {.max_object_bytes = 1 << 24, .seed = 0x5eed, .policy = policy};

    config.capacity_bytes = num_objects * charge_of(BODY_BYTES);
    for (uint64_t ghosts = 64; policy != ICACHE_POLICY_LRU && ghosts * 512 <= config.capacity_bytes; ghosts *= 2)
        if (ghosts * 1024 > config.capacity_bytes)
            config.capacity_bytes += ghosts;
    icache_t *cache = icache_create(&config);
    assert_non_null(cache);
    assert_int_equal(config.capacity_bytes, num_objects * charge_of(BODY_BYTES) + cache->index.policy.reserved_bytes);
    return cache;
}

static int insert_of(icache_t *cache, int number, size_t body_len, uint32_t cost_us)
{
    icache_object_t *object = make_number(cache, number, body_len);

    object->cost_us = cost_us;
    int result = icache_insert(cache, object, 0);
    assert_int_equal(icache_check(cache), 0);
    return result;
}

static int insert(icache_t *cache, int number)
{
    return insert_of(cache, number, BODY_BYTES, 1000);
}

static int hit(icache_t *cache, int number)
{
    icache_key_t key = make_key(cache, name_of(number));
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    int found = object != NULL;

    icache_object_unref(&object);
    return found;
}

/* without a hit */
static const icache_object_t *find(icache_t *cache, int number)
{
    icache_key_t key = make_key(cache, name_of(number));
    return icache_table_find(&cache->index.table, &key);
}

static int is_in_small(icache_t *cache, int number)
{
    assert_non_null(find(cache, number));
    return find(cache, number)->_in_small;
}

static void expect_next(icache_t *cache, int number)
{
    icache_stats_t before = get_stats(cache);

    assert_non_null(find(cache, number));
    assert_true(icache_shrink_to(cache, before.used_bytes - 1) > 0);
    assert_null(find(cache, number));
    assert_int_equal(get_stats(cache).entries, before.entries - 1);
}

static void fill(icache_t *cache, int from, int to)
{
    for (int i = from; i < to; ++i)
        assert_int_equal(insert(cache, i), 0);
}

/* an object that replaces one of its key goes to the main queue */
static void insert_to_main(icache_t *cache, int number, size_t body_len, uint32_t cost_us)
{
    assert_int_equal(insert_of(cache, number, body_len, cost_us), 0);
    assert_int_equal(insert_of(cache, number, body_len, cost_us), 0);
    assert_false(is_in_small(cache, number));
}

static void lru_is_not_fifo(void **state)
{
    (void)state;
    icache_t *cache = create_for(ICACHE_POLICY_LRU, 5);

    fill(cache, 0, 5);
    assert_true(hit(cache, 1) && hit(cache, 0));
    for (int i = 2; i < 5; ++i)
        expect_next(cache, i);
    expect_next(cache, 1);
    expect_next(cache, 0);
    icache_destroy(&cache);
}

static void probation_is_fifo(void **state)
{
    icache_t *cache = create_for(*(icache_policy_kind_t *)*state, 200);

    fill(cache, 0, 200);
    assert_int_equal(get_stats(cache).used_bytes, 200 * charge_of(BODY_BYTES));
    /* a hit saves 1 and 3, whatever the order of the hits */
    assert_true(hit(cache, 3) && hit(cache, 1));
    expect_next(cache, 0);
    assert_true(is_in_small(cache, 1));
    expect_next(cache, 2);
    assert_false(is_in_small(cache, 1));
    expect_next(cache, 4);
    assert_false(is_in_small(cache, 3));
    assert_true(is_in_small(cache, 5));
    icache_destroy(&cache);
}

/* newcomers give way until less than a tenth is theirs */
static void drain_small(icache_t *cache, int from, int to)
{
    for (int i = from; i < to - 19; ++i)
        expect_next(cache, i);
    for (int i = to - 19; i < to; ++i)
        assert_true(is_in_small(cache, i));
}

static void s3_fifo_gives_a_round_per_hit(void **state)
{
    (void)state;
    icache_t *cache = create_for(ICACHE_POLICY_S3_FIFO, 200);

    for (int i = 0; i < 160; ++i)
        insert_to_main(cache, i, BODY_BYTES, 1000);
    fill(cache, 160, 200);
    for (int i = 0; i < 9; ++i)
        assert_true(hit(cache, 0));
    assert_true(hit(cache, 1));
    drain_small(cache, 160, 200);
    for (int i = 2; i < 160; ++i)
        expect_next(cache, i);
    expect_next(cache, 1);
    assert_int_equal(icache_object_hits(find(cache, 0)), 1); /* of at most three, two rounds were taken */
    expect_next(cache, 0);
    expect_next(cache, 181);
    icache_destroy(&cache);
}

static void cost_evicts_what_saves_least(void **state)
{
    (void)state;
    icache_t *cache = create_for(ICACHE_POLICY_COST, 200);

    /* work per byte: 2 < 3 < 0 < 1, but twice 2 is more than 3 */
    insert_to_main(cache, 0, BODY_BYTES, 3000);
    insert_to_main(cache, 1, BODY_BYTES, 9000);
    insert_to_main(cache, 2, 4 * BODY_BYTES, 3000);
    insert_to_main(cache, 3, BODY_BYTES, 2000);
    for (int i = 4; i < 150; ++i)
        insert_to_main(cache, i, BODY_BYTES, 1000000);
    fill(cache, 160, 200);
    drain_small(cache, 160, 200);
    assert_true(hit(cache, 2));
    expect_next(cache, 3);
    expect_next(cache, 2);
    expect_next(cache, 0);
    expect_next(cache, 1);
    /* by now a new one that is worth less ranks above what 1 had, and is still the next */
    double inflation = cache->index.policy.heap.inflation;
    assert_true(inflation > .02);
    insert_to_main(cache, 300, BODY_BYTES, 0);
    assert_true(find(cache, 300)->_priority > inflation);
    for (int i = 0; i < 99; ++i)
        assert_true(hit(cache, 4));
    assert_int_equal(icache_object_hits(find(cache, 4)), 15);
    expect_next(cache, 300);
    /* equal ranks: the first that was ranked; 4 was hit */
    expect_next(cache, 5);
    expect_next(cache, 6);
    assert_int_equal(find(cache, 4)->_ranked_hits, 15);
    icache_destroy(&cache);
}

static int survivors_of_a_scan(icache_policy_kind_t policy)
{
    icache_t *cache = create_for(policy, 200);
    int survivors = 0;

    fill(cache, 0, 100);
    for (int i = 0; i < 100; ++i)
        assert_true(hit(cache, i));
    for (int i = 1000; i < 4000; ++i)
        insert(cache, i);
    for (int i = 0; i < 100; ++i)
        survivors += hit(cache, i);
    icache_destroy(&cache);
    return survivors;
}

static void scan(void **state)
{
    (void)state;
    assert_int_equal(survivors_of_a_scan(ICACHE_POLICY_LRU), 0);
    assert_int_equal(survivors_of_a_scan(ICACHE_POLICY_S3_FIFO), 100);
    assert_int_equal(survivors_of_a_scan(ICACHE_POLICY_COST), 100);
}

static void who_comes_back_is_known(void **state)
{
    icache_t *cache = create_for(*(icache_policy_kind_t *)*state, 200);
    uint64_t reserved = cache->index.policy.reserved_bytes, full = 200 * charge_of(BODY_BYTES);

    assert_true(reserved > 0);
    fill(cache, 0, 200);
    assert_int_equal(get_stats(cache).used_bytes, full);
    assert_int_equal(insert(cache, 200), 0); /* evicts 0 */
    assert_int_equal(get_stats(cache).used_bytes, full + reserved);
    assert_int_equal(insert(cache, 0), 0); /* evicts 1 */
    assert_false(is_in_small(cache, 0));
    assert_true(is_in_small(cache, 200));
    /* once */
    icache_key_t key = make_key(cache, name_of(0));
    assert_int_equal(icache_remove(cache, &key), 1);
    assert_int_equal(insert(cache, 0), 0);
    assert_true(is_in_small(cache, 0));
    /* what goes under pressure is not remembered, and in the end nobody is */
    expect_next(cache, 2);
    assert_int_equal(insert(cache, 2), 0);
    assert_true(is_in_small(cache, 2));
    assert_int_equal(icache_clear(cache), full + reserved);
    assert_int_equal(get_stats(cache).used_bytes, 0);
    assert_int_equal(insert(cache, 1), 0);
    assert_true(is_in_small(cache, 1));
    icache_destroy(&cache);
}

static void who_expired_is_known(void **state)
{
    icache_t *cache = create_for(*(icache_policy_kind_t *)*state, 200);
    icache_key_t key = make_key(cache, name_of(150));

    fill(cache, 0, 150);
    icache_object_t *object = make_number(cache, 150, BODY_BYTES);
    object->expires_ms = 10;
    assert_int_equal(icache_insert(cache, object, 0), 0);
    assert_true(is_in_small(cache, 150));
    assert_null(icache_get(cache, NULL, &key, 10));
    assert_int_equal(insert(cache, 150), 0);
    assert_false(is_in_small(cache, 150));
    icache_destroy(&cache);
}

static void large_ones_have_to_come_twice(void **state)
{
    icache_t *cache = create_for(*(icache_policy_kind_t *)*state, 200);
    size_t large = 3 * BODY_BYTES; /* an eighth of a tenth is two and a half objects */

    fill(cache, 0, 197);
    assert_int_equal(insert_of(cache, 500, large - BODY_BYTES, 0), 0); /* there was room */
    assert_true(is_in_small(cache, 500));
    assert_int_equal(insert_of(cache, 501, large - BODY_BYTES, 0), 0); /* small enough */
    icache_stats_t before = get_stats(cache);
    assert_int_equal(insert_of(cache, 502, large, 0), -1);
    icache_stats_t after = get_stats(cache);
    assert_int_equal(after.entries, before.entries);
    assert_int_equal(after.not_admitted, 1);
    assert_int_equal(after.inserts, before.inserts);
    assert_int_equal(insert_of(cache, 502, large, 0), 0);
    assert_false(is_in_small(cache, 502));
    /* one that replaces another is known */
    assert_int_equal(insert_of(cache, 190, large, 0), 0);
    assert_false(is_in_small(cache, 190));
    assert_int_equal(get_stats(cache).not_admitted, 1);
    icache_destroy(&cache);
}

struct st_order_t {
    const icache_object_t *objects[200];
    size_t count;
};

static int note(void *ctx, const icache_object_t *object)
{
    struct st_order_t *order = ctx;
    order->objects[order->count++] = object;
    return 0;
}

static struct st_order_t order_of(icache_t *cache)
{
    struct st_order_t order = {.count = 0};
    assert_int_equal(cache->index.policy.ops->walk(&cache->index.policy, note, &order), 0);
    return order;
}

static void hits_touch_no_list(void **state)
{
    icache_t *cache = create_for(*(icache_policy_kind_t *)*state, 200);

    for (int i = 0; i < 100; ++i)
        insert_to_main(cache, i, BODY_BYTES, 1000);
    fill(cache, 100, 200);
    struct st_order_t before = order_of(cache);
    for (int i = 0; i < 5000; ++i)
        assert_true(hit(cache, i * 37 % 200));
    struct st_order_t after = order_of(cache);
    assert_int_equal(after.count, 200);
    assert_memory_equal(&before, &after, sizeof(before));
    icache_destroy(&cache);
}

/* pages of the heap's array come and go */
static void heap_grows_and_shrinks(void **state)
{
    (void)state;
    enum { NUM = 30000 };
    icache_config_t config = {.capacity_bytes = 64 << 20, .max_object_bytes = 1 << 20, .seed = 1, .policy = ICACHE_POLICY_COST};
    icache_t *cache = icache_create(&config);
    const icache_heap_t *heap = &cache->index.policy.heap;

    for (int i = 0; i < 2 * NUM; ++i) {
        icache_object_t *object = make_number(cache, i / 2, 0);
        object->cost_us = (uint32_t)(i / 2 * 7919 % NUM);
        assert_int_equal(icache_insert(cache, object, 0), 0);
    }
    assert_int_equal(heap->num_objects, NUM);
    assert_int_equal(icache_check(cache), 0);
    for (int i = 0; i < NUM; ++i) {
        icache_key_t key = make_key(cache, name_of(i * 7919 % NUM));
        assert_int_equal(icache_remove(cache, &key), 1);
        if (i % 997 == 0)
            assert_int_equal(icache_check(cache), 0);
    }
    assert_int_equal(heap->num_objects, 0);
    assert_true(heap->touched <= 16 * 512);
    icache_destroy(&cache);
}

static void size_of_small(void **state)
{
    (void)state;
    static const struct {
        uint64_t capacity, num_objects, object_bytes, expected;
    } cases[] = {
        {1000, 0, 0, 100},
        {1000, 1000, 1000, 100}, /* many: a tenth */
        {10000, 160, 10000, 1000},
        {10000, 156, 9984, 1024}, /* 16 of average size */
        {10000, 40, 10000, 4000},
        {10000, 32, 9984, 4992},
        {10000, 31, 10000, 0},
        {10000, 1, 9000, 0}, /* too few */
        {0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); ++i)
        assert_int_equal(icache_probation_small_bytes(cases[i].capacity, cases[i].num_objects, cases[i].object_bytes),
                         cases[i].expected);
}

static icache_object_t ghost_object(uint64_t number)
{
    return (icache_object_t){._hash_lo = number, ._hash_hi = ~number};
}

static void ghosts_fade(void **state)
{
    (void)state;
    icache_ghosts_t ghosts;
    enum { NUM = 64 * ICACHE_GHOST_WAYS };
    icache_object_t first = ghost_object(0), other;

    assert_int_equal(icache_ghosts_init(&ghosts, 64 * ICACHE_GHOST_BUCKET_CAPACITY_BYTES), 0);
    assert_int_equal(icache_ghosts_size(&ghosts), NUM * sizeof(icache_ghost_t));
    assert_false(icache_ghosts_take(&ghosts, &first, NUM));
    /* all there is room for, then one more in the first bucket, where the oldest goes */
    for (uint64_t i = 0; i <= NUM; ++i) {
        other = ghost_object(i);
        icache_ghosts_add(&ghosts, &other);
    }
    assert_false(icache_ghosts_take(&ghosts, &first, UINT64_MAX));
    for (uint64_t i = 1; i <= NUM; ++i) {
        other = ghost_object(i);
        assert_int_equal(icache_ghosts_take(&ghosts, &other, 100), i > NUM - 100);
        assert_false(icache_ghosts_take(&ghosts, &other, UINT64_MAX));
    }
    icache_ghosts_add(&ghosts, &first);
    icache_ghosts_forget(&ghosts);
    assert_false(icache_ghosts_take(&ghosts, &first, UINT64_MAX));
    icache_ghosts_add(&ghosts, &other);
    assert_false(icache_ghosts_take(&ghosts, &first, UINT64_MAX));
    icache_ghosts_dispose(&ghosts);
}

/* the clock of the ghosts goes round without an entry that looks free, or a free one that looks taken */
static void clock_of_ghosts_goes_round(void **state)
{
    (void)state;
    icache_ghosts_t ghosts;
    icache_object_t objects[4];

    assert_int_equal(icache_ghosts_init(&ghosts, ICACHE_GHOST_BUCKET_CAPACITY_BYTES), 0);
    ghosts.now = UINT32_MAX - 2;
    for (uint64_t i = 0; i < 4; ++i) {
        objects[i] = ghost_object(i);
        icache_ghosts_add(&ghosts, &objects[i]);
    }
    for (int i = 0; i < 4; ++i)
        assert_true(icache_ghosts_take(&ghosts, &objects[i], 6));
    icache_ghosts_dispose(&ghosts);
}

int main(void)
{
    static icache_policy_kind_t s3_fifo = ICACHE_POLICY_S3_FIFO, cost = ICACHE_POLICY_COST;
#define WITH_BOTH(test)                                                                                                            \
    {"s3-fifo: " #test, test, NULL, NULL, &s3_fifo},                                                                               \
    {                                                                                                                              \
        "cost: " #test, test, NULL, NULL, &cost                                                                                    \
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_is_not_fifo),
        WITH_BOTH(probation_is_fifo),
        cmocka_unit_test(s3_fifo_gives_a_round_per_hit),
        cmocka_unit_test(cost_evicts_what_saves_least),
        cmocka_unit_test(scan),
        WITH_BOTH(who_comes_back_is_known),
        WITH_BOTH(who_expired_is_known),
        WITH_BOTH(large_ones_have_to_come_twice),
        WITH_BOTH(hits_touch_no_list),
        cmocka_unit_test(heap_grows_and_shrinks),
        cmocka_unit_test(size_of_small),
        cmocka_unit_test(ghosts_fade),
        cmocka_unit_test(clock_of_ghosts_goes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
