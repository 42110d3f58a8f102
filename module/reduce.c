/*
 * Row by row: as many rows as the kernel is high become one, of 14 bits (8 and 6 behind the point; overshoots need the sign and one
 * more), which is then made narrower. Its bands lie apart then, so that the weights of a pixel and what they weigh are plain
 * arrays.
 */
#include <math.h>
#include <stdlib.h>
#include "module/reduce.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WEIGHT_BITS 14
#define ROW_BITS 6 /* behind the point */
#define LOBES 3
#define TOGETHER 8 /* weights: their number is rounded up to this */
#define COLUMNS 64 /* that are summed up at a time */

/* for one direction: where each result begins to look, and with which weights */
struct st_kernel_t {
    uint32_t size; /* weights for each result */
    int32_t *first;
    int16_t *weights;
    double *exact; /* those of one result */
};

/* sinc(x) sinc(x / 3), and the sine of three times an angle is 3 s - 4 s^3 of its own */
static double lanczos(double x)
{
    double third = 3.14159265358979323846 / LOBES * x, sine = sin(third);

    if (x <= -LOBES || x >= LOBES)
        return 0;
    return x == 0 ? 1 : (3 - 4 * sine * sine) * sine * sine / (LOBES * third * third);
}

/*
 * Those of one result, for `from` pixels or rows, the first of them at kernel->first[i]. What lies outside of the picture has none.
 * Their sum is 1, exactly: what is lost to rounding goes to the largest one.
 */
static void set_weights(struct st_kernel_t *kernel, uint32_t i, uint32_t from, double centre, double factor)
{
    int16_t *weights = kernel->weights + (size_t)i * kernel->size;
    int32_t left = 1 << WEIGHT_BITS;
    uint32_t largest = 0;
    double sum = 0;

    for (uint32_t j = 0; j != kernel->size; ++j) {
        int64_t at = (int64_t)kernel->first[i] + j;
        kernel->exact[j] = at >= 0 && at < from ? lanczos(((double)at - centre) / factor) : 0;
        sum += kernel->exact[j];
    }
    for (uint32_t j = 0; j != kernel->size; ++j) {
        weights[j] = (int16_t)lrint(kernel->exact[j] / sum * (1 << WEIGHT_BITS));
        left -= weights[j];
        largest = weights[j] > weights[largest] ? j : largest;
    }
    weights[largest] = (int16_t)(weights[largest] + left);
}

static int make_kernel(struct st_kernel_t *kernel, uint32_t from, uint32_t to)
{
    double factor = (double)from / to, reach = LOBES * factor;

    kernel->size = ((uint32_t)(2 * reach) + 1 + TOGETHER) / TOGETHER * TOGETHER;
    kernel->first = malloc(to * sizeof(*kernel->first));
    kernel->weights = malloc((size_t)to * kernel->size * sizeof(*kernel->weights));
    kernel->exact = malloc(kernel->size * sizeof(*kernel->exact));
    if (kernel->first == NULL || kernel->weights == NULL || kernel->exact == NULL)
        return -1;
    for (uint32_t i = 0; i != to; ++i) {
        double centre = (i + 0.5) * factor - 0.5;
        kernel->first[i] = (int32_t)ceil(centre - reach);
        set_weights(kernel, i, from, centre, factor);
    }
    return 0;
}

static void dispose_kernel(struct st_kernel_t *kernel)
{
    free(kernel->first);
    free(kernel->weights);
    free(kernel->exact);
}

/* one row of the result's, as wide as what it is made of, from `columns` on */
static void sum_columns(const sluice_pixels_t *from, const struct st_kernel_t *kernel, uint32_t y, size_t column, size_t count,
                        int16_t *to)
{
    const int16_t *weights = kernel->weights + (size_t)y * kernel->size;
    int32_t sums[COLUMNS] = {0};

    for (uint32_t i = 0; i != kernel->size; ++i) {
        int16_t weight = weights[i];
        if (weight == 0)
            continue;
        const uint8_t *row = from->at + (size_t)(kernel->first[y] + (int32_t)i) * from->width * from->bands + column;
        if (count == COLUMNS)
            for (size_t x = 0; x != COLUMNS; ++x)
                sums[x] += weight * (int16_t)row[x];
        else
            for (size_t x = 0; x != count; ++x)
                sums[x] += weight * (int16_t)row[x];
    }
    for (size_t x = 0; x != count; ++x)
        to[x] = (int16_t)((sums[x] + (1 << (WEIGHT_BITS - ROW_BITS - 1))) >> (WEIGHT_BITS - ROW_BITS));
}

/* one band of a row; what is beside it is zero, as are its weights */
static void spread_band(const int16_t *row, const sluice_pixels_t *from, uint32_t band, int16_t *to)
{
    for (uint32_t x = 0; x != from->width; ++x)
        to[x] = row[(size_t)x * from->bands + band];
}

#ifdef __SSE2__
/* which compilers do not make of the plain loop */
static int32_t sum_products(const int16_t *row, const int16_t *weights, uint32_t size)
{
    __m128i sums = _mm_setzero_si128();

    for (uint32_t i = 0; i != size; i += TOGETHER)
        sums = _mm_add_epi32(sums, _mm_madd_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row + i)),
                                                  _mm_loadu_si128((const __m128i *)(const void *)(weights + i))));
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1)));
}
#else
static int32_t sum_products(const int16_t *row, const int16_t *weights, uint32_t size)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i != size; ++i)
        sum += row[i] * weights[i];
    return sum;
}
#endif

static uint8_t weigh(const int16_t *row, const int16_t *weights, uint32_t size)
{
    int32_t sum = (sum_products(row, weights, size) + (1 << (WEIGHT_BITS + ROW_BITS - 1))) >> (WEIGHT_BITS + ROW_BITS);

    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

struct st_rows_t {
    int16_t *row, *band;
};

static void reduce_row(const sluice_pixels_t *from, const struct st_kernel_t kernels[2], uint32_t y, const struct st_rows_t *rows,
                       sluice_pixels_t *to)
{
    size_t all = (size_t)from->width * from->bands;
    const struct st_kernel_t *across = &kernels[0];
    uint8_t *out = to->at + (size_t)y * to->width * to->bands;

    for (size_t column = 0; column < all; column += COLUMNS)
        sum_columns(from, &kernels[1], y, column, all - column < COLUMNS ? all - column : COLUMNS, rows->row + column);
    for (uint32_t band = 0; band != from->bands; ++band) {
        spread_band(rows->row, from, band, rows->band + across->size);
        for (uint32_t x = 0; x != to->width; ++x)
            out[(size_t)x * to->bands + band] =
                weigh(rows->band + across->first[x] + across->size, across->weights + (size_t)x * across->size, across->size);
    }
}

int sluice_reduce(const sluice_pixels_t *from, sluice_pixels_t *to)
{
    struct st_kernel_t kernels[2] = {{.size = 0}, {.size = 0}};
    struct st_rows_t rows = {NULL, NULL};
    int ret = -1;

    to->bands = from->bands;
    to->at = malloc((size_t)to->width * to->height * to->bands);
    if (to->at != NULL && make_kernel(&kernels[0], from->width, to->width) == 0 &&
        make_kernel(&kernels[1], from->height, to->height) == 0) {
        rows.row = malloc((size_t)from->width * from->bands * sizeof(*rows.row));
        rows.band = calloc((size_t)from->width + 2 * (size_t)kernels[0].size, sizeof(*rows.band));
        ret = rows.row != NULL && rows.band != NULL ? 0 : -1;
    }
    for (uint32_t y = 0; ret == 0 && y != to->height; ++y)
        reduce_row(from, kernels, y, &rows, to);
    free(rows.row);
    free(rows.band);
    dispose_kernel(&kernels[0]);
    dispose_kernel(&kernels[1]);
    if (ret != 0) {
        free(to->at);
        to->at = NULL;
    }
    return ret;
}
