/*
 * health.h - from a snapshot of numbers to what operators and machines read: verdict, JSON, Prometheus text.
 *
 * The caller fills a health_snapshot_t (plain numbers, no pointers into live structures but names) and gets text back. Nothing here
 * samples, locks or keeps state, so it answers at every pressure level. JSON is written by jansson.
 *
 * Metrics are rows of one table (metrics_table.h): name, type, unit, help, and where the value stands in the snapshot. The
 * Prometheus text is written from that table, so that a metric cannot exist without type and help.
 */
#ifndef health__health_h
#define health__health_h

#include <stddef.h>
#include <stdint.h>
#include "health/event_counts.h"
#include "health/memory.h"
#include "health/leak.h"
#include "health/operations.h"
#include "health/alert_counts.h"

#define HEALTH_MAX_CACHES 4
#define HEALTH_MAX_QUOTAS 256
#define HEALTH_NUM_REASONS 7 /* capacity, pressure, expired, purged, replaced, too_large, quota: see health_reason_names */
#define HEALTH_NUM_LEVELS 6
#define HEALTH_NUM_CLASSES 2                /* source, decode */
#define HEALTH_NUM_FORMATS 7                /* jpeg, png, webp, gif, avif, tiff, svg */
#define HEALTH_NUM_RATIOS 8                 /* buckets of a histogram: up to 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, and more */
#define HEALTH_NUM_DURATIONS 15             /* buckets of a histogram, see health_duration_bounds */
#define HEALTH_MAX_BUCKETS 15               /* of any histogram */
#define HEALTH_NUM_SPANS 5                  /* queue, fetch, decode, transform, encode */
#define HEALTH_NUM_DEGRADED 3               /* webp-for-avif, stale, larger */
#define HEALTH_NUM_OUTCOMES 4               /* of requests: hit, miss, error, shed */
#define HEALTH_NUM_FETCH_OUTCOMES 2         /* ok, failed */
#define HEALTH_MAX_TEXT_BYTES (1024 * 1024) /* no answer is longer than this, its NUL included */
#define HEALTH_BLIND_SAMPLES 3              /* so many failed samples in a row make the verdict degraded */

extern const char *const health_reason_names[HEALTH_NUM_REASONS];
extern const char *const health_level_names[HEALTH_NUM_LEVELS]; /* normal, elevated, degraded, high, critical, emergency */
/**
 * Upper bounds in seconds, for all durations alike, so that they can be compared. 0.0001 parts hits from what had to wait for
 * another thread; 1 is where requests are slow unless health.slow-request says otherwise; 10 and 30 are the default time limits of
 * queue, origin and transform, and of a request. Between 0.01 and 10 a step is at most 2.5, so that a quantile is off by no more.
 */
extern const char *const health_duration_bounds[HEALTH_NUM_DURATIONS];

typedef struct st_health_cache_t {
    const char *name; /* "image", "metadata": distinct; part of the metrics' names, and the value of their label `cache` */
    uint64_t capacity_bytes, used_bytes, pinned_bytes, entries;
    uint64_t free_bytes;       /* resident, held for use again */
    uint64_t capacity_entries; /* 0: any number */
    uint64_t detached_objects; /* that are not in the cache: being made, or sent after they left */
    uint64_t hits, stale_hits, misses, coalesced, refreshes, inserts, not_admitted;
    uint64_t evictions[HEALTH_NUM_REASONS], evicted_bytes[HEALTH_NUM_REASONS];
    uint64_t limit_bytes; /* what of the capacity may be used for now */
    struct {
        uint64_t calls, released_bytes, released_objects, slow_calls, failures, last_ms, longest_ms;
    } reclaim; /* the calls because of memory pressure */
    struct {
        const char *level, *result; /* result: "done", "more", "nothing-left", "failed"; both NULL: none yet */
        uint64_t generation, released_bytes, released_objects, age_ms;
    } last_call; /* the last of them */
    struct {
        uint64_t used_bytes, pinned_bytes, evictable_bytes;
    } told; /* to the coordinator, in its last step; pinned_bytes beside used_bytes. What is set aside for later is used, too */
} health_cache_t;

typedef struct st_health_quota_t {
    const char *route; /* the host or path whose quota it is: distinct; the value of the metrics' label `route` */
    uint64_t limit_bytes, used_bytes, entries, evictions, evicted_bytes, refused, healed;
} health_quota_t;

/**
 * of ratios or of durations in seconds; how many buckets there are is said where it is used
 */
typedef struct st_health_histogram_t {
    uint64_t buckets[HEALTH_MAX_BUCKETS]; /* each for itself, not added up */
    double sum;
} health_histogram_t;

typedef struct st_health_route_t {
    const char *name; /* distinct; the value of the label `route` */
    uint64_t limit;   /* 0: none */
    uint64_t in_use, waiting, refused;
} health_route_t;

typedef struct st_health_snapshot_t {
    const char *version;
    double uptime_seconds;
    /* pressure */
    int level; /* index into health_level_names */
    uint64_t resident_bytes, peak_resident_bytes, budget_bytes;
    uint64_t group_bytes, group_limit_bytes; /* of the memory cgroup nearest to its limit; 0, 0: nothing limits the process */
    uint64_t failed_group_reads;
    uint64_t watchdog_checks, watchdog_failures, watchdog_interventions;
    uint64_t watchdog_stands_in;                                                        /* 1: the level is the watchdog's */
    double elevated_ratio, degraded_ratio, high_ratio, critical_ratio, emergency_ratio; /* marks */
    uint64_t level_age_ms, event_age_ms[HEALTH_NUM_LEVELS];                             /* UINT64_MAX: never */
    uint64_t reserved_bytes[HEALTH_NUM_CLASSES];
    uint64_t reservations_granted, reservations_refused;
    uint64_t samples, failed_samples, events[HEALTH_NUM_LEVELS];
    uint64_t failed_samples_in_row; /* 0: the last sample was good */
    struct {
        uint64_t generation, claimed_bytes, objects, resident_before_bytes, resident_after_bytes, duration_ms, age_ms, purged_bytes;
    } last_reclaim; /* generation 0: none yet */
    /* what waits for memory, a worker or a slot of its route; sums since the start, but for the first two and the last two */
    struct {
        uint64_t waiting, waiting_bytes;
        uint64_t granted, timed_out, cancelled; /* ends of waits */
        uint64_t refused;                       /* the queue was full */
        uint64_t overtakes, healed;
        uint64_t source_bytes;    /* fetched, or being fetched, ahead of their decoding */
        double drain_bytes_per_s; /* 0: not known */
    } queue;
    size_t num_routes;
    health_route_t *routes;
    struct {
        uint64_t total, poor, unfinished, skipped, backoff_ms;
        uint64_t ineffective;   /* 1: poor ones in a row */
        uint64_t unreclaimable; /* 1: critical by the reading, but served as high, because nothing could be reclaimed */
    } reclaim;
    uint64_t accounted_bytes, residual_bytes, evictable_bytes; /* held by caches and work, by nobody known, by caches to spare */
    uint64_t repeats[HEALTH_NUM_LEVELS];                       /* of the events, those that were told again */
    /* caches */
    size_t num_caches;
    health_cache_t caches[HEALTH_MAX_CACHES];
    size_t num_quotas; /* of the image cache */
    health_quota_t quotas[HEALTH_MAX_QUOTAS];
    /* requests; the array is by hundred: [1] is 1xx, [0] are those that ended without an answer */
    uint64_t responses[6], requests_in_progress, shed;
    uint64_t degraded[HEALTH_NUM_DEGRADED]; /* answered with something lesser than was asked for */
    health_histogram_t request_durations[HEALTH_NUM_OUTCOMES], span_durations[HEALTH_NUM_SPANS];
    uint64_t slow_requests;
    uint64_t errors_bad_request, errors_origin, errors_image, errors_no_room, errors_timeout;
    /* origin */
    uint64_t origin_fetches, origin_failures, origin_bytes, origin_in_progress;
    health_histogram_t fetch_durations[HEALTH_NUM_FETCH_OUTCOMES];
    /* transforms */
    uint64_t transforms, transform_failures, transforms_cancelled, transforms_shared, transforms_in_progress, transforms_queued;
    double transform_seconds;
    health_histogram_t transform_durations;
    health_histogram_t memory_ratios[HEALTH_NUM_FORMATS]; /* memory taken / estimated, of transforms that were alone */
    uint64_t transform_overruns;
    uint64_t vips_memory_bytes, vips_memory_peak_bytes;
    health_operation_stats_t operations;
    uint64_t draining; /* 1: the server has been told to end */
    /* process */
    double process_cpu_seconds, process_start_time_seconds;
    uint64_t process_virtual_bytes, process_threads;
    health_event_counts_t live; /* events, and who listens */
    health_memory_t memory;
    health_leak_t leak;
    health_alert_counts_t alerts;
} health_snapshot_t;

typedef enum en_health_status_t { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_CRITICAL } health_status_t;

#define HEALTH_MAX_REASONS 11
typedef struct st_health_verdict_t {
    health_status_t status;
    int http_status; /* 200, 200, 503 */
    size_t num_reasons;
    const char *reasons[HEALTH_MAX_REASONS];         /* constant sentences, no numbers */
    const char *recommendations[HEALTH_MAX_REASONS]; /* the same index; may be NULL */
} health_verdict_t;

/**
 * critical: level >= critical. degraded: level >= degraded, or the last HEALTH_BLIND_SAMPLES samples failed, or none ever
 * succeeded, or nothing can be reclaimed, a leak is likely, an operation is stuck, or an alert is kept from ending the process. A
 * level outside of health_level_names counts as the nearest one. Reasons are given unless the status is healthy, the level's own
 * first; behind it what makes it worse: capacities that add up to more than the degraded mark, a tenth of the budget pinned by slow
 * readers, a quarter of it reserved, a reclaim of the last minute that gave back less than half, several such reclaims in a row.
 * The level's reason names what decides: the resident set, or the memory cgroup if that is nearer to its limit than the former to
 * the budget. A pure function.
 */
void health_judge(const health_snapshot_t *snapshot, health_verdict_t *verdict);

/**
 * requests that ended, answered or not
 */
uint64_t health_finished_requests(const health_snapshot_t *snapshot);

/**
 * Each of these returns text that the caller frees with free(), its length in *len, or NULL when memory is out or the text would be
 * longer than HEALTH_MAX_TEXT_BYTES. Bytes of a string that are not UTF-8 come out as U+FFFD; a NULL string as "". A number that is
 * not finite is 0 in JSON and NaN in Prometheus text. A hit ratio is the part of hits, stale ones
 * among them, in these and misses and coalesced lookups, or 0. Any thread.
 */
char *health_json(const health_snapshot_t *snapshot, size_t *len);             /* GET /api/health */
char *health_cache_json(const health_snapshot_t *snapshot, size_t *len);       /* GET /api/metrics/cache */
char *health_cache_prometheus(const health_snapshot_t *snapshot, size_t *len); /* the same as text */
char *health_prometheus(const health_snapshot_t *snapshot, size_t *len);       /* GET /metrics: everything */
/**
 * RFC 9457 problem details: type (about:blank), status, title, detail, code; the strings may come from a request
 */
char *health_problem_json(int status, const char *title, const char *detail, const char *code, size_t *len);

#endif
