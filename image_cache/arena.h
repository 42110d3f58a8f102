/*
 * arena.h - where the blocks of objects come from: one region of address space per cache, given out in runs of granules.
 *
 * What a block is charged for is what it takes, a whole number of granules. What is given back stays resident, to be used again
 * without a page fault, until icache_arena_trim() gives its pages to the system. Beside the blocks the arena keeps resident a tag
 * of 4 bytes per granule of the part that was ever used, 20 bytes per free run at the most there were, and the ends of pages that a
 * block in use shares with free granules.
 *
 * Any thread. One mutex, held for some 50 ns; no system call is made under it but a few mprotect() per ICACHE_ARENA_STEP_BYTES that
 * the arena grows. Nothing else is taken under it.
 */
#ifndef image_cache__arena_h
#define image_cache__arena_h

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ICACHE_ARENA_GRANULE_BYTES
#define ICACHE_ARENA_GRANULE_BYTES 512
#endif
#define ICACHE_ARENA_STEP_BYTES ((size_t)4 << 20)
#define ICACHE_ARENA_SLICE_BYTES ((size_t)2 << 20) /* that trim gives back by one system call */

typedef struct st_icache_arena_t icache_arena_t;

typedef struct st_icache_arena_usage_t {
    uint64_t used_bytes;     /* in blocks */
    uint64_t free_bytes;     /* held: pages that are wholly free, and may be resident. A trim gives them back */
    uint64_t resident_bytes; /* all pages that may be resident: those that were given out since they were last given back */
} icache_arena_usage_t;

/**
 * an arena that can hold that much and no more (rounded up to ICACHE_ARENA_STEP_BYTES, limited to 512 GiB), or NULL when address
 * space is out. Takes address space alone: what is committed grows with what is used, as far as the limit of
 * vm.overcommit_memory=2 goes.
 */
icache_arena_t *icache_arena_create(uint64_t max_bytes);
/**
 * no block may be in use any more
 */
void icache_arena_destroy(icache_arena_t **arena);

/**
 * what a block of that size takes, and is charged
 */
static inline size_t icache_arena_round(size_t bytes)
{
    return (bytes + ICACHE_ARENA_GRANULE_BYTES - 1) / ICACHE_ARENA_GRANULE_BYTES * ICACHE_ARENA_GRANULE_BYTES;
}
/**
 * a block of so many bytes (not 0), 16-byte aligned and uninitialised, or NULL when the arena is full or the system refuses memory
 */
void *icache_arena_take(icache_arena_t *arena, size_t bytes);
/**
 * @param bytes as it was taken, or shrunk to
 */
void icache_arena_give(icache_arena_t *arena, void *block, size_t bytes);
/**
 * gives the granules behind the first `to` bytes back (not 0); the block stays where it is
 */
void icache_arena_shrink(icache_arena_t *arena, void *block, size_t from, size_t to);
/**
 * whether the address is in the arena's region
 */
int icache_arena_has(const icache_arena_t *arena, const void *address);

/**
 * gives wholly free pages to the system until at least that many bytes of them have gone, largest runs first. Returns the bytes,
 * less than asked for when there were not so many at the call, or when the system does not take them. Without the lock while the
 * system works; a run that is about to go cannot be used meanwhile. Any thread, but it is not for those that must not wait.
 */
uint64_t icache_arena_trim(icache_arena_t *arena, uint64_t bytes);
/**
 * takes no lock: each number is one that was true, but not all at the same time
 */
icache_arena_usage_t icache_arena_usage(const icache_arena_t *arena);
/**
 * 0, or the line of a check that failed. Takes the lock, and walks the whole arena.
 */
int icache_arena_check(icache_arena_t *arena);

#endif
