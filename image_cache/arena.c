/*
 * The arena: one region of address space, a lock, and the system calls. What is free in it is known to runs.c.
 *
 * Why runs and not size classes: pictures have any size, so classes would either waste a part of each block or keep free slots of
 * each class, and a page with one slot in use cannot go. Why a granule below the page: small pictures of 2 to 20 KB would be
 * charged a fifth more if they took whole pages. The other side of it is that a free run keeps the pages at its two ends while its
 * neighbours are in use (bench/README.md has both in numbers).
 *
 * What is free and resident stays so, to be used again, until somebody trims. That works in slices: the pages are marked as in use,
 * so nobody can get at them, and dropped without the lock. Whoever takes or gives a block meanwhile waits for nothing. Churn by
 * itself makes free runs that are too short for what comes: when pages become resident for a block while more than a HOLD_PART of
 * what is in use (and HOLD_PAGES) is held, as many are given back for it. So that work is bounded by the size of the block.
 *
 * The region is reserved without access, and made writable from its start on as it is needed, with the arrays about it. So it does
 * not count as committed memory beforehand, which matters where the system keeps account of that (vm.overcommit_memory=2). What was
 * committed stays so.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"
#include "image_cache/runs.h"
#include "image_cache/span.h"

#ifdef ICACHE_HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#endif

#define GRANULE ICACHE_ARENA_GRANULE_BYTES
#define STEP ((uint32_t)(ICACHE_ARENA_STEP_BYTES / GRANULE))
#define SLICE_PAGES ((uint32_t)(ICACHE_ARENA_SLICE_BYTES / ICACHE_PAGE_BYTES))
#define HOLD_PART 32
#define HOLD_PAGES 256
#define MAX_BYTES ((uint64_t)512 << 30)

struct st_icache_arena_t {
    pthread_mutex_t lock;
    icache_span_t region, tags, records, pages;
    uint32_t max_granules;
    icache_runs_t runs;
};

static int commit_locked(icache_arena_t *arena, size_t granules)
{
    size_t words = granules / ICACHE_RUNS_PER_PAGE / 64 + 1;

    return icache_span_commit(&arena->tags, granules * sizeof(*arena->runs.tags)) == 0 &&
                   icache_span_commit(&arena->records, (granules / 2 + 2) * sizeof(*arena->runs.records)) == 0 &&
                   icache_span_commit(&arena->pages, words * sizeof(*arena->runs.may_be_resident)) == 0 &&
                   icache_span_commit(&arena->region, granules * GRANULE) == 0
               ? 0
               : -1;
}

static int grow_locked(icache_arena_t *arena, uint32_t len)
{
    uint32_t from = arena->runs.end, left = arena->max_granules - from, step = (len + STEP - 1) / STEP * STEP;

    if (step > left)
        step = left;
    if (step == 0 || commit_locked(arena, (size_t)from + step) != 0)
        return -1;
    ASAN_POISON_MEMORY_REGION(arena->region.base + (size_t)from * GRANULE, (size_t)step * GRANULE);
    return icache_runs_extend(&arena->runs, from + step) >= len ? 0 : -1;
}

static uint32_t count_granules(size_t bytes)
{
    return (uint32_t)(icache_arena_round(bytes) / GRANULE);
}

/* *to_trim is set if pages became resident although more than enough that are resident are free, in runs that were all too short */
static uint32_t take_locked(icache_arena_t *arena, uint32_t len, uint64_t *to_trim)
{
    icache_runs_t *runs = &arena->runs;
    uint64_t before = runs->resident_pages, may_hold = runs->used_granules / ICACHE_RUNS_PER_PAGE / HOLD_PART + HOLD_PAGES;
    uint32_t start = icache_runs_take(runs, len);

    if (start == ICACHE_RUNS_NONE && grow_locked(arena, len) == 0)
        start = icache_runs_take(runs, len);
    *to_trim = runs->held_pages > may_hold ? (runs->resident_pages - before) * ICACHE_PAGE_BYTES : 0;
    return start;
}

void *icache_arena_take(icache_arena_t *arena, size_t bytes)
{
    uint64_t to_trim;

    if (bytes > (size_t)arena->max_granules * GRANULE)
        return NULL;
    pthread_mutex_lock(&arena->lock);
    uint32_t start = take_locked(arena, count_granules(bytes), &to_trim);
    pthread_mutex_unlock(&arena->lock);
    if (start == ICACHE_RUNS_NONE)
        return NULL;
    if (to_trim != 0)
        icache_arena_trim(arena, to_trim);
    void *block = arena->region.base + (size_t)start * GRANULE;
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    return block;
}

static void give(icache_arena_t *arena, char *block, size_t bytes, size_t keep)
{
    uint32_t start = (uint32_t)((size_t)(block - arena->region.base) / GRANULE);

    ASAN_POISON_MEMORY_REGION(block + keep, icache_arena_round(bytes) - keep);
    pthread_mutex_lock(&arena->lock);
    icache_runs_give(&arena->runs, start, count_granules(bytes), count_granules(keep));
    pthread_mutex_unlock(&arena->lock);
}

void icache_arena_give(icache_arena_t *arena, void *block, size_t bytes)
{
    give(arena, block, bytes, 0);
}

void icache_arena_shrink(icache_arena_t *arena, void *block, size_t from, size_t to)
{
    give(arena, block, from, to);
}

int icache_arena_has(const icache_arena_t *arena, const void *address)
{
    return (uintptr_t)address - (uintptr_t)arena->region.base < arena->region.reserved_bytes;
}

static int drop_pages(const icache_arena_t *arena, icache_pages_t pages)
{
    return madvise(arena->region.base + pages.first * ICACHE_PAGE_BYTES, (pages.last - pages.first) * ICACHE_PAGE_BYTES,
                   MADV_DONTNEED);
}

static uint32_t wanted_pages(uint64_t bytes)
{
    return bytes < ICACHE_ARENA_SLICE_BYTES ? (uint32_t)((bytes + ICACHE_PAGE_BYTES - 1) / ICACHE_PAGE_BYTES) : SLICE_PAGES;
}

uint64_t icache_arena_trim(icache_arena_t *arena, uint64_t bytes)
{
    uint64_t sum = 0;
    int went = 1;

    pthread_mutex_lock(&arena->lock);
    /* what others give back meanwhile is not waited for */
    uint64_t held = arena->runs.held_pages * ICACHE_PAGE_BYTES;
    bytes = bytes < held ? bytes : held;
    while (sum < bytes && went) {
        icache_pages_t pages = icache_runs_begin_trim(&arena->runs, wanted_pages(bytes - sum));
        if (pages.first == pages.last)
            break;
        pthread_mutex_unlock(&arena->lock);
        went = drop_pages(arena, pages) == 0;
        pthread_mutex_lock(&arena->lock);
        sum += icache_runs_end_trim(&arena->runs, pages, went) * ICACHE_PAGE_BYTES;
    }
    pthread_mutex_unlock(&arena->lock);
    return sum;
}

icache_arena_usage_t icache_arena_usage(const icache_arena_t *arena)
{
    return (icache_arena_usage_t){
        .used_bytes = atomic_load_explicit(&arena->runs.used_granules, memory_order_relaxed) * GRANULE,
        .free_bytes = atomic_load_explicit(&arena->runs.held_pages, memory_order_relaxed) * ICACHE_PAGE_BYTES,
        .resident_bytes = atomic_load_explicit(&arena->runs.resident_pages, memory_order_relaxed) * ICACHE_PAGE_BYTES,
    };
}

static int reserve(icache_arena_t *arena)
{
    size_t granules = arena->max_granules, words = granules / ICACHE_RUNS_PER_PAGE / 64 + 1;

    if (icache_span_reserve(&arena->region, granules * GRANULE) != 0 ||
        icache_span_reserve(&arena->tags, granules * sizeof(*arena->runs.tags)) != 0 ||
        icache_span_reserve(&arena->records, (granules / 2 + 2) * sizeof(*arena->runs.records)) != 0 ||
        icache_span_reserve(&arena->pages, words * sizeof(*arena->runs.may_be_resident)) != 0)
        return -1;
    /* a large page could not go while any part of it is in use */
    madvise(arena->region.base, granules * GRANULE, MADV_NOHUGEPAGE);
    arena->runs.tags = (uint32_t *)(void *)arena->tags.base;
    arena->runs.records = (icache_run_t *)(void *)arena->records.base;
    arena->runs.may_be_resident = (uint64_t *)(void *)arena->pages.base;
    icache_runs_init(&arena->runs);
    return 0;
}

icache_arena_t *icache_arena_create(uint64_t max_bytes)
{
    icache_arena_t *arena = calloc(1, sizeof(*arena));

    if (arena == NULL)
        return NULL;
    uint64_t bytes = max_bytes < MAX_BYTES ? max_bytes : MAX_BYTES;
    arena->max_granules = (uint32_t)((bytes + ICACHE_ARENA_STEP_BYTES - 1) / ICACHE_ARENA_STEP_BYTES) * STEP;
    pthread_mutex_init(&arena->lock, NULL);
    if (reserve(arena) != 0)
        icache_arena_destroy(&arena);
    return arena;
}

void icache_arena_destroy(icache_arena_t **_arena)
{
    icache_arena_t *arena = *_arena;

    *_arena = NULL;
    ASAN_UNPOISON_MEMORY_REGION(arena->region.base, (size_t)arena->runs.end * GRANULE);
    icache_span_release(&arena->region);
    icache_span_release(&arena->tags);
    icache_span_release(&arena->records);
    icache_span_release(&arena->pages);
    pthread_mutex_destroy(&arena->lock);
    free(arena);
}

int icache_arena_check(icache_arena_t *arena)
{
    pthread_mutex_lock(&arena->lock);
    int line = icache_runs_check(&arena->runs);
    pthread_mutex_unlock(&arena->lock);
    return line;
}
