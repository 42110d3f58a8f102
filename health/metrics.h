/*
 * metrics.h - the rows of metrics_table.h as data: where the value of each metric stands in a snapshot. Private to health/.
 */
#ifndef health__metrics_h
#define health__metrics_h

#include "health/writers.h"

typedef enum en_place_t { PLACE_U64, PLACE_REAL, PLACE_MS, PLACE_COMPUTED, PLACE_RATIOS, PLACE_DURATIONS, PLACE_INFO } place_kind_t;

typedef struct st_place_t {
    place_kind_t kind;
    size_t offset, count; /* of the first field; how many of them in a row */
    const char *label;
    const char *const *label_values;
    double (*compute)(const void *base);
} place_t;

typedef struct st_metric_t {
    const char *name, *type, *unit;
    health_scope_t scope;
    place_t place;
    const char *help;
} metric_t;

extern const metric_t health_metrics[];
extern const size_t health_num_metrics;

/**
 * a character of a cache's name as it stands in a metric's name
 */
char health_name_char(char c);

#endif
