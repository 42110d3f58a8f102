/*
 * What changes the colours of the finished picture, in the order of wsrv.nl:
 *
 *   brightness --> modulate --> contrast --> gamma --> sharpen --> filter --> blur --> tint --> background
 *
 * All are of 8 bits in and out. Curves that follow each other are one pass.
 */
#include "module/pipeline.h"
#include "module/pipeline_effects.h"
#include "module/tone_curve.h"

/* a table for each channel, of which alpha keeps what it has */
static VipsImage *make_table(const sluice_tone_curve_t *curve, int bands, int alpha)
{
    uint8_t values[256], table[256 * 4];

    sluice_tone_curve_round(curve, values);
    for (int i = 0; i != 256; ++i)
        for (int band = 0; band != bands; ++band)
            table[i * bands + band] = alpha && band == bands - 1 ? (uint8_t)i : values[i];
    return vips_image_new_from_memory_copy(table, (size_t)(256 * bands), 256, 1, bands, VIPS_FORMAT_UCHAR);
}

int sluice_pipeline_bend(VipsImage **image, const sluice_tone_curve_t *curve)
{
    int bands = vips_image_get_bands(*image);
    VipsImage *table = bands <= 4 ? make_table(curve, bands, vips_image_hasalpha(*image)) : NULL, *next;

    if (table == NULL)
        return -1;
    VipsInterpretation space = vips_image_guess_interpretation(*image);
    int ret = sluice_pipeline_advance(image, &next, vips_maplut(*image, &next, table, NULL));
    g_object_unref(table);
    return ret != 0 ? ret : sluice_pipeline_advance(image, &next, vips_copy(*image, &next, "interpretation", space, NULL));
}

static int brighten(VipsImage **image, const sluice_options_t *options)
{
    sluice_tone_curve_t curve;

    if (options->brightness == 0)
        return 0;
    sluice_tone_curve_init(&curve);
    sluice_tone_curve_brighten(&curve, options->brightness);
    return sluice_pipeline_bend(image, &curve);
}

/* lightness and saturation by a factor, hue by an angle */
static int modulate(VipsImage **image, const sluice_options_t *options)
{
    double factors[4] = {1 + options->modulate_brightness / 1000.0, 1 + options->saturation / 1000.0, 1, 1};
    double offsets[4] = {0, 0, options->hue, 0};
    VipsInterpretation space = vips_image_guess_interpretation(*image);
    VipsImage *next;

    if (options->modulate_brightness == 0 && options->saturation == 0 && options->hue == 0)
        return 0;
    if (sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, VIPS_INTERPRETATION_LCH, NULL)) != 0)
        return -1;
    if (sluice_pipeline_advance(image, &next, vips_linear(*image, &next, factors, offsets, vips_image_get_bands(*image), NULL)) !=
        0)
        return -1;
    if (sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, space, NULL)) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL));
}

static int adjust_tones(VipsImage **image, const sluice_options_t *options)
{
    sluice_tone_curve_t curve;

    if (options->contrast == 0 && options->gamma == 0)
        return 0;
    sluice_tone_curve_init(&curve);
    if (options->contrast != 0)
        sluice_tone_curve_contrast(&curve, options->contrast);
    if (options->gamma != 0)
        sluice_tone_curve_gamma(&curve, options->gamma / 1000.0);
    return sluice_pipeline_bend(image, &curve);
}

/* of colours, or of the grey that they make */
static int fill_in(VipsImage **image, const sluice_color_t *color)
{
    double rgb[3] = {color->red, color->green, color->blue};
    double grey = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    int is_grey = vips_image_get_bands(*image) < 3;
    VipsImage *next;
    VipsArrayDouble *background = is_grey ? vips_array_double_new(&grey, 1) : vips_array_double_new(rgb, 3);

    int ret = sluice_pipeline_advance(image, &next, vips_flatten(*image, &next, "background", background, NULL));
    vips_area_unref(VIPS_AREA(background));
    return ret;
}

/* the picture over a background through which one can see */
static int lay_over(VipsImage **image, const sluice_color_t *color)
{
    const double rgba[4] = {color->red, color->green, color->blue, color->alpha};
    VipsImage *next, *plain, *tagged;

    if (vips_image_get_bands(*image) < 3 &&
        sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL)) != 0)
        return -1;
    if ((plain = vips_image_new_from_image(*image, rgba, 4)) == NULL)
        return -1;
    int ret = vips_copy(plain, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    g_object_unref(plain);
    if (ret != 0)
        return -1;
    ret = sluice_pipeline_advance(image, &next, vips_composite2(tagged, *image, &next, VIPS_BLEND_MODE_OVER, NULL));
    g_object_unref(tagged);
    return ret != 0 ? ret : sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL));
}

static int set_background(VipsImage **image, const sluice_color_t *color)
{
    if (color->alpha == 0 || !vips_image_hasalpha(*image))
        return 0;
    return color->alpha == 255 ? fill_in(image, color) : lay_over(image, color);
}

int sluice_pipeline_adjust(VipsImage **image, const sluice_plan_t *plan)
{
    const sluice_options_t *options = &plan->options;

    if (brighten(image, options) != 0 || modulate(image, options) != 0 || adjust_tones(image, options) != 0 ||
        sluice_pipeline_sharpen(image, options) != 0 || sluice_pipeline_filter(image, options) != 0 ||
        sluice_pipeline_blur(image, options) != 0 || sluice_pipeline_tint(image, options) != 0)
        return -1;
    return set_background(image, &options->background);
}
