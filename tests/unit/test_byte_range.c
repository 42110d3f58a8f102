#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/byte_range.h"

#define WHOLE SLUICE_RANGE_WHOLE
#define PART SLUICE_RANGE_PART
#define NONE SLUICE_RANGE_UNSATISFIABLE

static sluice_range_t ask(const char *value, size_t len, uint64_t size, uint64_t *first, uint64_t *count)
{
    char *copy = malloc(len + (len == 0));
    sluice_range_t range;

    assert_non_null(copy);
    memcpy(copy, value, len);
    range = sluice_byte_range(copy, len, size, first, count);
    free(copy);
    return range;
}

static void test_table(void **state)
{
    static const struct {
        const char *value;
        uint64_t size;
        sluice_range_t range;
        uint64_t first, count;
    } rows[] = {
        {"bytes=0-0", 1000, PART, 0, 1},
        {"bytes=0-499", 1000, PART, 0, 500},
        {"bytes=500-999", 1000, PART, 500, 500},
        {"bytes=0-999", 1000, PART, 0, 1000},
        {"bytes=999-999", 1000, PART, 999, 1},
        {"bytes=0-1000", 1000, PART, 0, 1000},
        {"bytes=990-99999", 1000, PART, 990, 10},
        {"bytes=0-", 1000, PART, 0, 1000},
        {"bytes=999-", 1000, PART, 999, 1},
        {"bytes=-1", 1000, PART, 999, 1},
        {"bytes=-1000", 1000, PART, 0, 1000},
        {"bytes=-1001", 1000, PART, 0, 1000},
        {"bytes=-99999999999999999999999", 1000, PART, 0, 1000},
        {"bytes=5-18446744073709551615", 1000, PART, 5, 995},
        {"bytes=5-99999999999999999999999", 1000, PART, 5, 995},
        {"bytes=0-0", 1, PART, 0, 1},
        {"Bytes=1-2", 1000, PART, 1, 2},
        {"bytes=0001-002", 1000, PART, 1, 2},
        {"bytes= 1-2 ", 1000, PART, 1, 2},
        {"bytes=,1-2,", 1000, PART, 1, 2},
        {"bytes=1000-", 1000, NONE, 0, 0},
        {"bytes=1000-1000", 1000, NONE, 0, 0},
        {"bytes=99999999999999999999999-", 1000, NONE, 0, 0},
        {"bytes=18446744073709551616-", 1000, NONE, 0, 0}, /* 2^64 is not 0 */
        {"bytes=18446744073709551616-18446744073709551617", 1000, NONE, 0, 0},
        {"bytes=7-18446744073709551616", 1000, PART, 7, 993},
        {"bytes=-18446744073709551617", 1000, PART, 0, 1000},
        {"bytes=-0", 1000, NONE, 0, 0},
        {"bytes=0-0", 0, NONE, 0, 0},
        {"bytes=0-", 0, NONE, 0, 0},
        {"bytes=-5", 0, NONE, 0, 0},
        {"bytes=18446744073709551615-18446744073709551615", UINT64_MAX, NONE, 0, 0},
        {"", 1000, WHOLE, 0, 0},
        {"bytes", 1000, WHOLE, 0, 0},
        {"bytes=", 1000, WHOLE, 0, 0},
        {"bytes=-", 1000, WHOLE, 0, 0},
        {"bytes=5", 1000, WHOLE, 0, 0},
        {"bytes=2-1", 1000, WHOLE, 0, 0},
        {"bytes=1001-1000", 1000, WHOLE, 0, 0},
        {"bytes=0-1,4-5", 1000, WHOLE, 0, 0},
        {"bytes=0-1, -5", 1000, WHOLE, 0, 0},
        {"bytes=2000-,3000-", 1000, WHOLE, 0, 0},
        {"bytes=a-b", 1000, WHOLE, 0, 0},
        {"bytes=1-b", 1000, WHOLE, 0, 0},
        {"bytes=1--2", 1000, WHOLE, 0, 0},
        {"bytes=--2", 1000, WHOLE, 0, 0},
        {"bytes=+1-2", 1000, WHOLE, 0, 0},
        {"bytes=1 -2", 1000, WHOLE, 0, 0},
        {"bytes=1- 2", 1000, WHOLE, 0, 0},
        {"bytes=0x1-2", 1000, WHOLE, 0, 0},
        {"bytes =1-2", 1000, WHOLE, 0, 0},
        {"bytes:1-2", 1000, WHOLE, 0, 0},
        {"octets=1-2", 1000, WHOLE, 0, 0},
        {"1-2", 1000, WHOLE, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        uint64_t first = 0, count = 0;
        sluice_range_t range = ask(rows[i].value, strlen(rows[i].value), rows[i].size, &first, &count);
        if (range != rows[i].range || first != rows[i].first || count != rows[i].count)
            fail_msg("`%s` of %llu: %d, %llu+%llu", rows[i].value, (unsigned long long)rows[i].size, (int)range,
                     (unsigned long long)first, (unsigned long long)count);
    }
}

static void test_nul_bytes_are_not_skipped(void **state)
{
    uint64_t first, count;

    (void)state;
    assert_int_equal(ask("bytes=\0001-2", 10, 1000, &first, &count), WHOLE);
    assert_int_equal(ask("bytes=1-2\000", 10, 1000, &first, &count), WHOLE);
}

/* whatever the text, a part lies within the body */
static void test_parts_are_never_outside(void **state)
{
    static const char letters[] = "0123456789--,,  =bytes";
    unsigned seed = 1, parts = 0;

    (void)state;
    for (int n = 0; n != 200000; ++n) {
        char text[24] = "bytes=";
        size_t len = 6, more = (size_t)(rand_r(&seed) % 8);
        uint64_t size = (uint64_t)(rand_r(&seed) % 30), first, count;
        for (size_t i = 0; i != more; ++i)
            text[len++] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        if (ask(text, len, size, &first, &count) == PART) {
            ++parts;
            assert_true(count != 0 && first < size && count <= size - first);
        }
    }
    assert_true(parts > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nul_bytes_are_not_skipped),
        cmocka_unit_test(test_parts_are_never_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
