#include "health/events.h"
#include "health/json.h"
#include "module/clock.h"
#include "module/pressure_events.h"

struct st_name_t {
    const char *type, *key, *name;
};

/* of what lasts; the others have a form of their own */
static const struct st_name_t names[] = {
    [PRESSURE_NOTICE_FAILED_SAMPLE] = {"condition", "name", "failed-sample"},
    [PRESSURE_NOTICE_BLIND] = {"condition", "name", "blind"},
    [PRESSURE_NOTICE_INEFFECTIVE] = {"condition", "name", "ineffective"},
    [PRESSURE_NOTICE_UNRECLAIMABLE] = {"condition", "name", "unreclaimable"},
    [PRESSURE_NOTICE_HANGS] = {"watchdog", "action", "hangs"},
    [PRESSURE_NOTICE_NOT_TOLD] = {"watchdog", "action", "not-told"},
    [PRESSURE_NOTICE_FLUSHED] = {"watchdog", "action", "flushed"},
};

static void add_level(json_t **event, const char *key, pressure_level_t level)
{
    health_json_add(event, key, json_string(pressure_level_name(level)));
}

static void add_reading(json_t **event, const pressure_notice_t *notice)
{
    health_json_add(event, "ratio", health_json_real((double)notice->reading_bytes / (double)notice->budget_bytes, 1000));
    health_json_add(event, "resident_bytes", health_json_integer(notice->resident_bytes));
}

static void describe_level(json_t **event, const pressure_notice_t *notice)
{
    add_level(event, "from", notice->from);
    add_level(event, "to", notice->level);
    health_json_add(event, "direction", json_string(notice->level > notice->from ? "up" : "down"));
    add_reading(event, notice);
}

static void describe_reclaim(json_t **event, const pressure_reclaim_t *reclaim, int is_poor)
{
    add_level(event, "level", reclaim->level);
    health_json_add(event, "claimed_bytes", health_json_integer(reclaim->claimed_bytes));
    health_json_add(event, "objects", health_json_integer(reclaim->objects));
    health_json_add(event, "purged_bytes", health_json_integer(reclaim->purged_bytes));
    health_json_add(event, "resident_before_bytes", health_json_integer(reclaim->resident_before_bytes));
    health_json_add(event, "resident_after_bytes", health_json_integer(reclaim->resident_after_bytes));
    health_json_add(event, "duration_ms", health_json_integer(reclaim->duration_ms));
    health_json_add(event, "poor", json_boolean(is_poor));
    health_json_add(event, "unfinished", json_boolean(reclaim->unfinished));
}

static void describe_state(json_t **event, const pressure_notice_t *notice)
{
    health_json_add(event, names[notice->kind].key, json_string(names[notice->kind].name));
    if (notice->kind != PRESSURE_NOTICE_FLUSHED)
        health_json_add(event, "active", json_boolean(!notice->is_over));
    add_level(event, "level", notice->level);
    add_reading(event, notice);
    if (notice->kind == PRESSURE_NOTICE_BLIND && !notice->is_over)
        health_json_add(event, "blind_ms", health_json_integer(notice->blind_ms));
}

void sluice_pressure_publish(void *events, const pressure_notice_t *notice)
{
    const char *type = names[notice->kind].type;
    json_t *event = json_object();

    if (notice->kind == PRESSURE_NOTICE_LEVEL) {
        type = "level";
        describe_level(&event, notice);
    } else if (notice->kind == PRESSURE_NOTICE_RECLAIM) {
        type = "reclaim";
        describe_reclaim(&event, notice->reclaim, notice->is_poor);
    } else {
        describe_state(&event, notice);
    }
    health_events_publish(events, type, sluice_wall_ms(), event);
}
