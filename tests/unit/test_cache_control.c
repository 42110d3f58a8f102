#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/cache_control.h"

#define NO SLUICE_CC_NOT_GIVEN
#define PRESENT SLUICE_CC_PRESENT

/* in a block of its very size, so that a sanitizer sees whoever reads on */
static void read_exactly(sluice_cache_control_t *cc, const char *value, size_t len)
{
    char *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    memcpy(copy, value, len);
    sluice_cache_control_read(cc, copy, len);
    free(copy);
}

static sluice_cache_control_t read_line(const char *value)
{
    sluice_cache_control_t cc;

    sluice_cache_control_init(&cc);
    read_exactly(&cc, value, strlen(value));
    return cc;
}

struct st_row_t {
    const char *value;
    uint32_t flags;
    int64_t max_age_s, s_maxage_s, stale_while_revalidate_s, stale_if_error_s;
};

static void check_row(const struct st_row_t *row)
{
    sluice_cache_control_t cc = read_line(row->value);

    if (cc.flags != row->flags || cc.max_age_s != row->max_age_s || cc.s_maxage_s != row->s_maxage_s ||
        cc.stale_while_revalidate_s != row->stale_while_revalidate_s || cc.stale_if_error_s != row->stale_if_error_s)
        fail_msg("`%s`: flags %#x, max-age %lld, s-maxage %lld, stale %lld and %lld", row->value, (unsigned)cc.flags,
                 (long long)cc.max_age_s, (long long)cc.s_maxage_s, (long long)cc.stale_while_revalidate_s,
                 (long long)cc.stale_if_error_s);
}

static void test_directives(void **state)
{
    static const struct st_row_t rows[] = {
        {"", 0, NO, NO, NO, NO},
        {" , ,\t,", 0, NO, NO, NO, NO},
        {"no-store", PRESENT | SLUICE_CC_NO_STORE, NO, NO, NO, NO},
        {"No-Store", PRESENT | SLUICE_CC_NO_STORE, NO, NO, NO, NO},
        {"no-stores", PRESENT, NO, NO, NO, NO},
        {"no-stor", PRESENT, NO, NO, NO, NO},
        {"xno-store", PRESENT, NO, NO, NO, NO},
        {"no-cache, private", PRESENT | SLUICE_CC_NO_CACHE | SLUICE_CC_PRIVATE, NO, NO, NO, NO},
        {"no-cache=\"set-cookie, x\", public", PRESENT | SLUICE_CC_NO_CACHE | SLUICE_CC_PUBLIC, NO, NO, NO, NO},
        {"private=\"a,no-store\"", PRESENT | SLUICE_CC_PRIVATE, NO, NO, NO, NO},
        {"must-revalidate,proxy-revalidate", PRESENT | SLUICE_CC_MUST_REVALIDATE | SLUICE_CC_PROXY_REVALIDATE, NO, NO, NO, NO},
        {"must-understand, no-store, immutable", PRESENT | SLUICE_CC_MUST_UNDERSTAND | SLUICE_CC_NO_STORE | SLUICE_CC_IMMUTABLE, NO,
         NO, NO, NO},
        {"max-age=60", PRESENT, 60, NO, NO, NO},
        {"MAX-AGE=60", PRESENT, 60, NO, NO, NO},
        {" max-age=60 ,", PRESENT, 60, NO, NO, NO},
        {"max-age=\"60\"", PRESENT, 60, NO, NO, NO},
        {"max-age=0", PRESENT, 0, NO, NO, NO},
        {"max-age=007", PRESENT, 7, NO, NO, NO},
        {"max-age=1,s-maxage=2, stale-while-revalidate=3,stale-if-error=4", PRESENT, 1, 2, 3, 4},
        {"s-max-age=2", PRESENT, NO, NO, NO, NO},
        {"foo, bar=baz, qux=\"max-age=5, no-store\", max-age=6", PRESENT, 6, NO, NO, NO},
        {"pre-check=0, post-check=0, max-age=6", PRESENT, 6, NO, NO, NO},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        check_row(rows + i);
}

/* RFC 9111, 4.2.1: freshness that cannot be understood is none */
static void test_what_is_no_number_is_zero(void **state)
{
    static const char *const values[] = {"max-age",      "max-age=",         "max-age=\"\"",    "max-age=-1",   "max-age=+1",
                                         "max-age=1.5",  "max-age=1e3",      "max-age=0x10",    "max-age=60s",  "max-age=sixty",
                                         "max-age = 60", "max-age =60",      "max-age= 60",     "max-age=60 1", "max-age=\"60",
                                         "max-age=60\"", "max-age=\"6\\0\"", "max-age=\"60\"1", "max-age='60'", "max-age=\xd9\xa3",
                                         "max-age=60;",  "max-age==60",      "max-age=60=60"};

    (void)state;
    for (size_t i = 0; i != sizeof(values) / sizeof(values[0]); ++i)
        check_row(&(struct st_row_t){values[i], PRESENT, 0, NO, NO, NO});
}

static void test_large_numbers(void **state)
{
    static const struct {
        const char *value;
        int64_t seconds;
    } rows[] = {{"max-age=2147483647", 2147483647},
                {"max-age=2147483648", 2147483648},
                {"max-age=2147483649", 2147483648},
                {"max-age=4294967296", 2147483648},
                {"max-age=9223372036854775807", 2147483648},
                {"max-age=9223372036854775808", 2147483648},
                {"max-age=18446744073709551617", 2147483648},
                {"max-age=99999999999999999999999999999999999999999999999999999999999999", 2147483648},
                {"max-age=99999999999999999999999999999999999999999999999999999999999999x", 0}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        check_row(&(struct st_row_t){rows[i].value, PRESENT, rows[i].seconds, NO, NO, NO});
}

static void test_given_twice(void **state)
{
    (void)state;
    check_row(&(struct st_row_t){"max-age=5, max-age=7", PRESENT, 5, NO, NO, NO});
    check_row(&(struct st_row_t){"max-age=7, max-age=5", PRESENT, 7, NO, NO, NO});
    check_row(&(struct st_row_t){"max-age=x, max-age=5", PRESENT, 0, NO, NO, NO});
    check_row(&(struct st_row_t){"max-age=5, no-cache, max-age=7, private", PRESENT | SLUICE_CC_NO_CACHE | SLUICE_CC_PRIVATE, 5, NO,
                                 NO, NO});
}

/* a list may be spread over lines, but an element may not */
static void test_lines_combine(void **state)
{
    sluice_cache_control_t cc = read_line("max-age=60, foo=\"");

    (void)state;
    sluice_cache_control_read(&cc, "private", 7);
    sluice_cache_control_read(&cc, "", 0);
    sluice_cache_control_read(&cc, "max-age=3,s-maxage=9\", no-store", 31);
    assert_int_equal(cc.flags, PRESENT | SLUICE_CC_PRIVATE | SLUICE_CC_NO_STORE);
    assert_int_equal(cc.max_age_s, 60);
    assert_int_equal(cc.s_maxage_s, 0);
}

/* a quote that is never closed must not hide what follows */
static void test_open_quote_hides_nothing(void **state)
{
    (void)state;
    check_row(&(struct st_row_t){"private=\"a, no-store", PRESENT | SLUICE_CC_PRIVATE | SLUICE_CC_NO_STORE, NO, NO, NO, NO});
    check_row(&(struct st_row_t){"x=\"a\\\", no-store", PRESENT | SLUICE_CC_NO_STORE, NO, NO, NO, NO});
    check_row(&(struct st_row_t){"x=\"a\\\", no-store\"", PRESENT, NO, NO, NO, NO});
    check_row(&(struct st_row_t){"x=\"\\", PRESENT, NO, NO, NO, NO});
}

static uint64_t random_state = 1;

static unsigned draw(unsigned below)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(random_state >> 33) % below;
}

/* pieces of directives in any order, and any bytes: nothing is read beyond the end, and numbers stay within their bounds */
static void test_any_bytes(void **state)
{
    static const char *const pieces[] = {"max-age",  "=",        "\"",          ",", " ",  "\\", "60",
                                         "no-cache", "s-maxage", "99999999999", "*", "\t", "-"};

    (void)state;
    for (int round = 0; round != 200000; ++round) {
        char value[160];
        size_t len = 0;
        sluice_cache_control_t cc;
        for (unsigned n = draw(12); n != 0; --n) {
            const char *piece = pieces[draw(sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(value + len, piece, strlen(piece));
            len += strlen(piece);
            if (draw(8) == 0)
                value[len++] = (char)draw(256);
        }
        sluice_cache_control_init(&cc);
        read_exactly(&cc, value, len);
        assert_in_range(cc.max_age_s + 1, 0, SLUICE_DELTA_MAX + 1);
        assert_in_range(cc.s_maxage_s + 1, 0, SLUICE_DELTA_MAX + 1);
    }
}

static void test_delta_seconds(void **state)
{
    (void)state;
    assert_int_equal(sluice_delta_seconds("", 0), -1);
    assert_int_equal(sluice_delta_seconds("0", 1), 0);
    assert_int_equal(sluice_delta_seconds("12x", 2), 12);
    assert_int_equal(sluice_delta_seconds("12 ", 3), -1);
    assert_int_equal(sluice_delta_seconds("-0", 2), -1);
}

static void test_vary(void **state)
{
    static const struct {
        const char *value;
        int any;
    } rows[] = {{"*", 1},      {" * ", 1}, {"Accept, *", 1}, {"*, Accept", 1}, {"", 0},
                {"Accept", 0}, {"**", 0},  {"a*", 0},        {"\"*\"", 0}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(sluice_vary_is_any(rows[i].value, strlen(rows[i].value)), rows[i].any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_directives),    cmocka_unit_test(test_what_is_no_number_is_zero),
                                       cmocka_unit_test(test_large_numbers), cmocka_unit_test(test_given_twice),
                                       cmocka_unit_test(test_lines_combine), cmocka_unit_test(test_open_quote_hides_nothing),
                                       cmocka_unit_test(test_any_bytes),     cmocka_unit_test(test_delta_seconds),
                                       cmocka_unit_test(test_vary)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
