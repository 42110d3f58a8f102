#include <string.h>
#include "module/byte_order.h"
#include "module/webp.h"

#define FILE_HEADER_LEN 12 /* "RIFF", length of the rest, "WEBP" */
#define CHUNK_HEADER_LEN 8 /* name, length of the payload, which is padded to an even number */
#define FLAGS_AT (FILE_HEADER_LEN + CHUNK_HEADER_LEN)
#define FLAG_ANIMATION 0x02
#define FLAG_ALPHA 0x10

static void put_le32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i != 4; ++i)
        p[i] = (uint8_t)(value >> 8 * i);
}

/* length of the chunk at `at` with header and padding; 0 if it is not all there */
static size_t chunk_len(const uint8_t *bytes, size_t len, size_t at)
{
    if (len - at < CHUNK_HEADER_LEN)
        return 0;
    size_t payload = le32(bytes + at + 4), padded = payload + (payload & 1);
    return padded <= len - at - CHUNK_HEADER_LEN ? CHUNK_HEADER_LEN + padded : 0;
}

static int is_extended(const uint8_t *bytes, size_t len)
{
    if (len < FLAGS_AT + 10 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WEBPVP8X", 8) != 0)
        return 0;
    for (size_t at = FILE_HEADER_LEN, n; at != len; at += n)
        if ((n = chunk_len(bytes, len, at)) == 0)
            return 0;
    return 1;
}

static int is_kept(const uint8_t *chunk, int extended)
{
    return memcmp(chunk, "VP8 ", 4) == 0 || memcmp(chunk, "VP8L", 4) == 0 || memcmp(chunk, "ALPH", 4) == 0 ||
           memcmp(chunk, "ANIM", 4) == 0 || memcmp(chunk, "ANMF", 4) == 0 || (extended && memcmp(chunk, "VP8X", 4) == 0);
}

size_t sluice_webp_strip(uint8_t *bytes, size_t len)
{
    size_t to = FILE_HEADER_LEN;

    if (!is_extended(bytes, len))
        return len;
    int extended = (bytes[FLAGS_AT] & (FLAG_ALPHA | FLAG_ANIMATION)) != 0;
    bytes[FLAGS_AT] &= FLAG_ALPHA | FLAG_ANIMATION;
    for (size_t at = FILE_HEADER_LEN, n; at != len; at += n) {
        n = chunk_len(bytes, len, at);
        if (is_kept(bytes + at, extended)) {
            memmove(bytes + to, bytes + at, n);
            to += n;
        }
    }
    put_le32(bytes + 4, (uint32_t)(to - CHUNK_HEADER_LEN));
    return to;
}
