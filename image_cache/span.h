/*
 * span.h - address space that is reserved at once and becomes usable part by part, from its start on.
 *
 * What is not committed yet cannot be accessed, and does not count as committed memory, whatever vm.overcommit_memory says. A new
 * part reads as zeros. No lock: the owner's.
 */
#ifndef image_cache__span_h
#define image_cache__span_h

#include <stddef.h>

typedef struct st_icache_span_t {
    char *base; /* NULL: there is none */
    size_t reserved_bytes, committed_bytes;
} icache_span_t;

/**
 * returns 0, or -1 when there is no address space
 */
int icache_span_reserve(icache_span_t *span, size_t bytes);
void icache_span_release(icache_span_t *span);
/**
 * sees to it that at least so many bytes can be used; returns 0, or -1 if the system refuses
 */
int icache_span_commit(icache_span_t *span, size_t bytes);

#endif
