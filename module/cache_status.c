#include <assert.h>
#include <string.h>
#include "module/cache_status.h"
#include "module/decimal.h"

#define INTEGER_MAX UINT64_C(999999999999999) /* a number of RFC 8941 has at most 15 digits */

static size_t put_ttl(char *dst, int64_t ttl_s)
{
    size_t len = sluice_put_text(dst, "; ttl=");
    uint64_t value = ttl_s < 0 ? -(uint64_t)ttl_s : (uint64_t)ttl_s;

    if (ttl_s < 0)
        dst[len++] = '-';
    return len + sluice_put_decimal(dst + len, value < INTEGER_MAX ? value : INTEGER_MAX);
}

size_t sluice_cache_status_text(const sluice_cache_status_t *status, char dst[SLUICE_CACHE_STATUS_MAX])
{
    static const char *const starts[] = {"sluice", "sluice; hit", "sluice; hit", "sluice; fwd=uri-miss", "sluice; fwd=stale"};
    size_t len = sluice_put_text(dst, starts[status->forward]);

    if (status->forward == SLUICE_FORWARD_HIT)
        len += put_ttl(dst + len, status->ttl_s);
    if (status->fwd_status != 0) {
        len += sluice_put_text(dst + len, "; fwd-status=");
        len += sluice_put_decimal(dst + len, status->fwd_status);
    }
    if (status->stored)
        len += sluice_put_text(dst + len, "; stored");
    if (status->collapsed)
        len += sluice_put_text(dst + len, "; collapsed");
    if (status->detail != NULL) {
        assert(strlen(status->detail) <= SLUICE_CACHE_STATUS_DETAIL_MAX);
        len += sluice_put_text(dst + len, "; detail=");
        len += sluice_put_text(dst + len, status->detail);
    }
    return len;
}
