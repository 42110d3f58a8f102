/*
 * allocator.h - the allocator behind malloc(): glibc's, or jemalloc where that is preloaded. What administrators may order of it.
 */
#ifndef module__allocator_h
#define module__allocator_h

#include <stddef.h>
#include <stdio.h>

const char *sluice_allocator_name(void); /* "glibc" or "jemalloc" */
/**
 * jemalloc's mallctl(3); NULL: it is glibc's
 */
typedef int (*sluice_mallctl_cb)(const char *name, void *old_value, size_t *old_len, void *new_value, size_t new_len);
sluice_mallctl_cb sluice_allocator_mallctl(void);
/**
 * gives all free pages back to the system. Whoever wants memory meanwhile may wait for it, tens of milliseconds for some hundred
 * MiB: from a thread that has time, and not often.
 */
void sluice_allocator_purge(void);
/**
 * the usual ending of the files that the next function writes: "xml" (glibc, malloc_info(3)), "json" (statistics of jemalloc) or
 * "heap" (jemalloc with MALLOC_CONF=prof:true, for jeprof)
 */
const char *sluice_allocator_profile_ending(void);
/**
 * writes what the allocator tells of the heap. Returns 0 or -1; errors of the file are the caller's to look for, too.
 * @param path of the file, which is there already: jemalloc's own profiles are written by name
 */
int sluice_allocator_write_profile(FILE *file, const char *path);

#endif
