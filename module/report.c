#include "health/json.h"
#include "module/health_snapshot.h"
#include "module/report.h"
#include "module/version.h"

json_t *sluice_report_new(sluice_t *sluice)
{
    health_snapshot_t snapshot;
    json_t *report = json_object();

    sluice_health_snapshot(sluice, &snapshot);
    health_json_add(&report, "version", json_string(SLUICE_VERSION));
    health_json_add(&report, "at", json_integer(sluice_wall_s()));
    health_json_add(&report, "health", health_new_json(&snapshot));
    sluice_health_snapshot_dispose(&snapshot);
    return report;
}
