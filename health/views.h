/*
 * views.h - the JSON of the views of memory, as objects: each may be the answer of a route of its own and a member of the report.
 * All of them return NULL when memory is out. Pure functions of the snapshot; any thread.
 */
#ifndef health__views_h
#define health__views_h

#include <jansson.h>
#include "health/consumers.h"

json_t *health_new_stats(const health_snapshot_t *snapshot);        /* GET /api/memory/stats */
json_t *health_new_heap(const health_snapshot_t *snapshot);         /* GET /api/memory/heap */
json_t *health_new_process(const health_snapshot_t *snapshot);      /* GET /api/memory/process */
json_t *health_new_consumers(const health_snapshot_t *snapshot);    /* GET /api/memory/consumers */
json_t *health_new_consumer(const health_consumer_t *consumer);     /* GET /api/memory/consumers/NAME */
json_t *health_new_coordination(const health_snapshot_t *snapshot); /* GET /api/health/metrics */
/**
 * sentences that say what could be done: those of the verdict first, if there is anything wrong, then what the figures of memory
 * suggest, wrong or not
 */
json_t *health_new_advice(const health_snapshot_t *snapshot);

#endif
