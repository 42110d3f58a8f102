#include <stdlib.h>
#include "module/jpeg_planes.h"

static uint8_t clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* samples of a component for a row of pixels: its own, or a copy in `to` */
static const uint8_t *get_row(const sluice_jpeg_planes_t *planes, const sluice_jpeg_component_t *component, uint32_t y, uint8_t *to)
{
    unsigned across = planes->max_h / (component->h * component->size), down = planes->max_v / (component->v * component->size);

    const uint8_t *row = component->samples + (size_t)(y / down) * component->all_columns * component->size;
    if (across == 1)
        return row;
    for (uint32_t x = 0; x != planes->width; ++x)
        to[x] = row[x / across];
    return to;
}

/* the factors of JFIF, with 16 bits behind the point */
static void convert_row(const uint8_t *const rows[3], uint32_t width, uint8_t *to)
{
    for (uint32_t x = 0; x != width; ++x, to += 3) {
        int y = rows[0][x], cb = rows[1][x] - 128, cr = rows[2][x] - 128;
        to[0] = clamp(y + ((91881 * cr + 32768) >> 16));
        to[1] = clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
        to[2] = clamp(y + ((116130 * cb + 32768) >> 16));
    }
}

static void interleave_row(const uint8_t *const rows[3], uint32_t width, uint8_t *to)
{
    for (uint32_t x = 0; x != width; ++x)
        for (unsigned i = 0; i != 3; ++i)
            *to++ = rows[i][x];
}

int sluice_jpeg_planes_merge(const sluice_jpeg_planes_t *planes, uint8_t *pixels)
{
    uint8_t *copies = malloc((size_t)planes->num_components * planes->width);
    size_t stride = (size_t)planes->width * planes->num_components;

    if (copies == NULL)
        return -1;
    for (uint32_t y = 0; y != planes->height; ++y) {
        const uint8_t *rows[SLUICE_JPEG_COMPONENTS];
        for (unsigned i = 0; i != planes->num_components; ++i)
            rows[i] = get_row(planes, planes->components + i, y, copies + (size_t)i * planes->width);
        if (planes->num_components == 1)
            memcpy(pixels + y * stride, rows[0], planes->width);
        else if (planes->is_rgb)
            interleave_row(rows, planes->width, pixels + y * stride);
        else
            convert_row(rows, planes->width, pixels + y * stride);
    }
    free(copies);
    return 0;
}
