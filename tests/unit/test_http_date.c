/* dates of HTTP; the oracle is the C library */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "module/http_date.h"

#define NOW_S INT64_C(1800000000) /* in 2027 */
#define NO_DATE (-1)

/* a copy of exactly these bytes, so that a sanitizer sees a look behind the end */
static int64_t parse_at(const char *text, size_t len, int64_t now_s)
{
    char *copy = malloc(len + (len == 0));
    int64_t seconds;

    assert_non_null(copy);
    memcpy(copy, text, len);
    seconds = sluice_http_date(copy, len, now_s);
    free(copy);
    return seconds;
}

static int64_t parse(const char *text)
{
    return parse_at(text, strlen(text), NOW_S);
}

static void test_three_forms_of_one_date(void **state)
{
    (void)state;
    assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    assert_int_equal(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    assert_int_equal(parse("Sun Nov  6 08:49:37 1994"), 784111777);
    assert_int_equal(parse("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
}

static void test_what_is_no_date(void **state)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "784111777",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      " Sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun,  6 Nov 1994 08:49:37 GMT",
                                      "sun, 06 nov 1994 08:49:37 gmt",
                                      "Sun, 06 Nom 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 1993 08:49:37 GMT",
                                      "Sun, 29 Feb 1900 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:00 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov 1994 08:49:-1 GMT",
                                      "Sun, 06 Nov -994 08:49:37 GMT",
                                      "Sun, +6 Nov 1994 08:49:37 GMT",
                                      "Sunday, 06 Nov 94 08:49:37 GMT",
                                      "Sunday, 06-Nov-1994 08:49:37 GMT",
                                      "Sunday",
                                      "Sun Nov 06 08:49:37 94",
                                      "Sun Nov    08:49:37 1994",
                                      "Sun Nov  6 08:49:37 1994 GMT"};

    (void)state;
    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); ++i)
        if (parse(bad[i]) != NO_DATE)
            fail_msg("`%s` is taken for a date", bad[i]);
}

static void test_every_prefix_is_no_date(void **state)
{
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};

    (void)state;
    for (size_t i = 0; i != 3; ++i)
        for (size_t len = 0; len != strlen(good[i]); ++len)
            assert_int_equal(parse_at(good[i], len, NOW_S), NO_DATE);
}

static void test_special_days(void **state)
{
    (void)state;
    assert_int_equal(parse("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    assert_int_equal(parse("Wed, 31 Dec 1969 23:59:58 GMT"), NO_DATE);
    assert_int_equal(parse("Mon, 01 Jan 1900 00:00:00 GMT"), NO_DATE);
    assert_int_equal(parse("Mon Jan  1 00:00:00 1900"), NO_DATE);
    assert_int_equal(parse("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400);
    assert_int_equal(parse("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800); /* a leap second is the next day's first */
    assert_int_equal(parse("Fri, 31 Dec 9999 23:59:59 GMT"), INT64_C(253402300799));
}

static int year_of_850(const char *yy, int64_t now_s)
{
    char text[40];
    time_t seconds;
    struct tm tm;

    snprintf(text, sizeof(text), "Sunday, 15-Jun-%s 00:00:00 GMT", yy);
    seconds = (time_t)sluice_http_date(text, strlen(text), now_s);
    assert_int_not_equal(seconds, NO_DATE);
    assert_non_null(gmtime_r(&seconds, &tm));
    return tm.tm_year + 1900;
}

static void test_two_digit_years_are_near(void **state)
{
    int64_t in_2027 = NOW_S, in_1999 = 925000000;

    (void)state;
    assert_int_equal(year_of_850("94", in_2027), 1994);
    assert_int_equal(year_of_850("27", in_2027), 2027);
    assert_int_equal(year_of_850("77", in_2027), 2077);
    assert_int_equal(year_of_850("78", in_2027), 1978);
    assert_int_equal(year_of_850("00", in_1999), 2000);
    assert_int_equal(year_of_850("49", in_1999), 2049);
    assert_int_equal(year_of_850("71", in_1999), 1971);
}

static void compare_with_libc(int64_t seconds)
{
    char expected[64], actual[SLUICE_HTTP_DATE_LEN + 1];
    struct tm tm;

    assert_non_null(gmtime_r(&(time_t){seconds}, &tm));
    assert_int_equal(strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm), SLUICE_HTTP_DATE_LEN);
    sluice_http_date_format(seconds, actual);
    assert_string_equal(actual, expected);
    assert_int_equal(parse(actual), seconds);
    assert_int_not_equal(strftime(expected, sizeof(expected), "%a %b %e %H:%M:%S %Y", &tm), 0);
    assert_int_equal(parse(expected), seconds);
}

static void test_every_day_as_libc_has_it(void **state)
{
    (void)state;
    /* until 2200, at another time of each day */
    for (int64_t day = 0, second = 0; day != 84006; ++day, second = (second + 7919) % 86400)
        compare_with_libc(day * 86400 + second);
    compare_with_libc(INT64_C(253402300799));
}

static void test_what_cannot_be_written(void **state)
{
    char text[SLUICE_HTTP_DATE_LEN + 1];

    (void)state;
    sluice_http_date_format(INT64_C(253402300800), text);
    assert_string_equal(text, "");
    sluice_http_date_format(INT64_MAX, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_forms_of_one_date),  cmocka_unit_test(test_what_is_no_date),
        cmocka_unit_test(test_every_prefix_is_no_date),  cmocka_unit_test(test_special_days),
        cmocka_unit_test(test_two_digit_years_are_near), cmocka_unit_test(test_every_day_as_libc_has_it),
        cmocka_unit_test(test_what_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
