#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>
#include "pressure/excess.h"
#include "pressure/meter.h"
#include "module/clock.h"
#include "module/heap.h"

void sluice_heap_tame(void)
{
    /* fewer heaps share free pages better, and are trimmed faster: one for each thread that decodes is plenty */
    mallopt(M_ARENA_MAX, 4);
    /* left alone, both marks climb to dozens of MiB, and malloc_trim() does not reach the top of any heap but the first: those were
     * pages that no purge gives back and no decode may use */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);
}

uint64_t sluice_heap_purgeable(const sluice_heap_look_t *last, const sluice_heap_look_t *now, uint64_t pause_ms)
{
    uint64_t grown_bytes =
        pressure_excess(now->free_bytes, last->free_bytes) + pressure_excess(now->resident_bytes, last->resident_bytes);

    if (last->at_ms == 0 || now->at_ms < last->at_ms || now->at_ms - last->at_ms >= pause_ms)
        return now->free_bytes;
    return grown_bytes < now->free_bytes ? grown_bytes : now->free_bytes;
}

uint64_t sluice_resident_bytes(void)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    uint64_t bytes = 0;

    if (fd < 0)
        return 0;
    if (pressure_read_statm(fd, &bytes) != 0)
        bytes = 0;
    close(fd);
    return bytes;
}

static sluice_heap_look_t look_at_heap(void)
{
    return (sluice_heap_look_t){mallinfo2().fordblks, sluice_resident_bytes() /* 0 counts as no growth */, sluice_exact_ms()};
}

uint64_t sluice_heap_purge(void *_heap)
{
    sluice_heap_t *heap = _heap;
    sluice_heap_look_t now = look_at_heap();
    uint64_t purgeable_bytes = sluice_heap_purgeable(&heap->last, &now, heap->purge_pause_ms);

    if (purgeable_bytes == 0 || purgeable_bytes < heap->purge_min_bytes)
        return 0;
    malloc_trim(0);
    heap->last = look_at_heap();
    return purgeable_bytes;
}
