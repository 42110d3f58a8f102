#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "module/picture_check.h"

#define MIB (UINT64_C(1) << 20)

/* 6000 x 4000, interlaced: 24,000,000 pixels of 3 bytes, and the fixed part */
static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x17\x70\0\0\x0f\xa0\x08\2\0\0\1\1\2\3\4";
#define PNG_LEAST (2 * MIB + 72000000)

static sluice_error_t check(const void *bytes, size_t len, sluice_check_t limits, uint64_t *need_bytes)
{
    *need_bytes = 0;
    return sluice_picture_check(bytes, len, &limits, need_bytes);
}

static void test_picture(void **state)
{
    static const struct {
        sluice_check_t limits;
        sluice_error_t error;
    } cases[] = {
        {{1000, 24000000, PNG_LEAST + 1000, 0}, SLUICE_OK},
        {{1000, 24000000, PNG_LEAST + 999, 0}, SLUICE_ERROR_SOURCE_NEVER_FITS},
        {{1001, 24000000, PNG_LEAST + 1000, 0}, SLUICE_ERROR_SOURCE_NEVER_FITS},
        {{1000, 24000000, 0, 0}, SLUICE_ERROR_SOURCE_NEVER_FITS},
        {{UINT64_MAX, 24000000, UINT64_MAX - 1, 0}, SLUICE_ERROR_SOURCE_NEVER_FITS},
        {{1000, 23999999, PNG_LEAST + 1000, 0}, SLUICE_ERROR_TOO_MANY_PIXELS},
        {{1000, 23999999, 0, 0}, SLUICE_ERROR_TOO_MANY_PIXELS},
    };
    uint64_t need_bytes;

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        assert_int_equal(check(png, sizeof(png) - 1, cases[i].limits, &need_bytes), cases[i].error);
        if (cases[i].error != SLUICE_ERROR_SOURCE_NEVER_FITS)
            assert_int_equal(need_bytes, 0);
        else if (cases[i].limits.source_bytes != UINT64_MAX)
            assert_int_equal(need_bytes, PNG_LEAST + cases[i].limits.source_bytes);
    }
}

/* less of it may leave the question open, and never leads to another answer */
static void test_beginnings(void **state)
{
    const sluice_check_t fits = {1000, 24000000, 100 * MIB, 0}, never = {1000, 24000000, 50 * MIB, 0};
    uint64_t need_bytes;

    (void)state;
    for (size_t len = 0; len != sizeof(png); ++len) {
        sluice_error_t error = check(png, len, never, &need_bytes);
        assert_int_equal(error, len < 29 ? SLUICE_OK : SLUICE_ERROR_SOURCE_NEVER_FITS);
        assert_int_equal(check(png, len, fits, &need_bytes), SLUICE_OK);
    }
    assert_int_equal(check("<html></html>", 11, fits, &need_bytes), SLUICE_OK);
    assert_int_equal(check("<html></html>", 12, fits, &need_bytes), SLUICE_ERROR_NOT_AN_IMAGE);
}

static void test_size_beyond_measure(void **state)
{
    char liar[sizeof(png)];
    const sluice_check_t check_all = {1000, UINT64_MAX, 100 * MIB, 0};
    uint64_t need_bytes;

    (void)state;
    memcpy(liar, png, sizeof(png));
    memset(liar + 16, 0xff, 8);
    assert_int_equal(check(liar, sizeof(liar) - 1, check_all, &need_bytes), SLUICE_ERROR_SOURCE_NEVER_FITS);
    assert_true(need_bytes > UINT64_C(1) << 60);
    assert_int_equal(check(liar, sizeof(liar) - 1, (sluice_check_t){1000, UINT32_MAX, 100 * MIB, 0}, &need_bytes),
                     SLUICE_ERROR_TOO_MANY_PIXELS);
    memset(liar + 16, 0, 8); /* none at all is the decoder's to refuse */
    assert_int_equal(check(liar, sizeof(liar) - 1, check_all, &need_bytes), SLUICE_OK);
}

static void test_drawing(void **state)
{
    static const char svg[] = "<svg width='10' height='10'/>";
    uint64_t need_bytes;

    (void)state;
    assert_int_equal(check(svg, sizeof(svg) - 1, (sluice_check_t){MIB, 100, 100 * MIB, 1}, &need_bytes), SLUICE_OK);
    assert_int_equal(check(svg, sizeof(svg) - 1, (sluice_check_t){MIB + 1, 100, 100 * MIB, 1}, &need_bytes),
                     SLUICE_ERROR_SOURCE_TOO_LARGE);
    /* the rest may be on its way */
    assert_int_equal(check("<?xml version='1.0'?>", 15, (sluice_check_t){MIB, 100, 100 * MIB, 1}, &need_bytes), SLUICE_OK);
    assert_int_equal(check("<?xml version='1.0'?>", 15, (sluice_check_t){MIB, 100, 100 * MIB, 0}, &need_bytes),
                     SLUICE_ERROR_NOT_AN_IMAGE);
    assert_int_equal(check("text, and no more", 15, (sluice_check_t){MIB, 100, 100 * MIB, 1}, &need_bytes),
                     SLUICE_ERROR_NOT_AN_IMAGE);
    assert_int_equal(check(svg, sizeof(svg) - 1, (sluice_check_t){MIB, 100, 100 * MIB, 0}, &need_bytes), SLUICE_ERROR_NOT_AN_IMAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_size_beyond_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
