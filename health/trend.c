#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "health/trend.h"

#define SLOPE_POINTS_MAX 60
#define SLOPE_POINTS_MIN 6
#define SLOPE_WINDOW_MS 600000

typedef struct st_series_t {
    uint64_t period_ms;
    size_t capacity;
} series_t;

static const series_t series_table[HEALTH_TREND_SERIES] = {{1000, 300}, {10000, 360}, {60000, HEALTH_TREND_POINTS_MAX}};

#define NUM_POINTS (300 + 360 + HEALTH_TREND_POINTS_MAX)

typedef struct st_ring_t {
    size_t newest, count; /* newest: index, if count is not 0 */
    health_trend_point_t *points;
} ring_t;

struct st_health_trend_t {
    uint64_t last_ms;
    ring_t rings[HEALTH_TREND_SERIES];
    health_trend_point_t points[NUM_POINTS];
};

_Static_assert(sizeof(health_trend_t) <= HEALTH_TREND_BYTES_MAX, "the header promises less");

health_trend_t *health_trend_create(void)
{
    health_trend_t *trend = calloc(1, sizeof(*trend));
    size_t used = 0;

    for (size_t i = 0; trend != NULL && i != HEALTH_TREND_SERIES; ++i) {
        trend->rings[i].points = trend->points + used;
        used += series_table[i].capacity;
        assert(used <= NUM_POINTS);
    }
    return trend;
}

void health_trend_destroy(health_trend_t **trend)
{
    free(*trend);
    *trend = NULL;
}

static void keep_larger(uint64_t *kept, uint64_t value)
{
    if (value > *kept)
        *kept = value;
}

static void merge(health_trend_point_t *point, const health_trend_point_t *observation)
{
    health_trend_point_t merged = *observation; /* time and counters */

    if (point->level > merged.level)
        merged.level = point->level;
    keep_larger(&merged.resident_bytes, point->resident_bytes);
    keep_larger(&merged.accounted_bytes, point->accounted_bytes);
    keep_larger(&merged.unaccounted_bytes, point->unaccounted_bytes);
    keep_larger(&merged.image_bytes, point->image_bytes);
    keep_larger(&merged.metadata_bytes, point->metadata_bytes);
    keep_larger(&merged.reserved_bytes, point->reserved_bytes);
    *point = merged;
}

static void add_to_ring(const series_t *series, ring_t *ring, const health_trend_point_t *observation)
{
    health_trend_point_t *newest = ring->points + ring->newest;

    if (ring->count != 0 && newest->at_ms / series->period_ms == observation->at_ms / series->period_ms) {
        merge(newest, observation);
        return;
    }
    if (ring->count != 0)
        ring->newest = (ring->newest + 1) % series->capacity;
    if (ring->count != series->capacity)
        ++ring->count;
    ring->points[ring->newest] = *observation;
}

void health_trend_add(health_trend_t *trend, const health_trend_point_t *observation)
{
    health_trend_point_t point = *observation;

    keep_larger(&point.at_ms, trend->last_ms);
    trend->last_ms = point.at_ms;
    for (size_t i = 0; i != HEALTH_TREND_SERIES; ++i)
        add_to_ring(series_table + i, trend->rings + i, &point);
}

uint64_t health_trend_period_ms(size_t series)
{
    return series_table[series].period_ms;
}

/* `age` points before the newest */
static const health_trend_point_t *point_before(const ring_t *ring, size_t capacity, size_t age)
{
    return ring->points + (ring->newest + capacity - age) % capacity;
}

size_t health_trend_get(const health_trend_t *trend, size_t series, health_trend_point_t *points, size_t max)
{
    const ring_t *ring = trend->rings + series;
    size_t count = ring->count < max ? ring->count : max;

    for (size_t i = 0; i != count; ++i)
        points[i] = *point_before(ring, series_table[series].capacity, count - 1 - i);
    return count;
}

/* --- the slope */

static int compare(const void *_a, const void *_b)
{
    double a = *(const double *)_a, b = *(const double *)_b;

    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static health_trend_slope_t slope_of(const health_trend_point_t *points, size_t count)
{
    double slopes[SLOPE_POINTS_MAX * (SLOPE_POINTS_MAX - 1) / 2];
    size_t num_slopes = 0;

    for (size_t i = 1; i < count; ++i)
        for (size_t j = 0; j != i; ++j) {
            double minutes = (double)(points[i].at_ms - points[j].at_ms) / 60000;
            if (minutes > 0)
                slopes[num_slopes++] = ((double)points[i].resident_bytes - (double)points[j].resident_bytes) / minutes;
        }
    if (num_slopes == 0)
        return (health_trend_slope_t){0};
    return (health_trend_slope_t){round(median(slopes, num_slopes)), (double)(points[count - 1].at_ms - points[0].at_ms) / 1000};
}

health_trend_slope_t health_trend_slope(const health_trend_t *trend)
{
    size_t series = trend->rings[1].count >= SLOPE_POINTS_MIN ? 1 : 0;
    health_trend_point_t points[SLOPE_POINTS_MAX];
    size_t count = health_trend_get(trend, series, points, SLOPE_POINTS_MAX), first = 0;

    while (first != count && points[count - 1].at_ms - points[first].at_ms > SLOPE_WINDOW_MS) /* there was a gap */
        ++first;
    if (count - first < SLOPE_POINTS_MIN || points[count - 1].at_ms - points[first].at_ms < HEALTH_TREND_SLOPE_SPAN_MS)
        return (health_trend_slope_t){0};
    return slope_of(points + first, count - first);
}
