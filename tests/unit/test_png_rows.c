/* ldflags: -Wl,--no-as-needed -lpng16 -lz */
/*
 * The decoder beside libpng: the same samples for every kind that it takes, and an error wherever libpng has one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <png.h>
#include <zlib.h>
#include "module/png_filter.h"
#include "module/png_rows.h"

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* ---- libpng ---- */

struct st_file_t {
    uint8_t *bytes;
    size_t len, at;
};

struct st_kind_t {
    int type, depth, filter, transparent, interlace;
};

static void ignore(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void leave(png_structp png, png_const_charp message)
{
    (void)message;
    longjmp(png_jmpbuf(png), 1);
}

static void append(png_structp png, png_bytep data, size_t len)
{
    struct st_file_t *file = png_get_io_ptr(png);

    file->bytes = realloc(file->bytes, file->len + len);
    memcpy(file->bytes + file->len, data, len);
    file->len += len;
}

static void take(png_structp png, png_bytep data, size_t len)
{
    struct st_file_t *file = png_get_io_ptr(png);

    if (file->len - file->at < len)
        png_error(png, "end of file");
    memcpy(data, file->bytes + file->at, len);
    file->at += len;
}

static void set_palette(png_structp png, png_infop info, const struct st_kind_t *kind)
{
    png_color colours[256];
    uint8_t alpha[256];
    int count = 1 << kind->depth;

    for (int i = 0; i != count; ++i) {
        colours[i] = (png_color){(uint8_t)draw(256), (uint8_t)draw(256), (uint8_t)draw(256)};
        alpha[i] = (uint8_t)draw(256);
    }
    png_set_PLTE(png, info, colours, count);
    if (kind->transparent)
        png_set_tRNS(png, info, alpha, count / 2, NULL);
}

static struct st_file_t write_png(const struct st_kind_t *kind, uint32_t width, uint32_t height)
{
    struct st_file_t file = {NULL, 0, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, leave, ignore);
    png_infop info = png_create_info_struct(png);

    if (setjmp(png_jmpbuf(png)))
        fail_msg("libpng does not write");
    png_set_write_fn(png, &file, append, NULL);
    png_set_IHDR(png, info, width, height, kind->depth, kind->type, kind->interlace, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    if (kind->type == PNG_COLOR_TYPE_PALETTE)
        set_palette(png, info, kind);
    else if (kind->transparent)
        png_set_tRNS(png, info, NULL, 0, &(png_color_16){0, 1, 2, 3, 1});
    png_set_filter(png, 0, kind->filter);
    png_set_compression_buffer_size(png, 64 + draw(8000)); /* that is how long the chunks are */
    png_write_info(png, info);
    size_t len = png_get_rowbytes(png, info);
    uint8_t *row = malloc(len);
    int passes = kind->interlace != PNG_INTERLACE_NONE ? png_set_interlace_handling(png) : 1;
    for (int pass = 0; pass != passes; ++pass)
        for (uint32_t y = 0; y != height; ++y) {
            for (size_t i = 0; i != len; ++i)
                row[i] = (uint8_t)(i / 3 + y + (draw(4) == 0 ? draw(256) : 0));
            png_write_row(png, row);
        }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(row);
    return file;
}

/* returns 0 with all samples as the module wants them, or -1 */
static int read_by_libpng(struct st_file_t *file, uint8_t **samples, size_t *row_bytes)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, leave, ignore);
    png_infop info = png_create_info_struct(png);

    file->at = 0;
    *samples = NULL;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(*samples);
        return -1;
    }
    png_set_read_fn(png, file, take);
    png_read_info(png, info);
    png_set_expand(png);
    png_read_update_info(png, info);
    *row_bytes = png_get_rowbytes(png, info);
    *samples = calloc(png_get_image_height(png, info), *row_bytes);
    for (uint32_t y = 0; y != png_get_image_height(png, info); ++y)
        png_read_row(png, *samples + y * *row_bytes, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

/* ---- tests ---- */

static int read_by_us(sluice_png_rows_t *rows, uint8_t *samples)
{
    const sluice_png_shape_t *shape = sluice_png_rows_shape(rows);
    int ret = 0;

    for (uint32_t y = 0; y != shape->height && ret == 0; ++y)
        ret = sluice_png_rows_read(rows, samples + (size_t)y * shape->width * shape->bands);
    return ret;
}

static const struct st_kind_t kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 8, 0, 0, 0},      {PNG_COLOR_TYPE_RGB, 8, 0, 0, 0},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0, 0},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0, 0}, {PNG_COLOR_TYPE_PALETTE, 8, 0, 0, 0}, {PNG_COLOR_TYPE_PALETTE, 8, 0, 1, 0},
    {PNG_COLOR_TYPE_PALETTE, 4, 0, 0, 0},   {PNG_COLOR_TYPE_PALETTE, 4, 0, 1, 0}, {PNG_COLOR_TYPE_PALETTE, 2, 0, 1, 0},
    {PNG_COLOR_TYPE_PALETTE, 1, 0, 0, 0},   {PNG_COLOR_TYPE_PALETTE, 1, 0, 1, 0},
};

static void test_same_samples_as_libpng(void **state)
{
    static const int filters[] = {PNG_FILTER_NONE, PNG_FILTER_SUB,   PNG_FILTER_UP,
                                  PNG_FILTER_AVG,  PNG_FILTER_PAETH, PNG_ALL_FILTERS};
    static const uint32_t sizes[][2] = {{1, 1}, {2, 3}, {7, 9}, {33, 17}, {1001, 90}, {50000, 3}};

    (void)state;
    for (size_t i = 0; i != sizeof(kinds) / sizeof(*kinds); ++i)
        for (size_t j = 0; j != sizeof(filters) / sizeof(*filters); ++j)
            for (size_t k = 0; k != sizeof(sizes) / sizeof(*sizes); ++k) {
                struct st_kind_t kind = kinds[i];
                kind.filter = filters[j];
                struct st_file_t file = write_png(&kind, sizes[k][0], sizes[k][1]);
                uint8_t *wanted;
                size_t row_bytes;
                assert_int_equal(read_by_libpng(&file, &wanted, &row_bytes), 0);
                sluice_png_rows_t *rows = sluice_png_rows_create(file.bytes, file.len);
                assert_non_null(rows);
                const sluice_png_shape_t *shape = sluice_png_rows_shape(rows);
                assert_int_equal((size_t)shape->width * shape->bands, row_bytes);
                assert_int_equal(shape->alpha, shape->bands % 2 == 0);
                uint8_t *samples = malloc(row_bytes * shape->height);
                assert_int_equal(read_by_us(rows, samples), 0);
                assert_memory_equal(samples, wanted, row_bytes * shape->height);
                sluice_png_rows_destroy(&rows);
                free(samples);
                free(wanted);
                free(file.bytes);
            }
}

static void test_leaves_other_kinds_to_libpng(void **state)
{
    static const struct st_kind_t others[] = {{PNG_COLOR_TYPE_RGB, 8, PNG_FILTER_NONE, 0, PNG_INTERLACE_ADAM7},
                                              {PNG_COLOR_TYPE_RGB, 16, PNG_FILTER_NONE, 0, 0},
                                              {PNG_COLOR_TYPE_GRAY, 4, PNG_FILTER_NONE, 0, 0},
                                              {PNG_COLOR_TYPE_GRAY, 8, PNG_FILTER_NONE, 1, 0},
                                              {PNG_COLOR_TYPE_RGB, 8, PNG_FILTER_NONE, 1, 0}};

    (void)state;
    for (size_t i = 0; i != sizeof(others) / sizeof(*others); ++i) {
        struct st_file_t file = write_png(&others[i], 20, 20);
        assert_null(sluice_png_rows_create(file.bytes, file.len));
        free(file.bytes);
    }
}

static int fails_or_is(struct st_file_t *file, const uint8_t *wanted, size_t len)
{
    sluice_png_rows_t *rows = sluice_png_rows_create(file->bytes, file->len);
    int ok = 1;

    if (rows == NULL)
        return 1;
    const sluice_png_shape_t *shape = sluice_png_rows_shape(rows);
    uint64_t bytes = (uint64_t)shape->width * shape->height * shape->bands;
    if (bytes <= 1 << 20) {
        uint8_t *samples = malloc(bytes + 1);
        if (read_by_us(rows, samples) == 0)
            ok = wanted != NULL && bytes == len && memcmp(samples, wanted, len) == 0;
        else
            ok = sluice_png_rows_read(rows, samples) != 0; /* and stays broken */
        free(samples);
    }
    sluice_png_rows_destroy(&rows);
    return ok;
}

/* a changed byte, some also with the checksum of its chunk made right again, or an end that came too early */
static void damage(struct st_file_t *file)
{
    size_t at = draw((uint32_t)file->len);

    if (draw(4) == 0) {
        file->len = at;
        return;
    }
    file->bytes[at] ^= (uint8_t)(1 + draw(255));
    for (size_t chunk = 8; draw(4) != 0 && chunk + 12 <= file->len;) {
        uint32_t len = png_get_uint_32(file->bytes + chunk);
        if (len > file->len - chunk - 12)
            return;
        png_save_uint_32(file->bytes + chunk + 8 + len, (png_uint_32)crc32(0, file->bytes + chunk + 4, len + 4));
        chunk += 12 + len;
    }
}

static void test_as_strict_as_libpng(void **state)
{
    enum { ROUNDS = 4000 };

    (void)state;
    for (int i = 0; i != ROUNDS; ++i) {
        struct st_kind_t kind = kinds[draw(sizeof(kinds) / sizeof(*kinds))];
        kind.filter = PNG_ALL_FILTERS;
        struct st_file_t file = write_png(&kind, 1 + draw(60), 1 + draw(60));
        uint8_t *wanted;
        size_t row_bytes = 0;
        damage(&file);
        int ret = file.len < 33 ? -1 : read_by_libpng(&file, &wanted, &row_bytes);
        assert_true(fails_or_is(&file, ret == 0 ? wanted : NULL, ret == 0 ? row_bytes * png_get_uint_32(file.bytes + 20) : 0));
        if (ret == 0)
            free(wanted);
        free(file.bytes);
    }
}

static void test_unknown_filters(void **state)
{
    uint8_t row[3 + SLUICE_PNG_FILTER_SLACK] = {0}, above[3 + SLUICE_PNG_FILTER_SLACK] = {0};

    (void)state;
    for (int filter = 0; filter != 256; ++filter)
        assert_int_equal(sluice_png_unfilter((uint8_t)filter, row, above, 3, 3), filter < PNG_FILTER_VALUE_LAST ? 0 : -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_samples_as_libpng),
        cmocka_unit_test(test_leaves_other_kinds_to_libpng),
        cmocka_unit_test(test_unknown_filters),
        cmocka_unit_test(test_as_strict_as_libpng),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
