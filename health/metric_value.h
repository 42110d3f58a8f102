/*
 * metric_value.h - the value of a series by its name, as /metrics writes it: sluice_requests_shed_total,
 * sluice_image_cache_evictions_total{reason="pressure"}, sluice_route_waiting{route="default/images"}.
 *
 * A name is looked up once, and then read from as many snapshots as there are. Pure functions, any thread.
 */
#ifndef health__metric_value_h
#define health__metric_value_h

#include "health/health.h"

#define HEALTH_SERIES_MAX 255 /* bytes of the name of a series, labels and all */

/**
 * a series that was found; plain data
 */
typedef struct st_health_metric_t {
    size_t row, element;               /* of the table of metrics, and of the array that the row may be */
    char owner[HEALTH_SERIES_MAX + 1]; /* the cache, quota or route it is of; "": none */
} health_metric_t;

/**
 * Looks a series up. Labels may be left out as long as one series remains. What is no number (histograms, sluice_build_info) cannot
 * be watched.
 * @param names lends the names of its caches, quotas and routes; its values do not matter
 * @return 0, or -1 with a sentence in `error` that names near ones; 512 bytes hold most, longer ones are cut
 */
int health_metric_find(const health_snapshot_t *names, const char *series, health_metric_t *metric, char *error, size_t error_len);
/**
 * NaN: there is no such value now (the route has gone, there was no reclaim yet)
 */
double health_metric_value(const health_metric_t *metric, const health_snapshot_t *snapshot);
/**
 * a counter only grows; all others are gauges
 */
int health_metric_is_counter(const health_metric_t *metric);
/**
 * "bytes", "seconds", "ratio" or "none"
 */
const char *health_metric_unit(const health_metric_t *metric);

#endif
