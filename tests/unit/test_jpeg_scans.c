#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/jpeg_scans.h"

#define SOS_3 "\xff\xda\0\x05\1\1\0"

static size_t count(const char *bytes, size_t len, size_t max)
{
    uint8_t *copy = malloc(len + (len == 0)); /* of exactly this length */

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    size_t scans = sluice_jpeg_count_scans(copy, len, max);
    free(copy);
    return scans;
}

#define COUNT(literal) count(literal, sizeof(literal) - 1, 100)

static void test_counts(void **state)
{
    (void)state;
    assert_int_equal(COUNT(""), 0);
    assert_int_equal(COUNT("\xff\xd8"), 0);
    assert_int_equal(COUNT("\xff\xd8\xff\xd9"), 0);
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "data\xff\xd9"), 1);
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "data" SOS_3 "more\xff\xd9"), 2);
    assert_int_equal(COUNT("\xff\xd8" SOS_3 SOS_3 SOS_3 "\xff\xd9"), 3);
    /* tables between them */
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "data\xff\xc4\0\x04zz" SOS_3 "more\xff\xd9"), 2);
}

static void test_what_is_no_scan(void **state)
{
    (void)state;
    assert_int_equal(COUNT("\xff\xd8\xff\xe1\0\x09" SOS_3 SOS_3), 1);                      /* one lies in a segment */
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "x\xff\0\xda\xff\xd0\xda\xff\xd7z" SOS_3), 2); /* stuffing and restarts */
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "a\xff\xff" SOS_3), 2);                        /* fill bytes */
    assert_int_equal(COUNT("\xff\xd8" SOS_3 "a\xff\xd9" SOS_3), 1);                        /* behind the end */
}

static void test_ends_where_the_bytes_do(void **state)
{
    static const char file[] = "\xff\xd8\xff\xe0\0\x04"
                               "ab" SOS_3 "d\xff\0t" SOS_3 "more\xff\xd9";

    (void)state;
    for (size_t len = 0; len != sizeof(file); ++len) {
        size_t scans = count(file, len, 100);
        assert_int_equal(scans, (len >= 12) + (len >= 23));
    }
    assert_int_equal(COUNT("\xff\xd8\xff\xda\xff\xff"), 1); /* a length beyond the end */
    assert_int_equal(COUNT("\xff\xd8\xff\xe0\0\0" SOS_3), 1);
}

static void test_stops_at_the_limit(void **state)
{
    char file[2 + 50 * 7];

    (void)state;
    memcpy(file, "\xff\xd8", 2);
    for (size_t i = 0; i != 50; ++i)
        memcpy(file + 2 + 7 * i, SOS_3, 7);
    assert_int_equal(count(file, sizeof(file), 50), 50);
    assert_int_equal(count(file, sizeof(file), 51), 50);
    assert_int_equal(count(file, sizeof(file), 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_what_is_no_scan),
        cmocka_unit_test(test_ends_where_the_bytes_do),
        cmocka_unit_test(test_stops_at_the_limit),
    };

    return cmocka_run_group_tests_name("jpeg_scans", tests, NULL, NULL);
}
