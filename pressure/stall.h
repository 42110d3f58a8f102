/*
 * stall.h - pressure stall information of the kernel (PSI): how much time tasks lost because they waited for memory.
 */
#ifndef pressure__stall_h
#define pressure__stall_h

#include <stddef.h>
#include <stdint.h>

typedef enum en_pressure_stall_source_t {
    PRESSURE_STALL_NONE,   /* the kernel does not tell */
    PRESSURE_STALL_GROUP,  /* of the process's own memory cgroup, or the nearest one above it that tells */
    PRESSURE_STALL_SYSTEM, /* of the machine */
} pressure_stall_source_t;

/**
 * one line of such a file. The averages are parts of the time, 0 to 1, over the last 10, 60 and 300 s.
 */
typedef struct st_pressure_stall_t {
    double avg10, avg60, avg300;
    uint64_t total_us; /* since the group, or the machine, started */
} pressure_stall_t;

typedef struct st_pressure_stalls_t {
    pressure_stall_source_t source;
    pressure_stall_t some, full; /* at least one task waited; all that were not idle did */
} pressure_stalls_t;

/**
 * pure: the figures of the text of such a file, source excepted. Returns 0, or -1 if a figure is missing or is no number; *stalls
 * is left alone then. A last line without a newline may be cut off and does not count. Unknown lines and figures are passed over.
 */
int pressure_parse_stalls(const char *text, size_t len, pressure_stalls_t *stalls);
/**
 * reads what there is now. PRESSURE_STALL_NONE in the source, and zeros, if nothing is. Any thread; opens and closes files.
 * @param proc_root,sys_root "/proc" and "/sys/fs/cgroup"; parameters for tests
 */
void pressure_read_stalls(const char *proc_root, const char *sys_root, pressure_stalls_t *stalls);

#endif
