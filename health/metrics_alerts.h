/*
 * metrics_alerts.h - the rows of metrics_table.h that are about alerts. Private to health/.
 */
#ifndef health__metrics_alerts_h
#define health__metrics_alerts_h

/* clang-format off */
#define HEALTH_METRICS_ALERTS(X) \
    X("sluice_alerts_firing", gauge, none, PROCESS, EACH(alerts.firing, "severity", health_severity_names), \
      "Alerts that fire now, by severity.") \
    X("sluice_alert_webhooks_total", counter, none, PROCESS, EACH(alerts.webhooks, "result", health_webhook_result_names), \
      "Messages to health.webhook by what became of them; dropped: too many waited.") \
    X("sluice_alert_exits_withheld", gauge, none, PROCESS, U64(alerts.exits_withheld), \
      "1 while an alert is to end the process, which goes on because too many did so of late, else 0.")
/* clang-format on */

#endif
