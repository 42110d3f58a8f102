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
 *   encode    into the format of the plan; a placeholder is made tiny before
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
/**
 * of the step of load, that of JPEG
 * @param least that must be left of it, as stored
 */
int sluice_pipeline_load_jpeg(void *bytes, size_t len, const sluice_plan_t *plan, sluice_size_t least, VipsImage **image);
int sluice_pipeline_size(VipsImage **image, const sluice_plan_t *plan);
/**
 * What trimming leaves of an image that was just loaded, for which it reads all of it: all of it, too, if nothing differs enough
 * from the pixel at the left top. The caller loads it anew to go on.
 */
int sluice_pipeline_find_trim(VipsImage *image, const sluice_plan_t *plan, sluice_area_t *area);
/**
 * Which pages of the source a plan is about, by its options, which are filled in: first_page and num_frames. Of another page than
 * the first one the header is opened in place of *image.
 */
sluice_error_t sluice_pipeline_choose_pages(const void *bytes, size_t len, VipsImage **image, sluice_plan_t *plan);
typedef int (*sluice_pipeline_step_t)(VipsImage **image, const sluice_plan_t *plan);
/**
 * takes a step with each page of an image, of which all are of one size before and after it
 */
int sluice_pipeline_each_page(VipsImage **image, const sluice_plan_t *plan, sluice_pipeline_step_t step);
/**
 * says where the pages part, and how long each is shown
 */
int sluice_pipeline_mark_pages(VipsImage **image, const sluice_plan_t *plan);
/**
 * of the steps of size, the scaling of a picture that is read once, for several plans of one source: as it would be done for each.
 * @param scaled set on success, the caller's to unref
 */
int sluice_pipeline_resize_all(VipsImage **image, const sluice_plan_t *const *plans, size_t num_plans, VipsImage **scaled);
/**
 * what follows it
 */
int sluice_pipeline_size_scaled(VipsImage **image, const sluice_plan_t *plan);
/**
 * the scaling alone
 */
int sluice_pipeline_resize(VipsImage **image, int width, int height);
int sluice_pipeline_colour(VipsImage **image, const sluice_plan_t *plan);
int sluice_pipeline_canvas(VipsImage **image, const sluice_plan_t *plan);
int sluice_pipeline_adjust(VipsImage **image, const sluice_plan_t *plan);
int sluice_pipeline_placeholder(VipsImage **image, const sluice_plan_t *plan);
/**
 * @param out to be freed with sluice_transform_free()
 */
int sluice_pipeline_encode(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len);
/**
 * in place of all of these: what the header of a picture says, as JSON, with the names of wsrv.nl and sharp. No pixel is decoded.
 * @param image as loaded for its header
 */
int sluice_pipeline_describe(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len);

/**
 * what is transparent has no colour, and must not give it to its neighbours: around all that mixes pixels. Pictures without alpha
 * stay as they are, but for the format
 */
int sluice_pipeline_premultiply(VipsImage **image);
int sluice_pipeline_unpremultiply(VipsImage **image, VipsBandFormat format);
/**
 * parts a picture and its alpha, and joins them again
 * @param alpha the caller's, also after an error; NULL for a picture that has none
 */
int sluice_pipeline_take_alpha(VipsImage **image, VipsImage **alpha);
int sluice_pipeline_give_alpha(VipsImage **image, VipsImage **alpha);

/**
 * computes all of it into memory, for what reads it in another order, or again and again
 */
int sluice_pipeline_keep_in_memory(VipsImage **image);

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
