/*
 * AVIF, a tree of boxes: length (4 bytes, 1: 8 more behind the name, 0: to the end), name, content. meta/iprp/ipco holds the
 * properties of all items, of which there are few: the picture, the tiles it may be made of, its alpha. The largest size is the
 * picture's; of the encodings the most expensive one is taken.
 */
#include <string.h>
#include "module/avif_facts.h"
#include "module/byte_order.h"

/*
 * Memory for each pixel, as measured: four times its samples in the planes, 1 byte, and 2 for alpha; all of it twice for more than
 * 8 bits.
 */
enum { AVIF_ALPHA_BYTES = 2, AVIF_MOST_BYTES = 2 * 13 + 2 * AVIF_ALPHA_BYTES };

struct st_box_t {
    const uint8_t *name, *content;
    size_t len; /* of the content, as far as it is there */
    int whole;  /* all of it is */
};

/* takes the next box off the front; returns 0, or -1 when there is none */
static int next_box(const uint8_t **p, size_t *len, struct st_box_t *box)
{
    uint64_t size, header = 8;

    if (*len < 8)
        return -1;
    size = be32(*p);
    if (size == 1) {
        if (*len < 16)
            return -1;
        size = (uint64_t)be32(*p + 8) << 32 | be32(*p + 12);
        header = 16;
    } else if (size == 0) {
        size = UINT64_MAX;
    }
    if (size < header)
        return -1;
    box->whole = size <= *len;
    box->name = *p + 4;
    box->content = *p + header;
    box->len = (box->whole ? (size_t)size : *len) - (size_t)header;
    *p = box->content + box->len;
    *len -= (size_t)header + box->len;
    return 0;
}

/* narrows *p and *len to the content of the first box of this name, behind `skipped` bytes of it */
static int enter_box(const uint8_t **p, size_t *len, const char *name, size_t skipped)
{
    struct st_box_t box;

    while (next_box(p, len, &box) == 0) {
        if (memcmp(box.name, name, 4) != 0)
            continue;
        if (box.len < skipped)
            return -1;
        *p = box.content + skipped;
        *len = box.len - skipped;
        return 0;
    }
    return -1;
}

/* of the third byte of av1C */
static uint32_t avif_pixel_bytes(uint8_t flags)
{
    enum { MORE_BITS = 0x40, MONOCHROME = 0x10, HALF_WIDTH = 0x08, HALF_HEIGHT = 0x04 };
    uint32_t bytes;

    if (flags & MONOCHROME)
        bytes = 5;
    else if (flags & HALF_WIDTH)
        bytes = flags & HALF_HEIGHT ? 7 : 9;
    else
        bytes = 13;
    return flags & MORE_BITS ? 2 * bytes : bytes;
}

static void read_avif_properties(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    static const char alpha[] = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";
    uint32_t bytes = 0, alpha_bytes = 0;
    struct st_box_t box;

    while (next_box(&p, &len, &box) == 0 && box.whole) {
        if (memcmp(box.name, "ispe", 4) == 0 && box.len >= 12) {
            uint64_t width = be32(box.content + 4), height = be32(box.content + 8);
            if (width * height > facts->width * facts->height) {
                facts->width = width;
                facts->height = height;
            }
        } else if (memcmp(box.name, "av1C", 4) == 0 && box.len >= 4) {
            uint32_t of_this = avif_pixel_bytes(box.content[2]);
            bytes = of_this > bytes ? of_this : bytes;
        } else if (memcmp(box.name, "auxC", 4) == 0 && box.len >= 4 + sizeof(alpha) &&
                   memcmp(box.content + 4, alpha, sizeof(alpha)) == 0) {
            alpha_bytes = AVIF_ALPHA_BYTES;
        }
    }
    if (bytes != 0) {
        facts->whole = SLUICE_WHOLE;
        facts->whole_bytes_per_pixel = bytes + (bytes % 2 == 0 ? 2 : 1) * alpha_bytes;
    }
}

void sluice_avif_sniff(const uint8_t *p, size_t len, sluice_picture_facts_t *facts)
{
    enum { FULL_BOX_HEADER = 4 };

    facts->format = SLUICE_FORMAT_AVIF;
    facts->bands = 3;
    facts->whole = SLUICE_MAYBE_WHOLE;
    facts->whole_bytes_per_pixel = AVIF_MOST_BYTES;
    if (enter_box(&p, &len, "meta", FULL_BOX_HEADER) == 0 && enter_box(&p, &len, "iprp", 0) == 0 &&
        enter_box(&p, &len, "ipco", 0) == 0)
        read_avif_properties(p, len, facts);
}

static int is_avif_brand(const uint8_t *brand)
{
    static const char brands[][5] = {"avif", "avis", "mif1", "msf1", "heic", "heix"};

    for (size_t i = 0; i != sizeof(brands) / sizeof(brands[0]); ++i)
        if (memcmp(brand, brands[i], 4) == 0)
            return 1;
    return 0;
}

int sluice_avif_is(const uint8_t *p, size_t len)
{
    return len >= 12 && memcmp(p + 4, "ftyp", 4) == 0 && is_avif_brand(p + 8);
}
