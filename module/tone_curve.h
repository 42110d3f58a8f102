/*
 * tone_curve.h - adjustments that give each value of a channel another one, as tables of 256. Pure.
 *
 * Each function bends what the curve says so far, so that any number of adjustments are one pass over the picture. The formulas are
 * those of wsrv.nl.
 */
#ifndef module__tone_curve_h
#define module__tone_curve_h

#include <stdint.h>

typedef struct st_sluice_tone_curve_t {
    double values[256]; /* 0 to 255; rounded only when all is done */
} sluice_tone_curve_t;

/**
 * changes nothing
 */
void sluice_tone_curve_init(sluice_tone_curve_t *curve);
/**
 * @param percent -100 (black) to 100 (white)
 */
void sluice_tone_curve_brighten(sluice_tone_curve_t *curve, int32_t percent);
/**
 * a sigmoid around the middle, or its inverse
 * @param percent -100 to 100, not 0
 */
void sluice_tone_curve_contrast(sluice_tone_curve_t *curve, int32_t percent);
/**
 * raises what is between black and white to a power, which darkens it
 */
void sluice_tone_curve_gamma(sluice_tone_curve_t *curve, double exponent);
void sluice_tone_curve_negate(sluice_tone_curve_t *curve);
void sluice_tone_curve_round(const sluice_tone_curve_t *curve, uint8_t table[256]);

#endif
