/*
 * heap.h - glibc's heap: how it is set up, and when it is worth trimming.
 *
 * malloc_trim() holds the lock of one arena after the other while it walks and gives pages back, tens of milliseconds for some
 * hundred MiB, and whoever wants memory from that arena waits. So it is called when it can pay only.
 */
#ifndef module__heap_h
#define module__heap_h

#include <stdint.h>

/**
 * a look at the heap
 */
typedef struct st_sluice_heap_look_t {
    uint64_t free_bytes; /* in free chunks, whether or not their pages are there */
    uint64_t resident_bytes, at_ms;
} sluice_heap_look_t;

typedef struct st_sluice_heap_t {
    uint64_t purge_min_bytes, purge_pause_ms;
    sluice_heap_look_t last; /* just after the last purge; all zero: none yet */
} sluice_heap_t;

/**
 * before the first thread is started
 */
void sluice_heap_tame(void);
/**
 * of this process; 0 where it cannot be read
 */
uint64_t sluice_resident_bytes(void);
/**
 * pure: how much a purge may give back at most. Free chunks keep their size when their pages go, so what has become free since the
 * last purge is what counts: chunks that were in use then show in the growth of free_bytes, those that came and went in the growth
 * of the resident set. Something may have shrunk meanwhile and hide that growth; so after pause_ms all free chunks count.
 */
uint64_t sluice_heap_purgeable(const sluice_heap_look_t *last, const sluice_heap_look_t *now, uint64_t pause_ms);
/**
 * trims the heap if that may give purge_min_bytes back. Returns that estimate, or 0 if it did nothing. A pressure_config_t.purge.
 */
uint64_t sluice_heap_purge(void *heap);

#endif
