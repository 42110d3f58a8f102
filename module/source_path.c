#include <string.h>
#include "module/source_path.h"

static int segment_ok(const char *segment, size_t len)
{
    if (len == 0)
        return 0;
    return !(segment[0] == '.' && (len == 1 || (len == 2 && segment[1] == '.')));
}

int sluice_source_path_ok(const char *path, size_t len)
{
    size_t start = 0;

    if (len == 0 || len > SLUICE_SOURCE_PATH_MAX / 3)
        return 0;
    for (size_t i = 0; i <= len; ++i) {
        if (i == len || path[i] == '/') {
            if (!segment_ok(path + start, i - start))
                return 0;
            start = i + 1;
        } else if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static int is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

size_t sluice_source_path_encode(const char *path, size_t len, char *buf, size_t buf_len)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;

    if (buf_len == 0)
        return 0;
    for (size_t i = 0; i != len; ++i) {
        unsigned char c = (unsigned char)path[i];
        int plain = is_plain(c);
        if (buf_len - n <= (plain ? 1 : 3)) {
            n = 0;
            break;
        }
        if (plain) {
            buf[n++] = (char)c;
        } else {
            buf[n++] = '%';
            buf[n++] = hex[c >> 4];
            buf[n++] = hex[c & 15];
        }
    }
    buf[n] = '\0';
    return n;
}
