#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/image_options.h"

#define MAX_SIDE 8192
#define STRICT 1
#define LAX 0

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* parses from a copy of exactly this length, so that a reader past the end is seen */
static int parse(const char *query, size_t len, int strict, sluice_options_t *options, char error[SLUICE_OPTIONS_ERROR_MAX])
{
    char *copy = malloc(len + (len == 0));
    const sluice_options_rules_t rules = {.strict = strict, .max_side = MAX_SIDE};
    sluice_presentation_t presentation;
    int ret;

    assert_non_null(copy);
    memcpy(copy, query, len);
    memset(error, 0x7f, SLUICE_OPTIONS_ERROR_MAX);
    memset(options, 0x7f, sizeof(*options));
    ret = sluice_options_parse(copy, len, &rules, options, &presentation, error);
    free(copy);
    return ret;
}

static void assert_text(const char *query, int strict, const char *expected)
{
    sluice_options_t options;
    char error[SLUICE_OPTIONS_ERROR_MAX], text[SLUICE_OPTIONS_TEXT_MAX];

    if (parse(query, strlen(query), strict, &options, error) != 0)
        fail_msg("`%s`: %s", query, error);
    size_t len = sluice_options_text(&options, text);
    assert_int_equal(len, strlen(text));
    if (strcmp(text, expected) != 0)
        fail_msg("`%s` is `%s`, not `%s`", query, text, expected);
}

/* a refusal is a sentence of plain text that has `word` in it */
static void assert_refused_bytes(const char *query, size_t len, int strict, const char *word)
{
    sluice_options_t options;
    char error[SLUICE_OPTIONS_ERROR_MAX];

    if (parse(query, len, strict, &options, error) != -1)
        fail_msg("`%.*s` is taken", (int)len, query);
    assert_non_null(memchr(error, '\0', sizeof(error)));
    for (const char *p = error; *p != '\0'; ++p)
        if (*p < 0x20 || *p > 0x7e)
            fail_msg("the error for `%.*s` has byte %d", (int)len, query, *p);
    if (strstr(error, word) == NULL)
        fail_msg("the error for `%.*s` does not say `%s`: %s", (int)len, query, word, error);
}

static void assert_refused(const char *query, const char *word)
{
    assert_refused_bytes(query, strlen(query), STRICT, word);
}

static void test_each_option(void **state)
{
    (void)state;
    assert_text("", STRICT, "");
    assert_text("w=300", STRICT, "&w=300");
    assert_text("h=200", STRICT, "&h=200");
    assert_text("w=1", STRICT, "&w=1");
    assert_text("w=8192", STRICT, "&w=8192");
    assert_text("q=1", STRICT, "&q=1");
    assert_text("q=100", STRICT, "&q=100");
    assert_text("w=3&h=2&fit=inside", STRICT, "&w=3&h=2");
    assert_text("w=3&h=2&fit=outside", STRICT, "&w=3&h=2&fit=outside");
    assert_text("w=3&h=2&fit=cover", STRICT, "&w=3&h=2&fit=cover");
    assert_text("w=3&h=2&fit=fill", STRICT, "&w=3&h=2&fit=fill");
    assert_text("w=3&h=2&fit=contain", STRICT, "&w=3&h=2&fit=contain");
    assert_text("output=jpg", STRICT, "&output=jpg");
    assert_text("output=jpeg", STRICT, "&output=jpg");
    assert_text("output=png", STRICT, "&output=png");
    assert_text("output=webp", STRICT, "&output=webp");
    assert_text("output=gif", STRICT, "&output=gif");
    assert_text("output=avif", STRICT, "&output=avif");
    assert_text("fm=avif", STRICT, "&output=avif");
}

static void test_fields(void **state)
{
    sluice_options_t o;
    char error[SLUICE_OPTIONS_ERROR_MAX];

    (void)state;
    assert_int_equal(parse("w=300&h=200&fit=cover&q=75&output=webp", 38, STRICT, &o, error), 0);
    assert_int_equal(o.width.amount, 300);
    assert_int_equal(o.height.amount, 200);
    assert_int_equal(o.fit, SLUICE_FIT_COVER);
    assert_int_equal(o.quality, 75);
    assert_int_equal(o.output, SLUICE_FORMAT_WEBP);
    assert_int_equal(parse("", 0, STRICT, &o, error), 0);
    assert_true(o.width.amount == 0 && o.height.amount == 0 && o.fit == SLUICE_FIT_INSIDE && o.quality == 0 &&
                o.output == SLUICE_FORMAT_NONE);
    assert_int_equal(
        sluice_options_parse(NULL, 0, &(sluice_options_rules_t){.max_side = MAX_SIDE}, &o, &(sluice_presentation_t){0}, error), 0);
}

static void test_spellings(void **state)
{
    (void)state;
    assert_text("fit=COVER&w=3&h=2&output=WebP", STRICT, "&w=3&h=2&fit=cover&output=webp");
    assert_text("fm=JPEG", STRICT, "&output=jpg");
    assert_text("h=2&w=3", STRICT, "&w=3&h=2");
    assert_text("w=0300", STRICT, "&w=300");
    assert_text("%77=%33%30%30", STRICT, "&w=300");
    assert_text("f%69t=c%6Fver&w=3&h=2", STRICT, "&w=3&h=2&fit=cover");
    assert_text("f%6dt=1", LAX, "");
    assert_text("&&w=300&&h=2&", STRICT, "&w=300&h=2");
    assert_text("&", STRICT, "");
    assert_text("w=300&w=200", STRICT, "&w=200"); /* the last one counts */
    assert_text("output=png&fm=gif", STRICT, "&output=gif");
}

static void test_what_makes_no_difference(void **state)
{
    (void)state;
    assert_text("fit=cover", STRICT, "");
    assert_text("fit=fill", STRICT, "");
    assert_text("w=3&fit=cover", STRICT, "&w=3");
    assert_text("h=3&fit=outside", STRICT, "&h=3");
    assert_text("h=3&fit=contain", STRICT, "&h=3");
    assert_text("w=3&fit=fill", STRICT, "&w=3&fit=fill"); /* this one does: the height stays */
    assert_text("output=jpg&q=80", STRICT, "&output=jpg");
    assert_text("output=webp&q=79", STRICT, "&output=webp");
    assert_text("output=avif&q=50", STRICT, "&output=avif");
    assert_text("output=jpg&q=79", STRICT, "&q=79&output=jpg");
    assert_text("output=png&q=30", STRICT, "&output=png");
    assert_text("output=gif&q=30", STRICT, "&output=gif");
    assert_text("q=80", STRICT, "&q=80"); /* of what format is not known yet */
}

static void test_bad_numbers(void **state)
{
    static const char *const values[] = {"",
                                         "0",
                                         "-1",
                                         "8193",
                                         "99999999999999999999",
                                         "4294967297",
                                         "18446744073709551617",
                                         "300px",
                                         "3e2",
                                         "0x12",
                                         "1.5",
                                         "+3",
                                         "%203",
                                         "3%20",
                                         "3;4",
                                         "3=4",
                                         "w=3",
                                         "%C2%B2"};
    char query[64];

    (void)state;
    for (size_t i = 0; i != sizeof(values) / sizeof(values[0]); ++i) {
        snprintf(query, sizeof(query), "w=%s", values[i]);
        assert_refused(query, "option w ");
        snprintf(query, sizeof(query), "w=3&h=%s&fit=cover", values[i]);
        assert_refused(query, "option h ");
        snprintf(query, sizeof(query), "q=%s", values[i]);
        assert_refused(query, "option q ");
    }
    assert_refused("w", "option w ");
    assert_refused("w=8193", "8192");
    assert_refused("q=101", "100");
    assert_refused("w=300&w=abc", "`abc`");
}

static void test_bad_words(void **state)
{
    (void)state;
    assert_refused("fit=", "option fit ");
    assert_refused("fit=nowhere", "inside, outside, cover, fill or contain");
    assert_refused("fit=cover%20", "`cover `");
    assert_refused("output=", "option output ");
    assert_refused("output=bmp", "option output is `bmp`");
    assert_refused("fm=bmp", "option fm is `bmp`; it takes jpg, png, webp, gif, avif, tiff, json or origin");
    assert_refused("output=(null)", "option output ");
}

static void test_unknown_options(void **state)
{
    (void)state;
    assert_refused("zoom=3", "`zoom`");
    assert_refused("zoom=3", "w, h, dpr, fit");
    assert_refused("W=3", "`W`");
    assert_refused("=3", "``");
    assert_refused("utm_source=x&w=3", "`utm_source`");
    assert_text("zoom=3&w=4&utm_source=%C3%A9&=&x", LAX, "&w=4");
    assert_text("zoom=%zz&w=4", LAX, "&w=4");
    assert_text("%zz=1&w=4", LAX, "&w=4");
    assert_text("a_name_that_is_longer_than_any_name_that_is_known=1&w=4", LAX, "&w=4");
}

/* being lax with what is unknown does not make a bad value of a known option good */
static void test_lax_is_strict_with_known_options(void **state)
{
    char digits[100] = "w=3&h=";
    static const char *const queries[][2] = {
        {"w=0", "option w "},      {"w=%zz", "option w "},      {"w=3%0", "option w "},
        {"h=%C3%A9", "option h "}, {"fit=%00", "option fit "},  {"output=%e9", "option output "},
        {"fm=%7f", "option fm "},  {"w=4&q=\x80", "option q "}, {"fit=nowhere", "option fit "}};

    (void)state;
    for (size_t i = 0; i != sizeof(queries) / sizeof(queries[0]); ++i) {
        assert_refused_bytes(queries[i][0], strlen(queries[i][0]), LAX, queries[i][1]);
        assert_refused_bytes(queries[i][0], strlen(queries[i][0]), STRICT, queries[i][1]);
    }
    memset(digits + 6, '1', sizeof(digits) - 6);
    assert_refused_bytes(digits, sizeof(digits), LAX, "option h ");
    assert_refused_bytes(digits, sizeof(digits), STRICT, "option h ");
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    assert_refused_bytes("w=3\0&h=4", 8, STRICT, "option w ");
    assert_refused_bytes("w\0=3", 4, STRICT, "option");
    assert_refused_bytes("\xff\xfe=3", 4, STRICT, "option");
    assert_refused_bytes("caf\xc3\xa9=3", 7, STRICT, "`caf");
    assert_refused_bytes("\x1b[2J=3", 6, STRICT, "option");
    assert_refused_bytes("zo%00m=3", 8, STRICT, "`zo");
    assert_refused_bytes("w=3&a\nb=1", 9, STRICT, "option");
    assert_refused_bytes("w=%", 3, STRICT, "option w ");
    assert_refused_bytes("w=%3", 4, STRICT, "option w ");
    assert_refused_bytes("%3", 2, STRICT, "option");
    assert_refused_bytes("w=%g0", 5, STRICT, "option w ");
    assert_refused_bytes("w=%0g", 5, STRICT, "option w ");
}

static void test_long_names_and_values(void **state)
{
    char query[5000];

    (void)state;
    for (size_t len = 1; len < sizeof(query); len += len < 200 ? 1 : 173) {
        memset(query, 'z', len);
        assert_refused_bytes(query, len, STRICT, "option");
        query[len / 2] = '=';
        assert_refused_bytes(query, len, STRICT, "option");
    }
    memset(query, '0', sizeof(query));
    query[0] = 'w';
    query[1] = '=';
    assert_refused_bytes(query, sizeof(query), STRICT, "option w ");
}

/* the query of `options`, its parts in random order and every character in a random spelling */
static size_t spell_randomly(const sluice_options_t *o, char *query, size_t size)
{
    static const char *const fits[] = {"inside", "outside", "cover", "fill", "contain"};
    char parts[5][40];
    const char *separator = "";
    size_t count = 0, len = 0;

    if (o->width.amount != 0)
        snprintf(parts[count++], sizeof(parts[0]), "w=%s%u", random_below(2) ? "0" : "", (unsigned)o->width.amount);
    if (o->height.amount != 0)
        snprintf(parts[count++], sizeof(parts[0]), "h=%u", (unsigned)o->height.amount);
    if (o->fit != SLUICE_FIT_INSIDE || random_below(2))
        snprintf(parts[count++], sizeof(parts[0]), "fit=%s", fits[o->fit]);
    if (o->quality != 0)
        snprintf(parts[count++], sizeof(parts[0]), "q=%u", (unsigned)o->quality);
    if (o->output != SLUICE_FORMAT_NONE)
        snprintf(parts[count++], sizeof(parts[0]), "%s=%s", random_below(2) ? "fm" : "output", sluice_format_name(o->output));
    while (count != 0) {
        size_t at = random_below((uint32_t)count);
        int in_value = 0;
        len += (size_t)snprintf(query + len, size - len, "%s", separator);
        for (const char *p = parts[at]; *p != '\0'; ++p) {
            int c = in_value && *p >= 'a' && *p <= 'z' && random_below(2) ? *p - 32 : *p;
            in_value |= *p == '=';
            len += (size_t)snprintf(query + len, size - len, *p != '=' && random_below(4) == 0 ? "%%%02x" : "%c", (unsigned)c);
        }
        memmove(parts[at], parts[--count], sizeof(parts[0]));
        separator = random_below(8) == 0 ? "&&" : "&";
    }
    return len;
}

static void test_one_meaning_has_one_text(void **state)
{
    (void)state;
    for (size_t round = 0; round != 20000; ++round) {
        sluice_options_t wanted = {.width = {random_below(3) ? 1 + random_below(MAX_SIDE) : 0, 0},
                                   .height = {random_below(3) ? 1 + random_below(MAX_SIDE) : 0, 0},
                                   .fit = (sluice_fit_t)random_below(SLUICE_NUM_FITS),
                                   .quality = random_below(2) ? 1 + random_below(100) : 0,
                                   .output = (sluice_format_t)random_below(SLUICE_FORMAT_TIFF)};
        char query[512], first[SLUICE_OPTIONS_TEXT_MAX] = "", text[SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
        for (size_t i = 0; i != 4; ++i) {
            sluice_options_t options;
            size_t len = spell_randomly(&wanted, query, sizeof(query));
            if (parse(query, len, STRICT, &options, error) != 0)
                fail_msg("`%.*s`: %s", (int)len, query, error);
            sluice_options_text(&options, i == 0 ? first : text);
            if (i != 0)
                assert_string_equal(text, first);
        }
        assert_text(first, STRICT, first); /* a canonical text is its own canonical text */
    }
}

/* two texts are equal only if what is asked for is equal */
static void test_two_meanings_have_two_texts(void **state)
{
    static const char *const queries[] = {"",
                                          "w=3",
                                          "h=3",
                                          "w=3&h=3",
                                          "w=33",
                                          "w=3&q=3",
                                          "q=3",
                                          "w=3&fit=fill",
                                          "h=3&fit=fill",
                                          "output=jpg",
                                          "output=png",
                                          "output=webp",
                                          "output=gif",
                                          "output=avif",
                                          "w=3&h=3&fit=cover",
                                          "w=3&h=3&fit=fill",
                                          "w=3&h=3&fit=contain",
                                          "w=3&h=3&fit=outside",
                                          "output=jpg&q=3",
                                          "output=webp&q=3",
                                          "output=avif&q=80"};
    const size_t count = sizeof(queries) / sizeof(queries[0]);
    char texts[sizeof(queries) / sizeof(queries[0])][SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_options_t options;

    (void)state;
    for (size_t i = 0; i != count; ++i) {
        assert_int_equal(parse(queries[i], strlen(queries[i]), STRICT, &options, error), 0);
        sluice_options_text(&options, texts[i]);
        for (size_t j = 0; j != i; ++j)
            assert_string_not_equal(texts[i], texts[j]);
    }
}

static void test_longest_text_fits(void **state)
{
    char *text = malloc(SLUICE_OPTIONS_TEXT_MAX);

    (void)state;
    assert_non_null(text);
    for (int fit = 0; fit != SLUICE_NUM_FITS; ++fit) {
        for (int format = 0; format != SLUICE_NUM_FORMATS; ++format) {
            sluice_options_t options = {.width = {UINT32_MAX, 0},
                                        .height = {UINT32_MAX, 0},
                                        .fit = (sluice_fit_t)fit,
                                        .quality = UINT32_MAX,
                                        .output = (sluice_format_t)format};
            size_t len = sluice_options_text(&options, text);
            assert_true(len < SLUICE_OPTIONS_TEXT_MAX);
            assert_int_equal(len, strlen(text));
        }
    }
    free(text);
}

static void test_formats(void **state)
{
    static const char *const mime_types[] = {NULL,         "image/jpeg", "image/png",     "image/webp",       "image/gif",
                                             "image/avif", "image/tiff", "image/svg+xml", "application/json", "text/plain"};
    static const unsigned qualities[] = {0, 80, 0, 79, 0, 50, 80, 0, 0, 0};

    (void)state;
    assert_null(sluice_format_name(SLUICE_FORMAT_NONE));
    assert_null(sluice_format_mime_type(SLUICE_FORMAT_NONE));
    for (int i = SLUICE_FORMAT_JPEG; i != SLUICE_NUM_FORMATS; ++i) {
        assert_non_null(sluice_format_name((sluice_format_t)i));
        assert_string_equal(sluice_format_mime_type((sluice_format_t)i), mime_types[i]);
        assert_int_equal(sluice_format_default_quality((sluice_format_t)i), qualities[i]);
    }
}

/* whatever the bytes: either options within their bounds or a sentence */
static void test_random_bytes(void **state)
{
    static const char alphabet[] = "whfitqoutputfm=&%0123456789abcdefx \x80\xff\n+;";
    sluice_options_t options;
    char query[64], error[SLUICE_OPTIONS_ERROR_MAX], text[SLUICE_OPTIONS_TEXT_MAX];

    (void)state;
    for (size_t round = 0; round != 100000; ++round) {
        size_t len = random_below(sizeof(query));
        int strict = (int)random_below(2);
        for (size_t i = 0; i != len; ++i)
            query[i] = random_below(20) == 0 ? (char)random_below(256) : alphabet[random_below(sizeof(alphabet) - 1)];
        if (parse(query, len, strict, &options, error) == 0) {
            assert_true(options.width.amount <= MAX_SIDE && options.height.amount <= MAX_SIDE && options.quality <= 100);
            assert_true(options.fit < SLUICE_NUM_FITS && options.output < SLUICE_FORMAT_TIFF);
            sluice_options_text(&options, text);
            assert_text(text, STRICT, text);
        } else {
            assert_refused_bytes(query, len, strict, "option");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_option),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_what_makes_no_difference),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bad_words),
        cmocka_unit_test(test_unknown_options),
        cmocka_unit_test(test_lax_is_strict_with_known_options),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_long_names_and_values),
        cmocka_unit_test(test_one_meaning_has_one_text),
        cmocka_unit_test(test_two_meanings_have_two_texts),
        cmocka_unit_test(test_longest_text_fits),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
