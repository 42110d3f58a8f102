/*
 * image_options.h - the query of an image URL: what it may say, what it means, and its one canonical form.
 *
 * Pure: no allocation, no h2o, no libvips. One meaning has one canonical text, whatever the order, case or spelling of the options,
 * so that it makes one cache key.
 */
#ifndef module__image_options_h
#define module__image_options_h

#include <stddef.h>
#include <stdint.h>
#include "module/presentation.h"

typedef enum en_sluice_format_t {
    SLUICE_FORMAT_NONE, /* as an output: the format of the source */
    SLUICE_FORMAT_JPEG,
    SLUICE_FORMAT_PNG,
    SLUICE_FORMAT_WEBP,
    SLUICE_FORMAT_GIF,
    SLUICE_FORMAT_AVIF,
    SLUICE_FORMAT_TIFF,
    SLUICE_FORMAT_SVG, /* of sources only */
    SLUICE_NUM_SOURCE_FORMATS,
    SLUICE_FORMAT_JSON = SLUICE_NUM_SOURCE_FORMATS, /* of answers only: what is known of the picture */
    SLUICE_FORMAT_TEXT,                             /* of answers only: a picture as a data: URL */
    SLUICE_NUM_FORMATS
} sluice_format_t;

typedef enum en_sluice_fit_t {
    SLUICE_FIT_INSIDE,  /* as large as fits into w x h, whole picture */
    SLUICE_FIT_OUTSIDE, /* as small as covers w x h, whole picture */
    SLUICE_FIT_COVER,   /* exactly w x h, cropped */
    SLUICE_FIT_FILL,    /* exactly w x h, stretched */
    SLUICE_FIT_CONTAIN, /* exactly w x h, whole picture on a background */
    SLUICE_NUM_FITS
} sluice_fit_t;

/**
 * which part `cover` keeps, and where `contain` puts the picture
 */
typedef enum en_sluice_align_t {
    SLUICE_ALIGN_CENTER,
    SLUICE_ALIGN_TOP,
    SLUICE_ALIGN_RIGHT,
    SLUICE_ALIGN_BOTTOM,
    SLUICE_ALIGN_LEFT,
    SLUICE_ALIGN_TOP_LEFT,
    SLUICE_ALIGN_TOP_RIGHT,
    SLUICE_ALIGN_BOTTOM_LEFT,
    SLUICE_ALIGN_BOTTOM_RIGHT,
    SLUICE_ALIGN_ENTROPY,
    SLUICE_ALIGN_ATTENTION,
    SLUICE_ALIGN_FOCAL, /* at focal_x, focal_y */
    SLUICE_NUM_ALIGNS
} sluice_align_t;

typedef enum en_sluice_filter_t {
    SLUICE_FILTER_NONE,
    SLUICE_FILTER_GREYSCALE,
    SLUICE_FILTER_SEPIA,
    SLUICE_FILTER_DUOTONE,
    SLUICE_FILTER_NEGATE,
    SLUICE_NUM_FILTERS
} sluice_filter_t;

/**
 * of a side: pixels, or ten-thousandths of what the source has
 */
typedef struct st_sluice_length_t {
    uint32_t amount; /* 0: not given */
    int is_share;
} sluice_length_t;

typedef struct st_sluice_color_t {
    uint8_t red, green, blue, alpha; /* alpha 0: transparent, which is also what is not given */
} sluice_color_t;

static inline int sluice_color_is_grey(sluice_color_t color)
{
    return color.red == color.green && color.green == color.blue;
}

/**
 * What is to be made of a picture. All zero is the picture as it is, upright and stripped, and each field at 0 is its default,
 * which has no place in the canonical text; thousandths are fixed-point numbers. Device pixel ratio, presets and lists of widths
 * are in the sizes already.
 *
 * What says how something is done is filled in where it is done, with the default if none was asked for, and 0 elsewhere: the focal
 * point with SLUICE_ALIGN_FOCAL; sharpen_flat and _jagged with a sharpen_sigma; the colours of SLUICE_FILTER_DUOTONE. So a 0 in
 * these is a 0 that was asked for.
 */
typedef struct st_sluice_options_t {
    /* size */
    sluice_length_t width, height;
    sluice_fit_t fit;
    int without_enlargement;
    sluice_color_t contain_background;

    /* crop */
    sluice_align_t align;
    uint32_t focal_x, focal_y; /* ten-thousandths of the source's sides */
    sluice_length_t crop_x, crop_y, crop_width, crop_height;
    int crop_first;          /* before the picture is scaled */
    uint32_t trim_threshold; /* 1 to 254 */

    /* orientation, on top of EXIF */
    uint32_t rotation; /* degrees clockwise, 0 to 359 */
    sluice_color_t rotate_background;
    int flip, flop; /* upside down; left to right */

    /* adjustments */
    int blur;                                             /* with no sigma: a fast, mild one */
    uint32_t blur_sigma;                                  /* thousandths */
    int sharpen;                                          /* with no sigma: a fast, mild one */
    uint32_t sharpen_sigma, sharpen_flat, sharpen_jagged; /* thousandths */
    int32_t contrast, brightness;                         /* -100 to 100 */
    uint32_t gamma;                                       /* thousandths, 1000 to 3000 */
    int32_t modulate_brightness, saturation;              /* thousandths above the factor 1: -1000 is 0 */
    uint32_t hue;                                         /* degrees, 0 to 359 */
    sluice_filter_t filter;
    sluice_color_t duotone_start, duotone_stop;
    sluice_color_t tint, background;

    /* output */
    sluice_format_t output;
    uint32_t quality; /* 1 to 100; 0: the default of the format */
    uint32_t level;   /* of PNG's compression, 1 more than asked for; 0: the default */
    int interlaced, lossless, all_filters;
    int32_t page;      /* from 0; SLUICE_PAGE_LARGEST, SLUICE_PAGE_SMALLEST */
    int32_t num_pages; /* 0 and 1: one; SLUICE_ALL_PAGES */
    int placeholder;   /* lqip */
    int base64;        /* the answer is a data: URL */
    int common;        /* without an output: the format of the source only if all clients know it, else JPEG, PNG or GIF */
} sluice_options_t;

#define SLUICE_PAGE_LARGEST (-1)
#define SLUICE_PAGE_SMALLEST (-2)
#define SLUICE_ALL_PAGES (-1)

#define SLUICE_OPTIONS_TEXT_MAX 1024
#define SLUICE_OPTIONS_ERROR_MAX 640

/**
 * a name for options, as they are written in a query
 */
typedef struct st_sluice_preset_t {
    const char *name, *query;
} sluice_preset_t;

/**
 * what a path of the server allows. What it points to is only read.
 */
typedef struct st_sluice_options_rules_t {
    int strict;             /* an unknown option is an error */
    uint32_t max_side;      /* the largest w and h in pixels */
    const uint32_t *widths; /* ascending: the sizes in pixels that there are; NULL: all */
    size_t num_widths;
    const sluice_preset_t *presets; /* what the option p knows */
    size_t num_presets;
    int presets_only; /* any other known option is an error */
} sluice_options_rules_t;

/**
 * parses a query (without the question mark; may be empty, then NULL is allowed). Of an option given twice, the last one counts; a
 * preset comes before all options that stand beside it. A bad value of a known option is always an error.
 * @return 0, or -1 with a sentence of plain ASCII in `error` that names the option and what it takes
 */
int sluice_options_parse(const char *query, size_t len, const sluice_options_rules_t *rules, sluice_options_t *options,
                         sluice_presentation_t *presentation, char error[SLUICE_OPTIONS_ERROR_MAX]);
/**
 * drops what makes no difference, so that one meaning has one form: to be called again when the output has been decided after all.
 * sluice_options_parse() has done it.
 */
void sluice_options_canonicalise(sluice_options_t *options);
/**
 * writes the canonical text, NUL-terminated, and returns its length
 */
size_t sluice_options_text(const sluice_options_t *options, char text[SLUICE_OPTIONS_TEXT_MAX]);

/**
 * in pixels, of a side of `base` pixels; 0: not given
 */
uint32_t sluice_length_pixels(sluice_length_t length, uint32_t base);

/**
 * "jpg", "png", ...; NULL for none
 */
const char *sluice_format_name(sluice_format_t format);
const char *sluice_format_mime_type(sluice_format_t format);
/**
 * the quality that is used when none is asked for; 0 where the format has none
 */
uint32_t sluice_format_default_quality(sluice_format_t format);

#endif
