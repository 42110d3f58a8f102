#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/source_share.h"

static sluice_source_share_t share;
static const int fetches[4];

static int set_up(void **state)
{
    (void)state;
    sluice_source_share_init(&share, 1000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(sluice_source_share_ahead(&share), 0);
    assert_null(share.exempt);
    sluice_source_share_dispose(&share);
    return 0;
}

static int take(int fetch, uint64_t bytes)
{
    int taken = sluice_source_share_take(&share, fetches + fetch, (uint64_t)fetch, bytes);

    if (taken)
        sluice_source_share_keep(&share, (uint64_t)fetch);
    return taken;
}

static void end(int fetch, uint64_t bytes)
{
    sluice_source_share_end(&share, fetches + fetch, (uint64_t)fetch, bytes);
}

static int hold(uint32_t *holders, uint64_t bytes, int must)
{
    return sluice_source_share_hold(&share, holders, bytes, must);
}

static void test_what_is_left_of_the_share(void **state)
{
    uint32_t holders = 0;

    (void)state;
    assert_true(hold(&holders, 501, 0)); /* more than half: nothing goes beyond the share */
    assert_false(take(0, 500));
    assert_true(take(0, 300));
    assert_false(take(1, 200));
    assert_true(take(1, 199));
    assert_false(take(2, 1));
    sluice_source_share_give(&share, 100);
    assert_true(take(2, 100));
    end(0, 200);
    end(1, 199);
    end(2, 100);
    sluice_source_share_drop(&share, &holders, 501);
}

/* small ones need not wait for a large one that does not fit yet, but not for ever */
static void test_small_ones_pass(void **state)
{
    uint32_t holders = 0;
    unsigned passed = 0;

    (void)state;
    assert_true(hold(&holders, 501, 0));
    assert_false(take(0, 800));
    for (; passed < 100 && take(1, 50); ++passed)
        sluice_source_share_give(&share, 50);
    assert_int_equal(passed, 4); /* a quarter of 800 */
    assert_false(take(2, 1));
    assert_false(take(0, 800));
    assert_false(take(2, 1)); /* asking again does not open the way */
    sluice_source_share_drop(&share, &holders, 501);
    assert_false(take(2, 1));
    assert_true(take(0, 800));
    assert_true(take(2, 1));
    end(0, 800);
    assert_true(hold(&holders, 501, 0));
    assert_false(take(1, 800)); /* it is the oldest now, and none has passed it */
    assert_true(take(2, 200));
    end(1, 0);
    end(2, 201);
    sluice_source_share_drop(&share, &holders, 501);
}

/* who finds no memory for what was left of the share keeps its place */
static void test_no_memory(void **state)
{
    uint32_t holders = 0;

    (void)state;
    assert_true(hold(&holders, 501, 0));
    assert_true(sluice_source_share_take(&share, fetches, 0, 400));
    sluice_source_share_return(&share, 0, 400);
    assert_int_equal(sluice_source_share_ahead(&share), 501);
    for (unsigned i = 0; i < 3; ++i) { /* what is returned has not passed */
        assert_true(sluice_source_share_take(&share, fetches + 2, 2, 100));
        sluice_source_share_return(&share, 2, 100);
    }
    assert_true(take(1, 100));
    assert_false(take(2, 1)); /* a quarter of 400 has passed */
    end(1, 100);
    assert_true(take(0, 400));
    assert_true(take(2, 1));
    end(0, 400);
    end(2, 1);
    sluice_source_share_drop(&share, &holders, 501);
}

/* what is larger than the share need not wait until the workers have nothing left to do */
static void test_beyond_the_share(void **state)
{
    uint32_t holders = 0, others = 0;

    (void)state;
    assert_true(hold(&others, 1, 0));
    assert_true(hold(&holders, 500, 0));
    assert_false(take(0, 5000));
    sluice_source_share_drop(&share, &others, 1);
    assert_false(take(1, 1200)); /* that is for the oldest only */
    assert_true(take(0, 5000));
    assert_false(take(1, 5000));
    end(0, 5000);
    end(1, 0);
    sluice_source_share_drop(&share, &holders, 500);
}

/* with nothing to do for the workers, one download may take what it likes, and grow; not two of them */
static void test_one_may_always(void **state)
{
    uint32_t holders = 0;

    (void)state;
    assert_true(take(0, 5000));
    assert_true(take(0, 10000));
    assert_false(take(1, 1));
    sluice_source_share_give(&share, 5000);
    assert_false(take(1, 1));
    assert_true(hold(&holders, 10000, 0)); /* its rendition waits with it now */
    end(0, 10000);
    assert_false(take(1, 1));
    sluice_source_share_drop(&share, &holders, 10000);
    assert_true(take(1, 5000));
    assert_false(take(2, 5000));
    end(2, 0);
    assert_false(take(2, 5000)); /* the end of another one is not the end of this */
    end(1, 5000);
    end(2, 0);
}

/* two that grow cannot block one another: one of them goes on to its end */
static void test_no_deadlock_of_two_that_grow(void **state)
{
    (void)state;
    assert_true(take(0, 200));
    assert_true(take(1, 200));
    assert_true(take(0, 400));
    assert_true(take(1, 400));
    assert_false(take(0, 800));
    assert_true(take(1, 800));
    end(1, 1400);
    assert_true(take(0, 800));
    end(0, 1400);
}

/* whoever asks first: it is the oldest one's turn, until it goes away */
static void test_the_oldest_is_the_next(void **state)
{
    (void)state;
    assert_true(take(3, 5000));
    assert_false(take(2, 5000));
    assert_false(take(1, 5000));
    assert_false(take(0, 5000));
    end(3, 5000);
    assert_false(take(2, 5000));
    assert_false(take(1, 5000));
    assert_true(take(0, 5000));
    assert_false(take(1, 5000)); /* they ask again while it is at work */
    assert_false(take(2, 5000));
    end(0, 5000);
    assert_false(take(2, 5000));
    end(1, 0); /* that one has given up */
    assert_true(take(2, 5000));
    end(2, 5000);
}

static void test_a_source_counts_once(void **state)
{
    uint32_t a = 0, b = 0;

    (void)state;
    for (unsigned i = 0; i < 10; ++i)
        assert_true(hold(&a, 600, 0));
    assert_int_equal(sluice_source_share_ahead(&share), 600);
    assert_false(hold(&b, 401, 0));
    assert_int_equal(b, 0);
    assert_true(hold(&b, 400, 0));
    for (unsigned i = 0; i < 10; ++i) {
        assert_int_equal(sluice_source_share_ahead(&share), 1000);
        sluice_source_share_drop(&share, &a, 600);
    }
    assert_int_equal(sluice_source_share_ahead(&share), 400);
    sluice_source_share_drop(&share, &b, 400);
}

static void test_holds_beyond_the_share(void **state)
{
    uint32_t a = 0, b = 0, c = 0;

    (void)state;
    assert_true(hold(&a, 5000, 0)); /* one may always be held */
    assert_false(hold(&b, 1, 0));
    assert_true(hold(&c, 5000, 1)); /* it cannot be had again */
    assert_int_equal(sluice_source_share_ahead(&share), 10000);
    sluice_source_share_drop(&share, &a, 5000);
    assert_false(hold(&b, 1, 0));
    sluice_source_share_drop(&share, &c, 5000);
    assert_true(hold(&b, 1, 0));
    sluice_source_share_drop(&share, &b, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_left_of_the_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_ones_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_beyond_the_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_may_always, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_deadlock_of_two_that_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_oldest_is_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_source_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holds_beyond_the_share, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
