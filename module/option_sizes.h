/*
 * option_sizes.h - what sizes there are: pixel ratio, limits and lists of widths, put into w and h. Pure.
 */
#ifndef module__option_sizes_h
#define module__option_sizes_h

#include "module/image_options.h"

/**
 * multiplies both sides by the pixel ratio (millionths; 0: 1) and brings them below rules->max_side, with the aspect that they had.
 * With a list of widths, the width in pixels then becomes the next larger one of the list, or the largest one, and the height grows
 * or shrinks with it; without a width, the height is taken from the list.
 * @return 0, or -1: a list does not go with percent
 */
int sluice_options_fit_sizes(sluice_options_t *options, uint32_t pixel_ratio, const sluice_options_rules_t *rules);

#endif
