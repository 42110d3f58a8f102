/*
 * process_facts.h - what /proc says of this process.
 */
#ifndef module__process_facts_h
#define module__process_facts_h

#include "health/memory.h"

/**
 * reads all that can be read, a few tens of microseconds; counting descriptors takes longer on kernels before 6.2, where they are
 * listed. What cannot be read, or is not there, is 0. Any thread; opens and closes files.
 * @param proc_root "/proc", or a test's own
 */
void sluice_process_read(const char *proc_root, health_process_t *facts);
/**
 * pure: takes over what a text of <proc>/self/status (or io) says; other members stay. A last line without a newline may be cut off
 * and does not count, nor does a number with something else behind it than its unit. kB are 1024 bytes.
 */
void sluice_process_parse_status(const char *text, size_t len, health_process_t *facts);
void sluice_process_parse_io(const char *text, size_t len, health_process_t *facts);
/**
 * pure: times and faults from a text of <proc>/self/stat; any name of the process is in order. A text that lacks one of them
 * changes nothing.
 * @param ticks_per_second sysconf(_SC_CLK_TCK)
 */
void sluice_process_parse_stat(const char *text, size_t len, double ticks_per_second, health_process_t *facts);

#endif
