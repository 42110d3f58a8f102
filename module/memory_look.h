/*
 * memory_look.h - looks at the process, the heap and the kernel's stalls, and keeps how it all went: what the views of memory show.
 *
 * The observer looks, once a second, and at the heap less often: a look at it holds locks that every malloc() may wait for. Whoever
 * asks gets a copy of the last look, with its age; so nobody waits for a file of /proc, or for the allocator. The leak detector
 * gets its figures of the heap from here, too: no other part looks at it from time to time, but the coordinator before a purge
 * (heap.h).
 */
#ifndef module__memory_look_h
#define module__memory_look_h

#include "health/trend.h"
#include "module/observer.h"

typedef struct st_sluice_memory_t sluice_memory_t;

/**
 * takes the first look. NULL when memory is out.
 */
sluice_memory_t *sluice_memory_create(void);
/**
 * sets *memory to NULL, which it may be
 */
void sluice_memory_destroy(sluice_memory_t **memory);
/**
 * a part of the observer
 */
void sluice_memory_observe(sluice_t *sluice, const sluice_observation_t *observation);
/**
 * the last look, and what is counted at once. Any thread; waits for no more than a copy.
 */
void sluice_memory_read(sluice_t *sluice, health_memory_t *out);
/**
 * health_trend_get(). Any thread; others wait for the copy of the points meanwhile, of 150 KiB at most.
 */
size_t sluice_memory_trend(sluice_t *sluice, size_t series, health_trend_point_t *points, size_t max);
#endif
