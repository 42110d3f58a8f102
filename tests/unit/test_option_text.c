/*
 * One meaning, one text. Each choice below is a list of meanings, each of which is a list of spellings; the first meaning is the
 * default. A query is made of one spelling of one meaning of each choice, in random order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/unit/options_parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define MEANINGS_MAX 6
#define SPELLINGS_MAX 7

typedef const char *const choice_t[MEANINGS_MAX][SPELLINGS_MAX];

/* with all_matter beside them, each meaning is another picture */
static const char all_matter[] = "cx=1&ro=45&sharp=1&filt=duotone";
static choice_t choices[] = {
    {{"w=300&h=200&fit=contain", "width=300&height=200&t=letterbox", "w=150&h=0100&dpr=2&fit=Contain",
      "dpr=.5&h=400&w=600&t=contain", "w=9&w=300&h=200&fit=fill&t=contain"},
     {"w=300&h=201&fit=contain", "h=200&w=300&h=201&fit=contain"},
     {"w=300&h=200&fit=cover", "t=square&w=300&h=200", "fit=crop&w=300&h=200"},
     {"w=50%25&h=200&fit=cover", "w=50.00%25&h=200&fit=cover", "w=25%25&h=100&fit=cover&dpr=2.0"},
     {"w=50&h=200&fit=cover"}},
    {{"", "we=0", "we=false", "we=1&we=0"}, {"we", "we=1", "we=true", "we="}},
    {{"", "a=center", "a=focal", "a=focal-50-50", "a=focal&fpx=.5", "fpx=.2&fpy=.7", "align=CENTER"},
     {"a=top", "align=Top", "a=t", "a=top&fpx=0.3"},
     {"a=top-left", "a=TOP-LEFT"},
     {"a=focal-25-30", "a=focal&fpx=0.25&fpy=0.3", "fpy=.30000001&a=crop-25-30", "a=crop-25%25-99&fpy=0.3",
      "a=focal-1-2&fpx=.25&fpy=.3"},
     {"a=focal-30-25"},
     {"a=focal-0-0", "a=focal&fpx=0&fpy=0.00001"}},
    {{"", "cy=0", "cy=0%25"}, {"cy=1", "cy=01"}, {"cy=1%25", "cy=1.00%25"}, {"cy=100"}},
    {{"", "cw=100%25"}, {"cw=30&ch=40", "ch=40&cw=030"}, {"cw=40&ch=30"}, {"cw=30%25&ch=40%25"}},
    {{"", "precrop=0"}, {"precrop", "precrop=1"}},
    {{"", "trim=0"}, {"trim", "trim=10", "trim=010"}, {"trim=11"}},
    {{"", "rbg=0000", "rbg=00ffffff"}, {"rbg=f00", "rbg=red", "rbg=%23FF0000", "rbg=ffff0000"}, {"rbg=8f00"}, {"rbg=00f"}},
    {{"", "flip=0"}, {"flip", "flip=TRUE"}},
    {{"", "flop=0"}, {"flop", "flop=1"}},
    {{"", "blur=0", "blur=3&blur=0.0"}, {"blur", "blur=true"}, {"blur=1.5", "blur=1.50"}, {"blur=15"}},
    {{"", "sharpf=1", "sharpj=2.0"}, {"sharpf=0", "sharpf=0.0&sharpj=2"}, {"sharpj=0"}, {"sharpf=2&sharpj=1"}},
    {{"", "con=0", "con=-0"}, {"con=5"}, {"con=-5", "con=-05"}},
    {{"", "bri=0"}, {"bri=5"}, {"bri=-5"}},
    {{"", "gam=0", "gam=1", "gam=1.0"}, {"gam", "gam=2.2", "gam=2.200"}, {"gam=2.201"}},
    {{"", "mod=1", "mod=1,1,0", "sat=1&hue=0", "hue=720"},
     {"mod=2,3,40", "mod=2&sat=3&hue=40", "hue=40&sat=3.0&mod=2", "mod=2,9,-320&sat=3", "mod=2,3,400"},
     {"mod=3,2,40"},
     {"mod=2", "mod=2,1"},
     {"sat=2", "mod=1,2"},
     {"hue=2", "hue=-358"}},
    {{"", "start=c83658", "start=%23C83658", "stop=D8E74F", "start=11C83658"},
     {"start=00f", "start=blue", "start=BLUE"},
     {"stop=00f", "stop=blue&start=c83658"}},
    {{"", "tint=0000"}, {"tint=0f0", "tint=lime", "tint=80f0"}, {"tint=00f"}},
    {{"", "bg=0fff"}, {"bg=fff", "bg=white"}, {"bg=8fff"}},
    {{"", "output=origin"}, {"output=png", "fm=PNG"}, {"output=avif", "fm=av1"}, {"output=json", "fm=gif&fm=json"}},
    {{"", "page=0"}, {"page=1"}, {"page=-1"}, {"page=-2"}},
    {{"", "n=1", "pages=01"}, {"n=2", "pages=2"}, {"n=-1", "pages=-1"}},
    {{"", "lqip=0"}, {"lqip", "lqip=1"}},
};

/* these matter with some outputs only */
static choice_t of_outputs[] = {
    {{""}, {"encoding=base64", "encoding=BASE64"}},     {{""}, {"q=40", "quality=040"}, {"q=41"}},
    {{"", "l=6", "level=6"}, {"l=0"}, {"l=1", "l=01"}}, {{"", "il=0"}, {"il", "il=1"}},
    {{"", "ll=0"}, {"ll", "lossless=1", "lossless"}},   {{"", "af=0"}, {"af", "af=true"}},
};

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

static uint32_t count_meanings(const choice_t *choice)
{
    uint32_t n = 0;

    while (n != MEANINGS_MAX && (*choice)[n][0] != NULL)
        ++n;
    return n;
}

static const char *any_spelling(const choice_t *choice, uint32_t meaning)
{
    uint32_t n = 0;

    while (n != SPELLINGS_MAX && (*choice)[meaning][n] != NULL)
        ++n;
    return (*choice)[meaning][random_below(n)];
}

/* a character of a name or a value, escaped or not; letters of values in any case */
static size_t spell(char *dst, char c, int in_value)
{
    if (in_value && c >= 'a' && c <= 'z' && random_below(2))
        c = (char)(c - 32);
    if (random_below(5) == 0)
        return (size_t)sprintf(dst, random_below(2) ? "%%%02x" : "%%%02X", (unsigned char)c);
    *dst = c;
    return 1;
}

/* what is escaped already stays as it is */
static size_t spell_part(char *dst, const char *part)
{
    int in_value = 0;
    size_t n = 0;

    for (const char *p = part; *p != '\0'; ++p) {
        if (*p == '=' || *p == '&') {
            in_value = *p == '=';
            dst[n++] = *p;
        } else if (*p == '%') {
            memcpy(dst + n, p, 3);
            n += 3;
            p += 2;
        } else {
            n += spell(dst + n, *p, in_value);
        }
    }
    return n;
}

/* the parts in random order, none of which depends on another one */
static size_t spell_all(char *dst, const char **parts, size_t count)
{
    size_t n = 0;

    while (count != 0) {
        size_t at = random_below((uint32_t)count);
        n += spell_part(dst + n, parts[at]);
        dst[n++] = '&';
        parts[at] = parts[--count];
    }
    dst[n] = '\0';
    return n;
}

#define NUM_CHOICES (COUNT(choices) + COUNT(of_outputs))

static const choice_t *choice_at(size_t i)
{
    return i < COUNT(choices) ? choices + i : of_outputs + (i - COUNT(choices));
}

static void spell_meanings(const uint32_t meanings[NUM_CHOICES], size_t count, const char *beside, char *query)
{
    const char *parts[NUM_CHOICES + 1] = {beside};

    for (size_t i = 0; i != count; ++i)
        parts[i + 1] = any_spelling(choice_at(i), meanings[i]);
    spell_all(query, parts, count + 1);
}

static void text_of(const char *query, char text[SLUICE_OPTIONS_TEXT_MAX])
{
    const sluice_options_t options = parsed(query, &strict);

    sluice_options_text(&options, text);
}

/* most of them the default */
static void choose(uint32_t meanings[NUM_CHOICES])
{
    for (size_t i = 0; i != NUM_CHOICES; ++i)
        meanings[i] = random_below(2) ? 0 : random_below(count_meanings(choice_at(i)));
}

static void test_one_meaning_has_one_text(void **state)
{
    (void)state;
    for (size_t round = 0; round != 4000; ++round) {
        const char *beside = random_below(2) ? all_matter : "";
        uint32_t meanings[NUM_CHOICES];
        char query[4096], first[SLUICE_OPTIONS_TEXT_MAX], text[SLUICE_OPTIONS_TEXT_MAX];
        choose(meanings);
        spell_meanings(meanings, NUM_CHOICES, beside, query);
        text_of(query, first);
        for (size_t i = 0; i != 3; ++i) {
            spell_meanings(meanings, NUM_CHOICES, beside, query);
            text_of(query, text);
            if (strcmp(text, first) != 0)
                fail_msg("`%s` is `%s`, not `%s`", query, text, first);
        }
    }
}

static void test_two_meanings_have_two_texts(void **state)
{
    (void)state;
    for (size_t round = 0; round != 6000; ++round) {
        uint32_t meanings[NUM_CHOICES], at = random_below(COUNT(choices)), before;
        char query[4096], first[SLUICE_OPTIONS_TEXT_MAX], text[SLUICE_OPTIONS_TEXT_MAX];
        choose(meanings);
        spell_meanings(meanings, COUNT(choices), all_matter, query);
        text_of(query, first);
        before = meanings[at];
        meanings[at] = (before + 1 + random_below(count_meanings(choices + at) - 1)) % count_meanings(choices + at);
        spell_meanings(meanings, COUNT(choices), all_matter, query);
        text_of(query, text);
        if (strcmp(text, first) == 0)
            fail_msg("`%s` with meanings %u and %u of choice %u", text, before, meanings[at], at);
    }
}

static void test_a_text_means_itself(void **state)
{
    (void)state;
    for (size_t round = 0; round != 4000; ++round) {
        uint32_t meanings[NUM_CHOICES];
        char query[4096], text[SLUICE_OPTIONS_TEXT_MAX];
        choose(meanings);
        spell_meanings(meanings, NUM_CHOICES, random_below(2) ? all_matter : "", query);
        sluice_options_t options = parsed(query, &strict), again;
        sluice_options_text(&options, text);
        again = parsed(text, &strict);
        if (memcmp(&options, &again, sizeof(options)) != 0)
            fail_msg("`%s` is `%s`, which is something else", query, text);
        assert_text(text, text);
        sluice_options_canonicalise(&again);
        assert_memory_equal(&options, &again, sizeof(options));
    }
}

/* an output that is decided later drops what does not go with it */
static void test_output_that_is_decided_later(void **state)
{
    static const char options_of_all[] = "w=3&q=80&l=3&il&ll&af";
    static const sluice_format_t formats[] = {SLUICE_FORMAT_JPEG, SLUICE_FORMAT_PNG,  SLUICE_FORMAT_WEBP,
                                              SLUICE_FORMAT_AVIF, SLUICE_FORMAT_TIFF, SLUICE_FORMAT_GIF};

    (void)state;
    for (size_t i = 0; i != COUNT(formats); ++i) {
        sluice_options_t options = parsed(options_of_all, &strict);
        char query[64], text[SLUICE_OPTIONS_TEXT_MAX], expected[SLUICE_OPTIONS_TEXT_MAX];
        options.output = formats[i];
        sluice_options_canonicalise(&options);
        sluice_options_text(&options, text);
        snprintf(query, sizeof(query), "%s&output=%s", options_of_all, sluice_format_name(formats[i]));
        text_of(query, expected);
        assert_string_equal(text, expected);
    }
}

static void test_longest_text(void **state)
{
    static const char longest[] =
        "w=33.33%25&h=33.33%25&fit=contain&we&cbg=77123456&a=focal&fpx=0.3333&fpy=0.3333&cx=33.33%25&cy=33.33%25&cw=33.33%25&"
        "ch=33.33%25&precrop&trim=254&ro=359&rbg=77123456&flip&flop&blur=999.999&sharp=9.999&sharpf=999999.999&sharpj=999999.999&"
        "con=-100&bri=-100&gam=2.999&mod=9999.999&sat=9999.999&hue=359&filt=duotone&start=123456&stop=123456&tint=123456&bg="
        "77123456&"
        "q=100&l=9&il&ll&af&page=100000&n=256&lqip&encoding=base64";
    char text[SLUICE_OPTIONS_TEXT_MAX];
    sluice_options_t options = parsed(longest, &strict);

    (void)state;
    assert_in_range(sluice_options_text(&options, text), 400, SLUICE_OPTIONS_TEXT_MAX - 100);
    options.width = options.height = options.crop_x = options.crop_y = options.crop_width = options.crop_height =
        (sluice_length_t){UINT32_MAX, 1}; /* no room is missing whatever is in it */
    options.rotation = options.hue = options.quality = options.trim_threshold = INT32_MAX;
    options.focal_x = options.focal_y = options.sharpen_sigma = options.sharpen_flat = options.blur_sigma = INT32_MAX - 1;
    options.contrast = options.brightness = options.modulate_brightness = options.saturation = options.page = INT32_MIN;
    assert_in_range(sluice_options_text(&options, text), 400, SLUICE_OPTIONS_TEXT_MAX - 100);
}

/* whatever the bytes are, the result is a sentence, or options whose text means itself */
static void test_random_bytes(void **state)
{
    static const char letters[] = "&&&&====whqfitoupavmn%%2530,.-aefglbx1";
    char query[64], text[SLUICE_OPTIONS_TEXT_MAX], error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    sluice_options_t options;

    (void)state;
    for (size_t round = 0; round != 60000; ++round) {
        size_t len = random_below(sizeof(query));
        for (size_t i = 0; i != len; ++i)
            query[i] = random_below(20) ? letters[random_below(sizeof(letters) - 1)] : (char)random_below(256);
        if (parse(query, len, random_below(2) ? &strict : &lax, &options, &presentation, error) == 0) {
            sluice_options_text(&options, text);
            assert_text(text, text);
        } else {
            assert_true(strlen(error) < sizeof(error));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_meaning_has_one_text),
        cmocka_unit_test(test_two_meanings_have_two_texts),
        cmocka_unit_test(test_a_text_means_itself),
        cmocka_unit_test(test_output_that_is_decided_later),
        cmocka_unit_test(test_longest_text),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
