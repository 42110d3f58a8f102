/*
 * picture_facts.h - what the bytes of a picture say: its format by content, its size, and whether it must be decoded whole. Pure;
 * reads nothing outside the buffer, allocates nothing, and takes time by the number of segments or boxes, not of bytes.
 */
#ifndef module__picture_facts_h
#define module__picture_facts_h

#include <stddef.h>
#include <stdint.h>
#include "module/image_options.h"

#define SLUICE_JPEG_BLOCK_BYTES 128 /* of 64 coefficients */

/**
 * Whether nothing comes out of the decoder before all is in: interlaced PNG, every JPEG but a baseline one in a single scan, WebP
 * that is lossless or has alpha, AVIF, GIF, TIFF in large strips.
 */
typedef enum en_sluice_whole_t {
    SLUICE_NOT_WHOLE,   /* it streams */
    SLUICE_MAYBE_WHOLE, /* these bytes do not tell, or what is kept may be less */
    SLUICE_WHOLE
} sluice_whole_t;

typedef struct st_sluice_picture_facts_t {
    sluice_format_t format; /* SLUICE_FORMAT_NONE: none that we read */
    uint64_t width,
        height;     /* of one page, as stored, before orientation; 0: these bytes do not tell. Never filled in for TIFF and SVG */
    uint32_t bands; /* as decoded; at least, where only the decoder can tell */
    uint32_t bytes_per_band;
    sluice_whole_t whole;
    uint64_t coefficient_bytes;     /* what a whole JPEG keeps of its coefficients; 0: not known */
    uint32_t whole_bytes_per_pixel; /* what other decoders keep of a whole picture; 0: as much as its pixels take */
    /* not sniffed: filled in from the decoder */
    int alpha;
    uint64_t profile_bytes; /* of the colour profile */
    uint64_t thin_bytes;    /* sluice_jpeg_thin_bytes() */
    uint64_t drawing_bytes; /* of SVG: what it takes but for surfaces (svg_scan.h) */
    uint32_t surfaces;      /* of SVG */
} sluice_picture_facts_t;

/**
 * @param len may be less than the file has: what is said of it then is true of the file too, where it is not "do not tell"
 */
void sluice_picture_sniff(const uint8_t *bytes, size_t len, sluice_picture_facts_t *facts);

#endif
