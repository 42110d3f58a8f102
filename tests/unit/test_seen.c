/* the targets that an event loop remembers; the oracle is a plain list of what was put last */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/seen.h"

#define SEED UINT64_C(0x5eed5eed5eed5eed)

static int owners[2];

/* handles that mean nothing but their number, which is not 0 */
static icache_handle_t handle_of(uint64_t number)
{
    return (icache_handle_t){.object = (icache_object_t *)(uintptr_t)number, .serial = number};
}

/* asks with a copy of exactly these bytes, so that a sanitizer sees a look behind the end */
static uint64_t get(sluice_seen_t *seen, const void *owner, const char *target, size_t len)
{
    char *copy = malloc(len + (len == 0));
    const sluice_seen_object_t *object;

    assert_non_null(copy);
    memcpy(copy, target, len);
    object = sluice_seen_get(seen, owner, copy, len);
    free(copy);
    if (object == NULL)
        return 0;
    assert_int_equal((uintptr_t)object->handle.object, object->handle.serial);
    return object->handle.serial;
}

static uint64_t get_text(sluice_seen_t *seen, const char *target)
{
    return get(seen, owners, target, strlen(target));
}

static void put_text(sluice_seen_t *seen, const char *target, uint64_t number)
{
    sluice_seen_put(seen, owners, target, strlen(target), handle_of(number), INT64_MAX);
}

static void test_every_byte_counts(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(64, SEED);

    (void)state;
    assert_int_equal(get_text(seen, "/a.jpg?w=1"), 0);
    put_text(seen, "/a.jpg?w=1", 7);
    assert_int_equal(get_text(seen, "/a.jpg?w=1"), 7);
    assert_int_equal(get_text(seen, "/a.jpg?w=2"), 0);
    assert_int_equal(get_text(seen, "/A.jpg?w=1"), 0);
    assert_int_equal(get_text(seen, "/a.jpg?w="), 0);
    assert_int_equal(get_text(seen, "/a.jpg?w=10"), 0);
    assert_int_equal(get_text(seen, ""), 0);
    put_text(seen, "/a.jpg?w=1", 8);
    assert_int_equal(get_text(seen, "/a.jpg?w=1"), 8);
    sluice_seen_destroy(&seen);
    assert_null(seen);
    sluice_seen_destroy(&seen);
}

static void test_owners_have_their_own(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(64, SEED);

    (void)state;
    sluice_seen_put(seen, owners, "/a.jpg", 6, handle_of(1), INT64_MAX);
    assert_int_equal(get(seen, owners + 1, "/a.jpg", 6), 0);
    sluice_seen_put(seen, owners + 1, "/a.jpg", 6, handle_of(2), INT64_MAX);
    assert_int_equal(get(seen, owners, "/a.jpg", 6), 1);
    assert_int_equal(get(seen, owners + 1, "/a.jpg", 6), 2);
    sluice_seen_destroy(&seen);
}

static void test_longest(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(1, SEED);
    char target[SLUICE_SEEN_TARGET_MAX + 1];

    (void)state;
    memset(target, 'a', sizeof(target));
    sluice_seen_put(seen, owners, target, SLUICE_SEEN_TARGET_MAX, handle_of(1), INT64_MAX);
    assert_int_equal(get(seen, owners, target, SLUICE_SEEN_TARGET_MAX), 1);
    sluice_seen_put(seen, owners, target, SLUICE_SEEN_TARGET_MAX + 1, handle_of(2), INT64_MAX);
    assert_int_equal(get(seen, owners, target, SLUICE_SEEN_TARGET_MAX + 1), 0);
    assert_int_equal(get(seen, owners, target, SLUICE_SEEN_TARGET_MAX), 1);
    sluice_seen_destroy(&seen);
}

/* XXH3 multiplies the first eight bytes, after an exclusive or with a secret and the seed, with the next eight: where the former
 * are made 0, the latter do not count */
static void test_same_hash(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(64, SEED);
    char one[32], other[32];
    uint64_t secret;

    (void)state;
    memcpy(&secret, XXH3_kSecret, sizeof(secret));
    memset(one, 'x', sizeof(one));
    secret += SEED;
    memcpy(one, &secret, sizeof(secret));
    memcpy(other, one, sizeof(one));
    other[9] = 'y';
    assert_true(XXH3_64bits_withSeed(one, sizeof(one), SEED) == XXH3_64bits_withSeed(other, sizeof(other), SEED));
    sluice_seen_put(seen, owners, one, sizeof(one), handle_of(1), INT64_MAX);
    assert_int_equal(get(seen, owners, other, sizeof(other)), 0);
    sluice_seen_put(seen, owners, other, sizeof(other), handle_of(2), INT64_MAX);
    assert_int_equal(get(seen, owners, one, sizeof(one)), 1);
    assert_int_equal(get(seen, owners, other, sizeof(other)), 2);
    sluice_seen_destroy(&seen);
}

static void test_the_one_not_used_goes(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(1, SEED); /* all in the same set, of two */

    (void)state;
    put_text(seen, "/1", 1);
    put_text(seen, "/2", 2);
    assert_int_equal(get_text(seen, "/1"), 1);
    put_text(seen, "/3", 3);
    assert_int_equal(get_text(seen, "/2"), 0);
    assert_int_equal(get_text(seen, "/1"), 1);
    assert_int_equal(get_text(seen, "/3"), 3);
    put_text(seen, "/4", 4);
    assert_int_equal(get_text(seen, "/1"), 0);
    assert_int_equal(get_text(seen, "/3"), 3);
    sluice_seen_destroy(&seen);
}

/* a set has two ways, and neighbours four entries with the target's own */
static void test_beside(void **state)
{
    static const char target[] = "/a.jpg?w=1&auto=format";
    static char neighbours[4];
    sluice_seen_t *seen = sluice_seen_create(64, SEED);
    const sluice_seen_object_t *found, *beside;

    (void)state;
    sluice_seen_put(seen, owners, target, sizeof(target), (icache_handle_t){NULL, 0}, INT64_MAX);
    for (uint64_t i = 0; i != 4; ++i) {
        assert_non_null(found = sluice_seen_get(seen, owners, target, sizeof(target)));
        assert_null(sluice_seen_get_beside(seen, found, neighbours + i));
        sluice_seen_put(seen, neighbours + i, target, sizeof(target), handle_of(i + 1), INT64_MAX);
    }
    put_text(seen, "/b.jpg", 9);
    for (uint64_t i = 0; i != 4; ++i) {
        assert_non_null(found = sluice_seen_get(seen, owners, target, sizeof(target)));
        assert_null(found->handle.object);
        assert_non_null(beside = sluice_seen_get_beside(seen, found, neighbours + i));
        assert_int_equal(beside->handle.serial, i + 1);
        assert_ptr_equal(sluice_seen_get(seen, neighbours + i, target, sizeof(target)), beside);
        assert_null(sluice_seen_get_beside(seen, sluice_seen_get(seen, owners, "/b.jpg", 6), neighbours + i));
    }
    sluice_seen_destroy(&seen);
}

/* what was said of one object must never be said of the next */
static void test_texts_and_expiry_go_with_the_object(void **state)
{
    sluice_seen_t *seen = sluice_seen_create(1, SEED);
    const sluice_field_values_t values = {0, 1, 2, 3, 0};
    sluice_seen_object_t *object;

    (void)state;
    put_text(seen, "/1", 1);
    object = sluice_seen_get(seen, owners, "/1", 2);
    assert_non_null(object);
    assert_false(sluice_field_texts_are_of(&object->texts, &values));
    object->texts.of = values;
    object = sluice_seen_get(seen, owners, "/1", 2);
    assert_true(sluice_field_texts_are_of(&object->texts, &values));
    assert_true(object->expires_s == INT64_MAX);
    sluice_seen_put(seen, owners, "/1", 2, handle_of(2), 1700000000);
    object = sluice_seen_get(seen, owners, "/1", 2);
    assert_false(sluice_field_texts_are_of(&object->texts, &values));
    assert_true(object->expires_s == 1700000000);
    sluice_seen_destroy(&seen);
}

#define NUM_TARGETS 40

static void test_random_steps(void **state)
{
    uint64_t last[2][NUM_TARGETS] = {{0}}, found = 0;
    sluice_seen_t *seen = sluice_seen_create(16, SEED);
    char target[32];

    (void)state;
    srand(1);
    for (uint64_t step = 1; step != 100000; ++step) {
        int number = rand() % NUM_TARGETS, owner = rand() % 2;
        int len = snprintf(target, sizeof(target), "/%d.jpg?w=%d", number, number % 7);
        if (rand() % 3 == 0) {
            sluice_seen_put(seen, owners + owner, target, (size_t)len, handle_of(last[owner][number] = step), INT64_MAX);
            assert_int_equal(get(seen, owners + owner, target, (size_t)len), step);
        } else {
            uint64_t got = get(seen, owners + owner, target, (size_t)len);
            assert_true(got == 0 || got == last[owner][number]);
            found += got != 0;
        }
    }
    assert_true(found > 10000); /* 32 entries for 80 */
    sluice_seen_destroy(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_byte_counts),
                                       cmocka_unit_test(test_owners_have_their_own),
                                       cmocka_unit_test(test_longest),
                                       cmocka_unit_test(test_beside),
                                       cmocka_unit_test(test_same_hash),
                                       cmocka_unit_test(test_the_one_not_used_goes),
                                       cmocka_unit_test(test_texts_and_expiry_go_with_the_object),
                                       cmocka_unit_test(test_random_steps)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
