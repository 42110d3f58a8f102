/*
 * source_share.h - how many bytes of sources may be there ahead of their decoding, so that downloads neither fill the memory that
 * decodes need nor leave the workers without anything to do.
 *
 * Ahead are the bytes that downloads in progress have reserved, and those of sources that renditions hold on to until they are
 * granted memory (each source once, however many renditions wait for it). Both together get a share of the budget
 * (pressure.source-share), by these rules:
 *   - a download takes at most a quarter of what is left of the share at a time: so many small ones always find room beside large
 *     ones
 *   - if no rendition holds a source, one download may take what it likes until it ends, the oldest of those that were refused: the
 *     workers have nothing to do otherwise
 *   - a rendition that would hold a source beyond the share does not hold it; it looks it up again when it is its turn, and fetches
 *     it again if it has been evicted meanwhile. What waits is then never more than the share, and all else in the cache can go.
 *
 * Any thread; one mutex, held for a few instructions.
 */
#ifndef module__source_share_h
#define module__source_share_h

#include <pthread.h>
#include <stdint.h>

typedef struct st_sluice_source_share_t {
    pthread_mutex_t mutex;
    uint64_t share_bytes, fetching_bytes, held_bytes;
    const void *exempt; /* the download that the second rule is for, or NULL */
    uint64_t oldest_us; /* of those that were refused since the last one was exempt; UINT64_MAX: none. They ask again and again */
} sluice_source_share_t;

void sluice_source_share_init(sluice_source_share_t *share, uint64_t share_bytes);
void sluice_source_share_dispose(sluice_source_share_t *share);
/**
 * @param fetch which download it is, and since when, for the second rule
 * @return 1, or 0: not now
 */
int sluice_source_share_take(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes);
void sluice_source_share_give(sluice_source_share_t *share, uint64_t bytes);
/**
 * the download has ended, and gives back what is left
 */
void sluice_source_share_end(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes);
/**
 * @param holders of that source; begins at 0, guarded by the mutex
 * @param must the source cannot be had again
 * @return 1: it counts until sluice_source_share_drop(); or 0: there is no share for it
 */
int sluice_source_share_hold(sluice_source_share_t *share, uint32_t *holders, uint64_t bytes, int must);
void sluice_source_share_drop(sluice_source_share_t *share, uint32_t *holders, uint64_t bytes);
uint64_t sluice_source_share_ahead(sluice_source_share_t *share);

#endif
