#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/operations.h"

#define CAPACITY 8

static health_operations_t *operations;

static int set_up(void **state)
{
    (void)state;
    return (operations = health_operations_create(CAPACITY)) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(health_operations_in_progress(operations), 0);
    health_operations_destroy(&operations);
    assert_null(operations);
    health_operations_destroy(&operations);
    return 0;
}

static health_operation_t begin(uint64_t now_ms, const char *target)
{
    health_operation_t operation;

    health_operation_begin(operations, &operation, HEALTH_OPERATION_FETCH, HEALTH_OPERATION_CONNECTING, now_ms, "", target);
    return operation;
}

/* returns whether the one with this id is there, and only once */
static int find(uint64_t id, health_operation_view_t *found)
{
    health_operation_view_t view;
    int count = 0;

    for (size_t i = 0; i != health_operations_capacity(operations); ++i)
        if (health_operations_look(operations, i, &view) && view.id == id) {
            *found = view;
            ++count;
        }
    assert_in_range(count, 0, 1);
    return count;
}

static void count_found(const health_operation_view_t *view, void *count)
{
    (void)view;
    ++*(unsigned *)count;
}

/* stale and stuck ones of a check, in counts[0] and counts[1] */
static void note_stuck(const health_operation_view_t *view, void *counts)
{
    assert_true(view->order != HEALTH_OPERATION_GO_ON);
    ++((unsigned *)counts)[1];
}

static void check(uint64_t now_ms, uint64_t patience_ms, unsigned counts[2])
{
    memset(counts, 0, 2 * sizeof(*counts));
    size_t num_stale = health_operations_check(operations, now_ms, patience_ms, count_found, note_stuck, counts);

    assert_int_equal(num_stale, counts[0]);
}

static void test_life_of_one(void **state)
{
    health_operation_t operation;
    health_operation_view_t view;

    (void)state;
    health_operation_begin(operations, &operation, HEALTH_OPERATION_TRANSFORM, HEALTH_OPERATION_QUEUED, 100, "default/images",
                           "a.jpg");
    assert_true(find(operation.id, &view));
    assert_int_equal(view.kind, HEALTH_OPERATION_TRANSFORM);
    assert_int_equal(view.state, HEALTH_OPERATION_QUEUED);
    assert_int_equal(view.begun_ms, 100);
    assert_int_equal(view.deadline_ms, 0);
    assert_string_equal(view.target, "default/images/a.jpg");
    health_operation_enter(&operation, HEALTH_OPERATION_TRANSFORMING, 150, 900);
    health_operation_set_bytes(&operation, 7);
    health_operation_set_reserved(&operation, 8);
    assert_true(find(operation.id, &view));
    assert_int_equal(view.kind, HEALTH_OPERATION_TRANSFORM);
    assert_int_equal(view.state, HEALTH_OPERATION_TRANSFORMING);
    assert_int_equal(view.begun_ms, 100);
    assert_int_equal(view.entered_ms, 150);
    assert_int_equal(view.deadline_ms, 900);
    assert_int_equal(view.bytes, 7);
    assert_int_equal(view.reserved_bytes, 8);
    assert_int_equal(view.order, HEALTH_OPERATION_GO_ON);
    assert_false(view.stuck);
    uint64_t id = operation.id;
    assert_int_equal(health_operation_end(&operation), 0);
    assert_false(find(id, &view));
}

static void test_nothing_of_the_one_before_is_left(void **state)
{
    health_operation_t operation;
    health_operation_view_t view;
    uint64_t ids[3 * CAPACITY];
    unsigned counts[2];

    (void)state;
    for (size_t i = 0; i != sizeof(ids) / sizeof(ids[0]); ++i) {
        operation = begin(10, i % 2 ? "short" : "one that is quite a bit longer than the next");
        assert_true(find(operation.id, &view));
        assert_string_equal(view.target, i % 2 ? "short" : "one that is quite a bit longer than the next");
        assert_int_equal(view.bytes + view.reserved_bytes + view.deadline_ms, 0);
        assert_int_equal(view.order, HEALTH_OPERATION_GO_ON);
        assert_false(view.stuck);
        ids[i] = operation.id;
        for (size_t j = 0; j != i; ++j)
            assert_int_not_equal(ids[i], ids[j]);
        health_operation_set_bytes(&operation, 1);
        health_operation_set_reserved(&operation, 1);
        health_operation_enter(&operation, HEALTH_OPERATION_RECEIVING, 10, 20);
        check(20, 5, counts);
        assert_int_equal(counts[0], 1);
        assert_int_equal(health_operation_order(&operation), HEALTH_OPERATION_STALE);
        check(25, 5, counts);
        assert_int_equal(counts[1], 1);
        assert_true(find(operation.id, &view) && view.stuck);
        health_operation_end(&operation);
    }
}

static void test_text(void **state)
{
    char long_text[2 * HEALTH_OPERATION_TARGET_MAX + 1];
    health_operation_t operation;
    health_operation_view_t view;

    (void)state;
    for (size_t len = 0; len != sizeof(long_text); ++len) {
        memset(long_text, 'x', len);
        long_text[len] = '\0';
        operation = begin(1, long_text);
        assert_true(find(operation.id, &view));
        assert_int_equal(strlen(view.target), len < HEALTH_OPERATION_TARGET_MAX ? len : HEALTH_OPERATION_TARGET_MAX);
        health_operation_end(&operation);
    }
    for (size_t len = 0; len != sizeof(long_text); ++len) {
        memset(long_text, 'x', len);
        long_text[len] = '\0';
        health_operation_begin(operations, &operation, HEALTH_OPERATION_FETCH, HEALTH_OPERATION_CONNECTING, 1, long_text, "y");
        assert_true(find(operation.id, &view));
        assert_in_range(strlen(view.target), 1, HEALTH_OPERATION_TARGET_MAX);
        if (len != 0 && len < HEALTH_OPERATION_TARGET_MAX - 1)
            assert_string_equal(view.target + len, "/y");
        health_operation_end(&operation);
    }
    health_operation_begin(operations, &operation, HEALTH_OPERATION_FETCH, HEALTH_OPERATION_CONNECTING, 1, "default/", "y");
    assert_true(find(operation.id, &view));
    assert_string_equal(view.target, "default/y");
    health_operation_end(&operation);
    operation = begin(1, "a\nb\x7f\x1b[31m\xc3\xa9");
    assert_true(find(operation.id, &view));
    assert_string_equal(view.target, "a?b??[31m\xc3\xa9"); /* nothing that a terminal would follow */
    health_operation_end(&operation);
}

static void test_deadlines(void **state)
{
    static const struct {
        uint64_t deadline_ms, now_ms;
        unsigned stale;
    } rows[] = {{0, UINT64_MAX, 0}, {100, 99, 0}, {100, 100, 1}, {100, 101, 1}};
    unsigned counts[2];

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        health_operation_t operation = begin(0, "x");
        health_operation_set_deadline(&operation, rows[i].deadline_ms);
        check(rows[i].now_ms, 1000, counts);
        assert_int_equal(counts[0], rows[i].stale);
        assert_int_equal(health_operation_order(&operation), rows[i].stale ? HEALTH_OPERATION_STALE : HEALTH_OPERATION_GO_ON);
        check(rows[i].now_ms, 1000, counts);
        assert_int_equal(counts[0], 0); /* once */
        health_operation_end(&operation);
    }
}

static void test_stuck_once_and_until_it_ends(void **state)
{
    health_operation_t operation = begin(0, "x");
    health_operation_stats_t stats;
    unsigned counts[2];

    (void)state;
    health_operation_set_deadline(&operation, 100);
    check(100, 50, counts);
    check(149, 50, counts);
    assert_int_equal(counts[1], 0);
    check(150, 50, counts);
    assert_int_equal(counts[1], 1);
    check(151, 50, counts);
    assert_int_equal(counts[1], 0);
    health_operations_get_stats(operations, 200, &stats);
    assert_int_equal(stats.stuck, 1);
    assert_int_equal(stats.stale[HEALTH_OPERATION_FETCH], 1);
    assert_int_equal(stats.oldest_ms, 200);
    health_operation_end(&operation);
    check(152, 50, counts);
    health_operations_get_stats(operations, 200, &stats);
    assert_int_equal(stats.stuck, 0);
    assert_int_equal(stats.oldest_ms, 0);
    assert_int_equal(stats.stale[HEALTH_OPERATION_FETCH], 1);
}

static void test_an_order_does_not_reach_the_next_one(void **state)
{
    health_operation_t operation = begin(0, "x");

    (void)state;
    health_operation_t before = operation;
    assert_int_equal(health_operations_drain(operations, 5), 1);
    assert_int_equal(health_operations_drain(operations, 6), 0);
    assert_int_equal(health_operation_order(&operation), HEALTH_OPERATION_DRAINED);
    health_operation_end(&operation);
    operation = begin(7, "y");
    assert_ptr_equal(operation.slot, before.slot); /* the last one that was free is the first to be taken */
    assert_int_equal(health_operation_order(&operation), HEALTH_OPERATION_GO_ON);
    health_operation_end(&operation);
}

static void test_what_finds_no_slot_works_unseen(void **state)
{
    health_operation_t held[CAPACITY + 3];
    health_operation_stats_t stats;
    health_operation_view_t view;
    unsigned counts[2];

    (void)state;
    for (size_t i = 0; i != CAPACITY + 3; ++i)
        held[i] = begin(i, "x");
    for (size_t i = 0; i != CAPACITY + 3; ++i)
        assert_int_equal(held[i].slot != NULL, i < CAPACITY);
    health_operation_t *unseen = held + CAPACITY;
    health_operation_enter(unseen, HEALTH_OPERATION_RECEIVING, 1, 2);
    health_operation_set_bytes(unseen, 1);
    health_operation_set_reserved(unseen, 1);
    health_operation_set_deadline(unseen, 2);
    check(10, 1, counts);
    assert_int_equal(counts[0], 0);
    assert_int_equal(health_operations_drain(operations, 10), CAPACITY);
    assert_int_equal(health_operation_order(unseen), HEALTH_OPERATION_GO_ON);
    assert_false(find(0, &view));
    health_operations_get_stats(operations, 100, &stats);
    assert_int_equal(stats.in_progress[HEALTH_OPERATION_FETCH], CAPACITY + 3);
    assert_int_equal(stats.untracked, 3);
    for (size_t i = 0; i != CAPACITY + 3; ++i)
        assert_int_equal(health_operation_end(held + i), CAPACITY + 2 - i);
    health_operations_get_stats(operations, 100, &stats);
    assert_int_equal(stats.in_progress[HEALTH_OPERATION_FETCH], 0);
    assert_int_equal(stats.untracked, 3);
}

static void test_a_handle_of_zeros(void **state)
{
    health_operation_t none = {0};

    (void)state;
    health_operation_enter(&none, HEALTH_OPERATION_RECEIVING, 1, 2);
    health_operation_set_bytes(&none, 1);
    health_operation_set_reserved(&none, 1);
    health_operation_set_deadline(&none, 1);
    assert_int_equal(health_operation_order(&none), HEALTH_OPERATION_GO_ON);
    assert_int_equal(health_operation_end(&none), 0);
}

/* --- against a model */

#define NUM_MODELLED (CAPACITY + 4)

struct st_model_t {
    health_operation_t operation;
    int is_there, is_seen, is_ordered, is_stuck;
    health_operation_kind_t kind;
    health_operation_state_t state;
    uint64_t begun_ms, entered_ms, deadline_ms, bytes, reserved_bytes, ordered_ms;
    char target[32];
};

static struct st_model_t models[NUM_MODELLED];
static uint64_t num_stale[HEALTH_NUM_OPERATION_KINDS], num_untracked;

static unsigned seed = 1;
static unsigned dice(unsigned sides)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % sides;
}

static size_t num_seen(void)
{
    size_t count = 0;

    for (size_t i = 0; i != NUM_MODELLED; ++i)
        count += models[i].is_there && models[i].is_seen;
    return count;
}

static void begin_modelled(struct st_model_t *model, uint64_t now_ms)
{
    *model = (struct st_model_t){.is_there = 1,
                                 .is_seen = num_seen() != CAPACITY,
                                 .kind = dice(HEALTH_NUM_OPERATION_KINDS),
                                 .state = dice(HEALTH_NUM_OPERATION_STATES),
                                 .begun_ms = now_ms,
                                 .entered_ms = now_ms};
    num_untracked += !model->is_seen;
    snprintf(model->target, sizeof(model->target), "%.*s", (int)dice(31), "abcdefghijklmnopqrstuvwxyz01234");
    health_operation_begin(operations, &model->operation, model->kind, model->state, now_ms, "", model->target);
    assert_int_equal(model->operation.slot != NULL, model->is_seen);
}

static void change_modelled(struct st_model_t *model, uint64_t now_ms)
{
    switch (dice(4)) {
    case 0:
        health_operation_set_bytes(&model->operation, model->bytes = dice(1000));
        break;
    case 1:
        health_operation_set_reserved(&model->operation, model->reserved_bytes = dice(1000));
        break;
    case 2:
        health_operation_set_deadline(&model->operation, model->deadline_ms = dice(3) ? now_ms + 1 + dice(50) : 0);
        break;
    default:
        model->state = dice(HEALTH_NUM_OPERATION_STATES);
        model->entered_ms = now_ms;
        model->deadline_ms = dice(3) ? now_ms + 1 + dice(50) : 0;
        health_operation_enter(&model->operation, model->state, now_ms, model->deadline_ms);
    }
}

static void check_modelled(uint64_t now_ms, uint64_t patience_ms)
{
    unsigned counts[2], expected[2] = {0, 0};

    for (size_t i = 0; i != NUM_MODELLED; ++i) {
        struct st_model_t *model = models + i;
        if (!model->is_there || !model->is_seen)
            continue;
        if (!model->is_ordered && model->deadline_ms != 0 && now_ms >= model->deadline_ms) {
            model->is_ordered = 1;
            model->ordered_ms = now_ms;
            ++num_stale[model->kind];
            ++expected[0];
        } else if (model->is_ordered && now_ms - model->ordered_ms >= patience_ms && !model->is_stuck) {
            model->is_stuck = 1;
            ++expected[1];
        }
    }
    check(now_ms, patience_ms, counts);
    assert_int_equal(counts[0], expected[0]);
    assert_int_equal(counts[1], expected[1]);
}

static void compare(uint64_t now_ms)
{
    uint64_t in_progress[HEALTH_NUM_OPERATION_KINDS] = {0}, oldest_ms = 0;
    health_operation_stats_t stats;
    health_operation_view_t view;
    size_t seen = 0;

    for (size_t i = 0; i != NUM_MODELLED; ++i) {
        const struct st_model_t *model = models + i;
        in_progress[model->kind] += (uint64_t)model->is_there;
        if (!model->is_there || !model->is_seen)
            continue;
        assert_true(find(model->operation.id, &view));
        assert_int_equal(view.kind, model->kind);
        assert_int_equal(view.state, model->state);
        assert_int_equal(view.begun_ms, model->begun_ms);
        assert_int_equal(view.entered_ms, model->entered_ms);
        assert_int_equal(view.deadline_ms, model->deadline_ms);
        assert_int_equal(view.bytes, model->bytes);
        assert_int_equal(view.reserved_bytes, model->reserved_bytes);
        assert_int_equal(view.order != HEALTH_OPERATION_GO_ON, model->is_ordered);
        assert_int_equal(view.stuck, model->is_stuck);
        assert_string_equal(view.target, model->target);
        oldest_ms = now_ms - model->begun_ms > oldest_ms ? now_ms - model->begun_ms : oldest_ms;
    }
    for (size_t i = 0; i != CAPACITY; ++i)
        seen += (size_t)health_operations_look(operations, i, &view);
    assert_int_equal(seen, num_seen());
    health_operations_get_stats(operations, now_ms, &stats);
    assert_memory_equal(stats.in_progress, in_progress, sizeof(in_progress));
    assert_memory_equal(stats.stale, num_stale, sizeof(num_stale));
    assert_int_equal(stats.untracked, num_untracked);
    assert_int_equal(stats.oldest_ms, oldest_ms);
}

static void test_random_steps(void **state)
{
    uint64_t now_ms = 1000;

    (void)state;
    for (unsigned step = 0; step != 20000; ++step) {
        struct st_model_t *model = models + dice(NUM_MODELLED);
        now_ms += dice(4);
        if (dice(5) == 0)
            check_modelled(now_ms, 20);
        else if (!model->is_there)
            begin_modelled(model, now_ms);
        else if (dice(3) == 0)
            health_operation_end(&model->operation), model->is_there = 0;
        else
            change_modelled(model, now_ms);
        compare(now_ms);
    }
    for (size_t i = 0; i != NUM_MODELLED; ++i)
        if (models[i].is_there)
            health_operation_end(&models[i].operation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_of_the_one_before_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stuck_once_and_until_it_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_order_does_not_reach_the_next_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_finds_no_slot_works_unseen, set_up, tear_down),
        cmocka_unit_test(test_a_handle_of_zeros),
        cmocka_unit_test_setup_teardown(test_random_steps, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
