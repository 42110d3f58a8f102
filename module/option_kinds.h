/*
 * option_kinds.h - the ways to read and to write the value of an option, for the rows of option_table.c. Pure.
 */
#ifndef module__option_kinds_h
#define module__option_kinds_h

#include "module/option_table.h"

#define SLUICE_READER(kind) int sluice_read_option_##kind(const sluice_option_t *option, const char *value, sluice_draft_t *draft)
#define SLUICE_WRITER(kind)                                                                                                        \
    size_t sluice_write_option_##kind(const sluice_option_t *option, const sluice_options_t *options, char *dst)

SLUICE_READER(number); /* within min, max; stored by unit and bias */
SLUICE_WRITER(number);
SLUICE_READER(degrees); /* the same, brought into 0 to 359 */
SLUICE_READER(count);   /* the same, but not 0 */
SLUICE_READER(side);    /* a length of up to draft->max_side pixels or 800 % */
SLUICE_READER(length);  /* a length of min to max pixels, or of up to 100 % */
SLUICE_WRITER(length);
SLUICE_READER(flag);
SLUICE_READER(enlargement); /* a flag, and that it was given */
SLUICE_WRITER(flag);
SLUICE_READER(color);
SLUICE_WRITER(color);
SLUICE_READER(word);
SLUICE_WRITER(word);
SLUICE_READER(fit);    /* a word, and what the old ones imply */
SLUICE_READER(align);  /* a word, or focal-x-y */
SLUICE_READER(effect); /* `true`, or a number: an int field followed by its sigma */
SLUICE_WRITER(effect);
SLUICE_READER(sharpen);  /* an effect, or flat,jagged,sigma */
SLUICE_READER(modulate); /* a number, or brightness,saturation,hue */
SLUICE_READER(crop);     /* w,h,x,y */
SLUICE_READER(age);
SLUICE_READER(filename);
SLUICE_READER(fallback);
SLUICE_READER(preset); /* takes none: presets are put in before anything is read */

#endif
