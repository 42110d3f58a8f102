/*
 * resize.h - scaling down, row by row: for pictures of 8 bits a sample and up to four bands, in the space that they are in.
 *
 * Rows are averaged by whole factors (a box) as long as that leaves at least twice the wanted size, and what remains is done by
 * Lanczos' kernel with three lobes, as wide as the factor asks for: what libvips does with its default gap of 2. Colours with alpha
 * are weighted with it, so that what is transparent does not shine through.
 *
 * A resizer belongs to one thread at a time. It keeps a row of the source and some of the answer, and nothing else of either.
 */
#ifndef module__resize_h
#define module__resize_h

#include <stdint.h>

typedef struct st_sluice_resize_t {
    uint32_t in_width, in_height;         /* pixels, at least 1 */
    uint32_t scaled_width, scaled_height; /* at least 1, at most those of the source */
    uint32_t left, top;                   /* of that, the part that is wanted */
    uint32_t out_width, out_height;       /* at least 1; the part lies within what is scaled */
    uint32_t bands;                       /* 1 to 4 */
    int alpha;                            /* whether the last band is alpha */
} sluice_resize_t;

typedef struct st_sluice_resizer_t sluice_resizer_t;

/**
 * bytes that a resizer allocates, without the answer
 */
uint64_t sluice_resizer_bytes(const sluice_resize_t *resize);
/**
 * The caller keeps `out`: out_height rows of out_width * bands bytes without padding, complete once the last row of the source has
 * been pushed. NULL without memory.
 */
sluice_resizer_t *sluice_resizer_create(const sluice_resize_t *resize, uint8_t *out);
/**
 * The next row of the source: in_width * bands bytes, which are not kept. Exactly in_height of them make an answer.
 */
void sluice_resizer_push(sluice_resizer_t *resizer, const uint8_t *row);
/**
 * sets the pointer to NULL; it may be that before
 */
void sluice_resizer_destroy(sluice_resizer_t **resizer);

#endif
