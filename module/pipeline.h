/*
 * pipeline.h - the steps of a transform, in the order in which they run:
 *
 *   (load --> find_trim) load --> size --> colour --> canvas --> adjust --> encode
 *
 *   load      decodes, as small as the decoder can make it without falling below plan->least_loaded
 *   size      what geometry.h calls trim, crop, scale, turn, mirror
 *   colour    sRGB, or grey, of 8 bits
 *   canvas    borders, and rotation by other than right angles
 *   adjust    blur, sharpening, contrast, filters, background
 *   encode    into the format of the plan
 *
 * Each of those in the middle replaces *image by a picture that computes what it says, and returns 0; or it returns -1, with *image
 * as far as it came, which the caller drops in any case. Why is in libvips' error buffer. Pictures are lazy, except that scaling
 * down reads all of *image at once, and leaves a picture in memory. The caller's thread; nothing is shared.
 */
#ifndef module__pipeline_h
#define module__pipeline_h

#include <vips/vips.h>
#include "module/transform.h"

/**
 * @param bytes have to stay as long as the image
 */
int sluice_pipeline_load(const void *bytes, size_t len, const sluice_plan_t *plan, VipsImage **image);
int sluice_pipeline_size(VipsImage **image, const sluice_plan_t *plan);
/**
 * What trimming leaves of an image that was just loaded, for which it reads all of it: all of it, too, if nothing differs enough
 * from the pixel at the left top. The caller loads it anew to go on.
 */
int sluice_pipeline_find_trim(VipsImage *image, const sluice_plan_t *plan, sluice_area_t *area);
/**
 * of the steps of size, the scaling, and the crop that follows it
 */
int sluice_pipeline_resize(VipsImage **image, sluice_size_t scaled, sluice_area_t kept);
int sluice_pipeline_colour(VipsImage **image, const sluice_plan_t *plan);
int sluice_pipeline_canvas(VipsImage **image, const sluice_plan_t *plan);
int sluice_pipeline_adjust(VipsImage **image, const sluice_plan_t *plan);
/**
 * @param out to be freed with sluice_transform_free()
 */
int sluice_pipeline_encode(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len);

/**
 * replaces *image by *next, which an operation that returned `ret` made of it; returns 0, or -1 if it failed
 */
static inline int sluice_pipeline_advance(VipsImage **image, VipsImage **next, int ret)
{
    if (ret != 0)
        return -1;
    g_object_unref(*image);
    *image = *next;
    return 0;
}

#endif
