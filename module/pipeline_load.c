#include <stdio.h>
#include "module/pipeline.h"
#include "module/png_image.h"

static double webp_scale(const sluice_plan_t *plan)
{
    double by_width = (double)plan->least_loaded.width / (double)plan->facts.width,
           by_height = (double)plan->least_loaded.height / (double)plan->facts.height;
    double scale = by_width > by_height ? by_width : by_height;

    return scale < 1 ? scale : 1;
}

static int load_pages(const void *bytes, size_t len, const sluice_plan_t *plan, VipsImage **image)
{
    char pages[64] = "";

    if (plan->first_page != 0 || plan->num_frames > 1)
        snprintf(pages, sizeof(pages), "page=%u,n=%u", (unsigned)plan->first_page, (unsigned)plan->num_frames);
    *image = vips_image_new_from_buffer(bytes, len, pages, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
    return *image != NULL ? 0 : -1;
}

/*
 * The loader of AVIF keeps EXIF and profiles in memory that goes with its image, and says so to nobody. An image that was made of
 * that one in memory has the same fields, and outlives it: so they become copies that each image holds on to.
 */
static void hold_blobs(VipsImage *image)
{
    char **names = vips_image_get_fields(image);
    const void *blob;
    size_t len;

    for (char **name = names; name != NULL && *name != NULL; ++name)
        if (vips_image_get_typeof(image, *name) == VIPS_TYPE_BLOB && vips_image_get_blob(image, *name, &blob, &len) == 0)
            vips_image_set_blob_copy(image, *name, blob, len);
    g_strfreev(names);
}

static int load_avif(const void *bytes, size_t len, const sluice_plan_t *plan, VipsImage **image)
{
    if (load_pages(bytes, len, plan, image) != 0)
        return -1;
    hold_blobs(*image);
    return 0;
}

static int draw_svg(void *buf, size_t len, double scale, VipsImage **image)
{
    return vips_svgload_buffer(buf, len, image, "scale", scale, NULL);
}

/*
 * The size of a drawing is a fraction, of which the plan knows what libvips rounds it to. If that makes a difference at this scale,
 * it is drawn at the right one, so that nothing of it has to be scaled as pixels.
 */
static int load_svg(void *buf, size_t len, const sluice_plan_t *plan, VipsImage **image)
{
    sluice_size_t least = plan->least_loaded;
    double scale = sluice_drawing_scale(&plan->facts, least.width, least.height);

    if (draw_svg(buf, len, scale, image) != 0)
        return -1;
    sluice_picture_facts_t drawn = {.width = (uint64_t)vips_image_get_width(*image),
                                    .height = (uint64_t)vips_image_get_height(*image)};
    double correction = sluice_drawing_scale(&drawn, least.width, least.height);
    if ((drawn.width == least.width && drawn.height >= least.height) ||
        (drawn.height == least.height && drawn.width >= least.width))
        return 0;
    g_object_unref(*image);
    return draw_svg(buf, len, scale * correction, image);
}

int sluice_pipeline_load(const void *bytes, size_t len, const sluice_plan_t *plan, VipsImage **image)
{
    void *buf = (void *)(uintptr_t)bytes;

    switch (plan->facts.format) {
    case SLUICE_FORMAT_JPEG:
        return sluice_pipeline_load_jpeg(buf, len, plan, plan->least_loaded, image);
    case SLUICE_FORMAT_PNG:
        return sluice_png_image_load(bytes, len, image);
    case SLUICE_FORMAT_WEBP:
        /* frames are parts of a canvas: scaled one by one they would not meet */
        if (plan->first_page != 0 || plan->num_frames > 1)
            return load_pages(bytes, len, plan, image);
        return vips_webpload_buffer(buf, len, image, "scale", webp_scale(plan), "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_ERROR, NULL);
    case SLUICE_FORMAT_AVIF:
        return load_avif(bytes, len, plan, image);
    case SLUICE_FORMAT_SVG:
        return load_svg(buf, len, plan, image);
    default:
        return load_pages(bytes, len, plan, image);
    }
}
