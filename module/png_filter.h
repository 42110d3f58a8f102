/*
 * png_filter.h - undoes the filters of PNG (section 9 of its specification). Any thread.
 */
#ifndef module__png_filter_h
#define module__png_filter_h

#include <stddef.h>
#include <stdint.h>

enum { SLUICE_PNG_FILTER_SLACK = 4 }; /* bytes that must be readable behind `row` and `above` */

/**
 * In place: `row` has `len` bytes, `step` of which are one pixel (1 to 4), and `above` the row above it, of zeros at the top.
 * Returns 0, or -1 for an unknown filter.
 */
int sluice_png_unfilter(uint8_t filter, uint8_t *row, const uint8_t *above, size_t len, size_t step);

#endif
