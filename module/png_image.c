#include "module/png_image.h"
#include "module/png_rows.h"

static int make_rows(VipsRegion *out, void *seq, void *_rows, void *b, gboolean *stop)
{
    (void)seq, (void)b, (void)stop;
    /* vips_sequential() asks for every row once, in order */
    for (int y = 0; y != out->valid.height; ++y)
        if (sluice_png_rows_read(_rows, VIPS_REGION_ADDR(out, 0, out->valid.top + y)) != 0) {
            vips_error("sluice", "broken PNG");
            return -1;
        }
    return 0;
}

static void destroy_rows(VipsImage *image, sluice_png_rows_t *rows)
{
    (void)image;
    sluice_png_rows_destroy(&rows);
}

static int has_shape(VipsImage *image, const sluice_png_shape_t *shape)
{
    return image->BandFmt == VIPS_FORMAT_UCHAR && image->Coding == VIPS_CODING_NONE && (uint32_t)image->Xsize == shape->width &&
           (uint32_t)image->Ysize == shape->height && (uint32_t)image->Bands == shape->bands;
}

/* replaces the pixels of *image; rows belong to it from then on */
static int replace_pixels(VipsImage **image, sluice_png_rows_t *rows)
{
    VipsImage *raw = vips_image_new(), *in_order;

    g_signal_connect(raw, "close", G_CALLBACK(destroy_rows), rows);
    if (vips_image_pipelinev(raw, VIPS_DEMAND_STYLE_THINSTRIP, *image, NULL) != 0 ||
        vips_image_generate(raw, NULL, make_rows, NULL, rows, NULL) != 0 ||
        vips_sequential(raw, &in_order, "tile_height", 16, NULL) != 0) {
        g_object_unref(raw);
        return -1;
    }
    g_object_unref(raw);
    g_object_unref(*image);
    *image = in_order;
    return 0;
}

int sluice_png_image_load(const void *bytes, size_t len, VipsImage **image)
{
    if (vips_pngload_buffer((void *)(uintptr_t)bytes, len, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR,
                            NULL) != 0)
        return -1;
    sluice_png_rows_t *rows = sluice_png_rows_create(bytes, len);
    if (rows == NULL)
        return 0;
    if (!has_shape(*image, sluice_png_rows_shape(rows))) {
        sluice_png_rows_destroy(&rows);
        return 0;
    }
    if (replace_pixels(image, rows) == 0)
        return 0;
    g_clear_object(image);
    return -1;
}
