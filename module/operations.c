#include <inttypes.h>
#include <stdio.h>
#include "health/json.h"
#include "module/drain.h"
#include "module/operations.h"
#include "module/source.h"

#define LOG_PAUSE_MS 10000
#define EVENTS_MAX 8 /* of one look, so that others stay in the ring */

sluice_error_t sluice_operation_error(const health_operation_t *operation, sluice_error_t when_stale)
{
    switch (health_operation_order(operation)) {
    case HEALTH_OPERATION_STALE:
        return when_stale;
    case HEALTH_OPERATION_DRAINED:
        return SLUICE_ERROR_DRAINING;
    default:
        return SLUICE_ERROR_CANCELLED;
    }
}

void sluice_operation_end(sluice_t *sluice, health_operation_t *operation)
{
    int was_begun = operation->all != NULL;
    uint64_t num_left = health_operation_end(operation);

    if (was_begun && atomic_load_explicit(&sluice->draining, memory_order_relaxed))
        sluice_drain_note_end(sluice, num_left);
}

/* of one look */
struct st_findings_t {
    sluice_t *sluice;
    const sluice_observation_t *observation;
    size_t count;
    health_operation_view_t first;
    const char *first_is;
};

static void publish(const struct st_findings_t *findings, const health_operation_view_t *view, const char *what)
{
    json_t *data = json_object();

    health_json_add(&data, "state", json_string(what));
    health_json_add(&data, "kind", json_string(health_operation_kind_names[view->kind]));
    health_json_add(&data, "was", json_string(health_operation_state_names[view->state]));
    health_json_add(&data, "id", health_json_integer(view->id));
    health_json_add(&data, "age_ms", health_json_integer(findings->observation->now_ms - view->begun_ms));
    health_json_add(&data, "bytes", health_json_integer(view->bytes));
    health_events_publish(findings->sluice->events, "operation", findings->observation->wall_s * 1000, data);
}

static void note(struct st_findings_t *findings, const health_operation_view_t *view, const char *what)
{
    if (findings->count++ == 0) {
        findings->first = *view;
        findings->first_is = what;
    }
    if (findings->count <= EVENTS_MAX)
        publish(findings, view, what);
}

static void on_stale(const health_operation_view_t *view, void *findings)
{
    note(findings, view, "stale");
}

static void on_stuck(const health_operation_view_t *view, void *findings)
{
    note(findings, view, "stuck");
}

static void log_findings(const struct st_findings_t *findings)
{
    sluice_t *sluice = findings->sluice;
    const health_operation_view_t *first = &findings->first;
    uint64_t now_ms = findings->observation->now_ms;

    if (sluice->operations_said_ms != 0 && now_ms - sluice->operations_said_ms < LOG_PAUSE_MS)
        return;
    sluice->operations_said_ms = now_ms;
    fprintf(stderr,
            "sluice: %zu operations are stale or stuck: the first, %s after %.1f s, is a %s (%s, %" PRIu64 " bytes) of %s\n",
            findings->count, findings->first_is, (double)(now_ms - first->begun_ms) / 1000,
            health_operation_kind_names[first->kind], health_operation_state_names[first->state], first->bytes, first->target);
}

void sluice_operations_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    struct st_findings_t findings = {.sluice = sluice, .observation = observation};
    size_t num_stale = health_operations_check(sluice->operations, observation->now_ms, sluice->settings.operation_stale_ms,
                                               on_stale, on_stuck, &findings);

    if (num_stale != 0)
        sluice_fetcher_wake(sluice->fetcher);
    if (findings.count != 0)
        log_findings(&findings);
}
