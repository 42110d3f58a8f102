/*
 * Without libvips' pool of threads, which would compute rows ahead: a decoder hands them out in order, and nobody else works at
 * this picture. So it takes a strip at a time, as high as the tiles that libvips was told to use.
 */
#include "module/resize.h"
#include "module/resize_image.h"

#define STRIP_ROWS 16

int sluice_resize_image_can(VipsImage *image, int width, int height)
{
    return image->BandFmt == VIPS_FORMAT_UCHAR && image->Coding == VIPS_CODING_NONE && image->Bands >= 1 && image->Bands <= 4 &&
           width <= image->Xsize && height <= image->Ysize;
}

/* what libvips' own sinks do between two strips; the functions that they do it with are not exported */
static int is_stopped(VipsImage *image)
{
    if (image->progress_signal == NULL)
        return 0;
    g_signal_emit_by_name(image->progress_signal, "eval", image->progress_signal->time);
    return vips_image_iskilled(image->progress_signal);
}

static int push_strips(VipsImage *in, VipsRegion *region, sluice_resizer_t **resizers, size_t num_resizers)
{
    for (int top = 0; top < in->Ysize; top += STRIP_ROWS) {
        VipsRect strip = {0, top, in->Xsize, VIPS_MIN(STRIP_ROWS, in->Ysize - top)};
        if (vips_region_prepare(region, &strip) != 0)
            return -1;
        for (size_t i = 0; i != num_resizers; ++i)
            for (int y = top; y != top + strip.height; ++y)
                sluice_resizer_push(resizers[i], VIPS_REGION_ADDR(region, 0, y));
        if (is_stopped(in))
            return -1;
    }
    return 0;
}

static int push_all(VipsImage *in, sluice_resizer_t **resizers, size_t num_resizers)
{
    VipsRegion *region = vips_region_new(in);

    if (region == NULL)
        return -1;
    int ret = push_strips(in, region, resizers, num_resizers);
    g_object_unref(region);
    return ret;
}

static VipsImage *new_in_memory(VipsImage *in, int width, int height)
{
    VipsImage *out = vips_image_new_memory();

    if (vips_image_pipelinev(out, VIPS_DEMAND_STYLE_ANY, in, NULL) != 0) {
        g_object_unref(out);
        return NULL;
    }
    out->Xsize = width;
    out->Ysize = height;
    if (vips_image_write_prepare(out) != 0) {
        g_object_unref(out);
        return NULL;
    }
    return out;
}

static sluice_resizer_t *create_resizer(VipsImage *in, sluice_resize_target_t *target)
{
    const sluice_resize_t resize = {
        .in_width = (uint32_t)in->Xsize,
        .in_height = (uint32_t)in->Ysize,
        .scaled_width = (uint32_t)target->width,
        .scaled_height = (uint32_t)target->height,
        .left = (uint32_t)target->part.left,
        .top = (uint32_t)target->part.top,
        .out_width = (uint32_t)target->part.width,
        .out_height = (uint32_t)target->part.height,
        .bands = (uint32_t)in->Bands,
        .alpha = vips_image_hasalpha(in),
    };
    sluice_resizer_t *resizer;

    if ((target->out = new_in_memory(in, target->part.width, target->part.height)) == NULL)
        return NULL;
    if ((resizer = sluice_resizer_create(&resize, VIPS_IMAGE_ADDR(target->out, 0, 0))) == NULL)
        vips_error("sluice", "no memory to scale a picture");
    return resizer;
}

int sluice_resize_images(VipsImage *in, sluice_resize_target_t *targets, size_t num_targets)
{
    sluice_resizer_t *resizers[SLUICE_RESIZE_TARGETS_MAX] = {NULL};
    int ret = 0;

    for (size_t i = 0; i != num_targets; ++i)
        targets[i].out = NULL;
    for (size_t i = 0; i != num_targets && ret == 0; ++i)
        ret = (resizers[i] = create_resizer(in, targets + i)) != NULL ? 0 : -1;
    if (ret == 0)
        ret = push_all(in, resizers, num_targets);
    for (size_t i = 0; i != num_targets; ++i) {
        sluice_resizer_destroy(resizers + i);
        if (ret != 0)
            g_clear_object(&targets[i].out);
    }
    return ret;
}
