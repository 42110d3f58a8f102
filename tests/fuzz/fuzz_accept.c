/* the Accept field: lines of it, one behind the other */
#include <strings.h>
#include "module/accept.h"
#include "tests/fuzz/fuzz.h"

static int has(const uint8_t *bytes, size_t len, const char *name)
{
    size_t name_len = strlen(name);

    for (size_t i = 0; i + name_len <= len; ++i)
        if (strncasecmp((const char *)bytes + i, name, name_len) == 0)
            return 1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    sluice_accept_t accept;
    const uint8_t *line = bytes, *end = bytes + len, *line_end;

    sluice_accept_init(&accept);
    for (; line != end; line = line_end + (line_end != end)) {
        if ((line_end = memchr(line, '\n', (size_t)(end - line))) == NULL)
            line_end = end;
        sluice_accept_add(&accept, (const char *)line, (size_t)(line_end - line));
    }
    sluice_taken_t taken = sluice_accept_decide(&accept);
    FUZZ_WANT(taken < SLUICE_NUM_TAKEN);
    if (taken == SLUICE_TAKES_AVIF || taken == SLUICE_TAKES_AVIF_OR_WEBP)
        FUZZ_WANT(has(bytes, len, "image/avif"));
    if (taken == SLUICE_TAKES_WEBP || taken == SLUICE_TAKES_AVIF_OR_WEBP)
        FUZZ_WANT(has(bytes, len, "image/webp"));
    return 0;
}
