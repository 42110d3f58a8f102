#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "module/alert_config.h"
#include "module/alerts.h"
#include "module/drain.h"
#include "module/housekeeper.h"
#include "module/loop.h"
#include "module/memory_look.h"
#include "module/leaks.h"
#include "module/observer.h"
#include "module/operations.h"
#include "module/rendition_group.h"
#include "module/siblings.h"
#include "module/sluice.h"
#include "module/source.h"
#include "module/start_pressure.h"
#include "module/transform.h"
#include "module/version.h"

#define NUM_READERS 2
#define NUM_EVENTS 512

void sluice_fail_start(const char *what)
{
    fprintf(stderr, "sluice: cannot start %s\n", what);
    exit(EXIT_FAILURE);
}

static uint64_t min_bytes(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* parents first */
static void start_quota(sluice_t *sluice, sluice_quota_t *quota)
{
    if (quota == NULL)
        return;
    start_quota(sluice, quota->next);
    quota->group =
        icache_group_create(sluice->cache, quota->route, quota->limit_bytes, quota->parent != NULL ? quota->parent->group : NULL);
    if (quota->group == NULL)
        sluice_fail_start("image-cache.quota: out of memory");
}

static void start_caches(sluice_t *sluice)
{
    const sluice_settings_t *settings = &sluice->settings;
    icache_config_t config = {
        .max_object_bytes = settings->max_object_bytes,
        .policy = sluice->policy,
        .max_entries = settings->max_entries,
        .max_age_ms = {
            [ICACHE_CLASS_RENDITION] = settings->rendition_max_age_ms, [ICACHE_CLASS_SOURCE] = settings->source_max_age_ms}};
    uint64_t seeds[2];

    if (getrandom(seeds, sizeof(seeds), 0) != (ssize_t)sizeof(seeds))
        sluice_fail_start("the caches: no random numbers");
    /* a cache that may take the whole budget would be cleared again and again: it is kept below the mark of `elevated` */
    config.capacity_bytes = min_bytes(settings->cache_capacity_bytes, sluice->budget_bytes / 2);
    config.seed = seeds[0];
    if (config.capacity_bytes < settings->cache_capacity_bytes)
        fprintf(stderr, "sluice: image-cache.capacity is limited to %.1f MiB, half of pressure.budget\n",
                (double)config.capacity_bytes / 1048576);
    sluice->cache = icache_create(&config);
    sluice->metadata = icache_meta_create(min_bytes(settings->metadata_capacity_bytes, sluice->budget_bytes / 10), seeds[1]);
    sluice->siblings = sluice_siblings_create();
    if (sluice->cache == NULL || sluice->metadata == NULL || sluice->siblings == NULL)
        sluice_fail_start("the caches: out of memory");
    start_quota(sluice, sluice->quotas);
}

/* any thread that completes a source may take its renditions further: that only queues them */
static void run_pipeline(void *_sluice)
{
    icache_lane_run(((sluice_t *)_sluice)->pipeline);
}

static uint64_t physical_bytes(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t find_budget(uint64_t wanted_bytes)
{
    uint64_t limit_bytes = pressure_group_limit(SLUICE_PROC_ROOT, SLUICE_CGROUP_ROOT),
             most_bytes = pressure_budget_below(limit_bytes);

    if (wanted_bytes == 0)
        return pressure_auto_budget(SLUICE_PROC_ROOT, SLUICE_CGROUP_ROOT, physical_bytes());
    if (limit_bytes == 0 || wanted_bytes <= most_bytes)
        return wanted_bytes;
    fprintf(stderr, "sluice: pressure.budget of %.1f MiB is limited to %.1f MiB, 95 %% of the memory cgroup's limit of %.1f MiB\n",
            (double)wanted_bytes / 1048576, (double)most_bytes / 1048576, (double)limit_bytes / 1048576);
    return most_bytes;
}

static void say_start(const sluice_t *sluice)
{
    icache_stats_t cache;

    icache_get_stats(sluice->cache, &cache);
    fprintf(stderr,
            "sluice: " SLUICE_VERSION
            ", pid %d: budget %.0f MiB%s, image cache %.0f MiB, %u workers, at most %llu MiB for one picture\n",
            (int)getpid(), (double)sluice->budget_bytes / 1048576, sluice->settings.budget_bytes == 0 ? " (auto)" : "",
            (double)cache.capacity_bytes / 1048576, (unsigned)sluice->settings.workers,
            (unsigned long long)(pressure_largest_bytes(sluice->pressure) >> 20));
}

/* ids of milliseconds: those of the process before are below */
static void start_events(sluice_t *sluice)
{
    sluice_event_hub_init(&sluice->event_hub, sluice_loop_wake);
    sluice->events = health_events_create(NUM_EVENTS, sluice_event_hub_publish, &sluice->event_hub);
    if (sluice->events == NULL)
        sluice_fail_start("the ring of events: out of memory");
    health_events_number_from(sluice->events, (uint64_t)sluice_wall_ms() * 1000 + 1);
}

/* what is written down of the work, and read by who asks: the rest may count on it */
static void start_records(sluice_t *sluice)
{
    start_events(sluice);
    if ((sluice->operations = health_operations_create(SLUICE_OPERATIONS_MAX)) == NULL ||
        (sluice->slow = health_slow_create()) == NULL || (sluice->leaks = sluice_leaks_create(&sluice->settings)) == NULL)
        sluice_fail_start("the records of what is under way: out of memory");
}

static void start_work(sluice_t *sluice)
{
    size_t num_workers = (size_t)sluice->settings.workers, num_planners = 1 + num_workers / 4;
    void (*on_exit)(void) = sluice_transform_thread_exit;

    if ((sluice->groups = sluice_groups_create()) == NULL ||
        (sluice->pipeline = icache_lane_create(sluice->cache, run_pipeline, sluice)) == NULL ||
        (sluice->planners = sluice_pool_create("sluice-plan", num_planners, NULL, on_exit)) == NULL ||
        (sluice->workers = sluice_pool_create("sluice-work", num_workers, NULL, on_exit)) == NULL ||
        (sluice->readers = sluice_pool_create("sluice-read", NUM_READERS, NULL, NULL)) == NULL ||
        (sluice->fetcher = sluice_fetcher_create(sluice)) == NULL ||
        (sluice->housekeeper = sluice_housekeeper_create(sluice)) == NULL)
        sluice_fail_start("its threads");
}

/* those who look at all of it, and who carry out orders about it */
static void start_watching(sluice_t *sluice)
{
    sluice_observer_t *observer;

    if ((sluice->memory = sluice_memory_create()) == NULL || (sluice->alerts = sluice_alerts_create(sluice)) == NULL ||
        (sluice->clerk = sluice_pool_create("sluice-clerk", 1, NULL, NULL)) == NULL ||
        (observer = sluice_observer_create(sluice)) == NULL)
        sluice_fail_start("the observer: threads or memory are out");
    atomic_store(&sluice->observer, observer);
    sluice_drain_listen(sluice); /* it wakes the observer */
    sluice_snapshot_start(sluice);
}

void sluice_start_locked(sluice_t *sluice)
{
    sluice_settings_t *settings = &sluice->settings;

    sluice_heap_tame();
    if (settings->workers == 0)
        settings->workers = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    sluice->budget_bytes = find_budget(settings->budget_bytes);
    sluice->started_us = sluice_now_us();
    sluice->started_wall_s = (double)sluice_wall_ms() / 1000;
    start_records(sluice);
    start_caches(sluice);
    if (sluice_transform_init(settings->svg != 0) != 0)
        exit(EXIT_FAILURE);
    sluice_start_pressure(sluice);
    start_work(sluice);
    start_watching(sluice);
    say_start(sluice);
}

/* the requests are gone, so nobody waits for what is still under way, and it ends by itself at its next look */
static void drain(sluice_t *sluice)
{
    const struct timespec a_moment = {0, 1000000};

    atomic_store(&sluice->stopping, 1);
    pressure_close_queue(sluice->pressure);
    sluice_fetcher_wake(sluice->fetcher);
    while (sluice_counted(&sluice->renditions_in_progress) != 0 || sluice_counted(&sluice->stats.fetches_in_progress) != 0)
        nanosleep(&a_moment, NULL);
}

/* in the opposite order: every thread ends before what it uses goes */
void sluice_stop_locked(sluice_t *sluice)
{
    drain(sluice);
    sluice_observer_destroy(&sluice->observer);
    sluice_pool_destroy(&sluice->clerk);
    sluice_alerts_destroy(&sluice->alerts);
    sluice_memory_destroy(&sluice->memory);

    sluice_housekeeper_destroy(&sluice->housekeeper);
    sluice_fetcher_destroy(&sluice->fetcher);
    sluice_pool_destroy(&sluice->readers);
    sluice_pool_destroy(&sluice->planners);
    sluice_pool_destroy(&sluice->workers);
    icache_lane_destroy(&sluice->pipeline);
    sluice_groups_destroy(&sluice->groups);

    sluice_stop_pressure(sluice);

    icache_clear(sluice->cache);
    icache_destroy(&sluice->cache);
    icache_meta_destroy(&sluice->metadata);
    sluice_siblings_destroy(&sluice->siblings);

    sluice_leaks_destroy(&sluice->leaks);
    health_slow_destroy(&sluice->slow);
    health_operations_destroy(&sluice->operations);
    health_events_destroy(&sluice->events);
}

static const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");

    return folder != NULL && folder[0] == '/' ? folder : "/tmp";
}

sluice_t *sluice_create(void)
{
    sluice_t *sluice = calloc(1, sizeof(*sluice));

    if (sluice == NULL)
        return NULL;
    sluice->alert_settings = calloc(1, sizeof(*sluice->alert_settings));
    sluice->report_dir = strdup(temporary_folder());
    if (sluice->alert_settings == NULL || sluice->report_dir == NULL) {
        free(sluice->alert_settings);
        free(sluice->report_dir);
        free(sluice);
        return NULL;
    }
    sluice->policy = ICACHE_POLICY_COST;
    sluice_knobs_default(SLUICE_SCOPE_PROCESS, &sluice->settings);
    pthread_mutex_init(&sluice->loops_mutex, NULL);
    pthread_mutex_init(&sluice->links_mutex, NULL);
    return sluice;
}

static void free_quotas(sluice_quota_t *quota)
{
    while (quota != NULL) {
        sluice_quota_t *next = quota->next;
        free(quota->route);
        free(quota);
        quota = next;
    }
}

static void free_sign_keys(sluice_sign_keys_t *keys)
{
    while (keys != NULL) {
        sluice_sign_keys_t *next = keys->next;
        sluice_sign_keys_destroy(&keys);
        keys = next;
    }
}

pressure_route_t *sluice_add_route(sluice_t *sluice, const char *host, size_t host_len, const char *path, size_t path_len,
                                   pressure_route_t *parent)
{
    sluice_route_t *route = calloc(1, sizeof(*route) + host_len + path_len + 1);

    if (route == NULL)
        return NULL;
    memcpy(route->name, host, host_len);
    if (path_len != 0)
        memcpy(route->name + host_len, path, path_len);
    route->super.name = route->name;
    route->super.parent = parent;
    route->next = sluice->routes;
    sluice->routes = route;
    return &route->super;
}

static void free_routes(sluice_t *sluice)
{
    for (sluice_route_t *route = sluice->routes, *next; route != NULL; route = next) {
        next = route->next;
        free(route);
    }
}

void sluice_destroy(sluice_t **_sluice)
{
    sluice_t *sluice = *_sluice;

    if (sluice == NULL)
        return;
    for (char **prefix = sluice->exempt; prefix != NULL && *prefix != NULL; ++prefix)
        free(*prefix);
    free(sluice->exempt);
    free(sluice->report_dir);
    free_quotas(sluice->quotas);
    free_sign_keys(sluice->sign_keys);
    free_routes(sluice);
    sluice_option_lists_destroy(&sluice->option_lists);
    sluice_networks_free(&sluice->allow_addresses);
    sluice_urls_free(&sluice->allow_origins);
    sluice_admin_destroy(&sluice->admin);
    pthread_mutex_destroy(&sluice->links_mutex);
    sluice_alert_settings_destroy(&sluice->alert_settings);
    pthread_mutex_destroy(&sluice->loops_mutex);
    free(sluice);
    *_sluice = NULL;
}
