/*
 * pipeline_effects.h - adjustments that take more than a table: parts of the step "adjust" of pipeline.h, whose rules they keep.
 * Each does nothing where the options do not ask for it.
 */
#ifndef module__pipeline_effects_h
#define module__pipeline_effects_h

#include "module/pipeline.h"
#include "module/tone_curve.h"

/**
 * up to this sigma a blur works on a copy of the whole picture; a larger one works on a smaller picture
 */
#define SLUICE_BLUR_MAX_SIGMA 8

int sluice_pipeline_bend(VipsImage **image, const sluice_tone_curve_t *curve);
int sluice_pipeline_sharpen(VipsImage **image, const sluice_options_t *options);
int sluice_pipeline_blur(VipsImage **image, const sluice_options_t *options);
int sluice_pipeline_filter(VipsImage **image, const sluice_options_t *options);
int sluice_pipeline_tint(VipsImage **image, const sluice_options_t *options);

#endif
