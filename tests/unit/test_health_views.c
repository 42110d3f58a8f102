/* The views of memory: every field from its place, sums that hold, marks at their borders, and no half object without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/json.h"
#include "health/views.h"

#define MIB ((uint64_t)1 << 20)

static health_snapshot_t calm(void)
{
    health_snapshot_t s = {.version = "1",
                           .resident_bytes = 400 * MIB,
                           .peak_resident_bytes = 500 * MIB,
                           .budget_bytes = 1000 * MIB,
                           .elevated_ratio = 0.7,
                           .degraded_ratio = 0.75,
                           .high_ratio = 0.8,
                           .critical_ratio = 0.9,
                           .emergency_ratio = 0.95,
                           .samples = 1,
                           .accounted_bytes = 300 * MIB,
                           .residual_bytes = 100 * MIB,
                           .reserved_bytes = {10 * MIB, 20 * MIB},
                           .num_caches = 2,
                           .memory = {.source_limit_bytes = 50 * MIB,
                                      .siblings_bytes = 3 * MIB,
                                      .seen_bytes = 4 * MIB,
                                      .heap = {.allocator = "glibc", .free_bytes = 5 * MIB},
                                      .process = {.fds = 10, .max_fds = 1000, .max_virtual_bytes = UINT64_MAX}}};
    s.caches[0] = (health_cache_t){.name = "image", .capacity_bytes = 500 * MIB, .limit_bytes = 500 * MIB};
    s.caches[0].told.used_bytes = 200 * MIB;
    s.caches[0].told.pinned_bytes = 30 * MIB;
    s.caches[0].told.evictable_bytes = 7 * MIB;
    s.caches[1] = (health_cache_t){.name = "metadata", .capacity_bytes = 100 * MIB, .limit_bytes = 100 * MIB};
    s.caches[1].told.used_bytes = 40 * MIB;
    for (size_t i = 0; i != HEALTH_NUM_LEVELS; ++i)
        s.event_age_ms[i] = UINT64_MAX;
    return s;
}

/* a.b.c of an object */
static const json_t *at(const json_t *object, const char *path)
{
    char part[64];

    while (object != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        object = json_object_get(object, part);
        path += len + (path[len] == '.');
    }
    if (object == NULL)
        fail_msg("not there");
    return object;
}

static uint64_t number(const json_t *object, const char *path)
{
    assert_true(json_is_integer(at(object, path)));
    return (uint64_t)json_integer_value(at(object, path));
}

/* --- consumers */

static void consumers_add_up(void **state)
{
    (void)state;
    health_snapshot_t s = calm();
    health_consumer_t c[HEALTH_MAX_CONSUMERS];
    uint64_t accounted_bytes;
    size_t count = health_list_consumers(&s, c, &accounted_bytes);

    assert_int_equal(accounted_bytes, s.accounted_bytes);
    assert_true(count <= HEALTH_MAX_CONSUMERS);
    for (size_t i = 0; i != count; ++i)
        for (size_t j = 0; j != i; ++j)
            assert_string_not_equal(c[i].name, c[j].name);
    assert_true(c[0].cache == s.caches && c[0].used_bytes == 200 * MIB && c[0].pinned_bytes == 30 * MIB &&
                c[0].evictable_bytes == 7 * MIB);
    assert_true(c[2].used_bytes == 10 * MIB && c[2].limit_bytes == 50 * MIB);
    assert_true(c[3].used_bytes == 20 * MIB && c[3].limit_bytes == 800 * MIB);
    s.num_caches = 1000; /* no more than there is room for */
    for (size_t i = 2; i != HEALTH_MAX_CACHES; ++i)
        s.caches[i].name = "more";
    assert_true(health_list_consumers(&s, c, &accounted_bytes) <= HEALTH_MAX_CONSUMERS);
}

static void marks_at_their_borders(void **state)
{
    (void)state;
    static const struct {
        uint64_t used_bytes, limit_bytes;
        health_consumer_status_t status;
    } rows[] = {{0, 0, HEALTH_CONSUMER_OK},
                {UINT64_MAX, 0, HEALTH_CONSUMER_OK},
                {0, 1000, HEALTH_CONSUMER_OK},
                {749, 1000, HEALTH_CONSUMER_OK},
                {750, 1000, HEALTH_CONSUMER_WARNING},
                {899, 1000, HEALTH_CONSUMER_WARNING},
                {900, 1000, HEALTH_CONSUMER_CRITICAL},
                {2000, 1000, HEALTH_CONSUMER_CRITICAL},
                {UINT64_MAX / 2, UINT64_MAX, HEALTH_CONSUMER_OK},
                {UINT64_MAX / 5 * 4, UINT64_MAX, HEALTH_CONSUMER_WARNING},
                {UINT64_MAX, UINT64_MAX, HEALTH_CONSUMER_CRITICAL}};

    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (health_consumer_status(rows[i].used_bytes, rows[i].limit_bytes) != rows[i].status)
            fail_msg("row %zu", i);
    health_snapshot_t s = calm();
    health_consumer_t c[HEALTH_MAX_CONSUMERS];
    uint64_t accounted_bytes;
    s.caches[0].told.used_bytes = 450 * MIB;
    health_list_consumers(&s, c, &accounted_bytes);
    assert_true(c[0].warning_bytes == 375 * MIB && c[0].critical_bytes == 450 * MIB && c[0].status == HEALTH_CONSUMER_CRITICAL);
    s.caches[0].limit_bytes = MIB; /* for now: its own limit is the capacity */
    s.caches[0].told.used_bytes = 2 * MIB;
    health_list_consumers(&s, c, &accounted_bytes);
    assert_int_equal(c[0].status, HEALTH_CONSUMER_OK);
}

/* --- JSON */

static uint64_t next_value;

static uint64_t fresh(void)
{
    return next_value += 1000003;
}

static void process_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {
#define ROW(field, member) {field, offsetof(health_process_t, member)}
        ROW("pid", pid),
        ROW("threads", threads),
        ROW("fds", fds),
        ROW("max_fds", max_fds),
        ROW("virtual_bytes", virtual_bytes),
        ROW("peak_virtual_bytes", peak_virtual_bytes),
        ROW("max_virtual_bytes", max_virtual_bytes),
        ROW("resident_bytes", resident_bytes),
        ROW("peak_resident_bytes", peak_resident_bytes),
        ROW("anonymous_bytes", anonymous_bytes),
        ROW("file_bytes", file_bytes),
        ROW("shared_bytes", shared_bytes),
        ROW("data_bytes", data_bytes),
        ROW("stack_bytes", stack_bytes),
        ROW("page_table_bytes", page_table_bytes),
        ROW("locked_bytes", locked_bytes),
        ROW("swap_bytes", swap_bytes),
        ROW("minor_faults", minor_faults),
        ROW("major_faults", major_faults),
        ROW("voluntary_switches", voluntary_switches),
        ROW("involuntary_switches", involuntary_switches),
        ROW("read_bytes", read_bytes),
        ROW("written_bytes", written_bytes),
#undef ROW
    };
    health_snapshot_t s = calm();
    uint64_t values[sizeof(rows) / sizeof(rows[0])];

    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        values[i] = fresh();
        memcpy((char *)&s.memory.process + rows[i].offset, values + i, sizeof(values[i]));
    }
    s.memory.age_ms = fresh();
    s.memory.process.user_seconds = 1.25;
    s.memory.process.system_seconds = 0.5;
    s.uptime_seconds = 12.5;
    json_t *view = health_new_process(&s);
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(number(view, rows[i].name), values[i]);
    assert_int_equal(number(view, "age_ms"), s.memory.age_ms);
    assert_true(json_real_value(at(view, "cpu_seconds")) == 1.75 && json_real_value(at(view, "user_seconds")) == 1.25 &&
                json_real_value(at(view, "system_seconds")) == 0.5 && json_real_value(at(view, "uptime_seconds")) == 12.5);
    assert_int_equal(json_object_size(view), sizeof(rows) / sizeof(rows[0]) + 5);
    json_decref(view);
    s.memory.process.max_fds = s.memory.process.max_virtual_bytes = UINT64_MAX;
    view = health_new_process(&s);
    assert_true(json_is_null(at(view, "max_fds")) && json_is_null(at(view, "max_virtual_bytes")));
    json_decref(view);
}

static void heap_by_field(void **state)
{
    (void)state;
    health_snapshot_t s = calm();
    health_heap_t *h = &s.memory.heap;

    *h = (health_heap_t){.allocator = "glibc",
                         .allocated_bytes = fresh(),
                         .active_bytes = fresh(),
                         .resident_bytes = fresh(),
                         .retained_bytes = fresh(),
                         .free_bytes = fresh(),
                         .mapped_bytes = fresh(),
                         .looks = fresh(),
                         .look_us = 1500,
                         .age_ms = fresh(),
                         .num_arenas = 2,
                         .arenas = {{1, 2}, {3, 4}}};
    json_t *view = health_new_heap(&s);
    assert_string_equal(json_string_value(at(view, "allocator")), "glibc");
    assert_true(number(view, "allocated_bytes") == h->allocated_bytes && number(view, "active_bytes") == h->active_bytes &&
                number(view, "resident_bytes") == h->resident_bytes && number(view, "retained_bytes") == h->retained_bytes &&
                number(view, "free_bytes") == h->free_bytes && number(view, "mapped_bytes") == h->mapped_bytes &&
                number(view, "looks") == h->looks && number(view, "age_ms") == h->age_ms);
    assert_true(json_real_value(at(view, "look_ms")) == 1.5);
    assert_int_equal(json_array_size(at(view, "arenas")), 2);
    const json_t *arena = json_array_get(at(view, "arenas"), 1);
    assert_true(number(arena, "system_bytes") == 3 && number(arena, "free_bytes") == 4);
    json_decref(view);
    h->allocator = NULL;
    view = health_new_heap(&s);
    assert_true(json_is_null(at(view, "allocator")));
    json_decref(view);
}

static void stats_by_field(void **state)
{
    (void)state;
    health_snapshot_t s = calm();

    s.memory.simulated_bytes = 77;
    s.memory.growth_bytes_per_minute = -1.5;
    s.evictable_bytes = 88;
    json_t *view = health_new_stats(&s);
    assert_true(number(view, "resident_bytes") == 400 * MIB && number(view, "peak_resident_bytes") == 500 * MIB &&
                number(view, "budget_bytes") == 1000 * MIB && number(view, "accounted_bytes") == 300 * MIB &&
                number(view, "unaccounted_bytes") == 100 * MIB && number(view, "evictable_bytes") == 88);
    assert_true(number(view, "marks_bytes.elevated") == 700 * MIB && number(view, "marks_bytes.degraded") == 750 * MIB &&
                number(view, "marks_bytes.high") == 800 * MIB && number(view, "marks_bytes.critical") == 900 * MIB &&
                number(view, "marks_bytes.emergency") == 950 * MIB);
    assert_true(number(view, "reserved_bytes.source") == 10 * MIB && number(view, "reserved_bytes.decode") == 20 * MIB);
    assert_true(number(view, "simulated_bytes") == 77 && json_real_value(at(view, "growth_bytes_per_minute")) == -1.5);
    assert_true(json_real_value(at(view, "ratio")) == 0.4 && json_is_null(at(view, "cgroup")) && json_is_null(at(view, "psi")));
    assert_string_equal(json_string_value(at(view, "level")), "normal");
    json_decref(view);

    s.level = 99;
    s.group_bytes = 3;
    s.group_limit_bytes = 4;
    s.memory.stalls = (health_stalls_t){"cgroup", 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 7.5, 8.5};
    view = health_new_stats(&s);
    assert_string_equal(json_string_value(at(view, "level")), "emergency");
    assert_string_equal(json_string_value(at(view, "decided_by")), "group");
    assert_true(number(view, "cgroup.bytes") == 3 && number(view, "cgroup.limit_bytes") == 4);
    static const char *const names[] = {"psi.some_avg10", "psi.some_avg60", "psi.some_avg300",
                                        "psi.full_avg10", "psi.full_avg60", "psi.full_avg300"};
    for (size_t i = 0; i != 6; ++i)
        assert_true(json_real_value(at(view, names[i])) == (double)(i + 1) / 100);
    assert_true(json_real_value(at(view, "psi.some_seconds")) == 7.5 && json_real_value(at(view, "psi.full_seconds")) == 8.5);
    assert_string_equal(json_string_value(at(view, "psi.source")), "cgroup");
    json_decref(view);
}

static void coordination_by_field(void **state)
{
    (void)state;
    health_snapshot_t s = calm();

    s.level = 3;
    s.level_age_ms = 5;
    s.events[3] = 6;
    s.repeats[3] = 7;
    s.event_age_ms[3] = 8;
    s.caches[0].reclaim.calls = 9;
    s.caches[0].reclaim.last_ms = 10;
    s.caches[0].last_call.level = "high";
    s.caches[0].last_call.result = "more";
    s.caches[0].last_call.generation = 11;
    s.caches[0].last_call.released_bytes = 12;
    s.caches[0].last_call.released_objects = 13;
    s.caches[0].last_call.age_ms = 14;
    s.reservations_granted = 15;
    s.reservations_refused = 16;
    s.shed = 17;
    s.queue.waiting = 18;
    json_t *view = health_new_coordination(&s);
    assert_true(number(view, "level_age_ms") == 5 && number(view, "events.high.told") == 6 &&
                number(view, "events.high.repeated") == 7 && number(view, "events.high.age_ms") == 8);
    assert_true(json_is_null(at(view, "events.critical.age_ms")) && json_object_get(at(view, "events"), "degraded") == NULL);
    const json_t *image = json_array_get(at(view, "listeners"), 0), *metadata = json_array_get(at(view, "listeners"), 1);
    assert_string_equal(json_string_value(at(image, "name")), "image");
    assert_true(number(image, "calls") == 9 && number(image, "last.duration_ms") == 10 && number(image, "last.generation") == 11 &&
                number(image, "last.released_bytes") == 12 && number(image, "last.released_objects") == 13 &&
                number(image, "last.age_ms") == 14);
    assert_string_equal(json_string_value(at(image, "last.level")), "high");
    assert_string_equal(json_string_value(at(image, "last.result")), "more");
    assert_true(json_is_null(at(metadata, "last")));
    assert_true(number(view, "admission.granted") == 15 && number(view, "admission.refused") == 16 &&
                number(view, "admission.shed") == 17 && number(view, "queue.waiting") == 18);
    assert_true(json_is_array(at(view, "routes")) && json_is_object(at(view, "watchdog")) && json_is_object(at(view, "reclaims")));
    json_decref(view);
}

/* --- advice */

static size_t advised(const health_snapshot_t *s, const char *word)
{
    json_t *array = health_new_advice(s);
    size_t count = 0;

    assert_non_null(array);
    for (size_t i = 0; i != json_array_size(array); ++i)
        count += strstr(json_string_value(json_array_get(array, i)), word) != NULL;
    json_decref(array);
    return count;
}

static void advice_comes_at_its_mark(void **state)
{
    (void)state;
    health_snapshot_t s = calm();

    assert_int_equal(advised(&s, ""), 0);
#define CHECK(field, below, from, word)                                                                                            \
    do {                                                                                                                           \
        s = calm();                                                                                                                \
        s.field = below;                                                                                                           \
        assert_int_equal(advised(&s, ""), 0);                                                                                      \
        s.field = from;                                                                                                            \
        assert_int_equal(advised(&s, ""), 1);                                                                                      \
        assert_int_equal(advised(&s, word), 1);                                                                                    \
    } while (0)
    CHECK(memory.simulated_bytes, 0, 1, "/api/memory/simulate");
    CHECK(memory.process.swap_bytes, 0, 4096, "MemorySwapMax");
    CHECK(memory.process.fds, 799, 800, "LimitNOFILE");
    CHECK(memory.heap.free_bytes, 100 * MIB - 1, 100 * MIB, "/api/memory/trim");
    CHECK(memory.stalls.some_avg60, 0.099, 0.1, "tasks wait for memory");
    CHECK(residual_bytes, 500 * MIB - 1, 500 * MIB, "/api/memory/leaks");
    CHECK(caches[1].limit_bytes, 100 * MIB, 100 * MIB - 1, "pressure.refill-step");
    CHECK(watchdog_stands_in, 0, 1, "watchdog");
    s = calm();
    s.memory.process.max_fds = UINT64_MAX;
    s.memory.process.fds = 1000000;
    assert_int_equal(advised(&s, ""), 0);
    s = calm();
    s.level = 4; /* the verdict's come along */
    assert_int_equal(advised(&s, "pressure.budget"), 1);
}

/* --- memory is out */

static unsigned long allocations, fail_at;
static long outstanding;

static void *failing_malloc(size_t size)
{
    void *block = ++allocations == fail_at ? NULL : malloc(size);

    outstanding += block != NULL;
    return block;
}

static void counting_free(void *block)
{
    outstanding -= block != NULL;
    free(block);
}

static json_t *new_one_consumer(const health_snapshot_t *snapshot)
{
    health_consumer_t consumers[HEALTH_MAX_CONSUMERS];
    uint64_t accounted_bytes;

    health_list_consumers(snapshot, consumers, &accounted_bytes);
    return health_new_consumer(consumers);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    static json_t *(*const views[])(const health_snapshot_t *) = {health_new_stats,     health_new_heap,        health_new_process,
                                                                  health_new_consumers, new_one_consumer,       health_new_advice,
                                                                  health_new_json,      health_new_coordination};
    json_malloc_t old_malloc;
    json_free_t old_free;
    health_snapshot_t s = calm();

    s.level = 4;
    s.memory.heap.num_arenas = 2;
    s.memory.stalls.source = "system";
    s.group_limit_bytes = 4;
    s.caches[0].last_call.level = s.caches[0].last_call.result = "more";
    s.memory.process.swap_bytes = 1;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (size_t i = 0; i != sizeof(views) / sizeof(views[0]); ++i) {
        json_t *view = NULL;
        for (fail_at = 1; view == NULL; ++fail_at) {
            allocations = 0;
            view = views[i](&s);
            assert_int_equal(view == NULL, allocations >= fail_at);
            json_decref(view);
            assert_int_equal(outstanding, 0);
        }
        assert_true(fail_at > 5);
    }
    json_set_alloc_funcs(old_malloc, old_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumers_add_up),         cmocka_unit_test(marks_at_their_borders),
        cmocka_unit_test(process_by_field),         cmocka_unit_test(heap_by_field),
        cmocka_unit_test(stats_by_field),           cmocka_unit_test(coordination_by_field),
        cmocka_unit_test(advice_comes_at_its_mark), cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
