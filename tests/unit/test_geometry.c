#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/geometry.h"

static sluice_options_t wanted(uint32_t width, uint32_t height, sluice_fit_t fit)
{
    return (sluice_options_t){.width = {width, 0}, .height = {height, 0}, .fit = fit};
}

static void assert_answer(uint32_t source_width, uint32_t source_height, sluice_options_t options, uint32_t width, uint32_t height)
{
    sluice_size_t size = sluice_answer_size((sluice_size_t){source_width, source_height}, &options);

    if (size.width != width || size.height != height)
        fail_msg("%u x %u to %u x %u, fit %d, gives %u x %u, not %u x %u", (unsigned)source_width, (unsigned)source_height,
                 (unsigned)options.width.amount, (unsigned)options.height.amount, (int)options.fit, (unsigned)size.width,
                 (unsigned)size.height, (unsigned)width, (unsigned)height);
}

static void test_known_sizes(void **state)
{
    (void)state;
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_INSIDE), 294, 240);
    assert_answer(2725, 2225, wanted(320, 0, SLUICE_FIT_INSIDE), 320, 261);
    assert_answer(2725, 2225, wanted(0, 320, SLUICE_FIT_INSIDE), 392, 320);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_OUTSIDE), 320, 261);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_COVER), 320, 240);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_FILL), 320, 240);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_CONTAIN), 320, 240);
    assert_answer(6000, 4000, wanted(300, 300, SLUICE_FIT_INSIDE), 300, 200);
    assert_answer(6000, 4000, wanted(300, 300, SLUICE_FIT_OUTSIDE), 450, 300);
    assert_answer(4000, 6000, wanted(300, 300, SLUICE_FIT_INSIDE), 200, 300);
    assert_answer(4000, 6000, wanted(300, 300, SLUICE_FIT_OUTSIDE), 300, 450);
}

static void test_nothing_asked(void **state)
{
    (void)state;
    for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit) {
        assert_answer(2725, 2225, wanted(0, 0, (sluice_fit_t)fit), 2725, 2225);
        assert_answer(1, 1, wanted(0, 0, (sluice_fit_t)fit), 1, 1);
        assert_answer(65500, 3, wanted(0, 0, (sluice_fit_t)fit), 65500, 3);
    }
}

static void test_one_side(void **state)
{
    (void)state;
    for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit) {
        int fill = fit == SLUICE_FIT_FILL;
        assert_answer(600, 400, wanted(300, 0, (sluice_fit_t)fit), 300, fill ? 400 : 200);
        assert_answer(600, 400, wanted(0, 100, (sluice_fit_t)fit), fill ? 600 : 150, 100);
        assert_answer(600, 400, wanted(1200, 0, (sluice_fit_t)fit), 1200, fill ? 400 : 800);
    }
}

static void test_enlarges(void **state)
{
    (void)state;
    assert_answer(30, 20, wanted(300, 300, SLUICE_FIT_INSIDE), 300, 200);
    assert_answer(30, 20, wanted(300, 300, SLUICE_FIT_OUTSIDE), 450, 300);
    assert_answer(1, 1, wanted(8192, 0, SLUICE_FIT_INSIDE), 8192, 8192);
}

static void test_extreme_aspect_ratios(void **state)
{
    (void)state;
    assert_answer(1, 10000, wanted(0, 100, SLUICE_FIT_INSIDE), 1, 100);
    assert_answer(10000, 1, wanted(100, 0, SLUICE_FIT_INSIDE), 100, 1);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_INSIDE), 1, 100);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_OUTSIDE), 100, 1000000);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_COVER), 100, 100);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_CONTAIN), 100, 100);
    assert_answer(1, 10000, wanted(1, 1, SLUICE_FIT_INSIDE), 1, 1);
    assert_answer(65500, 1, wanted(1, 0, SLUICE_FIT_INSIDE), 1, 1);
    /* more than can be said, but not less because of it */
    assert_answer(1, 65535, wanted(65535, 0, SLUICE_FIT_INSIDE), 65535, UINT32_C(65535) * 65535);
    assert_answer(1, 1000000, wanted(65535, 0, SLUICE_FIT_INSIDE), 65535, UINT32_MAX);
}

/* whether `scaled` is `side` x numerator / denominator, rounded to the nearest (either one, from the middle), and at least 1 */
static int is_rounded(uint32_t scaled, uint32_t side, uint64_t numerator, uint64_t denominator)
{
    uint64_t twice_exact = 2 * side * numerator, twice_scaled = 2 * scaled * denominator;
    uint64_t off = twice_exact > twice_scaled ? twice_exact - twice_scaled : twice_scaled - twice_exact;

    return off <= denominator || (scaled == 1 && twice_exact < denominator);
}

static void check_size(sluice_size_t source, sluice_options_t o)
{
    sluice_size_t scaled = sluice_scaled_size(source, &o), answer = sluice_answer_size(source, &o);
    int larger = o.fit == SLUICE_FIT_OUTSIDE || o.fit == SLUICE_FIT_COVER, both = o.width.amount != 0 && o.height.amount != 0;
    /* width / source.width < height / source.height, without a division */
    int width_is_smaller = (uint64_t)o.width.amount * source.height < (uint64_t)o.height.amount * source.width;
    int by_width = o.height.amount == 0 || (o.width.amount != 0 && width_is_smaller != larger);
    int ok;

    if (o.fit == SLUICE_FIT_FILL)
        ok = scaled.width == (o.width.amount != 0 ? o.width.amount : source.width) &&
             scaled.height == (o.height.amount != 0 ? o.height.amount : source.height);
    else if (o.width.amount == 0 && o.height.amount == 0)
        ok = scaled.width == source.width && scaled.height == source.height;
    else if (by_width)
        ok = scaled.width == o.width.amount && is_rounded(scaled.height, source.height, o.width.amount, source.width);
    else
        ok = scaled.height == o.height.amount && is_rounded(scaled.width, source.width, o.height.amount, source.height);
    if (both && o.fit == SLUICE_FIT_COVER) /* there must be enough to crop from */
        ok = ok && scaled.width >= o.width.amount && scaled.height >= o.height.amount;
    if (both && (o.fit == SLUICE_FIT_CONTAIN || o.fit == SLUICE_FIT_INSIDE)) /* and nothing may stick out */
        ok = ok && scaled.width <= o.width.amount && scaled.height <= o.height.amount;
    if (both && (o.fit == SLUICE_FIT_COVER || o.fit == SLUICE_FIT_CONTAIN))
        ok = ok && answer.width == o.width.amount && answer.height == o.height.amount;
    else
        ok = ok && answer.width == scaled.width && answer.height == scaled.height;
    if (!ok)
        fail_msg("%u x %u to %u x %u, fit %d: %u x %u, then %u x %u", (unsigned)source.width, (unsigned)source.height,
                 (unsigned)o.width.amount, (unsigned)o.height.amount, (int)o.fit, (unsigned)scaled.width, (unsigned)scaled.height,
                 (unsigned)answer.width, (unsigned)answer.height);
}

static void test_small_sizes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i != 14 * 14 * 14 * 14; ++i)
        for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit)
            check_size((sluice_size_t){1 + i % 14, 1 + i / 14 % 14}, wanted(i / 196 % 14, i / 2744, (sluice_fit_t)fit));
}

static void test_random_sizes(void **state)
{
    uint64_t random = 0x9e3779b97f4a7c15;

    (void)state;
    for (size_t i = 0; i != 400000; ++i) {
        uint32_t n[4];
        for (size_t j = 0; j != 4; ++j) {
            random = random * 6364136223846793005 + 1442695040888963407;
            n[j] = (uint32_t)(random >> 33) & ((UINT32_C(2) << (random >> 29 & 15)) - 1); /* all magnitudes below 2^16 */
        }
        check_size((sluice_size_t){1 + n[0] % 65500, 1 + n[1] % 65500},
                   wanted(n[2] % 8193, i % 4 == 0 ? 0 : n[3] % 8193, (sluice_fit_t)(i % SLUICE_NUM_FITS)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sizes),  cmocka_unit_test(test_nothing_asked),         cmocka_unit_test(test_one_side),
        cmocka_unit_test(test_enlarges),     cmocka_unit_test(test_extreme_aspect_ratios), cmocka_unit_test(test_small_sizes),
        cmocka_unit_test(test_random_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
