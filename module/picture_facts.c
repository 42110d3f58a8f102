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

static uint32_t le32(const uint8_t *p)
{
    return le16(p + 2) << 16 | le16(p);
}

/* frame header: precision, height, width, then per component id, sampling factors (4 bits each), table. Returns 0, or -1 if short
 */
static int read_jpeg_frame(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    uint64_t samples = 0, max_h = 1, max_v = 1;

    if (len < 6 || len < 6 + 3 * (size_t)p[5])
        return -1;
    facts->height = be16(p + 1);
    facts->width = be16(p + 3);
    facts->bands = p[5];
    for (size_t i = 0; i != p[5]; ++i) {
        uint64_t h = p[6 + 3 * i + 1] >> 4, v = p[6 + 3 * i + 1] & 15;
        samples += h * v;
        max_h = h > max_h ? h : max_h;
        max_v = v > max_v ? v : max_v;
    }
    facts->coefficient_bytes = 2 * facts->width * facts->height * samples / (max_h * max_v);
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
 * A JPEG counts as whole until a baseline frame and a first scan with all of its components prove that it streams: decoders also
 * keep the coefficients of baseline pictures in several scans, and they find frames behind stray bytes and markers that we do not
 * follow.
 */
static void sniff_jpeg(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    size_t at = 2;
    int baseline = 0;

    facts->format = SLUICE_FORMAT_JPEG;
    facts->bands = 3;
    facts->whole = 1;
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
            facts->whole = !(baseline && rest != 0 && p[at + 4] == facts->bands);
            return;
        }
        if (is_jpeg_frame_marker(marker))
            baseline = read_jpeg_frame(p + at + 4, segment - 2 < rest ? segment - 2 : rest, facts) == 0 && marker <= 0xc1;
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

/* whether an extended file, which has metadata, holds one lossy frame without alpha: what most editors write */
static int is_extended_lossy(const uint8_t *p, size_t len)
{
    enum { ANIMATION = 0x02 };
    size_t at = 30;

    if ((p[20] & ANIMATION) != 0)
        return 0;
    while (len - at >= 8) {
        uint64_t size = le32(p + at + 4);
        if (memcmp(p + at, "VP8 ", 4) == 0)
            return 1;
        size += size & 1;
        if (memcmp(p + at, "ICCP", 4) != 0 || size > len - at - 8)
            return 0;
        at += 8 + (size_t)size;
    }
    return 0;
}

static void sniff_webp(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    facts->format = SLUICE_FORMAT_WEBP;
    facts->bands = 4;
    facts->whole = 1;
    if (len >= 30 && memcmp(p + 12, "VP8 ", 4) == 0) {
        facts->width = le16(p + 26) & 0x3fff;
        facts->height = le16(p + 28) & 0x3fff;
        facts->whole = 0;
    } else if (len >= 25 && memcmp(p + 12, "VP8L", 4) == 0) {
        facts->width = 1 + (le16(p + 21) & 0x3fff);
        facts->height = 1 + (le24(p + 22) >> 6 & 0x3fff);
    } else if (len >= 30 && memcmp(p + 12, "VP8X", 4) == 0) {
        facts->width = 1 + le24(p + 24);
        facts->height = 1 + le24(p + 27);
        facts->whole = !is_extended_lossy(p, len);
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

/* the factors come from files: a product beyond 64 bits is more than any budget, and must not wrap to a small one */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t whole_decode_bytes(const sluice_picture_facts_t *facts)
{
    uint64_t pixels = times(facts->width, facts->height);

    if (!facts->whole)
        return 0;
    switch (facts->format) {
    case SLUICE_FORMAT_JPEG:
        return facts->coefficient_bytes != 0 ? facts->coefficient_bytes : times(pixels, UINT64_C(2) * facts->bands);
    case SLUICE_FORMAT_AVIF:
        return times(pixels, 6);
    case SLUICE_FORMAT_WEBP:
    case SLUICE_FORMAT_GIF:
        return times(pixels, 4);
    default:
        return times(pixels, (uint64_t)facts->bands * facts->bytes_per_band);
    }
}

uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, uint64_t out_width, uint64_t out_height,
                                   sluice_format_t output)
{
    static const uint64_t encoder_factor[SLUICE_NUM_FORMATS] = {2, 2, 2, 4, 2, 12, 2};
    uint64_t max_rows = facts->format == SLUICE_FORMAT_JPEG ? 64 : 1024;
    uint64_t rows = facts->height < max_rows ? facts->height : max_rows;
    uint64_t row_bytes = times(facts->width, (uint64_t)facts->bands * facts->bytes_per_band);
    uint64_t out_bytes = times(times(out_width, out_height), times(facts->pages, 4 * encoder_factor[output]));

    return plus(plus(UINT64_C(4) * 1024 * 1024, times(rows, row_bytes)), plus(whole_decode_bytes(facts), out_bytes));
}
