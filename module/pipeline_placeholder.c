#include <math.h>
#include "module/pipeline.h"
#include "module/placeholder.h"

static int side(int length, double scale)
{
    double scaled = rint(length * scale);

    return scaled < 1 ? 1 : (int)scaled;
}

/* crops, borders and turns have been made: all that is left to do is to make it tiny */
int sluice_pipeline_placeholder(VipsImage **image, const sluice_plan_t *plan)
{
    int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
    double scale = SLUICE_PLACEHOLDER_SIDE / (double)(width > height ? width : height);

    if (!plan->options.placeholder || scale >= 1)
        return 0;
    return sluice_pipeline_resize(image, side(width, scale), side(height, scale));
}
