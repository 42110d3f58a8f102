#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/unit/options_parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_bad_values(void **state)
{
    static const char *const rows[][2] = {
        {"w=50%", "option w has a value that is too long or not plain text; a % in it is written %25"},
        {"w=801%25", "option w is `801%`; it takes pixels from 1 to 8192, or percent"},
        {"w=0%25", "option w "},
        {"w", "option w is ``"},
        {"w=8193", "8192"},
        {"width=0", "option width "},
        {"w=300&w=abc", "`abc`"},
        {"w=abc&w=300", "`abc`"},
        {"dpr=8.01", "option dpr is `8.01`; it takes a device pixel ratio from 0 to 8"},
        {"dpr=-1", "option dpr "},
        {"dpr", "option dpr "},
        {"fit=nowhere", "inside, outside, cover, fill or contain"},
        {"fit=", "option fit "},
        {"fit=cover%20", "`cover `"},
        {"t=max", "option t is `max`"},
        {"we=2", "no value, 1, true, 0 or false"},
        {"cbg=", "option cbg "},
        {"cbg=rgb(1,2,3)", "option cbg "},
        {"a=middle", "top-left"},
        {"a=", "option a "},
        {"a=focal-101-3", "option a "},
        {"a=focal-1-2-3", "option a "},
        {"a=focal-", "option a "},
        {"a=focal-1-", "option a "},
        {"a=focal--1", "option a "},
        {"a=crop-x", "option a "},
        {"a=focal-99999999999999999999", "option a "},
        {"a=focal-4294967297", "option a "},
        {"fpx=1.01", "a share from 0 to 1"},
        {"fpy=-0.1", "option fpy "},
        {"cx=-1", "option cx "},
        {"cy=10000001", "option cy "},
        {"cw=0", "option cw "},
        {"ch=101%25", "option ch "},
        {"crop=1,2,3", "option crop is `1,2,3`; it takes width,height,x,y"},
        {"crop=1,2,3,4,5", "option crop "},
        {"crop=1,2,3,", "option crop "},
        {"crop=0,2,3,4", "option crop "},
        {"crop=", "option crop "},
        {"precrop=yes", "option precrop "},
        {"trim=255", "option trim "},
        {"trim=-1", "option trim "},
        {"trim=1.5", "option trim "},
        {"ro=3601", "option ro "},
        {"ro=1.5", "option ro "},
        {"ro", "option ro "},
        {"rbg=zz", "option rbg "},
        {"blur=0.29", "option blur is `0.29`"},
        {"blur=1000.1", "option blur "},
        {"blur=-1", "option blur "},
        {"blur=x", "option blur "},
        {"sharp=10.001", "option sharp "},
        {"sharp=1,2", "flat,jagged,sigma"},
        {"sharp=1,2,3,4", "option sharp "},
        {"sharp=1,,3", "option sharp "},
        {"sharp=,", "option sharp "},
        {"sharp=1,2,11", "option sharp "},
        {"sharpf=-1", "option sharpf "},
        {"sharpj=1000001", "option sharpj "},
        {"con=101", "from -100 to 100"},
        {"con", "option con "},
        {"bri=-101", "option bri "},
        {"gam=0.99", "option gam "},
        {"gam=3.01", "option gam "},
        {"mod=-0.1", "option mod "},
        {"mod=1,2,3,4", "option mod "},
        {"mod=1,2,x", "option mod "},
        {"mod=", "option mod "},
        {"sat=10000.1", "option sat "},
        {"hue=3601", "option hue "},
        {"filt=blackwhite", "greyscale, sepia, duotone, negate or none"},
        {"start=nocolor", "option start "},
        {"q=0", "option q "},
        {"q=101", "100"},
        {"quality=best", "option quality "},
        {"l=10", "option l "},
        {"l=-1", "option l "},
        {"output=bmp", "option output is `bmp`; it takes jpg, png, webp, gif, avif, tiff, json or origin"},
        {"fm=svg", "option fm "},
        {"fm=", "option fm "},
        {"output=(null)", "option output "},
        {"output=text", "option output "},
        {"page=-3", "option page "},
        {"page=100001", "option page "},
        {"n=0", "option n "},
        {"n=-2", "option n "},
        {"n=257", "option n "},
        {"pages=all", "option pages "},
        {"lqip=2", "option lqip "},
        {"encoding=hex", "option encoding is `hex`; it takes base64"},
        {"encoding", "option encoding "},
        {"auto=compress", "option auto is `compress`; it takes format"},
        {"maxage=23h", "option maxage "},
        {"maxage=86399", "option maxage "},
        {"maxage=366d", "option maxage "},
        {"maxage=1Y", "option maxage "},
        {"maxage", "option maxage "},
        {"filename=", "option filename "},
        {"filename=a/b", "option filename "},
        {"filename=a%22b", "option filename "},
        {"default=", "option default "},
        {"default=/", "option default "},
        {"default=//x", "option default "},
        {"default=a/../b", "option default "},
        {"default=%2e%2e/b", "option default "},
        {"default=a/%00", "option default "},
        {"default=caf%C3%A9/../x", "option default has a value that is not plain text"},
        {"p=thumb", "option p is `thumb`; it takes the name of a preset: none is defined here (image.presets)"},
        {"p", "option p "},
    };

    (void)state;
    for (size_t i = 0; i != COUNT(rows); ++i) {
        assert_refused_by(&strict, rows[i][0], rows[i][1]);
        assert_refused_by(&lax, rows[i][0], rows[i][1]); /* which does not make a bad value good */
    }
}

static void test_bad_numbers(void **state)
{
    static const char *const names[] = {"w", "h", "q", "cw", "n"};
    static const char *const values[] = {"",           "0",
                                         "-1",         "99999999999999999999",
                                         "4294967297", "18446744073709551617",
                                         "300px",      "3e2",
                                         "0x12",       "1.5",
                                         "+3",         "%203",
                                         "3%20",       "3;4",
                                         "3=4",        "w=3",
                                         "%C2%B2",     "-4294967295",
                                         "%25",        "-5%25",
                                         "5%25%25"};
    char query[64];

    (void)state;
    for (size_t i = 0; i != COUNT(names); ++i) {
        for (size_t k = 0; k != COUNT(values); ++k) {
            char words[32];
            if (strcmp(names[i], "n") == 0 && strcmp(values[k], "-1") == 0)
                continue; /* all pages */
            snprintf(query, sizeof(query), "blur&%s=%s&fit=cover", names[i], values[k]);
            snprintf(words, sizeof(words), "option %s ", names[i]);
            assert_refused(query, words);
        }
    }
}

static void test_unknown_options(void **state)
{
    (void)state;
    assert_refused("zoom=3", "unknown option `zoom`; known are p, w, h, dpr, fit,");
    assert_refused("zoom=3", "default. image.strict: OFF ignores unknown ones"); /* the end of the list is there */
    assert_refused("W=3", "`W`");
    assert_refused("=3", "``");
    assert_refused("w=3&utm_source=x", "`utm_source`");
    assert_refused("mask=circle", "option `mask` of wsrv.nl is not supported; known are");
    assert_refused("delay=3", "not supported");
    assert_refused("loop=3", "not supported");
    assert_refused("fsol=0", "not supported");
    assert_refused("a_name_of_one_and_thirty_letter=1", "image.strict: OFF ignores unknown ones");
    assert_text_by(&lax, "zoom=3&w=4&utm_source=%C3%A9&=&x&mask=star", "&w=4");
    assert_text_by(&lax, "zoom=%zz&w=4", "&w=4");
    assert_text_by(&lax, "%zz=1&w=4", "&w=4");
    assert_text_by(&lax, "a_name_that_is_longer_than_any_name_that_is_known=1&w=4", "&w=4");
}

static void test_bytes_that_are_not_text(void **state)
{
    static const struct {
        const char *query;
        size_t len;
        const char *words;
    } rows[] = {{"w=3\0&h=4", 8, "option w "},
                {"w\0=3", 4, "option"},
                {"\xff\xfe=3", 4, "option"},
                {"caf\xc3\xa9=3", 7, "`caf"},
                {"\x1b[2J=3", 6, "option"},
                {"zo%00m=3", 8, "`zo"},
                {"w=3&a\nb=1", 9, "option"},
                {"w=%", 3, "option w "},
                {"w=%3", 4, "option w "},
                {"%3", 2, "option"},
                {"w=%g0", 5, "option w "},
                {"w=%0g", 5, "option w "},
                {"w=%zz", 5, "option w "},
                {"fit=%00", 7, "option fit "},
                {"fm=%7f", 6, "option fm "},
                {"q=\x80", 3, "option q "},
                {"h=%C3%A9", 8, "option h "},
                {"tint=\xff", 6, "option tint "},
                {"%c3%a9=1", 8, "option that starts with `%c3%a9`"}};

    (void)state;
    for (size_t i = 0; i != COUNT(rows); ++i)
        assert_refused_bytes(&strict, rows[i].query, rows[i].len, rows[i].words);
}

static void test_long_names_and_values(void **state)
{
    char query[5000];

    (void)state;
    for (size_t len = 1; len < sizeof(query); len += len < 200 ? 1 : 173) {
        memset(query, 'z', len);
        assert_refused_bytes(&strict, query, len, "option");
        query[len / 2] = '=';
        assert_refused_bytes(&strict, query, len, "option");
    }
    memset(query, '0', sizeof(query));
    memcpy(query, "w=", 2);
    assert_refused_bytes(&strict, query, sizeof(query), "option w ");
    assert_refused_bytes(&strict, query, 400, "option w is `0000");
    memset(query, '1', sizeof(query));
    memcpy(query, "a=crop-", 7);
    assert_refused_bytes(&lax, query, 500, "option a ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_unknown_options),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_long_names_and_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
