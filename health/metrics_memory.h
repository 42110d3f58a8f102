/*
 * metrics_memory.h - the rows of health/memory.h; see metrics_table.h. Private to health/.
 */
#ifndef health__metrics_memory_h
#define health__metrics_memory_h

/* clang-format off */
#define HEALTH_METRICS_MEMORY(X) \
    X("process_open_fds", gauge, none, PROCESS, U64(memory.process.fds), "Open file descriptors, as of the last look.") \
    X("process_max_fds", gauge, none, PROCESS, U64(memory.process.max_fds), \
      "Most file descriptors that may be open; 2^64 - 1: any number.") \
    X("sluice_process_swap_bytes", gauge, bytes, PROCESS, U64(memory.process.swap_bytes), "Memory of the process that is swapped out.") \
    X("sluice_process_anonymous_bytes", gauge, bytes, PROCESS, U64(memory.process.anonymous_bytes), \
      "What of the resident set belongs to no file.") \
    X("sluice_heap_info", gauge, none, PROCESS, INFO(memory.heap.allocator, "allocator"), \
      "Allocator whose figures the sluice_heap metrics are, always 1.") \
    X("sluice_heap_allocated_bytes", gauge, bytes, PROCESS, U64(memory.heap.allocated_bytes), \
      "Memory that the program has of the heap.") \
    X("sluice_heap_active_bytes", gauge, bytes, PROCESS, U64(memory.heap.active_bytes), \
      "Memory that the heap has of the system (glibc), or pages that hold something allocated (jemalloc).") \
    X("sluice_heap_resident_bytes", gauge, bytes, PROCESS, U64(memory.heap.resident_bytes), \
      "What of the heap is resident; of glibc an upper bound.") \
    X("sluice_heap_retained_bytes", gauge, bytes, PROCESS, U64(memory.heap.retained_bytes), \
      "Freed memory that the heap keeps: resident or not (glibc), or address space only (jemalloc).") \
    X("sluice_heap_free_bytes", gauge, bytes, PROCESS, U64(memory.heap.free_bytes), \
      "Freed memory that the heap may hold in the resident set.") \
    X("sluice_memory_stall_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, memory.stalls.some_avg10, "kind", "some"), \
      "Part of the last 10 s in which tasks waited for memory (PSI): some of them, or all; 0 where the kernel does not tell.") \
    X("sluice_memory_stall_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, memory.stalls.full_avg10, "kind", "full"), \
      "Part of the last 10 s in which tasks waited for memory (PSI): some of them, or all; 0 where the kernel does not tell.") \
    X("sluice_memory_stall_seconds_total", counter, seconds, PRESSURE, LABELLED(REAL, memory.stalls.some_seconds, "kind", "some"), \
      "Time in which tasks waited for memory (PSI): some of them, or all; 0 where the kernel does not tell.") \
    X("sluice_memory_stall_seconds_total", counter, seconds, PRESSURE, LABELLED(REAL, memory.stalls.full_seconds, "kind", "full"), \
      "Time in which tasks waited for memory (PSI): some of them, or all; 0 where the kernel does not tell.") \
    X("sluice_simulated_bytes", gauge, bytes, PRESSURE, U64(memory.simulated_bytes), \
      "Memory that is pretended (health.simulate), part of the resident set as of a sample.")
/* clang-format on */

#endif
