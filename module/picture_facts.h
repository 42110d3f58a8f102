/*
 * picture_facts.h - what the first bytes of a picture say: its format by content, and whether it must be decoded whole. Pure; reads
 * nothing outside the buffer, allocates nothing.
 */
#ifndef module__picture_facts_h
#define module__picture_facts_h

#include <stddef.h>
#include <stdint.h>
#include "module/image_options.h"

typedef struct st_sluice_picture_facts_t {
    sluice_format_t format; /* SLUICE_FORMAT_NONE: none that we read */
    uint64_t width, height; /* as stored, before orientation; filled in by sniffing for JPEG, PNG, GIF and WebP, else 0 */
    uint64_t pages;         /* 1 unless the decoder says otherwise */
    uint32_t bands;         /* as decoded */
    uint32_t bytes_per_band;
    int whole; /* nothing comes out before all is in: interlaced PNG, WebP that is lossless, animated or has alpha, AVIF, GIF, TIFF,
                  every JPEG but a baseline one in a single scan; also where the first bytes do not tell */
    uint64_t coefficient_bytes; /* what a whole JPEG keeps of its coefficients: 2 bytes for each stored sample; 0: not known */
} sluice_picture_facts_t;

void sluice_picture_sniff(const uint8_t *bytes, size_t len, sluice_picture_facts_t *facts);

/**
 * Upper estimate of the memory that one transform takes on top of its source and of the finished answer.
 *
 * Measured with libvips 8.14 for 24 megapixels scaled to 300 pixels: baseline JPEG 2 MB, plain PNG 22 MB, lossy WebP 4 to 22 MB,
 * lossless WebP 97 MB, progressive JPEG 72 to 75 MB, interlaced PNG 71 to 85 MB, AVIF 140 MB. From these:
 *   fixed part     4 MB of pipeline and codec state
 *   rows           libvips keeps a band of rows per operation: 1024 rows of the source (all, if it has fewer), 64 rows for JPEG,
 *                  which shrinks while it loads
 *   whole decodes  width x height x bands x bytes (PNG), the coefficients (JPEG; when not known, 2 bytes for each band of each
 *                  pixel), x 4 (WebP, GIF: RGBA canvas), x 6 (AVIF: planes, reference frames and RGB)
 *   output         out_width x out_height x 4 bytes, times what its encoder keeps: JPEG, GIF and PNG 2, WebP 4, AVIF 12
 * A baseline JPEG in several scans takes as much as a progressive one. UINT64_MAX when the numbers are beyond all measure.
 */
uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, uint64_t out_width, uint64_t out_height,
                                   sluice_format_t output);

#endif
