/* curves at points that were worked out by hand, and what must hold for all of them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/tone_curve.h"

static void test_known_points(void **state)
{
    static const struct {
        char kind;
        double amount;
        int in, out;
    } cases[] = {
        {'b', 20, 0, 51},     {'b', 20, 100, 151}, {'b', 20, 230, 255}, {'b', -20, 100, 49},  {'b', -20, 30, 0},
        {'b', 100, 0, 255},   {'b', -100, 255, 0}, {'g', 2, 0, 0},      {'g', 2, 128, 64},    {'g', 2, 255, 255},
        {'g', 1, 77, 77},     {'g', 3, 128, 32},   {'n', 0, 0, 255},    {'n', 0, 100, 155},   {'n', 0, 255, 0},
        {'c', 50, 0, 0},      {'c', 50, 255, 255}, {'c', 100, 64, 0},   {'c', 100, 191, 255}, {'c', -50, 0, 0},
        {'c', -50, 255, 255}, {'c', 20, 64, 38},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_tone_curve_t curve;
        uint8_t table[256];
        sluice_tone_curve_init(&curve);
        if (cases[i].kind == 'b')
            sluice_tone_curve_brighten(&curve, (int32_t)cases[i].amount);
        else if (cases[i].kind == 'g')
            sluice_tone_curve_gamma(&curve, cases[i].amount);
        else if (cases[i].kind == 'c')
            sluice_tone_curve_contrast(&curve, (int32_t)cases[i].amount);
        else
            sluice_tone_curve_negate(&curve);
        sluice_tone_curve_round(&curve, table);
        assert_in_range(table[cases[i].in] + 1, cases[i].out, cases[i].out + 2);
    }
}

static void test_contrast_rises_and_has_an_inverse(void **state)
{
    (void)state;
    for (int32_t percent = -100; percent <= 100; ++percent) {
        sluice_tone_curve_t curve;
        uint8_t table[256];
        if (percent == 0)
            continue;
        sluice_tone_curve_init(&curve);
        sluice_tone_curve_contrast(&curve, percent);
        sluice_tone_curve_round(&curve, table);
        assert_true(table[0] == 0 && table[255] == 255);
        for (int i = 1; i != 256; ++i)
            assert_true(table[i] >= table[i - 1]);
        assert_true(percent > 0 ? table[64] <= 64 && table[191] >= 191 : table[64] >= 64 && table[191] <= 191);
        sluice_tone_curve_contrast(&curve, -percent);
        sluice_tone_curve_round(&curve, table);
        if (percent > -100 && percent < 70) /* beyond that much is cut */
            for (int i = 0; i != 256; ++i)
                assert_in_range(table[i] + 1, i, i + 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_points),
        cmocka_unit_test(test_contrast_rises_and_has_an_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
