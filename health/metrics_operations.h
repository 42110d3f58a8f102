/*
 * metrics_operations.h - the rows of metrics_table.h about operations under way, and the end of the process.
 */
#ifndef health__metrics_operations_h
#define health__metrics_operations_h

/* clang-format off */
#define HEALTH_METRICS_OPERATIONS(X) \
    X("sluice_operations_in_progress", gauge, none, PROCESS, EACH(operations.in_progress, "kind", health_operation_kind_names), \
      "Operations under way, by kind.") \
    X("sluice_operations_oldest_age_seconds", gauge, seconds, PROCESS, MS(operations.oldest_ms), \
      "Age of the oldest operation under way, 0: there is none.") \
    X("sluice_operations_stale_total", counter, none, PROCESS, EACH(operations.stale, "kind", health_operation_kind_names), \
      "Operations that were ordered to stop because their time was over, by kind.") \
    X("sluice_operations_stuck", gauge, none, PROCESS, U64(operations.stuck), \
      "Operations that were ordered to stop and have not done so for long.") \
    X("sluice_operations_untracked_total", counter, none, PROCESS, U64(operations.untracked), \
      "Operations that could not be watched because too many were under way.") \
    X("sluice_draining", gauge, none, PROCESS, U64(draining), "1 from when the server is told to end, else 0.")
/* clang-format on */

#endif
