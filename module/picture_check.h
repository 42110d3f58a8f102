/*
 * picture_check.h - whether a source is worth the rest of its bytes: asked while it still arrives. Pure.
 */
#ifndef module__picture_check_h
#define module__picture_check_h

#include "module/errors.h"
#include "module/transform_estimate.h"

/**
 * of a source that this much is looked at; most say what they are in the first hundred bytes, and JPEG behind its metadata
 */
#define SLUICE_CHECK_BYTES (256 * 1024)

typedef struct st_sluice_check_t {
    uint64_t source_bytes;  /* that it has, as far as it is known */
    uint64_t max_pixels;    /* image.max-pixels */
    uint64_t largest_bytes; /* what the budget leaves for one picture: pressure_largest_bytes() */
    int svg;                /* image.svg */
} sluice_check_t;

/**
 * SLUICE_OK: nothing is wrong with the source, as far as its first `len` bytes tell. SLUICE_ERROR_NOT_AN_IMAGE, _TOO_MANY_PIXELS,
 * _SOURCE_TOO_LARGE (SVG), or _SOURCE_NEVER_FITS with *need_bytes set: whatever follows, each rendition of it would end with this
 * error.
 */
sluice_error_t sluice_picture_check(const uint8_t *bytes, size_t len, const sluice_check_t *check, uint64_t *need_bytes);
/**
 * the same of facts from a decoder: SLUICE_OK or SLUICE_ERROR_SOURCE_NEVER_FITS
 */
sluice_error_t sluice_picture_check_need(const sluice_picture_facts_t *facts, const sluice_check_t *check, uint64_t *need_bytes);

#endif
