#include "health/names.h"

const char *const health_reason_names[HEALTH_NUM_REASONS] = {"capacity", "pressure",  "expired", "purged",
                                                             "replaced", "too_large", "quota"};
const char *const health_level_names[HEALTH_NUM_LEVELS] = {"normal", "elevated", "degraded", "high", "critical", "emergency"};
const char *const health_format_names[HEALTH_NUM_FORMATS] = {"jpeg", "png", "webp", "gif", "avif", "tiff", "svg"};
const char *const health_ratio_bounds[HEALTH_NUM_RATIOS] = {"0.25", "0.5", "0.75", "0.9", "1", "1.1", "1.25", "+Inf"};
const char *const health_duration_bounds[HEALTH_NUM_DURATIONS] = {
    "0.0001", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"};
const char *const health_span_names[HEALTH_NUM_SPANS] = {"queue", "fetch", "decode", "transform", "encode"};
const char *const health_outcome_names[HEALTH_NUM_OUTCOMES] = {"hit", "miss", "error", "shed"};
const char *const health_fetch_outcome_names[HEALTH_NUM_FETCH_OUTCOMES] = {"ok", "failed"};
const char *const health_class_names[HEALTH_NUM_CLASSES] = {"source", "decode"};
const char *const health_degraded_names[HEALTH_NUM_DEGRADED] = {"webp-for-avif", "stale", "larger"};
const char *const health_response_names[HEALTH_NUM_RESPONSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
const char *const health_severity_names[HEALTH_NUM_SEVERITIES] = {"warning", "critical"};
const char *const health_webhook_result_names[HEALTH_NUM_WEBHOOK_RESULTS] = {"delivered", "failed", "dropped"};

int health_level_index(int level)
{
    return level < 0 ? 0 : level >= HEALTH_NUM_LEVELS ? HEALTH_NUM_LEVELS - 1 : level;
}

static double part_of(uint64_t bytes, uint64_t whole_bytes)
{
    return whole_bytes == 0 ? 0 : (double)bytes / (double)whole_bytes;
}

int health_group_decides(const health_snapshot_t *snapshot)
{
    return part_of(snapshot->group_bytes, snapshot->group_limit_bytes) > part_of(snapshot->resident_bytes, snapshot->budget_bytes);
}

double health_usage_ratio(const health_snapshot_t *snapshot)
{
    return health_group_decides(snapshot) ? part_of(snapshot->group_bytes, snapshot->group_limit_bytes)
                                          : part_of(snapshot->resident_bytes, snapshot->budget_bytes);
}

double health_hit_ratio(const health_cache_t *cache)
{
    double hits = (double)cache->hits + (double)cache->stale_hits,
           lookups = hits + (double)cache->misses + (double)cache->coalesced;
    return lookups > 0 ? hits / lookups : 0;
}

size_t health_num_caches(const health_snapshot_t *snapshot)
{
    return snapshot->num_caches < HEALTH_MAX_CACHES ? snapshot->num_caches : HEALTH_MAX_CACHES;
}

size_t health_num_quotas(const health_snapshot_t *snapshot)
{
    return snapshot->num_quotas < HEALTH_MAX_QUOTAS ? snapshot->num_quotas : HEALTH_MAX_QUOTAS;
}

uint64_t health_finished_requests(const health_snapshot_t *snapshot)
{
    uint64_t sum = 0;
    for (size_t i = 0; i != HEALTH_NUM_RESPONSES; ++i)
        if (__builtin_add_overflow(sum, snapshot->responses[i], &sum))
            return UINT64_MAX;
    return sum;
}
