#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "health/health.h"

#define MB 1000000ull

static health_snapshot_t calm(void)
{
    health_snapshot_t snapshot = {.version = "1",
                                  .level = 0,
                                  .resident_bytes = 100 * MB,
                                  .budget_bytes = 1000 * MB,
                                  .degraded_ratio = 0.75,
                                  .critical_ratio = 0.9,
                                  .samples = 10,
                                  .num_caches = 2};
    snapshot.caches[0] = (health_cache_t){.name = "image", .capacity_bytes = 500 * MB};
    snapshot.caches[1] = (health_cache_t){.name = "metadata", .capacity_bytes = 100 * MB};
    return snapshot;
}

static health_verdict_t judge(const health_snapshot_t *snapshot)
{
    health_verdict_t verdict;
    memset(&verdict, 0xee, sizeof(verdict));
    health_judge(snapshot, &verdict);
    assert_true(verdict.num_reasons <= HEALTH_MAX_REASONS);
    for (size_t i = 0; i != verdict.num_reasons; ++i) {
        assert_non_null(verdict.reasons[i]);
        assert_true(strlen(verdict.reasons[i]) > 20);
        for (size_t j = 0; j != i; ++j)
            assert_string_not_equal(verdict.reasons[i], verdict.reasons[j]);
    }
    return verdict;
}

/* whether some reason has `word`, and its recommendation `directive` */
static int says(const health_verdict_t *verdict, const char *word, const char *directive)
{
    for (size_t i = 0; i != verdict->num_reasons; ++i)
        if (strstr(verdict->reasons[i], word) != NULL)
            return verdict->recommendations[i] != NULL && strstr(verdict->recommendations[i], directive) != NULL;
    return 0;
}

static void every_level(void **state)
{
    (void)state;
    static const struct {
        int level;
        health_status_t status;
        int http_status;
        const char *word; /* NULL: no reason at all */
    } cases[] = {
        {-1, HEALTH_HEALTHY, 200, NULL},
        {0, HEALTH_HEALTHY, 200, NULL},
        {1, HEALTH_HEALTHY, 200, NULL},
        {2, HEALTH_DEGRADED, 200, "degraded mark"},
        {3, HEALTH_DEGRADED, 200, "high mark"},
        {4, HEALTH_CRITICAL, 503, "critical mark"},
        {5, HEALTH_CRITICAL, 503, "emergency mark"},
        {6, HEALTH_CRITICAL, 503, "emergency mark"},
        {1 << 30, HEALTH_CRITICAL, 503, "emergency mark"},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_snapshot_t snapshot = calm();
        snapshot.level = cases[i].level;
        health_verdict_t verdict = judge(&snapshot);
        assert_int_equal(verdict.status, cases[i].status);
        assert_int_equal(verdict.http_status, cases[i].http_status);
        assert_int_equal(verdict.num_reasons, cases[i].word != NULL);
        if (cases[i].word != NULL) {
            assert_true(says(&verdict, cases[i].word, "pressure.budget"));
            assert_true(says(&verdict, cases[i].word, "image-cache.capacity"));
        }
    }
}

/* who reads it is not sent to raise a budget that is not what is short */
static void what_decides_is_named(void **state)
{
    static const char *const marks[] = {"degraded mark", "high mark", "critical mark", "emergency mark"};

    (void)state;
    for (int level = 2; level != HEALTH_NUM_LEVELS; ++level) {
        for (int by_group = 0; by_group != 2; ++by_group) {
            health_snapshot_t snapshot = calm();
            snapshot.level = level;
            snapshot.resident_bytes = 960 * MB;
            snapshot.group_bytes = (uint64_t)(by_group ? 481 : 479) * MB;
            snapshot.group_limit_bytes = 500 * MB;
            health_verdict_t verdict = judge(&snapshot);
            assert_int_equal(verdict.num_reasons, 1);
            assert_non_null(strstr(verdict.reasons[0], marks[level - 2]));
            assert_int_equal(strstr(verdict.reasons[0], "the memory cgroup") != NULL, by_group);
            assert_int_equal(strstr(verdict.reasons[0], "the resident set") != NULL, !by_group);
            assert_int_equal(strstr(verdict.recommendations[0], "limit of the memory cgroup") != NULL, by_group);
            assert_int_equal(strstr(verdict.recommendations[0], "raise pressure.budget") != NULL, !by_group);
            assert_non_null(strstr(verdict.recommendations[0], "image-cache.capacity"));
            snapshot.level = 3;
            snapshot.reclaim.unreclaimable = 1;
            verdict = judge(&snapshot);
            assert_int_equal(verdict.num_reasons, 2);
            assert_int_equal(says(&verdict, "unreclaimable", "raise pressure.budget"), !by_group);
            assert_int_equal(says(&verdict, "unreclaimable", "limit of the memory cgroup"), by_group);
        }
    }
}

static void level_names(void **state)
{
    (void)state;
    static const char *const names[] = {"normal", "elevated", "degraded", "high", "critical", "emergency"};
    for (size_t i = 0; i != HEALTH_NUM_LEVELS; ++i)
        assert_string_equal(health_level_names[i], names[i]);
}

static void failed_samples(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();

    snapshot.failed_samples = 1000; /* long ago */
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.failed_samples_in_row = HEALTH_BLIND_SAMPLES - 1;
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.failed_samples_in_row = HEALTH_BLIND_SAMPLES;
    health_verdict_t verdict = judge(&snapshot);
    assert_int_equal(verdict.status, HEALTH_DEGRADED);
    assert_int_equal(verdict.http_status, 200);
    assert_int_equal(verdict.num_reasons, 1);
    assert_true(says(&verdict, "cannot be read", "pressure.budget"));

    snapshot.level = 4; /* blindness makes nothing better */
    verdict = judge(&snapshot);
    assert_int_equal(verdict.status, HEALTH_CRITICAL);
    assert_int_equal(verdict.num_reasons, 2);
    assert_non_null(strstr(verdict.reasons[0], "critical mark"));
    assert_true(says(&verdict, "cannot be read", "pressure.budget"));
}

static void never_a_good_sample(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.resident_bytes = 0;
    snapshot.samples = 0;
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY); /* not yet started */
    snapshot.failed_samples = snapshot.failed_samples_in_row = 1;
    assert_int_equal(judge(&snapshot).status, HEALTH_DEGRADED);
}

/* each of these explains a degraded status, but does not make one */
static void check_explains(health_snapshot_t snapshot, const char *word, const char *directive, int expected)
{
    snapshot.level = 0;
    assert_int_equal(judge(&snapshot).num_reasons, 0);
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.level = 2;
    health_verdict_t verdict = judge(&snapshot);
    assert_int_equal(verdict.num_reasons, 1 + expected);
    assert_int_equal(says(&verdict, word, directive), expected);
}

static void explanations(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.caches[0].capacity_bytes = 650 * MB;
    check_explains(snapshot, "capacities", "image-cache.capacity", 0);
    snapshot.caches[0].capacity_bytes += 1;
    check_explains(snapshot, "capacities", "image-cache.capacity", 1);
    snapshot.degraded_ratio = 0; /* not given */
    check_explains(snapshot, "capacities", "image-cache.capacity", 0);

    snapshot = calm();
    snapshot.caches[0].pinned_bytes = 60 * MB - 1;
    snapshot.caches[1].pinned_bytes = 40 * MB;
    check_explains(snapshot, "being sent", "max-connections", 0);
    snapshot.caches[0].pinned_bytes += 1;
    check_explains(snapshot, "being sent", "max-connections", 1);

    snapshot = calm();
    snapshot.reserved_bytes[0] = 200 * MB;
    snapshot.reserved_bytes[1] = 50 * MB - 1;
    check_explains(snapshot, "reserved", "image-cache.max-object-size", 0);
    snapshot.reserved_bytes[1] += 1;
    check_explains(snapshot, "reserved", "image-cache.max-object-size", 1);
}

static void futile_reclaim(void **state)
{
    (void)state;
    static const struct {
        uint64_t generation, claimed, before, after, age_ms;
        int expected;
    } cases[] = {
        {0, 100, 500, 500, 0, 0}, {1, 100, 500, 500, 0, 1},     {1, 100, 500, 451, 0, 1},     {1, 100, 500, 450, 0, 0},
        {1, 101, 500, 450, 0, 1}, {1, 100, 500, 900, 0, 1}, /* grew meanwhile */
        {1, 0, 500, 500, 0, 0},   {1, 100, 500, 500, 60000, 1}, {1, 100, 500, 500, 60001, 0}, {1, UINT64_MAX, 1, 0, 0, 1},
    };
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        health_snapshot_t snapshot = calm();
        snapshot.last_reclaim.generation = cases[i].generation;
        snapshot.last_reclaim.claimed_bytes = cases[i].claimed;
        snapshot.last_reclaim.resident_before_bytes = cases[i].before;
        snapshot.last_reclaim.resident_after_bytes = cases[i].after;
        snapshot.last_reclaim.age_ms = cases[i].age_ms;
        check_explains(snapshot, "last reclaim", "image-cache.capacity", cases[i].expected);
    }
}

/* nothing can be reclaimed: degraded, never 503 by itself, and what to do is said. Ineffective alone explains, no more */
static void reclaim_that_does_not_help(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.reclaim.ineffective = 1;
    check_explains(snapshot, "ineffective", "image-cache.capacity", 1);

    snapshot = calm();
    snapshot.reclaim.unreclaimable = 1;
    health_verdict_t verdict = judge(&snapshot);
    assert_int_equal(verdict.status, HEALTH_DEGRADED);
    assert_int_equal(verdict.http_status, 200);
    assert_true(says(&verdict, "unreclaimable", "restart"));
    snapshot.level = 3;
    verdict = judge(&snapshot);
    assert_int_equal(verdict.http_status, 200);
    assert_int_equal(verdict.num_reasons, 2);
    snapshot.level = 4;
    assert_int_equal(judge(&snapshot).http_status, 503);
}

/* degrades a server that is calm but for it, and hides no worse level */
static void check_fault(health_snapshot_t snapshot, const char *reason, const char *route)
{
    health_verdict_t verdict = judge(&snapshot);

    assert_int_equal(verdict.status, HEALTH_DEGRADED);
    assert_int_equal(verdict.http_status, 200);
    assert_int_equal(verdict.num_reasons, 1);
    assert_true(says(&verdict, reason, route));
    snapshot.level = 4;
    assert_int_equal(judge(&snapshot).http_status, 503);
}

static void a_likely_leak(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.leak.suspected = 1;
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.leak.likely = 1;
    check_fault(snapshot, "memory leak is likely", "/api/memory/leaks");
}

static void a_stuck_operation_degrades(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.operations.stale[0] = 5; /* those that stopped are no fault of this server's */
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.operations.stuck = 1;
    check_fault(snapshot, "has not stopped", "/api/memory/operations");
}

static void an_exit_that_is_withheld(void **state)
{
    (void)state;
    health_snapshot_t snapshot = calm();
    snapshot.alerts.exits_withheld = 1;
    check_fault(snapshot, "end the process", "/api/memory/alerts");
}

static void everything_at_once_and_nothing_set(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    memset(&snapshot, 0, sizeof(snapshot));
    assert_int_equal(judge(&snapshot).status, HEALTH_HEALTHY);
    snapshot.level = 2; /* no budget: no division, no share of it */
    assert_int_equal(judge(&snapshot).num_reasons, 1);

    for (int level = 2; level != 6; ++level) {
        snapshot = calm();
        snapshot.level = level;
        snapshot.failed_samples_in_row = 100;
        snapshot.num_caches = 1000;
        for (size_t i = 0; i != HEALTH_MAX_CACHES; ++i)
            snapshot.caches[i].capacity_bytes = snapshot.caches[i].pinned_bytes = UINT64_MAX;
        snapshot.reserved_bytes[0] = snapshot.reserved_bytes[1] = UINT64_MAX;
        snapshot.last_reclaim.generation = snapshot.last_reclaim.claimed_bytes = 1;
        snapshot.leak.suspected = snapshot.leak.likely = 1;
        snapshot.reclaim.ineffective = snapshot.reclaim.unreclaimable = snapshot.operations.stuck = 1;
        snapshot.alerts.exits_withheld = 1;
        assert_int_equal(judge(&snapshot).num_reasons, HEALTH_MAX_REASONS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level),
        cmocka_unit_test(what_decides_is_named),
        cmocka_unit_test(level_names),
        cmocka_unit_test(failed_samples),
        cmocka_unit_test(never_a_good_sample),
        cmocka_unit_test(explanations),
        cmocka_unit_test(futile_reclaim),
        cmocka_unit_test(reclaim_that_does_not_help),
        cmocka_unit_test(a_likely_leak),
        cmocka_unit_test(a_stuck_operation_degrades),
        cmocka_unit_test(an_exit_that_is_withheld),
        cmocka_unit_test(everything_at_once_and_nothing_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
