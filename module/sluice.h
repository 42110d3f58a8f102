/*
 * sluice.h - the object graph of one process, and how its parts hang together.
 *
 *   event loops (h2o's)               fetch thread, readers       planners                    workers
 *   image_handler.c: a hit
 *   parked.c --look-up--> image_cache
 *      ^          +--LEAD--> rendition.c
 *      |                     source.c ---> origin_http.c, ---------> rendition.c: --queue of--> rendition.c:
 *      |                          |        origin_file.c             plan         operations    transform.c
 *      |                          +-- it is cached ----------------->   |                          |
 *      +-- loop.c: one message per loop <--- icache_flight_complete() <-+ (an error) <-------------+
 *
 * The queue is pressure/operation.h. Whoever makes room in it hands its next operation to the workers: a worker whose transform is
 * over, or the coordinator. libvips has threads of its own besides, for which the workers wait (transform.c).
 *
 *   coordinator (pressure/)    samples, sets the level that front_filter.c and reservations look at, shrinks both caches, and ends
 *                              waits in the queue whose time is over
 *   watchdog (pressure/)       looks whether the coordinator does that
 *   housekeeper.c              removes what has expired from the image cache, and compares its quotas with what is in it
 *   observer.c                 looks at all of it once a second, for what shows over time only: trend, leaks, alerts, work that is
 *                              stale, the end of the server
 *   webhook.c                  sends what alerts have to tell
 *   clerk                      carries out orders of administrators, and makes answers that take long (api_defer.c)
 *
 * All of these tell of what they do in three places, which take no part in it: counters (stats.h), the registry of what is under
 * way (health/operations.h), and the ring of events (health/events.h), of which event_hub.c wakes the loops whose clients listen.
 * Requests for numbers are answered on the event loop, from health_snapshot.c, which takes short locks, one after the other: never
 * two of them at once.
 *
 * The graph is made in two steps: sluice_create() while the configuration is read (no threads, nothing that a fork or a change of
 * user would break), sluice_start_locked() when the first event loop comes up.
 */
#ifndef module__sluice_h
#define module__sluice_h

#include <pthread.h>
#include <string.h>
#include "health/events.h"
#include "health/operations.h"
#include "health/slow.h"
#include "image_cache/image_cache.h"
#include "image_cache/metadata_cache.h"
#include "pressure/cleanup.h"
#include "pressure/meter.h"
#include "pressure/operation.h"
#include "pressure/pressure.h"
#include "pressure/wake.h"
#include "pressure/watchdog.h"
#include "module/admin.h"
#include "module/clock.h"
#include "module/drain_phase.h"
#include "module/errors.h"
#include "module/event_hub.h"
#include "module/heap.h"
#include "module/knobs.h"
#include "module/option_lists.h"
#include "module/origin_guard.h"
#include "module/sampled_events.h"
#include "module/signature.h"
#include "module/simulation.h"
#include "module/snapshot.h"
#include "module/source_share.h"
#include "module/stats.h"
#include "module/worker_pool.h"

/* where the kernel tells of memory; functions that read there take them as parameters, for tests */
#define SLUICE_PROC_ROOT "/proc"
#define SLUICE_CGROUP_ROOT "/sys/fs/cgroup"

typedef struct st_sluice_fetcher_t sluice_fetcher_t;
typedef struct st_sluice_housekeeper_t sluice_housekeeper_t;
typedef struct st_sluice_loop_t sluice_loop_t;
typedef struct st_sluice_groups_t sluice_groups_t;

/**
 * image-cache.quota of a host or a path, made while the configuration is read. What is stored for a path is charged to the path's
 * quota, and to its host's. A source and a rendition have the same key wherever they are asked for, so what two paths with one
 * origin (and the same lists of where it may be fetched from) share is in the cache once, and charged to the path that stored it.
 */
typedef struct st_sluice_quota_t {
    char *route; /* "example.com" or "example.com/pictures" */
    uint64_t limit_bytes;
    struct st_sluice_quota_t *parent; /* the host's, or NULL */
    icache_group_t *group;            /* from the start of the caches on */
    struct st_sluice_quota_t *next;
} sluice_quota_t;

/**
 * A host or a path, as pressure/ and /metrics know it. Made while the configuration is read.
 */
typedef struct st_sluice_route_t {
    pressure_route_t super;
    struct st_sluice_route_t *next;
    char name[]; /* the host, or host and path */
} sluice_route_t;

typedef struct st_sluice_t {
    sluice_settings_t settings; /* fixed once the configuration is read */
    icache_policy_kind_t policy;
    char **exempt;                       /* NULL-terminated prefixes that the front filter lets pass */
    uint64_t budget_bytes;               /* as it came out of `auto` */
    sluice_quota_t *quotas;              /* the latest first, so that children come before their parents */
    sluice_route_t *routes;              /* all hosts and paths */
    sluice_option_lists_t *option_lists; /* of all places */
    sluice_sign_keys_t *sign_keys;       /* of all places */
    sluice_networks_t *allow_addresses;  /* all lists, chained */
    sluice_urls_t *allow_origins;        /* the same */
    char *report_dir;                    /* absolute */
    sluice_admin_t *admin;               /* NULL: there are no admin routes */
    struct st_sluice_alert_settings_t *alert_settings;
    int prometheus_by_default; /* what /api/metrics/cache answers when the request does not say */

    icache_t *cache;
    icache_meta_t *metadata;
    struct st_sluice_siblings_t *siblings; /* of renditions */
    icache_lane_t *pipeline;               /* of renditions that wait for a source; any thread runs it */
    pressure_meter_t *meter;
    sluice_simulation_t simulation;
    sluice_simulated_meter_t simulated_meter, simulated_watchdog_meter;
    pressure_wake_t wake;
    pressure_t *pressure;
    struct st_sluice_reclaim_t *reclaim;
    sluice_heap_t heap;
    pressure_meter_t *watchdog_meter; /* of its own, as a meter serves one thread */
    pressure_watchdog_t *watchdog;
    sluice_source_share_t source_share;
    sluice_fetcher_t *fetcher;
    sluice_pool_t *readers;  /* blocking reads of local files */
    sluice_pool_t *planners; /* read headers, to know what memory to ask for */
    sluice_pool_t *workers;
    sluice_pool_t *clerk; /* one thread, for orders of administrators */
    sluice_housekeeper_t *housekeeper;
    sluice_snapshots_t snapshots;
    health_events_t *events;
    sluice_event_hub_t event_hub; /* of the loops whose clients listen */
    sluice_sampled_events_t sampled_events;
    struct st_sluice_memory_t *memory; /* what the observer saw of it */
    struct st_sluice_leaks_t *leaks;
    struct st_sluice_alerts_t *alerts;
    health_slow_t *slow;                             /* requests */
    uint64_t slow_said_id;                           /* of the last that the observer wrote a line about */
    _Atomic(struct st_sluice_observer_t *) observer; /* signal handlers look at it, on any thread */

    health_operations_t *operations;
    uint64_t operations_said_ms; /* when the observer last wrote a line about them */

    _Atomic int draining; /* the server has been told to end: 0, or how far that has come, a sluice_drain_phase_t */
    struct {
        sluice_counter_t signals;          /* that told it so */
        sluice_counter_t begun_ms;         /* when */
        sluice_counter_t ended, cancelled; /* operations since then */
        sluice_counter_t said_ms;          /* when a line was last written about the end of all */
    } drain;
    _Atomic int stopping; /* work that nobody waits for ends at its next look */
    sluice_stats_t stats;
    sluice_counter_t renditions_in_progress;
    sluice_groups_t *groups; /* of renditions that are made together */
    uint64_t started_us;
    double started_wall_s; /* since 1970 */

    pthread_mutex_t loops_mutex; /* guards the next two and the start and stop of everything above; held while threads end */
    pthread_mutex_t links_mutex; /* inside of it, for every change of `loops`; alone for who reads them, so that nobody waits for
                                    an end that waits for him */
    sluice_loop_t *loops;
    size_t num_loops;
} sluice_t;

sluice_t *sluice_create(void);
void sluice_destroy(sluice_t **sluice);
/**
 * adds a route, which the sluice owns. Returns NULL when memory is out.
 * @param parent whose caps hold for it too
 */
pressure_route_t *sluice_add_route(sluice_t *sluice, const char *host, size_t host_len, const char *path, size_t path_len,
                                   pressure_route_t *parent);
/**
 * caches, coordinator and threads; called by the first loop, with loops_mutex held. Ends the process when they cannot be had.
 */
void sluice_start_locked(sluice_t *sluice);
/**
 * called when the last loop has gone
 */
void sluice_stop_locked(sluice_t *sluice);
/**
 * for who starts a part that is not optional: says so, and ends the process
 */
void sluice_fail_start(const char *what) __attribute__((noreturn));

/**
 * Where the pictures of a path come from. Made while the configuration is read, never freed before the process ends.
 */
typedef struct st_sluice_origin_t {
    sluice_t *sluice;
    char *url;            /* http(s) base URL with a slash at the end; NULL: a directory */
    int directory_fd;     /* opened when the configuration is read, so that the server's user need not be able to walk to it */
    char *key_prefix;     /* the URL, behind a mark of its guard's lists if it has any; or file://DIRECTORY/ */
    sluice_guard_t guard; /* of a URL */
    sluice_path_settings_t settings;
    sluice_options_rules_t option_rules; /* of image URLs */
    char *fallback;                      /* image.default: decoded path below the origin, or NULL */
    const sluice_quota_t *quota;         /* the innermost, or NULL */
    const sluice_sign_keys_t *sign_keys; /* NULL, or no key: URLs need not be signed */
    pressure_route_t *route;             /* of the path */
} sluice_origin_t;

/**
 * what an origin with a URL is asked for, by the key of the source
 */
static inline const char *sluice_origin_source_url(const sluice_origin_t *origin, const char *key)
{
    return key + strlen(origin->key_prefix) - strlen(origin->url);
}

/**
 * who pays for what is stored of an origin
 */
static inline const icache_group_t *sluice_origin_group(const sluice_origin_t *origin)
{
    return origin->quota != NULL ? origin->quota->group : NULL;
}

#endif
