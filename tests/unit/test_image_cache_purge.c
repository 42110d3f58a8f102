/*
 * Purges beside other work, and the events; what a purge takes at rest is in the comparison with the model.
 */
#include <stdio.h>
#include "image_cache/image_cache_private.h"
#include "tests/unit/test_image_cache_fixture.h"

static void matching(void **state)
{
    static const struct {
        icache_purge_kind_t kind;
        const char *text, *key;
        int matches;
    } cases[] = {
        {ICACHE_PURGE_ITEM, "a.jpg", "a.jpg", 1},      {ICACHE_PURGE_ITEM, "a.jpg", "a.jpg?", 1},
        {ICACHE_PURGE_ITEM, "a.jpg", "a.jpg?&w=1", 1}, {ICACHE_PURGE_ITEM, "a.jpg", "a.jpgx", 0},
        {ICACHE_PURGE_ITEM, "a.jpg", "a.jp", 0},       {ICACHE_PURGE_ITEM, "a.jpg", "b.jpg", 0},
        {ICACHE_PURGE_ITEM, "a.jpg", "x/a.jpg", 0},    {ICACHE_PURGE_PREFIX, "a/", "a/b.jpg?&w=1", 1},
        {ICACHE_PURGE_PREFIX, "a/", "a/", 1},          {ICACHE_PURGE_PREFIX, "a/", "a", 0},
        {ICACHE_PURGE_PREFIX, "a/", "ab/c.jpg", 0},    {ICACHE_PURGE_PREFIX, "", "anything", 1},
        {ICACHE_PURGE_ALL, NULL, "anything", 1},       {ICACHE_PURGE_ALL, NULL, "", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i)
        assert_int_equal(icache_purge_matches(cases[i].kind, cases[i].text, cases[i].text != NULL ? strlen(cases[i].text) : 0,
                                              cases[i].key, strlen(cases[i].key)),
                         cases[i].matches);
}

#define NUM_WANTED 2000
#define NUM_OTHERS 6000

static char *name_of(char kind, int i)
{
    static char name[32];
    snprintf(name, sizeof(name), "%c/%05d", kind, i);
    return name;
}

struct st_walk_t {
    icache_t *cache;
    uint64_t num_events;
    size_t buckets_before;
    int emptied;
};

/* between two batches of the walk, everything else goes: without the walk, the table would shrink by most of its buckets */
static void empty_the_rest(void *ctx, const icache_object_t *object, icache_reason_t reason)
{
    struct st_walk_t *walk = ctx;

    walk->num_events += object->key[0] == 'a' && reason == ICACHE_REASON_PURGED;
    if (walk->emptied)
        return;
    walk->emptied = 1;
    walk->buckets_before = walk->cache->index.table.num_buckets;
    for (int i = 0; i < NUM_OTHERS; ++i) {
        icache_key_t key = make_key(walk->cache, name_of('b', i));
        assert_int_equal(icache_remove(walk->cache, &key), 1);
    }
    assert_int_equal(walk->cache->index.table.num_buckets, walk->buckets_before);
}

static void nothing_moves_behind_the_walk(void **state)
{
    struct st_walk_t walk = {.emptied = 0};
    icache_config_t config = {
        .capacity_bytes = 64 << 20, .max_object_bytes = 1 << 20, .seed = 7, .on_removed = empty_the_rest, .on_removed_ctx = &walk};
    icache_purged_t purged;

    (void)state;
    walk.cache = icache_create(&config);
    assert_non_null(walk.cache);
    for (int i = 0; i < NUM_OTHERS; ++i)
        assert_int_equal(icache_insert(walk.cache, make_object(walk.cache, name_of('b', i), 10), 0), 0);
    for (int i = 0; i < NUM_WANTED; ++i)
        assert_int_equal(icache_insert(walk.cache, make_object(walk.cache, name_of('a', i), 10), 0), 0);
    icache_purge(walk.cache, ICACHE_PURGE_PREFIX, "a/", 2, &purged);
    assert_int_equal(purged.objects[ICACHE_CLASS_RENDITION], NUM_WANTED);
    assert_int_equal(walk.num_events, NUM_WANTED);
    assert_int_equal(get_stats(walk.cache).entries, 0);
    assert_true(walk.cache->index.table.num_buckets < walk.buckets_before); /* after the walk it shrinks again */
    icache_destroy(&walk.cache);
}

struct st_waited_t {
    icache_waiter_t real;
    int calls;
    icache_object_t *object;
};

static void keep(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    struct st_waited_t *waiter = (struct st_waited_t *)real;

    (void)error;
    ++waiter->calls;
    waiter->object = object;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* the old flight's waiter gets what it asked for before the purge; the next one does not, and leads a flight of its own */
static void flights_under_way(void **state)
{
    icache_t *cache = create_cache();
    icache_lane_t *lane = icache_lane_create(cache, nothing, NULL);
    struct st_waited_t waiters[2] = {{.real = {.on_done = keep, .lane = lane}}, {.real = {.on_done = keep, .lane = lane}}};
    icache_flight_t *flights[2];
    icache_object_t *object, *results[2] = {make_object(cache, "a?", 1), make_object(cache, "a?", 2)};
    icache_key_t key = make_key(cache, "a?");

    (void)state;
    for (int i = 0; i < 2; ++i) {
        assert_int_equal(icache_lookup(cache, &key, 0, &waiters[i].real, &object, &flights[i]), ICACHE_LEAD);
        if (i == 0)
            icache_purge(cache, ICACHE_PURGE_ITEM, "a", 1, NULL);
    }
    assert_int_equal(get_stats(cache).flights, 2);
    icache_flight_complete(&flights[1], results[1], 0, 1, 0);
    icache_flight_complete(&flights[0], results[0], 0, 1, 0); /* the old one is late */
    icache_lane_run(lane);
    for (int i = 0; i < 2; ++i) {
        assert_int_equal(waiters[i].calls, 1);
        assert_ptr_equal(waiters[i].object, results[i]);
        icache_object_unref(&waiters[i].object);
    }
    object = icache_get(cache, NULL, &key, 0);
    assert_ptr_equal(object, results[1]);
    icache_object_unref(&object);
    icache_lane_destroy(&lane);
    icache_destroy(&cache);
}

/* an abandoned flight is in no table any more, and yet its result may come */
static void abandoned_flights(void **state)
{
    icache_t *cache = create_cache();
    icache_lane_t *lane = icache_lane_create(cache, nothing, NULL);
    icache_key_t key = make_key(cache, "a?");

    (void)state;
    for (int purge = 0; purge < 2; ++purge) {
        struct st_waited_t waiter = {.real = {.on_done = keep, .lane = lane}};
        icache_flight_t *flight;
        icache_object_t *object;
        assert_int_equal(icache_lookup(cache, &key, 0, &waiter.real, &object, &flight), ICACHE_LEAD);
        assert_int_equal(icache_waiter_detach(&waiter.real), 1);
        if (purge)
            icache_purge(cache, ICACHE_PURGE_ALL, NULL, 0, NULL);
        icache_flight_complete(&flight, make_object(cache, "a?", 1), 0, 1, 0);
        assert_int_equal(get_stats(cache).entries, !purge);
        icache_clear(cache);
    }
    icache_lane_destroy(&lane);
    icache_destroy(&cache);
}

/* who joins the flight of a stale object and leaves again does not end it */
static void background_flights_go_on(void **state)
{
    icache_t *cache = create_cache();
    icache_lane_t *lane = icache_lane_create(cache, nothing, NULL);
    struct st_waited_t waiter = {.real = {.on_done = keep, .lane = lane}};
    icache_key_t key = make_key(cache, "a");
    icache_object_t *object = make_object(cache, "a", 1);
    icache_flight_t *flight, *none;

    (void)state;
    object->expires_ms = 10;
    object->stale_ms = 20;
    object->keep_ms = 30;
    assert_int_equal(icache_insert(cache, object, 0), 0);
    assert_int_equal(icache_lookup(cache, &key, 10, &waiter.real, &object, &flight), ICACHE_STALE);
    icache_object_unref(&object);
    assert_int_equal(icache_waiter_detach(&waiter.real), 0);
    assert_int_equal(icache_lookup(cache, &key, 20, &waiter.real, &object, &none), ICACHE_WAIT);
    assert_int_equal(icache_waiter_detach(&waiter.real), 1);
    assert_true(icache_flight_wanted(flight));
    assert_int_equal(get_stats(cache).flights, 1);
    assert_int_equal(get_stats(cache).abandoned, 0);
    icache_flight_complete(&flight, make_object(cache, "a", 2), 0, 1, 20);
    object = icache_get(cache, NULL, &key, 20);
    assert_non_null(object);
    assert_int_equal(object->body_len, 2);
    icache_object_unref(&object);
    icache_lane_destroy(&lane);
    icache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matching),          cmocka_unit_test(nothing_moves_behind_the_walk), cmocka_unit_test(flights_under_way),
        cmocka_unit_test(abandoned_flights), cmocka_unit_test(background_flights_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
