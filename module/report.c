#include "health/json.h"
#include "health/views.h"
#include "module/alerts.h"
#include "module/health_snapshot.h"
#include "module/leaks.h"
#include "module/operations.h"
#include "module/report.h"
#include "module/version.h"

/* --- what other parts add: one row each */

static json_t *new_leaks(sluice_t *sluice)
{
    sluice_leaks_view_t view;

    sluice_leaks_view(sluice->leaks, &view);
    return sluice_api_leaks_json(&view);
}

static json_t *new_operations(sluice_t *sluice)
{
    return sluice_api_operations_json(sluice, 0); /* anybody may read the report */
}

static const struct {
    const char *name;
    json_t *(*make)(sluice_t *sluice);
} sections[] = {
    {"alerts", sluice_alerts_json},
    {"leaks", new_leaks},
    {"operations", new_operations},
    {NULL, NULL},
};

json_t *sluice_report_new(sluice_t *sluice)
{
    health_snapshot_t snapshot;
    json_t *report = json_object();

    sluice_health_snapshot(sluice, &snapshot);
    health_json_add(&report, "version", json_string(SLUICE_VERSION));
    health_json_add(&report, "at", json_integer(sluice_wall_s()));
    health_json_add(&report, "health", health_new_json(&snapshot));
    health_json_add(&report, "stats", health_new_stats(&snapshot));
    health_json_add(&report, "heap", health_new_heap(&snapshot));
    health_json_add(&report, "process", health_new_process(&snapshot));
    health_json_add(&report, "consumers", health_new_consumers(&snapshot));
    health_json_add(&report, "coordination", health_new_coordination(&snapshot));
    for (size_t i = 0; sections[i].make != NULL; ++i)
        health_json_add(&report, sections[i].name, sections[i].make(sluice));
    health_json_add(&report, "recommendations", health_new_advice(&snapshot));
    sluice_health_snapshot_dispose(&snapshot);
    return report;
}
