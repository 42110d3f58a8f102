/*
 * backoff.h - whether reclaims help, and how long to wait where they do not: a pure function.
 *
 * A reclaim is judged by what left the resident set against what the listeners say they released. Work that was granted memory
 * meanwhile is no fault of the reclaim: what it may have taken counts as returned. A release below effective_min_permille of the
 * budget is not judged, for noise would decide. A poor one is one of which less than effective_permille came back, or of which a
 * listener failed and none released anything. ineffective_after poor ones in a row are ineffective: from then on each poor one
 * doubles the pause, from backoff_ms to backoff_max_ms. One good reclaim, or the return to a normal level, ends it.
 */
#ifndef pressure__backoff_h
#define pressure__backoff_h

#include "pressure/pressure.h"

typedef struct st_pressure_backoff_t {
    uint64_t poor_in_row;
    int ineffective;
    uint64_t pause_ms; /* 0 while effective */
} pressure_backoff_t;

typedef struct st_pressure_outcome_t {
    uint64_t claimed_bytes, before_bytes, after_bytes, granted_bytes /* meanwhile */, budget_bytes;
    int failed; /* a listener says so */
} pressure_outcome_t;

/**
 * Returns whether this reclaim was a poor one.
 */
int pressure_backoff_judge(const pressure_tuning_t *tuning, pressure_backoff_t *backoff, const pressure_outcome_t *outcome);

#endif
