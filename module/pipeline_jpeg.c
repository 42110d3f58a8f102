#include <stdlib.h>
#include "module/jpeg_thin.h"
#include "module/pipeline.h"
#include "module/reduce.h"

static void free_pixels(VipsImage *image, void *pixels)
{
    (void)image;
    free(pixels);
}

/* to the size that is wanted, if this is the only one: others would be scaled a second time. Returns 0, or -1: they were freed */
static int reduce(sluice_thin_t *thin, const sluice_plan_t *plan, sluice_size_t size)
{
    const sluice_pixels_t from = {thin->width, thin->height, thin->bands, thin->pixels};
    sluice_pixels_t to = {.width = size.width, .height = size.height};

    if (plan->shared || (size.width == thin->width && size.height == thin->height))
        return 0;
    int ret = sluice_reduce(&from, &to);
    free(thin->pixels);
    *thin = (sluice_thin_t){.width = to.width, .height = to.height, .bands = to.bands, .pixels = to.at};
    return ret;
}

/* takes over the pixels; NULL: they were freed */
static VipsImage *wrap(const sluice_thin_t *thin)
{
    VipsImage *image = vips_image_new_from_memory(thin->pixels, (size_t)thin->width * thin->height * thin->bands, (int)thin->width,
                                                  (int)thin->height, (int)thin->bands, VIPS_FORMAT_UCHAR);

    if (image == NULL)
        free(thin->pixels);
    else
        g_signal_connect(image, "postclose", G_CALLBACK(free_pixels), thin->pixels);
    return image;
}

static void *copy_field(VipsImage *from, const char *name, GValue *value, void *to)
{
    (void)from;
    if (vips_image_get_typeof(to, name) == 0)
        vips_image_set(to, name, value);
    return NULL;
}

/* what the file says besides its pixels: orientation, profile and the like. Returns 0, or -1 */
static int copy_fields(void *bytes, size_t len, VipsImage *to)
{
    VipsImage *header;

    if (vips_jpegload_buffer(bytes, len, &header, "shrink", SLUICE_JPEG_THIN_SHRINK, NULL) != 0)
        return -1;
    vips_image_map(header, copy_field, to);
    to->Type = header->Type;
    to->Xres = header->Xres;
    to->Yres = header->Yres;
    g_object_unref(header);
    return 0;
}

static int load_thin(void *bytes, size_t len, const sluice_plan_t *plan, sluice_size_t least, VipsImage **image)
{
    sluice_thin_t thin;

    if (sluice_jpeg_thin(bytes, len, &thin) != 0) {
        vips_error("sluice", "this JPEG is not as regular as it has to be");
        return -1;
    }
    if (reduce(&thin, plan, least) != 0 || (*image = wrap(&thin)) == NULL)
        return -1;
    if (copy_fields(bytes, len, *image) == 0)
        return 0;
    g_object_unref(*image);
    *image = NULL;
    return -1;
}

int sluice_pipeline_load_jpeg(void *bytes, size_t len, const sluice_plan_t *plan, sluice_size_t least, VipsImage **image)
{
    if (sluice_jpeg_is_thinned(&plan->facts, least.width, least.height)) {
        /* one that is decoded whole would take memory that is not reserved */
        if (load_thin(bytes, len, plan, least, image) == 0)
            return 0;
        if (plan->facts.whole != SLUICE_NOT_WHOLE)
            return -1;
        vips_error_clear();
    }
    return vips_jpegload_buffer(bytes, len, image, "shrink", (int)sluice_jpeg_shrink(&plan->facts, least.width, least.height),
                                "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
}
