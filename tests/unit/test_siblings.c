#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/siblings.h"

static const icache_key_t source = {.lo = UINT64_C(0x1234567890abcdef), .hi = 7},
                          other = {.lo = UINT64_C(0x1234567890abcdef), .hi = 8}; /* shares its set */

static sluice_options_t parse(const char *query)
{
    const sluice_options_rules_t rules = {.strict = 1, .max_side = 8192};
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    assert_int_equal(sluice_options_parse(query, strlen(query), &rules, &options, &presentation, error), 0);
    return options;
}

static icache_handle_t handle_of(uint64_t number)
{
    return (icache_handle_t){.object = (icache_object_t *)(uintptr_t)number, .serial = number};
}

static void add(sluice_siblings_t *siblings, const char *query, uint32_t width, uint32_t height, uint64_t number)
{
    const sluice_options_t options = parse(query);

    sluice_siblings_add(siblings, &source, &options, width, height, handle_of(number));
}

/* the numbers of those found, in order, as decimal digits; 0: none */
static uint64_t find_for(sluice_siblings_t *siblings, const icache_key_t *key, const char *query)
{
    const sluice_options_t options = parse(query);
    icache_handle_t found[SLUICE_SIBLINGS_WAYS];
    size_t count = sluice_siblings_find(siblings, key, &options, sluice_output_bit(&options), found);
    uint64_t numbers = 0;

    for (size_t i = 0; i != count; ++i)
        numbers = numbers * 10 + found[i].serial;
    return numbers;
}

static void test_smallest_first(void **state)
{
    sluice_siblings_t *siblings = sluice_siblings_create();

    (void)state;
    assert_int_equal(find_for(siblings, &source, "w=1"), 0);
    add(siblings, "w=400", 400, 300, 4);
    add(siblings, "w=100", 100, 75, 1);
    add(siblings, "w=200&h=200&fit=outside", 267, 200, 2);
    add(siblings, "h=225", 300, 225, 3);
    assert_int_equal(find_for(siblings, &source, "w=50"), 1234);
    assert_int_equal(find_for(siblings, &source, "w=100"), 1234);
    assert_int_equal(find_for(siblings, &source, "w=101"), 234);
    assert_int_equal(find_for(siblings, &source, "h=201"), 34);
    assert_int_equal(find_for(siblings, &source, "w=400"), 4);
    assert_int_equal(find_for(siblings, &source, "w=401"), 0);
    assert_int_equal(find_for(siblings, &source, "w=8000&h=300"), 4);
    assert_int_equal(find_for(siblings, &source, "w=8000&h=301"), 0);
    assert_int_equal(find_for(siblings, &source, "w=350&h=300&fit=outside"), 4);
    assert_int_equal(find_for(siblings, &source, "w=350&h=301&fit=outside"), 0);
    assert_int_equal(find_for(siblings, &source, ""), 0);
    assert_int_equal(find_for(siblings, &other, "w=50"), 0);
    sluice_siblings_destroy(&siblings);
}

/* what may differ, and what must not. Each is asked for by the others, too */
static void test_looks(void **state)
{
    static const char *const looks[] = {"",
                                        "q=50",
                                        "output=webp",
                                        "output=webp&ll",
                                        "output=avif",
                                        "flip",
                                        "ro=90",
                                        "filt=sepia",
                                        "con=10",
                                        "bg=red",
                                        "we",
                                        "page=2",
                                        "fit=cover",
                                        "fit=cover&a=top",
                                        "fit=fill",
                                        "fit=contain",
                                        "fit=contain&cbg=red"};
    enum { NUM_LOOKS = sizeof(looks) / sizeof(looks[0]) };
    char query[64];

    (void)state;
    for (int i = 0; i != NUM_LOOKS; ++i) {
        sluice_siblings_t *siblings = sluice_siblings_create();
        snprintf(query, sizeof(query), "w=200&h=200&%s", looks[i]);
        add(siblings, query, 200, 200, 1);
        for (int j = 0; j != NUM_LOOKS; ++j) {
            snprintf(query, sizeof(query), "w=100&h=100&%s", looks[j]);
            if (find_for(siblings, &source, query) != (i == j))
                fail_msg("%s, asked for by %s: %d", looks[i], looks[j], (int)find_for(siblings, &source, query));
        }
        sluice_siblings_destroy(&siblings);
    }
}

static void test_what_has_none(void **state)
{
    static const char *const looks[] = {"cw=10", "cx=10&cw=5&ch=5", "trim=10",         "blur=2", "blur", "sharp=2", "ro=45", "n=-1",
                                        "n=2",   "output=json",     "encoding=base64", "lqip"};
    sluice_siblings_t *siblings = sluice_siblings_create();
    char query[64];

    (void)state;
    for (size_t i = 0; i != sizeof(looks) / sizeof(looks[0]); ++i) {
        snprintf(query, sizeof(query), "w=200&%s", looks[i]);
        add(siblings, query, 200, 200, 1);
        snprintf(query, sizeof(query), "w=100&%s", looks[i]);
        assert_int_equal(find_for(siblings, &source, query), 0);
    }
    sluice_siblings_destroy(&siblings);
}

static void test_ratios(void **state)
{
    static const char *const fits[] = {"cover", "fill", "contain"};
    char query[64];

    (void)state;
    for (size_t i = 0; i != sizeof(fits) / sizeof(fits[0]); ++i) {
        sluice_siblings_t *siblings = sluice_siblings_create();
        const struct {
            int width, height, expected;
        } rows[] = {{300, 200, 1}, {150, 100, 1}, {1000, 667, 1}, {1001, 667, 0}, {1000, 668, 0}, {301, 200, 1}, {302, 200, 0},
                    {300, 201, 1}, {300, 202, 0}, {100, 67, 1},   {100, 66, 1},   {100, 65, 0},   {200, 300, 0}, {3, 2, 1}};
        snprintf(query, sizeof(query), "w=1000&h=667&fit=%s", fits[i]);
        add(siblings, query, 1000, 667, 1);
        for (size_t row = 0; row != sizeof(rows) / sizeof(rows[0]); ++row) {
            snprintf(query, sizeof(query), "w=%d&h=%d&fit=%s", rows[row].width, rows[row].height, fits[i]);
            if ((int)find_for(siblings, &source, query) != rows[row].expected)
                fail_msg("%s", query);
        }
        assert_int_equal(find_for(siblings, &source, "w=50"), 0);
        sluice_siblings_destroy(&siblings);
    }
}

static void test_several_outputs(void **state)
{
    sluice_siblings_t *siblings = sluice_siblings_create();
    const sluice_options_t wanted = parse("w=50&output=avif"), webp = parse("output=webp"), avif = parse("output=avif");
    sluice_options_t common = parse("w=90");
    icache_handle_t found[SLUICE_SIBLINGS_WAYS];

    (void)state;
    common.common = 1;
    add(siblings, "w=100&output=webp", 100, 75, 1);
    add(siblings, "w=80&output=avif", 80, 60, 2);
    add(siblings, "w=70", 70, 53, 3);
    sluice_siblings_add(siblings, &source, &common, 90, 68, handle_of(4));
    assert_int_equal(sluice_siblings_find(siblings, &source, &wanted, sluice_output_bit(&webp), found), 1);
    assert_int_equal(found[0].serial, 1);
    assert_int_equal(sluice_siblings_find(siblings, &source, &wanted, sluice_output_bit(&webp) | sluice_output_bit(&avif), found),
                     2);
    assert_int_equal(found[0].serial, 2);
    assert_int_equal(found[1].serial, 1);
    assert_int_equal(sluice_siblings_find(siblings, &source, &wanted, sluice_output_bit(&common), found), 1);
    assert_int_equal(found[0].serial, 4);
    sluice_siblings_destroy(&siblings);
}

/* the newest of one kind, and of many the newest */
static void test_places(void **state)
{
    sluice_siblings_t *siblings = sluice_siblings_create();
    char query[32];

    (void)state;
    for (uint64_t i = 1; i != 9; ++i)
        add(siblings, "w=100", 100, 75, i);
    assert_int_equal(find_for(siblings, &source, "w=50"), 8);
    for (uint32_t i = 1; i != SLUICE_SIBLINGS_WAYS + 3; ++i) {
        snprintf(query, sizeof(query), "w=%u", (unsigned)(100 + i));
        add(siblings, query, 100 + i, 75 + i, i == SLUICE_SIBLINGS_WAYS + 2 ? 2 : i == 3 ? 1 : 0);
    }
    assert_int_equal(find_for(siblings, &source, "w=118"), 2);
    assert_int_equal(find_for(siblings, &source, "w=103"), 12);
    sluice_siblings_destroy(&siblings);
    sluice_siblings_destroy(&siblings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_smallest_first),  cmocka_unit_test(test_looks),
                                       cmocka_unit_test(test_what_has_none),   cmocka_unit_test(test_ratios),
                                       cmocka_unit_test(test_several_outputs), cmocka_unit_test(test_places)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
