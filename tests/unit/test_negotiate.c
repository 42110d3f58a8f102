#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/negotiate.h"

static void assert_becomes(const char *query, sluice_taken_t taken, const char *expected)
{
    const sluice_options_rules_t rules = {.strict = 1, .max_side = 8192};
    char text[SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    assert_int_equal(sluice_options_parse(query, strlen(query), &rules, &options, &presentation, error), 0);
    sluice_negotiate(&options, taken);
    sluice_options_text(&options, text);
    assert_string_equal(text, expected);
}

static void test_table(void **state)
{
    (void)state;
    assert_becomes("w=9", SLUICE_TAKES_AVIF_OR_WEBP, "&w=9&output=avif");
    assert_becomes("w=9", SLUICE_TAKES_AVIF, "&w=9&output=avif");
    assert_becomes("w=9", SLUICE_TAKES_WEBP, "&w=9&output=webp");
    assert_becomes("w=9", SLUICE_TAKES_COMMON, "&w=9&common");
    assert_becomes("", SLUICE_TAKES_COMMON, "&common");
    assert_becomes("n=1", SLUICE_TAKES_AVIF, "&output=avif");
    assert_becomes("n=-1", SLUICE_TAKES_AVIF_OR_WEBP, "&output=webp&n=-1");
    assert_becomes("n=-1", SLUICE_TAKES_AVIF, "&n=-1&common");
    assert_becomes("n=-1", SLUICE_TAKES_WEBP, "&output=webp&n=-1");
    assert_becomes("n=-1", SLUICE_TAKES_COMMON, "&n=-1&common");
    assert_becomes("n=2", SLUICE_TAKES_AVIF_OR_WEBP, "&output=webp&n=2");
}

/* what the format is has to be known before what makes no difference to it can be left out */
static void test_it_is_canonical(void **state)
{
    (void)state;
    assert_becomes("q=50", SLUICE_TAKES_AVIF, "&output=avif");
    assert_becomes("q=50", SLUICE_TAKES_WEBP, "&q=50&output=webp");
    assert_becomes("q=79&l=9", SLUICE_TAKES_WEBP, "&output=webp");
    assert_becomes("q=80&l=9", SLUICE_TAKES_COMMON, "&q=80&l=9&common");
}

/* more lines than there is room for, again and again, in any order: the oracle is the parser itself */
static void test_memory(void **state)
{
    static sluice_accept_memory_t memory;
    char line[SLUICE_ACCEPT_TEXT_MAX + 64];

    (void)state;
    srand(1);
    for (int i = 0; i != 20000; ++i) {
        static const char *const names[] = {"image/avif", "image/webp", "image/png", "image/avif,image/webp"};
        int number = rand() % (i % 3 == 0 ? 4 : 200), padding = number == 7 ? SLUICE_ACCEPT_TEXT_MAX : number % 50;
        snprintf(line, sizeof(line), "%s,x/%d%0*d", names[number % 4], number, padding, 0);
        sluice_accept_t accept;
        sluice_accept_init(&accept);
        sluice_accept_add(&accept, line, strlen(line));
        assert_int_equal(sluice_accept_recall(&memory, line, strlen(line)), sluice_accept_decide(&accept));
    }
    assert_int_equal(sluice_accept_recall(&memory, "", 0), SLUICE_TAKES_COMMON);
    assert_int_equal(sluice_accept_recall(&memory, NULL, 0), SLUICE_TAKES_COMMON);
}

/* the longest that is kept, and one byte more; and a part of what is kept is not taken for it */
static void test_lengths(void **state)
{
    static sluice_accept_memory_t memory;
    char line[SLUICE_ACCEPT_TEXT_MAX + 2];

    (void)state;
    memset(line, ' ', sizeof(line));
    memcpy(line, "image/webp,", 11);
    memcpy(line + SLUICE_ACCEPT_TEXT_MAX - 10, "image/avif", 10);
    for (int i = 0; i != 2; ++i) {
        assert_int_equal(sluice_accept_recall(&memory, line, SLUICE_ACCEPT_TEXT_MAX), SLUICE_TAKES_AVIF_OR_WEBP);
        assert_int_equal(sluice_accept_recall(&memory, line, SLUICE_ACCEPT_TEXT_MAX - 1), SLUICE_TAKES_WEBP);
        assert_int_equal(sluice_accept_recall(&memory, line, SLUICE_ACCEPT_TEXT_MAX + 1), SLUICE_TAKES_AVIF_OR_WEBP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_it_is_canonical),
                                       cmocka_unit_test(test_memory), cmocka_unit_test(test_lengths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
