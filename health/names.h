/*
 * names.h - the words that stand in JSON members and label values. Private to health/, but for those that health.h declares.
 */
#ifndef health__names_h
#define health__names_h

#include "health/health.h"

#define HEALTH_NUM_RESPONSES 6

/* indexes into health_level_names that mean something here */
enum { HEALTH_LEVEL_DEGRADED = 2, HEALTH_LEVEL_HIGH, HEALTH_LEVEL_CRITICAL, HEALTH_LEVEL_EMERGENCY };

extern const char *const health_format_names[HEALTH_NUM_FORMATS];
extern const char *const health_ratio_bounds[HEALTH_NUM_RATIOS];
extern const char *const health_class_names[HEALTH_NUM_CLASSES];
extern const char *const health_span_names[HEALTH_NUM_SPANS];
extern const char *const health_outcome_names[HEALTH_NUM_OUTCOMES];
extern const char *const health_fetch_outcome_names[HEALTH_NUM_FETCH_OUTCOMES];
extern const char *const health_degraded_names[HEALTH_NUM_DEGRADED];
extern const char *const health_response_names[HEALTH_NUM_RESPONSES];

/**
 * the level as an index that is safe to use: the nearest one there is
 */
int health_level_index(int level);
/**
 * whether the memory cgroup is nearer to its limit than the resident set is to the budget
 */
int health_group_decides(const health_snapshot_t *snapshot);
/**
 * what the level goes by: the part of its bound that is in use, of the one that decides
 */
double health_usage_ratio(const health_snapshot_t *snapshot);
double health_hit_ratio(const health_cache_t *cache);
/**
 * as many of them as may be looked at
 */
size_t health_num_caches(const health_snapshot_t *snapshot);
size_t health_num_quotas(const health_snapshot_t *snapshot);

#endif
