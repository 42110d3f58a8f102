#include <string.h>
#include "module/decimal.h"
#include "module/option_table.h"

#define DEFAULT_PNG_LEVEL 6

/* the same picture, turned and mirrored in the fewest steps: upside down and left to right at once is half a turn */
static void canonicalise_orientation(sluice_options_t *o)
{
    int flop_only, half_turns;

    if (o->rotation % 90 != 0)
        return;
    half_turns = o->flip + (int)(o->rotation / 180);
    flop_only = o->flip ^ o->flop;
    o->rotation %= 180;
    o->flip = flop_only && half_turns % 2 != 0;
    o->flop = flop_only && half_turns % 2 == 0;
    if (!flop_only && half_turns % 2 != 0)
        o->rotation += 180;
}

static void canonicalise_size(sluice_options_t *o)
{
    int one_side = o->width.amount == 0 || o->height.amount == 0, no_side = o->width.amount == 0 && o->height.amount == 0;

    if (no_side || (one_side && o->fit != SLUICE_FIT_FILL))
        o->fit = SLUICE_FIT_INSIDE;
    if (o->fit == SLUICE_FIT_CONTAIN && (o->align == SLUICE_ALIGN_ENTROPY || o->align == SLUICE_ALIGN_ATTENTION))
        o->align = SLUICE_ALIGN_CENTER; /* nothing is left out that could be worth more or less */
    if (o->align == SLUICE_ALIGN_FOCAL && o->focal_x == sluice_default_options.focal_x &&
        o->focal_y == sluice_default_options.focal_y)
        o->align = SLUICE_ALIGN_CENTER;
    if (o->crop_width.is_share && o->crop_width.amount == 10000)
        o->crop_width = (sluice_length_t){0};
    if (o->crop_height.is_share && o->crop_height.amount == 10000)
        o->crop_height = (sluice_length_t){0};
}

static void canonicalise_colors(sluice_options_t *o)
{
    sluice_color_t *const backgrounds[] = {&o->contain_background, &o->rotate_background, &o->background, &o->tint};

    for (size_t i = 0; i != sizeof(backgrounds) / sizeof(backgrounds[0]); ++i)
        if (backgrounds[i]->alpha == 0)
            *backgrounds[i] = (sluice_color_t){0};
    if (o->tint.alpha != 0)
        o->tint.alpha = 255; /* only its hue counts */
    o->duotone_start.alpha = o->duotone_stop.alpha = 255;
}

static void canonicalise_numbers(sluice_options_t *o)
{
    if (o->gamma == 1000)
        o->gamma = 0;
    if (o->num_pages == 1)
        o->num_pages = 0;
    if (o->level == DEFAULT_PNG_LEVEL + 1)
        o->level = 0;
    if (!o->placeholder && o->quality == sluice_format_default_quality(o->output)) /* a placeholder has a default of its own */
        o->quality = 0;
}

/* what stays is what `applies`; a row is looked at after the ones that it depends on */
void sluice_options_canonicalise(sluice_options_t *options)
{
    canonicalise_orientation(options);
    canonicalise_size(options);
    canonicalise_colors(options);
    canonicalise_numbers(options);
    for (size_t i = 0; i != sluice_num_options; ++i) {
        const sluice_option_t *option = sluice_options_table + i;
        if (option->applies != NULL && !option->applies(options))
            memset((char *)options + option->offset, 0, option->size);
    }
}

/* all fields are of one or two words; most are compared in vain, so it is done in place */
static int is_default(const sluice_option_t *option, const sluice_options_t *options)
{
    for (size_t at = option->offset; at != option->offset + option->size; at += sizeof(uint32_t)) {
        uint32_t value, def;
        memcpy(&value, (const char *)options + at, sizeof(value));
        memcpy(&def, (const char *)&sluice_default_options + at, sizeof(def));
        if (value != def)
            return 0;
    }
    return 1;
}

static int is_written(const sluice_option_t *option, const sluice_options_t *options)
{
    return option->write != NULL && !is_default(option, options) && (option->applies == NULL || option->applies(options));
}

size_t sluice_options_text(const sluice_options_t *options, char text[SLUICE_OPTIONS_TEXT_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i != sluice_num_options; ++i) {
        const sluice_option_t *option = sluice_options_table + i;
        if (!is_written(option, options))
            continue;
        text[n++] = '&';
        n += sluice_put_text(text + n, option->name);
        text[n++] = '=';
        n += option->write(option, options, text + n);
    }
    if (options->common) /* which no query can ask for by itself */
        n += sluice_put_text(text + n, "&common");
    text[n] = '\0';
    return n;
}
