#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/transform_estimate.h"

#define MB UINT64_C(1000000)
#define SOF0 0xc0
#define SOF2 0xc2

struct st_bytes_t {
    uint8_t at[512];
    size_t len;
};

static void put(struct st_bytes_t *b, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(b->at) - b->len);
    memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

#define PUT(b, text) put(b, text, sizeof(text) - 1)

static void put_be16(struct st_bytes_t *b, unsigned n)
{
    put(b, (uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
}

/* from a copy of exactly this length, so that a look behind it is seen */
static sluice_picture_facts_t sniff(const uint8_t *bytes, size_t len)
{
    sluice_picture_facts_t facts;
    uint8_t *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    memset(&facts, 0xa5, sizeof(facts));
    sluice_picture_sniff(len != 0 ? copy : NULL, len, &facts);
    free(copy);
    assert_true(facts.format >= SLUICE_FORMAT_NONE && facts.format < SLUICE_NUM_FORMATS);
    assert_true(facts.bytes_per_band == 1 || facts.bytes_per_band == 2);
    assert_true(facts.whole <= SLUICE_WHOLE && facts.alpha == 0 && facts.profile_bytes == 0);
    return facts;
}

static void put_frame(struct st_bytes_t *b, uint8_t marker, unsigned width, unsigned height, const char *factors)
{
    size_t components = strlen(factors) / 2;

    put(b, (uint8_t[]){0xff, marker}, 2);
    put_be16(b, (unsigned)(8 + 3 * components));
    PUT(b, "\x08");
    put_be16(b, height);
    put_be16(b, width);
    put(b, (uint8_t[]){(uint8_t)components}, 1);
    for (size_t i = 0; i != components; ++i)
        put(b, (uint8_t[]){(uint8_t)(i + 1), (uint8_t)((factors[2 * i] - '0') << 4 | (factors[2 * i + 1] - '0')), 0}, 3);
}

static void put_scan(struct st_bytes_t *b, size_t components)
{
    PUT(b, "\xff\xda");
    put_be16(b, (unsigned)(6 + 2 * components));
    put(b, (uint8_t[]){(uint8_t)components}, 1);
    for (size_t i = 0; i != components; ++i)
        put(b, (uint8_t[]){(uint8_t)(i + 1), 0}, 2);
    PUT(b, "\0\x3f\0\x12\x34\x56");
}

/* `before` comes between the start of the image and its frame */
static struct st_bytes_t make_jpeg(uint8_t marker, const char *factors, const char *before, size_t before_len, size_t in_scan)
{
    struct st_bytes_t b = {{0}, 0};

    PUT(&b, "\xff\xd8");
    put(&b, before, before_len);
    put_frame(&b, marker, 6000, 4000, factors);
    put_scan(&b, in_scan);
    return b;
}

static void assert_jpeg(const struct st_bytes_t *b, uint32_t bands, int whole, uint64_t coefficient_bytes)
{
    sluice_picture_facts_t facts = sniff(b->at, b->len);

    assert_int_equal(facts.format, SLUICE_FORMAT_JPEG);
    assert_int_equal(facts.width, 6000);
    assert_int_equal(facts.height, 4000);
    assert_int_equal(facts.bands, bands);
    assert_int_equal(facts.whole, whole);
    if (whole != SLUICE_NOT_WHOLE)
        assert_int_equal(facts.coefficient_bytes, coefficient_bytes);
}

static void test_jpeg_sampling(void **state)
{
    static const struct {
        const char *factors;
        uint64_t bytes; /* for 24 megapixels */
    } cases[] = {
        {"11", 48 * MB},
        {"22", 48 * MB},
        {"111111", 144 * MB},
        {"211111", 96 * MB},
        {"121111", 96 * MB},
        {"221111", 72 * MB},
        {"411111", 188 * 500 * 6 * 128},
        {"222222", 144 * MB},
        {"222121", 96 * MB},
        {"441111", 188 * 125 * 18 * 128 /* the last groups of blocks are not full */},
        {"11111111", 192 * MB},
        {"211211", 60 * MB},
        {"22111122", 120 * MB},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        size_t bands = strlen(cases[i].factors) / 2;
        struct st_bytes_t progressive = make_jpeg(SOF2, cases[i].factors, "", 0, 1);
        struct st_bytes_t baseline = make_jpeg(SOF0, cases[i].factors, "", 0, bands);
        struct st_bytes_t all_in_one = make_jpeg(SOF2, cases[i].factors, "", 0, bands);
        assert_jpeg(&progressive, (uint32_t)bands, SLUICE_WHOLE, cases[i].bytes);
        assert_jpeg(&all_in_one, (uint32_t)bands, SLUICE_WHOLE, cases[i].bytes);
        assert_jpeg(&baseline, (uint32_t)bands, SLUICE_NOT_WHOLE, 0);
        if (bands > 1) { /* in several scans, the decoder has to keep as much */
            struct st_bytes_t scans = make_jpeg(SOF0, cases[i].factors, "", 0, 1);
            assert_jpeg(&scans, (uint32_t)bands, SLUICE_WHOLE, cases[i].bytes);
        }
    }
}

static void test_jpeg_frame_markers(void **state)
{
    (void)state;
    for (unsigned marker = 0xc0; marker <= 0xcf; ++marker) {
        struct st_bytes_t b = make_jpeg((uint8_t)marker, "221111", "", 0, 3);
        sluice_picture_facts_t facts = sniff(b.at, b.len);
        int is_frame = marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        assert_int_equal(facts.width, is_frame ? 6000 : 0);
        assert_int_equal(facts.whole, marker <= 0xc1 ? SLUICE_NOT_WHOLE : marker == 0xc2 ? SLUICE_WHOLE : SLUICE_MAYBE_WHOLE);
    }
}

static void test_jpeg_segments_before_the_frame(void **state)
{
    static const char plain[] = "\xff\xe0\0\x04"
                                "JF\xff\xe1\0\x02\xff\xfe\0\x05"
                                "abc\xff\xff\xff\xff\xdb\0\x06\xff\xc2\0\x11\xff\xc4\0\x03x";
    struct st_bytes_t b = make_jpeg(SOF0, "221111", plain, sizeof(plain) - 1, 3);

    (void)state;
    assert_jpeg(&b, 3, SLUICE_NOT_WHOLE, 0);
    b = make_jpeg(SOF2, "221111", plain, sizeof(plain) - 1, 3);
    assert_jpeg(&b, 3, SLUICE_WHOLE, 72 * MB);
}

/* decoders read on over all of these; so a frame behind them may be one that keeps everything in memory */
static void test_jpeg_that_cannot_be_followed_counts_as_whole(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } strays[] = {{"\xff\x01", 2},         {"\xff\xd0", 2}, {"\xff\xe1\0\x02junk", 8}, {"\xff\xe1\0\0", 4},
                  {"\xff\xe1\0\x01", 4},   {"\xff\x00", 2}, {"\xff\xd8", 2},           {"\xff\x02\0\x02", 4},
                  {"\xff\xe1\0\x02\0", 5}, {"\xff\xd9", 2}, {"\xff\xe1\x7f\xff", 4}};

    (void)state;
    for (size_t i = 0; i != sizeof(strays) / sizeof(strays[0]); ++i) {
        struct st_bytes_t b = make_jpeg(SOF2, "221111", strays[i].bytes, strays[i].len, 1);
        sluice_picture_facts_t facts = sniff(b.at, b.len);
        assert_int_equal(facts.format, SLUICE_FORMAT_JPEG);
        assert_int_equal(facts.whole, SLUICE_MAYBE_WHOLE);
        facts.width = 6000; /* as the decoder will say */
        facts.height = 4000;
        assert_true(sluice_transform_estimate(&facts, &(sluice_work_t){300, 200, 300, 200, 0, 0, SLUICE_FORMAT_JPEG, 80, 0, 0, 0, 0,
                                                                       0, 0, 0, 0}) >= 72 * MB);
    }
}

/* a marker without a segment must not be taken for one whose length jumps over the true frame to a false one */
static void test_jpeg_false_frame(void **state)
{
    struct st_bytes_t b = {{0}, 0};

    (void)state;
    PUT(&b, "\xff\xd8\xff\x01\0\x20");
    put_frame(&b, SOF2, 6000, 4000, "221111");
    while (b.len != 2 + 2 + 0x20)
        PUT(&b, "\0");
    put_frame(&b, SOF0, 8, 8, "221111");
    put_scan(&b, 3);
    assert_int_equal(sniff(b.at, b.len).whole, 1);
}

static void test_jpeg_odd_frames(void **state)
{
    struct st_bytes_t b = {{0}, 0};
    sluice_picture_facts_t facts;

    (void)state;
    PUT(&b, "\xff\xd8\xff\xc2\0\x11\x08\x0f\xa0\x17\x70\xff\1\x22\0\2\x11\0\3\x11\0"); /* 255 components, room for 3 */
    put_scan(&b, 3);
    facts = sniff(b.at, b.len);
    assert_true(facts.format == SLUICE_FORMAT_JPEG && facts.whole == SLUICE_MAYBE_WHOLE && facts.coefficient_bytes == 0);
    b.at[3] = SOF0;
    assert_int_equal(sniff(b.at, b.len).whole, 1);
    b = make_jpeg(SOF2, "", "", 0, 0); /* no component at all */
    assert_int_equal(sniff(b.at, b.len).coefficient_bytes, 0);
    b = make_jpeg(SOF2, "000000", "", 0, 3); /* no samples */
    assert_int_equal(sniff(b.at, b.len).coefficient_bytes, 0);
    b.len = 0; /* no frame */
    PUT(&b, "\xff\xd8");
    put_scan(&b, 3);
    facts = sniff(b.at, b.len);
    assert_true(facts.format == SLUICE_FORMAT_JPEG && facts.whole == SLUICE_MAYBE_WHOLE && facts.width == 0);
}

static struct st_bytes_t make_png(uint8_t depth, uint8_t type, uint8_t interlace)
{
    struct st_bytes_t b = {{0}, 0};

    PUT(&b, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x17\x70\0\0\x0f\xa0");
    put(&b, (uint8_t[]){depth, type, 0, 0, interlace, 1, 2, 3, 4}, 9);
    return b;
}

static void test_png(void **state)
{
    static const uint32_t bands[] = {1, 1, 3, 3, 2, 1, 4, 1, 1};

    (void)state;
    for (unsigned type = 0; type != sizeof(bands) / sizeof(bands[0]); ++type) {
        for (unsigned depth = 1; depth <= 16; depth *= 2) {
            for (unsigned interlace = 0; interlace != 2; ++interlace) {
                struct st_bytes_t b = make_png((uint8_t)depth, (uint8_t)type, (uint8_t)interlace);
                sluice_picture_facts_t facts = sniff(b.at, b.len);
                assert_int_equal(facts.format, SLUICE_FORMAT_PNG);
                assert_true(facts.width == 6000 && facts.height == 4000);
                assert_int_equal(facts.bands, bands[type]);
                assert_int_equal(facts.bytes_per_band, depth == 16 ? 2 : 1);
                assert_int_equal(facts.whole, interlace ? SLUICE_WHOLE : SLUICE_NOT_WHOLE);
            }
        }
    }
}

/* a RIFF file whose first chunk has this name, `bytes` from its 21st byte on */
static sluice_picture_facts_t sniff_webp(const char *chunk, const void *bytes, size_t len)
{
    struct st_bytes_t b = {{0}, 0};

    PUT(&b, "RIFF\x40\0\0\0WEBP");
    put(&b, chunk, 4);
    PUT(&b, "\x20\0\0\0");
    put(&b, bytes, len);
    return sniff(b.at, b.len);
}

static void assert_webp(sluice_picture_facts_t facts, uint64_t width, uint64_t height, uint32_t kept_per_pixel)
{
    assert_int_equal(facts.format, SLUICE_FORMAT_WEBP);
    assert_int_equal(facts.width, width);
    assert_int_equal(facts.height, height);
    assert_int_equal(facts.whole_bytes_per_pixel, kept_per_pixel);
    assert_int_equal(facts.whole == SLUICE_NOT_WHOLE, kept_per_pixel == 0);
}

static void assert_lossless(unsigned width, unsigned height)
{
    uint32_t bits = (width - 1) | (height - 1) << 14 | UINT32_C(1) << 28; /* and alpha; version 0 */
    const uint8_t bytes[] = {0x2f, (uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24), 0x10};

    sluice_picture_facts_t facts = sniff_webp("VP8L", bytes, sizeof(bytes));
    assert_webp(facts, width, height, 4);
    assert_int_equal(facts.whole, SLUICE_WHOLE);
}

static void test_webp(void **state)
{
    (void)state;
    /* 14 bits each; the two above them say how to enlarge */
    assert_webp(sniff_webp("VP8 ", "\x10\x20\x30\x9d\x01\x2a\x70\x17\xa0\x0f", 10), 6000, 4000, 0);
    assert_webp(sniff_webp("VP8 ", "\x10\x20\x30\x9d\x01\x2a\x70\xd7\xa0\x4f", 10), 6000, 4000, 0);
    assert_webp(sniff_webp("VP8 ", "\x10\x20\x30\x9d\x01\x2a\xff\xff\xff\xff", 10), 16383, 16383, 0);
    assert_webp(sniff_webp("VP8X", "\x10\0\0\0\x6f\x17\0\x9f\x0f\0", 10), 6000, 4000, 5);
    assert_webp(sniff_webp("VP8X", "\x10\0\0\0\xff\xff\xff\xff\xff\xff", 10), 1 << 24, 1 << 24, 5);
    assert_webp(sniff_webp("ALPH", "\x10\0\0\0\xff\xff\xff\xff\xff\xff", 10), 0, 0, 5);
    assert_lossless(1, 1);
    assert_lossless(16384, 16384);
    for (unsigned bit = 0; bit != 14; ++bit) {
        assert_lossless(1 + (1u << bit), 1);
        assert_lossless(1, 1 + (1u << bit));
    }
}

/* the smallest lossless files have 26 bytes and may be thousands of pixels wide */
static void test_webp_smallest_lossless(void **state)
{
    static const uint8_t bytes[] = "RIFF\x12\0\0\0WEBPVP8L\6\0\0\0\x2f\x41\x6c\x6f\0\x6b";

    (void)state;
    assert_int_equal(sizeof(bytes) - 1, 26);
    assert_webp(sniff(bytes, 26), 0x2c41 + 1, (0x006f6c >> 6 & 0x3fff) + 1, 4);
}

/* metadata makes a file an extended one; whether it is decoded whole depends on what comes after */
static void test_webp_extended(void **state)
{
#define EXTENDED(flags) flags "\0\0\0\x6f\x17\0\x9f\x0f\0"
#define PROFILE "ICCP\3\0\0\0abc\0"
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t kept;
    } cases[] = {
#define FRAME                                                                                                                      \
    "ANIM\6\0\0\0\1\2\3\4\5\6ANMF\x40\0\0\0"                                                                                       \
    "0123456789abcdef"
#define CASE(text, kept) {text, sizeof(text) - 1, kept}
        CASE(EXTENDED("\x08") "VP8 \4\0\0\0wxyz", 0),
        CASE(EXTENDED("\x28") PROFILE "VP8 \4\0\0\0wxyz", 0),
        CASE(EXTENDED("\x28") PROFILE PROFILE "VP8 \4\0\0\0", 0),
        CASE(EXTENDED("\x28") PROFILE "VP8L\4\0\0\0wxyz", 4),
        CASE(EXTENDED("\x08") "VP8L\4\0\0\0wxyz", 4),
        CASE(EXTENDED("\x10") "ALPH\4\0\0\0wxyzVP8 \4\0\0\0wxyz", 5),
        CASE(EXTENDED("\x02") FRAME "VP8 \4\0\0\0wxyz", 0), /* of frames the first one counts */
        CASE(EXTENDED("\x02") FRAME "VP8L\4\0\0\0wxyz", 4),
        CASE(EXTENDED("\x12") FRAME "ALPH\4\0\0\0wxyzVP8 \4\0\0\0wxyz", 5),
        CASE(EXTENDED("\x02") "ANIM\6\0\0\0\1\2\3\4\5\6ANMF", 5),
        CASE(EXTENDED("\x28") "ICCP\xff\xff\xff\xff"
                              "abc\0VP8 \4\0\0\0",
             5),
        CASE(EXTENDED("\x28") "ICCP\x10\0\0\0abc\0VP8 \4\0\0\0", 5),
        CASE(EXTENDED("\x08") "VP8 \4\0\0", 5),
        CASE(EXTENDED("\x28") PROFILE, 5),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        assert_webp(sniff_webp("VP8X", cases[i].bytes, cases[i].len), 6000, 4000, cases[i].kept);
}

static void test_other_formats(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        sluice_format_t format;
    } cases[] = {
        {"GIF87a\x70\x17\xa0\x0f", 10, SLUICE_FORMAT_GIF},
        {"GIF89a\x70\x17\xa0\x0f", 10, SLUICE_FORMAT_GIF},
        {"GIF88a\x70\x17\xa0\x0f", 10, SLUICE_FORMAT_NONE},
        {"\0\0\0\x1c"
         "ftypavif",
         12, SLUICE_FORMAT_AVIF},
        {"\0\0\0\x1c"
         "ftypavis",
         12, SLUICE_FORMAT_AVIF},
        {"\0\0\0\x1c"
         "ftypmif1",
         12, SLUICE_FORMAT_AVIF},
        {"\0\0\0\x1c"
         "ftypheic",
         12, SLUICE_FORMAT_AVIF},
        {"\0\0\0\x1c"
         "ftypisom",
         12, SLUICE_FORMAT_NONE},
        {"\0\0\0\x1c"
         "ftypmp42",
         12, SLUICE_FORMAT_NONE},
        {"\0\0\0\x1c"
         "moovavif",
         12, SLUICE_FORMAT_NONE},
        {"II*\0\x08\0\0\0", 8, SLUICE_FORMAT_TIFF},
        {"MM\0*\0\0\0\x08", 8, SLUICE_FORMAT_TIFF},
        {"II\0*\0\0\0\x08", 8, SLUICE_FORMAT_NONE},
        {"MM*\0\0\0\0\x08", 8, SLUICE_FORMAT_NONE},
        {"RIFF\x40\0\0\0WAVEfmt ", 16, SLUICE_FORMAT_NONE},
        {"\xff\xd8\x00\x00\x00", 5, SLUICE_FORMAT_NONE},
        {"\x89PNG\n\x1a\n\0\0\0\0", 11, SLUICE_FORMAT_NONE},
        {"<!DOCTYPE html><html><head>", 27, SLUICE_FORMAT_NONE},
        {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 41, SLUICE_FORMAT_SVG},
        {"<?xml version=\"1.0\"?><svg/>", 27, SLUICE_FORMAT_SVG},
        {"%PDF-1.4\n%\xe2\xe3\xcf\xd3", 14, SLUICE_FORMAT_NONE},
        {"BM\x36\0\0\0\0\0\0\0\x36\0", 12, SLUICE_FORMAT_NONE},
        {"P6 1 1 255 abc", 14, SLUICE_FORMAT_NONE},
        {" \xff\xd8\xff\xe0", 5, SLUICE_FORMAT_NONE},
        {"", 0, SLUICE_FORMAT_NONE},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_picture_facts_t facts = sniff((const uint8_t *)cases[i].bytes, cases[i].len);
        if (facts.format != cases[i].format)
            fail_msg("`%s` is %d", cases[i].bytes, (int)facts.format);
        int sized = facts.format == SLUICE_FORMAT_GIF;
        assert_true(facts.width == (sized ? 6000 : 0) && facts.height == (sized ? 4000 : 0));
        int known = facts.format != SLUICE_FORMAT_NONE && facts.format != SLUICE_FORMAT_SVG;
        assert_int_equal(facts.whole, known ? SLUICE_MAYBE_WHOLE : SLUICE_NOT_WHOLE);
    }
}

static void test_gif_canvases(void **state)
{
#define GIF "GIF89a\x70\x17\xa0\x0f"
#define TABLE "abcdefghijkl" /* of 4 colours */
#define CONTROL(flags) "!\xf9\4" flags "\0\0\0\0"
    static const struct {
        const char *bytes;
        size_t len;
        sluice_whole_t whole;
        uint32_t kept;
    } cases[] = {
#define CASE(text, whole, kept) {text, sizeof(text) - 1, whole, kept}
        CASE(GIF "\x70\0\0,", SLUICE_WHOLE, 4),
        CASE(GIF "\x81\0\0" TABLE ",", SLUICE_WHOLE, 4),
        CASE(GIF "\x81\0\0" TABLE CONTROL("\4") ",", SLUICE_WHOLE, 4),
        CASE(GIF "\x81\0\0" TABLE CONTROL("\x0c") ",", SLUICE_WHOLE, 8),
        CASE(GIF "\x70\0\0!\xff\x0bNETSCAPE2.0\3\1\0\0\0" CONTROL("\x0d") "!\xfe\2hi\0,", SLUICE_WHOLE, 8),
        CASE(GIF "\x70\0\0" CONTROL("\x0c") CONTROL("\4") ",", SLUICE_WHOLE, 4),
        CASE(GIF "\x70\0\0" CONTROL("\4"), SLUICE_MAYBE_WHOLE, 8),
        CASE(GIF "\x70\0\0!\xfe\xff,,,,", SLUICE_MAYBE_WHOLE, 8),
        CASE(GIF "\xf7\0\0,", SLUICE_MAYBE_WHOLE, 8),
        CASE(GIF "\x70\0\0;", SLUICE_MAYBE_WHOLE, 8),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_picture_facts_t facts = sniff((const uint8_t *)cases[i].bytes, cases[i].len);
        if (facts.whole != cases[i].whole || facts.whole_bytes_per_pixel != cases[i].kept)
            fail_msg("case %zu: %d, %u bytes", i, (int)facts.whole, (unsigned)facts.whole_bytes_per_pixel);
    }
}

#define FTYP                                                                                                                       \
    "\0\0\0\x0c"                                                                                                                   \
    "ftypavif"
#define BOX(len, name) "\0\0\0" len name
#define META(len, len1, len2) BOX(len, "meta") "\0\0\0\0" BOX("\x0c", "pitm") "abcd" BOX(len1, "iprp") BOX(len2, "ipco")
#define ISPE(width, height) BOX("\x14", "ispe") "\0\0\0\0\0\0" width "\0\0" height
#define AV1C(flags) BOX("\x0c", "av1C") "\x81\0" flags "\0"
#define LARGE ISPE("\x17\x70", "\x0f\xa0")
#define TILE ISPE("\x02\0", "\x02\0")

static void test_avif_properties(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t width, height;
        uint32_t kept;
    } cases[] = {
#define CASE(text, width, height, kept) {FTYP text, sizeof(FTYP text) - 1, width, height, kept}
        CASE(META("\x48", "\x30", "\x28") LARGE AV1C("\x0c"), 6000, 4000, 7),
        CASE(META("\x48", "\x30", "\x28") LARGE AV1C("\x08"), 6000, 4000, 9),
        CASE(META("\x48", "\x30", "\x28") LARGE AV1C("\0"), 6000, 4000, 13),
        CASE(META("\x48", "\x30", "\x28") LARGE AV1C("\x1c"), 6000, 4000, 5),
        CASE(META("\x48", "\x30", "\x28") LARGE AV1C("\x4c"), 6000, 4000, 14),
        CASE(META("\x68", "\x50", "\x48") TILE AV1C("\x0c") LARGE AV1C("\x1c"), 6000, 4000, 7),
        CASE(META("\x68", "\x50", "\x48") LARGE AV1C("\x1c") TILE AV1C("\0"), 6000, 4000, 13),
        /* alpha */
        CASE(META("\x80", "\x68", "\x60") LARGE AV1C("\x0c") BOX("\x38", "auxC") "\0\0\0\0"
                                                                                 "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
             6000, 4000, 9),
        /* lengths that lead nowhere, or not all of it */
        CASE(META("\x48", "\x30", "\x28") LARGE, 6000, 4000, 30),
        CASE(META("\x48", "\x30", "\x28") LARGE BOX("\x09", "av1C") "\x81", 6000, 4000, 30),
        CASE(META("\x48", "\x30", "\x28") "\0\0\0\0ispe\0\0\0\0\0\0\x17\x70\0\0\x0f\xa0", 0, 0, 30),
        CASE(META("\x48", "\x30", "\x07") LARGE AV1C("\x0c"), 0, 0, 30),
        CASE(META("\x48", "\x07", "\x28") LARGE AV1C("\x0c"), 0, 0, 30),
        CASE(BOX("\x01", "meta") "\xff\xff\xff\xff\xff\xff\xff\xff", 0, 0, 30),
        CASE(BOX("\x01", "free") "\0\0\0\0\0\0\0\x10" META("\x48", "\x30", "\x28") LARGE AV1C("\x0c"), 6000, 4000, 7),
        CASE(BOX("\x01", "free") "\0\0\0\0\0\0\0\x0f" META("\x48", "\x30", "\x28") LARGE AV1C("\x0c"), 0, 0, 30),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_picture_facts_t facts = sniff((const uint8_t *)cases[i].bytes, cases[i].len);
        if (facts.width != cases[i].width || facts.height != cases[i].height || facts.whole_bytes_per_pixel != cases[i].kept)
            fail_msg("case %zu: %u x %u, %u bytes", i, (unsigned)facts.width, (unsigned)facts.height,
                     (unsigned)facts.whole_bytes_per_pixel);
    }
}

static void test_tiff_strips(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        sluice_whole_t whole;
    } cases[] = {
#define CASE(text, whole) {text, sizeof(text) - 1, whole}
#define ENTRY(tag, value) tag "\3\0\1\0\0\0" value "\0\0\0"
#define STRIPS "\x16\1"
#define TILES "\x43\1"
#define PLANES "\x1c\1"
        CASE("II*\0\x08\0\0\0\1\0" ENTRY(STRIPS, "\x10"), SLUICE_NOT_WHOLE),
        CASE("II*\0\x08\0\0\0\1\0" ENTRY(STRIPS, "\x81"), SLUICE_MAYBE_WHOLE),
        CASE("II*\0\x08\0\0\0\2\0" ENTRY(TILES, "\x80") ENTRY(PLANES, "\1"), SLUICE_NOT_WHOLE),
        CASE("II*\0\x08\0\0\0\2\0" ENTRY(TILES, "\x80") ENTRY(PLANES, "\2"), SLUICE_MAYBE_WHOLE),
        CASE("II*\0\x08\0\0\0\2\0" ENTRY(STRIPS, "\x10"), SLUICE_MAYBE_WHOLE),
        CASE("II*\0\x08\0\0\0\1\0" ENTRY(PLANES, "\1"), SLUICE_MAYBE_WHOLE),
        CASE("II*\0\xff\xff\xff\xff\1\0", SLUICE_MAYBE_WHOLE),
        CASE("II*\0\x09\0\0\0\1", SLUICE_MAYBE_WHOLE),
        CASE("MM\0*\0\0\0\x08\0\1\1\x16\0\3\0\0\0\1\0\x10\0\0", SLUICE_NOT_WHOLE),
        CASE("MM\0*\0\0\0\x08\0\1\1\x16\0\4\0\0\0\1\0\x10\0\0", SLUICE_MAYBE_WHOLE),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        if (sniff((const uint8_t *)cases[i].bytes, cases[i].len).whole != cases[i].whole)
            fail_msg("case %zu", i);
}

/* at each length the format is that of the whole file, or none yet; and what is said of the size is true or nothing */
static void assert_truncations(const struct st_bytes_t *b)
{
    sluice_picture_facts_t all = sniff(b->at, b->len);

    for (size_t len = 0; len != b->len; ++len) {
        sluice_picture_facts_t facts = sniff(b->at, len);
        assert_true(facts.format == all.format || facts.format == SLUICE_FORMAT_NONE);
        assert_true((facts.width == all.width && facts.height == all.height) || (facts.width == 0 && facts.height == 0));
        /* what a beginning is sure of holds for the file */
        if (facts.format != SLUICE_FORMAT_NONE && facts.whole != SLUICE_MAYBE_WHOLE)
            assert_int_equal(facts.whole, all.whole);
    }
}

static void test_truncated_anywhere(void **state)
{
    struct st_bytes_t b = make_jpeg(SOF2, "221111", "\xff\xe0\0\x04JF\xff\xff\xdb\0\x05xyz", 15, 3);

    (void)state;
    assert_truncations(&b);
    b = make_jpeg(SOF0, "22111111", "\xff\xe0\0\x04JF", 6, 4);
    assert_truncations(&b);
    b = make_png(16, 6, 1);
    assert_truncations(&b);
    b.len = 0;
    PUT(&b, "RIFF\x40\0\0\0WEBPVP8 \x20\0\0\0\x10\x20\x30\x9d\x01\x2a\x70\x17\xa0\x0f\1\2\3");
    assert_truncations(&b);
    memcpy(b.at + 12, "VP8L", 4);
    assert_truncations(&b);
    memcpy(b.at + 12, "VP8X\x0a\0\0\0\x28", 9);
    PUT(&b, "ICCP\1\0\0\0a\0VP8 \4\0\0\0");
    assert_truncations(&b);
    b.len = 0;
    PUT(&b, "GIF89a\x70\x17\xa0\x0f\1\2\3");
    assert_truncations(&b);
    b.len = 0;
    PUT(&b, "\0\0\0\x1c"
            "ftypavif\0\0\0\0mif1miaf");
    assert_truncations(&b);
    b.len = 0;
    PUT(&b, "II*\0\x08\0\0\0");
    assert_truncations(&b);
}

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

static void test_random_bytes(void **state)
{
#define SEED(text)                                                                                                                 \
    {                                                                                                                              \
        text, sizeof(text) - 1                                                                                                     \
    }
    struct st_bytes_t seeds[] = {make_jpeg(SOF2, "221111", "\xff\xe0\0\x04JF", 6, 3),
                                 SEED(FTYP META("\x68", "\x50", "\x48") TILE AV1C("\x0c") LARGE AV1C("\x1c")),
                                 SEED(GIF "\x81\0\0" TABLE "!\xff\x0bNETSCAPE2.0\3\1\0\0\0" CONTROL("\x0c") ","),
                                 SEED("II*\0\x08\0\0\0\2\0" ENTRY(TILES, "\x80") ENTRY(PLANES, "\1")),
                                 SEED("RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0" EXTENDED("\x02") FRAME "VP8 \4\0\0\0wxyz"),
                                 make_jpeg(SOF0, "11", "\xff\xff\xff", 3, 1),
                                 make_png(8, 3, 0),
                                 {"RIFF\x40\0\0\0WEBPVP8L\x20\0\0\0\x2f\1\2\3\4\5\6\7\x8\x9", 31},
                                 {"GIF89a\1\2\3\4", 11},
                                 {"\0\0\0\x1c"
                                  "ftypavif",
                                  13},
                                 {{0}, 0}};

    (void)state;
    for (size_t round = 0; round != 200000; ++round) {
        struct st_bytes_t b = seeds[round % (sizeof(seeds) / sizeof(seeds[0]))];
        size_t keep = random_below((uint32_t)b.len + 1), len = keep + random_below(64);
        for (size_t i = keep; i != len; ++i)
            b.at[i] = random_below(3) == 0 ? 0xff : (uint8_t)random_below(256);
        for (uint32_t flips = random_below(4); flips != 0 && len != 0; --flips)
            b.at[random_below((uint32_t)len)] = (uint8_t)random_below(256);
        sluice_picture_facts_t facts = sniff(b.at, len);
        uint64_t estimate = sluice_transform_estimate(
            &facts, &(sluice_work_t){300, 200, 300, 200, 0, 0, SLUICE_FORMAT_AVIF, 80, 0, 0, 0, 0, 0, 0, 0, 0});
        assert_true(estimate >= 4 * MB && estimate >= sluice_transform_least(&facts));
        assert_true(facts.whole == SLUICE_NOT_WHOLE || estimate >= facts.coefficient_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_sampling),
        cmocka_unit_test(test_jpeg_frame_markers),
        cmocka_unit_test(test_jpeg_segments_before_the_frame),
        cmocka_unit_test(test_jpeg_that_cannot_be_followed_counts_as_whole),
        cmocka_unit_test(test_jpeg_false_frame),
        cmocka_unit_test(test_jpeg_odd_frames),
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_webp),
        cmocka_unit_test(test_webp_smallest_lossless),
        cmocka_unit_test(test_webp_extended),
        cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_truncated_anywhere),
        cmocka_unit_test(test_gif_canvases),
        cmocka_unit_test(test_avif_properties),
        cmocka_unit_test(test_tiff_strips),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
