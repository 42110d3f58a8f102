#include <string.h>
#include "module/byte_order.h"
#include "module/frame_count.h"

/* behind the sub-blocks that begin at `at`: each has its length before it, and the last one has none */
static size_t skip_sub_blocks(const uint8_t *p, size_t len, size_t at)
{
    while (at < len && p[at] != 0)
        at += 1 + (size_t)p[at];
    return at + 1;
}

static size_t color_table_bytes(uint8_t flags)
{
    return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* decoders look for the next block behind stray bytes, and so do we */
static uint32_t count_gif(const uint8_t *p, size_t len, uint32_t max)
{
    enum { HEADER = 13, EXTENSION = 0x21, IMAGE = 0x2c, TRAILER = 0x3b, DESCRIPTOR = 10, FLAGS = 9 };
    uint32_t count = 0;

    if (len < HEADER)
        return 0;
    size_t at = HEADER + color_table_bytes(p[10]);
    while (at < len && count < max && p[at] != TRAILER) {
        if (p[at] == EXTENSION) {
            at = skip_sub_blocks(p, len, at + 2);
        } else if (p[at] == IMAGE) {
            ++count;
            if (len - at < DESCRIPTOR)
                break;
            at = skip_sub_blocks(p, len, at + DESCRIPTOR + color_table_bytes(p[at + FLAGS]) + 1);
        } else {
            ++at;
        }
    }
    return count;
}

static uint32_t count_webp(const uint8_t *p, size_t len, uint32_t max)
{
    enum { FILE_HEADER = 12, CHUNK_HEADER = 8 };
    uint32_t count = 0;

    for (size_t at = FILE_HEADER; len > CHUNK_HEADER && at < len - CHUNK_HEADER && count < max;) {
        size_t size = le32(p + at + 4), rest = len - at - CHUNK_HEADER;
        if (memcmp(p + at, "ANMF", 4) == 0)
            ++count;
        if (size > rest)
            break;
        at += CHUNK_HEADER + size + (size & 1);
    }
    return count;
}

uint32_t sluice_count_frames(sluice_format_t format, const uint8_t *bytes, size_t len, uint32_t max)
{
    if (format == SLUICE_FORMAT_GIF)
        return count_gif(bytes, len, max);
    return format == SLUICE_FORMAT_WEBP ? count_webp(bytes, len, max) : 0;
}
