#include "module/icc_profile.h"
#include "module/pipeline.h"

static int is_srgb_already(VipsImage *image)
{
    const void *profile;
    size_t len;

    return image->Type == VIPS_INTERPRETATION_sRGB && image->BandFmt == VIPS_FORMAT_UCHAR && image->Bands >= 3 &&
           vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len) == 0 && sluice_icc_profile_is_srgb(profile, len);
}

/* numbers of a profile are those of a device: what is stored as Lab or XYZ needs none, and would be read as something else */
static int is_of_a_device(VipsImage *image)
{
    switch (vips_image_guess_interpretation(image)) {
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB:
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
    case VIPS_INTERPRETATION_CMYK:
        return vips_image_get_format(image) == VIPS_FORMAT_UCHAR || vips_image_get_format(image) == VIPS_FORMAT_USHORT;
    default:
        return 0;
    }
}

/*
 * An export profile without one to import from would darken sRGB: its black is another. A profile for other pictures, such as one
 * for RGB in a grey picture, says nothing; then the colours are converted as if there was none.
 */
static void apply_profile(VipsImage **image)
{
    VipsImage *next;

    if (sluice_pipeline_advance(
            image, &next, vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL, NULL)) != 0)
        vips_error_clear();
}

int sluice_pipeline_colour(VipsImage **image, const sluice_plan_t *plan)
{
    VipsImage *next;

    if (plan->has_profile && is_of_a_device(*image) && !is_srgb_already(*image))
        apply_profile(image);
    VipsInterpretation space = vips_image_guess_interpretation(*image),
                       wanted = space == VIPS_INTERPRETATION_GREY16 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (space != VIPS_INTERPRETATION_sRGB && space != VIPS_INTERPRETATION_B_W &&
        sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, wanted, NULL)) != 0)
        return -1;
    if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR &&
        sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL)) != 0)
        return -1;
    return 0;
}
