#include "module/pipeline.h"
#include "module/resize_image.h"

_Static_assert(SLUICE_RESIZE_TARGETS_MAX >= SLUICE_TRANSFORM_PARTS_MAX, "all parts of a run are scaled together");

int sluice_pipeline_keep_in_memory(VipsImage **image)
{
    VipsImage *next = vips_image_copy_memory(*image);

    return sluice_pipeline_advance(image, &next, next != NULL ? 0 : -1);
}

/* the rest of 16 bits is of no use without a profile to convert them by, and costs twice as much on every step */
static int narrow(VipsImage **image)
{
    VipsInterpretation space = vips_image_guess_interpretation(*image);
    VipsImage *next;

    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME) != 0 ||
        (space != VIPS_INTERPRETATION_RGB16 && space != VIPS_INTERPRETATION_GREY16))
        return 0;
    space = space == VIPS_INTERPRETATION_RGB16 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
    return sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, space, NULL));
}

static int extract(VipsImage **image, sluice_area_t area)
{
    sluice_size_t size = {(uint32_t)vips_image_get_width(*image), (uint32_t)vips_image_get_height(*image)};
    VipsImage *next;

    if (sluice_area_is_all(area, size))
        return 0;
    return sluice_pipeline_advance(
        image, &next, vips_extract_area(*image, &next, (int)area.left, (int)area.top, (int)area.width, (int)area.height, NULL));
}

/* what is transparent has no colour, and must not give it to its neighbours */
static int resize_lazily(VipsImage **image, sluice_size_t scaled)
{
    double by_width = (double)scaled.width / vips_image_get_width(*image);
    double by_height = (double)scaled.height / vips_image_get_height(*image);
    VipsBandFormat format = vips_image_get_format(*image);
    VipsImage *next;

    if (sluice_pipeline_premultiply(image) != 0 ||
        sluice_pipeline_advance(image, &next, vips_resize(*image, &next, by_width, "vscale", by_height, NULL)) != 0)
        return -1;
    return sluice_pipeline_unpremultiply(image, format);
}

static sluice_resize_target_t target_of(sluice_size_t scaled, sluice_area_t kept)
{
    return (sluice_resize_target_t){
        (int)scaled.width, (int)scaled.height, {(int)kept.left, (int)kept.top, (int)kept.width, (int)kept.height}, NULL};
}

static int resize_part(VipsImage **image, sluice_size_t scaled, sluice_area_t kept)
{
    sluice_resize_target_t target = target_of(scaled, kept);

    if (target.width != vips_image_get_width(*image) || target.height != vips_image_get_height(*image)) {
        if (narrow(image) != 0)
            return -1;
        if (sluice_resize_image_can(*image, target.width, target.height)) {
            int ret = sluice_resize_images(*image, &target, 1);
            return sluice_pipeline_advance(image, &target.out, ret);
        }
        if (resize_lazily(image, scaled) != 0)
            return -1;
    }
    return extract(image, kept);
}

int sluice_pipeline_resize_all(VipsImage **image, const sluice_plan_t *const *plans, size_t num_plans, VipsImage **scaled)
{
    sluice_resize_target_t targets[SLUICE_RESIZE_TARGETS_MAX];

    if (narrow(image) != 0)
        return -1;
    for (size_t i = 0; i != num_plans; ++i) {
        targets[i] = target_of(plans[i]->geometry.scaled, plans[i]->geometry.kept);
        if (!sluice_resize_image_can(*image, targets[i].width, targets[i].height)) {
            vips_error("sluice", "a picture cannot be scaled with others");
            return -1;
        }
    }
    if (sluice_resize_images(*image, targets, num_plans) != 0)
        return -1;
    for (size_t i = 0; i != num_plans; ++i) {
        scaled[i] = targets[i].out;
        vips_image_set_progress(scaled[i], FALSE); /* that of the source, which may be gone before it */
    }
    return 0;
}

int sluice_pipeline_resize(VipsImage **image, int width, int height)
{
    sluice_size_t size = {(uint32_t)width, (uint32_t)height};

    return resize_part(image, size, (sluice_area_t){0, 0, size.width, size.height});
}

/* what is not all there cannot be read in other orders; of what is cropped away nothing is copied */
static int turn(VipsImage **image, const sluice_geometry_t *geometry)
{
    static const VipsAngle angles[4] = {VIPS_ANGLE_D0, VIPS_ANGLE_D90, VIPS_ANGLE_D180, VIPS_ANGLE_D270};
    VipsImage *next;

    if ((geometry->turn != 0 || geometry->found.width != 0) && sluice_pipeline_keep_in_memory(image) != 0)
        return -1;
    if (geometry->turn != 0 &&
        sluice_pipeline_advance(image, &next, vips_rot(*image, &next, angles[geometry->turn / 90], NULL)) != 0)
        return -1;
    return geometry->mirror ? sluice_pipeline_advance(image, &next, vips_flip(*image, &next, VIPS_DIRECTION_HORIZONTAL, NULL)) : 0;
}

static int search(VipsImage *image, VipsInteresting what, sluice_size_t size, sluice_area_t *area)
{
    VipsImage *found;

    if (vips_smartcrop(image, &found, (int)size.width, (int)size.height, "interesting", what, NULL) != 0)
        return -1;
    *area = (sluice_area_t){(uint32_t)-vips_image_get_xoffset(found), (uint32_t)-vips_image_get_yoffset(found), size.width,
                            size.height};
    g_object_unref(found);
    return 0;
}

/*
 * In 8 bits, which is enough to search: libvips would keep tables of 65536 numbers, by the dozen, if it was left to itself with
 * more of them or with alpha. So alpha is applied before, and is gone, or one more colour that has its entropy.
 */
static int make_searchable(VipsImage **image, VipsInteresting what)
{
    int alpha = vips_image_hasalpha(*image);
    VipsImage *next;

    if (vips_image_get_format(*image) == VIPS_FORMAT_USHORT &&
        sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, "shift", TRUE, NULL)) != 0)
        return -1;
    if (sluice_pipeline_premultiply(image) != 0)
        return -1;
    if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR &&
        sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL)) != 0)
        return -1;
    if (!alpha)
        return 0;
    if (what == VIPS_INTERESTING_ENTROPY)
        return sluice_pipeline_advance(image, &next, vips_copy(*image, &next, "interpretation", VIPS_INTERPRETATION_CMYK, NULL));
    return sluice_pipeline_advance(image, &next, vips_extract_band(*image, &next, 0, "n", vips_image_get_bands(*image) - 1, NULL));
}

static int find(VipsImage *image, const sluice_plan_t *plan, sluice_area_t *area)
{
    VipsInteresting what = plan->options.align == SLUICE_ALIGN_ENTROPY ? VIPS_INTERESTING_ENTROPY : VIPS_INTERESTING_ATTENTION;
    VipsImage *searched = g_object_ref(image);
    int ret = make_searchable(&searched, what);

    if (ret == 0)
        ret = search(searched, what, plan->geometry.found, area);
    g_object_unref(searched);
    return ret;
}

static int crop_found(VipsImage **image, const sluice_plan_t *plan)
{
    sluice_area_t area;

    if (find(*image, plan, &area) != 0 || extract(image, area) != 0)
        return -1;
    return extract(image, plan->geometry.part);
}

static int extract_source(VipsImage **image, const sluice_plan_t *plan)
{
    return extract(image, plan->geometry.source);
}

int sluice_pipeline_size_scaled(VipsImage **image, const sluice_plan_t *plan)
{
    const sluice_geometry_t *geometry = &plan->geometry;

    if (turn(image, geometry) != 0)
        return -1;
    return geometry->found.width != 0 ? crop_found(image, plan) : 0;
}

static int finish_frame(VipsImage **image, const sluice_plan_t *plan)
{
    return extract(image, plan->geometry.kept) == 0 ? sluice_pipeline_size_scaled(image, plan) : -1;
}

int sluice_pipeline_size(VipsImage **image, const sluice_plan_t *plan)
{
    const sluice_geometry_t *geometry = &plan->geometry;
    sluice_size_t stored = {(uint32_t)plan->facts.width, (uint32_t)plan->facts.height};
    int num_frames = plan->num_frames > 1 ? (int)plan->num_frames : 1;

    /* what was shrunk while it was loaded is all of it */
    if (!sluice_area_is_all(geometry->source, stored) && sluice_pipeline_each_page(image, plan, extract_source) != 0)
        return -1;
    if (num_frames == 1)
        return resize_part(image, geometry->scaled, geometry->kept) == 0 ? sluice_pipeline_size_scaled(image, plan) : -1;
    if (sluice_pipeline_resize(image, (int)geometry->scaled.width, (int)geometry->scaled.height * num_frames) != 0)
        return -1;
    return sluice_pipeline_each_page(image, plan, finish_frame);
}
