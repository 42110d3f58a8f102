/*
 * Groups of the image cache: who pays, who has to go, and how a counter that went wrong is found out. (The bytes after every step
 * are test_image_cache_model.c's.)
 */
#include <stdio.h>
#include "tests/unit/test_image_cache_fixture.h"
#include "image_cache/image_cache_private.h"

#define BODY_BYTES 1000

static uint64_t charge_of_one(icache_t *cache)
{
    icache_object_t *object = make_object(cache, "000", BODY_BYTES);
    uint64_t charge = icache_object_charge(object);

    icache_object_unref(&object);
    return charge;
}

static icache_t *create_with(icache_policy_kind_t policy)
{
    icache_config_t config = {.capacity_bytes = 8 << 20, .max_object_bytes = 1 << 20, .seed = 0x5eed, .policy = policy};
    icache_t *cache = icache_create(&config);

    assert_non_null(cache);
    return cache;
}

static icache_group_t *create_group(icache_t *cache, const char *name, uint64_t limit_bytes, icache_group_t *parent)
{
    icache_group_t *group = icache_group_create(cache, name, limit_bytes, parent);

    assert_non_null(group);
    return group;
}

static icache_object_t *make_numbered(icache_t *cache, icache_group_t *group, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%03d", number);
    icache_object_t *object = make_object(cache, text, BODY_BYTES);
    icache_object_set_group(object, group);
    return object;
}

static int insert(icache_t *cache, icache_group_t *group, int number)
{
    return icache_insert(cache, make_numbered(cache, group, number), 0);
}

static int hit(icache_t *cache, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%03d", number);
    icache_key_t key = make_key(cache, text);
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    int found = object != NULL;
    icache_object_unref(&object);
    return found;
}

/* without being a hit */
static int is_there(icache_t *cache, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%03d", number);
    icache_key_t key = make_key(cache, text);
    icache_object_t *object = icache_get_stale(cache, &key, 0);
    int found = object != NULL;
    icache_object_unref(&object);
    return found;
}

static icache_group_stats_t group_stats(icache_t *cache, size_t at)
{
    icache_group_stats_t stats[ICACHE_MAX_GROUPS];

    assert_int_equal(icache_check(cache), 0);
    assert_true(at < icache_get_group_stats(cache, stats, ICACHE_MAX_GROUPS));
    return stats[at];
}

/* with each policy of the cache the oldest goes, and what was hit once stays once */
static void the_oldest_goes_unless_it_was_hit(void **state)
{
    (void)state;
    for (int policy = 0; policy < ICACHE_NUM_POLICIES; ++policy) {
        icache_t *cache = create_with((icache_policy_kind_t)policy);
        icache_group_t *group = create_group(cache, "group", 4 * charge_of_one(cache), NULL);
        for (int i = 0; i < 4; ++i)
            assert_int_equal(insert(cache, group, i), 0);
        assert_true(hit(cache, 0) && hit(cache, 2));
        insert(cache, group, 4);
        assert_true(is_there(cache, 0) && !is_there(cache, 1) && is_there(cache, 2) && is_there(cache, 3));
        insert(cache, group, 5); /* 2 has its second chance, 3 goes */
        assert_true(is_there(cache, 0) && is_there(cache, 2) && !is_there(cache, 3) && is_there(cache, 4));
        insert(cache, group, 6); /* the order is 0 4 2 5 now */
        assert_true(!is_there(cache, 0) && is_there(cache, 4) && is_there(cache, 2) && is_there(cache, 5));
        icache_group_stats_t stats = group_stats(cache, 0);
        assert_int_equal(stats.evictions, 3);
        assert_int_equal(stats.evicted_bytes, 3 * charge_of_one(cache));
        assert_int_equal(get_stats(cache).removed[ICACHE_REASON_QUOTA], 3);
        icache_destroy(&cache);
    }
}

/* hits that are counted for the group are not taken from the policy */
static void the_policy_keeps_its_hits(void **state)
{
    (void)state;
    icache_t *cache = create_with(ICACHE_POLICY_S3_FIFO);
    icache_group_t *group = create_group(cache, "group", 2 * charge_of_one(cache), NULL);

    insert(cache, group, 0);
    insert(cache, group, 1);
    assert_true(hit(cache, 0) && hit(cache, 0));
    insert(cache, group, 2);
    icache_key_t key = make_key(cache, "000");
    icache_object_t *object = icache_get_stale(cache, &key, 0);
    assert_non_null(object);
    assert_int_equal(icache_object_hits(object), 2);
    icache_object_unref(&object);
    /* nor does a count that is full already hide a hit from the group */
    for (int i = 0; i < 5; ++i)
        assert_true(hit(cache, 0));
    insert(cache, group, 3);
    assert_true(is_there(cache, 0) && !is_there(cache, 2));
    assert_true(hit(cache, 0));
    insert(cache, group, 4);
    assert_true(is_there(cache, 0) && !is_there(cache, 3));
    icache_destroy(&cache);
}

static void chances_end(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_group_t *group = create_group(cache, "group", 200 * charge_of_one(cache), NULL);

    for (int i = 0; i < 200; ++i)
        insert(cache, group, i);
    for (int i = 0; i < 200; ++i)
        assert_true(hit(cache, i));
    insert(cache, group, 200);
    assert_true(is_there(cache, 63) && !is_there(cache, 64) && is_there(cache, 65));
    icache_destroy(&cache);
}

static void a_group_leaves_the_others_alone(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_group_t *small = create_group(cache, "small", 3 * charge_of_one(cache), NULL);
    icache_group_t *other = create_group(cache, "other", 3 * charge_of_one(cache), NULL);

    insert(cache, other, 900);
    insert(cache, NULL, 901);
    for (int i = 0; i < 100; ++i)
        assert_int_equal(insert(cache, small, i), 0);
    assert_true(is_there(cache, 900) && is_there(cache, 901) && is_there(cache, 99) && !is_there(cache, 96));
    assert_int_equal(group_stats(cache, 0).entries, 3);
    assert_int_equal(group_stats(cache, 1).evictions, 0);
    assert_int_equal(get_stats(cache).entries, 5);
    icache_destroy(&cache);
}

/* the oldest of all below it goes, whichever group's it is */
static void a_parent_holds_for_all_its_children(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    uint64_t one = charge_of_one(cache);
    icache_group_t *host = create_group(cache, "host", 4 * one, NULL);
    icache_group_t *a = create_group(cache, "host/a", 3 * one, host), *b = create_group(cache, "host/b", 3 * one, host);

    insert(cache, a, 0);
    insert(cache, b, 1);
    insert(cache, host, 2);
    insert(cache, a, 3);
    assert_int_equal(group_stats(cache, 0).used_bytes, 4 * one);
    insert(cache, b, 4);
    assert_true(!is_there(cache, 0));
    insert(cache, b, 5);
    assert_true(!is_there(cache, 1));
    insert(cache, b, 6); /* b has three, and the host four with the two of others */
    assert_true(!is_there(cache, 2) && is_there(cache, 3));
    insert(cache, b, 7); /* its own quota comes first */
    assert_true(!is_there(cache, 4) && is_there(cache, 3));
    assert_int_equal(group_stats(cache, 0).evictions, 3);
    assert_int_equal(group_stats(cache, 1).evictions, 0);
    assert_int_equal(group_stats(cache, 2).evictions, 1);
    assert_int_equal(group_stats(cache, 2).used_bytes, 3 * one);
    assert_int_equal(group_stats(cache, 0).used_bytes, 4 * one);
    icache_destroy(&cache);
}

struct st_answer_t {
    icache_waiter_t waiter;
    icache_object_t *object;
    int calls;
};

static void on_done(icache_waiter_t *waiter, icache_object_t *object, int64_t error)
{
    struct st_answer_t *answer = (struct st_answer_t *)(void *)waiter;

    assert_int_equal(error, 0);
    answer->object = object;
    ++answer->calls;
}

static void no_wake(void *ctx)
{
    (void)ctx;
}

static void larger_than_a_quota_is_served_and_not_stored(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_lane_t *lane = icache_lane_create(cache, no_wake, NULL);
    uint64_t one = charge_of_one(cache);
    icache_group_t *host = create_group(cache, "host", one - 1, NULL), *path = create_group(cache, "path", 2 * one, host);
    struct st_answer_t answer = {.waiter = {.on_done = on_done, .lane = lane}};
    icache_key_t key = make_key(cache, "000");
    icache_object_t *found;
    icache_flight_t *flight;

    assert_int_equal(icache_lookup(cache, &key, 0, &answer.waiter, &found, &flight), ICACHE_LEAD);
    icache_flight_complete(&flight, make_numbered(cache, path, 0), 0, 1, 0);
    icache_lane_run(lane);
    assert_int_equal(answer.calls, 1);
    assert_non_null(answer.object);
    assert_false(icache_object_was_stored(answer.object));
    icache_object_unref(&answer.object);
    assert_false(is_there(cache, 0));
    assert_int_equal(get_stats(cache).removed[ICACHE_REASON_TOO_LARGE], 1);
    assert_int_equal(group_stats(cache, 0).refused, 1);
    assert_int_equal(group_stats(cache, 1).refused, 0);
    icache_lane_destroy(&lane);
    icache_destroy(&cache);
}

/* whoever stored an object pays for it; renewing it changes nothing, replacing it does */
static void who_stores_pays(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    uint64_t one = charge_of_one(cache);
    icache_group_t *a = create_group(cache, "a", 10 * one, NULL), *b = create_group(cache, "b", 10 * one, NULL);
    icache_key_t key = make_key(cache, "000");
    const icache_life_t life = {5, 10, 20, 30};

    insert(cache, a, 0);
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    assert_int_equal(icache_renew(cache, object, &life, 5), 1);
    icache_object_unref(&object);
    assert_int_equal(group_stats(cache, 0).used_bytes, one);
    insert(cache, b, 0);
    assert_int_equal(group_stats(cache, 0).used_bytes, 0);
    assert_int_equal(group_stats(cache, 1).used_bytes, one);
    insert(cache, NULL, 0);
    assert_int_equal(group_stats(cache, 1).entries, 0);
    icache_destroy(&cache);
}

static void what_leaves_is_not_charged(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    uint64_t one = charge_of_one(cache);
    icache_group_t *group = create_group(cache, "group", one, NULL);
    icache_key_t key = make_key(cache, "000");

    insert(cache, group, 0);
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    assert_int_equal(insert(cache, group, 1), 0); /* the first one is pinned by its reader, and does not count */
    assert_int_equal(group_stats(cache, 0).used_bytes, one);
    assert_int_equal(get_stats(cache).pinned_bytes, one);
    icache_object_unref(&object);
    icache_purge(cache, ICACHE_PURGE_PREFIX, "00", 2, NULL);
    assert_int_equal(group_stats(cache, 0).used_bytes, 0);
    icache_object_t *brief = make_numbered(cache, group, 2);
    brief->expires_ms = 100;
    assert_int_equal(icache_insert(cache, brief, 0), 0);
    for (int i = 0; i < 81; ++i)
        icache_sweep(cache, 200);
    assert_int_equal(group_stats(cache, 0).used_bytes, 0);
    insert(cache, group, 3);
    icache_clear(cache);
    assert_int_equal(group_stats(cache, 0).entries, 0);
    icache_destroy(&cache);
}

/* a group that is asked for more than it may have is not let into the main queue for that */
static void no_ghosts(void **state)
{
    (void)state;
    icache_t *cache = create_with(ICACHE_POLICY_S3_FIFO);
    icache_group_t *group = create_group(cache, "group", 2 * charge_of_one(cache), NULL);

    for (int round = 0; round < 5; ++round)
        for (int i = 0; i < 4; ++i)
            insert(cache, group, i);
    assert_int_equal(cache->index.policy.main.num_objects, 0);
    assert_int_equal(cache->index.policy.ghost_bytes, 0);
    icache_destroy(&cache);
}

static void groups_run_out(void **state)
{
    (void)state;
    icache_t *cache = create_cache();

    for (int i = 0; i < ICACHE_MAX_GROUPS; ++i)
        create_group(cache, "group", 1000, NULL);
    assert_null(icache_group_create(cache, "group", 1000, NULL));
    assert_int_equal(icache_get_group_stats(cache, NULL, 0), ICACHE_MAX_GROUPS);
    icache_destroy(&cache);
}

struct st_told_t {
    int calls;
    char group[16];
    uint64_t counted, found;
};

static void on_healed(void *ctx, const icache_healed_t *healed)
{
    struct st_told_t *told = ctx;

    ++told->calls;
    snprintf(told->group, sizeof(told->group), "%s", healed->group);
    told->counted = healed->counted_bytes;
    told->found = healed->found_bytes;
}

/* one round of a cache of any size, from its beginning */
static void go_round(icache_t *cache, struct st_told_t *told)
{
    uint8_t round = cache->index.groups.round;

    while (cache->index.groups.round == round)
        icache_reconcile(cache, on_healed, told);
}

static void leaks_heal(void **state)
{
    static const int64_t leaks[] = {1, -1, 5000, -5000, 1 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof(leaks) / sizeof(leaks[0]); ++i) {
        icache_t *cache = create_cache();
        uint64_t one = charge_of_one(cache);
        icache_group_t *host = create_group(cache, "host", 2 << 20, NULL), *path = create_group(cache, "path", 1 << 20, host);
        struct st_told_t told = {.calls = 0};
        for (int j = 0; j < 30; ++j)
            insert(cache, path, j);
        go_round(cache, &told);
        path->used_bytes += (uint64_t)leaks[i];
        assert_int_not_equal(icache_check(cache), 0);
        go_round(cache, &told);
        assert_int_equal(told.calls, 0);
        go_round(cache, &told);
        assert_int_equal(told.calls, 1);
        assert_string_equal(told.group, "path");
        assert_int_equal(told.counted, 30 * one + (uint64_t)leaks[i]);
        assert_int_equal(told.found, 30 * one);
        assert_int_equal(group_stats(cache, 1).used_bytes, 30 * one);
        assert_int_equal(group_stats(cache, 1).healed, 1);
        assert_int_equal(group_stats(cache, 0).healed, 0);
        go_round(cache, &told);
        go_round(cache, &told);
        assert_int_equal(told.calls, 1);
        icache_destroy(&cache);
    }
}

static void a_count_of_objects_heals(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_group_t *group = create_group(cache, "group", 1 << 20, NULL);
    struct st_told_t told = {.calls = 0};

    insert(cache, group, 0);
    group->entries = 7;
    go_round(cache, &told);
    go_round(cache, &told);
    assert_int_equal(told.calls, 1);
    assert_int_equal(group_stats(cache, 0).entries, 1);
    icache_destroy(&cache);
}

/* what is gone again by the end of the second round was none to heal */
static void one_round_is_not_enough(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_group_t *group = create_group(cache, "group", 1 << 20, NULL);
    struct st_told_t told = {.calls = 0};

    insert(cache, group, 0);
    for (int i = 0; i < 3; ++i) {
        group->used_bytes += 100;
        go_round(cache, &told);
        group->used_bytes -= 100;
        go_round(cache, &told);
    }
    assert_int_equal(told.calls, 0);
    icache_destroy(&cache);
}

/* until it heals, a group that seems full loses its objects, but nothing else does, and a group that seems empty takes too much */
static void a_leak_does_not_spread(void **state)
{
    (void)state;
    icache_t *cache = create_cache();
    icache_group_t *group = create_group(cache, "group", 1 << 16, NULL);
    struct st_told_t told = {.calls = 0};

    insert(cache, NULL, 900);
    insert(cache, group, 0);
    group->used_bytes += 1 << 17;
    assert_int_equal(insert(cache, group, 1), -1);
    assert_true(is_there(cache, 900) && !is_there(cache, 0) && !is_there(cache, 1));
    go_round(cache, &told);
    go_round(cache, &told);
    assert_int_equal(insert(cache, group, 1), 0);
    group->used_bytes = 10;
    icache_clear(cache);
    assert_int_equal(group->used_bytes, 0);
    assert_int_equal(icache_check(cache), 0);
    icache_destroy(&cache);
}

/* objects come and go in all groups while the walk is under way, in headers behind it and before it; then a leak among them */
static void a_busy_cache_is_never_healed_wrongly(void **state)
{
    (void)state;
    icache_t *cache = create_cache_of(64 << 20, 1 << 20);
    uint64_t one = charge_of_one(cache), random = 1;
    icache_group_t *host = create_group(cache, "host", 3000 * one, NULL), *path = create_group(cache, "path", 500 * one, host);
    icache_group_t *groups[] = {NULL, host, path};
    struct st_told_t told = {.calls = 0};
    unsigned slices = 0;

    for (uint8_t round = 0; round < 12; slices += 1) {
        for (int i = 0; i < 200; ++i) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            unsigned number = (unsigned)(random >> 33) % 4000;
            char text[16];
            snprintf(text, sizeof(text), "%03u", number);
            icache_key_t key = make_key(cache, text);
            if (random >> 60 < 4)
                icache_remove(cache, &key);
            else
                insert(cache, groups[random >> 58 & 1 ? 2 : number % 2], (int)number);
        }
        icache_reconcile(cache, on_healed, &told);
        assert_int_equal(icache_check(cache), 0);
        round = cache->index.groups.round;
    }
    assert_true(slices > 60); /* a round takes several, or nothing happened in between */
    assert_int_equal(told.calls, 0);
    path->used_bytes += 12345;
    while (told.calls == 0) {
        insert(cache, path, (int)(slices++ % 4000));
        icache_reconcile(cache, on_healed, &told);
    }
    assert_string_equal(told.group, "path");
    assert_int_equal(told.counted - told.found, 12345);
    assert_int_equal(icache_check(cache), 0);
    icache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_goes_unless_it_was_hit),
        cmocka_unit_test(the_policy_keeps_its_hits),
        cmocka_unit_test(chances_end),
        cmocka_unit_test(a_group_leaves_the_others_alone),
        cmocka_unit_test(a_parent_holds_for_all_its_children),
        cmocka_unit_test(larger_than_a_quota_is_served_and_not_stored),
        cmocka_unit_test(who_stores_pays),
        cmocka_unit_test(what_leaves_is_not_charged),
        cmocka_unit_test(no_ghosts),
        cmocka_unit_test(groups_run_out),
        cmocka_unit_test(leaks_heal),
        cmocka_unit_test(a_count_of_objects_heals),
        cmocka_unit_test(one_round_is_not_enough),
        cmocka_unit_test(a_leak_does_not_spread),
        cmocka_unit_test(a_busy_cache_is_never_healed_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
