/* ldflags: -Wl,--wrap=pthread_mutex_lock */
/*
 * Lookups without the lock: what a reader may find in a chain that is changing, moment by moment; handles; and all of it at once.
 */
#include "test_image_cache_fixture.h"
#include "image_cache/image_cache_private.h"
#include "tests/hit_hammer.h"

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

static _Thread_local unsigned locks_taken;
static _Thread_local void (*before_lock)(void);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    void (*intrude)(void) = before_lock;

    before_lock = NULL;
    if (intrude != NULL)
        intrude();
    ++locks_taken;
    return __real_pthread_mutex_lock(mutex);
}

static icache_t *create(icache_policy_kind_t policy)
{
    icache_config_t config = {.capacity_bytes = 8 << 20, .max_object_bytes = 1 << 20, .seed = 0x5eed, .policy = policy};
    icache_t *cache = icache_create(&config);
    assert_non_null(cache);
    return cache;
}

static icache_object_t *insert(icache_t *cache, const char *text)
{
    icache_object_t *object = make_object(cache, text, 100);
    assert_int_equal(icache_insert(cache, object, 0), 0);
    return object;
}

static int is_found(icache_t *cache, icache_key_t key)
{
    icache_object_t *object = icache_get(cache, NULL, &key, 0);
    int found = object != NULL;
    icache_object_unref(&object);
    return found;
}

static _Atomic(icache_object_t *) *bucket_of(icache_t *cache, const icache_key_t *key)
{
    return &cache->index.table.buckets[icache_table_bucket_of(&cache->index.table, key->lo)];
}

static unsigned locks_of_a_hit(icache_policy_kind_t policy)
{
    icache_t *cache = create(policy);
    icache_lane_t *lane = icache_lane_create(cache, hammer_no_wake, NULL);
    icache_key_t key = make_key(cache, "a");
    icache_handle_t handle = icache_object_handle(insert(cache, "a"));

    unsigned before = locks_taken;
    icache_object_t *object = icache_get(cache, lane, &key, 0), *again = icache_get_by_handle(cache, lane, handle, 0);
    unsigned taken = locks_taken - before;
    assert_non_null(object);
    assert_ptr_equal(object, again);
    assert_int_equal(get_stats(cache).hits, 2);
    icache_object_unref(&object);
    icache_object_unref(&again);
    icache_lane_destroy(&lane);
    assert_int_equal(get_stats(cache).hits, 2);
    icache_destroy(&cache);
    return taken;
}

static void a_hit_takes_no_lock(void **state)
{
    (void)state;
    assert_int_equal(locks_of_a_hit(ICACHE_POLICY_S3_FIFO), 0);
    assert_int_equal(locks_of_a_hit(ICACHE_POLICY_COST), 0);
    assert_int_equal(locks_of_a_hit(ICACHE_POLICY_LRU), 2);
}

/* each line of a header has its purpose, see image_cache.h */
static void lines_of_a_header(void **state)
{
    (void)state;
    assert_int_equal(offsetof(icache_object_t, meta) / 64, 0);
    assert_int_equal(offsetof(icache_object_t, expires_ms) / 64, 0);
    assert_int_equal(offsetof(icache_object_t, _refs), 64);
    assert_int_equal(offsetof(icache_object_t, object_class) / 64, 1);
    assert_int_equal(offsetof(icache_object_t, _charge_bytes), 128);
    assert_int_equal(sizeof(icache_object_t), 192);
}

/* the states in which a reader may come to a header; the chain is set by hand */
static void what_a_chain_may_lead_to(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_key_t key = make_key(cache, "a");
    icache_object_t *object = make_object(cache, "a", 100);

    /* being made */
    *bucket_of(cache, &key) = object;
    assert_null(icache_table_get(&cache->index.table, &key));
    assert_int_equal(object->_refs, 1);
    /* linked */
    *bucket_of(cache, &key) = NULL;
    icache_object_ref(object);
    assert_int_equal(icache_insert(cache, object, 0), 0);
    icache_object_t *got = icache_table_get(&cache->index.table, &key);
    assert_ptr_equal(got, object);
    assert_int_equal(object->_refs, 3);
    icache_object_unref(&got);
    /* unlinked, and still referenced */
    assert_int_equal(icache_remove(cache, &key), 1);
    *bucket_of(cache, &key) = object;
    assert_null(icache_table_get(&cache->index.table, &key));
    assert_int_equal(object->_refs, 1);
    /* free: nothing may be raised, or it would be freed again */
    got = object;
    icache_object_unref(&got);
    assert_int_equal(icache_slab_num_used(cache->slab), 0);
    assert_null(icache_table_get(&cache->index.table, &key));
    assert_int_equal(object->_refs, 0);
    assert_int_equal(icache_slab_check(cache->slab), 0);
    /* another one's by now */
    *bucket_of(cache, &key) = NULL;
    assert_ptr_equal(insert(cache, "b"), object);
    *bucket_of(cache, &key) = object;
    assert_null(icache_table_get(&cache->index.table, &key));
    key.lo = make_key(cache, "b").lo;
    assert_null(icache_table_get(&cache->index.table, &key));
    assert_int_equal(object->_refs, 1);
    key = make_key(cache, "a");
    *bucket_of(cache, &key) = NULL;
    icache_destroy(&cache);
}

/* a reader holds the last reference of what turns out to be something else */
static void the_last_reference_may_be_a_readers(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_object_t *object = make_object(cache, "a", 100), *creators = object;

    assert_int_equal(icache_object_try_ref(object), 1);
    icache_object_unref(&creators);
    assert_int_equal(get_stats(cache).objects, 1);
    icache_object_drop(object);
    assert_int_equal(get_stats(cache).objects, 0);
    assert_int_equal(icache_object_try_ref(object), 0);
    icache_destroy(&cache);
}

static void a_chain_in_circles_ends(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_key_t key = make_key(cache, "a");
    icache_object_t *object = make_object(cache, "b", 100);

    object->_next_in_bucket = object;
    *bucket_of(cache, &key) = object;
    assert_null(icache_table_get(&cache->index.table, &key));
    *bucket_of(cache, &key) = NULL;
    icache_object_unref(&object);
    icache_destroy(&cache);
}

/* whatever number of buckets a reader saw, it stays inside the table */
static void any_number_of_buckets(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_table_t seen = cache->index.table;

    for (size_t num_buckets = ICACHE_TABLE_MIN_BUCKETS; num_buckets <= 5000; ++num_buckets) {
        seen.num_buckets = num_buckets;
        uint64_t hash = num_buckets * 0x9e3779b97f4a7c15u;
        size_t bucket = icache_table_bucket_of(&seen, hash);
        assert_true(bucket < num_buckets);
        /* the last bits of the hash, as many as tell buckets apart; or one less */
        uint64_t mask = ICACHE_TABLE_MIN_BUCKETS - 1;
        while (mask < num_buckets - 1)
            mask = mask * 2 + 1;
        assert_int_equal(bucket, (hash & mask) < num_buckets ? hash & mask : hash & (mask >> 1));
    }
    icache_destroy(&cache);
}

static icache_t *intruded_cache;
static icache_key_t intruded_key;
static icache_object_t *hidden;

static void put_chain_back(void)
{
    *bucket_of(intruded_cache, &intruded_key) = hidden;
}

/* the bucket is being taken apart when the reader looks into it: it is not a miss */
static void a_false_miss_is_looked_at_again(void **state)
{
    (void)state;
    intruded_cache = create(ICACHE_POLICY_S3_FIFO);
    intruded_key = make_key(intruded_cache, "a");
    icache_object_t *object = insert(intruded_cache, "a"), *got;
    icache_waiter_t waiter = {.on_done = NULL};
    icache_flight_t *flight;

    hidden = object;
    *bucket_of(intruded_cache, &intruded_key) = NULL;
    before_lock = put_chain_back;
    got = icache_get(intruded_cache, NULL, &intruded_key, 0);
    assert_ptr_equal(got, object);
    icache_object_unref(&got);
    *bucket_of(intruded_cache, &intruded_key) = NULL;
    before_lock = put_chain_back;
    assert_int_equal(icache_lookup(intruded_cache, &intruded_key, 0, &waiter, &got, &flight), ICACHE_HIT);
    assert_ptr_equal(got, object);
    icache_object_unref(&got);
    assert_int_equal(get_stats(intruded_cache).hits, 2);
    icache_destroy(&intruded_cache);
}

static void remove_it(void)
{
    assert_int_equal(icache_remove(intruded_cache, &intruded_key), 1);
}

/* with LRU, an object may be unlinked between the hit and the relink */
static void a_relink_comes_too_late(void **state)
{
    (void)state;
    intruded_cache = create(ICACHE_POLICY_LRU);
    intruded_key = make_key(intruded_cache, "a");
    insert(intruded_cache, "b");
    insert(intruded_cache, "a");
    insert(intruded_cache, "c");
    before_lock = remove_it;
    icache_object_t *got = icache_get(intruded_cache, NULL, &intruded_key, 0);
    assert_string_equal(got->key, "a");
    assert_int_equal(get_stats(intruded_cache).entries, 2);
    assert_int_equal(get_stats(intruded_cache).pinned_bytes, icache_object_charge(got));
    icache_object_unref(&got);
    assert_false(is_found(intruded_cache, intruded_key));
    icache_destroy(&intruded_cache);
}

static void handles(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_key_t key = make_key(cache, "a");
    icache_object_t *object = make_object(cache, "a", 100), *got;
    icache_handle_t handle = icache_object_handle(object);

    assert_null(icache_get_by_handle(cache, NULL, (icache_handle_t){NULL, 0}, 0));
    /* not before it is in the cache, while it is fresh, and not after */
    assert_null(icache_get_by_handle(cache, NULL, handle, 0));
    object->expires_ms = 100;
    object->keep_ms = 1000;
    assert_int_equal(icache_insert(cache, icache_object_ref(object), 0), 0);
    got = icache_get_by_handle(cache, NULL, handle, 99);
    assert_ptr_equal(got, object);
    assert_int_equal(icache_object_hits(object), 1);
    assert_null(icache_get_by_handle(cache, NULL, handle, 100));
    assert_int_equal(get_stats(cache).entries, 1);
    icache_renew(cache, object, &(icache_life_t){.expires_ms = 200}, 100);
    icache_object_unref(&got);
    got = icache_get_by_handle(cache, NULL, handle, 100);
    assert_ptr_equal(got, object);
    icache_object_unref(&got);
    assert_int_equal(get_stats(cache).hits, 2);
    assert_int_equal(icache_remove(cache, &key), 1);
    assert_null(icache_get_by_handle(cache, NULL, handle, 100));
    icache_object_unref(&object);
    assert_null(icache_get_by_handle(cache, NULL, handle, 100));
    icache_destroy(&cache);
}

/* the same key in the same header is another object all the same */
static void a_handle_is_good_for_one_life(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_key_t key = make_key(cache, "a");
    icache_object_t *object = insert(cache, "a");
    icache_handle_t first = icache_object_handle(object);

    assert_int_equal(icache_remove(cache, &key), 1);
    assert_ptr_equal(insert(cache, "a"), object);
    icache_handle_t second = icache_object_handle(object);
    assert_null(icache_get_by_handle(cache, NULL, first, 0));
    assert_int_equal(object->_refs, 1);
    icache_object_t *got = icache_get_by_handle(cache, NULL, second, 0);
    assert_ptr_equal(got, object);
    icache_object_unref(&got);
    icache_destroy(&cache);
}

/* the only thing that two threads share is a handle from before the object was written; and the one who inserts it is stopped right
 * after it was linked, before anything else of his could order their views */

static icache_t *shared_cache;
static _Atomic(icache_object_t *) shared_object;
static _Atomic uint64_t shared_serial;
static _Atomic int shared_seen;

static void *look_by_handle(void *arg)
{
    icache_handle_t handle = {NULL, 0};
    icache_object_t *object;

    while ((handle.serial = atomic_load_explicit(&shared_serial, memory_order_relaxed)) == 0)
        sched_yield();
    handle.object = atomic_load_explicit(&shared_object, memory_order_relaxed);
    while ((object = icache_get_by_handle(shared_cache, NULL, handle, 0)) == NULL)
        sched_yield();
    HAMMER_REQUIRE(object->cost_us == 7);
    for (size_t i = 0; i < object->body_len; ++i)
        HAMMER_REQUIRE(object->body[i] == 'y');
    icache_object_unref(&object);
    atomic_store_explicit(&shared_seen, 1, memory_order_relaxed);
    return arg;
}

static void wait_until_seen(void *ctx, const icache_object_t *object, icache_reason_t reason)
{
    (void)ctx;
    (void)object;
    while (reason == ICACHE_REASON_REPLACED && !atomic_load_explicit(&shared_seen, memory_order_relaxed))
        sched_yield();
}

static void what_a_handle_leads_to_is_complete(void **state)
{
    (void)state;
    icache_config_t config = {.capacity_bytes = 8 << 20, .max_object_bytes = 1 << 20, .policy = ICACHE_POLICY_S3_FIFO};
    pthread_t thread;

    config.on_removed = wait_until_seen;
    shared_cache = icache_create(&config);
    assert_non_null(shared_cache);
    insert(shared_cache, "a");
    icache_object_t *object = make_object(shared_cache, "a", 100);
    icache_handle_t handle = icache_object_handle(object);
    assert_int_equal(pthread_create(&thread, NULL, look_by_handle, NULL), 0);
    atomic_store_explicit(&shared_object, handle.object, memory_order_relaxed);
    atomic_store_explicit(&shared_serial, handle.serial, memory_order_release);
    memset(object->body, 'y', object->body_len);
    object->cost_us = 7;
    assert_int_equal(icache_insert(shared_cache, object, 0), 0);
    pthread_join(thread, NULL);
    icache_destroy(&shared_cache);
}

static void handles_and_eviction_order(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_LRU);
    icache_handle_t handle = icache_object_handle(insert(cache, "a"));
    uint64_t charge = icache_object_charge(handle.object);

    insert(cache, "b");
    icache_object_t *got = icache_get_by_handle(cache, NULL, handle, 0);
    icache_object_unref(&got);
    icache_shrink_to(cache, charge);
    assert_true(is_found(cache, make_key(cache, "a")));
    assert_false(is_found(cache, make_key(cache, "b")));
    icache_destroy(&cache);
}

static void objects_are_counted_while_anybody_holds_them(void **state)
{
    (void)state;
    icache_t *cache = create(ICACHE_POLICY_S3_FIFO);
    icache_object_t *object = make_object(cache, "a", 100);

    assert_int_equal(get_stats(cache).objects, 1);
    icache_insert(cache, icache_object_ref(object), 0);
    icache_clear(cache);
    assert_int_equal(get_stats(cache).objects, 1);
    assert_int_equal(get_stats(cache).entries, 0);
    icache_object_unref(&object);
    assert_int_equal(get_stats(cache).objects, 0);
    icache_destroy(&cache);
}

static void no_header_left(void **state)
{
    (void)state;
    enum { NUM = ICACHE_SLAB_SPARE_HEADERS + 2 * 4 };
    icache_t *cache = create_cache_of(4 * (sizeof(icache_object_t) + ICACHE_INDEX_SHARE_BYTES), 1 << 20);
    icache_object_t **objects = malloc(NUM * sizeof(icache_object_t *));
    icache_key_t key = make_key(cache, "a");

    assert_non_null(objects);
    for (int i = 0; i < NUM; ++i)
        assert_non_null(objects[i] = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 0));
    assert_null(icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 10));
    assert_null(icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 1 << 20));
    icache_object_unref(&objects[0]);
    assert_non_null(objects[0] = icache_object_create(cache, ICACHE_CLASS_RENDITION, &key, 0, 0));
    icache_destroy(&cache);
    for (int i = 0; i < NUM; ++i)
        icache_object_unref(&objects[i]);
    free(objects);
}

/* objects that stay are found all the time, whatever happens to the table around them */

enum { STAYING = 64, PASSING = 3000 };
static icache_t *shaken;
static _Atomic int shaking;

static void *shake(void *arg)
{
    char text[32];

    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < PASSING; ++i) {
            snprintf(text, sizeof(text), "passing-%d", i);
            insert(shaken, text);
        }
        for (int i = 0; i < PASSING; ++i) {
            snprintf(text, sizeof(text), "passing-%d", i);
            icache_key_t key = make_key(shaken, text);
            assert_int_equal(icache_remove(shaken, &key), 1);
        }
    }
    atomic_store(&shaking, 0);
    return arg;
}

static void nothing_is_missed_while_the_table_changes(void **state)
{
    (void)state;
    char texts[STAYING][32];
    pthread_t thread;
    uint64_t lookups = 0;

    shaken = create(ICACHE_POLICY_S3_FIFO);
    for (int i = 0; i < STAYING; ++i) {
        snprintf(texts[i], sizeof(texts[i]), "staying-%d", i);
        insert(shaken, texts[i]);
    }
    atomic_store(&shaking, 1);
    assert_int_equal(pthread_create(&thread, NULL, shake, NULL), 0);
    for (; atomic_load(&shaking); ++lookups)
        assert_true(is_found(shaken, make_key(shaken, texts[lookups % STAYING])));
    pthread_join(thread, NULL);
    assert_int_equal(get_stats(shaken).hits, lookups);
    assert_int_equal(get_stats(shaken).entries, STAYING);
    icache_destroy(&shaken);
}

static void all_at_once(void **state)
{
    (void)state;
    for (int policy = 0; policy < ICACHE_NUM_POLICIES; ++policy)
        hammer_run((icache_policy_kind_t)policy, 40000, 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_takes_no_lock),
        cmocka_unit_test(lines_of_a_header),
        cmocka_unit_test(what_a_chain_may_lead_to),
        cmocka_unit_test(the_last_reference_may_be_a_readers),
        cmocka_unit_test(a_chain_in_circles_ends),
        cmocka_unit_test(any_number_of_buckets),
        cmocka_unit_test(a_false_miss_is_looked_at_again),
        cmocka_unit_test(a_relink_comes_too_late),
        cmocka_unit_test(handles),
        cmocka_unit_test(a_handle_is_good_for_one_life),
        cmocka_unit_test(what_a_handle_leads_to_is_complete),
        cmocka_unit_test(handles_and_eviction_order),
        cmocka_unit_test(objects_are_counted_while_anybody_holds_them),
        cmocka_unit_test(no_header_left),
        cmocka_unit_test(nothing_is_missed_while_the_table_changes),
        cmocka_unit_test(all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
