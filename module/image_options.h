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

typedef enum en_sluice_format_t {
    SLUICE_FORMAT_NONE, /* as an output: the format of the source */
    SLUICE_FORMAT_JPEG,
    SLUICE_FORMAT_PNG,
    SLUICE_FORMAT_WEBP,
    SLUICE_FORMAT_GIF,
    SLUICE_FORMAT_AVIF,
    SLUICE_FORMAT_TIFF, /* of sources only */
    SLUICE_NUM_FORMATS
} sluice_format_t;

typedef enum en_sluice_fit_t {
    SLUICE_FIT_INSIDE,  /* as large as fits into w x h, whole picture */
    SLUICE_FIT_OUTSIDE, /* as small as covers w x h, whole picture */
    SLUICE_FIT_COVER,   /* exactly w x h, centre cropped */
    SLUICE_FIT_FILL,    /* exactly w x h, stretched */
    SLUICE_FIT_CONTAIN, /* exactly w x h, whole picture on a background */
    SLUICE_NUM_FITS
} sluice_fit_t;

typedef struct st_sluice_options_t {
    uint32_t width, height; /* pixels; 0: not given */
    sluice_fit_t fit;
    uint32_t quality; /* 1 to 100; 0: the default of the format */
    sluice_format_t output;
} sluice_options_t;

#define SLUICE_OPTIONS_TEXT_MAX 96
#define SLUICE_OPTIONS_ERROR_MAX 320

/**
 * parses a query (without the question mark; may be empty, then NULL is allowed). Of an option given twice, the last one counts.
 * @param strict whether an unknown option is an error; a bad value of a known one always is
 * @param max_side the largest value of w and h
 * @return 0, or -1 with a sentence of plain ASCII in `error` that names the option and what it takes
 */
int sluice_options_parse(const char *query, size_t len, int strict, uint32_t max_side, sluice_options_t *options,
                         char error[SLUICE_OPTIONS_ERROR_MAX]);
/**
 * writes the canonical text, NUL-terminated, and returns its length
 */
size_t sluice_options_text(const sluice_options_t *options, char text[SLUICE_OPTIONS_TEXT_MAX]);

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
