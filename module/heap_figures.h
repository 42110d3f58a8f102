/*
 * heap_figures.h - what the allocator says of the heap: glibc's malloc, or jemalloc if that is preloaded.
 *
 * Both take locks of the allocator, one arena after the other, and glibc walks the free chunks of each meanwhile. A trim under way
 * holds such a lock for tens of milliseconds. So a look may wait, and makes others wait: never on an event loop, and not each
 * second.
 */
#ifndef module__heap_figures_h
#define module__heap_figures_h

#include "health/memory.h"
#include "module/allocator.h"

/**
 * looks at the heap; what does not depend on the look (looks, age) is 0. figures->allocator is NULL if it cannot be read.
 * @param anonymous_bytes of the process: a bound for what of glibc's heap is resident; 0: not known
 */
void sluice_heap_look(uint64_t anonymous_bytes, health_heap_t *figures);
/**
 * pure: the figures of a text of malloc_info(3). Returns 0, or -1 if it is not whole; *figures may be anything then.
 */
int sluice_heap_parse_malloc_info(const char *text, size_t len, health_heap_t *figures);
/**
 * the figures of jemalloc, by its mallctl(). Returns 0, or -1 if one is missing: it is built without statistics.
 */
int sluice_heap_read_jemalloc(sluice_mallctl_cb mallctl, health_heap_t *figures);

#endif
