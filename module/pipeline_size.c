#include "module/pipeline.h"

static int premultiply(VipsImage **image)
{
    VipsImage *next;

    return sluice_pipeline_advance(image, &next, vips_premultiply(*image, &next, NULL));
}

static int unpremultiply(VipsImage **image, VipsBandFormat format)
{
    VipsImage *next;

    if (sluice_pipeline_advance(image, &next, vips_unpremultiply(*image, &next, NULL)) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next, vips_cast(*image, &next, format, NULL));
}

/* what is transparent has no colour, and must not give it to its neighbours */
int sluice_pipeline_resize(VipsImage **image, int width, int height)
{
    double by_width = (double)width / vips_image_get_width(*image), by_height = (double)height / vips_image_get_height(*image);
    VipsBandFormat format = vips_image_get_format(*image);
    int alpha = vips_image_hasalpha(*image);
    VipsImage *next;

    if (by_width == 1 && by_height == 1)
        return 0;
    if (alpha && premultiply(image) != 0)
        return -1;
    if (sluice_pipeline_advance(image, &next, vips_resize(*image, &next, by_width, "vscale", by_height, NULL)) != 0)
        return -1;
    return alpha ? unpremultiply(image, format) : 0;
}

/* a turn reads columns, which a decoder cannot deliver */
static int turn_upright(VipsImage **image)
{
    VipsImage *next;

    if (sluice_pipeline_advance(image, &next, (next = vips_image_copy_memory(*image)) != NULL ? 0 : -1) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next, vips_autorot(*image, &next, NULL));
}

static int crop(VipsImage **image, const sluice_plan_t *plan)
{
    int width = (int)plan->width, height = (int)plan->height;
    int left = (vips_image_get_width(*image) - width) / 2, top = (vips_image_get_height(*image) - height) / 2;
    VipsImage *next;

    return sluice_pipeline_advance(image, &next, vips_extract_area(*image, &next, left, top, width, height, NULL));
}

int sluice_pipeline_size(VipsImage **image, const sluice_plan_t *plan)
{
    int width = (int)(plan->swapped ? plan->scaled_height : plan->scaled_width);
    int height = (int)(plan->swapped ? plan->scaled_width : plan->scaled_height);

    if (sluice_pipeline_resize(image, width, height) != 0 || (plan->turned && turn_upright(image) != 0))
        return -1;
    return plan->options.fit == SLUICE_FIT_COVER ? crop(image, plan) : 0;
}
