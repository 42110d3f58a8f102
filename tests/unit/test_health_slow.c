#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>
#include "health/slow.h"

#define HOUR INT64_C(3600000)

static health_slow_request_t request_of(int64_t at_ms, uint64_t waited_us)
{
    health_slow_request_t request = {
        .at_ms = at_ms, .waited_us = waited_us, .bytes = waited_us / 2, .status = 200, .method = "GET"};

    snprintf(request.target, sizeof(request.target), "/%llu", (unsigned long long)waited_us);
    return request;
}

static uint64_t add(health_slow_t *slow, int64_t at_ms, uint64_t waited_us)
{
    health_slow_request_t request = request_of(at_ms, waited_us);

    return health_slow_add(slow, &request);
}

/* of one of the lists, in microseconds; -1: it is not that long */
static int64_t waited(health_slow_t *slow, const char *list, size_t index, int64_t now_ms)
{
    json_t *root = health_slow_json(slow, now_ms), *element = json_array_get(json_object_get(root, list), index);
    json_t *ms = json_object_get(element, "duration_ms");
    int64_t us = ms != NULL ? (int64_t)(json_number_value(ms) * 1000 + 0.5) : -1;

    json_decref(root);
    return us;
}

static void fields(void **state)
{
    health_slow_t *slow = health_slow_create();
    health_slow_request_t request = {.at_ms = 1700000000123,
                                     .waited_us = 1234567,
                                     .bytes = 42,
                                     .status = 504,
                                     .method = "HEAD",
                                     .host = "h",
                                     .target = "/t",
                                     .cache_status = "c",
                                     .server_timing = "s"};
    json_t *root, *object;

    (void)state;
    uint64_t id = health_slow_add(slow, &request);
    root = health_slow_json(slow, 1700000000200);
    object = json_array_get(json_object_get(root, "slowest"), 0);
    assert_true(json_equal(object, json_array_get(json_object_get(root, "latest"), 0)));
    assert_true(json_real_value(json_object_get(object, "at")) == 1700000000.123);
    assert_true(json_real_value(json_object_get(object, "duration_ms")) == 1234.567);
    assert_true(json_is_null(json_object_get(object, "sent_ms")));
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 504);
    assert_int_equal(json_integer_value(json_object_get(object, "body_bytes")), 42);
    assert_string_equal(json_string_value(json_object_get(object, "method")), "HEAD");
    assert_string_equal(json_string_value(json_object_get(object, "host")), "h");
    assert_string_equal(json_string_value(json_object_get(object, "path")), "/t");
    assert_string_equal(json_string_value(json_object_get(object, "cache_status")), "c");
    assert_string_equal(json_string_value(json_object_get(object, "server_timing")), "s");
    assert_int_equal(json_object_size(object), 10);
    json_decref(root);

    health_slow_sent(slow, id + 1, 1); /* of others, which are forgotten */
    health_slow_sent(slow, id + HEALTH_SLOW_LATEST, 1);
    root = health_slow_json(slow, 1700000000200);
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(root, "slowest"), 0), "sent_ms")));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(root, "latest"), 0), "sent_ms")));
    json_decref(root);
    health_slow_sent(slow, id, 2000000);
    root = health_slow_json(slow, 1700000000200);
    for (size_t i = 0; i != 2; ++i) {
        object = json_array_get(json_object_get(root, i == 0 ? "slowest" : "latest"), 0);
        assert_true(json_real_value(json_object_get(object, "sent_ms")) == 2000);
    }
    json_decref(root);
    health_slow_destroy(&slow);
    assert_null(slow);
    health_slow_destroy(&slow);
}

static int descending(const void *a, const void *b)
{
    return *(const uint64_t *)a < *(const uint64_t *)b ? 1 : -1;
}

/* against a list that is sorted as a whole */
static void the_slowest_stay(void **state)
{
    enum { COUNT = 500 };
    health_slow_t *slow = health_slow_create();
    uint64_t all[COUNT];

    (void)state;
    srand(1);
    for (size_t n = 0; n != COUNT; ++n) {
        all[n] = (uint64_t)rand() % 1000000 * COUNT + n; /* no two alike */
        add(slow, (int64_t)n, all[n]);
        assert_int_equal(waited(slow, "latest", 0, (int64_t)n), all[n]);
        assert_int_equal(waited(slow, "latest", HEALTH_SLOW_LATEST - 1, (int64_t)n),
                         n + 1 >= HEALTH_SLOW_LATEST ? (int64_t)all[n + 1 - HEALTH_SLOW_LATEST] : -1);
        assert_int_equal(waited(slow, "latest", HEALTH_SLOW_LATEST, (int64_t)n), -1);
    }
    qsort(all, COUNT, sizeof(all[0]), descending);
    for (size_t i = 0; i != HEALTH_SLOWEST; ++i)
        assert_int_equal(waited(slow, "slowest", i, COUNT), all[i]);
    assert_int_equal(waited(slow, "slowest", HEALTH_SLOWEST, COUNT), -1);
    health_slow_destroy(&slow);
}

static void an_hour_is_over(void **state)
{
    health_slow_t *slow = health_slow_create();

    (void)state;
    add(slow, 0, 9000);
    add(slow, 10, 8000);
    assert_int_equal(waited(slow, "slowest", 0, HOUR), 9000);
    assert_int_equal(waited(slow, "slowest", 0, HOUR + 1), 8000); /* not shown, and not forgotten either */
    assert_int_equal(waited(slow, "slowest", 0, HOUR), 9000);
    add(slow, HOUR + 1, 1);
    assert_int_equal(waited(slow, "slowest", 0, HOUR), 8000);
    assert_int_equal(waited(slow, "slowest", 1, HOUR), 1);
    assert_int_equal(waited(slow, "latest", 2, 9 * HOUR), 9000); /* whatever their age */
    for (size_t i = 0; i != HEALTH_SLOWEST; ++i)
        add(slow, 3 * HOUR, 5000);
    add(slow, 5 * HOUR, 2); /* makes room of what is old rather than being too fast */
    assert_int_equal(waited(slow, "slowest", 0, 5 * HOUR), 2);
    health_slow_destroy(&slow);
}

static void news(void **state)
{
    health_slow_t *slow = health_slow_create();
    health_slow_request_t request = {.waited_us = 7};
    uint64_t after = 0;

    (void)state;
    assert_int_equal(health_slow_news(slow, &after, &request), 0);
    assert_int_equal(request.waited_us, 7);
    add(slow, 0, 500);
    add(slow, 0, 900);
    add(slow, 0, 600);
    assert_int_equal(health_slow_news(slow, &after, &request), 3);
    assert_int_equal(request.waited_us, 900);
    assert_int_equal(health_slow_news(slow, &after, &request), 0);
    add(slow, 0, 100);
    assert_int_equal(health_slow_news(slow, &after, &request), 1);
    assert_int_equal(request.waited_us, 100);
    for (uint64_t i = 1; i <= HEALTH_SLOW_LATEST; ++i) /* the first of them is the slowest, and the last that is remembered */
        add(slow, 0, 2000 - i);
    assert_int_equal(health_slow_news(slow, &after, &request), HEALTH_SLOW_LATEST);
    assert_int_equal(request.waited_us, 1999);
    for (uint64_t i = 1; i <= HEALTH_SLOW_LATEST + 1; ++i)
        add(slow, 0, 2000 - i);
    assert_int_equal(health_slow_news(slow, &after, &request), HEALTH_SLOW_LATEST + 1);
    assert_int_equal(request.waited_us, 1998);
    health_slow_destroy(&slow);
}

#define THREADS 4
#define ADDS 2000

static void *add_many(void *_slow)
{
    health_slow_t *slow = _slow;

    for (uint64_t i = 1; i <= ADDS; ++i)
        health_slow_sent(slow, add(slow, (int64_t)i, i), i);
    return NULL;
}

/* each entry is whole, whenever it is read: bytes is half of the duration, and the target names it */
static void check_entries(json_t *list)
{
    json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        uint64_t us = (uint64_t)(json_real_value(json_object_get(entry, "duration_ms")) * 1000 + 0.5);
        assert_int_equal(json_integer_value(json_object_get(entry, "body_bytes")), us / 2);
        assert_int_equal(strtoull(json_string_value(json_object_get(entry, "path")) + 1, NULL, 10), us);
    }
}

static void threads(void **state)
{
    health_slow_t *slow = health_slow_create();
    pthread_t ids[THREADS];

    (void)state;
    for (size_t i = 0; i != THREADS; ++i)
        assert_int_equal(pthread_create(ids + i, NULL, add_many, slow), 0);
    for (int n = 0; n != 50; ++n) {
        json_t *root = health_slow_json(slow, 0);
        check_entries(json_object_get(root, "slowest"));
        check_entries(json_object_get(root, "latest"));
        json_decref(root);
    }
    for (size_t i = 0; i != THREADS; ++i)
        pthread_join(ids[i], NULL);
    for (size_t i = 0; i != HEALTH_SLOWEST; ++i)
        assert_int_equal(waited(slow, "slowest", i, 0), ADDS - i / THREADS);
    health_slow_destroy(&slow);
}

static unsigned allocations, fail_at;
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

static void every_allocation_fails_once(void **state)
{
    health_slow_t *slow = health_slow_create();
    json_t *root = NULL;

    (void)state;
    add(slow, 0, 1);
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (fail_at = 1; root == NULL; ++fail_at) {
        allocations = 0;
        root = health_slow_json(slow, 0);
        assert_int_equal(root == NULL, allocations >= fail_at);
        if (root == NULL)
            assert_int_equal(outstanding, 0);
    }
    assert_true(fail_at > 20);
    json_decref(root);
    assert_int_equal(outstanding, 0);
    json_set_alloc_funcs(malloc, free);
    health_slow_destroy(&slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields), cmocka_unit_test(the_slowest_stay), cmocka_unit_test(an_hour_is_over),
        cmocka_unit_test(news),   cmocka_unit_test(threads),          cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
