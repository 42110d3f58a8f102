#include "module/pipeline_effects.h"

static int convert(VipsImage **image, VipsInterpretation space)
{
    VipsImage *next;

    if (vips_image_guess_interpretation(*image) == space)
        return 0;
    return sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, space, NULL));
}

static int negate(VipsImage **image)
{
    sluice_tone_curve_t curve;

    sluice_tone_curve_init(&curve);
    sluice_tone_curve_negate(&curve);
    return sluice_pipeline_bend(image, &curve);
}

/* the brown of old photographs: each channel is a mixture of all, and alpha stays */
static int sepia(VipsImage **image)
{
    static const double with_alpha[16] = {0.3588, 0.7044, 0.1368, 0, 0.2990, 0.5870, 0.1140, 0,
                                          0.2392, 0.4696, 0.0912, 0, 0,      0,      0,      1};
    static const double plain[9] = {0.3588, 0.7044, 0.1368, 0.2990, 0.5870, 0.1140, 0.2392, 0.4696, 0.0912};
    VipsImage *next, *matrix;

    if (convert(image, VIPS_INTERPRETATION_sRGB) != 0)
        return -1;
    matrix = vips_image_hasalpha(*image) ? vips_image_new_matrix_from_array(4, 4, with_alpha, 16)
                                         : vips_image_new_matrix_from_array(3, 3, plain, 9);
    if (matrix == NULL)
        return -1;
    int ret = sluice_pipeline_advance(image, &next, vips_recomb(*image, &next, matrix, NULL));
    g_object_unref(matrix);
    return ret == 0 ? sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL)) : ret;
}

static void to_lab(const sluice_color_t *color, float lab[3])
{
    float x, y, z, r, g, b;

    vips_col_sRGB2scRGB_8(color->red, color->green, color->blue, &r, &g, &b);
    vips_col_scRGB2XYZ(r, g, b, &x, &y, &z);
    vips_col_XYZ2Lab(x, y, z, lab, lab + 1, lab + 2);
}

/* 256 colours from one to the other, evenly as the eye sees it */
static VipsImage *make_gradient(const sluice_color_t *start, const sluice_color_t *stop)
{
    float from[3], to[3], lab[256 * 3];
    VipsImage *plain, *tagged = NULL, *table = NULL;

    to_lab(start, from);
    to_lab(stop, to);
    for (int i = 0; i != 256; ++i)
        for (int band = 0; band != 3; ++band)
            lab[3 * i + band] = from[band] + (to[band] - from[band]) * (float)i / 255;
    if ((plain = vips_image_new_from_memory_copy(lab, sizeof(lab), 256, 1, 3, VIPS_FORMAT_FLOAT)) == NULL)
        return NULL;
    if (vips_copy(plain, &tagged, "interpretation", VIPS_INTERPRETATION_LAB, NULL) == 0 &&
        vips_colourspace(tagged, &table, VIPS_INTERPRETATION_sRGB, NULL) != 0)
        table = NULL;
    g_object_unref(plain);
    if (tagged != NULL)
        g_object_unref(tagged);
    return table;
}

static int map_grey(VipsImage **image, VipsImage *table)
{
    VipsImage *next;

    if (sluice_pipeline_advance(image, &next, vips_maplut(*image, &next, table, NULL)) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next, vips_copy(*image, &next, "interpretation", VIPS_INTERPRETATION_sRGB, NULL));
}

static int duotone(VipsImage **image, const sluice_options_t *options)
{
    VipsImage *alpha, *table = make_gradient(&options->duotone_start, &options->duotone_stop);
    int ret = table != NULL ? sluice_pipeline_take_alpha(image, &alpha) : -1;

    if (ret == 0) {
        if (convert(image, VIPS_INTERPRETATION_B_W) != 0 || map_grey(image, table) != 0 ||
            sluice_pipeline_give_alpha(image, &alpha) != 0)
            ret = -1;
        if (alpha != NULL)
            g_object_unref(alpha);
    }
    if (table != NULL)
        g_object_unref(table);
    return ret;
}

int sluice_pipeline_filter(VipsImage **image, const sluice_options_t *options)
{
    switch (options->filter) {
    case SLUICE_FILTER_GREYSCALE:
        return convert(image, VIPS_INTERPRETATION_B_W);
    case SLUICE_FILTER_SEPIA:
        return sepia(image);
    case SLUICE_FILTER_DUOTONE:
        return duotone(image, options);
    case SLUICE_FILTER_NEGATE:
        return negate(image);
    default:
        return 0;
    }
}

/* keeps the lightness, takes the colour */
int sluice_pipeline_tint(VipsImage **image, const sluice_options_t *options)
{
    double factors[4] = {1, 0, 0, 1}, offsets[4] = {0};
    float lab[3];
    VipsImage *next;

    if (options->tint.alpha == 0)
        return 0;
    to_lab(&options->tint, lab);
    offsets[1] = lab[1];
    offsets[2] = lab[2];
    if (convert(image, VIPS_INTERPRETATION_LAB) != 0 ||
        sluice_pipeline_advance(image, &next, vips_linear(*image, &next, factors, offsets, vips_image_get_bands(*image), NULL)) !=
            0 ||
        convert(image, VIPS_INTERPRETATION_sRGB) != 0)
        return -1;
    return sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL));
}
