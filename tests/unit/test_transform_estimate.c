#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/picture_facts.h"

#define MB UINT64_C(1000000)
#define BEYOND_ALL (UINT64_C(1) << 62)

static uint64_t estimate_bytes(sluice_format_t format, uint32_t bands, int whole, uint64_t coefficient_bytes)
{
    sluice_picture_facts_t facts = {format, 6000, 4000, 1, bands, 1, whole, coefficient_bytes};

    return sluice_transform_estimate(&facts, 300, 200, SLUICE_FORMAT_JPEG);
}

/* not below what was measured (see the header), and no more than twice of it, beside the fixed part */
static void assert_measured(uint64_t bytes, uint64_t measured)
{
    assert_in_range(bytes, measured, 2 * measured + 4 * 1024 * 1024);
}

static void test_is_what_was_measured(void **state)
{
    (void)state;
    assert_measured(estimate_bytes(SLUICE_FORMAT_JPEG, 3, 1, 72 * MB), 72 * MB); /* 4:2:0 */
    assert_measured(estimate_bytes(SLUICE_FORMAT_JPEG, 3, 0, 0), 2 * MB);
    assert_measured(estimate_bytes(SLUICE_FORMAT_PNG, 3, 0, 0), 22 * MB);
    assert_measured(estimate_bytes(SLUICE_FORMAT_WEBP, 3, 0, 0), 22 * MB);
    assert_measured(estimate_bytes(SLUICE_FORMAT_WEBP, 4, 0, 0), 22 * MB);
    assert_measured(estimate_bytes(SLUICE_FORMAT_PNG, 3, 1, 0), 71 * MB);
    assert_measured(estimate_bytes(SLUICE_FORMAT_AVIF, 3, 1, 0), 140 * MB);
}

/* exact sums for one picture of each way to be decoded, so that no part of the formula can go missing */
static void test_parts(void **state)
{
    const uint64_t fixed = 4 * 1024 * 1024, pixels = 24 * MB, out = 300 * 200 * 4 * 2;

    (void)state;
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_JPEG, 3, 0, 72 * MB), fixed + 64 * 6000 * 3 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_JPEG, 3, 1, 72 * MB), fixed + 64 * 6000 * 3 + 72 * MB + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_JPEG, 4, 1, 0), fixed + 64 * 6000 * 4 + pixels * 2 * 4 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_PNG, 4, 1, 0), fixed + 1024 * 6000 * 4 + pixels * 4 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_WEBP, 3, 1, 0), fixed + 1024 * 6000 * 3 + pixels * 4 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_GIF, 4, 1, 0), fixed + 1024 * 6000 * 4 + pixels * 4 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_AVIF, 4, 1, 0), fixed + 1024 * 6000 * 4 + pixels * 6 + out);
    assert_int_equal(estimate_bytes(SLUICE_FORMAT_TIFF, 3, 1, 0), fixed + 1024 * 6000 * 3 + pixels * 3 + out);
    sluice_picture_facts_t low = {SLUICE_FORMAT_PNG, 100, 10, 3, 4, 2, 0, 0};
    assert_int_equal(sluice_transform_estimate(&low, 50, 5, SLUICE_FORMAT_PNG), fixed + 10 * 100 * 8 + 50 * 5 * 3 * 4 * 2);
    assert_int_equal(sluice_transform_estimate(&low, 50, 5, SLUICE_FORMAT_WEBP), fixed + 10 * 100 * 8 + 50 * 5 * 3 * 4 * 4);
    assert_int_equal(sluice_transform_estimate(&low, 50, 5, SLUICE_FORMAT_AVIF), fixed + 10 * 100 * 8 + 50 * 5 * 3 * 4 * 12);
    assert_int_equal(sluice_transform_estimate(&low, 50, 5, SLUICE_FORMAT_GIF), fixed + 10 * 100 * 8 + 50 * 5 * 3 * 4 * 2);
}

static void test_does_not_wrap(void **state)
{
    (void)state;
    for (int format = SLUICE_FORMAT_NONE; format != SLUICE_NUM_FORMATS; ++format) {
        sluice_picture_facts_t large = {(sluice_format_t)format, 65500, 65500, 1, 4, 2, 1, 0};
        uint64_t bytes = sluice_transform_estimate(&large, 65500, 65500, SLUICE_FORMAT_AVIF);
        uint64_t pixels = UINT64_C(65500) * 65500;
        assert_true(bytes >= pixels * 48 + pixels * 4 && bytes < pixels * 64);
        sluice_picture_facts_t absurd = {(sluice_format_t)format, UINT32_C(1) << 31, UINT32_C(1) << 31, 1, 8, 2, 1, 0};
        assert_true(sluice_transform_estimate(&absurd, 300, 200, SLUICE_FORMAT_JPEG) >= BEYOND_ALL);
        assert_true(sluice_transform_estimate(&large, UINT32_C(1) << 31, UINT32_C(1) << 31, SLUICE_FORMAT_JPEG) >= BEYOND_ALL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_what_was_measured),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
