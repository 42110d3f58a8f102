#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "health/json.h"
#include "module/health_snapshot.h"
#include "module/heap.h"
#include "module/leaks.h"

#define MIB 1048576.0

struct st_sluice_leaks_t {
    pthread_mutex_t work; /* guards what follows up to `shown` */
    pressure_leak_t detector;
    uint64_t reclaim_generation;
    pressure_leak_verdict_t told;
    pthread_mutex_t shown; /* guards the view */
    sluice_leaks_view_t view;
};

sluice_leaks_t *sluice_leaks_create(const sluice_settings_t *settings)
{
    sluice_leaks_t *leaks = calloc(1, sizeof(*leaks));
    pressure_leak_config_t config = {.window_ms = settings->leak_window_ms,
                                     .warm_up_ms = settings->leak_warm_up_ms,
                                     .min_growth_bytes = settings->leak_min_growth_bytes};

    if (leaks == NULL)
        return NULL;
    sluice_leaks_set_points(&config, settings->leak_likely_points);
    pthread_mutex_init(&leaks->work, NULL);
    pthread_mutex_init(&leaks->shown, NULL);
    pressure_leak_init(&leaks->detector, &config);
    leaks->view.report = leaks->detector.report;
    leaks->view.config = config;
    return leaks;
}

void sluice_leaks_destroy(sluice_leaks_t **_leaks)
{
    sluice_leaks_t *leaks = *_leaks;

    if (leaks == NULL)
        return;
    *_leaks = NULL;
    pthread_mutex_destroy(&leaks->work);
    pthread_mutex_destroy(&leaks->shown);
    free(leaks);
}

void sluice_leaks_set_points(pressure_leak_config_t *config, uint64_t likely_points)
{
    config->likely_points = likely_points;
    config->suspected_points = likely_points - SLUICE_LEAKS_SUSPECTED_BELOW;
}

/* --- from a snapshot to a sample */

/* by the observer's last look, which is the only one: each takes the allocator's locks */
static uint64_t heap_free_of(const health_heap_t *heap)
{
    return heap->allocator != NULL ? heap->free_bytes : PRESSURE_LEAK_UNKNOWN;
}

/* what is there; reservations are not, before the work that they are for has begun */
static uint64_t held_by_caches(const health_snapshot_t *snapshot)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i != snapshot->num_caches; ++i)
        bytes += snapshot->caches[i].used_bytes + snapshot->caches[i].pinned_bytes + snapshot->caches[i].free_bytes;
    return bytes;
}

static pressure_leak_sample_t new_sample_locked(sluice_leaks_t *leaks, const health_snapshot_t *snapshot, uint64_t now_ms)
{
    pressure_leak_sample_t sample = {.now_ms = now_ms,
                                     .resident_bytes = snapshot->failed_samples_in_row == 0 ? snapshot->resident_bytes : 0,
                                     .budget_bytes = snapshot->budget_bytes,
                                     .accounted_bytes = held_by_caches(snapshot),
                                     .heap_free_bytes = heap_free_of(&snapshot->memory.heap),
                                     .reclaimed = snapshot->last_reclaim.generation != leaks->reclaim_generation};

    for (size_t i = 0; i != sizeof(snapshot->responses) / sizeof(snapshot->responses[0]); ++i)
        sample.requests += snapshot->responses[i];
    leaks->reclaim_generation = snapshot->last_reclaim.generation;
    return sample;
}

/* --- telling */

static void log_change(const sluice_leaks_change_t *change, const pressure_leak_report_t *report)
{
    if (change->to < PRESSURE_LEAK_SUSPECTED) {
        fprintf(stderr, "sluice: a memory leak is no longer suspected: what nobody accounts for, %.1f MiB, has stopped growing\n",
                (double)change->floor_bytes / MIB);
        return;
    }
    fprintf(stderr,
            "sluice: a memory leak is %s: what nobody accounts for, %.1f MiB, grew by %.2f MiB per hour over %llu s; "
            "confidence %u of 100\n",
            pressure_leak_verdict_names[change->to], (double)change->floor_bytes / MIB, change->bytes_per_hour / MIB,
            (unsigned long long)(report->best.span_ms / 1000), change->confidence);
}

static void publish_change(sluice_t *sluice, const sluice_leaks_change_t *change)
{
    json_t *data = json_object();

    health_json_add(&data, "from", json_string(pressure_leak_verdict_names[change->from]));
    health_json_add(&data, "verdict", json_string(pressure_leak_verdict_names[change->to]));
    health_json_add(&data, "confidence", json_integer((json_int_t)change->confidence));
    health_json_add(&data, "growth_bytes_per_hour", json_integer((json_int_t)change->bytes_per_hour));
    health_json_add(&data, "floor_bytes", health_json_integer(change->floor_bytes));
    health_events_publish(sluice->events, "leak", change->at * 1000, data);
}

static void remember(sluice_leaks_view_t *view, const sluice_leaks_change_t *change)
{
    if (view->num_changes == SLUICE_LEAKS_NUM_CHANGES)
        memmove(view->changes, view->changes + 1, --view->num_changes * sizeof(*change));
    view->changes[view->num_changes++] = *change;
}

/* what begins and ends is a suspicion; that the warm-up is over is not told */
static int find_change_locked(sluice_leaks_t *leaks, sluice_leaks_change_t *change)
{
    const pressure_leak_report_t *report = &leaks->detector.report;
    pressure_leak_verdict_t from = leaks->told;

    leaks->told = report->verdict;
    *change = (sluice_leaks_change_t){.at = sluice_wall_s(),
                                      .from = from,
                                      .to = report->verdict,
                                      .confidence = report->best.confidence,
                                      .bytes_per_hour = report->best.bytes_per_hour,
                                      .floor_bytes = report->floor_bytes};
    return from != report->verdict && (from >= PRESSURE_LEAK_SUSPECTED || report->verdict >= PRESSURE_LEAK_SUSPECTED);
}

/* ends the work: shows what came of it, and tells what is new without a lock */
static void finish(sluice_t *sluice, sluice_leaks_view_t *view)
{
    sluice_leaks_t *leaks = sluice->leaks;
    pressure_leak_report_t report = leaks->detector.report;
    sluice_leaks_change_t change;
    int changed = find_change_locked(leaks, &change);

    pthread_mutex_lock(&leaks->shown);
    leaks->view.report = report;
    leaks->view.config = leaks->detector.config;
    if (changed)
        remember(&leaks->view, &change);
    if (view != NULL)
        *view = leaks->view;
    pthread_mutex_unlock(&leaks->shown);
    pthread_mutex_unlock(&leaks->work);
    if (changed) {
        log_change(&change, &report);
        publish_change(sluice, &change);
    }
}

/* --- the work */

void sluice_leaks_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    sluice_leaks_t *leaks = sluice->leaks;

    pthread_mutex_lock(&leaks->work);
    pressure_leak_sample_t sample = new_sample_locked(leaks, observation->snapshot, observation->now_ms);
    pressure_leak_feed(&leaks->detector, &sample);
    finish(sluice, NULL);
}

void sluice_leaks_check(sluice_t *sluice, sluice_leaks_view_t *view)
{
    sluice_leaks_t *leaks = sluice->leaks;
    health_snapshot_t snapshot;

    sluice_health_snapshot(sluice, &snapshot);
    pthread_mutex_lock(&leaks->work);
    pressure_leak_sample_t sample = new_sample_locked(leaks, &snapshot, sluice_exact_ms());
    uint64_t resident_bytes = sluice_resident_bytes();
    if (resident_bytes != 0)
        sample.resident_bytes = resident_bytes + sluice_simulation_bytes(&sluice->simulation, sample.now_ms);
    pressure_leak_feed(&leaks->detector, &sample);
    pressure_leak_judge(&leaks->detector, &sample);
    finish(sluice, view);
    sluice_health_snapshot_dispose(&snapshot);
}

void sluice_leaks_configure(sluice_t *sluice, const pressure_leak_config_t *config, sluice_leaks_view_t *view)
{
    sluice_leaks_t *leaks = sluice->leaks;

    pthread_mutex_lock(&leaks->work);
    pressure_leak_configure(&leaks->detector, config);
    leaks->told = leaks->detector.report.verdict;
    finish(sluice, view);
}

void sluice_leaks_clear(sluice_t *sluice, sluice_leaks_view_t *view)
{
    sluice_leaks_t *leaks = sluice->leaks;

    pthread_mutex_lock(&leaks->work);
    pressure_leak_config_t config = leaks->detector.config;
    pressure_leak_init(&leaks->detector, &config);
    leaks->told = leaks->detector.report.verdict;
    pthread_mutex_lock(&leaks->shown);
    leaks->view.num_changes = 0;
    pthread_mutex_unlock(&leaks->shown);
    finish(sluice, view);
}

/* --- looking */

void sluice_leaks_view(sluice_leaks_t *leaks, sluice_leaks_view_t *view)
{
    pthread_mutex_lock(&leaks->shown);
    *view = leaks->view;
    pthread_mutex_unlock(&leaks->shown);
}

void sluice_leaks_fill_snapshot(sluice_leaks_t *leaks, health_leak_t *out)
{
    pthread_mutex_lock(&leaks->shown);
    const pressure_leak_report_t *report = &leaks->view.report;
    *out = (health_leak_t){.suspected = report->verdict >= PRESSURE_LEAK_SUSPECTED,
                           .likely = report->verdict == PRESSURE_LEAK_LIKELY,
                           .confidence = report->best.confidence,
                           .floor_bytes = report->floor_bytes,
                           .bytes_per_second = report->best.bytes_per_hour / 3600,
                           .seconds_to_budget =
                               report->seconds_to_budget != PRESSURE_LEAK_UNKNOWN ? (double)report->seconds_to_budget : NAN};
    pthread_mutex_unlock(&leaks->shown);
}
