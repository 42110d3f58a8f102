/*
 * jpeg_blocks.h - what the blocks of sequential and of progressive scans have in common. Pure.
 */
#ifndef module__jpeg_blocks_h
#define module__jpeg_blocks_h

#include "module/jpeg_entropy.h"

/* where the coefficients of a block go that follow each other in a file */
static const uint8_t sluice_jpeg_zigzag[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* all that takes bits is one function in the end, so that they stay in registers from block to block */
#define SLUICE_JPEG_INLINE static inline __attribute__((always_inline))

typedef struct st_sluice_jpeg_block_t {
    sluice_jpeg_component_t *component;
    const sluice_jpeg_code_t *dc, *ac;
    int *predicted;
    size_t at, step; /* in samples or means; and to the same block of the next MCU */
} sluice_jpeg_block_t;

typedef struct st_sluice_jpeg_mcu_t {
    sluice_jpeg_block_t blocks[SLUICE_JPEG_MCU_BLOCKS];
    unsigned num_blocks;
    int predicted[SLUICE_JPEG_COMPONENTS];
    uint32_t empty_blocks; /* progressive: that are to come before the next code */
} sluice_jpeg_mcu_t;

static inline uint8_t sluice_jpeg_to_sample(int value)
{
    value += 128;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* beyond this no picture goes, and libjpeg's integers wrap around or saturate, by processor */
static inline int sluice_jpeg_is_sane(int value)
{
    return value >= -512 && value < 512;
}

static inline int sluice_jpeg_descale(int64_t value, unsigned bits)
{
    return (int)((value + (INT64_C(1) << (bits - 1))) >> bits);
}

/* the difference to the last DC coefficient. Returns 0, or -1 */
SLUICE_JPEG_INLINE int sluice_jpeg_take_mean(sluice_jpeg_bits_t *bits, const sluice_jpeg_code_t *code, int *mean)
{
    int difference;

    if (sluice_jpeg_take_value(bits, code, &difference) < 0)
        return -1;
    *mean += difference;
    return *mean == (int16_t)*mean ? 0 : -1;
}

/*
 * The inverse DCT to 2 x 2 samples, columns first, then rows, with the factors (of 13 bits) and the rounding of libjpeg's. Of
 * coefficients with even places only the first ones count. The sums over the columns grow as coefficients come.
 */
typedef struct st_sluice_jpeg_sums_t {
    int64_t rows[2][8];
} sluice_jpeg_sums_t;

static const int sluice_jpeg_odd_factors[8] = {0, 29692, 0, -10426, 0, 6967, 0, -5906};

SLUICE_JPEG_INLINE void sluice_jpeg_add_coefficient(sluice_jpeg_sums_t *sums, unsigned place, int coefficient)
{
    unsigned x = place & 7, y = place >> 3;
    int64_t even = y == 0 ? 32768 : 0, odd = sluice_jpeg_odd_factors[y];

    sums->rows[0][x] += (even + odd) * coefficient;
    sums->rows[1][x] += (even - odd) * coefficient;
}

/* Returns 0, or -1 */
static inline int sluice_jpeg_draw_block(const sluice_jpeg_sums_t *sums, uint8_t *at, size_t stride)
{
    int sane = 1;

    for (size_t y = 0; y != 2; ++y) {
        int64_t even = 0, odd = 0;
        for (size_t x = 0; x < 8; x += x == 0 ? 1 : 2) {
            int value = sluice_jpeg_descale(sums->rows[y][x], 13);
            even += x == 0 ? (int64_t)value * 32768 : 0;
            odd += (int64_t)value * sluice_jpeg_odd_factors[x];
            sane &= value == (int16_t)value;
        }
        int left = sluice_jpeg_descale(even + odd, 20), right = sluice_jpeg_descale(even - odd, 20);
        at[y * stride] = sluice_jpeg_to_sample(left);
        at[y * stride + 1] = sluice_jpeg_to_sample(right);
        sane &= sluice_jpeg_is_sane(left) & sluice_jpeg_is_sane(right);
    }
    return sane ? 0 : -1;
}

typedef int (*sluice_jpeg_read_mcu_t)(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);

/**
 * They read the blocks of one MCU, and move them on to the next one. Return 0, or -1.
 */
int sluice_jpeg_read_sequential_mcu(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);
int sluice_jpeg_read_means(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);
int sluice_jpeg_refine_means(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);
int sluice_jpeg_read_details(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);
int sluice_jpeg_refine_details(const sluice_jpeg_scan_t *scan, sluice_jpeg_mcu_t *mcu, sluice_jpeg_bits_t *bits);

#endif
