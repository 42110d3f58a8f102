#include "module/icc_profile.h"
#include "module/pipeline.h"

static int is_srgb_already(VipsImage *image)
{
    const void *profile;
    size_t len;

    return image->Type == VIPS_INTERPRETATION_sRGB && image->BandFmt == VIPS_FORMAT_UCHAR && image->Bands >= 3 &&
           vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len) == 0 && sluice_icc_profile_is_srgb(profile, len);
}

int sluice_pipeline_colour(VipsImage **image, const sluice_plan_t *plan)
{
    VipsImage *next;

    /* an export profile without one to import from would darken sRGB: its black is another */
    if (plan->has_profile && !is_srgb_already(*image) &&
        sluice_pipeline_advance(
            image, &next, vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL, NULL)) != 0)
        return -1;
    VipsInterpretation space = vips_image_guess_interpretation(*image);
    if ((space != VIPS_INTERPRETATION_sRGB && space != VIPS_INTERPRETATION_B_W) &&
        sluice_pipeline_advance(image, &next, vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL)) != 0)
        return -1;
    if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR &&
        sluice_pipeline_advance(image, &next, vips_cast_uchar(*image, &next, NULL)) != 0)
        return -1;
    return 0;
}
