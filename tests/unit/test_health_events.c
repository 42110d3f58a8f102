#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/events.h"

#define AT_MS INT64_C(1763754000123)

static unsigned num_told;

static void count_told(void *ctx)
{
    assert_ptr_equal(ctx, &num_told);
    ++num_told;
}

static health_events_t *create(size_t capacity)
{
    health_events_t *events = health_events_create(capacity, count_told, &num_told);

    assert_non_null(events);
    num_told = 0;
    return events;
}

static void publish(health_events_t *events, const char *type, json_int_t value)
{
    health_events_publish(events, type, AT_MS + value, json_pack("{s:I}", "value", value));
}

static void expect_next(health_events_t *events, uint64_t *after, uint64_t id, json_int_t value, uint64_t expected_missed)
{
    health_event_t event;
    uint64_t missed = 77;

    assert_int_equal(health_events_next(events, after, &event, &missed), 1);
    assert_int_equal(event.id, id);
    assert_int_equal(*after, id);
    assert_int_equal(missed, expected_missed);
    assert_int_equal(event.at_ms, AT_MS + value);
    assert_int_equal(event.len, strlen(event.text));
    json_t *data = json_loads(event.text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(data, "value")), value);
    assert_true(json_real_value(json_object_get(data, "at")) * 1000 - (double)(AT_MS + value) < 0.5);
    json_decref(data);
}

static void expect_none(health_events_t *events, uint64_t after)
{
    health_event_t event;
    uint64_t missed = 77, before = after;

    assert_int_equal(health_events_next(events, &after, &event, &missed), 0);
    assert_int_equal(after, before);
    assert_int_equal(missed, 0);
}

static void in_order(void **state)
{
    health_events_t *events = create(4);
    uint64_t after = 0, other = 0;

    (void)state;
    expect_none(events, 0);
    assert_int_equal(health_events_last(events), 0);
    publish(events, "level", 1);
    publish(events, "leak", 2);
    assert_int_equal(num_told, 2);
    assert_int_equal(health_events_last(events), 2);
    expect_next(events, &after, 1, 1, 0);
    expect_next(events, &after, 2, 2, 0);
    expect_none(events, after);
    expect_next(events, &other, 1, 1, 0); /* each reader has a place of its own */
    publish(events, "level", 3);
    expect_next(events, &after, 3, 3, 0);
    health_events_destroy(&events);
    assert_null(events);
    health_events_destroy(&events);
}

static void the_time_is_written_to_the_millisecond(void **state)
{
    health_events_t *events = create(1);
    uint64_t after = 0;
    health_event_t event;

    (void)state;
    health_events_publish(events, "level", AT_MS, json_object());
    assert_int_equal(health_events_next(events, &after, &event, NULL), 1);
    assert_string_equal(event.text, "{\"at\":1763754000.123}");
    assert_string_equal(event.type, "level");
    health_events_destroy(&events);
}

static void who_is_late_misses_some(void **state)
{
    health_events_t *events = create(4);
    uint64_t after = 0;

    (void)state;
    for (json_int_t i = 1; i <= 4; ++i)
        publish(events, "level", i);
    assert_true(health_events_has_all_after(events, 0));
    publish(events, "level", 5);
    assert_false(health_events_has_all_after(events, 0));
    assert_true(health_events_has_all_after(events, 1));
    expect_next(events, &after, 2, 2, 1);
    for (json_int_t i = 6; i <= 20; ++i)
        publish(events, "level", i);
    assert_false(health_events_has_all_after(events, 2));
    expect_next(events, &after, 17, 17, 14);
    expect_next(events, &after, 18, 18, 0);
    expect_next(events, &after, 19, 19, 0);
    expect_next(events, &after, 20, 20, 0);
    expect_none(events, after);
    assert_true(health_events_has_all_after(events, 20));
    health_events_destroy(&events);
}

static void one_place_is_enough(void **state)
{
    health_events_t *events = create(1);
    uint64_t after = 0;

    (void)state;
    for (json_int_t i = 1; i <= 3; ++i)
        publish(events, "level", i);
    expect_next(events, &after, 3, 3, 2);
    expect_none(events, after);
    health_events_destroy(&events);
}

static void ids_start_where_they_are_told_to(void **state)
{
    const uint64_t first = UINT64_C(1763754000123001);
    health_events_t *events = create(2);
    uint64_t after = 0;

    (void)state;
    health_events_number_from(events, first);
    assert_int_equal(health_events_last(events), first - 1);
    expect_none(events, 0);
    assert_true(health_events_has_all_after(events, 0)); /* nothing has been yet */
    assert_true(health_events_knows(events, first - 1));
    assert_false(health_events_knows(events, first));
    assert_false(health_events_knows(events, first - 2));
    assert_false(health_events_knows(events, 0));
    publish(events, "level", 1);
    assert_true(health_events_knows(events, first));
    expect_next(events, &after, first, 1, 0); /* an id of another process: what was before the first is not missed */
    publish(events, "level", 2);
    publish(events, "level", 3);
    after = 12;
    expect_next(events, &after, first + 1, 2, 1);
    assert_true(health_events_knows(events, first)); /* it is gone, but was one of these */
    expect_none(events, first + 100);
    expect_none(events, UINT64_MAX);
    assert_false(health_events_knows(events, UINT64_MAX));
    health_events_destroy(&events);
}

/* as long as it may be, and one byte longer */
static void what_is_too_long_is_left_out(void **state)
{
    health_events_t *events = create(4);
    size_t overhead = strlen("{\"s\":\"\",\"at\":1763754000.123}");
    char text[HEALTH_EVENT_MAX + 2] = "";
    uint64_t after = 0;
    health_event_t event;
    health_event_counts_t counts = {.streams = 5};

    (void)state;
    memset(text, 'x', HEALTH_EVENT_MAX - overhead);
    health_events_publish(events, "level", AT_MS, json_pack("{s:s}", "s", text));
    assert_int_equal(health_events_next(events, &after, &event, NULL), 1);
    assert_int_equal(event.len, HEALTH_EVENT_MAX);
    assert_int_equal(strlen(event.text), HEALTH_EVENT_MAX);
    text[HEALTH_EVENT_MAX - overhead] = 'x';
    health_events_publish(events, "level", AT_MS, json_pack("{s:s}", "s", text));
    health_events_publish(events, "level", AT_MS, NULL);
    health_events_publish(events, "level", AT_MS, json_integer(1)); /* no object */
    expect_none(events, after);
    assert_int_equal(health_events_left_out(events), 3);
    assert_int_equal(num_told, 1);
    publish(events, "level", 4);
    expect_next(events, &after, 2, 4, 0); /* no gap */
    health_events_count(events, &counts);
    assert_int_equal(counts.left_out, 3);
    assert_int_equal(counts.streams, 5);
    health_events_destroy(&events);
}

/* a short event in the place of a long one */
static void nothing_of_an_older_event_is_left(void **state)
{
    health_events_t *events = create(1);
    char text[501] = "";
    uint64_t after = 0;
    health_event_t event;

    (void)state;
    memset(text, 'x', 500);
    health_events_publish(events, "a-type-too-long-for-it", AT_MS, json_pack("{s:s}", "s", text));
    assert_int_equal(health_events_next(events, &after, &event, NULL), 1);
    assert_string_equal(event.type, "a-type-too-long");
    for (int len = 500; len >= 0; --len) {
        text[len] = '\0';
        health_events_publish(events, "leak", AT_MS, json_pack("{s:s}", "s", text));
        assert_int_equal(health_events_next(events, &after, &event, NULL), 1);
        json_t *data = json_loads(event.text, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(data, "s")), text);
        json_decref(data);
        assert_string_equal(event.type, "leak");
    }
    health_events_destroy(&events);
}

static void types_are_counted(void **state)
{
    health_events_t *events = create(2);
    health_event_counts_t counts = {.streams = 0};

    (void)state;
    for (size_t i = 0; i != HEALTH_NUM_EVENT_TYPES; ++i) {
        assert_true(strlen(health_event_type_names[i]) < HEALTH_EVENT_TYPE_MAX);
        for (size_t n = 0; n <= i; ++n)
            publish(events, health_event_type_names[i], 1);
    }
    publish(events, "unheard-of", 1);
    publish(events, "", 1);
    health_events_count(events, &counts);
    for (size_t i = 0; i != HEALTH_NUM_EVENT_TYPES; ++i)
        assert_int_equal(counts.published[i], i + 1 + (i == HEALTH_NUM_EVENT_TYPES - 1 ? 2 : 0));
    assert_string_equal(health_event_type_names[HEALTH_NUM_EVENT_TYPES - 1], "other");
    health_events_destroy(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(the_time_is_written_to_the_millisecond),
        cmocka_unit_test(who_is_late_misses_some),
        cmocka_unit_test(one_place_is_enough),
        cmocka_unit_test(ids_start_where_they_are_told_to),
        cmocka_unit_test(what_is_too_long_is_left_out),
        cmocka_unit_test(nothing_of_an_older_event_is_left),
        cmocka_unit_test(types_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
