/*
 * What the texts of a sample say, good and bad ones.
 */
#include "test_pressure_fake.h"

static void test_parse(void **arg)
{
    static const struct {
        const char *text;
        int result;
        uint64_t pages;
    } rows[] = {{"5000 1234 300 1 0 400 0\n", 0, 1234},
                {"1 18446744073709551615 0", 0, UINT64_MAX},
                {"1 18446744073709551616 0", -1, 0},
                {"", -1, 0},
                {"5000", -1, 0},
                {"5000 ", -1, 0},
                {"5000 12", -1, 0}, /* may be cut off */
                {"5000 0 300", -1, 0},
                {"5000  12 300", -1, 0},
                {"x 12 300", -1, 0},
                {"5000 -12 300", -1, 0},
                {"5000 12x 300", -1, 0}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        uint64_t pages;
        assert_int_equal(pressure_parse_statm(rows[i].text, strlen(rows[i].text), &pages), rows[i].result);
        if (rows[i].result == 0)
            assert_int_equal(pages, rows[i].pages);
    }
}

static void test_reading(void **arg)
{
    static const struct {
        pressure_sample_t sample;
        uint64_t budget_bytes, reading_bytes;
    } rows[] = {
        {{100, 0, 0}, 1000, 100},     {{100, 900, 0}, 1000, 100},   {{100, 50, 1000}, 1000, 100}, {{100, 900, 1000}, 1000, 900},
        {{100, 900, 1000}, 500, 450}, {{450, 900, 1000}, 500, 450}, {{1, 2000, 1000}, 500, 1000}, {{0, 1, UINT64_MAX}, 1000, 0},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(pressure_reading_of(&rows[i].sample, rows[i].budget_bytes), rows[i].reading_bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
