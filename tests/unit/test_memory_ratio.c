#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/memory_ratio.h"

static void test_alone(void **state)
{
    static const struct {
        sluice_company_t begin, end;
        int alone;
    } cases[] = {
        {{1, 0, 0, 0, 0}, {1, 0, 0, 0, 0}, 1},  {{8, 7, 9, 0, 3}, {8, 7, 9, 0, 3}, 1},
        {{8, 6, 9, 0, 3}, {8, 6, 9, 0, 3}, 0}, /* another one all the time */
        {{8, 6, 9, 0, 3}, {8, 7, 9, 0, 3}, 0}, /* at first */
        {{8, 7, 9, 0, 3}, {9, 7, 9, 0, 3}, 0}, /* at last */
        {{8, 7, 9, 0, 3}, {9, 8, 9, 0, 3}, 0}, /* in between */
        {{8, 7, 9, 1, 3}, {8, 7, 9, 1, 3}, 0}, /* a fetch all the time */
        {{8, 7, 9, 1, 3}, {8, 7, 9, 0, 3}, 0},  {{8, 7, 9, 0, 3}, {8, 7, 10, 1, 3}, 0},
        {{8, 7, 9, 0, 3}, {8, 7, 10, 0, 3}, 0}, {{8, 7, 9, 0, 3}, {8, 7, 9, 1, 3}, 0}, /* begun before it was counted */
        {{8, 7, 9, 0, 3}, {8, 7, 9, 0, 4}, 0},                                         /* a reclaim */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        if (sluice_was_alone(&cases[i].begin, &cases[i].end) != cases[i].alone)
            fail_msg("case %zu", i);
}

static void test_buckets(void **state)
{
    static const struct {
        uint64_t taken, estimate;
        size_t bucket;
    } cases[] = {{0, 1000, 0},    {250, 1000, 0},  {251, 1000, 1},  {500, 1000, 1},     {501, 1000, 2},  {750, 1000, 2},
                 {751, 1000, 3},  {900, 1000, 3},  {901, 1000, 4},  {1000, 1000, 4},    {1001, 1000, 5}, {1100, 1000, 5},
                 {1101, 1000, 6}, {1250, 1000, 6}, {1251, 1000, 7}, {UINT64_MAX, 1, 7}, {0, 0, 0},       {5, 0, 7}};
    sluice_ratios_t ratios = {0};
    uint64_t counted = 0;

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        assert_int_equal(sluice_ratio_bucket(cases[i].taken, cases[i].estimate), cases[i].bucket);
        assert_int_equal(sluice_is_overrun(cases[i].taken, cases[i].estimate), cases[i].bucket == 7);
    }
    sluice_ratios_count(&ratios, 500, 1000);
    sluice_ratios_count(&ratios, 1500, 1000);
    for (size_t i = 0; i != SLUICE_NUM_RATIOS; ++i)
        counted += sluice_counted(ratios.buckets + i);
    assert_int_equal(counted, 2);
    assert_true(sluice_counted(ratios.buckets + 1) == 1 && sluice_counted(ratios.buckets + 7) == 1);
    assert_int_equal(sluice_counted(&ratios.sum_millionths), 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
