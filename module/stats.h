/*
 * stats.h - counters of the module. Written by any thread with relaxed atomics; a reader sees each of them exact, but not all at
 * the same instant.
 */
#ifndef module__stats_h
#define module__stats_h

#include <stdatomic.h>
#include <stdint.h>
#include "module/image_options.h"

typedef _Atomic uint64_t sluice_counter_t;

#define SLUICE_NUM_RATIOS 8

/**
 * a histogram of ratios, see memory_ratio.h
 */
typedef struct st_sluice_ratios_t {
    sluice_counter_t buckets[SLUICE_NUM_RATIOS]; /* each for itself, not added up */
    sluice_counter_t sum_millionths;
} sluice_ratios_t;

/**
 * why an answer is a lesser one than was asked for, see degrade.h
 */
typedef enum en_sluice_degraded_t {
    SLUICE_DEGRADED_WEBP_FOR_AVIF,
    SLUICE_DEGRADED_STALE,
    SLUICE_DEGRADED_LARGER,
    SLUICE_NUM_DEGRADED
} sluice_degraded_t;

typedef struct st_sluice_stats_t {
    sluice_counter_t responses[6]; /* of misses, errors and waiters, by hundred; hits are counted by each loop for itself */
    sluice_counter_t shed, bad_requests;
    sluice_counter_t degraded[SLUICE_NUM_DEGRADED];
    sluice_counter_t errors_of_origin, errors_of_image, errors_of_room, errors_of_time;
    sluice_counter_t fetches, fetch_failures, fetched_bytes, fetches_in_progress;
    sluice_counter_t transforms_begun, transform_overruns, overrun_warned_ms;
    sluice_ratios_t memory_ratios[SLUICE_NUM_SOURCE_FORMATS]; /* by format of the source: what transforms took of their estimates */
    sluice_counter_t transforms, transform_failures, transforms_cancelled, transforms_shared, transform_us;
} sluice_stats_t;

static inline void sluice_count(sluice_counter_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline void sluice_uncount(sluice_counter_t *counter, uint64_t by)
{
    atomic_fetch_sub_explicit(counter, by, memory_order_relaxed);
}

static inline uint64_t sluice_counted(const sluice_counter_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/**
 * for a counter with one writer: no locked instruction
 */
static inline void sluice_count_own(sluice_counter_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

#endif
