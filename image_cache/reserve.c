/*
 * Arrays that are reserved once, as address space for the largest size there can be. Pages become resident as they are written to.
 */
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#define PAGE_BYTES ((size_t)4096)
#define RELEASE_PAGES 16 /* less than that is not worth the call */

void *icache_reserve(size_t bytes)
{
    void *array = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return array != MAP_FAILED ? array : NULL;
}

size_t icache_release_tail(void *array, size_t item_bytes, size_t used, size_t touched)
{
    size_t items_per_page = PAGE_BYTES / item_bytes, keep = (used + items_per_page - 1) / items_per_page * items_per_page;

    if (keep + RELEASE_PAGES * items_per_page > touched)
        return touched;
    madvise((char *)array + keep * item_bytes, (touched - keep) * item_bytes, MADV_DONTNEED);
    return keep;
}
