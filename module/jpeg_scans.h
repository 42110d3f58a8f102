/*
 * jpeg_scans.h - how many scans a JPEG has. Pure.
 *
 * A progressive one has ten or so. Each takes a walk over all blocks of the picture, before the first pixel comes out and without
 * any means to stop it, and may be a few bytes long: three thousand of them, in a file of 100 KB, keep a decoder busy for a minute
 * (libjpeg-turbo's notes on what its library does not guard against). libvips has a limit of 100 from 8.15 on.
 */
#ifndef module__jpeg_scans_h
#define module__jpeg_scans_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_JPEG_SCANS_MAX 100

/**
 * counts them, up to `max`. Takes about a nanosecond for a few bytes; what is behind the end, or no JPEG, has none.
 */
size_t sluice_jpeg_count_scans(const uint8_t *bytes, size_t len, size_t max);

#endif
