/*
 * stats.h - counters of the module. Written by any thread with relaxed atomics; a reader sees each of them exact, but not all at
 * the same instant.
 */
#ifndef module__stats_h
#define module__stats_h

#include "module/counter.h"
#include "module/durations.h"
#include "module/image_options.h"

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

/**
 * how a request for a picture ended, as far as its duration is concerned
 */
typedef enum en_sluice_outcome_t {
    SLUICE_OUTCOME_HIT,   /* from the cache, at once */
    SLUICE_OUTCOME_MISS,  /* with a picture for which it waited, be it another or an expired one */
    SLUICE_OUTCOME_ERROR, /* 4xx and 5xx, but for the next */
    SLUICE_OUTCOME_SHED,  /* 503: memory or a queue is full */
    SLUICE_NUM_OUTCOMES
} sluice_outcome_t;

typedef enum en_sluice_span_t {
    SLUICE_SPAN_QUEUE,
    SLUICE_SPAN_FETCH,
    SLUICE_SPAN_DECODE,
    SLUICE_SPAN_TRANSFORM,
    SLUICE_SPAN_ENCODE,
    SLUICE_NUM_SPANS
} sluice_span_t;

typedef struct st_sluice_stats_t {
    sluice_counter_t responses[6]; /* of misses, errors and waiters, by hundred; hits are counted by each loop for itself */
    sluice_counter_t shed, bad_requests;
    sluice_counter_t degraded[SLUICE_NUM_DEGRADED];
    sluice_counter_t errors_of_origin, errors_of_image, errors_of_room, errors_of_time;
    sluice_counter_t fetches, fetch_failures, fetched_bytes, fetches_in_progress;
    sluice_counter_t transforms_begun, transform_overruns, overrun_warned_ms;
    sluice_ratios_t memory_ratios[SLUICE_NUM_SOURCE_FORMATS]; /* by format of the source: what transforms took of their estimates */
    sluice_counter_t transforms, transform_failures, transforms_cancelled, transforms_shared, transform_us;
    sluice_counter_t slow_requests;
    sluice_durations_t request_durations[SLUICE_NUM_OUTCOMES], span_durations[SLUICE_NUM_SPANS];
    sluice_durations_t fetch_durations[2]; /* that went well, that failed */
    sluice_durations_t transform_durations;
} sluice_stats_t;

#endif
