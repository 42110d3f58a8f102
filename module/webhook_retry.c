#include "module/webhook_retry.h"

sluice_webhook_verdict_t sluice_webhook_judge(long status)
{
    if (status >= 200 && status < 300)
        return SLUICE_WEBHOOK_DELIVERED;
    return status == 0 || status == 408 || status == 429 || status >= 500 ? SLUICE_WEBHOOK_AGAIN : SLUICE_WEBHOOK_REFUSED;
}

uint64_t sluice_webhook_pause_ms(unsigned attempt, uint64_t random)
{
    uint64_t whole_ms = SLUICE_WEBHOOK_FIRST_PAUSE_MS
                        << (attempt < SLUICE_WEBHOOK_ATTEMPTS ? attempt - 1 : SLUICE_WEBHOOK_ATTEMPTS - 1);

    return whole_ms / 2 + random % (whole_ms / 2 + 1);
}
