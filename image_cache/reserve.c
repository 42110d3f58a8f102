/*
 * Address space that is reserved once, for the largest size that something can have. Pages become resident as they are written to.
 *
 * A span is the kind for what is large: without access, so that it is not counted as committed, until its next part is needed.
 */
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"
#include "image_cache/span.h"

#define PAGE_BYTES ((size_t)4096)
#define RELEASE_PAGES 16 /* less than that is not worth the call */
#define COMMIT_STEP_BYTES ((size_t)256 << 10)

static void *map(size_t bytes, int access)
{
    void *start = mmap(NULL, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start != MAP_FAILED ? start : NULL;
}

void *icache_reserve(size_t bytes)
{
    return map(bytes, PROT_READ | PROT_WRITE);
}

size_t icache_release_tail(void *array, size_t item_bytes, size_t used, size_t touched)
{
    size_t items_per_page = PAGE_BYTES / item_bytes, keep = (used + items_per_page - 1) / items_per_page * items_per_page;

    if (keep + RELEASE_PAGES * items_per_page > touched)
        return touched;
    madvise((char *)array + keep * item_bytes, (touched - keep) * item_bytes, MADV_DONTNEED);
    return keep;
}

int icache_span_reserve(icache_span_t *span, size_t bytes)
{
    size_t reserved = (bytes + COMMIT_STEP_BYTES - 1) / COMMIT_STEP_BYTES * COMMIT_STEP_BYTES;

    *span = (icache_span_t){.base = map(reserved, PROT_NONE), .reserved_bytes = reserved};
    return span->base != NULL ? 0 : -1;
}

void icache_span_release(icache_span_t *span)
{
    if (span->base != NULL)
        munmap(span->base, span->reserved_bytes);
    span->base = NULL;
}

int icache_span_commit(icache_span_t *span, size_t bytes)
{
    size_t wanted = (bytes + COMMIT_STEP_BYTES - 1) / COMMIT_STEP_BYTES * COMMIT_STEP_BYTES;

    if (wanted <= span->committed_bytes)
        return 0;
    if (mprotect(span->base + span->committed_bytes, wanted - span->committed_bytes, PROT_READ | PROT_WRITE) != 0)
        return -1;
    span->committed_bytes = wanted;
    return 0;
}
