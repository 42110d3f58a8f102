/*
 * A pixel depends on the one to its left, so that no loop over a row can be vectorized, except for `up`. What is left is to work at
 * all bytes of one pixel at a time, which SSE2 does (every x86-64 has it) for the pixels of three and four bytes.
 */
#include <stdlib.h>
#include <string.h>
#include "module/png_filter.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { NONE, SUB, UP, AVERAGE, PAETH };

static uint8_t predict(int left, int above, int corner)
{
    int by_left = abs(above - corner), by_above = abs(left - corner), by_corner = abs(left + above - 2 * corner);

    if (by_left <= by_above && by_left <= by_corner)
        return (uint8_t)left;
    return (uint8_t)(by_above <= by_corner ? above : corner);
}

static void undo_up(uint8_t *restrict row, const uint8_t *restrict above, size_t len)
{
    for (size_t i = 0; i != len; ++i)
        row[i] = (uint8_t)(row[i] + above[i]);
}

static void undo_bytewise(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len, size_t step)
{
    for (size_t i = 0; i != len; ++i) {
        int left = i < step ? 0 : row[i - step], corner = i < step ? 0 : above[i - step];
        int guess = filter == SUB ? left : filter == AVERAGE ? (left + above[i]) / 2 : predict(left, above[i], corner);
        row[i] = (uint8_t)(row[i] + guess);
    }
}

#ifdef __SSE2__

static inline __m128i load_pixel(const uint8_t *p)
{
    int bytes;

    memcpy(&bytes, p, 4);
    return _mm_cvtsi32_si128(bytes);
}

static inline void store_pixel(uint8_t *p, __m128i pixel, size_t step)
{
    int bytes = _mm_cvtsi128_si32(pixel);

    if (step == 4)
        memcpy(p, &bytes, 4);
    else
        memcpy(p, &bytes, 3);
}

static inline __m128i absolute(__m128i x)
{
    return _mm_max_epi16(x, _mm_sub_epi16(_mm_setzero_si128(), x));
}

static inline __m128i choose(__m128i mask, __m128i yes, __m128i no)
{
    return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
}

/* with `filter` and `step` constants */
static inline __attribute__((always_inline)) void undo_pixelwise(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len,
                                                                 size_t step)
{
    const __m128i zero = _mm_setzero_si128(), one = _mm_set1_epi8(1);
    __m128i left = zero, corner = zero; /* for PAETH of 16 bits a sample */

    for (size_t i = 0; i < len; i += step) {
        __m128i pixel = load_pixel(row + i);
        if (filter == SUB) {
            left = _mm_add_epi8(pixel, left);
            store_pixel(row + i, left, step);
        } else if (filter == AVERAGE) {
            __m128i up = load_pixel(above + i);
            __m128i half = _mm_sub_epi8(_mm_avg_epu8(left, up), _mm_and_si128(_mm_xor_si128(left, up), one));
            left = _mm_add_epi8(pixel, half);
            store_pixel(row + i, left, step);
        } else {
            __m128i up = _mm_unpacklo_epi8(load_pixel(above + i), zero);
            __m128i by_left = _mm_sub_epi16(up, corner), by_above = _mm_sub_epi16(left, corner);
            __m128i by_corner = absolute(_mm_add_epi16(by_left, by_above));
            by_left = absolute(by_left);
            by_above = absolute(by_above);
            __m128i least = _mm_min_epi16(by_corner, _mm_min_epi16(by_left, by_above));
            __m128i guess = choose(_mm_cmpeq_epi16(least, by_left), left, choose(_mm_cmpeq_epi16(least, by_above), up, corner));
            left = _mm_add_epi8(_mm_unpacklo_epi8(pixel, zero), guess); /* the upper halves are zero and stay so */
            corner = up;
            store_pixel(row + i, _mm_packus_epi16(left, left), step);
        }
    }
}

static int undo_by_pixels(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len, size_t step)
{
    switch (filter + 10 * step) {
    case 30 + SUB:
        undo_pixelwise(SUB, row, above, len, 3);
        return 1;
    case 40 + SUB:
        undo_pixelwise(SUB, row, above, len, 4);
        return 1;
    case 30 + AVERAGE:
        undo_pixelwise(AVERAGE, row, above, len, 3);
        return 1;
    case 40 + AVERAGE:
        undo_pixelwise(AVERAGE, row, above, len, 4);
        return 1;
    case 30 + PAETH:
        undo_pixelwise(PAETH, row, above, len, 3);
        return 1;
    case 40 + PAETH:
        undo_pixelwise(PAETH, row, above, len, 4);
        return 1;
    default:
        return 0;
    }
}

#else

static int undo_by_pixels(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len, size_t step)
{
    (void)filter, (void)row, (void)above, (void)len, (void)step;
    return 0;
}

#endif

int sluice_png_unfilter(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len, size_t step)
{
    if (filter > PAETH)
        return -1;
    if (filter == UP)
        undo_up(row, above, len);
    else if (filter != NONE && !undo_by_pixels(filter, row, above, len, step))
        undo_bytewise(filter, row, above, len, step);
    return 0;
}
