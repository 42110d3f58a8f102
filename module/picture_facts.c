#include <string.h>
#include "module/avif_facts.h"
#include "module/byte_order.h"
#include "module/picture_facts.h"
#include "module/svg_tokens.h"

/* frame header: precision, height, width, then per component id, sampling factors (4 bits each), table. Returns 0, or -1 if short
 */
static int read_jpeg_frame(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    uint64_t blocks = 0, max_h = 1, max_v = 1;

    if (len < 6 || len < 6 + 3 * (size_t)p[5])
        return -1;
    facts->height = be16(p + 1);
    facts->width = be16(p + 3);
    facts->bands = p[5];
    for (size_t i = 0; i != p[5]; ++i) {
        uint64_t h = p[6 + 3 * i + 1] >> 4, v = p[6 + 3 * i + 1] & 15;
        blocks += h * v;
        max_h = h > max_h ? h : max_h;
        max_v = v > max_v ? v : max_v;
    }
    uint64_t groups = ((facts->width + 8 * max_h - 1) / (8 * max_h)) * ((facts->height + 8 * max_v - 1) / (8 * max_v));
    facts->coefficient_bytes = groups * blocks * SLUICE_JPEG_BLOCK_BYTES;
    return 0;
}

static int is_jpeg_frame_marker(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static int has_jpeg_segment(uint8_t marker)
{
    return marker >= 0xc0 && !(marker >= 0xd0 && marker <= 0xd9);
}

/*
 * A JPEG may be whole until a baseline frame and a first scan with all of its components prove that it streams: decoders also
 * keep the coefficients of baseline pictures in several scans, and they find frames behind stray bytes and markers that we do not
 * follow.
 */
static void sniff_jpeg(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    size_t at = 2;
    int baseline = 0;

    facts->format = SLUICE_FORMAT_JPEG;
    facts->bands = 3;
    facts->whole = SLUICE_MAYBE_WHOLE;
    while (at + 4 <= len && p[at] == 0xff) {
        uint8_t marker = p[at + 1];
        if (marker == 0xff) {
            ++at; /* fill byte */
            continue;
        }
        size_t segment = be16(p + at + 2), rest = len - at - 4;
        if (!has_jpeg_segment(marker) || segment < 2)
            return;
        if (marker == 0xda) {
            if (baseline && rest != 0)
                facts->whole = p[at + 4] == facts->bands ? SLUICE_NOT_WHOLE : SLUICE_WHOLE;
            return;
        }
        if (is_jpeg_frame_marker(marker)) {
            int read = read_jpeg_frame(p + at + 4, segment - 2 < rest ? segment - 2 : rest, facts) == 0;
            baseline = read && marker <= 0xc1;
            facts->whole = read && marker == 0xc2 ? SLUICE_WHOLE : SLUICE_MAYBE_WHOLE;
        }
        at += 2 + segment;
    }
}

static void sniff_png(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    static const uint32_t bands_of_type[7] = {1, 0, 3, 3, 2, 0, 4}; /* at least: grey, colours and palettes may get alpha */

    facts->format = SLUICE_FORMAT_PNG;
    facts->bands = 1;
    facts->whole = SLUICE_MAYBE_WHOLE;
    if (len < 29)
        return;
    facts->width = be32(p + 16);
    facts->height = be32(p + 20);
    facts->bytes_per_band = p[24] == 16 ? 2 : 1;
    if (p[25] < 7 && bands_of_type[p[25]] != 0)
        facts->bands = bands_of_type[p[25]];
    facts->whole = p[28] != 0 ? SLUICE_WHOLE : SLUICE_NOT_WHOLE;
}

/* WebP: what is kept for each pixel. A plane of alpha takes 1 byte, and as much as a lossless picture unless it is simple */
enum { WEBP_LOSSLESS_BYTES = 4, WEBP_ALPHA_BYTES = 5 };

static void set_webp_whole(sluice_picture_facts_t *facts, sluice_whole_t whole, uint32_t bytes_per_pixel)
{
    facts->whole = whole;
    facts->whole_bytes_per_pixel = bytes_per_pixel;
}

/*
 * An extended file has metadata, alpha or frames: the first chunk of pixels says how it is decoded. Of frames only the first one is
 * decoded; its own size is no more than that of the canvas, which is taken for it.
 */
static void sniff_webp_chunks(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    enum { FRAME_HEADER = 16 };
    size_t at = 30;

    while (len - at >= 8) {
        uint64_t size = le32(p + at + 4);
        if (memcmp(p + at, "VP8 ", 4) == 0) {
            set_webp_whole(facts, SLUICE_NOT_WHOLE, 0);
            return;
        }
        if (memcmp(p + at, "VP8L", 4) == 0)
            set_webp_whole(facts, SLUICE_MAYBE_WHOLE, WEBP_LOSSLESS_BYTES);
        if (memcmp(p + at, "VP8L", 4) == 0 || memcmp(p + at, "ALPH", 4) == 0)
            return;
        if (memcmp(p + at, "ANMF", 4) == 0)
            size = FRAME_HEADER;
        else
            size += size & 1;
        if (size > len - at - 8)
            return;
        at += 8 + (size_t)size;
    }
}

static void sniff_webp(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    facts->format = SLUICE_FORMAT_WEBP;
    facts->bands = 3;
    set_webp_whole(facts, SLUICE_MAYBE_WHOLE, WEBP_ALPHA_BYTES);
    if (len >= 30 && memcmp(p + 12, "VP8 ", 4) == 0) {
        facts->width = le16(p + 26) & 0x3fff;
        facts->height = le16(p + 28) & 0x3fff;
        set_webp_whole(facts, SLUICE_NOT_WHOLE, 0);
    } else if (len >= 25 && memcmp(p + 12, "VP8L", 4) == 0) {
        facts->width = 1 + (le16(p + 21) & 0x3fff);
        facts->height = 1 + (le24(p + 22) >> 6 & 0x3fff);
        set_webp_whole(facts, SLUICE_WHOLE, WEBP_LOSSLESS_BYTES);
    } else if (len >= 30 && memcmp(p + 12, "VP8X", 4) == 0) {
        facts->width = 1 + le24(p + 24);
        facts->height = 1 + le24(p + 27);
        sniff_webp_chunks(p, len, facts);
    }
}

/*
 * GIF: a canvas of 4 bytes for each pixel, and another one if the first frame, which is the only one that is decoded, says that
 * what is below it comes back.
 */
enum { GIF_CANVAS_BYTES = 4 };

static void sniff_gif(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    enum { EXTENSION = 0x21, IMAGE = 0x2c, CONTROL = 0xf9, RESTORE_PREVIOUS = 3 };
    size_t at = 13, canvases = 1;

    facts->format = SLUICE_FORMAT_GIF;
    facts->bands = 3;
    facts->width = le16(p + 6);
    facts->height = le16(p + 8);
    facts->whole = SLUICE_MAYBE_WHOLE;
    facts->whole_bytes_per_pixel = 2 * GIF_CANVAS_BYTES;
    if (len < 13)
        return;
    if (p[10] & 0x80)
        at += (size_t)3 << ((p[10] & 7) + 1);
    while (at + 4 <= len && p[at] == EXTENSION) {
        if (p[at + 1] == CONTROL)
            canvases = (p[at + 3] >> 2 & 7) >= RESTORE_PREVIOUS ? 2 : 1;
        at += 2;
        while (at < len && p[at] != 0)
            at += 1 + (size_t)p[at];
        ++at;
    }
    if (at < len && p[at] == IMAGE) {
        facts->whole = SLUICE_WHOLE;
        facts->whole_bytes_per_pixel = (uint32_t)(canvases * GIF_CANVAS_BYTES);
    }
}

/*
 * TIFF: the first directory says how high strips and tiles are. The decoder keeps two of them; where they are low, libvips' own
 * rows are more than that.
 */
struct st_tiff_t {
    const uint8_t *at;
    size_t len;
    int big_endian;
};

static uint32_t tiff16(const struct st_tiff_t *file, size_t at)
{
    return file->big_endian ? be16(file->at + at) : le16(file->at + at);
}

static uint32_t tiff32(const struct st_tiff_t *file, size_t at)
{
    return file->big_endian ? be32(file->at + at) : le32(file->at + at);
}

/* the first number of the directory's entry at `at`: tag, type (3: 16 bits, 4: 32 bits), count, value */
static uint32_t tiff_value(const struct st_tiff_t *file, size_t at)
{
    return tiff16(file, at + 2) == 3 ? tiff16(file, at + 8) : tiff32(file, at + 8);
}

static void sniff_tiff(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    enum { ROWS_PER_STRIP = 278, PLANES = 284, TILE_HEIGHT = 323, LOW = 128 };
    struct st_tiff_t file = {p, len, p[0] == 'M'};
    uint32_t rows = UINT32_MAX, planes = 1;

    facts->format = SLUICE_FORMAT_TIFF;
    facts->whole = SLUICE_MAYBE_WHOLE;
    if (len < 8)
        return;
    size_t at = tiff32(&file, 4);
    if (at > len || len - at < 2)
        return;
    size_t entries = tiff16(&file, at);
    for (at += 2; entries != 0 && len - at >= 12; --entries, at += 12) {
        uint32_t tag = tiff16(&file, at);
        if (tag == ROWS_PER_STRIP || tag == TILE_HEIGHT)
            rows = tiff_value(&file, at);
        else if (tag == PLANES)
            planes = tiff_value(&file, at);
    }
    if (entries == 0 && rows <= LOW && planes == 1)
        facts->whole = SLUICE_NOT_WHOLE;
}

void sluice_picture_sniff(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    *facts = (sluice_picture_facts_t){.format = SLUICE_FORMAT_NONE, .bands = 1, .bytes_per_band = 1};

    if (len >= 4 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff) {
        sniff_jpeg(p, len, facts);
    } else if (len >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) {
        sniff_png(p, len, facts);
    } else if (len >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0) {
        sniff_webp(p, len, facts);
    } else if (len >= 10 && (memcmp(p, "GIF87a", 6) == 0 || memcmp(p, "GIF89a", 6) == 0)) {
        sniff_gif(p, len, facts);
    } else if (sluice_avif_is(p, len)) {
        sluice_avif_sniff(p, len, facts);
    } else if (len >= 4 && (memcmp(p, "II*\0", 4) == 0 || memcmp(p, "MM\0*", 4) == 0)) {
        sniff_tiff(p, len, facts);
    } else if (sluice_svg_is(p, len)) {
        facts->format = SLUICE_FORMAT_SVG;
        facts->bands = 4;
    }
}
