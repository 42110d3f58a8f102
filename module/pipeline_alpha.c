#include "module/pipeline.h"

int sluice_pipeline_premultiply(VipsImage **image)
{
    VipsImage *next;

    return vips_image_hasalpha(*image) ? sluice_pipeline_advance(image, &next, vips_premultiply(*image, &next, NULL)) : 0;
}

int sluice_pipeline_unpremultiply(VipsImage **image, VipsBandFormat format)
{
    VipsImage *next;

    if (vips_image_hasalpha(*image) && sluice_pipeline_advance(image, &next, vips_unpremultiply(*image, &next, NULL)) != 0)
        return -1;
    if (vips_image_get_format(*image) == format)
        return 0;
    return sluice_pipeline_advance(image, &next, vips_cast(*image, &next, format, NULL));
}

int sluice_pipeline_take_alpha(VipsImage **image, VipsImage **alpha)
{
    int last = vips_image_get_bands(*image) - 1;
    VipsImage *next;

    *alpha = NULL;
    if (!vips_image_hasalpha(*image))
        return 0;
    if (vips_extract_band(*image, alpha, last, NULL) != 0) {
        *alpha = NULL;
        return -1;
    }
    return sluice_pipeline_advance(image, &next, vips_extract_band(*image, &next, 0, "n", last, NULL));
}

int sluice_pipeline_give_alpha(VipsImage **image, VipsImage **alpha)
{
    VipsImage *next;

    return *alpha != NULL ? sluice_pipeline_advance(image, &next, vips_bandjoin2(*image, *alpha, &next, NULL)) : 0;
}
