#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/transform_estimate.h"

#define MB UINT64_C(1000000)
#define BEYOND_ALL (UINT64_C(1) << 62)
#define FIXED (UINT64_C(2) << 20)

static const sluice_work_t small = {300, 200, 300, 200, 0, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 300, 200};

static sluice_picture_facts_t facts_of(sluice_format_t format, uint32_t bands, sluice_whole_t whole, uint32_t kept)
{
    return (sluice_picture_facts_t){.format = format,
                                    .width = 6000,
                                    .height = 4000,
                                    .bands = bands,
                                    .bytes_per_band = 1,
                                    .whole = whole,
                                    .whole_bytes_per_pixel = kept};
}

/* 128 rows of `width` pixels as decoded, what the resizer keeps, and what it makes */
static uint64_t rows(uint64_t width, uint64_t bytes_per_pixel, uint64_t bands, sluice_work_t work)
{
    return width * bytes_per_pixel * 128 + width * (4 * bands + 16) + work.made_width * (9 * 16 + 128) + work.made_height * 128 +
           work.made_width * work.made_height * bands;
}

/* what was measured for 24 megapixels scaled to a JPEG of 300 pixels (see the header): not below it, nor far above */
static void test_is_what_was_measured(void **state)
{
    static const struct {
        sluice_picture_facts_t facts;
        uint64_t kilobytes;
    } cases[] = {
#define FACTS(fmt, b, bytes, w, kept, coefficients, has_alpha, profile)                                                            \
    {.format = SLUICE_FORMAT_##fmt,                                                                                                \
     .width = 6000,                                                                                                                \
     .height = 4000,                                                                                                               \
     .bands = b,                                                                                                                   \
     .bytes_per_band = bytes,                                                                                                      \
     .whole = w,                                                                                                                   \
     .whole_bytes_per_pixel = kept,                                                                                                \
     .coefficient_bytes = coefficients,                                                                                            \
     .alpha = has_alpha,                                                                                                           \
     .profile_bytes = profile}
        {FACTS(JPEG, 3, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 700},
        {FACTS(JPEG, 1, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 400},
        {FACTS(JPEG, 4, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 961644), 6200},
        {FACTS(JPEG, 3, 1, SLUICE_WHOLE, 0, 72 * MB, 0, 0), 73500},
        {FACTS(JPEG, 3, 1, SLUICE_WHOLE, 0, 144 * MB, 0, 0), 145500},
        {FACTS(JPEG, 4, 1, SLUICE_WHOLE, 0, 192 * MB, 0, 961644), 201900},
        {FACTS(PNG, 3, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 2100},
        {FACTS(PNG, 4, 1, SLUICE_NOT_WHOLE, 0, 0, 1, 0), 2900},
        {FACTS(PNG, 3, 2, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 6500},
        {FACTS(PNG, 3, 1, SLUICE_WHOLE, 0, 0, 0, 0), 72800},
        {FACTS(PNG, 4, 1, SLUICE_WHOLE, 0, 0, 1, 0), 97200},
        {FACTS(PNG, 3, 2, SLUICE_WHOLE, 0, 0, 0, 0), 146600},
        {FACTS(WEBP, 3, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 1500},
        {FACTS(WEBP, 3, 1, SLUICE_WHOLE, 4, 0, 0, 0), 96900},
        {FACTS(AVIF, 3, 1, SLUICE_WHOLE, 7, 0, 0, 0), 168400},
        {FACTS(AVIF, 3, 1, SLUICE_WHOLE, 13, 0, 0, 0), 315600},
        {FACTS(AVIF, 4, 1, SLUICE_WHOLE, 9, 0, 1, 0), 197300},
        {FACTS(GIF, 3, 1, SLUICE_WHOLE, 4, 0, 0, 0), 98300},
        {FACTS(GIF, 4, 1, SLUICE_WHOLE, 4, 0, 1, 0), 99600},
        {FACTS(TIFF, 3, 1, SLUICE_NOT_WHOLE, 0, 0, 0, 0), 7800},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        uint64_t bytes = sluice_transform_estimate(&cases[i].facts, &small), measured = cases[i].kilobytes * 1000;
        if (bytes < measured || bytes > measured + measured * 3 / 10 + (UINT64_C(6) << 20))
            fail_msg("case %zu: %llu, measured %llu", i, (unsigned long long)bytes, (unsigned long long)measured);
    }
}

/* exact sums for one picture of each way to be decoded, so that no part of the formula can go missing */
static void test_parts_of_the_source(void **state)
{
    const uint64_t pixels = 24 * MB, jpeg = 300 * 200 * 4;
    sluice_picture_facts_t facts = facts_of(SLUICE_FORMAT_JPEG, 3, SLUICE_NOT_WHOLE, 0);

    (void)state;
    facts.coefficient_bytes = 72 * MB;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000 / 8 + 1, 3, 3, small) + jpeg);
    facts.whole = SLUICE_MAYBE_WHOLE;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000 / 8 + 1, 3, 3, small) + 72 * MB + jpeg);
    facts.coefficient_bytes = 0;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000 / 8 + 1, 3, 3, small) + pixels * 6 + jpeg);
    facts.profile_bytes = 1000;
    assert_int_equal(sluice_transform_estimate(&facts, &small),
                     FIXED + rows(6000 / 8 + 1, 3, 3, small) + pixels * 6 + jpeg + 9000 + (1 << 19));
    facts = facts_of(SLUICE_FORMAT_JPEG, 4, SLUICE_NOT_WHOLE, 0); /* CMYK */
    assert_int_equal(sluice_transform_estimate(&facts, &small),
                     FIXED + rows(6000 / 8 + 1, 4, 4, small) + jpeg + (9 << 20) + (1 << 19));
    facts = facts_of(SLUICE_FORMAT_PNG, 3, SLUICE_NOT_WHOLE, 0);
    facts.bytes_per_band = 2;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000, 9, 3, small) + jpeg);
    sluice_work_t lazily = small; /* by libvips */
    lazily.made_width = lazily.made_height = 0;
    facts.profile_bytes = 1000; /* converted at the end only */
    assert_int_equal(sluice_transform_estimate(&facts, &lazily), FIXED + 6000 * 18 * 128 + jpeg + 9000 + (1 << 19));
    facts = facts_of(SLUICE_FORMAT_PNG, 4, SLUICE_WHOLE, 0);
    facts.alpha = 1;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000, 0, 4, small) + pixels * 4 + jpeg);
    facts.height = 50; /* scaled up in one direction */
    assert_int_equal(sluice_transform_estimate(&facts, &lazily), FIXED + 6000 * 32 * 50 + 6000 * 50 * 4 + jpeg);
    facts = facts_of(SLUICE_FORMAT_WEBP, 3, SLUICE_WHOLE, 4);
    assert_int_equal(sluice_transform_estimate(&facts, &small),
                     FIXED + rows(300, 3, 3, small) + 6000 * 128 + pixels * 4 + 300 * 200 * 7 + jpeg);
    facts = facts_of(SLUICE_FORMAT_TIFF, 3, SLUICE_MAYBE_WHOLE, 0);
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + rows(6000, 9, 3, small) + pixels * 3 * 2 + jpeg);
}

static void test_parts_of_the_answer(void **state)
{
    sluice_picture_facts_t facts = facts_of(SLUICE_FORMAT_PNG, 3, SLUICE_NOT_WHOLE, 0);
    static const struct {
        sluice_work_t work;
        uint64_t bytes;
    } cases[] = {
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_JPEG, 89, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 4},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_JPEG, 90, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 10},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_PNG, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 3},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_PNG, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 4},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_WEBP, 80, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 7 + (3 << 19)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_WEBP, 80, 1, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 44 + (3 << 19)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_PNG, 0, 0, 0, 1, 0, 0, 0, 0, 0}, 2 * MB * 6},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_WEBP, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 2 * MB * 40 + (8 << 20)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_PNG, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 2 * MB * 9},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_GIF, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 25 + (2 << 19)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_AVIF, 50, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 34 + (7 << 19)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_AVIF, 90, 0, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 54 + (7 << 19)},
        {{2000, 1000, 2000, 1000, 0, 0, SLUICE_FORMAT_AVIF, 90, 1, 0, 0, 0, 0, 0, 0, 0}, 2 * MB * 64 + (7 << 19)},
        {{2000, 1000, 1000, 1000, 6 * MB, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 0, 0}, 1 * MB * 4 + 6 * MB},
        {{2000, 1000, 1000, 1000, 12 * MB, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 0, 0}, 1 * MB * 4 + 12 * MB},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        assert_int_equal(sluice_transform_estimate(&facts, &cases[i].work), FIXED + 6000 * 9 * 128 + cases[i].bytes);
    facts.bands = 1;
    assert_int_equal(sluice_transform_estimate(&facts, &cases[0].work), FIXED + 6000 * 3 * 128 + 2 * MB * 3);
    sluice_work_t work = cases[2].work;
    assert_int_equal(sluice_transform_estimate(&facts, &work), FIXED + 6000 * 3 * 128 + 2 * MB);
    work.trimmed = 1; /* whole, and in floats */
    assert_int_equal(sluice_transform_estimate(&facts, &work), FIXED + 6000 * 3 * 128 + 2 * MB + 6000 * 4 * 48 + (1 << 20));
    work.trimmed = 0;
    work.coloured = 1; /* grey on a coloured background */
    assert_int_equal(sluice_transform_estimate(&facts, &work), FIXED + 6000 * 3 * 128 + 2 * MB * 3);
}

/* by what it shrinks on loading a JPEG takes fewer bytes for its rows */
static void test_jpeg_shrinks_on_load(void **state)
{
    static const struct {
        uint64_t width, height, loaded;
    } cases[] = {{6000, 4000, 6001}, {3001, 2000, 6001}, {3000, 2000, 3001}, {1501, 1000, 3001}, {1500, 1000, 1501},
                 {751, 500, 1501},   {750, 500, 751},    {1, 1, 751},        {750, 501, 1501},   {375, 4000, 6001}};
    sluice_picture_facts_t facts = facts_of(SLUICE_FORMAT_JPEG, 3, SLUICE_NOT_WHOLE, 0);

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_work_t work = {cases[i].width, cases[i].height, 1, 1, 0, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 1, 1};
        assert_int_equal(sluice_transform_estimate(&facts, &work), FIXED + rows(cases[i].loaded, 3, 3, work) + 4);
    }
}

/* what the decoder keeps is not what a JPEG takes that is thinned; but only where an eighth of it is enough */
static void test_thin_jpeg(void **state)
{
    const sluice_work_t large = {751, 500, 751, 500, 0, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 751, 500};
    sluice_picture_facts_t facts = facts_of(SLUICE_FORMAT_JPEG, 3, SLUICE_WHOLE, 0);
    const uint64_t decoded = rows(6000 / 8 + 1, 3, 3, small), jpeg = 300 * 200 * 4;

    (void)state;
    facts.coefficient_bytes = 72 * MB;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + decoded + 72 * MB + jpeg);
    facts.thin_bytes = 14 * MB;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + decoded + 14 * MB + jpeg);
    assert_true(sluice_transform_estimate(&facts, &large) > 72 * MB);
    facts.whole = SLUICE_NOT_WHOLE;
    assert_int_equal(sluice_transform_estimate(&facts, &small), FIXED + decoded + 14 * MB + jpeg);
}

/* what a beginning of the file tells must not be more than what the whole of it comes to */
static void test_least(void **state)
{
    (void)state;
    for (int format = SLUICE_FORMAT_JPEG; format != SLUICE_NUM_FORMATS; ++format) {
        for (int whole = SLUICE_NOT_WHOLE; whole <= SLUICE_WHOLE; ++whole) {
            sluice_picture_facts_t facts = facts_of((sluice_format_t)format, 3, (sluice_whole_t)whole, 4);
            sluice_work_t work = {1, 1, 1, 1, 0, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0, 0, 0, 0, 0};
            uint64_t least = sluice_transform_least(&facts);
            assert_true(least <= sluice_transform_estimate(&facts, &work));
            if (format == SLUICE_FORMAT_JPEG) {
                facts.coefficient_bytes = 72 * MB; /* 562500 blocks, and 750 x 500 pixels */
                assert_int_equal(sluice_transform_least(&facts), whole == SLUICE_WHOLE ? FIXED + 562500 + 750 * 500 * 3 : FIXED);
                facts.bands = 4;
                least = sluice_transform_least(&facts);
            }
            assert_true(whole == SLUICE_WHOLE ? least >= 24 * MB * 2 : least == FIXED);
        }
    }
}

static void test_does_not_wrap(void **state)
{
    const uint64_t huge = UINT64_C(1) << 31;

    (void)state;
    for (int format = SLUICE_FORMAT_NONE; format != SLUICE_NUM_FORMATS; ++format) {
        sluice_picture_facts_t absurd = {(sluice_format_t)format, huge, huge, 8, 2, SLUICE_WHOLE, 0, 8, 1, huge, 0, huge, 8};
        const sluice_work_t large = {huge, huge, huge, huge, huge, 0, SLUICE_FORMAT_AVIF, 90, 1, 0, 0, 0, 0, 0, 0, 0};
        assert_true(sluice_transform_estimate(&absurd, &small) >= BEYOND_ALL);
        assert_true(sluice_transform_least(&absurd) >= BEYOND_ALL);
        absurd.whole = SLUICE_NOT_WHOLE;
        assert_true(sluice_transform_estimate(&absurd, &large) >= BEYOND_ALL);
        absurd = (sluice_picture_facts_t){
            (sluice_format_t)format, UINT64_MAX, UINT64_MAX, 8, 8, SLUICE_WHOLE, 0, 8, 1, UINT64_MAX, 1, UINT64_MAX, 8};
        assert_true(sluice_transform_estimate(&absurd, &large) == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_what_was_measured),
        cmocka_unit_test(test_parts_of_the_source),
        cmocka_unit_test(test_parts_of_the_answer),
        cmocka_unit_test(test_jpeg_shrinks_on_load),
        cmocka_unit_test(test_thin_jpeg),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
