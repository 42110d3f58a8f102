/*
 * option_table.h - every option of an image URL is one row: its name, what it takes, how that is read and how it is written into
 * the canonical text.
 *
 * The order of the rows is that of the canonical text, and the one in which the options of a query are read, whatever order they
 * came in: a list (crop, mod, sharp, a=focal-x-y) comes before the options that its parts stand for, so that these win.
 */
#ifndef module__option_table_h
#define module__option_table_h

#include "module/image_options.h"

/**
 * what the rows read into
 */
typedef struct st_sluice_draft_t {
    sluice_options_t options; /* first, so that offsets are the same in both */
    sluice_presentation_t presentation;
    uint32_t pixel_ratio;                       /* millionths; 0: 1 */
    int enlargement_given, reduced_by_fit_name; /* there was a `we`; the fit has a name that implies it */
    uint32_t max_side;                          /* of the rules */
} sluice_draft_t;

typedef struct st_sluice_option_word_t {
    const char *word; /* NULL ends a list of words */
    int value;
} sluice_option_word_t;

typedef struct st_sluice_option_t {
    const char *name;
    /* reads a decoded value, NUL-terminated. Returns 0, or -1 when the option does not take it */
    int (*read)(const struct st_sluice_option_t *option, const char *value, sluice_draft_t *draft);
    /* writes what stands behind "&name=", and returns its length. NULL: has no place in the text */
    size_t (*write)(const struct st_sluice_option_t *option, const sluice_options_t *options, char *dst);
    size_t offset, size;                      /* of the field in the draft, and in the options if there is `write` */
    int64_t min, max;                         /* of numbers: what may be written; thousandths, but as it is if unit is 1 */
    int32_t unit, bias;                       /* of numbers: n is stored as n * unit + bias */
    int or_zero;                              /* of numbers: 0 is taken although it is below min */
    int (*applies)(const sluice_options_t *); /* whether the field makes a difference; NULL: always */
    const sluice_option_word_t *words;        /* of words: the first one of a value is the canonical one */
    const char *bare;                         /* what stands for no value; NULL: that is an error */
    const char *takes;                        /* for "option w is `x`; it takes ..." */
} sluice_option_t;

#define SLUICE_OPTIONS_MAX 64 /* rows */
extern const sluice_option_t sluice_options_table[];
extern const size_t sluice_num_options;

/**
 * by name or by a synonym; NULL: there is none
 */
const sluice_option_t *sluice_option_find(const char *name);
/**
 * whether it is an option of wsrv.nl that there is not here
 */
int sluice_option_is_foreign(const char *name);
/**
 * what holds when no option is given, see sluice_options_t
 */
extern const sluice_options_t sluice_default_options;

#endif
