/*
 * jpeg_planes.h - from the samples of a JPEG's components to pixels. Pure.
 */
#ifndef module__jpeg_planes_h
#define module__jpeg_planes_h

#include "module/jpeg_entropy.h"

typedef struct st_sluice_jpeg_planes_t {
    const sluice_jpeg_component_t *components;
    unsigned num_components; /* 1 or 3 */
    unsigned max_h, max_v;   /* of their sampling factors */
    int is_rgb;              /* else Y, Cb, Cr */
    uint32_t width, height;  /* of the pixels */
} sluice_jpeg_planes_t;

/**
 * @param pixels num_components bytes for each
 * Returns 0, or -1 without memory for a few rows.
 */
int sluice_jpeg_planes_merge(const sluice_jpeg_planes_t *planes, uint8_t *pixels);

#endif
