#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "module/transform_meter.h"

#define WARNING_PAUSE_MS 60000

static void look_round(sluice_t *sluice, sluice_company_t *company)
{
    pressure_snapshot_t pressure;

    pressure_get_snapshot(sluice->pressure, &pressure);
    *company = (sluice_company_t){.transforms_begun = sluice_counted(&sluice->stats.transforms_begun),
                                  .transforms_ended = sluice_counted(&sluice->stats.transforms),
                                  .fetches_begun = sluice_counted(&sluice->stats.fetches),
                                  .fetches_in_progress = sluice_counted(&sluice->stats.fetches_in_progress),
                                  .reclaims = pressure.generations};
}

void sluice_transform_meter_look(sluice_transform_meter_t *meter)
{
    uint64_t resident_bytes;

    if (pressure_read_statm(meter->statm_fd, &resident_bytes) != 0)
        meter->failed = 1;
    else if (resident_bytes > meter->peak_bytes)
        meter->peak_bytes = resident_bytes;
}

void sluice_transform_meter_begin(sluice_t *sluice, sluice_transform_meter_t *meter)
{
    *meter = (sluice_transform_meter_t){.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
    sluice_count(&sluice->stats.transforms_begun, 1);
    look_round(sluice, &meter->at_begin);
    sluice_transform_meter_look(meter);
    meter->before_bytes = meter->peak_bytes;
}

/* at most once a minute: what is wrong with one picture is wrong with its neighbours */
static void warn(sluice_t *sluice, const sluice_plan_t *plan, uint64_t taken_bytes)
{
    uint64_t now_ms = sluice_now_ms(), last_ms = sluice_counted(&sluice->stats.overrun_warned_ms);

    sluice_count(&sluice->stats.transform_overruns, 1);
    if ((last_ms == 0 || now_ms - last_ms >= WARNING_PAUSE_MS) &&
        atomic_compare_exchange_strong(&sluice->stats.overrun_warned_ms, &last_ms, now_ms))
        fprintf(stderr,
                "sluice: a transform took %.1f MiB, and %.1f were reserved: %s, %llu x %llu, %u bands, to %s, %u x %u; please "
                "report it\n",
                (double)taken_bytes / 1048576, (double)plan->estimate_bytes / 1048576, sluice_format_name(plan->facts.format),
                (unsigned long long)plan->facts.width, (unsigned long long)plan->facts.height, (unsigned)plan->facts.bands,
                sluice_format_name(plan->options.output), (unsigned)plan->geometry.answer.width,
                (unsigned)plan->geometry.answer.height);
}

void sluice_transform_meter_end(sluice_t *sluice, sluice_transform_meter_t *meter, const sluice_plan_t *plan)
{
    sluice_company_t at_end;

    look_round(sluice, &at_end);
    if (meter->statm_fd != -1)
        close(meter->statm_fd);
    if (plan != NULL && !meter->failed && sluice_was_alone(&meter->at_begin, &at_end)) {
        uint64_t taken_bytes = meter->peak_bytes - meter->before_bytes;
        sluice_ratios_count(sluice->stats.memory_ratios + plan->facts.format, taken_bytes, plan->estimate_bytes);
        if (sluice_is_overrun(taken_bytes, plan->estimate_bytes))
            warn(sluice, plan, taken_bytes);
    }
    sluice_count(&sluice->stats.transforms, 1);
}
