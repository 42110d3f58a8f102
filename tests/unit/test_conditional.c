#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/conditional.h"

#define TAG "\"0123\""
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"
#define MODIFIED_S 784111777
#define NOW_S INT64_C(1800000000)

static const sluice_validators_t dated = {TAG, 6, MODIFIED_S, NOW_S - 100}, undated = {TAG, 6, SLUICE_NO_DATE, NOW_S - 100};

struct st_line_t {
    sluice_condition_t field;
    const char *value;
};

static sluice_conditions_t add_lines(const sluice_validators_t *validators, const struct st_line_t *lines)
{
    sluice_conditions_t conditions;

    sluice_conditions_init(&conditions, validators, NOW_S);
    for (; lines->value != NULL; ++lines) {
        size_t len = strlen(lines->value);
        char *copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, lines->value, len);
        sluice_conditions_add(&conditions, lines->field, copy, len);
        free(copy);
    }
    return conditions;
}

static sluice_precondition_t decide(const sluice_validators_t *validators, const struct st_line_t *lines)
{
    sluice_conditions_t conditions = add_lines(validators, lines);

    return sluice_conditions_decide(&conditions);
}

#define DECIDE(validators, ...) decide(validators, (const struct st_line_t[]){__VA_ARGS__, {SLUICE_IF_MATCH, NULL}})

static int wants_range(const sluice_validators_t *validators, const char *value)
{
    sluice_conditions_t conditions = add_lines(validators, (const struct st_line_t[]){{SLUICE_IF_RANGE, value}, {0, NULL}});

    return sluice_conditions_want_range(&conditions);
}

static void test_tags(void **state)
{
    static const struct {
        const char *list;
        int weak, strong;
    } rows[] = {
        {TAG, 1, 1},
        {"*", 1, 1},
        {" * ", 1, 1},
        {"W/" TAG, 1, 0},
        {"  " TAG "\t ", 1, 1},
        {"\"other\", " TAG, 1, 1},
        {"\"other\"," TAG, 1, 1},
        {"\"other\" ,\t" TAG, 1, 1},
        {"W/\"other\", W/" TAG, 1, 0},
        {"W/" TAG ", " TAG, 1, 1},
        {", ,," TAG ",", 1, 1},
        {"\"a,b\", " TAG, 1, 1},
        {"\"\", " TAG, 1, 1},
        {"", 0, 0},
        {",", 0, 0},
        {"\"\"", 0, 0},
        {"\"other\"", 0, 0},
        {"0123", 0, 0},
        {"\"0123", 0, 0},
        {"0123\"", 0, 0},
        {"\"01234\"", 0, 0},
        {"\"012\"", 0, 0},
        {"\"x" TAG, 0, 0},
        {"\"x, " TAG "\"", 0, 0},
        {"w/" TAG, 0, 0},
        {"W/ " TAG, 0, 0},
        {"W/0123", 0, 0},
        {"W/", 0, 0},
        {"W", 0, 0},
        {"\"", 0, 0},
        {"**", 0, 0},
        {"*, " TAG, 0, 0},
        {"\"other\", *", 0, 0},
        {"\"other\"" TAG, 0, 0},
        {"\"other\" " TAG, 0, 0},
        {"other, " TAG, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        int weak = DECIDE(&dated, {SLUICE_IF_NONE_MATCH, rows[i].list}) == SLUICE_PRECONDITION_NOT_MODIFIED;
        int strong = DECIDE(&dated, {SLUICE_IF_MATCH, rows[i].list}) == SLUICE_PRECONDITION_PASSED;
        if (weak != rows[i].weak || strong != rows[i].strong)
            fail_msg("`%s`: weak %d, strong %d", rows[i].list, weak, strong);
    }
}

static void test_several_lines_are_one_list(void **state)
{
    (void)state;
    for (int at = 0; at != 3; ++at) {
        const char *values[] = {"\"a\"", "\"b\", \"c\"", "W/\"d\""};
        values[at] = TAG;
        assert_int_equal(
            DECIDE(&dated, {SLUICE_IF_NONE_MATCH, values[0]}, {SLUICE_IF_NONE_MATCH, values[1]}, {SLUICE_IF_NONE_MATCH, values[2]}),
            SLUICE_PRECONDITION_NOT_MODIFIED);
        assert_int_equal(DECIDE(&dated, {SLUICE_IF_MATCH, values[0]}, {SLUICE_IF_MATCH, values[1]}, {SLUICE_IF_MATCH, values[2]}),
                         SLUICE_PRECONDITION_PASSED);
    }
}

static void test_dates(void **state)
{
    static const struct {
        const char *value;
        sluice_precondition_t modified_since, unmodified_since;
    } rows[] = {
        {BEFORE, SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_FAILED},
        {MODIFIED, SLUICE_PRECONDITION_NOT_MODIFIED, SLUICE_PRECONDITION_PASSED},
        {AFTER, SLUICE_PRECONDITION_NOT_MODIFIED, SLUICE_PRECONDITION_PASSED},
        {"Sunday, 06-Nov-94 08:49:37 GMT", SLUICE_PRECONDITION_NOT_MODIFIED, SLUICE_PRECONDITION_PASSED},
        {"Sunday, 06-Nov-94 08:49:36 GMT", SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_FAILED},
        {"Sun Nov  6 08:49:37 1994", SLUICE_PRECONDITION_NOT_MODIFIED, SLUICE_PRECONDITION_PASSED},
        {"Sun Nov  6 08:49:36 1994", SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_FAILED},
        {"yesterday", SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_PASSED},
        {"", SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_PASSED},
        {"784111777", SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_PASSED},
        {TAG, SLUICE_PRECONDITION_PASSED, SLUICE_PRECONDITION_PASSED},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        if (DECIDE(&dated, {SLUICE_IF_MODIFIED_SINCE, rows[i].value}) != rows[i].modified_since ||
            DECIDE(&dated, {SLUICE_IF_UNMODIFIED_SINCE, rows[i].value}) != rows[i].unmodified_since)
            fail_msg("`%s`", rows[i].value);
        assert_int_equal(DECIDE(&undated, {SLUICE_IF_MODIFIED_SINCE, rows[i].value}), SLUICE_PRECONDITION_PASSED);
        assert_int_equal(DECIDE(&undated, {SLUICE_IF_UNMODIFIED_SINCE, rows[i].value}), SLUICE_PRECONDITION_PASSED);
    }
}

static void test_date_twice_does_not_count(void **state)
{
    static const char *const others[] = {AFTER, MODIFIED, "nonsense"};

    (void)state;
    for (size_t i = 0; i != 3; ++i) {
        assert_int_equal(DECIDE(&dated, {SLUICE_IF_MODIFIED_SINCE, AFTER}, {SLUICE_IF_MODIFIED_SINCE, others[i]}),
                         SLUICE_PRECONDITION_PASSED);
        assert_int_equal(DECIDE(&dated, {SLUICE_IF_UNMODIFIED_SINCE, BEFORE}, {SLUICE_IF_UNMODIFIED_SINCE, others[i]}),
                         SLUICE_PRECONDITION_PASSED);
    }
}

/* each combination of the four, against the order of RFC 9110, 13.2.2, written down another way */
static void test_order(void **state)
{
    static const char *const tags[] = {NULL, TAG, "\"other\""}, *const dates[] = {NULL, BEFORE, AFTER};

    (void)state;
    for (int n = 0; n != 81; ++n) {
        int match = n % 3, unmodified = n / 3 % 3, none_match = n / 9 % 3, modified = n / 27;
        const struct st_line_t all[] = {{SLUICE_IF_MODIFIED_SINCE, dates[modified]},
                                        {SLUICE_IF_NONE_MATCH, tags[none_match]},
                                        {SLUICE_IF_UNMODIFIED_SINCE, dates[unmodified]},
                                        {SLUICE_IF_MATCH, tags[match]}};
        struct st_line_t lines[5];
        size_t count = 0;
        for (size_t i = 0; i != 4; ++i)
            if (all[i].value != NULL)
                lines[count++] = all[i];
        lines[count] = (struct st_line_t){SLUICE_IF_MATCH, NULL};

        int failed = match != 0 ? match == 2 : unmodified == 1;
        int unchanged = none_match != 0 ? none_match == 1 : modified == 2;
        assert_int_equal(decide(&dated, lines), failed      ? SLUICE_PRECONDITION_FAILED
                                                : unchanged ? SLUICE_PRECONDITION_NOT_MODIFIED
                                                            : SLUICE_PRECONDITION_PASSED);
    }
}

static void test_if_range(void **state)
{
    const sluice_validators_t same_second = {TAG, 6, MODIFIED_S, MODIFIED_S}, next_second = {TAG, 6, MODIFIED_S, MODIFIED_S + 1};
    static const char *const others[] = {"\"other\"", "W/" TAG, "*",    "",    TAG ", \"other\"",
                                         TAG " ",     "0123",   BEFORE, AFTER, "nonsense"};

    (void)state;
    assert_true(wants_range(&dated, TAG));
    assert_true(wants_range(&undated, TAG));
    assert_true(wants_range(&dated, MODIFIED));
    assert_true(wants_range(&dated, "Sun Nov  6 08:49:37 1994"));
    assert_false(wants_range(&undated, MODIFIED));
    assert_false(wants_range(&same_second, MODIFIED)); /* it can have changed within that second */
    assert_true(wants_range(&next_second, MODIFIED));
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        if (wants_range(&dated, others[i]))
            fail_msg("`%s`", others[i]);
}

static void test_if_range_is_one_line(void **state)
{
    sluice_conditions_t none = add_lines(&dated, (const struct st_line_t[]){{0, NULL}});
    sluice_conditions_t two =
        add_lines(&dated, (const struct st_line_t[]){{SLUICE_IF_RANGE, TAG}, {SLUICE_IF_RANGE, TAG}, {0, NULL}});

    (void)state;
    assert_true(sluice_conditions_want_range(&none));
    assert_false(sluice_conditions_want_range(&two));
    assert_int_equal(sluice_conditions_decide(&none), SLUICE_PRECONDITION_PASSED);
    assert_int_equal(sluice_conditions_decide(&two), SLUICE_PRECONDITION_PASSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_several_lines_are_one_list),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_date_twice_does_not_count),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_if_range_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
