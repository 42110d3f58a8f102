#include "module/geometry.h"
#include "module/pipeline.h"

/* in the orientation in which it is stored */
static sluice_size_t stored_scaled_size(const sluice_plan_t *plan)
{
    return plan->swapped ? (sluice_size_t){plan->scaled_height, plan->scaled_width}
                         : (sluice_size_t){plan->scaled_width, plan->scaled_height};
}

static double webp_scale(const sluice_plan_t *plan)
{
    sluice_size_t scaled = stored_scaled_size(plan);
    double by_width = (double)scaled.width / (double)plan->facts.width,
           by_height = (double)scaled.height / (double)plan->facts.height;
    double scale = by_width > by_height ? by_width : by_height;

    return scale < 1 ? scale : 1;
}

int sluice_pipeline_load(const void *bytes, size_t len, const sluice_plan_t *plan, VipsImage **image)
{
    void *buf = (void *)(uintptr_t)bytes;

    switch (plan->facts.format) {
    case SLUICE_FORMAT_JPEG:
        return sluice_pipeline_load_jpeg(buf, len, plan, stored_scaled_size(plan), image);
    case SLUICE_FORMAT_WEBP:
        return vips_webpload_buffer(buf, len, image, "scale", webp_scale(plan), "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_ERROR, NULL);
    default:
        *image = vips_image_new_from_buffer(buf, len, "", "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
        return *image != NULL ? 0 : -1;
    }
}
