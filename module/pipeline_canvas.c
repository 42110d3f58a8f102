#include "module/pipeline.h"

/* on a transparent background where the format has one, else on black */
static int extend(VipsImage **image, const sluice_plan_t *plan)
{
    VipsImage *next;

    if (plan->options.output != SLUICE_FORMAT_JPEG && !vips_image_hasalpha(*image) &&
        sluice_pipeline_advance(image, &next, vips_addalpha(*image, &next, NULL)) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next,
                                   vips_gravity(*image, &next, VIPS_COMPASS_DIRECTION_CENTRE, (int)plan->width, (int)plan->height,
                                                "extend", VIPS_EXTEND_BLACK, NULL));
}

int sluice_pipeline_canvas(VipsImage **image, const sluice_plan_t *plan)
{
    return plan->options.fit == SLUICE_FIT_CONTAIN ? extend(image, plan) : 0;
}
