/*
 * runs.h - which granules of an arena are in use, and which of its pages may be resident: the bookkeeping of arena.c alone. No
 * memory, no lock: the arena gives both.
 *
 * A granule is a number here, a page is ICACHE_RUNS_PER_PAGE of them. Ranges are from the first to before the last.
 */
#ifndef image_cache__runs_h
#define image_cache__runs_h

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "image_cache/arena.h"

#define ICACHE_PAGE_BYTES ((size_t)4096)
#define ICACHE_RUNS_PER_PAGE ((uint32_t)(ICACHE_PAGE_BYTES / ICACHE_ARENA_GRANULE_BYTES))
#define ICACHE_RUNS_BINS 512 /* up to 2^31 granules it is 464 */
#define ICACHE_RUNS_NONE UINT32_MAX

/**
 * the record of a free run
 */
typedef struct st_icache_run_t {
    uint32_t start, len; /* len 0: the record is free, and `next` is another such one */
    uint32_t next, prev; /* in its bin */
    uint32_t held_pages; /* that lie wholly inside and may be resident */
} icache_run_t;

typedef struct st_icache_bins_t {
    uint64_t map[ICACHE_RUNS_BINS / 64]; /* of those that are not empty */
    uint32_t heads[ICACHE_RUNS_BINS];
} icache_bins_t;

typedef struct st_icache_runs_t {
    uint32_t *tags;            /* of the first and the last granule of each run. Used: length * 2; free: record * 2 + 1 */
    icache_run_t *records;     /* one for every second granule, and two */
    uint64_t *may_be_resident; /* a bit per page */
    uint32_t end;              /* granules from there on do not exist (yet); a multiple of a page's */
    uint32_t num_records, free_records;
    uint64_t trimmed_granules; /* between begin and end of a trim */
    icache_bins_t scraps, held, clean;
    _Atomic uint64_t used_granules, held_pages, resident_pages; /* may be read at any time */
} icache_runs_t;

typedef struct st_icache_pages_t {
    uint32_t first, last;
} icache_pages_t;

/**
 * @param runs zeroed, with its arrays set, which read as zeros
 */
void icache_runs_init(icache_runs_t *runs);
/**
 * adds granules that are free and whose pages are not resident. Returns the length of the free run at the end.
 */
uint32_t icache_runs_extend(icache_runs_t *runs, uint32_t end);
/**
 * the start of a run that is in use now, or ICACHE_RUNS_NONE
 */
uint32_t icache_runs_take(icache_runs_t *runs, uint32_t len);
/**
 * frees a run, or the end of one whose first `keep` granules stay in use
 */
void icache_runs_give(icache_runs_t *runs, uint32_t start, uint32_t len, uint32_t keep);
/**
 * marks pages as in use that may be resident and hold nothing: of the longest run that has such a page, from that on, at most so
 * many. Empty when there is none. To be ended by icache_runs_end_trim(), with whether they went.
 */
icache_pages_t icache_runs_begin_trim(icache_runs_t *runs, uint32_t max_pages);
/**
 * returns how many pages may have been resident and are not any more
 */
uint32_t icache_runs_end_trim(icache_runs_t *runs, icache_pages_t pages, int went);
/**
 * 0, or the line of a check that failed: a walk from run to run, and of all bins
 */
int icache_runs_check(const icache_runs_t *runs);

#endif
