/* ldflags: -Wl,--no-as-needed -ljpeg */
/*
 * The judge is libjpeg, which writes the pictures, and decodes them at 1/8: sequential files have to give the same pixels, and what
 * it warns about must not be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jpeglib.h>
#include "module/jpeg_huffman.h"
#include "module/jpeg_thin.h"

struct st_kind_t {
    const char *name;
    J_COLOR_SPACE space; /* of the file */
    int h, v;            /* sampling factors of its first component */
    int quality, progressive, optimised, restart_blocks, restart_rows, separate;
};

static const struct st_kind_t kinds[] = {
    {"4:4:4", JCS_YCbCr, 1, 1, 90, 0, 0, 0, 0, 0},
    {"4:2:0", JCS_YCbCr, 2, 2, 90, 0, 0, 0, 0, 0},
    {"4:2:0 coarse", JCS_YCbCr, 2, 2, 20, 0, 0, 0, 0, 0},
    {"4:2:0 finest", JCS_YCbCr, 2, 2, 100, 0, 0, 0, 0, 0},
    {"4:2:0 optimised", JCS_YCbCr, 2, 2, 75, 0, 1, 0, 0, 0},
    {"4:2:0 restarts", JCS_YCbCr, 2, 2, 75, 0, 0, 3, 0, 0},
    {"4:2:0 restarts of one", JCS_YCbCr, 2, 2, 75, 0, 1, 1, 0, 0},
    {"4:2:0 restarts by row", JCS_YCbCr, 2, 2, 75, 0, 0, 0, 1, 0},
    {"4:2:2", JCS_YCbCr, 2, 1, 80, 0, 0, 0, 0, 0},
    {"4:4:0", JCS_YCbCr, 1, 2, 80, 0, 0, 0, 0, 0},
    {"grey", JCS_GRAYSCALE, 1, 1, 80, 0, 0, 0, 0, 0},
    {"grey with factors", JCS_GRAYSCALE, 2, 2, 80, 0, 0, 5, 0, 0},
    {"RGB", JCS_RGB, 1, 1, 80, 0, 0, 0, 0, 0},
    {"separate scans", JCS_YCbCr, 1, 1, 80, 0, 0, 0, 0, 1},
    {"separate scans 4:2:0", JCS_YCbCr, 2, 2, 80, 0, 1, 7, 0, 1},
    {"separate scans 4:2:2", JCS_YCbCr, 2, 1, 80, 0, 0, 0, 0, 1},
    {"progressive 4:4:4", JCS_YCbCr, 1, 1, 90, 1, 1, 0, 0, 0},
    {"progressive 4:2:2", JCS_YCbCr, 2, 1, 90, 1, 1, 0, 0, 0},
    {"progressive 4:2:0", JCS_YCbCr, 2, 2, 90, 1, 1, 0, 0, 0},
    {"progressive 4:2:0 coarse", JCS_YCbCr, 2, 2, 20, 1, 1, 0, 0, 0},
    {"progressive 4:2:0 finest", JCS_YCbCr, 2, 2, 100, 1, 1, 0, 0, 0},
    {"progressive 4:2:0 restarts", JCS_YCbCr, 2, 2, 85, 1, 1, 2, 0, 0},
    {"progressive restarts", JCS_YCbCr, 1, 1, 90, 1, 1, 4, 0, 0},
    {"progressive grey", JCS_GRAYSCALE, 1, 1, 90, 1, 1, 0, 0, 0},
};
#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const uint32_t sizes[][2] = {{8, 8}, {9, 15}, {16, 16}, {17, 33}, {64, 8}, {100, 75}, {131, 90}, {257, 193}};

struct st_jpeg_t {
    unsigned char *bytes;
    unsigned long len;
};

static uint64_t dice;

static uint32_t roll(uint32_t sides)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(dice >> 33) % sides;
}

/* noise, areas of one colour, gradients, and edges */
static uint32_t paint(uint32_t x, uint32_t y, uint32_t band)
{
    switch ((x / 24 + y / 40) % 4) {
    case 0:
        return roll(256);
    case 1:
        return 40 + 90 * band;
    case 2:
        return x * 5 + y * 3 * band;
    default:
        return (x / 3 + y / 5) % 2 * 255;
    }
}

static void paint_row(uint8_t *row, uint32_t y, uint32_t width, uint32_t bands)
{
    for (uint32_t x = 0; x != width; ++x)
        for (uint32_t i = 0; i != bands; ++i)
            *row++ = (uint8_t)paint(x, y, i);
}

static struct st_jpeg_t make(const struct st_kind_t *kind, uint32_t width, uint32_t height)
{
    static const jpeg_scan_info means_only[] = {{3, {0, 1, 2}, 0, 0, 0, 0}};
    static const jpeg_scan_info separate[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    struct jpeg_compress_struct to;
    struct jpeg_error_mgr errors;
    struct st_jpeg_t jpeg = {NULL, 0};
    int components = kind->space == JCS_GRAYSCALE ? 1 : 3;
    uint8_t *row = malloc((size_t)width * 3);

    to.err = jpeg_std_error(&errors);
    jpeg_create_compress(&to);
    jpeg_mem_dest(&to, &jpeg.bytes, &jpeg.len);
    to.image_width = width;
    to.image_height = height;
    to.input_components = components;
    to.in_color_space = components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&to);
    jpeg_set_colorspace(&to, kind->space);
    jpeg_set_quality(&to, kind->quality, TRUE);
    to.comp_info[0].h_samp_factor = kind->h;
    to.comp_info[0].v_samp_factor = kind->v;
    to.optimize_coding = (boolean)kind->optimised;
    to.restart_interval = (unsigned)kind->restart_blocks;
    to.restart_in_rows = kind->restart_rows;
    if (kind->progressive)
        jpeg_simple_progression(&to);
    if (kind->separate) {
        to.scan_info = kind->progressive ? means_only : separate;
        to.num_scans = kind->progressive ? 1 : 3;
    }
    jpeg_start_compress(&to, TRUE);
    dice = width * 7919 + height;
    while (to.next_scanline != height) {
        paint_row(row, to.next_scanline, width, (uint32_t)components);
        jpeg_write_scanlines(&to, &row, 1);
    }
    jpeg_finish_compress(&to);
    jpeg_destroy_compress(&to);
    free(row);
    return jpeg;
}

struct st_judge_t {
    struct jpeg_error_mgr errors;
    jmp_buf failed;
};

static void on_error(j_common_ptr from)
{
    longjmp(((struct st_judge_t *)from->err)->failed, 1);
}

static void on_message(j_common_ptr from)
{
    (void)from;
}

/* at 1/8; *pixels with a stride of *width. Returns the number of warnings, or -1 for an error */
static long judge(const uint8_t *bytes, size_t len, uint8_t **pixels, uint32_t *width, int *bands)
{
    struct jpeg_decompress_struct from;
    struct st_judge_t errors;
    uint8_t *volatile all = NULL;

    *pixels = NULL;
    from.err = jpeg_std_error(&errors.errors);
    errors.errors.error_exit = on_error;
    errors.errors.output_message = on_message;
    if (setjmp(errors.failed)) {
        jpeg_destroy_decompress(&from);
        free(all);
        return -1;
    }
    jpeg_create_decompress(&from);
    jpeg_mem_src(&from, bytes, (unsigned long)len);
    jpeg_read_header(&from, TRUE);
    from.scale_num = 1;
    from.scale_denom = 8;
    jpeg_start_decompress(&from);
    size_t stride = (size_t)from.output_width * (size_t)from.output_components;
    all = calloc(from.output_height, stride);
    while (from.output_scanline != from.output_height) {
        JSAMPROW row = all + from.output_scanline * stride;
        jpeg_read_scanlines(&from, &row, 1);
    }
    jpeg_finish_decompress(&from);
    *pixels = all;
    *width = from.output_width;
    *bands = from.output_components;
    jpeg_destroy_decompress(&from);
    return errors.errors.num_warnings;
}

/* from memory with nothing behind it, for the sanitizer */
static int thin_exactly(const uint8_t *bytes, size_t len, sluice_thin_t *thin)
{
    uint8_t *copy = malloc(len + (len == 0));

    memcpy(copy, bytes, len);
    uint64_t can = sluice_jpeg_thin_bytes(copy, len);
    int ret = sluice_jpeg_thin(copy, len, thin);
    free(copy);
    assert_true(ret == 0 || thin->pixels == NULL);
    assert_true(ret != 0 || can != 0);
    return ret;
}

/* Returns the largest difference of two samples */
static int compare(const sluice_thin_t *thin, const uint8_t *pixels, uint32_t width, int bands)
{
    int most = 0;

    assert_int_equal(thin->bands, bands);
    for (uint32_t y = 0; y != thin->height; ++y)
        for (uint32_t x = 0; x != thin->width * thin->bands; ++x) {
            int one = thin->pixels[(size_t)y * thin->width * thin->bands + x], other = pixels[(size_t)y * width * thin->bands + x];
            most = abs(one - other) > most ? abs(one - other) : most;
        }
    return most;
}

static void test_same_pixels_as_libjpeg(void **state)
{
    (void)state;
    for (size_t i = 0; i != NUM_KINDS; ++i)
        for (size_t j = 0; j != sizeof(sizes) / sizeof(sizes[0]); ++j) {
            struct st_jpeg_t jpeg = make(&kinds[i], sizes[j][0], sizes[j][1]);
            sluice_thin_t thin;
            uint8_t *pixels;
            uint32_t width;
            int bands;
            if (thin_exactly(jpeg.bytes, jpeg.len, &thin) != 0)
                fail_msg("%s %u x %u is not read", kinds[i].name, sizes[j][0], sizes[j][1]);
            assert_true(thin.width == sizes[j][0] / 8 && thin.height == sizes[j][1] / 8);
            assert_int_equal(judge(jpeg.bytes, jpeg.len, &pixels, &width, &bands), 0);
            int most = compare(&thin, pixels, width, bands);
            if (most != 0)
                fail_msg("%s %u x %u: %d off", kinds[i].name, sizes[j][0], sizes[j][1], most);
            free(thin.pixels);
            free(pixels);
            free(jpeg.bytes);
        }
}

/* nothing that is cut off anywhere is read: not even without its last marker */
static void test_truncated_files(void **state)
{
    (void)state;
    for (size_t i = 0; i != NUM_KINDS; ++i) {
        struct st_jpeg_t jpeg = make(&kinds[i], 50, 40);
        sluice_thin_t thin;
        for (size_t len = 0; len != jpeg.len; ++len)
            if (thin_exactly(jpeg.bytes, len, &thin) == 0)
                fail_msg("%s: %zu bytes of %lu are read", kinds[i].name, len, jpeg.len);
        free(jpeg.bytes);
    }
}

static uint8_t *find_marker(const struct st_jpeg_t *jpeg, int marker)
{
    for (size_t i = 0; i + 1 < jpeg->len; ++i)
        if (jpeg->bytes[i] == 0xff && jpeg->bytes[i + 1] == marker)
            return jpeg->bytes + i;
    return NULL;
}

/*
 * Bytes at random places get random values, most of them behind the headers. What is read of a sequential file that was spoiled
 * must be a file to libjpeg, too, and the same one.
 */
static void test_spoiled_files(void **state)
{
    enum { BEHIND_JFIF = 20 }; /* libjpeg warns of its version, which changes nothing */
    unsigned read = 0, refused = 0;

    (void)state;
    for (size_t i = 0; i != NUM_KINDS; ++i) {
        struct st_jpeg_t jpeg = make(&kinds[i], 90, 70);
        uint32_t data = (uint32_t)(find_marker(&jpeg, 0xda) - jpeg.bytes);
        for (unsigned round = 0; round != 1000; ++round) {
            uint8_t *copy = malloc(jpeg.len), *pixels;
            uint32_t width, from = round % 4 == 0 ? BEHIND_JFIF : data;
            sluice_thin_t thin;
            int bands;
            memcpy(copy, jpeg.bytes, jpeg.len);
            for (uint32_t n = 1 + roll(3); n != 0; --n)
                copy[from + roll((uint32_t)jpeg.len - from)] = (uint8_t)roll(256);
            int ret = thin_exactly(copy, jpeg.len, &thin);
            long warnings = judge(copy, jpeg.len, &pixels, &width, &bands);
            if (ret == 0 && !kinds[i].progressive && warnings != 0)
                fail_msg("%s: %ld warnings, and it is read", kinds[i].name, warnings);
            if (ret == 0 && !kinds[i].progressive && compare(&thin, pixels, width, bands) > 0)
                fail_msg("%s: read differently", kinds[i].name);
            ret == 0 ? ++read : ++refused;
            free(thin.pixels);
            free(pixels);
            free(copy);
        }
        free(jpeg.bytes);
    }
    assert_true(read > 500 && refused > 500);
}

/* of each of these a byte makes it something that others have to decode */
static void test_what_is_left_to_others(void **state)
{
    static const struct {
        const char *name;
        int progressive, marker, at, value;
    } cases[] = {
        {"lossless", 0, 0xc0, 1, 0xc3},
        {"arithmetic codes", 0, 0xc0, 1, 0xc9},
        {"12 bits", 0, 0xc0, 4, 12},
        {"height to come", 0, 0xc0, 6, 0},
        {"arithmetic conditions", 0, 0xe0, 1, 0xcc},
        {"not all of the coefficients", 0, 0xda, 12, 62},
        {"no table", 0, 0xdb, 4, 3},
        {"a third of the resolution", 0, 0xc0, 11, 0x31},
        {"a marker in the data", 0, 0xd9, 1, 0xdc},
        {"bits known before they are", 1, 0xda, 13, 0x21},
        {"a bit that never comes", 1, 0xda, 13, 0x02},
    };
    sluice_thin_t thin;

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        struct st_jpeg_t jpeg = make(&kinds[cases[i].progressive ? 16 : 1], 40, 30);
        uint8_t *marker = find_marker(&jpeg, cases[i].marker);
        assert_non_null(marker);
        if (cases[i].at == 6)
            marker[5] = 0;
        marker[cases[i].at] = (uint8_t)cases[i].value;
        if (thin_exactly(jpeg.bytes, jpeg.len, &thin) == 0)
            fail_msg("%s: it is read", cases[i].name);
        free(jpeg.bytes);
    }
}

/* libjpeg guesses the rest of the coefficients */
static void test_scans_that_are_missing(void **state)
{
    static const struct st_kind_t means_only = {"means only", JCS_YCbCr, 1, 1, 80, 1, 1, 0, 0, 1};
    struct st_jpeg_t jpeg = make(&means_only, 40, 30);
    sluice_thin_t thin;

    (void)state;
    assert_int_equal(thin_exactly(jpeg.bytes, jpeg.len, &thin), -1);
    free(jpeg.bytes);
}

/* that promise more than there is behind them */
static void test_short_segments(void **state)
{
    static const uint8_t codes[] = {0xff, 0xd8, 0xff, 0xc4, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9},
                         table[] = {0xff, 0xd8, 0xff, 0xdb, 0, 3, 0}, wide_table[] = {0xff, 0xd8, 0xff, 0xdb, 0, 3, 0x10},
                         frame[] = {0xff, 0xd8, 0xff, 0xc0, 0, 8, 8, 0, 9, 0, 9, 3}, interval[] = {0xff, 0xd8, 0xff, 0xdd, 0, 2};
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } cases[] = {{codes, sizeof(codes)},
                 {table, sizeof(table)},
                 {wide_table, sizeof(wide_table)},
                 {frame, sizeof(frame)},
                 {interval, sizeof(interval)}};
    sluice_thin_t thin;

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        assert_int_equal(thin_exactly(cases[i].bytes, cases[i].len, &thin), -1);
}

/* no code may be all ones, nor may there be more of them than there are bits for */
static void test_codes(void **state)
{
    static const struct {
        uint8_t counts[16];
        size_t num_values;
        int ret;
    } cases[] = {{{1}, 1, 0},    {{2}, 2, -1},    {{0, 3}, 3, 0}, {{0, 4}, 4, -1},
                 {{1, 1}, 2, 0}, {{1, 2}, 3, -1}, {{0}, 0, 0},    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255}, 255, 0}};
    static const uint8_t values[256] = {5};
    sluice_jpeg_code_t *code = malloc(sizeof(*code));

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        assert_int_equal(sluice_jpeg_code_define(code, cases[i].counts, values, cases[i].num_values), cases[i].ret);
    free(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_pixels_as_libjpeg),
        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_spoiled_files),
        cmocka_unit_test(test_what_is_left_to_others),
        cmocka_unit_test(test_scans_that_are_missing),
        cmocka_unit_test(test_short_segments),
        cmocka_unit_test(test_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
