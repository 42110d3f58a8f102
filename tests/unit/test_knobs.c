#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "module/knobs.h"
#include "pressure/pressure.h"

#define MB UINT64_C(1000000)
#define MiB (UINT64_C(1) << 20)

/* large enough for both scopes, with a guard behind */
union un_settings_t {
    sluice_settings_t process;
    sluice_path_settings_t path;
    sluice_route_settings_t route;
    uint64_t words[(sizeof(sluice_settings_t) + sizeof(sluice_path_settings_t)) / sizeof(uint64_t)];
};

static size_t scope_size(sluice_scope_t scope)
{
    static const size_t sizes[SLUICE_NUM_SCOPES] = {[SLUICE_SCOPE_PROCESS] = sizeof(sluice_settings_t),
                                                    [SLUICE_SCOPE_PATH] = sizeof(sluice_path_settings_t),
                                                    [SLUICE_SCOPE_ROUTE] = sizeof(sluice_route_settings_t)};

    return sizes[scope];
}

static const sluice_knob_t *find(const char *name)
{
    const sluice_knob_t *knob = sluice_knob_find(name);

    assert_non_null(knob);
    assert_string_equal(knob->name, name);
    return knob;
}

static void assert_row(const sluice_knob_t *k)
{
    static const char *const prefixes[] = {"pressure.", "image-cache.", "image.", "health."};
    size_t known = 0;

    for (size_t i = 0; i != sizeof(prefixes) / sizeof(prefixes[0]); ++i)
        known += strncmp(k->name, prefixes[i], strlen(prefixes[i])) == 0;
    assert_int_equal(known, 1);
    assert_int_equal(strspn(k->name, "abcdefghijklmnopqrstuvwxyz-."), strlen(k->name));
    assert_true(k->help != NULL && strlen(k->help) >= 10);
    assert_null(strchr(k->help, '|')); /* it stands in a table */
    assert_null(strchr(k->help, '\n'));
    assert_true(k->min <= k->max);
    assert_true(k->max < UINT64_C(1) << 53);
    assert_true((k->min <= k->def && k->def <= k->max) || (k->def == 0 && k->word != NULL));
    assert_true(k->word == NULL || k->min > 0); /* else 0 would have two meanings */
    assert_int_equal(k->offset % sizeof(uint64_t), 0);
    assert_true(k->offset + sizeof(uint64_t) <= scope_size(k->scope));
    assert_true(k->env == NULL || k->scope == SLUICE_SCOPE_PROCESS);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i != sluice_num_knobs; ++i) {
        const sluice_knob_t *k = sluice_knobs + i;
        assert_row(k);
        assert_ptr_equal(find(k->name), k);
        for (size_t j = 0; j != i; ++j) {
            const sluice_knob_t *other = sluice_knobs + j;
            assert_string_not_equal(k->name, other->name);
            assert_false(k->scope == other->scope && k->offset == other->offset);
            assert_false(k->env != NULL && other->env != NULL && strcmp(k->env, other->env) == 0);
        }
    }
    assert_null(sluice_knob_find("image.nothing"));
    assert_null(sluice_knob_find(""));
    assert_null(sluice_knob_find("image.TTL"));
}

/* every number of both structs belongs to exactly one row, and rows of one scope leave what is behind its struct alone */
static void test_defaults(void **state)
{
    (void)state;
    for (int scope = SLUICE_SCOPE_PROCESS; scope < SLUICE_NUM_SCOPES; ++scope) {
        union un_settings_t settings;
        size_t count = scope_size((sluice_scope_t)scope) / sizeof(uint64_t), rows = 0;

        memset(&settings, 0xa5, sizeof(settings));
        sluice_knobs_default((sluice_scope_t)scope, &settings);
        for (size_t i = 0; i != sizeof(settings) / sizeof(uint64_t); ++i)
            assert_int_equal(settings.words[i] == UINT64_C(0xa5a5a5a5a5a5a5a5), i >= count);
        for (size_t i = 0; i != sluice_num_knobs; ++i) {
            if (sluice_knobs[i].scope != (sluice_scope_t)scope)
                continue;
            assert_int_equal(settings.words[sluice_knobs[i].offset / sizeof(uint64_t)], sluice_knobs[i].def);
            ++rows;
        }
        assert_int_equal(rows, count);
    }
}

static void test_promised_defaults(void **state)
{
    sluice_settings_t s;
    sluice_path_settings_t p;

    (void)state;
    sluice_knobs_default(SLUICE_SCOPE_PROCESS, &s);
    sluice_knobs_default(SLUICE_SCOPE_PATH, &p);
    assert_int_equal(s.budget_bytes, 0);
    assert_int_equal(s.cache_capacity_bytes, 512 * MiB);
    assert_int_equal(s.metadata_capacity_bytes, 256 * MiB);
    assert_int_equal(s.max_object_bytes, 50 * MiB);
    assert_true(s.elevated_permille < s.degraded_permille && s.degraded_permille < s.high_permille);
    assert_true(s.high_permille < s.critical_permille && s.critical_permille < s.emergency_permille);
    assert_int_equal(s.transform_timeout_ms, 10000);
    assert_int_equal(p.max_pixels, 50000000);
    assert_int_equal(p.max_side, 8192);
    assert_int_equal(p.strict, 1);
}

/* the coordinator's own defaults and those of the table are the same numbers */
static void test_defaults_of_the_coordinator(void **state)
{
    pressure_config_t config;
    sluice_settings_t s;

    (void)state;
    pressure_config_init(&config);
    sluice_knobs_default(SLUICE_SCOPE_PROCESS, &s);
    assert_memory_equal(&config.tuning, &s.tuning, sizeof(s.tuning));
    assert_int_equal(config.mark_permille[PRESSURE_ELEVATED], s.elevated_permille);
    assert_int_equal(config.mark_permille[PRESSURE_DEGRADED], s.degraded_permille);
    assert_int_equal(config.mark_permille[PRESSURE_HIGH], s.high_permille);
    assert_int_equal(config.mark_permille[PRESSURE_CRITICAL], s.critical_permille);
    assert_int_equal(config.mark_permille[PRESSURE_EMERGENCY], s.emergency_permille);
    assert_int_equal(config.down_gap_permille, s.down_gap_permille);
    assert_int_equal(config.dwell_ms, s.dwell_ms);
    assert_int_equal(config.dwell_critical_ms, s.dwell_critical_ms);
}

static void test_environment(void **state)
{
    static const char *const variables[][2] = {
        {"TOTAL_PROCESS_MEMORY_BUDGET_BYTES", "pressure.budget"},
        {"IMAGE_RAM_BUDGET_BYTES", "image-cache.capacity"},
        {"SERVER_CACHE_BUDGET_BYTES", "image-cache.metadata-capacity"},
        {"MAX_IMAGE_SIZE_BYTES", "image-cache.max-object-size"},
        {"MEMORY_WARNING_THRESHOLD", "pressure.degraded"},
        {"MEMORY_CRITICAL_THRESHOLD", "pressure.critical"},
    };
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i != sizeof(variables) / sizeof(variables[0]); ++i)
        assert_string_equal(find(variables[i][1])->env, variables[i][0]);
    for (size_t i = 0; i != sluice_num_knobs; ++i)
        count += sluice_knobs[i].env != NULL;
    assert_int_equal(count, sizeof(variables) / sizeof(variables[0]));
}

static void test_set(void **state)
{
    sluice_settings_t s;
    sluice_path_settings_t p;
    char error[256] = "untouched";

    (void)state;
    sluice_knobs_default(SLUICE_SCOPE_PROCESS, &s);
    sluice_knobs_default(SLUICE_SCOPE_PATH, &p);
    assert_int_equal(sluice_knob_set(find("pressure.budget"), &s, "256MB", error, sizeof(error)), 0);
    assert_int_equal(s.budget_bytes, 256 * MB);
    assert_int_equal(sluice_knob_set(find("pressure.budget"), &s, "auto", error, sizeof(error)), 0);
    assert_int_equal(s.budget_bytes, 0);
    assert_int_equal(sluice_knob_set(find("pressure.critical"), &s, "0.85", error, sizeof(error)), 0);
    assert_int_equal(s.critical_permille, 850);
    assert_int_equal(sluice_knob_set(find("image.ttl"), &p, "5m", error, sizeof(error)), 0);
    assert_int_equal(p.ttl_ms, 300000);
    assert_int_equal(sluice_knob_set(find("image.strict"), &p, "OFF", error, sizeof(error)), 0);
    assert_int_equal(p.strict, 0);
    assert_string_equal(error, "untouched");
}

/* sets and expects a refusal that stores nothing and whose sentence has all of the words */
static void assert_refused(const sluice_knob_t *knob, const char *text, const char *const *words)
{
    union un_settings_t settings, before;
    char error[256] = "";

    memset(&settings, 0, sizeof(settings));
    sluice_knobs_default(knob->scope, &settings);
    before = settings;
    if (sluice_knob_set(knob, &settings, text, error, sizeof(error)) != -1)
        fail_msg("%s takes `%s`", knob->name, text);
    assert_memory_equal(&settings, &before, sizeof(settings));
    for (; *words != NULL; ++words)
        if (strstr(error, *words) == NULL)
            fail_msg("the error of %s with `%s` does not say %s: %s", knob->name, text, *words, error);
}

static void assert_bounds(const sluice_knob_t *k)
{
    char min[32], max[32], text[32];
    union un_settings_t settings;
    char error[256];
    const char *const words[] = {k->name, text, min, max, sluice_describe_unit(k->unit), k->word != NULL ? k->word : k->name, NULL};
    const uint64_t *slot = settings.words + k->offset / sizeof(uint64_t);
    uint64_t step = k->unit == SLUICE_UNIT_MS && k->max >= 1000 ? 1000 : 1;

    sluice_format_value(k->unit, k->min, min, sizeof(min));
    sluice_format_value(k->unit, k->max, max, sizeof(max));
    assert_int_equal(sluice_knob_set(k, &settings, min, error, sizeof(error)), 0);
    assert_int_equal(*slot, k->min);
    assert_int_equal(sluice_knob_set(k, &settings, max, error, sizeof(error)), 0);
    assert_int_equal(*slot, k->max);
    snprintf(text, sizeof(text), "zebra");
    assert_refused(k, text, words);
    text[0] = '\0';
    assert_refused(k, text, words);
    if (k->unit == SLUICE_UNIT_SWITCH)
        return;
    sluice_format_value(k->unit, k->max + step, text, sizeof(text));
    assert_refused(k, text, words);
    if (k->min != 0) {
        sluice_format_value(k->unit, k->min - 1, text, sizeof(text));
        assert_refused(k, text, words);
    }
}

static void test_bounds_and_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i != sluice_num_knobs; ++i)
        assert_bounds(sluice_knobs + i);
}

static void test_word_is_of_its_row_only(void **state)
{
    static const char *const words[] = {"image.max-fetches", "`auto`", "1", "10000", NULL};

    (void)state;
    assert_refused(find("image.max-fetches"), "auto", words);
    assert_refused(find("pressure.budget"), "0", (const char *const[]){"pressure.budget", "`0`", "auto", NULL});
    assert_refused(find("pressure.budget"), "automatic", (const char *const[]){"pressure.budget", "`automatic`", "auto", NULL});
}

/* a long value must not push the bounds out of the sentence, nor the sentence out of its buffer */
static void test_long_value(void **state)
{
    char text[2000], error[256];
    sluice_settings_t s;

    (void)state;
    memset(text, '7', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_refused(find("image.max-queue"), text, (const char *const[]){"image.max-queue", "`777", "1000000", NULL});
    memset(error, 'x', sizeof(error));
    assert_int_equal(sluice_knob_set(find("image.max-queue"), &s, text, error, 16), -1);
    assert_int_equal(strlen(error), 15);
    assert_int_equal(error[16], 'x');
}

static void test_format_can_be_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i != sluice_num_knobs; ++i) {
        const sluice_knob_t *k = sluice_knobs + i;
        const uint64_t values[] = {k->min, k->max, k->def, k->min + (k->max - k->min) / 3};
        for (size_t j = 0; j != sizeof(values) / sizeof(values[0]); ++j) {
            union un_settings_t settings;
            char text[32], error[256] = "";
            memset(&settings, 0xff, sizeof(settings));
            sluice_knob_format(k, values[j], text, sizeof(text));
            if (sluice_knob_set(k, &settings, text, error, sizeof(error)) != 0)
                fail_msg("%s: %s", k->name, error);
            assert_int_equal(settings.words[k->offset / sizeof(uint64_t)], values[j]);
        }
    }
    char text[32];
    sluice_knob_format(find("pressure.budget"), 0, text, sizeof(text));
    assert_string_equal(text, "auto");
    sluice_knob_format(find("image.max-queue"), 0, text, sizeof(text));
    assert_string_equal(text, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_promised_defaults),
        cmocka_unit_test(test_defaults_of_the_coordinator),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_bounds_and_refusals),
        cmocka_unit_test(test_word_is_of_its_row_only),
        cmocka_unit_test(test_long_value),
        cmocka_unit_test(test_format_can_be_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
