#include <stdio.h>
#include <stdlib.h>
#include "module/allocator.h"
#include "module/pressure_events.h"
#include "module/reclaim.h"
#include "module/start_pressure.h"

#define AUTO_WAITING 32 /* budgets that may wait: more than drains within any sensible image.queue-timeout */

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "sluice: %s\n", line);
}

void sluice_fill_pressure_config(const sluice_settings_t *settings, pressure_config_t *config)
{
    pressure_config_init(config);
    config->budget_bytes = settings->budget_bytes;
    config->mark_permille[PRESSURE_ELEVATED] = (unsigned)settings->elevated_permille;
    config->mark_permille[PRESSURE_DEGRADED] = (unsigned)settings->degraded_permille;
    config->mark_permille[PRESSURE_HIGH] = (unsigned)settings->high_permille;
    config->mark_permille[PRESSURE_CRITICAL] = (unsigned)settings->critical_permille;
    config->mark_permille[PRESSURE_EMERGENCY] = (unsigned)settings->emergency_permille;
    config->down_gap_permille = (unsigned)settings->down_gap_permille;
    config->dwell_ms = settings->dwell_ms;
    config->dwell_critical_ms = settings->dwell_critical_ms;
    config->max_waiting = settings->max_queue;
    config->reconcile_period_ms = settings->reconcile_period_ms;
    config->operation_classes = 1u << PRESSURE_CLASS_DECODE;
    config->tuning = settings->tuning;
}

static pressure_meter_t *create_meter(uint64_t stale_after_ms)
{
    const pressure_meter_config_t config = {
        .proc_root = SLUICE_PROC_ROOT, .sys_root = SLUICE_CGROUP_ROOT, .stale_after_ms = stale_after_ms, .now_ms = sluice_now_ms};

    return pressure_meter_create(&config);
}

static void start_coordinator(sluice_t *sluice)
{
    pressure_config_t config;

    sluice_fill_pressure_config(&sluice->settings, &config);
    config.budget_bytes = sluice->budget_bytes;
    config.max_operations = sluice->settings.workers;
    config.max_waiting_bytes = sluice->settings.max_waiting_bytes;
    if (config.max_waiting_bytes == 0)
        config.max_waiting_bytes = config.budget_bytes * AUTO_WAITING;
    config.now_ms = sluice_exact_ms;
    if ((sluice->meter = create_meter(config.tuning.stale_after_ms)) == NULL)
        sluice_fail_start("the memory meter: out of memory");
    pressure_wake_open(&sluice->wake, SLUICE_PROC_ROOT, SLUICE_CGROUP_ROOT, getenv("MEMORY_PRESSURE_WATCH"),
                       getenv("MEMORY_PRESSURE_WRITE"));
    sluice->simulated_meter = (sluice_simulated_meter_t){sluice->meter, &sluice->simulation};
    config.sample = sluice_simulation_sample;
    config.sample_ctx = &sluice->simulated_meter;
    config.wake = &sluice->wake;
    sluice->heap.purge_min_bytes = sluice->budget_bytes / 1000 * sluice->settings.purge_min_permille;
    sluice->heap.purge_pause_ms = sluice->settings.purge_pause_ms;
    config.purge = sluice_heap_purge;
    config.purge_ctx = &sluice->heap;
    config.log = log_line;
    config.notify = sluice_pressure_publish;
    config.notify_ctx = sluice->events;
    if ((sluice->pressure = pressure_create(&config)) == NULL || (sluice->reclaim = sluice_reclaim_create(sluice)) == NULL ||
        pressure_start(sluice->pressure) != 0)
        sluice_fail_start("the pressure coordinator");
    for (sluice_route_t *route = sluice->routes; route != NULL; route = route->next)
        pressure_add_route(sluice->pressure, &route->super);
    sluice_source_share_init(&sluice->source_share, sluice->budget_bytes / 1000 * sluice->settings.source_permille);
}

/* the last resort, in the watchdog's thread: no listener, no slices */
static void flush_everything(void *_sluice)
{
    sluice_t *sluice = _sluice;

    icache_shrink_to(sluice->cache, 0);
    icache_trim(sluice->cache, UINT64_MAX);
    while (icache_meta_drop_segment(sluice->metadata) != 0)
        ;
    sluice_allocator_purge();
}

static void start_watchdog(sluice_t *sluice)
{
    pressure_watchdog_config_t config = {.pressure = sluice->pressure,
                                         .sample = sluice_simulation_sample,
                                         .sample_ctx = &sluice->simulated_watchdog_meter,
                                         .now_ms = sluice_now_ms,
                                         .period_ms = sluice->settings.watchdog_period_ms,
                                         .deadline_ms = sluice->settings.watchdog_deadline_ms,
                                         .flush = flush_everything,
                                         .flush_ctx = sluice,
                                         .log = log_line,
                                         .notify = sluice_pressure_publish,
                                         .notify_ctx = sluice->events};

    sluice->watchdog_meter = create_meter(config.deadline_ms);
    sluice->simulated_watchdog_meter = (sluice_simulated_meter_t){sluice->watchdog_meter, &sluice->simulation};
    if (sluice->watchdog_meter == NULL || (sluice->watchdog = pressure_watchdog_create(&config)) == NULL ||
        pressure_watchdog_start(sluice->watchdog) != 0)
        sluice_fail_start("the watchdog");
}

void sluice_start_pressure(sluice_t *sluice)
{
    start_coordinator(sluice);
    start_watchdog(sluice);
}

/* the watchdog looks at the coordinator, and the listeners leave before that goes */
void sluice_stop_pressure(sluice_t *sluice)
{
    sluice_reclaim_destroy(&sluice->reclaim);
    pressure_watchdog_destroy(&sluice->watchdog);
    pressure_meter_destroy(&sluice->watchdog_meter);
    pressure_destroy(&sluice->pressure);
    pressure_wake_close(&sluice->wake);
    pressure_meter_destroy(&sluice->meter);
    sluice_source_share_dispose(&sluice->source_share);
}
