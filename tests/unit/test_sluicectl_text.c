/*
 * What sluicectl makes of numbers, of the texts of others, and of events that come in pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/sluicectl/sse.h"
#include "module/sluicectl/text.h"

#define KIB 1024.0

static void test_bytes(void **state)
{
    static const struct {
        double bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {-1536, "-1.5 KiB"},
        {100 * KIB * KIB, "100.0 MiB"},
        {KIB * KIB * KIB * KIB, "1.0 TiB"},
        {KIB * KIB * KIB * KIB * KIB * 5000, "5000.0 PiB"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        assert_string_equal(ctl_bytes(rows[i].bytes).text, rows[i].text);
    assert_true(strlen(ctl_bytes(1e300).text) < sizeof(ctl_text_t)); /* cut, not overrun */
}

static void test_seconds(void **state)
{
    static const struct {
        double seconds;
        const char *text;
    } rows[] = {
        {0, "0.0 s"},
        {59.94, "59.9 s"},
        {60, "1m 0s"},
        {3599, "59m 59s"},
        {3600, "1h 0m"},
        {86399, "23h 59m"},
        {86400, "1d 0h"},
        {90061, "1d 1h"},
        {-5.25, "-5.2 s"},
        {-7200, "-2h 0m"},
        {1e300, "11574074074d 1h"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        assert_string_equal(ctl_seconds(rows[i].seconds).text, rows[i].text);
}

static void test_bars(void **state)
{
    static const struct {
        double fraction, mark;
        unsigned width;
        const char *text;
    } rows[] = {
        {0, -1, 4, "[....]"},     {0.5, -1, 4, "[##..]"}, {1, -1, 4, "[####]"},  {7, -1, 4, "[####]"}, {-3, -1, 4, "[....]"},
        {0.5, 0.75, 4, "[##.|]"}, {1, 0.5, 4, "[##|#]"},  {0.5, 1, 4, "[##..]"}, /* at the end there is no room */
        {0.5, 0, 4, "[|#..]"},    {0.5, -1, 0, "[]"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        assert_string_equal(ctl_bar(rows[i].fraction, rows[i].mark, rows[i].width).text, rows[i].text);
    assert_int_equal(strlen(ctl_bar(0.5, 0.7, 100000).text), 50);
}

static void test_nothing_acts_on_a_terminal(void **state)
{
    char text[] = "a\033[2Jb\x9b\xc2\x9b\x7f\r\n\t\xc3\xa9\xc2\xa0", cut[] = "x\xc2";

    (void)state;
    ctl_clean(text);
    /* a lone byte above 0x7f is no character of UTF-8, and none that such a terminal knows */
    assert_string_equal(text, "a?[2Jb\x9b??????\xc3\xa9\xc2\xa0");
    ctl_clean(cut);
    assert_string_equal(cut, "x\xc2");
}

static void test_fit(void **state)
{
    (void)state;
    assert_int_equal(ctl_fit("abc", 2), 2);
    assert_int_equal(ctl_fit("abc", 3), 3);
    assert_int_equal(ctl_fit("abc", 9), 3);
    assert_int_equal(ctl_fit("\xc3\xa9\xe2\x82\xac", 1), 2);
    assert_int_equal(ctl_fit("\xc3\xa9\xe2\x82\xac", 2), 5);
    assert_int_equal(ctl_fit("", 0), 0);
}

static void test_look_into_answers(void **state)
{
    json_t *json = json_pack("{s{s{si}} ss so}", "a", "b", "c", 5, "s", "x\033y", "t", json_true());

    (void)state;
    assert_true(ctl_number(json, "a.b.c") > 4.9);
    assert_true(ctl_number(json, "a.b.d") < 0.1 && ctl_number(json, "a.b.c.d") < 0.1 && ctl_number(NULL, "a") < 0.1);
    assert_string_equal(ctl_string(json, "s"), "x?y");
    assert_string_equal(ctl_string(json, "a"), "");
    assert_true(ctl_is_true(json, "t") && !ctl_is_true(json, "s"));
    assert_null(ctl_find(json, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    json_decref(json);
}

/* --- events */

static char heard[4096];

static void hear(void *ctx, const char *id, const char *type, const char *data)
{
    (void)ctx;
    assert_true(strlen(heard) + strlen(data) + 100 < sizeof(heard));
    strncat(heard, "<", 2);
    strncat(heard, id, 40);
    strncat(heard, "|", 2);
    strncat(heard, type, 40);
    strncat(heard, "|", 2);
    strncat(heard, data, 1000);
    strncat(heard, ">", 2);
}

static const char stream[] = ": a comment\n"
                             "id: 1\nevent: level\ndata: {\"a\": 1}\n\n"
                             "data:one\ndata: two\ndata:  three\n\n"   /* no type; lines; one space goes */
                             "event: nothing\n\n"                      /* no data: no event */
                             "id: 2\r\nevent: x\r\ndata: crlf\r\n\r\n" /* the other line ends */
                             "event: y\rdata: cr\r\r"
                             "retry: 5\nunknown: z\ndata\n\n" /* a field without a colon is empty */
                             "id: 3\nevent: of a type that is far too long to be one\ndata: t\n\n"
                             "data: not ended";
static const char expected[] = "<1|level|{\"a\": 1}><1|message|one\ntwo\n three><2|x|crlf><2|y|cr><2|message|>"
                               "<3|of a type that is far too long |t>";

static void test_events_however_they_are_cut(void **state)
{
    static ctl_sse_t sse;

    (void)state;
    for (size_t piece = 1; piece <= sizeof(stream); ++piece) {
        heard[0] = '\0';
        ctl_sse_init(&sse, hear, NULL);
        for (size_t at = 0; at < sizeof(stream) - 1; at += piece)
            ctl_sse_feed(&sse, stream + at, at + piece < sizeof(stream) - 1 ? piece : sizeof(stream) - 1 - at);
        assert_string_equal(heard, expected);
    }
}

/* what is too long is left out, and what comes behind it is not */
static void test_events_that_are_too_long(void **state)
{
    static ctl_sse_t sse;
    static char line[3 * CTL_EVENT_MAX];

    (void)state;
    memset(line, 'x', sizeof(line));
    heard[0] = '\0';
    ctl_sse_init(&sse, hear, NULL);
    ctl_sse_feed(&sse, "data: ", 6);
    ctl_sse_feed(&sse, line, sizeof(line));
    ctl_sse_feed(&sse, "\n\ndata: a\n\n", 11);
    for (int i = 0; i != 4; ++i) {
        ctl_sse_feed(&sse, "data: ", 6);
        ctl_sse_feed(&sse, line, CTL_EVENT_MAX / 2);
        ctl_sse_feed(&sse, "\n", 1);
    }
    ctl_sse_feed(&sse, "\ndata: b\n\n", 10);
    assert_string_equal(heard, "<|message|a><|message|b>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_nothing_acts_on_a_terminal),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_look_into_answers),
        cmocka_unit_test(test_events_however_they_are_cut),
        cmocka_unit_test(test_events_that_are_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
