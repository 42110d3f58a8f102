#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/text.h"

static unsigned resizes, fail_resize_at;

static void *counting_resize(void *bytes, size_t size)
{
    return ++resizes == fail_resize_at ? NULL : realloc(bytes, size);
}

static void ceiling_is_exact(void **state)
{
    (void)state;
    static char filler[10000];
    memset(filler, 'x', sizeof(filler));
    for (size_t ceiling = 1; ceiling < sizeof(filler); ceiling += 613) {
        for (int over = 0; over != 2; ++over) {
            health_text_t text;
            size_t len = 12345;
            health_text_init(&text, ceiling, realloc);
            assert_int_equal(health_text_append(&text, filler, ceiling - 1), 0);
            assert_true(text.size <= ceiling);
            if (over)
                assert_int_equal(health_text_append(&text, "y", 1), -1);
            char *bytes = health_text_take(&text, &len);
            if (over) {
                assert_null(bytes);
            } else {
                assert_non_null(bytes);
                assert_int_equal(len, ceiling - 1);
                assert_int_equal(strlen(bytes), len);
            }
            free(bytes);
        }
    }
}

static void huge_append_does_not_overflow(void **state)
{
    (void)state;
    health_text_t text;
    health_text_init(&text, SIZE_MAX, realloc);
    assert_int_equal(health_text_append(&text, "abc", 3), 0);
    assert_int_equal(health_text_append(&text, "abc", SIZE_MAX), -1);
    health_text_dispose(&text);

    size_t len;
    health_text_init(&text, 0, realloc);
    assert_null(health_text_take(&text, &len));
}

static void failure_sticks(void **state)
{
    (void)state;
    health_text_t text;
    size_t len;
    resizes = 0;
    fail_resize_at = 2;
    health_text_init(&text, 1 << 20, counting_resize);
    static char filler[5000];
    memset(filler, 'x', sizeof(filler));
    assert_int_equal(health_text_append(&text, filler, 10), 0);
    assert_int_equal(health_text_append(&text, filler, sizeof(filler)), -1);
    assert_null(text.bytes);
    assert_int_equal(health_text_append(&text, "a", 1), -1);
    assert_int_equal(resizes, 2);
    assert_null(health_text_take(&text, &len));
}

static void check_double(double value, const char *expected)
{
    health_text_t text;
    size_t len;
    health_text_init(&text, 1024, realloc);
    health_text_put_double(&text, value);
    char *bytes = health_text_take(&text, &len);
    assert_non_null(bytes);
    assert_string_equal(bytes, expected);
    free(bytes);
}

static void doubles(void **state)
{
    (void)state;
    check_double(0, "0");
    check_double(-1, "0");
    check_double(12, "12");
    check_double(0.75, "0.750000");
    check_double(1.000001, "1.000001");
    check_double(0.0000004, "0");
    check_double(0.9999999, "1");
    check_double(1763000000.25, "1763000000.250000");
    check_double(9e9, "9000000000");
    check_double(18446744073709551616.0, "18446744073709551616");
    check_double(INFINITY, "NaN");
    check_double(NAN, "NaN");
    health_text_t text;
    size_t len;
    health_text_init(&text, 1024, realloc);
    health_text_put_double(&text, 1.7e308);
    char *bytes = health_text_take(&text, &len);
    assert_non_null(bytes);
    assert_int_equal(len, 309);
    free(bytes);
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t len;
    } cases[] = {
        {"", 1},
        {"a", 1},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc1\xbf", 0}, /* overlong */
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xc3", 0},
        {"\xc3"
         "a",
         0},
        {"\xc3\xc0", 0},
        {"\xe0\x9f\xbf", 0}, /* overlong */
        {"\xe0\xa0\x80", 3},
        {"\xe2\x82", 0},
        {"\xe2\x82\xac", 3},
        {"\xe2\x82"
         "a",
         0},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0}, /* surrogate */
        {"\xee\x80\x80", 3},
        {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0}, /* above U+10FFFF */
        {"\xf0\x9f\x98", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        /* a copy of the exact size, so that a look beyond the NUL is seen */
        char *copy = strdup(cases[i].s);
        if (health_utf8_len(copy) != cases[i].len)
            fail_msg("case %zu: %zu instead of %zu", i, health_utf8_len(copy), cases[i].len);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceiling_is_exact),
        cmocka_unit_test(huge_append_does_not_overflow),
        cmocka_unit_test(failure_sticks),
        cmocka_unit_test(doubles),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
