#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "module/config_values.h"

#define REFUSED UINT64_MAX
#define LARGEST ((UINT64_C(1) << 53) - 1)

struct st_case_t {
    sluice_unit_t unit;
    const char *text;
    uint64_t value;
};

static const struct st_case_t cases[] = {
    {SLUICE_UNIT_BYTES, "512MB", 512000000},
    {SLUICE_UNIT_BYTES, "512MiB", 536870912},
    {SLUICE_UNIT_BYTES, "512 MB", 512000000},
    {SLUICE_UNIT_BYTES, "512mib", 536870912},
    {SLUICE_UNIT_BYTES, "1.5GB", 1500000000},
    {SLUICE_UNIT_BYTES, "1.5GiB", 1610612736},
    {SLUICE_UNIT_BYTES, "0.1MB", 100000},
    {SLUICE_UNIT_BYTES, "1.001KB", 1001},
    {SLUICE_UNIT_BYTES, "2KB", 2000},
    {SLUICE_UNIT_BYTES, "2KiB", 2048},
    {SLUICE_UNIT_BYTES, "1TB", UINT64_C(1000000000000)},
    {SLUICE_UNIT_BYTES, "1TiB", UINT64_C(1) << 40},
    {SLUICE_UNIT_BYTES, "0", 0},
    {SLUICE_UNIT_BYTES, "7B", 7},
    {SLUICE_UNIT_BYTES, "1048576", 1048576},
    {SLUICE_UNIT_BYTES, "9007199254740991", LARGEST},
    {SLUICE_UNIT_BYTES, "9007199254740992", REFUSED},
    {SLUICE_UNIT_BYTES, "9007199254740993", REFUSED},
    {SLUICE_UNIT_BYTES, "18446744073709551616", REFUSED},
    {SLUICE_UNIT_BYTES, "8192TiB", REFUSED},
    {SLUICE_UNIT_BYTES, "8191TiB", UINT64_C(8191) << 40},
    {SLUICE_UNIT_BYTES, "18446744073709551617TiB", REFUSED},
    {SLUICE_UNIT_BYTES, "1e9", REFUSED},
    {SLUICE_UNIT_BYTES, "-1", REFUSED},
    {SLUICE_UNIT_BYTES, "+1", REFUSED},
    {SLUICE_UNIT_BYTES, "0x10", REFUSED},
    {SLUICE_UNIT_BYTES, " 5", REFUSED},
    {SLUICE_UNIT_BYTES, "5\t", REFUSED},
    {SLUICE_UNIT_BYTES, "5MB ", REFUSED},
    {SLUICE_UNIT_BYTES, "5MBs", REFUSED},
    {SLUICE_UNIT_BYTES, "5M", REFUSED},
    {SLUICE_UNIT_BYTES, "5%", REFUSED},
    {SLUICE_UNIT_BYTES, "5ms", REFUSED},
    {SLUICE_UNIT_BYTES, "5,5MB", REFUSED},
    {SLUICE_UNIT_BYTES, "5.MB", REFUSED},
    {SLUICE_UNIT_BYTES, ".5MB", REFUSED},
    {SLUICE_UNIT_BYTES, "1.2.3", REFUSED},
    {SLUICE_UNIT_BYTES, "MB", REFUSED},
    {SLUICE_UNIT_BYTES, "nan", REFUSED},
    {SLUICE_UNIT_BYTES, "inf", REFUSED},
    {SLUICE_UNIT_BYTES, "", REFUSED},
    {SLUICE_UNIT_MS, "250ms", 250},
    {SLUICE_UNIT_MS, "30s", 30000},
    {SLUICE_UNIT_MS, "30", 30000},
    {SLUICE_UNIT_MS, "0.25", 250},
    {SLUICE_UNIT_MS, "1.5s", 1500},
    {SLUICE_UNIT_MS, "5m", 300000},
    {SLUICE_UNIT_MS, "1h", 3600000},
    {SLUICE_UNIT_MS, "7d", 604800000},
    {SLUICE_UNIT_MS, "0", 0},
    {SLUICE_UNIT_MS, "7w", REFUSED},
    {SLUICE_UNIT_MS, "5min", REFUSED},
    {SLUICE_UNIT_MS, "-30s", REFUSED},
    {SLUICE_UNIT_MS, "30 s s", REFUSED},
    {SLUICE_UNIT_MS, "", REFUSED},
    {SLUICE_UNIT_PERMILLE, "0.8", 800},
    {SLUICE_UNIT_PERMILLE, "80%", 800},
    {SLUICE_UNIT_PERMILLE, "80 %", 800},
    {SLUICE_UNIT_PERMILLE, "80", 800},
    {SLUICE_UNIT_PERMILLE, "150%", 1500},
    {SLUICE_UNIT_PERMILLE, "0.5%", 5},
    {SLUICE_UNIT_PERMILLE, "92.5%", 925},
    {SLUICE_UNIT_PERMILLE, "0.925", 925},
    {SLUICE_UNIT_PERMILLE, "1", 1000},
    {SLUICE_UNIT_PERMILLE, "1%", 10},
    {SLUICE_UNIT_PERMILLE, "1.5", 15},
    {SLUICE_UNIT_PERMILLE, "0", 0},
    {SLUICE_UNIT_PERMILLE, "80%%", REFUSED},
    {SLUICE_UNIT_PERMILLE, "-0.8", REFUSED},
    {SLUICE_UNIT_PERMILLE, "%", REFUSED},
    {SLUICE_UNIT_COUNT, "12", 12},
    {SLUICE_UNIT_COUNT, "0", 0},
    {SLUICE_UNIT_COUNT, "007", 7},
    {SLUICE_UNIT_COUNT, "1.5", REFUSED},
    {SLUICE_UNIT_COUNT, "12K", REFUSED},
    {SLUICE_UNIT_COUNT, "1e3", REFUSED},
    {SLUICE_UNIT_COUNT, "-1", REFUSED},
    {SLUICE_UNIT_COUNT, "ON", REFUSED},
    {SLUICE_UNIT_COUNT, "", REFUSED},
    {SLUICE_UNIT_SWITCH, "ON", 1},
    {SLUICE_UNIT_SWITCH, "on", 1},
    {SLUICE_UNIT_SWITCH, "OFF", 0},
    {SLUICE_UNIT_SWITCH, "Off", 0},
    {SLUICE_UNIT_SWITCH, "1", REFUSED},
    {SLUICE_UNIT_SWITCH, "yes", REFUSED},
    {SLUICE_UNIT_SWITCH, "ON ", REFUSED},
    {SLUICE_UNIT_SWITCH, "", REFUSED},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        const uint64_t untouched = 0xdeadbeef;
        uint64_t value = untouched, expected = cases[i].value;
        int ret = sluice_parse_value(cases[i].unit, cases[i].text, &value);
        if (ret != (expected == REFUSED ? -1 : 0) || value != (expected == REFUSED ? untouched : expected))
            fail_msg("`%s` gives %d, %" PRIu64, cases[i].text, ret, value);
    }
}

static void test_parse_endless_digits(void **state)
{
    char text[2048];
    uint64_t value = 5;

    (void)state;
    memset(text, '9', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (int unit = SLUICE_UNIT_BYTES; unit <= SLUICE_UNIT_COUNT; ++unit)
        assert_int_equal(sluice_parse_value((sluice_unit_t)unit, text, &value), -1);
    assert_int_equal(value, 5);
    text[0] = '0';
    text[1] = '.';
    assert_int_equal(sluice_parse_value(SLUICE_UNIT_BYTES, text, &value), 0);
    assert_int_equal(value, 1);
    memset(text + 2, '0', sizeof(text) - 3);
    assert_int_equal(sluice_parse_value(SLUICE_UNIT_PERMILLE, text, &value), 0);
    assert_int_equal(value, 0);
}

static void test_format(void **state)
{
    static const struct st_case_t formats[] = {
        {SLUICE_UNIT_BYTES, "512MiB", 536870912},
        {SLUICE_UNIT_BYTES, "512MB", 512000000},
        {SLUICE_UNIT_BYTES, "16GB", UINT64_C(16000000000)},
        {SLUICE_UNIT_BYTES, "2TB", UINT64_C(2000000000000)},
        {SLUICE_UNIT_BYTES, "1024TiB", UINT64_C(1) << 50},
        {SLUICE_UNIT_BYTES, "1536MiB", 1610612736},
        {SLUICE_UNIT_BYTES, "1KB", 1000},
        {SLUICE_UNIT_BYTES, "1KiB", 1024},
        {SLUICE_UNIT_BYTES, "1025B", 1025},
        {SLUICE_UNIT_BYTES, "0", 0},
        {SLUICE_UNIT_MS, "250ms", 250},
        {SLUICE_UNIT_MS, "30s", 30000},
        {SLUICE_UNIT_MS, "1500ms", 1500},
        {SLUICE_UNIT_MS, "90s", 90000},
        {SLUICE_UNIT_MS, "1m", 60000},
        {SLUICE_UNIT_MS, "1h", 3600000},
        {SLUICE_UNIT_MS, "366d", UINT64_C(366) * 86400000},
        {SLUICE_UNIT_MS, "0", 0},
        {SLUICE_UNIT_PERMILLE, "80%", 800},
        {SLUICE_UNIT_PERMILLE, "92.5%", 925},
        {SLUICE_UNIT_PERMILLE, "0.1%", 1},
        {SLUICE_UNIT_PERMILLE, "100%", 1000},
        {SLUICE_UNIT_COUNT, "50000000", 50000000},
        {SLUICE_UNIT_SWITCH, "ON", 1},
        {SLUICE_UNIT_SWITCH, "OFF", 0},
    };
    char buf[32];

    (void)state;
    for (size_t i = 0; i != sizeof(formats) / sizeof(formats[0]); ++i) {
        sluice_format_value(formats[i].unit, formats[i].value, buf, sizeof(buf));
        assert_string_equal(buf, formats[i].text);
    }
}

static void assert_round_trip(sluice_unit_t unit, uint64_t value)
{
    char buf[32];
    uint64_t back = ~value;

    sluice_format_value(unit, value, buf, sizeof(buf));
    if (sluice_parse_value(unit, buf, &back) != 0 || back != value)
        fail_msg("%" PRIu64 " is written `%s` and read as %" PRIu64, value, buf, back);
}

static void test_round_trip(void **state)
{
    uint64_t random = 88172645463325252;

    (void)state;
    for (int unit = SLUICE_UNIT_BYTES; unit <= SLUICE_UNIT_COUNT; ++unit) {
        for (uint64_t value = 0; value != 5000; ++value)
            assert_round_trip((sluice_unit_t)unit, value);
        for (size_t i = 0; i != 50000; ++i) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint64_t value = random >> (11 + random % 50);
            /* a ratio is kept in thousandths: what a setting may say is below 2^40 of them */
            assert_round_trip((sluice_unit_t)unit, unit == SLUICE_UNIT_PERMILLE ? value >> 13 : value);
        }
    }
    for (uint64_t n = 1; n <= 8191; n += 7) {
        assert_round_trip(SLUICE_UNIT_BYTES, n << 40);
        assert_round_trip(SLUICE_UNIT_BYTES, n * UINT64_C(1000000000000));
        assert_round_trip(SLUICE_UNIT_MS, n * 86400000);
    }
    assert_round_trip(SLUICE_UNIT_BYTES, LARGEST);
    assert_round_trip(SLUICE_UNIT_SWITCH, 0);
    assert_round_trip(SLUICE_UNIT_SWITCH, 1);
}

static void test_format_short_buffer(void **state)
{
    char buf[8];

    (void)state;
    for (int unit = SLUICE_UNIT_BYTES; unit <= SLUICE_UNIT_SWITCH; ++unit) {
        for (size_t len = 1; len != sizeof(buf); ++len) {
            memset(buf, 'x', sizeof(buf));
            sluice_format_value((sluice_unit_t)unit, 123456789, buf, len);
            assert_true(strlen(buf) < len);
            assert_int_equal(buf[len], 'x');
        }
    }
}

/* what a message shows as an example must be taken */
static void test_describe(void **state)
{
    static const char *const words[] = {"512MiB", "30s", "80%", "number", "ON"};

    (void)state;
    for (int unit = SLUICE_UNIT_BYTES; unit <= SLUICE_UNIT_SWITCH; ++unit)
        assert_non_null(strstr(sluice_describe_unit((sluice_unit_t)unit), words[unit]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_parse_endless_digits), cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_format_short_buffer),  cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
