/*
 * memory.h - the figures behind the views of memory: the heap, the process, stalls, and who holds what. Part of a
 * health_snapshot_t; filled in by its caller, pure functions here.
 */
#ifndef health__memory_h
#define health__memory_h

#include <stddef.h>
#include <stdint.h>

#define HEALTH_MAX_ARENAS 16
#define HEALTH_MAX_CONSUMERS 12

/**
 * The heap as its allocator tells.
 *   allocated  what the program has of it and has not freed
 *   free       what is freed and was not given back: of glibc the free chunks, whether or not their pages are resident; of jemalloc
 *              what is resident beyond what is allocated
 *   active     of glibc all that it has from the system; of jemalloc the pages that hold something allocated
 *   resident   of jemalloc as it says, exact but for what it does not know; of glibc a bound: no more than `active`, nor than the
 *              process's anonymous memory
 *   retained   address space kept without being used: of glibc the same as free; of jemalloc stats.retained, which is not resident
 */
typedef struct st_health_heap_t {
    const char *allocator; /* "glibc", "jemalloc"; NULL: not looked at yet */
    uint64_t allocated_bytes, active_bytes, resident_bytes, retained_bytes, free_bytes, mapped_bytes;
    uint64_t looks, look_us, age_ms; /* how often it was looked at, what the last time took, how long ago that is */
    size_t num_arenas;               /* of glibc's, as many as are listed; the sums are of all */
    struct {
        uint64_t system_bytes, free_bytes;
    } arenas[HEALTH_MAX_ARENAS];
} health_heap_t;

/**
 * of this process. What the system does not tell is 0.
 */
typedef struct st_health_process_t {
    uint64_t pid, threads, fds, max_fds; /* max_fds: the soft limit; UINT64_MAX: none */
    uint64_t virtual_bytes, peak_virtual_bytes, resident_bytes, peak_resident_bytes;
    uint64_t anonymous_bytes, file_bytes, shared_bytes; /* of what is resident: they add up to it, about */
    uint64_t data_bytes, stack_bytes, page_table_bytes, swap_bytes, locked_bytes;
    uint64_t minor_faults, major_faults, voluntary_switches, involuntary_switches;
    uint64_t read_bytes, written_bytes; /* from and to storage */
    uint64_t max_virtual_bytes;         /* the soft limit; UINT64_MAX: none */
    double user_seconds, system_seconds;
} health_process_t;

/**
 * PSI: parts of the time, 0 to 1, that was lost because tasks waited for memory: at least one of them; all that were not idle
 */
typedef struct st_health_stalls_t {
    const char *source; /* "cgroup" or "system"; NULL: the kernel does not tell */
    double some_avg10, some_avg60, some_avg300, full_avg10, full_avg60, full_avg300;
    double some_seconds, full_seconds; /* totals */
} health_stalls_t;

typedef struct st_health_memory_t {
    health_heap_t heap;
    health_process_t process;
    health_stalls_t stalls;
    uint64_t age_ms; /* of process and stalls */
    uint64_t simulated_bytes;
    uint64_t siblings_bytes, seen_bytes; /* tables of fixed size beside the caches */
    uint64_t source_limit_bytes;         /* what sources may take that are fetched ahead */
    double growth_bytes_per_minute, growth_span_seconds;
} health_memory_t;

#endif
