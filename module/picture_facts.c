#include <string.h>
#include "module/picture_facts.h"

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t le24(const uint8_t *p)
{
    return (uint32_t)p[2] << 16 | le16(p);
}

/* frame header: precision, height, width, then per component id, sampling factors (4 bits each), table */
static void read_jpeg_frame(const uint8_t *p, size_t len, int progressive, sluice_picture_facts_t *facts)
{
    uint64_t samples = 0, max_h = 1, max_v = 1;

    if (len < 6 || len < 6 + 3 * (size_t)p[5])
        return;
    facts->height = be16(p + 1);
    facts->width = be16(p + 3);
    facts->bands = p[5];
    facts->whole = progressive;
    for (size_t i = 0; i != p[5]; ++i) {
        uint64_t h = p[6 + 3 * i + 1] >> 4, v = p[6 + 3 * i + 1] & 15;
        samples += h * v;
        max_h = h > max_h ? h : max_h;
        max_v = v > max_v ? v : max_v;
    }
    if (progressive)
        facts->coefficient_bytes = 2 * facts->width * facts->height * samples / (max_h * max_v);
}

static int is_jpeg_frame_marker(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static void sniff_jpeg(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    size_t at = 2;

    facts->format = SLUICE_FORMAT_JPEG;
    facts->bands = 3;
    while (at + 4 <= len) {
        uint8_t marker;
        if (p[at] != 0xff)
            return;
        if ((marker = p[at + 1]) == 0xff) {
            ++at; /* fill byte */
            continue;
        }
        size_t segment = be16(p + at + 2);
        if (segment < 2)
            return;
        if (is_jpeg_frame_marker(marker)) {
            size_t rest = len - at - 4;
            read_jpeg_frame(p + at + 4, segment - 2 < rest ? segment - 2 : rest, marker != 0xc0 && marker != 0xc1, facts);
            return;
        }
        at += 2 + segment;
    }
}

static void sniff_png(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    static const uint32_t bands_of_type[7] = {1, 0, 3, 4 /* palette, which may hold alpha */, 2, 0, 4};

    facts->format = SLUICE_FORMAT_PNG;
    facts->bands = 4;
    if (len < 29)
        return;
    facts->width = be32(p + 16);
    facts->height = be32(p + 20);
    facts->bytes_per_band = p[24] == 16 ? 2 : 1;
    if (p[25] < 7 && bands_of_type[p[25]] != 0)
        facts->bands = bands_of_type[p[25]];
    facts->whole = p[28] != 0;
}

static void sniff_webp(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    facts->format = SLUICE_FORMAT_WEBP;
    facts->bands = 4;
    if (len < 30)
        return;
    if (memcmp(p + 12, "VP8 ", 4) == 0) {
        facts->width = le16(p + 26) & 0x3fff;
        facts->height = le16(p + 28) & 0x3fff;
    } else if (memcmp(p + 12, "VP8L", 4) == 0) {
        facts->width = 1 + (le16(p + 21) & 0x3fff);
        facts->height = 1 + (le24(p + 22) >> 6 & 0x3fff);
        facts->whole = 1;
    } else if (memcmp(p + 12, "VP8X", 4) == 0) {
        facts->width = 1 + le24(p + 24);
        facts->height = 1 + le24(p + 27);
        facts->whole = 1; /* animated, lossless or with alpha: what is inside comes later in the file */
    }
}

static int is_avif_brand(const uint8_t *brand)
{
    static const char brands[][5] = {"avif", "avis", "mif1", "msf1", "heic", "heix"};

    for (size_t i = 0; i != sizeof(brands) / sizeof(brands[0]); ++i)
        if (memcmp(brand, brands[i], 4) == 0)
            return 1;
    return 0;
}

void sluice_picture_sniff(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    *facts = (sluice_picture_facts_t){.format = SLUICE_FORMAT_NONE, .pages = 1, .bands = 4, .bytes_per_band = 1};

    if (len >= 4 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff) {
        sniff_jpeg(p, len, facts);
    } else if (len >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) {
        sniff_png(p, len, facts);
    } else if (len >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0) {
        sniff_webp(p, len, facts);
    } else if (len >= 10 && (memcmp(p, "GIF87a", 6) == 0 || memcmp(p, "GIF89a", 6) == 0)) {
        facts->format = SLUICE_FORMAT_GIF;
        facts->width = le16(p + 6);
        facts->height = le16(p + 8);
        facts->whole = 1;
    } else if (len >= 12 && memcmp(p + 4, "ftyp", 4) == 0 && is_avif_brand(p + 8)) {
        facts->format = SLUICE_FORMAT_AVIF;
        facts->whole = 1;
    } else if (len >= 4 && (memcmp(p, "II*\0", 4) == 0 || memcmp(p, "MM\0*", 4) == 0)) {
        facts->format = SLUICE_FORMAT_TIFF;
        facts->whole = 1; /* strips may span the whole picture */
    }
}

static uint64_t whole_decode_bytes(const sluice_picture_facts_t *facts)
{
    uint64_t pixels = facts->width * facts->height;

    if (!facts->whole)
        return 0;
    switch (facts->format) {
    case SLUICE_FORMAT_JPEG:
        return facts->coefficient_bytes;
    case SLUICE_FORMAT_AVIF:
        return pixels * 6;
    case SLUICE_FORMAT_WEBP:
    case SLUICE_FORMAT_GIF:
        return pixels * 4;
    default:
        return pixels * facts->bands * facts->bytes_per_band;
    }
}

uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, uint64_t out_width, uint64_t out_height,
                                   sluice_format_t output)
{
    static const uint64_t encoder_factor[SLUICE_NUM_FORMATS] = {2, 2, 2, 4, 2, 12, 2};
    uint64_t max_rows = facts->format == SLUICE_FORMAT_JPEG ? 64 : 1024;
    uint64_t rows = facts->height < max_rows ? facts->height : max_rows;

    return UINT64_C(4) * 1024 * 1024 + rows * facts->width * facts->bands * facts->bytes_per_band + whole_decode_bytes(facts) +
           out_width * out_height * facts->pages * 4 * encoder_factor[output];
}
