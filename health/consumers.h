/*
 * consumers.h - who holds memory: caches, reservations, tables, the heap's free memory.
 */
#ifndef health__consumers_h
#define health__consumers_h

#include "health/health.h"

#define HEALTH_WARNING_PERCENT 75  /* of its own limit */
#define HEALTH_CRITICAL_PERCENT 90 /* the same */

typedef enum en_health_consumer_status_t {
    HEALTH_CONSUMER_OK,
    HEALTH_CONSUMER_WARNING,
    HEALTH_CONSUMER_CRITICAL
} health_consumer_status_t;

typedef struct st_health_consumer_t {
    const char *name;
    int is_accounted; /* part of accounted_bytes; else of what nobody accounts for */
    uint64_t used_bytes;
    uint64_t limit_bytes; /* 0: none, or of a fixed size */
    uint64_t warning_bytes, critical_bytes;
    uint64_t pinned_bytes; /* beside used_bytes: released, and still in use */
    uint64_t evictable_bytes;
    health_consumer_status_t status;
    const health_cache_t *cache; /* NULL: it is none */
} health_consumer_t;

/**
 * All consumers, HEALTH_MAX_CONSUMERS at most; returns how many. used_bytes and pinned_bytes of those that are accounted for add up
 * to *accounted_bytes: of caches what they told the coordinator in its last step, of reservations what they are now. The cache
 * pointers are into the snapshot.
 */
size_t health_list_consumers(const health_snapshot_t *snapshot, health_consumer_t *consumers, uint64_t *accounted_bytes);
/**
 * warning from 75 %, critical from 90 % of the limit; ok without one
 */
health_consumer_status_t health_consumer_status(uint64_t used_bytes, uint64_t limit_bytes);

#endif
