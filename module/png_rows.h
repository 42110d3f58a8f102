/*
 * png_rows.h - the rows of the common kinds of PNG, from the top down: 8 bits of grey, grey and alpha, RGB or RGBA, or a palette of
 * up to 8 bits; not interlaced. The inflating, which is most of what a PNG costs, is done by ISA-L, in half the time that zlib
 * takes.
 *
 * For all other kinds there is libpng. What libpng calls an error in the pixels is one here: checksums of chunks and of the
 * compressed data, data that ends too early, unknown filters.
 *
 * A decoder belongs to one thread at a time. It keeps about 300 KB and three rows.
 */
#ifndef module__png_rows_h
#define module__png_rows_h

#include <stddef.h>
#include <stdint.h>

typedef struct st_sluice_png_rows_t sluice_png_rows_t;

typedef struct st_sluice_png_shape_t {
    uint32_t width, height, bands; /* 8 bits each */
    int alpha;                     /* whether the last band is alpha */
} sluice_png_shape_t;

/**
 * The caller keeps `bytes`, which have to stay until the decoder is destroyed. NULL if the picture is of another kind, if anything
 * ahead of the pixels is unusual, or without memory.
 */
sluice_png_rows_t *sluice_png_rows_create(const void *bytes, size_t len);
const sluice_png_shape_t *sluice_png_rows_shape(const sluice_png_rows_t *rows);
/**
 * Writes the next row, width * bands bytes. Returns 0, or -1 if the picture is broken there, and for every row from then on. Not to
 * be called more than height times.
 */
int sluice_png_rows_read(sluice_png_rows_t *rows, uint8_t *row);
/**
 * sets the pointer to NULL; it may be that before
 */
void sluice_png_rows_destroy(sluice_png_rows_t **rows);

#endif
