/*
 * sampled_events.h - events that are looked for once a second, and not published where they come to pass, which is too often or
 * nowhere in particular:
 *
 *   disposal    {cache, objects, bytes, reasons: {REASON: {objects, bytes}}}   what left the image cache since the last one
 *   simulation  {bytes: 0, seconds: 0, active: false}                          the time of pretended memory is over
 */
#ifndef module__sampled_events_h
#define module__sampled_events_h

#include <jansson.h>
#include "health/health.h"

/**
 * what had left the cache at the last look. All zero at first; the observer's thread alone
 */
typedef struct st_sluice_sampled_events_t {
    uint64_t evictions[HEALTH_NUM_REASONS], evicted_bytes[HEALTH_NUM_REASONS];
} sluice_sampled_events_t;

/**
 * what left a cache since the last look, as an event; NULL: nothing did, or memory is out (*left is then 1)
 */
json_t *sluice_sampled_disposal(sluice_sampled_events_t *sampled, const health_cache_t *cache, int *left);

#endif
