/*
 * geometry.h - from the size of a source and the options to the size of the answer. Pure.
 */
#ifndef module__geometry_h
#define module__geometry_h

#include "module/image_options.h"

typedef struct st_sluice_size_t {
    uint32_t width, height;
} sluice_size_t;

/**
 * the size of the scaled picture, before cover crops it or contain extends it; at least 1 x 1
 */
sluice_size_t sluice_scaled_size(sluice_size_t source, const sluice_options_t *options);
/**
 * the size of the answer
 */
sluice_size_t sluice_answer_size(sluice_size_t source, const sluice_options_t *options);

#endif
