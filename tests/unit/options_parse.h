/*
 * options_parse.h - what the tests of options of image URLs share: parsing from a copy of exactly the query's length, so that a
 * reader past its end is seen, and comparing canonical texts. Include cmocka.h before.
 */
#ifndef tests__unit__options_parse_h
#define tests__unit__options_parse_h

#include <stdlib.h>
#include <string.h>
#include "module/image_options.h"

#define MAX_SIDE 8192

static const sluice_options_rules_t strict = {.strict = 1, .max_side = MAX_SIDE};
static const sluice_options_rules_t lax = {.max_side = MAX_SIDE};

static inline int parse(const char *query, size_t len, const sluice_options_rules_t *rules, sluice_options_t *options,
                        sluice_presentation_t *presentation, char error[SLUICE_OPTIONS_ERROR_MAX])
{
    char *copy = malloc(len + (len == 0));
    int ret;

    assert_non_null(copy);
    memcpy(copy, query, len);
    memset(error, 0x7f, SLUICE_OPTIONS_ERROR_MAX);
    memset(options, 0x7f, sizeof(*options));
    memset(presentation, 0x7f, sizeof(*presentation));
    ret = sluice_options_parse(copy, len, rules, options, presentation, error);
    free(copy);
    return ret;
}

/* parses what must be good */
static inline sluice_options_t parsed(const char *query, const sluice_options_rules_t *rules)
{
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    if (parse(query, strlen(query), rules, &options, &presentation, error) != 0)
        fail_msg("`%s`: %s", query, error);
    return options;
}

static inline sluice_presentation_t presented(const char *query)
{
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    if (parse(query, strlen(query), &strict, &options, &presentation, error) != 0)
        fail_msg("`%s`: %s", query, error);
    return presentation;
}

static inline void assert_text_by(const sluice_options_rules_t *rules, const char *query, const char *expected)
{
    const sluice_options_t options = parsed(query, rules);
    char text[SLUICE_OPTIONS_TEXT_MAX];

    size_t len = sluice_options_text(&options, text);
    assert_int_equal(len, strlen(text));
    if (strcmp(text, expected) != 0)
        fail_msg("`%s` is `%s`, not `%s`", query, text, expected);
}

static inline void assert_text(const char *query, const char *expected)
{
    assert_text_by(&strict, query, expected);
}

/* a refusal is a sentence of plain text that has `words` in it */
static inline void assert_refused_bytes(const sluice_options_rules_t *rules, const char *query, size_t len, const char *words)
{
    sluice_options_t options;
    sluice_presentation_t presentation;
    char error[SLUICE_OPTIONS_ERROR_MAX];

    if (parse(query, len, rules, &options, &presentation, error) != -1)
        fail_msg("`%.*s` is taken", (int)len, query);
    assert_non_null(memchr(error, '\0', sizeof(error)));
    for (const char *p = error; *p != '\0'; ++p)
        if (*p < 0x20 || *p > 0x7e)
            fail_msg("the error for `%.*s` has byte %d", (int)len, query, *p);
    if (strstr(error, words) == NULL)
        fail_msg("the error for `%.*s` does not say `%s`: %s", (int)len, query, words, error);
}

static inline void assert_refused_by(const sluice_options_rules_t *rules, const char *query, const char *words)
{
    assert_refused_bytes(rules, query, strlen(query), words);
}

static inline void assert_refused(const char *query, const char *words)
{
    assert_refused_by(&strict, query, words);
}

#endif
