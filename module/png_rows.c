/*
 * Chunks -> inflate -> unfilter -> samples. Several rows are inflated at once, for ISA-L copies its window of 32 KiB whenever it
 * returns. All of a chunk is in memory, so that its checksum is looked at before its first byte is used.
 */
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include "module/byte_order.h"
#include "module/png_filter.h"
#include "module/png_rows.h"

#define SIGNATURE_LEN 8
#define CHUNK_OVERHEAD 12 /* length, name, checksum */
#define IHDR_LEN 13
#define FILL_BYTES (128 << 10) /* that are inflated at once, or one row */
#define MAX_SIDE (1 << 24)

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

struct st_chunk_t {
    const uint8_t *name, *data;
    uint32_t len;
};

struct st_sluice_png_rows_t {
    sluice_png_shape_t shape;
    uint8_t colour_type, depth;
    uint8_t palette[256][4];
    const uint8_t *at, *end; /* the next chunk */
    struct inflate_state state;
    size_t row_bytes, step; /* as filtered, and of one pixel there */
    uint32_t rows_left, num_filled, next_filled, max_filled;
    uint8_t *filled, *above;
    int broken;
};

/* moves behind a chunk that is all there */
static int next_chunk(sluice_png_rows_t *rows, struct st_chunk_t *chunk)
{
    size_t left = (size_t)(rows->end - rows->at);

    if (left < CHUNK_OVERHEAD || be32(rows->at) > left - CHUNK_OVERHEAD)
        return -1;
    *chunk = (struct st_chunk_t){rows->at + 4, rows->at + 8, be32(rows->at)};
    rows->at += CHUNK_OVERHEAD + chunk->len;
    return 0;
}

static int is_named(const struct st_chunk_t *chunk, const char *name)
{
    return memcmp(chunk->name, name, 4) == 0;
}

/* four letters, the first of which is small */
static int may_be_skipped(const struct st_chunk_t *chunk)
{
    for (int i = 0; i != 4; ++i) {
        uint8_t small = chunk->name[i] | 0x20;
        if (small < 'a' || small > 'z')
            return 0;
    }
    return (chunk->name[0] & 0x20) != 0;
}

static int is_sound(const struct st_chunk_t *chunk)
{
    return crc32_gzip_refl(0, chunk->name, chunk->len + UINT64_C(4)) == be32(chunk->data + chunk->len);
}

static int read_ihdr(sluice_png_rows_t *rows, const struct st_chunk_t *chunk)
{
    static const uint8_t bands[] = {[GREY] = 1, [RGB] = 3, [PALETTE] = 3, [GREY_ALPHA] = 2, [RGB_ALPHA] = 4};
    const uint8_t *data = chunk->data;

    if (!is_named(chunk, "IHDR") || chunk->len != IHDR_LEN || !is_sound(chunk))
        return -1;
    rows->shape.width = be32(data);
    rows->shape.height = be32(data + 4);
    rows->depth = data[8];
    rows->colour_type = data[9];
    if (rows->shape.width - 1 >= MAX_SIDE || rows->shape.height - 1 >= MAX_SIDE || rows->colour_type >= sizeof(bands) ||
        bands[rows->colour_type] == 0 || data[10] != 0 || data[11] != 0 || data[12] != 0)
        return -1;
    if (rows->depth != 8 && (rows->colour_type != PALETTE || (rows->depth != 1 && rows->depth != 2 && rows->depth != 4)))
        return -1;
    rows->shape.bands = bands[rows->colour_type];
    rows->shape.alpha = rows->colour_type == GREY_ALPHA || rows->colour_type == RGB_ALPHA;
    return 0;
}

static int read_plte(sluice_png_rows_t *rows, const struct st_chunk_t *chunk)
{
    if (rows->colour_type != PALETTE)
        return 0; /* a suggestion */
    if (chunk->len == 0 || chunk->len % 3 != 0 || chunk->len / 3 > UINT32_C(1) << rows->depth || !is_sound(chunk))
        return -1;
    for (uint32_t i = 0; i != chunk->len / 3; ++i)
        memcpy(rows->palette[i], chunk->data + (size_t)3 * i, 3);
    return 0;
}

static int read_trns(sluice_png_rows_t *rows, const struct st_chunk_t *chunk)
{
    if (rows->colour_type != PALETTE || rows->shape.alpha || chunk->len == 0 || chunk->len > 256 || !is_sound(chunk))
        return -1;
    for (uint32_t i = 0; i != chunk->len; ++i)
        rows->palette[i][3] = chunk->data[i];
    rows->shape.bands = 4;
    rows->shape.alpha = 1;
    return 0;
}

/* up to the first IDAT, which is left to be read */
static int read_head(sluice_png_rows_t *rows)
{
    struct st_chunk_t chunk;
    int has_palette = 0;

    if (next_chunk(rows, &chunk) != 0 || read_ihdr(rows, &chunk) != 0)
        return -1;
    for (const uint8_t *start = rows->at; next_chunk(rows, &chunk) == 0; start = rows->at) {
        if (is_named(&chunk, "IDAT")) {
            rows->at = start;
            return rows->colour_type == PALETTE && !has_palette ? -1 : 0;
        }
        if (is_named(&chunk, "PLTE")) {
            if (has_palette++ || read_plte(rows, &chunk) != 0)
                return -1;
        } else if (is_named(&chunk, "tRNS")) {
            if (!has_palette || read_trns(rows, &chunk) != 0)
                return -1;
        } else if (!may_be_skipped(&chunk)) {
            return -1;
        }
    }
    return -1;
}

static int allocate(sluice_png_rows_t *rows)
{
    static const uint8_t samples[] = {[GREY] = 1, [RGB] = 3, [PALETTE] = 1, [GREY_ALPHA] = 2, [RGB_ALPHA] = 4};
    size_t bits = (size_t)samples[rows->colour_type] * rows->depth;

    rows->step = (bits + 7) / 8;
    rows->row_bytes = (rows->shape.width * bits + 7) / 8;
    rows->rows_left = rows->shape.height;
    rows->max_filled = (uint32_t)(FILL_BYTES / (rows->row_bytes + 1)) + 1;
    rows->filled = malloc(rows->max_filled * (rows->row_bytes + 1) + SLUICE_PNG_FILTER_SLACK);
    rows->above = calloc(1, rows->row_bytes + SLUICE_PNG_FILTER_SLACK);
    return rows->filled != NULL && rows->above != NULL ? 0 : -1;
}

sluice_png_rows_t *sluice_png_rows_create(const void *bytes, size_t len)
{
    static const uint8_t signature[SIGNATURE_LEN] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    sluice_png_rows_t *rows;

    if (len < SIGNATURE_LEN || memcmp(bytes, signature, SIGNATURE_LEN) != 0 || (rows = calloc(1, sizeof(*rows))) == NULL)
        return NULL;
    rows->at = (const uint8_t *)bytes + SIGNATURE_LEN;
    rows->end = (const uint8_t *)bytes + len;
    for (int i = 0; i != 256; ++i)
        rows->palette[i][3] = 255;
    if (read_head(rows) != 0 || allocate(rows) != 0) {
        sluice_png_rows_destroy(&rows);
        return NULL;
    }
    isal_inflate_init(&rows->state);
    rows->state.crc_flag = ISAL_ZLIB;
    return rows;
}

const sluice_png_shape_t *sluice_png_rows_shape(const sluice_png_rows_t *rows)
{
    return &rows->shape;
}

void sluice_png_rows_destroy(sluice_png_rows_t **rows)
{
    if (*rows == NULL)
        return;
    free((*rows)->filled);
    free((*rows)->above);
    free(*rows);
    *rows = NULL;
}

static int feed(sluice_png_rows_t *rows)
{
    struct st_chunk_t chunk;

    if (next_chunk(rows, &chunk) != 0 || !is_named(&chunk, "IDAT") || !is_sound(&chunk))
        return -1;
    rows->state.next_in = (uint8_t *)(uintptr_t)chunk.data; /* is not written to */
    rows->state.avail_in = chunk.len;
    return 0;
}

static int has_ended(const sluice_png_rows_t *rows)
{
    return rows->state.block_state == ISAL_BLOCK_FINISH;
}

/* all of `len` bytes */
static int inflate_bytes(sluice_png_rows_t *rows, uint8_t *out, size_t len)
{
    rows->state.next_out = out;
    rows->state.avail_out = (uint32_t)len;
    while (rows->state.avail_out != 0) {
        if (has_ended(rows) || (rows->state.avail_in == 0 && feed(rows) != 0))
            return -1;
        if (isal_inflate(&rows->state) != ISAL_DECOMP_OK)
            return -1;
    }
    return 0;
}

/* what may stand behind the last row, up to the checksum */
static int finish(sluice_png_rows_t *rows)
{
    uint8_t surplus[4096];

    while (!has_ended(rows)) {
        rows->state.next_out = surplus;
        rows->state.avail_out = sizeof(surplus);
        if (isal_inflate(&rows->state) != ISAL_DECOMP_OK)
            return -1;
        if (!has_ended(rows) && rows->state.avail_out != 0 && rows->state.avail_in == 0 && feed(rows) != 0)
            return -1;
    }
    return 0;
}

static int fill(sluice_png_rows_t *rows)
{
    size_t stride = rows->row_bytes + 1;
    uint32_t count = rows->rows_left < rows->max_filled ? rows->rows_left : rows->max_filled;

    if (inflate_bytes(rows, rows->filled, count * stride) != 0)
        return -1;
    for (uint32_t i = 0; i != count; ++i) {
        uint8_t *row = rows->filled + i * stride;
        const uint8_t *above = i == 0 ? rows->above : row - rows->row_bytes;
        if (sluice_png_unfilter(row[0], row + 1, above, rows->row_bytes, rows->step) != 0)
            return -1;
    }
    memcpy(rows->above, rows->filled + (count - 1) * stride + 1, rows->row_bytes);
    rows->rows_left -= count;
    rows->num_filled = count;
    rows->next_filled = 0;
    return rows->rows_left == 0 ? finish(rows) : 0;
}

static void look_up(const sluice_png_rows_t *rows, const uint8_t *from, uint8_t *to)
{
    uint32_t bands = rows->shape.bands, depth = rows->depth, mask = (1u << depth) - 1;

    for (uint32_t i = 0; i != rows->shape.width; ++i, to += bands) {
        size_t bit = (size_t)i * depth;
        uint32_t index = (uint32_t)from[bit / 8] >> (8 - depth - bit % 8) & mask;
        memcpy(to, rows->palette[index], bands);
    }
}

int sluice_png_rows_read(sluice_png_rows_t *rows, uint8_t *row)
{
    if (rows->broken || (rows->next_filled == rows->num_filled && fill(rows) != 0)) {
        rows->broken = 1;
        return -1;
    }
    const uint8_t *from = rows->filled + rows->next_filled++ * (rows->row_bytes + 1) + 1;
    if (rows->colour_type == PALETTE)
        look_up(rows, from, row);
    else
        memcpy(row, from, rows->row_bytes);
    return 0;
}
