/*
 * A row of the source takes these steps:
 *
 *   sums       all samples of `box` rows below each other, as integers; colours times alpha where there is alpha
 *   boxes      these sums over `box` columns, as pixels of four floats whatever the number of bands: one instruction works at all
 *              of a pixel, and no step that follows has to know how many bands there are
 *   narrow     the row of boxes, scaled to the width of the answer
 *   rings      every row of the answer that the kernel gives a part of that row; the oldest is complete once the kernel has left it
 *
 * Most of the time goes into the sums, which compilers vectorize by themselves.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "module/resize.h"

#define LOBES 3
#define KEPT_FACTOR 2 /* what the boxes leave to the kernel, at least */
#define MAX_BOX 256   /* of the sums: 256 * 255 is below 2^16, 256 * 255 * 255 below 2^32 */
#define NUM_RINGS 8   /* rows of the answer that a row of boxes can be a part of: 2 * LOBES, and those that begin and end with it */

typedef float pixel_t __attribute__((vector_size(16)));

/* what of a row, or of a column, goes into one pixel of the answer: `count` pixels from `first` on, times weights */
struct st_span_t {
    uint32_t first, count;
    float *weights;
};

struct st_axis_t {
    uint32_t in, scaled, skipped, out; /* pixels; `out` of those that it is scaled to, behind `skipped` ones */
    uint32_t box, boxes;               /* how many pixels are one box, and how many boxes there are */
    uint32_t max_count;
    struct st_span_t *spans; /* of each pixel of the answer */
    float *weights;
};

struct st_sluice_resizer_t {
    sluice_resize_t resize;
    struct st_axis_t x, y;
    void *sums; /* uint16_t; uint32_t with alpha */
    pixel_t *boxes, *narrow, *rings;
    uint32_t rows_summed, boxes_done, rows_out;
    uint8_t *out;
};

static double lanczos(double x)
{
    double t = M_PI * x;

    if (fabs(x) < 1e-9)
        return 1;
    return fabs(x) >= LOBES ? 0 : LOBES * sin(t) * sin(t / LOBES) / (t * t);
}

static void set_axis(struct st_axis_t *axis, uint32_t in, uint32_t scaled, uint32_t skipped, uint32_t out)
{
    uint32_t box = in / scaled / KEPT_FACTOR;

    *axis = (struct st_axis_t){.in = in,
                               .scaled = scaled,
                               .skipped = skipped,
                               .out = out,
                               .box = box < 1         ? 1
                                      : box > MAX_BOX ? MAX_BOX
                                                      : box};
    axis->boxes = (in + axis->box - 1) / axis->box;
    axis->max_count = (uint32_t)ceil(2.0 * LOBES * in / scaled / axis->box) + 2;
}

static uint64_t axis_bytes(const struct st_axis_t *axis)
{
    return axis->out * (sizeof(struct st_span_t) + axis->max_count * sizeof(float));
}

/* pixels beyond the edges are what the edges are */
static void fill_span(const struct st_axis_t *axis, uint32_t at, struct st_span_t *span)
{
    double factor = (double)axis->in / axis->scaled / axis->box, centre = (axis->skipped + at + 0.5) * factor - 0.5, sum = 0;
    int64_t from = (int64_t)ceil(centre - LOBES * factor), to = (int64_t)floor(centre + LOBES * factor), last = axis->boxes - 1;
    int64_t first = from < 0 ? 0 : from > last ? last : from, end = to > last ? last : to < first ? first : to;

    span->first = (uint32_t)first;
    span->count = (uint32_t)(end - first + 1);
    for (int64_t i = from; i <= to; ++i)
        sum += lanczos((i - centre) / factor);
    for (int64_t i = from; i <= to; ++i) {
        int64_t clamped = i < first ? first : i > end ? end : i;
        span->weights[clamped - first] += (float)(lanczos((i - centre) / factor) / sum);
    }
}

static int init_axis(struct st_axis_t *axis)
{
    axis->spans = calloc(axis->out, sizeof(*axis->spans));
    axis->weights = calloc((size_t)axis->out * axis->max_count, sizeof(*axis->weights));
    if (axis->spans == NULL || axis->weights == NULL)
        return -1;
    for (uint32_t i = 0; i != axis->out; ++i) {
        axis->spans[i].weights = axis->weights + (size_t)i * axis->max_count;
        fill_span(axis, i, &axis->spans[i]);
    }
    return 0;
}

static void dispose_axis(struct st_axis_t *axis)
{
    free(axis->spans);
    free(axis->weights);
}

static size_t sums_bytes(const sluice_resize_t *resize)
{
    return (size_t)resize->in_width * resize->bands * (resize->alpha ? sizeof(uint32_t) : sizeof(uint16_t));
}

uint64_t sluice_resizer_bytes(const sluice_resize_t *resize)
{
    struct st_axis_t x, y;

    set_axis(&x, resize->in_width, resize->scaled_width, resize->left, resize->out_width);
    set_axis(&y, resize->in_height, resize->scaled_height, resize->top, resize->out_height);
    return sizeof(sluice_resizer_t) + axis_bytes(&x) + axis_bytes(&y) + sums_bytes(resize) +
           (x.boxes + (NUM_RINGS + UINT64_C(1)) * x.out) * sizeof(pixel_t);
}

sluice_resizer_t *sluice_resizer_create(const sluice_resize_t *resize, uint8_t *out)
{
    sluice_resizer_t *resizer = calloc(1, sizeof(*resizer));

    if (resizer == NULL)
        return NULL;
    resizer->resize = *resize;
    resizer->out = out;
    set_axis(&resizer->x, resize->in_width, resize->scaled_width, resize->left, resize->out_width);
    set_axis(&resizer->y, resize->in_height, resize->scaled_height, resize->top, resize->out_height);
    resizer->sums = calloc(1, sums_bytes(resize));
    resizer->boxes = calloc(resizer->x.boxes, sizeof(pixel_t));
    resizer->narrow = calloc(resizer->x.out, sizeof(pixel_t));
    resizer->rings = calloc((size_t)resizer->x.out * NUM_RINGS, sizeof(pixel_t));
    if (init_axis(&resizer->x) != 0 || init_axis(&resizer->y) != 0 || resizer->sums == NULL || resizer->boxes == NULL ||
        resizer->narrow == NULL || resizer->rings == NULL)
        sluice_resizer_destroy(&resizer);
    return resizer;
}

void sluice_resizer_destroy(sluice_resizer_t **resizer)
{
    if (*resizer == NULL)
        return;
    dispose_axis(&(*resizer)->x);
    dispose_axis(&(*resizer)->y);
    free((*resizer)->sums);
    free((*resizer)->boxes);
    free((*resizer)->narrow);
    free((*resizer)->rings);
    free(*resizer);
    *resizer = NULL;
}

/* ---- sums ---- */

static void sum_row(uint16_t *restrict sums, const uint8_t *restrict row, size_t len)
{
    for (size_t i = 0; i != len; ++i)
        sums[i] = (uint16_t)(sums[i] + row[i]);
}

static void sum_row_rgba(uint32_t *restrict sums, const uint8_t *restrict row, size_t pixels)
{
    for (size_t i = 0; i != pixels; ++i, sums += 4, row += 4) {
        uint32_t alpha = row[3];
        sums[0] += row[0] * alpha;
        sums[1] += row[1] * alpha;
        sums[2] += row[2] * alpha;
        sums[3] += 255 * alpha;
    }
}

static void sum_row_grey_alpha(uint32_t *restrict sums, const uint8_t *restrict row, size_t pixels)
{
    for (size_t i = 0; i != 2 * pixels; i += 2) {
        sums[i] += (uint32_t)row[i] * row[i + 1];
        sums[i + 1] += UINT32_C(255) * row[i + 1];
    }
}

/* ---- boxes ---- */

/* with `bands` a constant, so that the loops over them unroll */
static inline __attribute__((always_inline)) void box_columns(const void *_sums, int wide, uint32_t bands, struct st_axis_t *x,
                                                              float rows, pixel_t *boxes)
{
    const uint16_t *narrow_sums = _sums;
    const uint32_t *wide_sums = _sums;
    size_t at = 0;

    for (uint32_t i = 0; i != x->boxes; ++i) {
        uint32_t left = x->in - i * x->box, count = left < x->box ? left : x->box;
        uint64_t sum[4] = {0};
        for (uint32_t j = 0; j != count; ++j, at += bands)
            for (uint32_t band = 0; band != bands; ++band)
                sum[band] += wide ? wide_sums[at + band] : narrow_sums[at + band];
        float scale = 1 / (rows * (float)count);
        boxes[i] =
            (pixel_t){(float)(int64_t)sum[0], (float)(int64_t)sum[1], (float)(int64_t)sum[2], (float)(int64_t)sum[3]} * scale;
    }
}

/* the same of RGB where no columns are put together, which is what is left of pictures that their decoder shrinks */
static void box_single_columns_rgb(const uint16_t *sums, const struct st_axis_t *x, float rows, pixel_t *boxes)
{
    float scale = 1 / rows;

    for (uint32_t i = 0; i != x->boxes; ++i, sums += 3)
        boxes[i] = (pixel_t){sums[0], sums[1], sums[2], 0} * scale;
}

static void make_boxes(sluice_resizer_t *resizer)
{
    float rows = (float)resizer->rows_summed * (resizer->resize.alpha ? 255 : 1);
    const void *sums = resizer->sums;

    switch (resizer->resize.bands + (resizer->resize.alpha ? 10 : 0)) {
    case 1:
        box_columns(sums, 0, 1, &resizer->x, rows, resizer->boxes);
        break;
    case 2:
        box_columns(sums, 0, 2, &resizer->x, rows, resizer->boxes);
        break;
    case 3:
        if (resizer->x.box == 1)
            box_single_columns_rgb(sums, &resizer->x, rows, resizer->boxes);
        else
            box_columns(sums, 0, 3, &resizer->x, rows, resizer->boxes);
        break;
    case 4:
        box_columns(sums, 0, 4, &resizer->x, rows, resizer->boxes);
        break;
    case 12:
        box_columns(sums, 1, 2, &resizer->x, rows, resizer->boxes);
        break;
    default:
        box_columns(sums, 1, 4, &resizer->x, rows, resizer->boxes);
    }
}

/* ---- kernel ---- */

static void narrow_row(const struct st_axis_t *x, const pixel_t *boxes, pixel_t *narrow)
{
    for (uint32_t i = 0; i != x->out; ++i) {
        const struct st_span_t *span = &x->spans[i];
        const pixel_t *from = boxes + span->first;
        pixel_t sum = {0}, other = {0};
        uint32_t j = 0;
        for (; j + 1 < span->count; j += 2) { /* two sums, because an addition waits for the one before */
            sum += from[j] * span->weights[j];
            other += from[j + 1] * span->weights[j + 1];
        }
        if (j != span->count)
            sum += from[j] * span->weights[j];
        narrow[i] = sum + other;
    }
}

static uint8_t to_byte(float value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
}

static void write_row(sluice_resizer_t *resizer, const pixel_t *row, uint8_t *out)
{
    uint32_t bands = resizer->resize.bands, colours = bands - (resizer->resize.alpha ? 1 : 0);

    for (uint32_t i = 0; i != resizer->x.out; ++i, out += bands) {
        float alpha = resizer->resize.alpha ? row[i][colours] : 255, scale = alpha > 0 ? 255 / alpha : 0;
        for (uint32_t band = 0; band != colours; ++band)
            out[band] = to_byte(row[i][band] * scale);
        if (colours != bands)
            out[colours] = to_byte(alpha);
    }
}

static pixel_t *ring(const sluice_resizer_t *resizer, uint32_t row)
{
    return resizer->rings + (size_t)(row % NUM_RINGS) * resizer->x.out;
}

/* adds a row of boxes to every row of the answer that it is a part of, and writes those that are complete by it */
static void spread(sluice_resizer_t *resizer)
{
    const struct st_axis_t *y = &resizer->y;
    uint32_t at = resizer->boxes_done++, width = resizer->x.out;

    for (uint32_t row = resizer->rows_out; row != y->out && y->spans[row].first <= at; ++row) {
        const struct st_span_t *span = &y->spans[row];
        if (at - span->first >= span->count)
            continue;
        float weight = span->weights[at - span->first];
        pixel_t *sums = ring(resizer, row);
        for (uint32_t i = 0; i != width; ++i)
            sums[i] += resizer->narrow[i] * weight;
    }
    for (; resizer->rows_out != y->out; ++resizer->rows_out) {
        const struct st_span_t *span = &y->spans[resizer->rows_out];
        if (span->first + span->count > at + 1)
            break;
        pixel_t *row = ring(resizer, resizer->rows_out);
        write_row(resizer, row, resizer->out + (size_t)resizer->rows_out * width * resizer->resize.bands);
        memset(row, 0, width * sizeof(*row));
    }
}

void sluice_resizer_push(sluice_resizer_t *resizer, const uint8_t *row)
{
    const sluice_resize_t *resize = &resizer->resize;

    if (!resize->alpha)
        sum_row(resizer->sums, row, (size_t)resize->in_width * resize->bands);
    else if (resize->bands == 4)
        sum_row_rgba(resizer->sums, row, resize->in_width);
    else
        sum_row_grey_alpha(resizer->sums, row, resize->in_width);
    if (++resizer->rows_summed != resizer->y.box &&
        resizer->boxes_done * resizer->y.box + resizer->rows_summed != resize->in_height)
        return;
    make_boxes(resizer);
    memset(resizer->sums, 0, sums_bytes(resize));
    resizer->rows_summed = 0;
    narrow_row(&resizer->x, resizer->boxes, resizer->narrow);
    spread(resizer);
}
