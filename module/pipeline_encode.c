#include "module/pipeline.h"
#include "module/webp.h"

/* libvips before 8.14.2 writes EXIF and profile into WebP whatever "strip" says (its issue 3340) */
static int encode_webp(VipsImage *image, int quality, void **out, size_t *out_len)
{
    if (vips_webpsave_buffer(image, out, out_len, "Q", quality, "effort", 4, "strip", TRUE, NULL) != 0)
        return -1;
    *out_len = sluice_webp_strip(*out, *out_len);
    return 0;
}

int sluice_pipeline_encode(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len)
{
    int quality = (int)plan->options.quality;

    switch (plan->options.output) {
    case SLUICE_FORMAT_JPEG:
        return vips_jpegsave_buffer(image, out, out_len, "Q", quality, "strip", TRUE, "optimize_coding", TRUE, NULL);
    case SLUICE_FORMAT_PNG:
        return vips_pngsave_buffer(image, out, out_len, "compression", 6, "strip", TRUE, NULL);
    case SLUICE_FORMAT_WEBP:
        return encode_webp(image, quality, out, out_len);
    case SLUICE_FORMAT_GIF:
        return vips_gifsave_buffer(image, out, out_len, "strip", TRUE, NULL);
    default: /* below effort 3 answers of the same length look worse than those of sharp, from 4 on they take twice as long */
        return vips_heifsave_buffer(image, out, out_len, "Q", quality, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort",
                                    3, "strip", TRUE, NULL);
    }
}
