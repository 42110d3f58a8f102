/*
 * reduce.h - pictures in memory, made smaller. Pure.
 *
 * The kernel is Lanczos with 3 lobes, as libvips' is, which works at pictures that come in strips. For one that lies there, of 8
 * bits and without alpha, this takes a quarter of the time.
 */
#ifndef module__reduce_h
#define module__reduce_h

#include <stddef.h>
#include <stdint.h>

typedef struct st_sluice_pixels_t {
    uint32_t width, height, bands; /* 1 or 3 bands */
    uint8_t *at;                   /* without gaps */
} sluice_pixels_t;

/**
 * @param to its width and height are set, neither of them above that of `from`; to->at becomes memory that the caller frees
 * Returns 0, or -1 without memory. Besides that of the result it takes a few rows.
 */
int sluice_reduce(const sluice_pixels_t *from, sluice_pixels_t *to);

#endif
