#include "module/cache_control.h"
#include "module/client_caching.h"
#include "module/decimal.h"

static size_t put_directive(char *dst, size_t len, const char *text)
{
    if (len != 0)
        len += sluice_put_text(dst + len, ", ");
    return len + sluice_put_text(dst + len, text);
}

size_t sluice_client_caching_text(uint32_t flags, uint32_t max_age_s, char dst[SLUICE_CLIENT_CACHING_MAX])
{
    static const struct {
        uint32_t flag;
        const char *text;
    } others[] = {{SLUICE_CC_MUST_REVALIDATE, "must-revalidate"},
                  {SLUICE_CC_PROXY_REVALIDATE, "proxy-revalidate"},
                  {SLUICE_CC_IMMUTABLE, "immutable"}};
    size_t len = 0;

    if (flags & SLUICE_CC_PRIVATE)
        len = put_directive(dst, len, "private");
    else if (flags == 0 || flags & SLUICE_CC_PUBLIC)
        len = put_directive(dst, len, "public");
    if (flags & SLUICE_CC_NO_STORE)
        return put_directive(dst, len, "no-store");
    if (flags & SLUICE_CC_NO_CACHE)
        len = put_directive(dst, len, "no-cache");
    len = put_directive(dst, len, "max-age=");
    len += sluice_put_decimal(dst + len, max_age_s);
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        if (flags & others[i].flag)
            len = put_directive(dst, len, others[i].text);
    return len;
}
