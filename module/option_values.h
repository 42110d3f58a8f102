/*
 * option_values.h - the values that options of an image URL take, read from text and written as text.
 *
 * Pure functions. Readers take NUL-terminated text and return 0, or -1 when it is not of the form (nothing is written then).
 * Writers write without NUL, and return the length.
 */
#ifndef module__option_values_h
#define module__option_values_h

#include <stddef.h>
#include <stdint.h>
#include "module/image_options.h"

#define SLUICE_MICRO INT64_C(1000000)
#define SLUICE_COLOR_NAME_MAX 20 /* letters of the longest name of a color */

/**
 * a whole number such as 12 or -3, of at most 12 digits
 */
int sluice_read_whole(const char *text, int64_t *value);
/**
 * a decimal such as 12, -3 or 0.25, in millionths; digits beyond are dropped
 */
int sluice_read_decimal(const char *text, int64_t *micro);
/**
 * nothing, 1 or true; 0 or false; in any case
 */
int sluice_read_flag(const char *text, int *value);
/**
 * 300 is pixels, 12.5% is a share
 */
int sluice_read_length(const char *text, sluice_length_t *value);
/**
 * rgb, argb, rrggbb, aarrggbb, with or without a hash in front, or the name of a color; in any case
 */
int sluice_read_color(const char *text, sluice_color_t *value);
/**
 * 86400, 24h, 31d, 2w, 6M or 1y, in seconds. A month has 30 days, a year 365.
 */
int sluice_read_age(const char *text, uint32_t *seconds);

/**
 * value / unit as a decimal without needless zeros; unit is a power of ten
 */
size_t sluice_write_decimal(char *dst, int64_t value, uint32_t unit);
/**
 * the percent sign as it is written in a query, %25
 */
size_t sluice_write_length(char *dst, sluice_length_t value);
size_t sluice_write_color(char *dst, sluice_color_t value);

/**
 * 0xrrggbb of a name in small letters; -1 if there is none (color_names.c)
 */
int32_t sluice_color_of_name(const char *name);

#endif
