#include <string.h>
#include "module/pipeline.h"
#include "module/webp.h"

static int encode_jpeg(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    return vips_jpegsave_buffer(image, out, out_len, "Q", (int)options->quality, "interlace", options->interlaced, "strip", TRUE,
                                "optimize_coding", TRUE, NULL);
}

static int encode_png(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    int compression = options->level != 0 ? (int)options->level - 1 : 6;

    return vips_pngsave_buffer(image, out, out_len, "compression", compression, "interlace", options->interlaced, "filter",
                               options->all_filters ? VIPS_FOREIGN_PNG_FILTER_ALL : VIPS_FOREIGN_PNG_FILTER_NONE, "strip", TRUE,
                               NULL);
}

/*
 * libvips before 8.14.2 writes EXIF and profile into WebP whatever "strip" says (its issue 3340). Of a placeholder of some pixels,
 * exact alpha would be most of the bytes.
 */
static int encode_webp(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    if (vips_webpsave_buffer(image, out, out_len, "Q", (int)options->quality, "lossless", options->lossless, "effort", 4, "alpha_q",
                             options->placeholder ? 20 : 100, "strip", TRUE, NULL) != 0)
        return -1;
    *out_len = sluice_webp_strip(*out, *out_len);
    return 0;
}

static int encode_gif(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    (void)options;
    return vips_gifsave_buffer(image, out, out_len, "strip", TRUE, NULL);
}

/* below effort 3 answers of the same length look worse than those of sharp, from 4 on they take more than twice as long */
static int encode_avif(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    return vips_heifsave_buffer(image, out, out_len, "Q", (int)options->quality, "lossless", options->lossless, "compression",
                                VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort", 3, "strip", TRUE, NULL);
}

static int encode_tiff(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len)
{
    return vips_tiffsave_buffer(image, out, out_len, "Q", (int)options->quality, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_JPEG,
                                "strip", TRUE, NULL);
}

static int (*const encoders[SLUICE_NUM_FORMATS])(VipsImage *image, const sluice_options_t *options, void **out, size_t *out_len) = {
    [SLUICE_FORMAT_JPEG] = encode_jpeg, [SLUICE_FORMAT_PNG] = encode_png,   [SLUICE_FORMAT_WEBP] = encode_webp,
    [SLUICE_FORMAT_GIF] = encode_gif,   [SLUICE_FORMAT_AVIF] = encode_avif, [SLUICE_FORMAT_TIFF] = encode_tiff,
};

/* replaces the file by a data: URL (RFC 2397) that holds it */
static int wrap_in_url(sluice_format_t format, void **out, size_t *out_len)
{
    char *head = g_strdup_printf("data:%s;base64,", sluice_format_mime_type(format));
    size_t head_len = strlen(head), max_len = head_len + (*out_len / 3 + 1) * 4 + 4;
    char *text = g_try_malloc(max_len);
    int state = 0, save = 0;

    if (text != NULL) {
        memcpy(text, head, head_len);
        head_len += g_base64_encode_step(*out, *out_len, FALSE, text + head_len, &state, &save);
        head_len += g_base64_encode_close(FALSE, text + head_len, &state, &save);
        g_free(*out);
        *out = text;
        *out_len = head_len;
    }
    g_free(head);
    return text != NULL ? 0 : -1;
}

int sluice_pipeline_encode(VipsImage *image, const sluice_plan_t *plan, void **out, size_t *out_len)
{
    if (encoders[plan->options.output](image, &plan->options, out, out_len) != 0)
        return -1;
    if (plan->options.base64 && wrap_in_url(plan->options.output, out, out_len) != 0) {
        g_free(*out);
        return -1;
    }
    return 0;
}
