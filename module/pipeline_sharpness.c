#include <math.h>
#include "module/pipeline_effects.h"

/* with a mask of 3 x 3: eight times `around`, and `centre` in the middle */
static int convolve(VipsImage **image, double around, double centre)
{
    VipsImage *mask = vips_image_new_matrixv(3, 3, around, around, around, around, centre, around, around, around, around);
    VipsImage *next;

    vips_image_set_double(mask, "scale", 8 * around + centre);
    int ret = sluice_pipeline_premultiply(image);
    if (ret == 0)
        ret = sluice_pipeline_advance(image, &next, vips_conv(*image, &next, mask, NULL));
    g_object_unref(mask);
    return ret == 0 ? sluice_pipeline_unpremultiply(image, VIPS_FORMAT_UCHAR) : ret;
}

int sluice_pipeline_sharpen(VipsImage **image, const sluice_options_t *options)
{
    double flat = options->sharpen_flat / 1000.0, jagged = options->sharpen_jagged / 1000.0;
    VipsImage *next;

    if (!options->sharpen)
        return 0;
    if (options->sharpen_sigma == 0)
        return convolve(image, -1, 32);
    if (sluice_pipeline_keep_in_memory(image) != 0)
        return -1;
    return sluice_pipeline_advance(
        image, &next, vips_sharpen(*image, &next, "sigma", options->sharpen_sigma / 1000.0, "m1", flat, "m2", jagged, NULL));
}

static int smaller(int side, double factor)
{
    double scaled = rint(side / factor);

    return scaled < 1 ? 1 : (int)scaled;
}

/*
 * The work of a blur grows with its sigma. A wide one is as good on a picture that is smaller by as much as leaves it 4 to 8
 * pixels, and which is then enlarged again.
 */
static int blur(VipsImage **image, double sigma)
{
    int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
    double factor = sigma > SLUICE_BLUR_MAX_SIGMA ? sigma / (SLUICE_BLUR_MAX_SIGMA / 2) : 1;
    VipsImage *next;

    if (factor > 1 && sluice_pipeline_resize(image, smaller(width, factor), smaller(height, factor)) != 0)
        return -1;
    if (sluice_pipeline_premultiply(image) != 0 || sluice_pipeline_keep_in_memory(image) != 0 ||
        sluice_pipeline_advance(image, &next, vips_gaussblur(*image, &next, sigma / factor, NULL)) != 0 ||
        sluice_pipeline_unpremultiply(image, VIPS_FORMAT_UCHAR) != 0)
        return -1;
    return factor > 1 ? sluice_pipeline_resize(image, width, height) : 0;
}

int sluice_pipeline_blur(VipsImage **image, const sluice_options_t *options)
{
    if (!options->blur)
        return 0;
    return options->blur_sigma == 0 ? convolve(image, 1, 1) : blur(image, options->blur_sigma / 1000.0);
}
