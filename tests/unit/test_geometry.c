#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/geometry.h"

static sluice_options_t wanted(uint32_t width, uint32_t height, sluice_fit_t fit)
{
    return (sluice_options_t){.width = {width, 0}, .height = {height, 0}, .fit = fit};
}

/* of a picture that is not trimmed */
static sluice_geometry_t make(uint32_t width, uint32_t height, int orientation, const sluice_options_t *options)
{
    sluice_geometry_t geometry;

    sluice_geometry_make((sluice_size_t){width, height}, (sluice_area_t){0, 0, width, height}, orientation, options, &geometry);
    return geometry;
}

static void assert_answer(uint32_t source_width, uint32_t source_height, sluice_options_t options, uint32_t width, uint32_t height)
{
    sluice_size_t size = make(source_width, source_height, 1, &options).answer;

    if (size.width != width || size.height != height)
        fail_msg("%u x %u to %u x %u, fit %d, gives %u x %u, not %u x %u", (unsigned)source_width, (unsigned)source_height,
                 (unsigned)options.width.amount, (unsigned)options.height.amount, (int)options.fit, (unsigned)size.width,
                 (unsigned)size.height, (unsigned)width, (unsigned)height);
}

static void assert_area(sluice_area_t area, uint32_t left, uint32_t top, uint32_t width, uint32_t height)
{
    if (area.left != left || area.top != top || area.width != width || area.height != height)
        fail_msg("%u x %u at %u, %u, not %u x %u at %u, %u", (unsigned)area.width, (unsigned)area.height, (unsigned)area.left,
                 (unsigned)area.top, (unsigned)width, (unsigned)height, (unsigned)left, (unsigned)top);
}

static void test_known_sizes(void **state)
{
    (void)state;
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_INSIDE), 294, 240);
    assert_answer(2725, 2225, wanted(320, 0, SLUICE_FIT_INSIDE), 320, 261);
    assert_answer(2725, 2225, wanted(0, 320, SLUICE_FIT_INSIDE), 392, 320);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_OUTSIDE), 320, 261);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_COVER), 320, 240);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_FILL), 320, 240);
    assert_answer(2725, 2225, wanted(320, 240, SLUICE_FIT_CONTAIN), 320, 240);
    assert_answer(6000, 4000, wanted(300, 300, SLUICE_FIT_INSIDE), 300, 200);
    assert_answer(6000, 4000, wanted(300, 300, SLUICE_FIT_OUTSIDE), 450, 300);
    assert_answer(4000, 6000, wanted(300, 300, SLUICE_FIT_INSIDE), 200, 300);
    assert_answer(4000, 6000, wanted(300, 300, SLUICE_FIT_OUTSIDE), 300, 450);
}

static void test_nothing_asked(void **state)
{
    (void)state;
    for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit) {
        assert_answer(2725, 2225, wanted(0, 0, (sluice_fit_t)fit), 2725, 2225);
        assert_answer(1, 1, wanted(0, 0, (sluice_fit_t)fit), 1, 1);
        assert_answer(65500, 3, wanted(0, 0, (sluice_fit_t)fit), 65500, 3);
    }
}

static void test_one_side(void **state)
{
    (void)state;
    for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit) {
        int fill = fit == SLUICE_FIT_FILL;
        assert_answer(600, 400, wanted(300, 0, (sluice_fit_t)fit), 300, fill ? 400 : 200);
        assert_answer(600, 400, wanted(0, 100, (sluice_fit_t)fit), fill ? 600 : 150, 100);
        assert_answer(600, 400, wanted(1200, 0, (sluice_fit_t)fit), 1200, fill ? 400 : 800);
    }
}

static void test_enlarges(void **state)
{
    (void)state;
    assert_answer(30, 20, wanted(300, 300, SLUICE_FIT_INSIDE), 300, 200);
    assert_answer(30, 20, wanted(300, 300, SLUICE_FIT_OUTSIDE), 450, 300);
    assert_answer(1, 1, wanted(8192, 0, SLUICE_FIT_INSIDE), 8192, 8192);
}

static void test_extreme_aspect_ratios(void **state)
{
    (void)state;
    assert_answer(1, 10000, wanted(0, 100, SLUICE_FIT_INSIDE), 1, 100);
    assert_answer(10000, 1, wanted(100, 0, SLUICE_FIT_INSIDE), 100, 1);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_INSIDE), 1, 100);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_OUTSIDE), 100, 1000000);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_COVER), 100, 100);
    assert_answer(1, 10000, wanted(100, 100, SLUICE_FIT_CONTAIN), 100, 100);
    assert_answer(1, 10000, wanted(1, 1, SLUICE_FIT_INSIDE), 1, 1);
    assert_answer(65500, 1, wanted(1, 0, SLUICE_FIT_INSIDE), 1, 1);
    /* more than can be said, but not less because of it */
    assert_answer(1, 65535, wanted(65535, 0, SLUICE_FIT_INSIDE), 65535, UINT32_C(65535) * 65535);
    assert_answer(1, 1000000, wanted(65535, 0, SLUICE_FIT_INSIDE), 65535, UINT32_MAX);
}

/* whether `scaled` is `side` x numerator / denominator, rounded to the nearest (from the middle to even), and at least 1 */
static int is_rounded(uint32_t scaled, uint32_t side, uint64_t numerator, uint64_t denominator)
{
    uint64_t twice_exact = 2 * side * numerator, twice_scaled = 2 * scaled * denominator;
    uint64_t off = twice_exact > twice_scaled ? twice_exact - twice_scaled : twice_scaled - twice_exact;

    return off < denominator || (off == denominator && scaled % 2 == 0) || (scaled == 1 && twice_exact <= denominator);
}

static void check_size(sluice_size_t source, sluice_options_t o)
{
    sluice_geometry_t geometry = make(source.width, source.height, 1, &o);
    sluice_size_t scaled = geometry.scaled, answer = geometry.answer;
    int larger = o.fit == SLUICE_FIT_OUTSIDE || o.fit == SLUICE_FIT_COVER, both = o.width.amount != 0 && o.height.amount != 0;
    /* width / source.width < height / source.height, without a division */
    int width_is_smaller = (uint64_t)o.width.amount * source.height < (uint64_t)o.height.amount * source.width;
    int by_width = o.height.amount == 0 || (o.width.amount != 0 && width_is_smaller != larger);
    int ok;

    if (o.fit == SLUICE_FIT_FILL)
        ok = scaled.width == (o.width.amount != 0 ? o.width.amount : source.width) &&
             scaled.height == (o.height.amount != 0 ? o.height.amount : source.height);
    else if (!both && o.width.amount == 0 && o.height.amount == 0)
        ok = scaled.width == source.width && scaled.height == source.height;
    else if (by_width)
        ok = scaled.width == o.width.amount && is_rounded(scaled.height, source.height, o.width.amount, source.width);
    else
        ok = scaled.height == o.height.amount && is_rounded(scaled.width, source.width, o.height.amount, source.height);
    if (both && o.fit == SLUICE_FIT_COVER) /* there must be enough to crop from */
        ok = ok && scaled.width >= o.width.amount && scaled.height >= o.height.amount;
    if (both && (o.fit == SLUICE_FIT_CONTAIN || o.fit == SLUICE_FIT_INSIDE)) /* and nothing may stick out */
        ok = ok && scaled.width <= o.width.amount && scaled.height <= o.height.amount;
    if (both && (o.fit == SLUICE_FIT_COVER || o.fit == SLUICE_FIT_CONTAIN))
        ok = ok && answer.width == o.width.amount && answer.height == o.height.amount;
    else
        ok = ok && answer.width == scaled.width && answer.height == scaled.height;
    if (!ok)
        fail_msg("%u x %u to %u x %u, fit %d: %u x %u, then %u x %u", (unsigned)source.width, (unsigned)source.height,
                 (unsigned)o.width.amount, (unsigned)o.height.amount, (int)o.fit, (unsigned)scaled.width, (unsigned)scaled.height,
                 (unsigned)answer.width, (unsigned)answer.height);
}

static void test_small_sizes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i != 14 * 14 * 14 * 14; ++i)
        for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit)
            check_size((sluice_size_t){1 + i % 14, 1 + i / 14 % 14}, wanted(i / 196 % 14, i / 2744, (sluice_fit_t)fit));
}

static void test_random_sizes(void **state)
{
    uint64_t random = 0x9e3779b97f4a7c15;

    (void)state;
    for (size_t i = 0; i != 400000; ++i) {
        uint32_t n[4];
        for (size_t j = 0; j != 4; ++j) {
            random = random * 6364136223846793005 + 1442695040888963407;
            n[j] = (uint32_t)(random >> 33) & ((UINT32_C(2) << (random >> 29 & 15)) - 1); /* all magnitudes below 2^16 */
        }
        check_size((sluice_size_t){1 + n[0] % 65500, 1 + n[1] % 65500},
                   wanted(n[2] % 8193, i % 4 == 0 ? 0 : n[3] % 8193, (sluice_fit_t)(i % SLUICE_NUM_FITS)));
    }
}

/* ---- without enlargement ---- */

static void test_without_enlargement(void **state)
{
    static const struct {
        uint32_t width, height, w, h;
        sluice_fit_t fit;
        uint32_t answer_width, answer_height;
    } cases[] = {
        {2725, 2225, 3000, 0, SLUICE_FIT_INSIDE, 2725, 2225},     {2725, 2225, 320, 240, SLUICE_FIT_INSIDE, 294, 240},
        {2725, 2225, 3000, 240, SLUICE_FIT_INSIDE, 294, 240},     {2725, 2225, 3000, 240, SLUICE_FIT_OUTSIDE, 2725, 2225},
        {2725, 2225, 3000, 3000, SLUICE_FIT_COVER, 2725, 2225},   {2725, 2225, 2800, 0, SLUICE_FIT_COVER, 2725, 2225},
        {2725, 2225, 123, 100, SLUICE_FIT_COVER, 123, 100},       {2725, 2225, 3000, 1000, SLUICE_FIT_COVER, 2725, 1000},
        {2725, 2225, 3000, 1000, SLUICE_FIT_FILL, 2725, 1000},    {2725, 2225, 0, 3000, SLUICE_FIT_FILL, 2725, 2225},
        {2725, 2225, 3000, 3000, SLUICE_FIT_CONTAIN, 3000, 3000}, {2725, 2225, 2800, 0, SLUICE_FIT_CONTAIN, 2800, 2225},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t options = wanted(cases[i].w, cases[i].h, cases[i].fit);
        options.without_enlargement = 1;
        assert_answer(cases[i].width, cases[i].height, options, cases[i].answer_width, cases[i].answer_height);
    }
}

static void test_never_enlarges(void **state)
{
    (void)state;
    for (uint32_t i = 0; i != 9 * 9 * 9 * 9 * SLUICE_NUM_FITS; ++i) {
        uint32_t width = 1 + i % 9, height = 1 + i / 9 % 9;
        sluice_options_t options = wanted(i / 81 % 9, i / 729 % 9, (sluice_fit_t)(i / 6561));
        sluice_size_t free_size = make(width, height, 1, &options).scaled;
        options.without_enlargement = 1;
        sluice_geometry_t geometry = make(width, height, 1, &options);
        assert_true(geometry.scaled.width <= width && geometry.scaled.height <= height);
        if (free_size.width <= width && free_size.height <= height)
            assert_true(geometry.scaled.width == free_size.width && geometry.scaled.height == free_size.height);
    }
}

static void test_shares(void **state)
{
    sluice_options_t options = {.width = {5000, 1}};

    (void)state;
    assert_answer(401, 300, options, 201, 150); /* 200.5 goes up, and the height follows */
    options.height = (sluice_length_t){10000, 1};
    options.fit = SLUICE_FIT_FILL;
    assert_answer(400, 300, options, 200, 300);
    options = (sluice_options_t){.width = {1, 1}};
    assert_answer(400, 300, options, 1, 1);
    /* of what is seen, though not of what is turned by request */
    options.width.amount = 5000;
    sluice_size_t answer = make(300, 400, 6, &options).answer;
    assert_true(answer.width == 200 && answer.height == 150);
    options.rotation = 90;
    answer = make(400, 300, 1, &options).answer;
    assert_true(answer.width == 150 && answer.height == 200);
}

/* ---- where pixels go, against a picture of numbers that is turned step by step ---- */

enum { SIDE_MAX = 16 };

typedef struct st_numbers_t {
    uint32_t width, height;
    int at[SIDE_MAX * SIDE_MAX];
} numbers_t;

static numbers_t draw(uint32_t width, uint32_t height)
{
    numbers_t picture = {width, height, {0}};

    for (uint32_t i = 0; i != width * height; ++i)
        picture.at[i] = (int)i;
    return picture;
}

static numbers_t clockwise(numbers_t in)
{
    numbers_t out = {in.height, in.width, {0}};

    for (uint32_t y = 0; y != out.height; ++y)
        for (uint32_t x = 0; x != out.width; ++x)
            out.at[y * out.width + x] = in.at[(in.height - 1 - x) * in.width + y];
    return out;
}

static numbers_t left_to_right(numbers_t in)
{
    numbers_t out = in;

    for (uint32_t y = 0; y != in.height; ++y)
        for (uint32_t x = 0; x != in.width; ++x)
            out.at[y * in.width + x] = in.at[y * in.width + in.width - 1 - x];
    return out;
}

static numbers_t upside_down(numbers_t in)
{
    return left_to_right(clockwise(clockwise(in)));
}

static numbers_t cut(numbers_t in, sluice_area_t area)
{
    numbers_t out = {area.width, area.height, {0}};

    for (uint32_t y = 0; y != out.height; ++y)
        for (uint32_t x = 0; x != out.width; ++x)
            out.at[y * out.width + x] = in.at[(area.top + y) * in.width + area.left + x];
    return out;
}

/* the eight orientations as the EXIF standard has them: on which side of what is seen row 0 and column 0 lie */
static numbers_t upright(numbers_t in, int orientation)
{
    static const struct {
        int turns, mirror; /* mirrored first */
    } how[9] = {{0, 0}, {0, 0}, {0, 1}, {2, 0}, {2, 1}, {3, 1}, {1, 0}, {1, 1}, {3, 0}};

    if (how[orientation].mirror)
        in = left_to_right(in);
    for (int i = 0; i != how[orientation].turns; ++i)
        in = clockwise(in);
    return in;
}

static numbers_t seen(numbers_t in, int orientation, const sluice_options_t *options)
{
    in = upright(in, orientation);
    for (uint32_t i = 0; i != options->rotation / 90; ++i)
        in = clockwise(in);
    if (options->flip)
        in = upside_down(in);
    return options->flop ? left_to_right(in) : in;
}

/* as pipeline_size.c does it, where nothing is scaled */
static numbers_t run(numbers_t in, const sluice_geometry_t *geometry)
{
    in = cut(cut(in, geometry->source), geometry->kept);
    for (uint32_t i = 0; i != geometry->turn / 90; ++i)
        in = clockwise(in);
    return geometry->mirror ? left_to_right(in) : in;
}

static void assert_same(const numbers_t *one, const numbers_t *other)
{
    assert_int_equal(one->width, other->width);
    assert_int_equal(one->height, other->height);
    for (uint32_t i = 0; i != one->width * one->height; ++i)
        assert_int_equal(one->at[i], other->at[i]);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void test_turns(void **state)
{
    const numbers_t stored = draw(7, 4);

    (void)state;
    for (int orientation = 1; orientation <= 8; ++orientation) {
        for (uint32_t i = 0; i != 4 * 2 * 2; ++i) {
            sluice_options_t options = {.rotation = i % 4 * 90, .flip = i / 4 % 2, .flop = i / 8};
            sluice_geometry_t geometry = make(7, 4, orientation, &options);
            numbers_t expected = seen(stored, orientation, &options), got = run(stored, &geometry);
            assert_same(&got, &expected);
            assert_true(geometry.answer.width == expected.width && geometry.answer.height == expected.height);
            assert_true(geometry.angle == 0 && geometry.canvas.width == 0 && geometry.found.width == 0);
        }
    }
    /* the numbers of the standard, where 0 is the pixel in the first row and column: 6 is 0 at the right top, 8 at the left bottom
     */
    numbers_t six = upright(stored, 6), eight = upright(stored, 8), five = upright(stored, 5), seven = upright(stored, 7);
    assert_true(six.at[3] == 0 && six.at[4 * 6 + 3] == 6 && eight.at[4 * 6] == 0 && eight.at[0] == 6);
    assert_true(five.at[0] == 0 && five.at[3] == 7 * 3 && seven.at[4 * 6 + 3] == 0 && seven.at[4 * 6] == 7 * 3);
}

/* cropped before and after, and trimmed, turned in all ways: what is seen is what would come of turning first */
static void test_crops_of_what_is_seen(void **state)
{
    const numbers_t stored = draw(9, 6);
    const sluice_area_t trims[] = {{0, 0, 9, 6}, {2, 1, 5, 4}};

    (void)state;
    for (uint32_t i = 0; i != 8 * 4 * 2 * 2 * 2 * 2; ++i) {
        int orientation = 1 + (int)(i % 8);
        sluice_options_t options = {.rotation = i / 8 % 4 * 90,
                                    .flip = i / 32 % 2,
                                    .flop = i / 64 % 2,
                                    .crop_first = i / 128 % 2,
                                    .crop_x = {1, 0},
                                    .crop_y = {2, 0},
                                    .crop_width = {3, 0},
                                    .crop_height = {9, 0}};
        sluice_geometry_t geometry;
        numbers_t expected = seen(cut(stored, trims[i / 256]), orientation, &options);
        expected = cut(expected, (sluice_area_t){1, 2, smaller(3, expected.width - 1), expected.height - 2});
        sluice_geometry_make((sluice_size_t){9, 6}, trims[i / 256], orientation, &options, &geometry);
        numbers_t got = run(stored, &geometry);
        assert_same(&got, &expected);
    }
}

/* ---- crops ---- */

static void test_crop(void **state)
{
    static const struct {
        sluice_length_t x, y, width, height;
        uint32_t left, top, kept_width, kept_height;
    } cases[] = {
        /* of 320 x 240 */
        {{10, 0}, {10, 0}, {0, 0}, {10, 0}, 10, 10, 310, 10},         {{10, 0}, {10, 0}, {10, 0}, {0, 0}, 10, 10, 10, 230},
        {{10, 0}, {10, 0}, {5000, 1}, {10000, 1}, 10, 10, 160, 230},  {{10, 0}, {10, 0}, {10000, 1}, {5000, 1}, 10, 10, 310, 120},
        {{3000, 0}, {10, 0}, {10, 0}, {10, 0}, 0, 10, 10, 10},        {{320, 0}, {240, 0}, {0, 0}, {0, 0}, 0, 0, 320, 240},
        {{319, 0}, {239, 0}, {30000, 0}, {30000, 0}, 319, 239, 1, 1}, {{2500, 1}, {5000, 1}, {1, 1}, {2, 0}, 80, 120, 1, 2},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t options = wanted(320, 240, SLUICE_FIT_FILL);
        options.crop_x = cases[i].x;
        options.crop_y = cases[i].y;
        options.crop_width = cases[i].width;
        options.crop_height = cases[i].height;
        sluice_geometry_t geometry = make(2725, 2225, 1, &options);
        assert_area(geometry.kept, cases[i].left, cases[i].top, cases[i].kept_width, cases[i].kept_height);
        assert_answer(2725, 2225, options, cases[i].kept_width, cases[i].kept_height);
    }
}

static void test_crop_follows_cover(void **state)
{
    sluice_options_t options = wanted(500, 500, SLUICE_FIT_COVER);

    (void)state;
    options.align = SLUICE_ALIGN_TOP;
    options.crop_x = options.crop_y = (sluice_length_t){10, 0};
    options.crop_width = options.crop_height = (sluice_length_t){100, 0};
    /* 2725 x 2225 is scaled to 612 x 500 */
    assert_area(make(2725, 2225, 1, &options).kept, 56 + 10, 10, 100, 100);
}

static void test_crop_first(void **state)
{
    sluice_options_t options = wanted(100, 100, SLUICE_FIT_COVER);

    (void)state;
    options.crop_first = 1;
    options.crop_x = options.crop_y = options.crop_width = (sluice_length_t){10, 0};
    options.crop_height = (sluice_length_t){500, 0};
    sluice_geometry_t geometry = make(2725, 2225, 1, &options);
    assert_area(geometry.source, 10, 10, 10, 500);
    assert_true(geometry.scaled.width == 100 && geometry.scaled.height == 5000);
    assert_area(geometry.kept, 0, 2450, 100, 100);
    /* lying on its side, the sides are those of what is seen */
    options.width.amount = 50;
    options.fit = SLUICE_FIT_FILL;
    geometry = make(2225, 2725, 6, &options);
    assert_area(geometry.source, 10, 2725 - 20, 500, 10);
    assert_true(geometry.scaled.width == 100 && geometry.scaled.height == 50 && geometry.answer.width == 50);
    options.rotation = 90;
    geometry = make(2725, 2225, 1, &options);
    assert_true(geometry.answer.width == 50 && geometry.answer.height == 100 && geometry.scaled.width == 100);
}

static void test_cover_keeps_what_is_asked_for(void **state)
{
    /* 800 x 600 to cover 200 x 100 is 200 x 150, and to cover 100 x 201 is 268 x 201 */
    static const struct {
        sluice_align_t align;
        uint32_t top, left;
    } cases[] = {{SLUICE_ALIGN_CENTER, 25, 84},    {SLUICE_ALIGN_TOP, 0, 84},         {SLUICE_ALIGN_BOTTOM, 50, 84},
                 {SLUICE_ALIGN_LEFT, 25, 0},       {SLUICE_ALIGN_RIGHT, 25, 168},     {SLUICE_ALIGN_TOP_LEFT, 0, 0},
                 {SLUICE_ALIGN_TOP_RIGHT, 0, 168}, {SLUICE_ALIGN_BOTTOM_LEFT, 50, 0}, {SLUICE_ALIGN_BOTTOM_RIGHT, 50, 168}};

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t flat = wanted(200, 100, SLUICE_FIT_COVER), tall = wanted(100, 201, SLUICE_FIT_COVER);
        flat.align = tall.align = cases[i].align;
        assert_area(make(800, 600, 1, &flat).kept, 0, cases[i].top, 200, 100);
        assert_area(make(800, 600, 1, &tall).kept, cases[i].left, 0, 100, 201);
    }
    /* of what is seen: its top is the right side of what is stored */
    sluice_options_t options = wanted(200, 100, SLUICE_FIT_COVER);
    options.align = SLUICE_ALIGN_TOP;
    assert_area(make(600, 800, 8, &options).kept, 50, 0, 100, 200);
    options.rotation = 180;
    assert_area(make(800, 600, 1, &options).kept, 0, 50, 200, 100);
    options.rotation = 90; /* the box turns with the picture */
    assert_area(make(800, 600, 1, &options).kept, 0, 25, 200, 100);
    assert_answer(800, 600, options, 100, 200);
}

static void test_focal_point(void **state)
{
    static const struct {
        uint32_t x, y, left, top;
    } cases[] = {
        /* 800 x 600 to cover 100 x 201: 268 x 201 */
        {0, 0, 0, 0},         {10000, 10000, 168, 0}, {5000, 5000, 84, 0}, {2500, 0, 17, 0}, /* 67 - 50 */
        {1866, 0, 0, 0},                                                                     /* 50.0088 - 50 */
        {1885, 0, 1, 0},                                                                     /* 50.518 - 50 */
        {8134, 10000, 168, 0}                                                                /* 217.99 - 50 */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t options = wanted(100, 201, SLUICE_FIT_COVER);
        options.align = SLUICE_ALIGN_FOCAL;
        options.focal_x = cases[i].x;
        options.focal_y = cases[i].y;
        assert_area(make(800, 600, 1, &options).kept, cases[i].left, cases[i].top, 100, 201);
        /* the same picture, stored on its side */
        assert_area(make(600, 800, 6, &options).kept, 0, 268 - cases[i].left - 100, 201, 100);
    }
}

static void test_found_area(void **state)
{
    sluice_options_t options = wanted(80, 320, SLUICE_FIT_COVER);

    (void)state;
    options.align = SLUICE_ALIGN_ENTROPY;
    options.crop_x = (sluice_length_t){10, 0};
    options.rotation = 180;
    sluice_geometry_t geometry = make(2725, 2225, 1, &options);
    assert_area(geometry.kept, 0, 0, 392, 320); /* all of it is searched */
    assert_true(geometry.found.width == 80 && geometry.found.height == 320);
    assert_area(geometry.part, 10, 0, 70, 320);
    assert_true(geometry.answer.width == 70 && geometry.answer.height == 320);
    /* nothing to be found where nothing is cropped */
    options.fit = SLUICE_FIT_FILL;
    assert_int_equal(make(2725, 2225, 1, &options).found.width, 0);
    options = wanted(320, 0, SLUICE_FIT_COVER);
    options.align = SLUICE_ALIGN_ATTENTION;
    assert_int_equal(make(2725, 2225, 1, &options).found.width, 0);
}

/* ---- the canvas ---- */

static void test_contain(void **state)
{
    static const struct {
        sluice_align_t align;
        uint32_t top, left;
    } cases[] = {{SLUICE_ALIGN_CENTER, 29, 12},  {SLUICE_ALIGN_TOP, 0, 12},       {SLUICE_ALIGN_BOTTOM, 59, 12},
                 {SLUICE_ALIGN_RIGHT, 29, 25},   {SLUICE_ALIGN_TOP_LEFT, 0, 0},   {SLUICE_ALIGN_BOTTOM_RIGHT, 59, 25},
                 {SLUICE_ALIGN_ENTROPY, 29, 12}, {SLUICE_ALIGN_ATTENTION, 29, 12}};

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t tall = wanted(320, 320, SLUICE_FIT_CONTAIN), flat = wanted(319, 240, SLUICE_FIT_CONTAIN);
        tall.align = flat.align = cases[i].align;
        assert_area(make(2725, 2225, 1, &tall).canvas, 0, cases[i].top, 320, 320);  /* 320 x 261 on it */
        assert_area(make(2725, 2225, 1, &flat).canvas, cases[i].left, 0, 319, 240); /* 294 x 240 on it */
    }
    sluice_options_t options = wanted(320, 320, SLUICE_FIT_CONTAIN);
    options.align = SLUICE_ALIGN_FOCAL;
    options.focal_x = 5000;
    options.focal_y = 2500;
    assert_area(make(2725, 2225, 1, &options).canvas, 0, 15, 320, 320); /* 14.75 */
    /* what is cropped is extended again */
    options = wanted(320, 240, SLUICE_FIT_CONTAIN);
    options.crop_width = (sluice_length_t){94, 0};
    assert_area(make(2725, 2225, 1, &options).canvas, 113, 0, 320, 240);
    /* nothing to extend */
    options = wanted(320, 261, SLUICE_FIT_CONTAIN);
    assert_area(make(2725, 2225, 1, &options).canvas, 0, 0, 0, 0);
}

static void test_rotation(void **state)
{
    static const struct {
        uint32_t w, h;
        sluice_fit_t fit;
        uint32_t degrees, width, height;
    } cases[] = {{320, 0, SLUICE_FIT_INSIDE, 30, 408, 386},   {320, 240, SLUICE_FIT_COVER, 30, 397, 368},
                 {320, 240, SLUICE_FIT_FILL, 30, 397, 368},   {320, 240, SLUICE_FIT_FILL, 210, 397, 368},
                 {320, 240, SLUICE_FIT_FILL, 330, 397, 368},  {240, 240, SLUICE_FIT_FILL, 315, 339, 339},
                 {320, 320, SLUICE_FIT_CONTAIN, 45, 453, 453}};

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_options_t options = wanted(cases[i].w, cases[i].h, cases[i].fit);
        options.rotation = cases[i].degrees;
        sluice_geometry_t geometry = make(2725, 2225, 1, &options);
        assert_true(geometry.turn == 0 && geometry.angle == cases[i].degrees);
        assert_answer(2725, 2225, options, cases[i].width, cases[i].height);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sizes),
        cmocka_unit_test(test_nothing_asked),
        cmocka_unit_test(test_one_side),
        cmocka_unit_test(test_enlarges),
        cmocka_unit_test(test_extreme_aspect_ratios),
        cmocka_unit_test(test_small_sizes),
        cmocka_unit_test(test_random_sizes),
        cmocka_unit_test(test_without_enlargement),
        cmocka_unit_test(test_never_enlarges),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_crops_of_what_is_seen),
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_crop_follows_cover),
        cmocka_unit_test(test_crop_first),
        cmocka_unit_test(test_cover_keeps_what_is_asked_for),
        cmocka_unit_test(test_focal_point),
        cmocka_unit_test(test_found_area),
        cmocka_unit_test(test_contain),
        cmocka_unit_test(test_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
