#include "module/placeholder.h"
#include "module/transform.h"

/* what all that shows pictures shows */
static int is_common(sluice_format_t format)
{
    return format == SLUICE_FORMAT_JPEG || format == SLUICE_FORMAT_PNG || format == SLUICE_FORMAT_GIF;
}

/* TIFF is made when it is asked for, and shown by few */
static int is_shown(sluice_format_t format)
{
    return format != SLUICE_FORMAT_TIFF && format != SLUICE_FORMAT_SVG;
}

static sluice_format_t choose_output(const sluice_plan_t *plan)
{
    const sluice_options_t *options = &plan->options;
    int several = options->num_pages != 0 && options->num_pages != 1;

    if (options->output != SLUICE_FORMAT_NONE)
        return options->output;
    if (options->placeholder && !options->common)
        return SLUICE_FORMAT_WEBP;
    if (!options->placeholder && (options->common ? is_common(plan->facts.format) : is_shown(plan->facts.format)))
        return plan->facts.format;
    if (several && plan->facts.format == SLUICE_FORMAT_WEBP)
        return SLUICE_FORMAT_GIF;
    return plan->facts.alpha ? SLUICE_FORMAT_PNG : SLUICE_FORMAT_JPEG;
}

static uint32_t default_quality(const sluice_options_t *options)
{
    uint32_t quality = sluice_format_default_quality(options->output);

    return options->placeholder && quality > SLUICE_PLACEHOLDER_QUALITY ? SLUICE_PLACEHOLDER_QUALITY : quality;
}

/* then it can be decoded tiny; all else is made as asked for, and tiny at the end */
static int is_plain(const sluice_options_t *options)
{
    return options->width.amount == 0 && options->height.amount == 0 && options->crop_width.amount == 0 &&
           options->crop_height.amount == 0 && options->crop_x.amount == 0 && options->crop_y.amount == 0 && options->blur == 0 &&
           options->sharpen == 0;
}

void sluice_plan_output(sluice_plan_t *plan)
{
    sluice_options_t *options = &plan->options;

    if (options->placeholder && is_plain(options)) {
        options->width.amount = options->height.amount = SLUICE_PLACEHOLDER_SIDE;
        options->fit = SLUICE_FIT_INSIDE;
        options->without_enlargement = 1;
    }
    options->output = choose_output(plan);
    plan->answer_format = options->base64 && options->output != SLUICE_FORMAT_JSON ? SLUICE_FORMAT_TEXT : options->output;
    if (options->quality == 0)
        options->quality = default_quality(options);
}
