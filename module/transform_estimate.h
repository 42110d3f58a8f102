/*
 * transform_estimate.h - how much memory a transform takes, before it is run. Pure.
 *
 * An estimate is what is reserved, so it has to be at least what is taken, whatever the picture shows; what is more than that is
 * concurrency lost. Both ends were measured with libvips 8.14, concurrency 1 and strips of 16 rows, see `make bench-estimates` and
 * bench/README.md. In MB, for 24 megapixels scaled to a JPEG of 300 pixels, measured and estimated:
 *
 *   JPEG   baseline 2.4 (5.3), CMYK 6.2 (13.1); progressive 4:2:0 11.6 (18.4), 4:4:4 4.4 (7.5), CMYK 198 (205);
 *          for answers above an eighth of its size, progressive or in several scans 4:2:0 73.4 (75.2), 4:4:4 145 (147)
 *   PNG    RGB 2.1 (5.1), RGBA 2.9 (5.9), 16 bits 6 (9.7); interlaced RGB 72.9 (74.8), RGBA 97.3 (98.9), 16 bits 147 (149)
 *   WebP   lossy 1.4 (3.9), lossless 97 (100), with alpha 28 to 49 (125: a file may hold a plane that takes as much)
 *   AVIF   4:2:0 168 (173), 4:4:4 314 (317), with alpha 195 (222); more than 8 bits, not measured, count twice
 *   GIF    98.6 (101), of several frames 99.6 (102)
 *   TIFF   6.1 to 8.4 (9.7), 16 bits 14.4 (25.4); high strips, not measured, twice the picture more
 *   SVG    of 2000 x 2000 pixels: 19,000 elements 40 (202), 288 KB of curves 294 (773), 240 KB of lines 29 (670), 480 KB of text 40
 *          (230); all of these by `bench-estimates run` with files of one kind of thing each
 */
#ifndef module__transform_estimate_h
#define module__transform_estimate_h

#include "module/picture_facts.h"

/**
 * what it takes to read no more than the header of a picture
 */
#define SLUICE_DESCRIPTION_BYTES (UINT64_C(2) << 20)

/**
 * what is to be made of a picture
 */
typedef struct st_sluice_work_t {
    uint64_t loaded_width, loaded_height; /* what the decoder may shrink it to */
    uint64_t width, height;               /* of the answer */
    uint64_t copied_bytes;                /* of pictures on the way that are in memory, to be turned, searched or rotated */
    int trimmed;                          /* all of it is searched before */
    sluice_format_t output;
    uint32_t quality;
    int alpha, coloured; /* of the answer, before it is encoded; whatever the source has */
    int interlaced, lossless;
    int in_text;                      /* wrapped in a data: URL, which is a third longer */
    uint32_t num_frames;              /* of an animation; 0: it is none */
    uint64_t made_width, made_height; /* of what resize.h makes, in memory; 0: libvips scales, or nobody */
} sluice_work_t;

/**
 * The largest factor by which a decoder of JPEG can shrink a picture, so that no less than this (as stored) is left of it: 1, 2, 4
 * or 8.
 */
unsigned sluice_jpeg_shrink(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height);
/**
 * whether the picture is decoded by sluice_jpeg_thin(), if this is the least that must be left of it
 */
int sluice_jpeg_is_thinned(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height);
/**
 * the factor, the same for both sides, by which a drawing is scaled so that it is at least this large; as libvips takes it
 */
double sluice_drawing_scale(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height);
/**
 * Upper estimate of the memory that one transform takes on top of its source, its encoded result included:
 *   fixed part     2 MiB of pipeline and codec state; nine times the colour profile, which is unpacked (CMYK has always one)
 *   rows           128 rows as decoded, unless it is an interlaced PNG. resize.h keeps some rows, and makes a picture in memory;
 *                  where libvips scales there are 128 rows more behind each of its two steps, of floats where there is alpha. JPEG
 *                  shrinks by up to 8 while it loads, WebP to the size wanted, from few rows. To search for
 *                  borders, 1 MiB and 48 rows of floats
 *   whole decodes  what facts->whole says: coefficients (JPEG), all pixels (PNG, TIFF), or facts->whole_bytes_per_pixel
 *   thinning       of JPEG at an eighth of its size, in place of a whole decode: facts->thin_bytes
 *   drawings       of SVG: their tree, and surfaces of a tile's size, of which there are two rows, and as many as facts say
 *   copies         of pictures that are turned, searched for the best crop, or rotated; WebP decodes into two of them
 *   output         for each pixel what the encoder keeps, and the encoded bytes of a picture that does not compress
 * UINT64_MAX when the numbers are beyond all measure.
 */
uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, const sluice_work_t *work);
/**
 * a lower bound of the above for whatever may be made of a picture of which only this is known
 */
uint64_t sluice_transform_least(const sluice_picture_facts_t *facts);

#endif
