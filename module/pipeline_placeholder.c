#include <math.h>
#include "module/pipeline.h"
#include "module/placeholder.h"

/* crops, borders and turns have been made: all that is left to do is to make it tiny */
int sluice_pipeline_placeholder(VipsImage **image, const sluice_plan_t *plan)
{
    int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
    double scale = SLUICE_PLACEHOLDER_SIDE / (double)(width > height ? width : height);
    double by_width = fmax(scale, 1.0 / width), by_height = fmax(scale, 1.0 / height);
    VipsImage *next;

    if (!plan->options.placeholder || scale >= 1)
        return 0;
    if (sluice_pipeline_premultiply(image) != 0 ||
        sluice_pipeline_advance(image, &next, vips_resize(*image, &next, by_width, "vscale", by_height, NULL)) != 0)
        return -1;
    return sluice_pipeline_unpremultiply(image, VIPS_FORMAT_UCHAR);
}
