#include <string.h>
#include "module/jpeg_scans.h"

#define SOI 0xd8
#define EOI 0xd9
#define SOS 0xda

/* stuffed bytes, restarts, fill bytes, TEM: no segment begins with them */
static int stands_alone(uint8_t marker)
{
    return marker == 0 || marker == 1 || marker == 0xff || (marker >= 0xd0 && marker <= SOI);
}

/* the next marker that is the start of a segment, or the end: of its 0xff; len if there is none */
static size_t next_segment(const uint8_t *bytes, size_t len, size_t at)
{
    while (at < len) {
        const uint8_t *ff = memchr(bytes + at, 0xff, len - at);
        if (ff == NULL || (at = (size_t)(ff - bytes)) + 1 >= len)
            return len;
        if (!stands_alone(bytes[at + 1]))
            return at;
        at += bytes[at + 1] == 0xff ? 1 : 2;
    }
    return len;
}

size_t sluice_jpeg_count_scans(const uint8_t *bytes, size_t len, size_t max)
{
    size_t count = 0, at = 0;

    while (count < max && (at = next_segment(bytes, len, at)) < len && bytes[at + 1] != EOI) {
        if (len - at < 4)
            break;
        count += bytes[at + 1] == SOS;
        at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
    }
    return count;
}
