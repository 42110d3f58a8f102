/* ldflags: -Wl,--wrap=madvise */
/*
 * The slab of headers: the lowest free one first, serials that never come back, pages that do go back and not too early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "image_cache/image_cache_private.h"

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);

static int calls, refuse;

int __wrap_madvise(void *start, size_t bytes, int advice)
{
    ++calls;
    return refuse ? -1 : __real_madvise(start, bytes, advice);
}

static icache_object_t *take(icache_slab_t *slab)
{
    icache_object_t *object = icache_slab_take(slab);

    assert_non_null(object);
    assert_int_equal((uintptr_t)object % 64, 0);
    assert_int_equal(object->_refs, 0);
    object->_refs = 1;
    return object;
}

static void give(icache_slab_t *slab, icache_object_t *object)
{
    object->_refs = 0;
    icache_slab_give(slab, object);
}

#define NUM_HEADERS ((size_t)ICACHE_SLAB_SPARE_HEADERS)

static void exhausted_at_the_last_header(void **state)
{
    (void)state;
    icache_slab_t *slab = icache_slab_create(0, 0);

    for (size_t i = 0; i < NUM_HEADERS; ++i)
        assert_ptr_equal(take(slab), &slab->headers[i]);
    assert_int_equal(icache_slab_check(slab), 0);
    assert_null(icache_slab_take(slab));
    static const size_t given[] = {12345, 3, NUM_HEADERS - 1, 4096, 64, 63};
    for (size_t i = 0; i < 6; ++i)
        give(slab, &slab->headers[given[i]]);
    assert_int_equal(icache_slab_check(slab), 0);
    static const size_t sorted[] = {3, 63, 64, 4096, 12345, NUM_HEADERS - 1};
    for (size_t i = 0; i < 6; ++i)
        assert_ptr_equal(take(slab), &slab->headers[sorted[i]]);
    assert_null(icache_slab_take(slab));
    icache_slab_close(slab);
    for (size_t i = 0; i < NUM_HEADERS; ++i)
        give(slab, &slab->headers[i]);
}

static void room_for_as_many_again(void **state)
{
    (void)state;
    icache_slab_t *slab = icache_slab_create(1000, 0);
    assert_int_equal(slab->max_headers, 2000 + ICACHE_SLAB_SPARE_HEADERS);
    icache_slab_close(slab);
}

static uint64_t random_state;

static size_t draw(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

/* up and down around a random level, against an array of flags; a header keeps what is written into it while it is in use */
static void random_steps_against_a_model(void **state)
{
    (void)state;
    enum { NUM = 12000 };
    static uint32_t model[NUM]; /* what was written, 0: free */
    icache_slab_t *slab = icache_slab_create(0, 0);
    uint64_t last_serial = 0;
    size_t num_used = 0, level = 0;

    random_state = 11;
    calls = 0;
    memset(model, 0, sizeof(model));
    for (uint32_t step = 1; step <= 200000; ++step) {
        if (step % 5000 == 1)
            level = draw(NUM - 1) * draw(2);
        if (draw(20) != 0 ? num_used < level : draw(2) && num_used < NUM) {
            size_t at = 0;
            while (model[at] != 0)
                ++at;
            icache_object_t *object = take(slab);
            assert_ptr_equal(object, &slab->headers[at]);
            assert_true(object->_serial > last_serial);
            last_serial = object->_serial;
            object->cost_us = model[at] = step;
            ++num_used;
        } else if (num_used != 0) {
            size_t at = draw(NUM);
            while (model[at] == 0)
                at = (at + 1) % NUM;
            assert_int_equal(slab->headers[at].cost_us, model[at]);
            give(slab, &slab->headers[at]);
            model[at] = 0;
            --num_used;
        }
        assert_int_equal(icache_slab_num_used(slab), num_used);
        if (step % 500 == 0) {
            assert_int_equal(icache_slab_check(slab), 0);
            for (size_t at = 0; at < NUM; ++at) {
                assert_int_equal(icache_slab_has(slab, &slab->headers[at]), model[at] != 0);
                assert_true(model[at] == 0 || slab->headers[at].cost_us == model[at]);
            }
        }
    }
    assert_true(calls > 100);
    icache_slab_close(slab);
    for (size_t at = 0; at < NUM; ++at)
        if (model[at] != 0)
            give(slab, &slab->headers[at]);
}

static size_t resident_pages(const icache_slab_t *slab, size_t num_units)
{
    unsigned char pages[1024];
    size_t count = 0, num_pages = num_units * ICACHE_SLAB_UNIT_BYTES / 4096;

    assert_true(num_pages <= sizeof(pages));
    assert_int_equal(mincore(slab->headers, num_units * ICACHE_SLAB_UNIT_BYTES, pages), 0);
    for (size_t i = 0; i < num_pages; ++i)
        count += pages[i] & 1;
    return count;
}

enum { UNITS = 100, PAGES_PER_UNIT = 3 };

static icache_slab_t *create_full(void)
{
    icache_slab_t *slab = icache_slab_create(0, 0);

    for (int i = 0; i < UNITS * ICACHE_SLAB_UNIT_HEADERS; ++i)
        take(slab);
    assert_int_equal(resident_pages(slab, UNITS), UNITS * PAGES_PER_UNIT);
    return slab;
}

static void give_unit(icache_slab_t *slab, size_t unit, int but_one)
{
    for (size_t i = (size_t)but_one; i < ICACHE_SLAB_UNIT_HEADERS; ++i)
        give(slab, &slab->headers[unit * ICACHE_SLAB_UNIT_HEADERS + i]);
}

static void pages_go_back(void **state)
{
    (void)state;
    icache_slab_t *slab = create_full();

    /* nothing goes while each unit has a header in use */
    calls = 0;
    for (size_t unit = 0; unit < UNITS; ++unit)
        give_unit(slab, unit, 1);
    assert_int_equal(calls, 0);
    /* then all but the lowest of those that are idle */
    for (size_t i = 0; i < UNITS; ++i)
        give(slab, &slab->headers[i * 37 % UNITS * ICACHE_SLAB_UNIT_HEADERS]);
    assert_int_equal(calls, UNITS - ICACHE_SLAB_MAX_IDLE);
    assert_int_equal(icache_slab_num_used(slab), 0);
    assert_int_equal(resident_pages(slab, UNITS), ICACHE_SLAB_MAX_IDLE * PAGES_PER_UNIT);
    assert_int_equal(resident_pages(slab, ICACHE_SLAB_MAX_IDLE), ICACHE_SLAB_MAX_IDLE * PAGES_PER_UNIT);
    assert_int_equal(icache_slab_check(slab), 0);
    for (size_t i = 0; i < UNITS * ICACHE_SLAB_UNIT_HEADERS; ++i)
        assert_int_equal(slab->headers[i]._refs, 0);
    icache_slab_close(slab);
}

static void going_up_and_down_costs_no_system_call(void **state)
{
    (void)state;
    icache_slab_t *slab = create_full();

    calls = 0;
    for (int i = 0; i < 100; ++i) {
        for (size_t unit = UNITS - ICACHE_SLAB_MAX_IDLE; unit < UNITS; ++unit)
            give_unit(slab, unit, 0);
        for (int j = 0; j < ICACHE_SLAB_MAX_IDLE * ICACHE_SLAB_UNIT_HEADERS; ++j)
            take(slab);
    }
    assert_int_equal(calls, 0);
    assert_int_equal(icache_slab_check(slab), 0);
    icache_slab_close(slab);
    for (size_t unit = 0; unit < UNITS; ++unit)
        give_unit(slab, unit, 0);
}

static void a_system_that_takes_no_pages(void **state)
{
    (void)state;
    icache_slab_t *slab = create_full();

    refuse = 1;
    for (size_t unit = 0; unit < UNITS; ++unit)
        give_unit(slab, unit, 0);
    refuse = 0;
    assert_int_equal(icache_slab_check(slab), 0);
    assert_ptr_equal(take(slab), slab->headers);
    icache_slab_close(slab);
    give(slab, slab->headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exhausted_at_the_last_header),           cmocka_unit_test(room_for_as_many_again),
        cmocka_unit_test(random_steps_against_a_model),           cmocka_unit_test(pages_go_back),
        cmocka_unit_test(going_up_and_down_costs_no_system_call), cmocka_unit_test(a_system_that_takes_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
