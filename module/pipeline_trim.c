#include <string.h>
#include "module/pipeline.h"

#define MAX_BANDS 8 /* that a background may have */

/* of an image of doubles, the one at the left top */
static int read_pixel(VipsImage *image, double *pixel)
{
    const VipsRect first = {0, 0, 1, 1};
    VipsRegion *region = vips_region_new(image);
    int ret = region != NULL ? vips_region_prepare(region, &first) : -1;

    if (ret == 0)
        memcpy(pixel, VIPS_REGION_ADDR(region, 0, 0), (size_t)vips_image_get_bands(image) * sizeof(*pixel));
    if (region != NULL)
        g_object_unref(region);
    return ret;
}

/*
 * What the picture shows at its left top, laid over black where it is transparent. Read as a region, because libvips takes an image
 * that is evaluated for done with, and forgets the rows that the decoder cannot deliver again.
 */
static int read_background(VipsImage *image, double *background, int *num_bands)
{
    VipsImage *flat = g_object_ref(image), *next;
    int ret = vips_image_hasalpha(image) ? sluice_pipeline_advance(&flat, &next, vips_flatten(flat, &next, NULL)) : 0;

    if (ret == 0)
        ret = sluice_pipeline_advance(&flat, &next, vips_cast_double(flat, &next, NULL));
    *num_bands = vips_image_get_bands(flat);
    if (ret == 0)
        ret = *num_bands <= MAX_BANDS ? read_pixel(flat, background) : -1;
    g_object_unref(flat);
    return ret;
}

static double threshold(VipsImage *image, const sluice_plan_t *plan)
{
    VipsInterpretation space = vips_image_guess_interpretation(image);
    int is_deep = space == VIPS_INTERPRETATION_RGB16 || space == VIPS_INTERPRETATION_GREY16;

    return plan->options.trim_threshold * (is_deep ? 256.0 : 1.0);
}

int sluice_pipeline_find_trim(VipsImage *image, const sluice_plan_t *plan, sluice_area_t *area)
{
    double background[MAX_BANDS];
    int num_bands, left, top, width, height;

    *area = (sluice_area_t){0, 0, (uint32_t)vips_image_get_width(image), (uint32_t)vips_image_get_height(image)};
    if (area->width < 3 || area->height < 3)
        return 0;
    if (read_background(image, background, &num_bands) != 0)
        return -1;
    VipsArrayDouble *colour = vips_array_double_new(background, num_bands);
    int ret = vips_find_trim(image, &left, &top, &width, &height, "threshold", threshold(image, plan), "background", colour, NULL);
    vips_area_unref(VIPS_AREA(colour));
    if (ret == 0 && width != 0 && height != 0)
        *area = (sluice_area_t){(uint32_t)left, (uint32_t)top, (uint32_t)width, (uint32_t)height};
    return ret;
}
