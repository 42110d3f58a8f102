#include <math.h>
#include "module/pipeline.h"

#define MAX_BANDS 4 /* of what an encoder takes */

/* what libvips is to paint with, in the bands of an image: grey, or three colours, and perhaps alpha */
struct st_ink_t {
    double bands[MAX_BANDS];
    int num_bands;
};

static struct st_ink_t make_ink(VipsImage *image, sluice_color_t color)
{
    struct st_ink_t ink = {.num_bands = vips_image_get_bands(image)};
    const double colors[3] = {color.red, color.green, color.blue};
    int has_alpha = vips_image_hasalpha(image), num_colors = ink.num_bands - has_alpha;

    for (int i = 0; i < num_colors && i != 3; ++i)
        ink.bands[i] = has_alpha ? colors[i] : colors[i] * color.alpha / 255; /* on black */
    if (has_alpha)
        ink.bands[ink.num_bands - 1] = color.alpha;
    return ink;
}

/* gives the image the bands that the colour needs */
static int make_room(VipsImage **image, const sluice_plan_t *plan, sluice_color_t color)
{
    VipsImage *next;

    if (!sluice_color_is_grey(color) && vips_image_get_bands(*image) < 3 &&
        sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL)) != 0)
        return -1;
    if (sluice_plan_adds_alpha(plan, color) && !vips_image_hasalpha(*image) &&
        sluice_pipeline_advance(image, &next, vips_addalpha(*image, &next, NULL)) != 0)
        return -1;
    return vips_image_get_bands(*image) <= MAX_BANDS ? 0 : -1;
}

static int extend(VipsImage **image, const sluice_plan_t *plan)
{
    sluice_area_t canvas = plan->geometry.canvas;
    sluice_color_t color = plan->options.contain_background;
    VipsImage *next;

    if (make_room(image, plan, color) != 0)
        return -1;
    struct st_ink_t ink = make_ink(*image, color);
    VipsArrayDouble *background = vips_array_double_new(ink.bands, ink.num_bands);
    int ret =
        sluice_pipeline_advance(image, &next,
                                vips_embed(*image, &next, (int)canvas.left, (int)canvas.top, (int)canvas.width, (int)canvas.height,
                                           "extend", VIPS_EXTEND_BACKGROUND, "background", background, NULL));
    vips_area_unref(VIPS_AREA(background));
    return ret;
}

/* as libvips has the background of what is premultiplied */
static void premultiply_ink(struct st_ink_t *ink)
{
    for (int i = 0; i != ink->num_bands - 1; ++i)
        ink->bands[i] *= ink->bands[ink->num_bands - 1] / 255;
}

static int turn(VipsImage **image, double angle, const struct st_ink_t *ink)
{
    VipsArrayDouble *background = vips_array_double_new(ink->bands, ink->num_bands);
    VipsImage *next;
    int ret = sluice_pipeline_advance(image, &next,
                                      vips_affine(*image, &next, cos(angle), -sin(angle), sin(angle), cos(angle), "background",
                                                  background, "premultiplied", TRUE, NULL));

    vips_area_unref(VIPS_AREA(background));
    return ret;
}

/* reads along lines that are neither rows nor columns. Unlike vips_rotate() with a background that is half transparent */
static int rotate(VipsImage **image, const sluice_plan_t *plan)
{
    sluice_color_t color = plan->options.rotate_background;

    if (make_room(image, plan, color) != 0 || sluice_pipeline_keep_in_memory(image) != 0)
        return -1;
    struct st_ink_t ink = make_ink(*image, color);
    if (vips_image_hasalpha(*image))
        premultiply_ink(&ink);
    if (sluice_pipeline_premultiply(image) != 0 || turn(image, VIPS_RAD(plan->geometry.angle), &ink) != 0)
        return -1;
    return sluice_pipeline_unpremultiply(image, VIPS_FORMAT_UCHAR);
}

int sluice_pipeline_canvas(VipsImage **image, const sluice_plan_t *plan)
{
    if (plan->geometry.canvas.width != 0 && extend(image, plan) != 0)
        return -1;
    return plan->geometry.angle != 0 ? rotate(image, plan) : 0;
}
