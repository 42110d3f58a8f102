/*
 * memory_ratio.h - what transforms took, as a part of what was estimated: when a measurement counts, and where it is counted. Pure.
 */
#ifndef module__memory_ratio_h
#define module__memory_ratio_h

#include <stddef.h>
#include "module/stats.h"

/**
 * All that changes the resident set by more than a little, as counts. A measurement is the growth of the resident set of the whole
 * process, so it is that of one transform only if nothing else was at work at any time between its begin and its end.
 */
typedef struct st_sluice_company_t {
    uint64_t transforms_begun, transforms_ended; /* with the one that is measured begun, and not yet ended */
    uint64_t fetches_begun, fetches_in_progress;
    uint64_t reclaims; /* and other events of the coordinator */
} sluice_company_t;

int sluice_was_alone(const sluice_company_t *at_begin, const sluice_company_t *at_end);

/**
 * the first bucket whose bound (health_ratio_bounds) the ratio does not exceed; the last one has none
 */
size_t sluice_ratio_bucket(uint64_t taken_bytes, uint64_t estimate_bytes);
/**
 * whether more than 1.25 times the estimate was taken
 */
int sluice_is_overrun(uint64_t taken_bytes, uint64_t estimate_bytes);

void sluice_ratios_count(sluice_ratios_t *ratios, uint64_t taken_bytes, uint64_t estimate_bytes);

#endif
