/*
 * trend.h - how the figures went, in fixed memory: a ring of points for each of three periods.
 *
 *   each 1 s for 5 min, each 10 s for 1 h, each 60 s for a day
 *
 * Every observation goes into the newest point of every ring, or begins a new one when its time belongs to the next period; so no
 * ring depends on another, and the newest point of a coarse ring is about a period that is still going on. Peaks survive: of
 * several observations a point keeps the largest level and the largest of each gauge, for itself, so gauges of one point need not
 * have been that large at the same instant, nor add up. Counters are totals, as they stood at the last observation, and so is `at`.
 * A period without an observation has no point.
 *
 * Nothing here locks; below HEALTH_TREND_BYTES_MAX bytes, all from the start.
 */
#ifndef health__trend_h
#define health__trend_h

#include <stddef.h>
#include <stdint.h>

#define HEALTH_TREND_SERIES 3
#define HEALTH_TREND_POINTS_MAX 1440 /* of one series */
#define HEALTH_TREND_BYTES_MAX 262144
#define HEALTH_TREND_SLOPE_SPAN_MS 30000

typedef struct st_health_trend_point_t {
    int64_t at;     /* since 1970, in seconds */
    uint64_t at_ms; /* by a clock that does not jump */
    int level;
    /* gauges */
    uint64_t resident_bytes, accounted_bytes, unaccounted_bytes, image_bytes, metadata_bytes, reserved_bytes;
    /* counters */
    uint64_t hits, misses, shed, requests;
} health_trend_point_t;

typedef struct st_health_trend_slope_t {
    double bytes_per_minute; /* rounded to whole bytes */
    double span_seconds;     /* over which it was found; 0: too short to tell, and the slope is 0 */
} health_trend_slope_t;

typedef struct st_health_trend_t health_trend_t;

/**
 * NULL when memory is out
 */
health_trend_t *health_trend_create(void);
/**
 * sets *trend to NULL, which it may be
 */
void health_trend_destroy(health_trend_t **trend);
/**
 * takes an observation in, at_ms not before that of the last one; one that is counts as of the last one's time
 */
void health_trend_add(health_trend_t *trend, const health_trend_point_t *observation);
uint64_t health_trend_period_ms(size_t series);
/**
 * copies the points of a series, the oldest first; returns how many, at most max, the newest of them if there are more
 */
size_t health_trend_get(const health_trend_t *trend, size_t series, health_trend_point_t *points, size_t max);
/**
 * How the resident set has grown in the last 10 min: the median of the slopes between all pairs of points (Theil-Sen), which a few
 * outliers do not move. Of the points each 10 s, or while there are fewer than 6 of these, each 1 s; below
 * HEALTH_TREND_SLOPE_SPAN_MS there is no telling.
 */
health_trend_slope_t health_trend_slope(const health_trend_t *trend);

#endif
