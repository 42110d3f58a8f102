/* from the path of a request to the name of a source: what is let through stays below its origin, whoever decodes it again */
#include "module/source_path.h"
#include "tests/fuzz/fuzz.h"

static int hex(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void want_safe_segments(const char *path, size_t len)
{
    for (size_t at = 0; at <= len;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t n = (slash != NULL ? (size_t)(slash - path) : len) - at;
        FUZZ_WANT(n != 0 && !(n == 1 && path[at] == '.') && !(n == 2 && path[at] == '.' && path[at + 1] == '.'));
        at += n + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *path = (const char *)bytes;
    char encoded[SLUICE_SOURCE_PATH_MAX];
    size_t n, decoded = 0;

    if (!sluice_source_path_ok(path, len))
        return 0;
    want_safe_segments(path, len);
    n = sluice_source_path_encode(path, len, encoded, sizeof(encoded));
    FUZZ_WANT(n >= len && n < sizeof(encoded) && encoded[n] == '\0' && strlen(encoded) == n);
    FUZZ_WANT(strpbrk(encoded, "?#\\ \"<>") == NULL);
    for (size_t i = 0; i != n; ++i, ++decoded) {
        char c = encoded[i];
        FUZZ_WANT(c > 0x20 && c < 0x7f && decoded < len);
        if (c == '%') {
            c = (char)(hex(encoded[i + 1]) * 16 + hex(encoded[i + 2]));
            i += 2;
        }
        FUZZ_WANT(c == path[decoded]);
    }
    FUZZ_WANT(decoded == len);
    return 0;
}
