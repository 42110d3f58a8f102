/*
 * writers.h - the writers behind health.h, with the buffer as a parameter, so that its allocator and its ceiling can be a test's
 * own. Private to health/. Each of them takes over a text that was just initialised and hands over what health_text_take() gives.
 */
#ifndef health__writers_h
#define health__writers_h

#include <jansson.h>
#include "health/health.h"
#include "health/text.h"

typedef enum en_health_scope_t {
    HEALTH_SCOPE_CACHE = 1,
    HEALTH_SCOPE_PRESSURE = 2,
    HEALTH_SCOPE_RECLAIM = 4,
    HEALTH_SCOPE_REQUEST = 8,
    HEALTH_SCOPE_ORIGIN = 16,
    HEALTH_SCOPE_TRANSFORM = 32,
    HEALTH_SCOPE_PROCESS = 64,
    HEALTH_SCOPE_QUOTA = 128,
    HEALTH_SCOPE_ROUTE = 256,
    HEALTH_SCOPE_ALL = 511
} health_scope_t;

/**
 * the calls to release memory, since the start, as members of an object
 */
void health_add_calls(json_t **object, const health_cache_t *cache);
/**
 * @param scopes a set of health_scope_t
 */
char *health_write_prometheus(health_text_t *text, const health_snapshot_t *snapshot, unsigned scopes, size_t *len);
char *health_write_json(health_text_t *text, const health_snapshot_t *snapshot, size_t *len);
char *health_write_cache_json(health_text_t *text, const health_snapshot_t *snapshot, size_t *len);
char *health_write_problem_json(health_text_t *text, int status, const char *title, const char *detail, const char *code,
                                size_t *len);

#endif
