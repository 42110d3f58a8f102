#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "module/option_lists.h"
#include "tests/unit/options_parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const uint32_t few_widths[] = {320, 640, 960};
static const sluice_options_rules_t snapped = {.strict = 1, .max_side = MAX_SIDE, .widths = few_widths, .num_widths = 3};

static const sluice_preset_t some_presets[] = {{"thumb", "w=300&h=200&fit=squaredown&q=60"},
                                               {"hero", "w=1600&auto=format&filename=hero&mod=2,3,4"},
                                               {"wide", "h=100&fit=inside"},
                                               {"face", "w=3&h=2&fit=cover&a=focal-20-30"}};
static const sluice_options_rules_t with_presets = {.strict = 1, .max_side = MAX_SIDE, .presets = some_presets, .num_presets = 4};
static const sluice_options_rules_t presets_only = {
    .strict = 1, .max_side = MAX_SIDE, .presets = some_presets, .num_presets = 4, .presets_only = 1};

static void test_widths(void **state)
{
    static const char *const rows[][2] = {{"w=1", "&w=320"},
                                          {"w=320", "&w=320"},
                                          {"w=321", "&w=640"},
                                          {"w=640", "&w=640"},
                                          {"w=641", "&w=960"},
                                          {"w=961", "&w=960"},
                                          {"w=8192", "&w=960"},
                                          {"h=1", "&h=320"},
                                          {"h=641", "&h=960"},
                                          {"w=300&h=200&fit=cover", "&w=320&h=213&fit=cover"},
                                          {"w=1000&h=500&fit=cover", "&w=960&h=480&fit=cover"},
                                          {"w=640&h=7&fit=cover", "&w=640&h=7&fit=cover"},
                                          {"w=1000&h=1", "&w=960&h=1"},
                                          {"w=1&h=8000", "&w=320&h=8192"},
                                          {"w=160&dpr=2", "&w=320"},
                                          {"w=161&dpr=2", "&w=640"},
                                          {"w=160&h=90&dpr=3&fit=fill", "&w=640&h=360&fit=fill"},
                                          {"q=3", "&q=3"}};

    (void)state;
    for (size_t i = 0; i != COUNT(rows); ++i) {
        assert_text_by(&snapped, rows[i][0], rows[i][1]);
        assert_text_by(&snapped, rows[i][1], rows[i][1]);
    }
    assert_refused_by(&snapped, "w=50%25", "in percent; it takes pixels here, as image.widths");
    assert_refused_by(&snapped, "w=50&h=50%25", "in percent");
    assert_text_by(&snapped, "cx=50%25&cw=30", "&cx=50%25&cw=30"); /* of the source, which has its own size */
}

static void test_widths_and_the_largest_side(void **state)
{
    static const sluice_options_rules_t rules = {.strict = 1, .max_side = 500, .widths = few_widths, .num_widths = 3};

    (void)state;
    assert_text_by(&rules, "w=100", "&w=320");
    assert_text_by(&rules, "w=400", "&w=500");
    assert_text_by(&rules, "w=500&h=50", "&w=500&h=50");
    assert_text_by(&rules, "w=250&h=300&dpr=2", "&w=500&h=500");
    assert_refused_by(&rules, "w=501", "1 to 500");
}

/* how many keys one picture can have by its size alone */
static void test_number_of_keys(void **state)
{
    static char seen_widths[MAX_SIDE + 1], seen_heights[MAX_SIDE + 1], seen_pairs[3][MAX_SIDE + 1];
    size_t widths = 0, heights = 0, pairs = 0;

    (void)state;
    for (uint32_t side = 1; side <= MAX_SIDE; ++side) {
        char query[64];
        snprintf(query, sizeof(query), "w=%u", (unsigned)side);
        uint32_t width = parsed(query, &snapped).width.amount;
        widths += !seen_widths[width];
        seen_widths[width] = 1;
        snprintf(query, sizeof(query), "h=%u", (unsigned)side);
        uint32_t height = parsed(query, &snapped).height.amount;
        heights += !seen_heights[height];
        seen_heights[height] = 1;
        snprintf(query, sizeof(query), "w=%u&h=%u&fit=cover", (unsigned)side, (unsigned)(side * 3 + 3) / 4);
        sluice_options_t both = parsed(query, &snapped);
        char *pair = &seen_pairs[both.width.amount / 320 - 1][both.height.amount];
        pairs += !*pair;
        *pair = 1;
    }
    assert_int_equal(widths, 3);
    assert_int_equal(heights, 3);
    assert_in_range(pairs, 3, 30); /* one aspect, but for what rounding makes of small sizes */
}

static void test_presets(void **state)
{
    static const char *const rows[][2] = {{"p=thumb", "&w=300&h=200&fit=cover&we=1&q=60"},
                                          {"preset=thumb", "&w=300&h=200&fit=cover&we=1&q=60"},
                                          {"%70=th%75mb", "&w=300&h=200&fit=cover&we=1&q=60"},
                                          {"p=thumb&q=70", "&w=300&h=200&fit=cover&we=1&q=70"},
                                          {"q=70&p=thumb", "&w=300&h=200&fit=cover&we=1&q=70"},
                                          {"p=thumb&dpr=2", "&w=600&h=400&fit=cover&we=1&q=60"},
                                          {"p=thumb&fit=cover", "&w=300&h=200&fit=cover&q=60"}, /* its name implied `we` */
                                          {"p=thumb&we=0", "&w=300&h=200&fit=cover&q=60"},
                                          {"p=thumb&p=wide", "&w=300&h=100&q=60"},
                                          {"p=wide&p=thumb", "&w=300&h=200&fit=cover&we=1&q=60"},
                                          {"p=hero", "&w=1600&mod=2&sat=3&hue=4"},
                                          {"p=hero&mod=5,6", "&w=1600&mod=5&sat=6&hue=4"},
                                          {"p=hero&sat=1", "&w=1600&mod=2&hue=4"},
                                          {"p=face", "&w=3&h=2&fit=cover&a=focal&fpx=0.2&fpy=0.3"},
                                          {"p=face&fpy=0.4", "&w=3&h=2&fit=cover&a=focal&fpx=0.2&fpy=0.4"},
                                          {"p=face&a=focal-40", "&w=3&h=2&fit=cover&a=focal&fpx=0.4"},
                                          {"p=face&a=top", "&w=3&h=2&fit=cover&a=top"},
                                          {"w=7", "&w=7"}};
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    (void)state;
    for (size_t i = 0; i != COUNT(rows); ++i)
        assert_text_by(&with_presets, rows[i][0], rows[i][1]);
    assert_int_equal(parse("p=hero&filename=x", 17, &with_presets, &options, &presentation, error), 0);
    assert_true(presentation.negotiate);
    assert_string_equal(presentation.filename, "x");
    assert_refused_by(&with_presets, "p=nothing", "option p is `nothing`; it takes the name of a preset: thumb, hero, wide, face");
    assert_refused_by(&with_presets, "p=THUMB", "`THUMB`");
    assert_refused_by(&with_presets, "p=", "option p is ``");
    assert_refused_by(&with_presets, "p=thumb&p=x", "option p is `x`");
    assert_refused_by(&with_presets, "p=caf%C3%A9", "not plain text");
    assert_refused_by(&with_presets, "p=thumb&w=0", "option w ");
    assert_text_by(&with_presets, "p=wide&p=wide&p=wide&p=wide&p=wide&p=wide&p=wide&p=wide", "&h=100");
    assert_refused_by(&with_presets, "p=wide&p=wide&p=wide&p=wide&p=wide&p=wide&p=wide&p=wide&p=wide", "more than 8 times");
    assert_refused_by(&strict, "p=thumb", "none is defined here (image.presets)");
}

static void test_presets_only(void **state)
{
    static const char *const refused[] = {"w=3", "p=thumb&w=300", "w=300&p=thumb", "q=60", "auto=format", "filename=x", "%77=3"};

    (void)state;
    assert_text_by(&presets_only, "", "");
    assert_text_by(&presets_only, "p=thumb", "&w=300&h=200&fit=cover&we=1&q=60");
    assert_text_by(&presets_only, "p=wide&p=thumb", "&w=300&h=200&fit=cover&we=1&q=60");
    for (size_t i = 0; i != COUNT(refused); ++i)
        assert_refused_by(
            &presets_only, refused[i],
            "image.presets-only allows no other option than p here, which takes the name of a preset: thumb, hero, wide, face");
    assert_refused_by(&presets_only, "zoom=1", "unknown option");
    assert_refused_by(&presets_only, "p=x", "option p is `x`");
    sluice_options_rules_t lenient = presets_only;
    lenient.strict = 0;
    assert_text_by(&lenient, "zoom=1&p=wide", "&h=100");
    assert_refused_by(&lenient, "p=wide&w=3", "image.presets-only");
}

static void test_presets_are_snapped_too(void **state)
{
    sluice_options_rules_t rules = with_presets;

    (void)state;
    rules.widths = few_widths;
    rules.num_widths = 3;
    assert_text_by(&rules, "p=thumb", "&w=320&h=213&fit=cover&we=1&q=60");
}

/* the names of as many presets as there can be do not fit, and are cut */
static void test_long_lists_of_presets_in_errors(void **state)
{
    static char names[SLUICE_PRESETS_MAX][SLUICE_PRESET_NAME_MAX + 1];
    static sluice_preset_t presets[SLUICE_PRESETS_MAX];
    const sluice_options_rules_t rules = {
        .strict = 1, .max_side = MAX_SIDE, .presets = presets, .num_presets = SLUICE_PRESETS_MAX, .presets_only = 1};

    (void)state;
    for (size_t i = 0; i != SLUICE_PRESETS_MAX; ++i) {
        memset(names[i], 'a' + (int)(i % 26), SLUICE_PRESET_NAME_MAX);
        presets[i] = (sluice_preset_t){names[i], "w=3"};
    }
    assert_refused_by(&rules, "w=3", names[0]);
    assert_refused_by(&rules, "p=x", names[0]);
}

static void test_configured_widths(void **state)
{
    static const char *const bad[] = {"", "0", "-1", "65536", "1.5", "10px", "50%"};
    static const uint32_t sorted[] = {1, 320, 640, 65535};
    sluice_option_lists_t *lists = calloc(1, sizeof(*lists));
    char error[256], text[16];

    (void)state;
    assert_non_null(lists);
    for (size_t i = 0; i != COUNT(bad); ++i) {
        assert_int_equal(sluice_option_lists_add_width(lists, bad[i], error, sizeof(error)), -1);
        assert_non_null(strstr(error, "whole numbers from 1 to 65535"));
    }
    assert_int_equal(lists->num_widths, 0);
    assert_int_equal(sluice_option_lists_add_width(lists, "640", error, sizeof(error)), 0);
    assert_int_equal(sluice_option_lists_add_width(lists, "65535", error, sizeof(error)), 0);
    assert_int_equal(sluice_option_lists_add_width(lists, "1", error, sizeof(error)), 0);
    assert_int_equal(sluice_option_lists_add_width(lists, "320", error, sizeof(error)), 0);
    assert_int_equal(sluice_option_lists_add_width(lists, "640", error, sizeof(error)), 0);
    assert_int_equal(lists->num_widths, 4);
    assert_memory_equal(lists->widths, sorted, sizeof(sorted));
    for (size_t i = 0; i != SLUICE_WIDTHS_MAX - 4; ++i) {
        snprintf(text, sizeof(text), "%zu", 1000 - i);
        assert_int_equal(sluice_option_lists_add_width(lists, text, error, sizeof(error)), 0);
    }
    assert_int_equal(sluice_option_lists_add_width(lists, "2000", error, sizeof(error)), -1);
    assert_non_null(strstr(error, "64 widths, no more"));
    for (size_t i = 1; i != lists->num_widths; ++i)
        assert_true(lists->widths[i - 1] < lists->widths[i]);
    sluice_option_lists_destroy(&lists);
}

static void assert_no_preset(sluice_option_lists_t *lists, const char *name, const char *query, const char *words)
{
    char error[SLUICE_OPTIONS_ERROR_MAX];

    assert_int_equal(sluice_option_lists_add_preset(lists, name, query, error, sizeof(error)), -1);
    if (strstr(error, words) == NULL)
        fail_msg("the error for preset `%s` does not say `%s`: %s", name, words, error);
}

static void test_configured_presets(void **state)
{
    sluice_option_lists_t *lists = calloc(1, sizeof(*lists)), *second = calloc(1, sizeof(*second));
    char error[SLUICE_OPTIONS_ERROR_MAX], query[SLUICE_PRESET_QUERY_MAX + 2] = "", name[SLUICE_PRESET_NAME_MAX + 2] = "";

    (void)state;
    assert_true(lists != NULL && second != NULL);
    lists->next = second;
    assert_no_preset(lists, "", "w=3", "name of a preset");
    assert_no_preset(lists, "a b", "w=3", "name of a preset");
    assert_no_preset(lists, "a&b", "w=3", "name of a preset");
    assert_no_preset(lists, "big", "w=65536", "preset big: option w is `65536`; it takes pixels from 1 to 65535");
    assert_no_preset(lists, "odd", "zoom=3", "preset odd: unknown option `zoom`");
    assert_no_preset(lists, "far", "fit=far", "preset far: option fit is `far`; it takes inside,");
    assert_no_preset(lists, "loop", "w=3&p=loop", "a preset cannot use another one");
    memset(query, '&', SLUICE_PRESET_QUERY_MAX + 1);
    assert_no_preset(lists, "long", query, "1024 bytes");
    memset(name, 'a', SLUICE_PRESET_NAME_MAX + 1);
    assert_no_preset(lists, name, "w=3", "name of a preset");
    assert_int_equal(lists->num_presets, 0);
    assert_int_equal(sluice_option_lists_add_preset(lists, "thumb", "w=9000&h=50%25", error, sizeof(error)), 0);
    assert_int_equal(sluice_option_lists_add_preset(second, "thumb", "w=4", error, sizeof(error)), 0);
    assert_no_preset(lists, "thumb", "w=4", "twice");
    assert_int_equal(lists->num_presets, 1);

    /* what is good in general may not be so for a path */
    sluice_options_rules_t rules = {.strict = 1, .max_side = 9000, .presets = lists->presets, .num_presets = 1};
    assert_int_equal(sluice_options_rules_check(&rules, error, sizeof(error)), 0);
    rules.max_side = 8192;
    assert_int_equal(sluice_options_rules_check(&rules, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "preset thumb: option w is `9000`; it takes pixels from 1 to 8192"));
    rules.max_side = 9000;
    rules.widths = few_widths;
    rules.num_widths = 3;
    assert_int_equal(sluice_options_rules_check(&rules, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "preset thumb: option w or h is in percent"));
    sluice_option_lists_destroy(&lists);
    assert_null(lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_widths_and_the_largest_side),
        cmocka_unit_test(test_number_of_keys),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_presets_only),
        cmocka_unit_test(test_presets_are_snapped_too),
        cmocka_unit_test(test_long_lists_of_presets_in_errors),
        cmocka_unit_test(test_configured_widths),
        cmocka_unit_test(test_configured_presets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
