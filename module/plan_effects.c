/*
 * Memory of the step "adjust" (pipeline_adjust.c), as measured with pictures as wide as they come. Each operation of libvips keeps
 * a strip of rows, of which a conversion to another colour space and back has some dozen, of floats; alpha is taken off and put
 * back in each of them. What reads rows again has all of its picture in memory.
 */
#include "module/transform.h"

enum { STRIPS = 4096, STRIPS_WITH_ALPHA = 14336 }; /* of a conversion, for each pixel of the width */

static uint64_t kept_for_blur(uint32_t sigma_thousandths, uint64_t pixels, uint64_t bytes_per_pixel)
{
    if (sigma_thousandths == 0)
        return 0;
    return pixels * bytes_per_pixel / (sigma_thousandths > 8000 ? 4 : 1); /* see pipeline_sharpness.c */
}

uint64_t sluice_plan_effect_bytes(const sluice_plan_t *plan, int alpha)
{
    const sluice_options_t *options = &plan->options;
    uint64_t width = plan->geometry.answer.width, pixels = width * plan->geometry.answer.height;
    uint64_t conversions = 0;

    if (options->modulate_brightness != 0 || options->saturation != 0 || options->hue != 0)
        ++conversions;
    if (options->tint.alpha != 0)
        ++conversions;
    if (options->sharpen)
        ++conversions;
    if (options->blur)
        ++conversions;
    return conversions * width * (alpha ? STRIPS_WITH_ALPHA : STRIPS) +
           (options->sharpen_sigma != 0 ? pixels * (alpha ? 4 : 3) : 0) +
           kept_for_blur(options->blur_sigma, pixels, alpha ? 16 : 3);
}
