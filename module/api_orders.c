/*
 * POST /api/memory/trim: gives back to the system what nothing is in: free pages of the image cache and of the allocator.
 * POST /api/memory/cleanup: has the coordinator clear every cache as at `emergency` (pressure/cleanup.h), and does the same then.
 * POST /api/memory/snapshot: report and heap profile to files, see snapshot.h.
 *
 * All on the clerk's thread. What was resident before and after is measured there, next to the work.
 */
#include "pressure/excess.h"
#include "module/allocator.h"
#include "module/api.h"
#include "module/snapshot.h"

#define CLEANUP_TIMEOUT_MS 30000

typedef struct st_measure_t {
    uint64_t before_bytes, after_bytes, started_us, took_us;
} measure_t;

static measure_t begin_measure(void)
{
    return (measure_t){.before_bytes = sluice_resident_bytes(), .started_us = sluice_now_us()};
}

static void end_measure(measure_t *measure)
{
    measure->took_us = sluice_now_us() - measure->started_us;
    measure->after_bytes = sluice_resident_bytes();
}

static void add_measure(json_t **answer, const measure_t *measure)
{
    health_json_add(answer, "resident_before_bytes", health_json_integer(measure->before_bytes));
    health_json_add(answer, "resident_after_bytes", health_json_integer(measure->after_bytes));
    health_json_add(answer, "duration_ms", health_json_real((double)measure->took_us / 1000, 1e3));
}

static json_t *trim(sluice_api_job_t *job)
{
    measure_t measure = begin_measure();
    uint64_t cache_bytes = icache_trim(job->sluice->cache, UINT64_MAX);
    json_t *answer = json_object();

    sluice_allocator_purge();
    end_measure(&measure);
    health_json_add(&answer, "allocator", json_string(sluice_allocator_name()));
    health_json_add(&answer, "purged_bytes", health_json_integer(pressure_excess(measure.before_bytes, measure.after_bytes)));
    health_json_add(&answer, "image_cache_bytes", health_json_integer(cache_bytes));
    add_measure(&answer, &measure);
    pressure_kick(job->sluice->pressure); /* the level is to follow at once */
    return answer;
}

static json_t *clean_up(sluice_api_job_t *job)
{
    measure_t measure = begin_measure();
    pressure_cleanup_t cleanup;
    json_t *answer;

    if (pressure_clean_up(job->sluice->pressure, CLEANUP_TIMEOUT_MS, &cleanup) != 0)
        return sluice_api_job_refuse(job, 503, "Service Unavailable",
                                     "the coordinator has not finished the cleanup for 30 s; it goes on when the coordinator comes "
                                     "to it. The watchdog's part of /metrics says whether it hangs",
                                     "coordinator-busy");
    /* the coordinator purges when its estimate says that it pays; this one is ordered */
    uint64_t cleared_bytes = sluice_resident_bytes();
    sluice_allocator_purge();
    end_measure(&measure);
    cleanup.purged_bytes += pressure_excess(cleared_bytes, measure.after_bytes);
    answer = json_object();
    health_json_add(&answer, "claimed_bytes", health_json_integer(cleanup.claimed_bytes));
    health_json_add(&answer, "objects", health_json_integer(cleanup.objects));
    health_json_add(&answer, "purged_bytes", health_json_integer(cleanup.purged_bytes));
    add_measure(&answer, &measure);
    pressure_kick(job->sluice->pressure);
    return answer;
}

static json_t *write_snapshot(sluice_api_job_t *job)
{
    char error[SLUICE_SNAPSHOT_ERROR_MAX];
    sluice_snapshot_files_t files;
    json_t *answer, *list;

    if (sluice_snapshot_write(job->sluice, &files, error) != 0)
        return sluice_api_job_refuse(job, 500, "Internal Server Error", error, "report-not-written");
    list = json_array();
    health_json_push(&list, json_string(files.report));
    health_json_push(&list, json_string(files.heap));
    answer = json_object();
    health_json_add(&answer, "files", list);
    return answer;
}

void sluice_api_trim(const sluice_api_call_t *call)
{
    sluice_api_defer_bare(call, trim);
}

void sluice_api_cleanup(const sluice_api_call_t *call)
{
    sluice_api_defer_bare(call, clean_up);
}

void sluice_api_snapshot(const sluice_api_call_t *call)
{
    sluice_api_defer_bare(call, write_snapshot);
}
