#include <string.h>
#include "module/byte_order.h"
#include "module/png_chunks.h"

#define SIGNATURE_LEN 8
#define AROUND_LEN 12 /* length, name, checksum */

/* iTXt: keyword, NUL, and then whether it is deflated */
static int is_packed(const uint8_t *name, const uint8_t *data, size_t len)
{
    const uint8_t *nul;

    if (memcmp(name, "zTXt", 4) == 0)
        return 1;
    if (memcmp(name, "iTXt", 4) != 0)
        return 0;
    nul = memchr(data, '\0', len);
    return nul != NULL && (size_t)(nul - data) + 1 < len && nul[1] != 0;
}

uint64_t sluice_png_packed_text_bytes(const uint8_t *bytes, size_t len)
{
    uint64_t packed = 0;

    if (len < SIGNATURE_LEN || memcmp(bytes, "\x89PNG\r\n\x1a\n", SIGNATURE_LEN) != 0)
        return 0;
    for (size_t at = SIGNATURE_LEN; len - at >= AROUND_LEN;) {
        uint32_t chunk_len = be32(bytes + at);
        size_t there = len - at - AROUND_LEN;
        there = chunk_len < there ? chunk_len : there;
        if (is_packed(bytes + at + 4, bytes + at + 8, there))
            packed += chunk_len;
        if (chunk_len > len - at - AROUND_LEN)
            break;
        at += (size_t)chunk_len + AROUND_LEN;
    }
    return packed;
}
