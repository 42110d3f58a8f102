#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "module/option_values.h"

#define NOT INT64_MIN /* of the form */

static void test_whole_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {{"0", 0},     {"12", 12},   {"-3", -3},   {"007", 7},   {"-0", 0},   {"999999999999", 999999999999},
                {"", NOT},    {"-", NOT},   {"+3", NOT},  {" 3", NOT},  {"3 ", NOT}, {"1000000000000", NOT},
                {"1.0", NOT}, {"1e3", NOT}, {"0x1", NOT}, {"--1", NOT}, {"1-", NOT}, {"99999999999999999999999999", NOT}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        int64_t value = NOT;
        if (sluice_read_whole(rows[i].text, &value) != (rows[i].value == NOT ? -1 : 0) || value != rows[i].value)
            fail_msg("`%s` is %lld", rows[i].text, (long long)value);
    }
}

static void test_decimals(void **state)
{
    static const struct {
        const char *text;
        int64_t micro;
    } rows[] = {{"0", 0},
                {"1", 1000000},
                {"1.", 1000000},
                {".5", 500000},
                {"-.5", -500000},
                {"0.3", 300000},
                {"-1.25", -1250000},
                {"1.3333333333333333", 1333333},
                {"0.0000009", 0},
                {"1000000", 1000000000000},
                {"00.10", 100000},
                {"", NOT},
                {".", NOT},
                {"-", NOT},
                {"-.", NOT},
                {"1..2", NOT},
                {"1,5", NOT},
                {"1e1", NOT},
                {"inf", NOT},
                {"nan", NOT},
                {"0x1p3", NOT},
                {"+1", NOT},
                {"1.5 ", NOT},
                {"1.-5", NOT},
                {"9999999999999.0", NOT}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        int64_t micro = NOT;
        if (sluice_read_decimal(rows[i].text, &micro) != (rows[i].micro == NOT ? -1 : 0) || micro != rows[i].micro)
            fail_msg("`%s` is %lld", rows[i].text, (long long)micro);
    }
}

static void test_written_decimals(void **state)
{
    static const struct {
        int64_t value;
        uint32_t unit;
        const char *text;
    } rows[] = {{0, 1, "0"},
                {0, 1000, "0"},
                {1000, 1000, "1"},
                {1500, 1000, "1.5"},
                {1005, 1000, "1.005"},
                {-250, 1000, "-0.25"},
                {-3, 1, "-3"},
                {10, 1000, "0.01"},
                {3333, 10000, "0.3333"},
                {10000000, 1000, "10000"},
                {INT32_MAX, 1, "2147483647"},
                {INT32_MIN, 1, "-2147483648"}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        char text[32];
        size_t len = sluice_write_decimal(text, rows[i].value, rows[i].unit);
        if (len != strlen(rows[i].text) || memcmp(text, rows[i].text, len) != 0)
            fail_msg("%lld / %u is `%.*s`", (long long)rows[i].value, (unsigned)rows[i].unit, (int)len, text);
    }
}

/* against printf */
static void test_written_decimals_are_those_of_printf(void **state)
{
    (void)state;
    for (int value = -20000; value <= 20000; ++value) {
        char text[32], expected[32];
        text[sluice_write_decimal(text, value, 1000)] = '\0';
        snprintf(expected, sizeof(expected), "%g", value / 1000.0);
        assert_string_equal(text, expected);
    }
}

static void test_flags(void **state)
{
    static const char *const on[] = {"", "1", "true", "TRUE"}, *const off[] = {"0", "false", "False"},
                             *const neither[] = {"2", "yes", "on", "-1", " ", "10", "tru"};
    int flag;

    (void)state;
    for (size_t i = 0; i != sizeof(on) / sizeof(on[0]); ++i) {
        flag = 7;
        assert_int_equal(sluice_read_flag(on[i], &flag), 0);
        assert_int_equal(flag, 1);
    }
    for (size_t i = 0; i != sizeof(off) / sizeof(off[0]); ++i) {
        flag = 7;
        assert_int_equal(sluice_read_flag(off[i], &flag), 0);
        assert_int_equal(flag, 0);
    }
    for (size_t i = 0; i != sizeof(neither) / sizeof(neither[0]); ++i)
        assert_int_equal(sluice_read_flag(neither[i], &flag), -1);
}

static void test_lengths(void **state)
{
    static const struct {
        const char *text;
        int ret, is_share;
        uint32_t amount;
        const char *written;
    } rows[] = {{"300", 0, 0, 300, "300"},
                {"0", 0, 0, 0, "0"},
                {"4294967295", 0, 0, UINT32_MAX, "4294967295"},
                {"50%", 0, 1, 5000, "50%25"},
                {"0%", 0, 1, 0, "0%25"},
                {"100%", 0, 1, 10000, "100%25"},
                {"12.5%", 0, 1, 1250, "12.5%25"},
                {"33.333333%", 0, 1, 3333, "33.33%25"},
                {"66.666666%", 0, 1, 6667, "66.67%25"},
                {"0.004%", 0, 1, 0, "0%25"},
                {"0.005%", 0, 1, 1, "0.01%25"},
                {"800%", 0, 1, 80000, "800%25"},
                {"4294967296", -1, 0, 0, NULL},
                {"-1", -1, 0, 0, NULL},
                {"-0", -1, 0, 0, NULL},
                {"-1%", -1, 0, 0, NULL},
                {"%", -1, 0, 0, NULL},
                {"5%%", -1, 0, 0, NULL},
                {"%5", -1, 0, 0, NULL},
                {"1.5", -1, 0, 0, NULL},
                {"", -1, 0, 0, NULL},
                {"999999999999%", -1, 0, 0, NULL},
                {"0000000000000000000000000000000000001%", -1, 0, 0, NULL}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        sluice_length_t length = {7, 7};
        char text[32];
        if (sluice_read_length(rows[i].text, &length) != rows[i].ret)
            fail_msg("`%s`", rows[i].text);
        if (rows[i].ret != 0)
            continue;
        assert_int_equal(length.amount, rows[i].amount);
        assert_int_equal(length.is_share, rows[i].is_share);
        text[sluice_write_length(text, length)] = '\0';
        assert_string_equal(text, rows[i].written);
    }
}

static void test_colors(void **state)
{
    static const struct {
        const char *text, *written; /* NULL: no color */
    } rows[] = {{"abc", "aabbcc"},
                {"ABC", "aabbcc"},
                {"#abc", "aabbcc"},
                {"8abc", "88aabbcc"},
                {"fabc", "aabbcc"},
                {"102030", "102030"},
                {"#FF102030", "102030"},
                {"80102030", "80102030"},
                {"00102030", "00102030"},
                {"red", "ff0000"},
                {"#Red", "ff0000"},
                {"aliceblue", "f0f8ff"},
                {"YellowGreen", "9acd32"},
                {"lightGoldenRodYellow", "fafad2"},
                {"rebeccapurple", "663399"},
                {"", NULL},
                {"#", NULL},
                {"##fff", NULL},
                {"ab", NULL},
                {"abcde", NULL},
                {"abcdef1", NULL},
                {"abcdef123", NULL},
                {"xyz", NULL},
                {"12345g", NULL},
                {"reddish", NULL},
                {"lightgoldenrodyellows", NULL},
                {"rgb(1,2,3)", NULL},
                {"a\xe4"
                 "c",
                 NULL}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        sluice_color_t color = {1, 2, 3, 4};
        char text[16];
        int ret = sluice_read_color(rows[i].text, &color);
        if (ret != (rows[i].written != NULL ? 0 : -1))
            fail_msg("`%s` is %d", rows[i].text, ret);
        if (ret != 0) {
            assert_true(color.red == 1 && color.green == 2 && color.blue == 3 && color.alpha == 4);
            continue;
        }
        text[sluice_write_color(text, color)] = '\0';
        assert_string_equal(text, rows[i].written);
    }
}

static void test_ages(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {{"86400", 86400}, {"24h", 86400},   {"1d", 86400}, {"31d", 2678400},     {"1w", 604800},
                {"1M", 2592000},  {"1y", 31536000}, {"0", 0},      {"136y", 4288896000}, {"137y", NOT},
                {"", NOT},        {"d", NOT},       {"1D", NOT},   {"1m", NOT},          {"1d1", NOT},
                {"1 d", NOT},     {"-1d", NOT},     {"1.5d", NOT}, {"99999999999d", NOT}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        uint32_t seconds = 7;
        int ret = sluice_read_age(rows[i].text, &seconds);
        if (ret != (rows[i].seconds == NOT ? -1 : 0) || (ret == 0 && seconds != rows[i].seconds))
            fail_msg("`%s` is %u", rows[i].text, (unsigned)seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_written_decimals),
        cmocka_unit_test(test_written_decimals_are_those_of_printf),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_colors),
        cmocka_unit_test(test_ages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
