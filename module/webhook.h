/*
 * webhook.h - messages to a URL, by POST, one after the other, on a thread of its own: nobody waits for the receiver.
 *
 *   push() --> queue --> POST --+--> delivered
 *               |       ^       +--> refused, or tried too often: failed
 *               |       +-pause-+--> no answer, or a bad moment
 *               +--> full: the oldest is dropped
 *
 * webhook_retry.h says what an answer means, and how long the pauses are. A proxy is used where the environment names one
 * (http_proxy, https_proxy, no_proxy), as libcurl does by default: the URL is the operator's own, not a request's.
 *
 * Redirects are not followed: they could lead the token to another host. Certificates are verified, as libcurl does it by default.
 */
#ifndef module__webhook_h
#define module__webhook_h

#include <jansson.h>
#include "health/alert_counts.h"
#include "health/operations.h"

#define SLUICE_WEBHOOK_QUEUE 32
#define SLUICE_WEBHOOK_TIMEOUT_MS 5000 /* of one attempt, from the look-up of the name to the end of the answer */
#define SLUICE_WEBHOOK_GRACE_MS 1000   /* for what is queued when the module is stopped; nothing is tried twice then */

typedef struct st_sluice_webhook_t sluice_webhook_t;

/**
 * starts the thread; NULL when it cannot be had
 * @param url http or https; copied
 * @param token sent as a bearer's; copied. NULL: none
 * @param operations where each message is shown while it is being sent; has to be there until this is destroyed
 */
sluice_webhook_t *sluice_webhook_create(const char *url, const char *token, health_operations_t *operations);
/**
 * waits for the thread, SLUICE_WEBHOOK_GRACE_MS and a little at most, and sets the pointer to NULL, which it may be. A thread that
 * libcurl holds longer than that (in the look-up of a name) is left behind with its memory.
 */
void sluice_webhook_destroy(sluice_webhook_t **webhook);
/**
 * queues a message, and never blocks. Any thread.
 * @param message is consumed; NULL (memory was out) counts as dropped
 */
void sluice_webhook_push(sluice_webhook_t *webhook, json_t *message);
/**
 * waits until nothing is queued or under way, but no longer than that. On a thread that may block.
 */
void sluice_webhook_flush(sluice_webhook_t *webhook, uint64_t wait_ms);
/**
 * how many were delivered, failed, dropped
 */
void sluice_webhook_count(sluice_webhook_t *webhook, uint64_t counts[HEALTH_NUM_WEBHOOK_RESULTS]);

#endif
