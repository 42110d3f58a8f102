/*
 * webhook_retry.h - what an answer to a webhook means, and how long to wait until it is sent again. Pure functions.
 */
#ifndef module__webhook_retry_h
#define module__webhook_retry_h

#include <stdint.h>

#define SLUICE_WEBHOOK_ATTEMPTS 5
#define SLUICE_WEBHOOK_FIRST_PAUSE_MS 1000

typedef enum en_sluice_webhook_verdict_t {
    SLUICE_WEBHOOK_DELIVERED,
    SLUICE_WEBHOOK_REFUSED, /* the receiver does not want it, and would not later */
    SLUICE_WEBHOOK_AGAIN
} sluice_webhook_verdict_t;

/**
 * @param status of the answer; 0: there was none
 */
sluice_webhook_verdict_t sluice_webhook_judge(long status);
/**
 * the pause behind the n-th attempt, n from 1 on: twice the one before, half of it by chance, so that those who failed together do
 * not come back together
 */
uint64_t sluice_webhook_pause_ms(unsigned attempt, uint64_t random);

#endif
