#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/reduce.h"

static sluice_pixels_t create(uint32_t width, uint32_t height, uint32_t bands)
{
    return (sluice_pixels_t){width, height, bands, calloc((size_t)width * height, bands)};
}

static uint8_t *pixel(const sluice_pixels_t *pixels, uint32_t x, uint32_t y)
{
    return pixels->at + ((size_t)y * pixels->width + x) * pixels->bands;
}

/* what is of one colour stays so, to the corners, at all sizes */
static void test_flat_pictures_stay_flat(void **state)
{
    static const uint32_t sides[][2] = {{1, 1}, {2, 1}, {8, 7}, {9, 1}, {100, 99}, {100, 51}, {100, 13}, {700, 3}};
    static const uint8_t colours[][3] = {{0, 0, 0}, {255, 255, 255}, {1, 128, 254}};

    (void)state;
    for (size_t i = 0; i != sizeof(sides) / sizeof(sides[0]); ++i)
        for (size_t j = 0; j != 3; ++j)
            for (uint32_t bands = 1; bands <= 3; bands += 2) {
                sluice_pixels_t from = create(sides[i][0], 23, bands), to = {sides[i][1], 5, 0, NULL};
                for (size_t at = 0; at != (size_t)from.width * from.height * bands; ++at)
                    from.at[at] = colours[j][at % bands];
                assert_int_equal(sluice_reduce(&from, &to), 0);
                assert_true(to.width == sides[i][1] && to.height == 5 && to.bands == bands);
                for (size_t at = 0; at != (size_t)to.width * to.height * bands; ++at)
                    assert_int_equal(to.at[at], colours[j][at % bands]);
                free(from.at);
                free(to.at);
            }
}

static void test_same_size_is_the_same_picture(void **state)
{
    sluice_pixels_t from = create(37, 29, 3), to = {37, 29, 0, NULL};

    (void)state;
    for (size_t i = 0; i != 37 * 29 * 3; ++i)
        from.at[i] = (uint8_t)(i * 2654435761u >> 7);
    assert_int_equal(sluice_reduce(&from, &to), 0);
    assert_memory_equal(from.at, to.at, 37 * 29 * 3);
    free(from.at);
    free(to.at);
}

/* the middles of the pixels stay where they are: a gradient has the same values there, but for the ends, where it breaks off */
static void test_gradients_stay_in_place(void **state)
{
    sluice_pixels_t from = create(240, 160, 1), to = {77, 61, 0, NULL};

    (void)state;
    for (uint32_t y = 0; y != 160; ++y)
        for (uint32_t x = 0; x != 240; ++x)
            *pixel(&from, x, y) = (uint8_t)(x / 2 + y / 2 + (x + y) % 2); /* about (x + y) / 2 */
    assert_int_equal(sluice_reduce(&from, &to), 0);
    for (uint32_t y = 4; y != 57; ++y)
        for (uint32_t x = 4; x != 73; ++x) {
            double wanted = ((x + 0.5) * 240 / 77 - 0.5 + (y + 0.5) * 160 / 61 - 0.5) / 2;
            assert_true(fabs(*pixel(&to, x, y) - wanted) < 1.5);
        }
    free(from.at);
    free(to.at);
}

/* each of the bands by itself, and overshoots end at black and white */
static void test_edges(void **state)
{
    sluice_pixels_t from = create(96, 96, 3), to = {31, 32, 0, NULL};

    (void)state;
    for (uint32_t y = 0; y != 96; ++y)
        for (uint32_t x = 0; x != 96; ++x) {
            pixel(&from, x, y)[0] = x < 48 ? 0 : 255;
            pixel(&from, x, y)[1] = y < 48 ? 255 : 0;
            pixel(&from, x, y)[2] = 77;
        }
    assert_int_equal(sluice_reduce(&from, &to), 0);
    for (uint32_t y = 0; y != 32; ++y)
        for (uint32_t x = 0; x != 31; ++x) {
            const uint8_t *at = pixel(&to, x, y);
            assert_true(at[2] == 77);
            assert_true(x == 15 ? at[0] > 100 && at[0] < 155 : x < 15 ? at[0] < 26 : at[0] > 229);
            assert_true(y < 16 ? at[1] > 229 : at[1] < 26);
        }
    free(from.at);
    free(to.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_pictures_stay_flat),
        cmocka_unit_test(test_same_size_is_the_same_picture),
        cmocka_unit_test(test_gradients_stay_in_place),
        cmocka_unit_test(test_edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
