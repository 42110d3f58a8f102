/*
 * alert_counts.h - the numbers of the alerts in a snapshot.
 */
#ifndef health__alert_counts_h
#define health__alert_counts_h

#include <stdint.h>

#define HEALTH_NUM_SEVERITIES 2      /* warning, critical */
#define HEALTH_NUM_WEBHOOK_RESULTS 3 /* delivered, failed, dropped */

extern const char *const health_severity_names[HEALTH_NUM_SEVERITIES];
extern const char *const health_webhook_result_names[HEALTH_NUM_WEBHOOK_RESULTS];

typedef struct st_health_alert_counts_t {
    uint64_t firing[HEALTH_NUM_SEVERITIES];        /* rules that fire now */
    uint64_t webhooks[HEALTH_NUM_WEBHOOK_RESULTS]; /* sums since the start */
    uint64_t exits_withheld;                       /* 1: an alert is to end the process, but too many did so of late */
} health_alert_counts_t;

#endif
