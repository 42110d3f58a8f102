/*
 * metrics_leak.h - the rows of metrics_table.h on leaks. Private to health/.
 */
#ifndef health__metrics_leak_h
#define health__metrics_leak_h

/* clang-format off */
#define HEALTH_METRICS_LEAK(X) \
    X("sluice_leak_suspected", gauge, none, PRESSURE, U64(leak.suspected), "1 while a memory leak is suspected or likely, else 0.") \
    X("sluice_leak_likely", gauge, none, PRESSURE, U64(leak.likely), "1 while a memory leak is likely, else 0.") \
    X("sluice_leak_confidence", gauge, none, PRESSURE, U64(leak.confidence), "Points for a memory leak, 0 to 100.") \
    X("sluice_leak_growth_bytes_per_second", gauge, none, PRESSURE, REAL(leak.bytes_per_second), \
      "Growth of the memory that nobody accounts for, over the span with the most points.") \
    X("sluice_leak_time_to_budget_seconds", gauge, seconds, PRESSURE, REAL(leak.seconds_to_budget), \
      "Time until the budget is reached at that growth, NaN: nothing is suspected.") \
    X("sluice_leak_floor_bytes", gauge, bytes, PRESSURE, U64(leak.floor_bytes), \
      "Least memory that nobody accounted for in the last window (health.leak-window).")
/* clang-format on */

#endif
