#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "module/alerts.h"
#include "module/health_snapshot.h"
#include "module/leaks.h"
#include "module/loop.h"
#include "module/memory_look.h"
#include "module/transform.h"
#include "module/version.h"

_Static_assert(HEALTH_NUM_LEVELS == PRESSURE_NUM_LEVELS && HEALTH_NUM_CLASSES == PRESSURE_NUM_CLASSES &&
                   HEALTH_NUM_REASONS == ICACHE_NUM_REASONS && HEALTH_MAX_QUOTAS == ICACHE_MAX_GROUPS &&
                   HEALTH_NUM_FORMATS == SLUICE_NUM_SOURCE_FORMATS - SLUICE_FORMAT_JPEG && HEALTH_NUM_RATIOS == SLUICE_NUM_RATIOS &&
                   HEALTH_NUM_DEGRADED == SLUICE_NUM_DEGRADED && HEALTH_NUM_DURATIONS == SLUICE_NUM_DURATIONS &&
                   HEALTH_NUM_OUTCOMES == SLUICE_NUM_OUTCOMES && HEALTH_NUM_SPANS == SLUICE_NUM_SPANS,
               "health/ has its own copies of these numbers");

static uint64_t age_of(uint64_t then_ms)
{
    return sluice_ms_since(then_ms, sluice_exact_ms());
}

static void read_pressure(sluice_t *sluice, health_snapshot_t *out)
{
    pressure_snapshot_t p;
    pressure_watchdog_counts_t watchdog;

    pressure_get_snapshot(sluice->pressure, &p);
    pressure_watchdog_get_counts(sluice->watchdog, &watchdog);
    out->watchdog_checks = watchdog.checks;
    out->watchdog_failures = watchdog.failures;
    out->watchdog_interventions = watchdog.interventions;
    out->watchdog_stands_in = (uint64_t)watchdog.stands_in;
    out->level = (int)p.level;
    out->resident_bytes = p.resident_bytes;
    out->peak_resident_bytes = p.peak_resident_bytes;
    out->budget_bytes = p.budget_bytes;
    out->group_bytes = p.group_bytes;
    out->group_limit_bytes = p.group_limit_bytes;
    out->failed_group_reads = pressure_meter_failed_reads(sluice->meter);
    out->elevated_ratio = (double)sluice->settings.elevated_permille / 1000;
    out->degraded_ratio = (double)sluice->settings.degraded_permille / 1000;
    out->high_ratio = (double)sluice->settings.high_permille / 1000;
    out->critical_ratio = (double)sluice->settings.critical_permille / 1000;
    out->emergency_ratio = (double)sluice->settings.emergency_permille / 1000;
    out->level_age_ms = age_of(p.level_since_ms);
    for (size_t i = 0; i != HEALTH_NUM_LEVELS; ++i)
        out->event_age_ms[i] = p.event_ms[i] != 0 ? age_of(p.event_ms[i]) : UINT64_MAX;
    memcpy(out->reserved_bytes, p.reserved_bytes, sizeof(out->reserved_bytes));
    out->reservations_granted = p.reservations_granted;
    out->reservations_refused = p.reservations_refused;
    out->samples = p.samples;
    out->failed_samples = p.failed_samples;
    out->failed_samples_in_row = p.failed_in_row;
    memcpy(out->events, p.events, sizeof(out->events));
    memcpy(out->repeats, p.repeats, sizeof(out->repeats));
    out->accounted_bytes = p.accounted_bytes;
    out->residual_bytes = p.residual_bytes;
    out->evictable_bytes = p.evictable_bytes;
    out->reclaim.total = p.reclaims;
    out->reclaim.poor = p.poor_reclaims;
    out->reclaim.unfinished = p.unfinished_reclaims;
    out->reclaim.skipped = p.skipped_reclaims;
    out->reclaim.backoff_ms = p.backoff_ms;
    out->reclaim.ineffective = (uint64_t)p.ineffective;
    out->reclaim.unreclaimable = (uint64_t)p.gate_released;
    if (p.last_reclaim.generation != 0) {
        out->last_reclaim.generation = p.last_reclaim.generation;
        out->last_reclaim.claimed_bytes = p.last_reclaim.claimed_bytes;
        out->last_reclaim.objects = p.last_reclaim.objects;
        out->last_reclaim.resident_before_bytes = p.last_reclaim.resident_before_bytes;
        out->last_reclaim.resident_after_bytes = p.last_reclaim.resident_after_bytes;
        out->last_reclaim.duration_ms = p.last_reclaim.duration_ms;
        out->last_reclaim.purged_bytes = p.last_reclaim.purged_bytes;
        out->last_reclaim.age_ms = age_of(p.last_reclaim.at_ms);
    }
}

static void read_queue(sluice_t *sluice, health_snapshot_t *out)
{
    pressure_queue_snapshot_t q;

    pressure_get_queue_snapshot(sluice->pressure, &q);
    out->queue.waiting = q.waiting;
    out->queue.waiting_bytes = q.waiting_bytes;
    out->queue.granted = q.waited;
    out->queue.timed_out = q.timed_out;
    out->queue.cancelled = q.cancelled;
    out->queue.refused = q.refused_full;
    out->queue.overtakes = q.overtakes;
    out->queue.healed = q.healed;
    out->queue.drain_bytes_per_s = q.drain_bytes_per_s;
    out->queue.source_bytes = sluice_source_share_ahead(&sluice->source_share);
}

/* without memory for it, they are left out */
static void read_routes(sluice_t *sluice, health_snapshot_t *out)
{
    size_t count = 0;

    for (const sluice_route_t *route = sluice->routes; route != NULL; route = route->next)
        ++count;
    health_route_t *at = calloc(count, sizeof(*at));
    if ((out->routes = at) == NULL)
        return;
    out->num_routes = count;
    for (const sluice_route_t *route = sluice->routes; route != NULL; route = route->next)
        *at++ = (health_route_t){.name = route->name,
                                 .limit = route->super.max_concurrent,
                                 .in_use = sluice_counted(&route->super.in_use),
                                 .waiting = sluice_counted(&route->super.waiting),
                                 .refused = sluice_counted(&route->super.refused)};
}

static void read_image_cache(sluice_t *sluice, health_cache_t *out)
{
    icache_stats_t s;

    icache_get_stats(sluice->cache, &s);
    *out = (health_cache_t){.name = "image",
                            .capacity_bytes = s.capacity_bytes,
                            .limit_bytes = s.limit_bytes,
                            .used_bytes = s.used_bytes,
                            .pinned_bytes = s.pinned_bytes,
                            .free_bytes = s.free_bytes,
                            .entries = s.entries,
                            .capacity_entries = sluice->settings.max_entries,
                            .detached_objects = s.objects > s.entries ? s.objects - s.entries : 0,
                            .hits = s.hits,
                            .stale_hits = s.stale,
                            .misses = s.misses,
                            .coalesced = s.coalesced,
                            .refreshes = s.refreshes,
                            .inserts = s.inserts,
                            .not_admitted = s.not_admitted};
    memcpy(out->evictions, s.removed, sizeof(out->evictions));
    memcpy(out->evicted_bytes, s.removed_bytes, sizeof(out->evicted_bytes));
}

static void read_quotas(sluice_t *sluice, health_snapshot_t *out)
{
    icache_group_stats_t groups[ICACHE_MAX_GROUPS];

    out->num_quotas = icache_get_group_stats(sluice->cache, groups, ICACHE_MAX_GROUPS);
    for (size_t i = 0; i != out->num_quotas; ++i)
        out->quotas[i] = (health_quota_t){.route = groups[i].name,
                                          .limit_bytes = groups[i].limit_bytes,
                                          .used_bytes = groups[i].used_bytes,
                                          .entries = groups[i].entries,
                                          .evictions = groups[i].evictions,
                                          .evicted_bytes = groups[i].evicted_bytes,
                                          .refused = groups[i].refused,
                                          .healed = groups[i].healed};
}

static void read_metadata_cache(sluice_t *sluice, health_cache_t *out)
{
    icache_meta_stats_t s;

    icache_meta_get_stats(sluice->metadata, &s);
    *out = (health_cache_t){.name = "metadata",
                            .capacity_bytes = s.capacity_bytes,
                            .limit_bytes = s.capacity_bytes,
                            .used_bytes = s.used_bytes,
                            .entries = s.entries,
                            .hits = s.hits,
                            .misses = s.misses,
                            .inserts = s.inserts};
    out->evictions[ICACHE_REASON_CAPACITY] = s.dropped;
}

static void read_listener(const pressure_listener_record_t *record, health_cache_t *cache)
{
    static const char *const results[] = {
        [PRESSURE_DONE] = "done", [PRESSURE_MORE] = "more", [PRESSURE_NOTHING_LEFT] = "nothing-left", [PRESSURE_FAILED] = "failed"};

    cache->reclaim.calls = record->calls;
    cache->reclaim.released_bytes = record->bytes_freed;
    cache->reclaim.released_objects = record->objects_freed;
    cache->reclaim.slow_calls = record->slow_calls;
    cache->reclaim.failures = record->failures;
    cache->reclaim.last_ms = record->last_ms;
    cache->reclaim.longest_ms = record->longest_ms;
    cache->told.used_bytes = record->usage.bytes;
    cache->told.pinned_bytes = record->usage.pinned_bytes;
    cache->told.evictable_bytes = record->usage.evictable_bytes;
    if (record->calls == 0)
        return;
    cache->last_call.level = pressure_level_name(record->last_call.level);
    cache->last_call.result = results[record->last_call.result.status];
    cache->last_call.generation = record->last_call.generation;
    cache->last_call.released_bytes = record->last_call.result.bytes_freed;
    cache->last_call.released_objects = record->last_call.result.objects_freed;
    cache->last_call.age_ms = age_of(record->last_call.at_ms);
}

/* listeners and caches have the same names */
static void read_listeners(sluice_t *sluice, health_snapshot_t *out)
{
    pressure_listener_record_t records[HEALTH_MAX_CACHES];
    size_t num_records = pressure_get_listener_records(sluice->pressure, records, HEALTH_MAX_CACHES);

    for (size_t i = 0; i != num_records; ++i)
        for (size_t j = 0; j != out->num_caches; ++j)
            if (strcmp(records[i].name, out->caches[j].name) == 0)
                read_listener(records + i, out->caches + j);
}

static void read_requests(sluice_t *sluice, health_snapshot_t *out)
{
    const sluice_stats_t *stats = &sluice->stats;

    for (size_t i = 0; i != sizeof(out->responses) / sizeof(out->responses[0]); ++i)
        out->responses[i] = sluice_counted(stats->responses + i);
    pthread_mutex_lock(&sluice->links_mutex);
    for (sluice_loop_t *loop = sluice->loops; loop != NULL; loop = loop->next) {
        for (size_t i = 0; i != sizeof(loop->hits) / sizeof(loop->hits[0]); ++i)
            out->responses[i] += sluice_counted(loop->hits + i);
        out->requests_in_progress += sluice_counted(&loop->parked);
    }
    pthread_mutex_unlock(&sluice->links_mutex);
    out->shed = sluice_counted(&stats->shed);
    out->slow_requests = sluice_counted(&stats->slow_requests);
    out->responses[5] += out->shed;
    for (size_t i = 0; i != HEALTH_NUM_DEGRADED; ++i)
        out->degraded[i] = sluice_counted(stats->degraded + i);
    out->errors_bad_request = sluice_counted(&stats->bad_requests);
    out->errors_origin = sluice_counted(&stats->errors_of_origin);
    out->errors_image = sluice_counted(&stats->errors_of_image);
    out->errors_no_room = sluice_counted(&stats->errors_of_room);
    out->errors_timeout = sluice_counted(&stats->errors_of_time);
}

static void read_durations(const sluice_durations_t *from, health_histogram_t *to, size_t count)
{
    for (; count != 0; --count, ++from, ++to) {
        for (size_t i = 0; i != SLUICE_NUM_DURATIONS; ++i)
            to->buckets[i] = sluice_counted(from->buckets + i);
        to->sum = (double)sluice_counted(&from->sum_us) / 1e6;
    }
}

static void read_all_durations(const sluice_stats_t *stats, health_snapshot_t *out)
{
    read_durations(stats->request_durations, out->request_durations, HEALTH_NUM_OUTCOMES);
    read_durations(stats->span_durations, out->span_durations, HEALTH_NUM_SPANS);
    read_durations(stats->fetch_durations, out->fetch_durations, HEALTH_NUM_FETCH_OUTCOMES);
    read_durations(&stats->transform_durations, &out->transform_durations, 1);
}

static void read_ratios(const sluice_ratios_t *from, health_histogram_t *to)
{
    for (size_t i = 0; i != HEALTH_NUM_RATIOS; ++i)
        to->buckets[i] = sluice_counted(from->buckets + i);
    to->sum = (double)sluice_counted(&from->sum_millionths) / 1e6;
}

static void read_work(sluice_t *sluice, health_snapshot_t *out)
{
    const sluice_stats_t *stats = &sluice->stats;

    out->origin_fetches = sluice_counted(&stats->fetches);
    out->origin_failures = sluice_counted(&stats->fetch_failures);
    out->origin_bytes = sluice_counted(&stats->fetched_bytes);
    out->origin_in_progress = sluice_counted(&stats->fetches_in_progress);
    out->transforms = sluice_counted(&stats->transforms);
    out->transform_failures = sluice_counted(&stats->transform_failures);
    out->transforms_shared = sluice_counted(&stats->transforms_shared);
    out->transforms_cancelled = sluice_counted(&stats->transforms_cancelled);
    out->transform_seconds = (double)sluice_counted(&stats->transform_us) / 1e6;
    for (size_t i = 0; i != HEALTH_NUM_FORMATS; ++i)
        read_ratios(stats->memory_ratios + SLUICE_FORMAT_JPEG + i, out->memory_ratios + i);
    out->transform_overruns = sluice_counted(&stats->transform_overruns);
    out->transforms_in_progress = sluice_pool_running(sluice->workers);
    out->transforms_queued = sluice_pool_waiting(sluice->planners) + sluice_pool_waiting(sluice->workers) + out->queue.waiting;
    out->vips_memory_bytes = sluice_transform_memory();
    out->vips_memory_peak_bytes = sluice_transform_memory_peak();
}

static double seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void read_process(sluice_t *sluice, health_snapshot_t *out)
{
    struct rusage usage;

    out->uptime_seconds = (double)(sluice_now_us() - sluice->started_us) / 1e6;
    out->process_start_time_seconds = sluice->started_wall_s;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->process_cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void sluice_health_snapshot(sluice_t *sluice, health_snapshot_t *snapshot)
{
    *snapshot = (health_snapshot_t){.version = SLUICE_VERSION, .num_caches = 2};
    read_pressure(sluice, snapshot);
    read_queue(sluice, snapshot);
    read_routes(sluice, snapshot);
    read_image_cache(sluice, snapshot->caches);
    read_metadata_cache(sluice, snapshot->caches + 1);
    read_quotas(sluice, snapshot);
    read_listeners(sluice, snapshot);
    read_requests(sluice, snapshot);
    read_work(sluice, snapshot);
    read_all_durations(&sluice->stats, snapshot);
    read_process(sluice, snapshot);
    health_events_count(sluice->events, &snapshot->live);
    sluice_event_hub_count(&sluice->event_hub, &snapshot->live);
    sluice_memory_read(sluice, &snapshot->memory);
    snapshot->process_threads = snapshot->memory.process.threads;
    snapshot->process_virtual_bytes = snapshot->memory.process.virtual_bytes;
    sluice_leaks_fill_snapshot(sluice->leaks, &snapshot->leak);
    health_operations_get_stats(sluice->operations, sluice_now_ms(), &snapshot->operations);
    snapshot->draining = atomic_load(&sluice->draining) != 0;
    sluice_alerts_count(sluice, &snapshot->alerts);
}

void sluice_health_snapshot_dispose(health_snapshot_t *snapshot)
{
    free(snapshot->routes);
    snapshot->routes = NULL;
    snapshot->num_routes = 0;
}
