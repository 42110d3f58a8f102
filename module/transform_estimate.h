/*
 * transform_estimate.h - how much memory a transform takes, before it is run. Pure.
 *
 * An estimate is what is reserved, so it has to be at least what is taken, whatever the picture shows; what is more than that is
 * concurrency lost. Both ends were measured with libvips 8.14 on one thread with strips of 16 rows, see `make bench-estimates` and
 * bench/README.md. In MB, for 24 megapixels scaled to a JPEG of 300 pixels, measured and estimated:
 *
 *   JPEG   baseline 1.5 (3.0), grey 0.8 (2.4), CMYK 10.1 (14.4); progressive or in several scans 4:2:0 73.5 (75.1), 4:4:4 145.5
 * (147.1) PNG    RGB 6.3 (9.1), RGBA 21.1 (29.9), 16 bits 7.5 (16.1); interlaced RGB 77.0 (78.8), RGBA 115.6 (122.8), 16 bits 148.8
 * (155.5) WebP   lossy 1.5 (2.9), lossless 96.9 (98.9), with alpha 28.5 (122.9: a file may hold a plane that takes as much) AVIF
 * 4:2:0 169 (177), 4:4:4 316 (321), with alpha 197 (242) GIF    102 (105), with transparency 117 (126) TIFF   strips 10.7 (18.3)
 */
#ifndef module__transform_estimate_h
#define module__transform_estimate_h

#include "module/picture_facts.h"

/**
 * what is to be made of a picture
 */
typedef struct st_sluice_work_t {
    uint64_t scaled_width, scaled_height; /* as stored, before it is turned, cropped or extended */
    uint64_t width, height;               /* of the answer */
    unsigned copies;                      /* of the scaled picture, in memory: one to turn it, one to crop it */
    sluice_format_t output;
    uint32_t quality;
    int alpha; /* of the answer, before it is encoded */
} sluice_work_t;

/**
 * Upper estimate of the memory that one transform takes on top of its source, its encoded result included:
 *   fixed part     2 MiB of pipeline and codec state; ten times the colour profile, which is unpacked (CMYK has always one)
 *   rows           128 rows as decoded, unless it is an interlaced PNG, and 128 each behind two steps of scaling, in which
 *                  pictures with alpha are of floats. JPEG shrinks by up to 8 while it loads, WebP to the size wanted, from few
 *                  rows
 *   whole decodes  what facts->whole says: coefficients (JPEG), all pixels (PNG, TIFF), or facts->whole_bytes_per_pixel
 *   copies         of the scaled picture, 8 bits; WebP decodes into two of them
 *   output         for each pixel what the encoder keeps, and the encoded bytes of a picture that does not compress
 * UINT64_MAX when the numbers are beyond all measure.
 */
uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, const sluice_work_t *work);
/**
 * a lower bound of the above for whatever may be made of a picture of which only this is known
 */
uint64_t sluice_transform_least(const sluice_picture_facts_t *facts);

#endif
