/*
 * The resizer beside a plain one: the same geometry and kernel in double precision, over all of the picture at once, which shares
 * no code with it. Boxes make a difference to that, of which there are bounds; without boxes there is none beyond rounding.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/resize.h"

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

static double lanczos(double x)
{
    if (x == 0)
        return 1;
    return fabs(x) >= 3 ? 0 : 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x);
}

/* one axis: `in` samples, `stride` apart, become `out` */
static void scale_line(const double *from, double *to, int in, int out, size_t from_stride, size_t to_stride)
{
    double factor = (double)in / out;

    for (int i = 0; i != out; ++i) {
        double centre = (i + 0.5) * factor - 0.5, sum = 0, weights = 0;
        for (int j = (int)ceil(centre - 3 * factor); j <= centre + 3 * factor; ++j) {
            double weight = lanczos((j - centre) / factor);
            int at = j < 0 ? 0 : j >= in ? in - 1 : j;
            sum += weight * from[(size_t)at * from_stride];
            weights += weight;
        }
        to[(size_t)i * to_stride] = sum / weights;
    }
}

static uint8_t round_off(double value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : floor(value + 0.5));
}

static uint8_t *scale_plainly(const sluice_resize_t *resize, const uint8_t *pixels)
{
    size_t w = resize->in_width, h = resize->in_height, ow = resize->out_width, oh = resize->out_height, bands = resize->bands;
    double *plain = malloc(w * h * bands * sizeof(*plain)), *narrow = malloc(ow * h * bands * sizeof(*narrow)),
           *small = malloc(ow * oh * bands * sizeof(*small));
    uint8_t *out = malloc(ow * oh * bands);

    for (size_t i = 0; i != w * h * bands; ++i) {
        size_t alpha = i / bands * bands + bands - 1;
        plain[i] = resize->alpha && i != alpha ? pixels[i] * (double)pixels[alpha] / 255 : pixels[i];
    }
    for (size_t y = 0; y != h; ++y)
        for (size_t band = 0; band != bands; ++band)
            scale_line(plain + y * w * bands + band, narrow + y * ow * bands + band, (int)w, (int)ow, bands, bands);
    for (size_t x = 0; x != ow * bands; ++x)
        scale_line(narrow + x, small + x, (int)h, (int)oh, ow * bands, ow * bands);
    for (size_t i = 0; i != ow * oh * bands; ++i) {
        size_t alpha = i / bands * bands + bands - 1;
        double scale = !resize->alpha || i == alpha ? 1 : small[alpha] > 0 ? 255 / small[alpha] : 0;
        out[i] = round_off(small[i] * scale);
    }
    free(plain);
    free(narrow);
    free(small);
    return out;
}

static uint8_t *scale(const sluice_resize_t *resize, const uint8_t *pixels)
{
    uint8_t *out = malloc((size_t)resize->out_width * resize->out_height * resize->bands);
    sluice_resizer_t *resizer = sluice_resizer_create(resize, out);

    assert_non_null(resizer);
    memset(out, 0xa5, (size_t)resize->out_width * resize->out_height * resize->bands);
    for (uint32_t y = 0; y != resize->in_height; ++y)
        sluice_resizer_push(resizer, pixels + (size_t)y * resize->in_width * resize->bands);
    sluice_resizer_destroy(&resizer);
    assert_null(resizer);
    return out;
}

/* waves, that no kernel makes sharper than they are, and `noise` */
static uint8_t *paint(const sluice_resize_t *resize, uint32_t noise)
{
    size_t bands = resize->bands, len = (size_t)resize->in_width * resize->in_height * bands;
    uint8_t *pixels = malloc(len);

    for (size_t i = 0; i != len; ++i) {
        double x = (double)(i / bands % resize->in_width), y = (double)(i / bands / resize->in_width);
        double wave = sin(x / resize->in_width * 9 + (double)(i % bands)) * cos(y / resize->in_height * 7);
        pixels[i] = round_off(128 + 90 * wave + draw(noise + 1) - noise / 2.0);
    }
    return pixels;
}

static void compare(const sluice_resize_t *resize, uint32_t noise, int most, double mean)
{
    uint8_t *pixels = paint(resize, noise), *got = scale(resize, pixels), *wanted = scale_plainly(resize, pixels);
    size_t len = (size_t)resize->out_width * resize->out_height * resize->bands;
    double sum = 0;

    for (size_t i = 0; i != len; ++i) {
        int difference = abs(got[i] - wanted[i]);
        sum += difference;
        if (difference > most)
            fail_msg("%ux%u to %ux%u, %u bands: %u instead of %u at %zu", resize->in_width, resize->in_height, resize->out_width,
                     resize->out_height, resize->bands, got[i], wanted[i], i);
    }
    if (sum / (double)len > mean)
        fail_msg("%ux%u to %ux%u: %f on average", resize->in_width, resize->in_height, resize->out_width, resize->out_height,
                 sum / (double)len);
    free(pixels);
    free(got);
    free(wanted);
}

static sluice_resize_t whole(const uint32_t size[4], uint32_t bands, int alpha)
{
    return (sluice_resize_t){size[0], size[1], size[2], size[3], 0, 0, size[2], size[3], bands, alpha};
}

static const struct {
    uint32_t bands;
    int alpha;
} kinds[] = {{1, 0}, {2, 0}, {2, 1}, {3, 0}, {4, 0}, {4, 1}};

/* factors below four: the kernel alone */
static void test_without_boxes(void **state)
{
    static const uint32_t sizes[][4] = {{60, 40, 20, 11}, {61, 37, 60, 36}, {50, 50, 50, 50}, {39, 30, 10, 30},
                                        {1, 1, 1, 1},     {3, 2, 1, 1},     {2, 97, 2, 33},   {201, 3, 67, 1}};

    (void)state;
    for (size_t i = 0; i != sizeof(sizes) / sizeof(*sizes); ++i)
        for (size_t j = 0; j != sizeof(kinds) / sizeof(*kinds); ++j) {
            sluice_resize_t resize = whole(sizes[i], kinds[j].bands, kinds[j].alpha);
            compare(&resize, 80, 1, 0.1);
        }
}

static void test_with_boxes(void **state)
{
    static const uint32_t sizes[][4] = {
        {600, 400, 60, 40}, {601, 403, 60, 40}, {599, 397, 60, 40}, {1000, 30, 100, 30}, {30, 1000, 30, 99}};

    (void)state;
    for (size_t i = 0; i != sizeof(sizes) / sizeof(*sizes); ++i)
        for (size_t j = 0; j != sizeof(kinds) / sizeof(*kinds); ++j) {
            sluice_resize_t resize = whole(sizes[i], kinds[j].bands, kinds[j].alpha);
            compare(&resize, 0, 3, 0.6);
            compare(&resize, 60, 12, 2);
        }
}

/* byte for byte what is cut out of all of it */
static void test_parts(void **state)
{
    (void)state;
    for (int round = 0; round != 200; ++round) {
        const uint32_t in[2] = {1 + draw(300), 1 + draw(300)}, size[4] = {in[0], in[1], 1 + draw(in[0]), 1 + draw(in[1])};
        uint32_t i = draw(sizeof(kinds) / sizeof(*kinds)), bands = kinds[i].bands;
        sluice_resize_t all = whole(size, bands, kinds[i].alpha), part = all;
        part.left = draw(size[2]);
        part.top = draw(size[3]);
        part.out_width = 1 + draw(size[2] - part.left);
        part.out_height = 1 + draw(size[3] - part.top);
        uint8_t *pixels = paint(&all, 100), *wanted = scale(&all, pixels), *got = scale(&part, pixels);
        for (uint32_t y = 0; y != part.out_height; ++y)
            assert_memory_equal(got + (size_t)y * part.out_width * bands,
                                wanted + ((size_t)(part.top + y) * size[2] + part.left) * bands, (size_t)part.out_width * bands);
        free(pixels);
        free(wanted);
        free(got);
    }
}

/* every size up to a few pixels: what is of one colour stays so, up to the edges, and every byte is written */
static void test_one_colour(void **state)
{
    static const uint8_t colours[] = {0, 1, 127, 254, 255};

    (void)state;
    for (uint32_t in = 1; in <= 30; ++in)
        for (uint32_t out = 1; out <= in; ++out)
            for (size_t i = 0; i != sizeof(colours); ++i) {
                sluice_resize_t resize = whole((const uint32_t[]){in, 31 - in < out ? out : 31 - in, out, out}, 3, 0);
                uint8_t *pixels = malloc((size_t)in * resize.in_height * 3);
                memset(pixels, colours[i], (size_t)in * resize.in_height * 3);
                uint8_t *got = scale(&resize, pixels);
                for (size_t at = 0; at != (size_t)out * out * 3; ++at)
                    assert_int_equal(got[at], colours[i]);
                free(pixels);
                free(got);
            }
}

/* sums stay within their integers, and the long side within its boxes */
static void test_extremes(void **state)
{
    const sluice_resize_t all[] = {whole((const uint32_t[]){5000, 4000, 1, 1}, 4, 1),
                                   whole((const uint32_t[]){70000, 2, 3, 1}, 4, 1), whole((const uint32_t[]){2, 70000, 1, 3}, 3, 0),
                                   whole((const uint32_t[]){40000, 600, 30, 1}, 1, 0)};

    (void)state;
    for (size_t i = 0; i != sizeof(all) / sizeof(*all); ++i) {
        size_t len = (size_t)all[i].in_width * all[i].in_height * all[i].bands;
        uint8_t *pixels = malloc(len);
        memset(pixels, 255, len);
        uint8_t *got = scale(&all[i], pixels);
        for (size_t at = 0; at != (size_t)all[i].out_width * all[i].out_height * all[i].bands; ++at)
            assert_int_equal(got[at], 255);
        free(pixels);
        free(got);
    }
}

/* a red of no alpha beside an opaque blue leaves no red */
static void test_transparent_has_no_colour(void **state)
{
    const sluice_resize_t resize = whole((const uint32_t[]){400, 40, 40, 4}, 4, 1);
    uint8_t *pixels = calloc(400 * 40, 4);

    (void)state;
    for (size_t i = 0; i != 400 * 40; ++i)
        memcpy(pixels + 4 * i, i % 400 < 205 ? (const uint8_t[]){255, 0, 0, 0} : (const uint8_t[]){0, 0, 255, 255}, 4);
    uint8_t *got = scale(&resize, pixels);
    for (size_t i = 0; i != 40 * 4; ++i) {
        assert_int_equal(got[4 * i], 0);
        if (i % 40 < 16)
            assert_int_equal(got[4 * i + 3], 0);
        if (i % 40 > 24)
            assert_true(got[4 * i + 2] == 255 && got[4 * i + 3] == 255);
    }
    free(pixels);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_boxes), cmocka_unit_test(test_with_boxes), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_one_colour),    cmocka_unit_test(test_extremes),   cmocka_unit_test(test_transparent_has_no_colour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
