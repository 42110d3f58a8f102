/* files of a few blocks, whole, cut off and broken */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "module/frame_count.h"

#define GIF_HEADER "GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
#define FRAME "\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
#define FRAME_WITH_COLOURS "\x2c\0\0\0\0\1\0\1\0\x80\0\0\0\xff\xff\xff\2\2\x44\1\0"
#define CONTROL "\x21\xf9\4\0\0\0\0\0"
#define WEBP_HEADER "RIFF\0\0\0\0WEBPVP8X\xa\0\0\0\2\0\0\0\0\0\0\0\0\0"
#define ANMF "ANMF\3\0\0\0abc\0"

static void test_counts(void **state)
{
    static const struct {
        sluice_format_t format;
        const char *bytes;
        size_t len;
        uint32_t count;
    } cases[] = {
#define CASE(format, bytes, count) {SLUICE_FORMAT_##format, bytes, sizeof(bytes) - 1, count}
        CASE(GIF, GIF_HEADER "\x3b", 0),
        CASE(GIF, GIF_HEADER FRAME "\x3b", 1),
        CASE(GIF, GIF_HEADER FRAME FRAME_WITH_COLOURS CONTROL FRAME "\x3b", 3),
        CASE(GIF, GIF_HEADER CONTROL FRAME "stray" FRAME "\x3b" FRAME, 2),
        CASE(GIF, GIF_HEADER FRAME "\x2c", 2),
        CASE(GIF, GIF_HEADER FRAME "\x21\xff", 1),
        CASE(GIF, GIF_HEADER FRAME "\x21\xff\xff", 1),
        CASE(GIF, "GIF89a\1\0\1\0\0\0\0" FRAME FRAME, 2),
        CASE(GIF, "GIF89a", 0),
        CASE(WEBP, WEBP_HEADER ANMF, 1),
        CASE(WEBP, WEBP_HEADER "ICCP\1\0\0\0a\0" ANMF ANMF, 2),
        CASE(WEBP,
             WEBP_HEADER ANMF "ANMF\xff\xff\xff\xff"
                              "abc",
             2),
        CASE(WEBP, WEBP_HEADER "VP8 \1\0\0\0a", 0),
        CASE(WEBP, "RIFF", 0),
        CASE(WEBP, "", 0),
        CASE(PNG, GIF_HEADER FRAME, 0),
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        assert_int_equal(sluice_count_frames(cases[i].format, bytes, cases[i].len, 100), cases[i].count);
        for (size_t len = 0; len != cases[i].len; ++len)
            assert_true(sluice_count_frames(cases[i].format, bytes, len, 100) <= cases[i].count);
    }
}

static void test_stops_at_the_most(void **state)
{
    static uint8_t bytes[19 + 15 * 50];

    (void)state;
    memcpy(bytes, GIF_HEADER, 19);
    for (int i = 0; i != 50; ++i)
        memcpy(bytes + 19 + 15 * i, FRAME, 15);
    assert_int_equal(sluice_count_frames(SLUICE_FORMAT_GIF, bytes, sizeof(bytes), 100), 50);
    assert_int_equal(sluice_count_frames(SLUICE_FORMAT_GIF, bytes, sizeof(bytes), 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_stops_at_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
