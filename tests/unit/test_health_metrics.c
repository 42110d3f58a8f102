#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "health/health.h"
#include "health/metrics_table.h"
#include "health/writers.h"

/* every family and every series, with values that look like something */
static void fill(health_snapshot_t *snapshot)
{
    static health_route_t routes[] = {{"default", 0, 1, 2, 3}, {"default/a", 4, 1, 2, 3}};

    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->version = "1.2.3";
    snapshot->uptime_seconds = 1.5;
    snapshot->degraded_ratio = 0.75;
    snapshot->critical_ratio = 0.9;
    snapshot->resident_bytes = 123456789;
    snapshot->budget_bytes = 1 << 30;
    snapshot->last_reclaim.generation = 1;
    snapshot->last_reclaim.duration_ms = 12;
    snapshot->process_start_time_seconds = 1700000000.25;
    snapshot->num_quotas = 2;
    snapshot->quotas[0] = (health_quota_t){.route = "example.com", .limit_bytes = 1 << 20};
    snapshot->quotas[1] = (health_quota_t){.route = "example.com/a\"\\\n}", .evictions = 3};
    snapshot->queue.drain_bytes_per_s = 1e6;
    snapshot->num_routes = 2;
    snapshot->routes = routes;
    snapshot->num_caches = 2;
    snapshot->caches[0] = (health_cache_t){.name = "image", .hits = 2, .misses = 1};
    snapshot->caches[1] = (health_cache_t){.name = "metadata", .evictions = {1, 2, 3, 4, 5, 6}};
}

static int ends_with(const char *s, size_t len, const char *suffix)
{
    return len >= strlen(suffix) && memcmp(s + len - strlen(suffix), suffix, strlen(suffix)) == 0;
}

static void table_keeps_the_conventions(void **state)
{
    (void)state;
#define ROW(name, type, unit, scope, place, help) {name, #type, #unit, help},
    static const struct {
        const char *name, *type, *unit, *help;
    } rows[] = {HEALTH_METRICS(ROW)};
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        const char *name = rows[i].name, *unit = rows[i].unit;
        size_t len = strlen(name);
        if (strlen(rows[i].help) < 10 || !ends_with(rows[i].help, strlen(rows[i].help), "."))
            fail_msg("%s: no sentence for help", name);
        if ((strcmp(rows[i].type, "counter") == 0) != ends_with(name, len, "_total"))
            fail_msg("%s is a %s", name, rows[i].type);
        if (ends_with(name, len, "_total"))
            len -= strlen("_total");
        for (const char *const *u = (const char *const[]){"bytes", "seconds", "ratio", NULL}; *u != NULL; ++u)
            if (ends_with(name, len, *u) != (strcmp(unit, *u) == 0))
                fail_msg("%s has the unit %s", name, unit);
        assert_true(strncmp(name, "sluice_", 7) == 0 || strncmp(name, "process_", 8) == 0);
    }
}

/* rows of one family stand together, and no two families have lines of the same name */
static void families_are_apart(void **state)
{
    (void)state;
#define NAME(name, type, unit, scope, place, help) {name, #type, #unit},
    static const struct {
        const char *name, *type, *unit;
    } rows[] = {HEALTH_METRICS(NAME)};
    static const char *const endings[] = {"_bucket", "_sum", "_count", "_created", "_info_total",
                                          "_ms",     "_us",  "_kb",    "_mb",      "_percent"};
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        const char *name = rows[i].name;
        if (strspn(name, "abcdefghijklmnopqrstuvwxyz_*") != strlen(name) || strstr(name, "__") != NULL)
            fail_msg("%s is no name", name);
        for (size_t j = 0; j != sizeof(endings) / sizeof(endings[0]); ++j)
            if (ends_with(name, strlen(name), endings[j]))
                fail_msg("%s ends in %s", name, endings[j]);
        if (strcmp(rows[i].type, "histogram") == 0 && strcmp(rows[i].unit, "none") == 0)
            fail_msg("%s has no unit", name);
        for (size_t j = i + 1; j != sizeof(rows) / sizeof(rows[0]); ++j)
            if (strcmp(name, rows[j].name) == 0 && (strcmp(name, rows[j - 1].name) != 0 || strcmp(rows[i].type, rows[j].type) != 0))
                fail_msg("%s is in two places, or of two types", name);
    }
}

static void check_with_promtool(char *text, size_t len)
{
    char path[] = "/tmp/sluice-metrics-XXXXXX", command[128], said[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_non_null(text);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    free(text);
    snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    said[fread(said, 1, sizeof(said) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    unlink(path);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 127)
        fail_msg("promtool is missing; it comes with the package prometheus");
    if (WEXITSTATUS(status) != 0 || said[0] != '\0')
        fail_msg("promtool says: %s", said);
}

static void promtool_has_no_complaint(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len = 0;
    fill(&snapshot);
    char *text = health_prometheus(&snapshot, &len);
    check_with_promtool(text, len);
    text = health_cache_prometheus(&snapshot, &len);
    check_with_promtool(text, len);
    snapshot.version = snapshot.caches[0].name = "a\"\\\n}";
    snapshot.caches[1].name = "a\\\"\n}";
    text = health_prometheus(&snapshot, &len);
    check_with_promtool(text, len);
}

static void ceilings(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    size_t len;
    fill(&snapshot);
    free(health_prometheus(&snapshot, &len));
    for (size_t ceiling = 0; ceiling <= len + 1; ceiling += ceiling + 10 < len ? 7 : 1) {
        health_text_t limited;
        size_t limited_len;
        health_text_init(&limited, ceiling, realloc);
        char *text = health_write_prometheus(&limited, &snapshot, HEALTH_SCOPE_ALL, &limited_len);
        assert_int_equal(text != NULL, ceiling == len + 1);
        free(text);
    }

    char *name = malloc(HEALTH_MAX_TEXT_BYTES);
    memset(name, 'n', HEALTH_MAX_TEXT_BYTES);
    name[HEALTH_MAX_TEXT_BYTES - 1] = '\0';
    snapshot.caches[1].name = name;
    assert_null(health_prometheus(&snapshot, &len));
    assert_null(health_cache_prometheus(&snapshot, &len));
    free(name);
}

static unsigned resizes, fail_at;

static void *failing_resize(void *bytes, size_t size)
{
    return ++resizes == fail_at ? NULL : realloc(bytes, size);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    health_snapshot_t snapshot;
    char *text = NULL;
    fill(&snapshot);
    for (fail_at = 1; text == NULL; ++fail_at) {
        health_text_t buffer;
        size_t len;
        resizes = 0;
        health_text_init(&buffer, HEALTH_MAX_TEXT_BYTES, failing_resize);
        text = health_write_prometheus(&buffer, &snapshot, HEALTH_SCOPE_ALL, &len);
        assert_null(buffer.bytes);
        assert_int_equal(text == NULL, resizes >= fail_at);
    }
    assert_true(fail_at > 3);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_keeps_the_conventions), cmocka_unit_test(families_are_apart),
        cmocka_unit_test(promtool_has_no_complaint),   cmocka_unit_test(ceilings),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
