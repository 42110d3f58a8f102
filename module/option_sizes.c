#include "module/option_sizes.h"

#define RATIO_UNIT 1000000
#define SIDE_SHARE_MAX 80000 /* ten-thousandths */

/* a side that was asked for does not vanish */
static uint32_t scale(uint32_t amount, uint64_t by, uint64_t unit, uint64_t max)
{
    uint64_t scaled;

    if (amount == 0)
        return 0;
    scaled = (amount * by + unit / 2) / unit;
    return (uint32_t)(scaled == 0 ? 1 : scaled < max ? scaled : max);
}

static void multiply(sluice_length_t *side, uint32_t pixel_ratio)
{
    side->amount = scale(side->amount, pixel_ratio, RATIO_UNIT, side->is_share ? SIDE_SHARE_MAX : UINT32_MAX);
}

/* brings `side` to the limit, and `other` along if it is in pixels too */
static void limit(sluice_length_t *side, sluice_length_t *other, uint32_t max_side)
{
    if (side->is_share || side->amount <= max_side)
        return;
    if (!other->is_share)
        other->amount = scale(other->amount, max_side, side->amount, UINT32_MAX);
    side->amount = max_side;
}

static uint32_t snap(uint32_t side, const sluice_options_rules_t *rules)
{
    size_t i = 0;

    while (i + 1 < rules->num_widths && rules->widths[i] < side)
        ++i;
    return rules->widths[i] < rules->max_side ? rules->widths[i] : rules->max_side;
}

static void snap_sides(sluice_options_t *options, const sluice_options_rules_t *rules)
{
    uint32_t width = options->width.amount;

    if (width != 0) {
        options->width.amount = snap(width, rules);
        options->height.amount = scale(options->height.amount, options->width.amount, width, rules->max_side);
    } else if (options->height.amount != 0) {
        options->height.amount = snap(options->height.amount, rules);
    }
}

int sluice_options_fit_sizes(sluice_options_t *options, uint32_t pixel_ratio, const sluice_options_rules_t *rules)
{
    if (pixel_ratio != 0) {
        multiply(&options->width, pixel_ratio);
        multiply(&options->height, pixel_ratio);
    }
    limit(&options->width, &options->height, rules->max_side);
    limit(&options->height, &options->width, rules->max_side);
    if (rules->num_widths == 0)
        return 0;
    if (options->width.is_share || options->height.is_share)
        return -1;
    snap_sides(options, rules);
    return 0;
}
