#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/png_chunks.h"

#define PNG "\x89PNG\r\n\x1a\n"
#define CRC "\1\2\3\4"
#define IHDR                                                                                                                       \
    "\0\0\0\x0d"                                                                                                                   \
    "IHDR"                                                                                                                         \
    "\0\0\0\1\0\0\0\1\x08\0\0\0\0" CRC

static uint64_t packed(const char *bytes, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0)); /* of exactly this length */

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    uint64_t count = sluice_png_packed_text_bytes(copy, len);
    free(copy);
    return count;
}

#define PACKED(literal) packed(literal, sizeof(literal) - 1)

static void test_counts_deflated_text(void **state)
{
    (void)state;
    assert_int_equal(PACKED(PNG IHDR), 0);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x06"
                                     "zTXt"
                                     "k\0\0zzz" CRC),
                     6);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x06"
                                     "zTXt"
                                     "k\0\0zzz" CRC "\0\0\0\x08"
                                     "iTXt"
                                     "k\0\1\0\0\0zz" CRC),
                     14);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x06"
                                     "tEXt"
                                     "k\0\0zzz" CRC "\0\0\0\x06"
                                     "zTXt"
                                     "k\0\0zzz" CRC),
                     6);
}

static void test_what_is_not_deflated_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x06"
                                     "tEXt"
                                     "k\0text" CRC),
                     0);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x08"
                                     "iTXt"
                                     "k\0\0\0\0\0zz" CRC),
                     0);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x02"
                                     "iTXt"
                                     "kk" CRC),
                     0);
    assert_int_equal(PACKED(PNG IHDR "\0\0\0\x04"
                                     "IDAT"
                                     "zTXt" CRC),
                     0);
    assert_int_equal(PACKED("\x89PNX\r\n\x1a\n" IHDR "\0\0\0\x06"
                            "zTXt"
                            "k\0\0zzz" CRC),
                     0);
}

static void test_ends_where_the_bytes_do(void **state)
{
    static const char file[] = PNG IHDR "\0\0\0\x08"
                                        "iTXt"
                                        "k\0\1\0\0\0zz" CRC "\xff\xff\xff\xf0"
                                        "zTXt"
                                        "k\0\0z";

    (void)state;
    for (size_t len = 0; len != sizeof(file); ++len)
        assert_true(packed(file, len) <= UINT64_C(8) + 0xfffffff0);
    /* one that is longer than the file counts by what it says */
    assert_int_equal(PACKED(PNG IHDR "\xff\xff\xff\xf0"
                                     "zTXt"
                                     "k\0\0zzzzzz"),
                     0xfffffff0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_deflated_text),
        cmocka_unit_test(test_what_is_not_deflated_does_not_count),
        cmocka_unit_test(test_ends_where_the_bytes_do),
    };

    return cmocka_run_group_tests_name("png_chunks", tests, NULL, NULL);
}
