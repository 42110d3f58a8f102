/*
 * The events of notices, and those that are looked for once a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "health/events.h"
#include "module/pressure_events.h"
#include "module/sampled_events.h"
#include "module/simulation.h"

static health_events_t *events;
static uint64_t after;

static int set_up(void **state)
{
    (void)state;
    after = 0;
    events = health_events_create(16, NULL, NULL);
    return events == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    health_events_destroy(&events);
    return 0;
}

static void expect_event(const char *type, const char *text_without_time)
{
    health_event_t event;

    assert_int_equal(health_events_next(events, &after, &event, NULL), 1);
    assert_string_equal(event.type, type);
    char *at = strstr(event.text, ",\"at\":");
    assert_non_null(at);
    memmove(at, "}", 2);
    assert_string_equal(event.text, text_without_time);
}

static void a_level(void **state)
{
    pressure_notice_t notice = {.kind = PRESSURE_NOTICE_LEVEL,
                                .from = PRESSURE_NORMAL,
                                .level = PRESSURE_HIGH,
                                .reading_bytes = 812345,
                                .resident_bytes = 700000,
                                .budget_bytes = 1000000};

    (void)state;
    sluice_pressure_publish(events, &notice);
    expect_event("level", "{\"from\":\"normal\",\"to\":\"high\",\"direction\":\"up\",\"ratio\":0.812,\"resident_bytes\":700000}");
    notice.from = PRESSURE_EMERGENCY;
    sluice_pressure_publish(events, &notice);
    expect_event("level",
                 "{\"from\":\"emergency\",\"to\":\"high\",\"direction\":\"down\",\"ratio\":0.812,\"resident_bytes\":700000}");
}

/* as long as can be: it is kept all the same */
static void a_reclaim(void **state)
{
    pressure_reclaim_t reclaim = {.level = PRESSURE_EMERGENCY,
                                  .generation = UINT64_MAX,
                                  .claimed_bytes = UINT64_MAX,
                                  .objects = UINT64_MAX,
                                  .purged_bytes = UINT64_MAX,
                                  .resident_before_bytes = UINT64_MAX,
                                  .resident_after_bytes = UINT64_MAX,
                                  .duration_ms = UINT64_MAX,
                                  .unfinished = 1};
    pressure_notice_t notice = {.kind = PRESSURE_NOTICE_RECLAIM, .reclaim = &reclaim, .is_poor = 1, .budget_bytes = 1};

    (void)state;
    sluice_pressure_publish(events, &notice);
    expect_event("reclaim", "{\"level\":\"emergency\",\"claimed_bytes\":9223372036854775807,\"objects\":9223372036854775807,"
                            "\"purged_bytes\":9223372036854775807,\"resident_before_bytes\":9223372036854775807,"
                            "\"resident_after_bytes\":9223372036854775807,\"duration_ms\":9223372036854775807,\"poor\":true,"
                            "\"unfinished\":true}");
}

static void what_lasts(void **state)
{
    static const struct {
        pressure_notice_kind_t kind;
        const char *type, *text;
    } rows[] = {
        {PRESSURE_NOTICE_FAILED_SAMPLE, "condition", "{\"name\":\"failed-sample\",\"active\":true"},
        {PRESSURE_NOTICE_BLIND, "condition", "{\"name\":\"blind\",\"active\":true"},
        {PRESSURE_NOTICE_INEFFECTIVE, "condition", "{\"name\":\"ineffective\",\"active\":true"},
        {PRESSURE_NOTICE_UNRECLAIMABLE, "condition", "{\"name\":\"unreclaimable\",\"active\":true"},
        {PRESSURE_NOTICE_HANGS, "watchdog", "{\"action\":\"hangs\",\"active\":true"},
        {PRESSURE_NOTICE_NOT_TOLD, "watchdog", "{\"action\":\"not-told\",\"active\":true"},
        {PRESSURE_NOTICE_FLUSHED, "watchdog", "{\"action\":\"flushed\""},
    };
    char expected[256];

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_notice_t notice = {.kind = rows[i].kind, .level = PRESSURE_HIGH, .blind_ms = 3000, .budget_bytes = 4};
        snprintf(expected, sizeof(expected), "%s,\"level\":\"high\",\"ratio\":0.0,\"resident_bytes\":0%s}", rows[i].text,
                 notice.kind == PRESSURE_NOTICE_BLIND ? ",\"blind_ms\":3000" : "");
        sluice_pressure_publish(events, &notice);
        expect_event(rows[i].type, expected);
    }
    sluice_pressure_publish(events, &(pressure_notice_t){.kind = PRESSURE_NOTICE_BLIND, .is_over = 1, .budget_bytes = 4});
    expect_event("condition", "{\"name\":\"blind\",\"active\":false,\"level\":\"normal\",\"ratio\":0.0,\"resident_bytes\":0}");
}

static void expect_disposal(sluice_sampled_events_t *sampled, const health_cache_t *cache, const char *expected)
{
    int left = 77;
    json_t *event = sluice_sampled_disposal(sampled, cache, &left);
    char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;

    assert_int_equal(left, expected != NULL);
    if (expected != NULL)
        assert_string_equal(text, expected);
    else
        assert_null(event);
    free(text);
    json_decref(event);
}

static void what_left_since_the_last_look(void **state)
{
    sluice_sampled_events_t sampled = {{0}, {0}};
    health_cache_t cache = {.name = "image", .hits = 5};

    (void)state;
    expect_disposal(&sampled, &cache, NULL);
    cache.evictions[0] = 3;
    cache.evicted_bytes[0] = 300;
    cache.evictions[1] = 1;
    cache.evicted_bytes[1] = 50;
    expect_disposal(&sampled, &cache,
                    "{\"objects\":4,\"bytes\":350,\"cache\":\"image\",\"reasons\":{\"capacity\":{\"objects\":3,\"bytes\":300},"
                    "\"pressure\":{\"objects\":1,\"bytes\":50}}}");
    expect_disposal(&sampled, &cache, NULL);
    cache.evictions[1] = 2;
    cache.evicted_bytes[1] = 60;
    expect_disposal(&sampled, &cache,
                    "{\"objects\":1,\"bytes\":10,\"cache\":\"image\",\"reasons\":{\"pressure\":{\"objects\":1,\"bytes\":10}}}");
    for (size_t i = 0; i != HEALTH_NUM_REASONS; ++i) { /* the longest there is can be kept */
        cache.evictions[i] += UINT64_C(1) << 40;
        cache.evicted_bytes[i] += UINT64_C(1) << 55;
    }
    int left;
    health_events_publish(events, "disposal", 1, sluice_sampled_disposal(&sampled, &cache, &left));
    assert_int_equal(health_events_left_out(events), 0);
}

static void pretended_memory_ends_once(void **state)
{
    sluice_simulation_t simulation = {0, 0};

    (void)state;
    assert_false(sluice_simulation_expire(&simulation, 1000));
    atomic_store(&simulation.until_ms, 2000);
    assert_false(sluice_simulation_expire(&simulation, 1999));
    assert_true(sluice_simulation_expire(&simulation, 2000));
    assert_false(sluice_simulation_expire(&simulation, 2001));
    sluice_simulation_publish(events, 5, 6);
    expect_event("simulation", "{\"bytes\":5,\"seconds\":6,\"active\":true}");
    sluice_simulation_publish(events, 0, 0);
    expect_event("simulation", "{\"bytes\":0,\"seconds\":0,\"active\":false}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reclaim, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lasts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_left_since_the_last_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pretended_memory_ends_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
