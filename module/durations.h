/*
 * durations.h - counting how long things took, in the buckets of health_duration_bounds. Pure; any thread.
 */
#ifndef module__durations_h
#define module__durations_h

#include <stddef.h>
#include "module/counter.h"

#define SLUICE_NUM_DURATIONS 15

/**
 * a histogram
 */
typedef struct st_sluice_durations_t {
    sluice_counter_t buckets[SLUICE_NUM_DURATIONS]; /* each for itself, not added up */
    sluice_counter_t sum_us;
} sluice_durations_t;

/**
 * the first bucket whose bound it does not exceed; the last one has none
 */
size_t sluice_duration_bucket(uint64_t us);
/**
 * @param weight how many of the same length it stands for
 */
void sluice_durations_count(sluice_durations_t *durations, uint64_t us, uint64_t weight);

#endif
