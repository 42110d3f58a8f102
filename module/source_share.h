/*
 * source_share.h - how many bytes of sources may be there ahead of their decoding, so that downloads neither fill the memory that
 * decodes need nor leave the workers without anything to do.
 *
 * Ahead are the bytes that downloads in progress have reserved, and those of sources that renditions hold on to until they are
 * granted memory (each source once, however many renditions wait for it). Both together get a share of the budget
 * (pressure.source-share), by these rules:
 *   - a download takes what it asks for if that is left of the share
 *   - the oldest of those that were refused is the next. Younger ones may pass it, until they have taken a quarter of what it asks
 *     for; then nothing is given to anybody before it. So small ones need not wait for a large one, and large ones do not starve
 *   - if renditions hold no more than half of the share, the oldest may take what it likes until it ends: so there is a way for
 *     what is larger than the share, and it is there before the workers have nothing left to do
 *   - a rendition that would hold a source beyond the share does not hold it; it looks it up again when it is its turn, and fetches
 *     it again if it has been evicted meanwhile. What waits is then never more than the share, and all else in the cache can go.
 *
 * Those that are refused ask again and again. Any thread; one mutex, held for a few instructions.
 */
#ifndef module__source_share_h
#define module__source_share_h

#include <pthread.h>
#include <stdint.h>

typedef struct st_sluice_source_share_t {
    pthread_mutex_t mutex;
    uint64_t share_bytes, fetching_bytes, held_bytes;
    const void *exempt;               /* the download that the third rule is for, or NULL */
    uint64_t oldest_us, oldest_bytes; /* of those that were refused; UINT64_MAX: none */
    uint64_t passed_bytes;            /* taken by younger ones since it is the oldest */
} sluice_source_share_t;

void sluice_source_share_init(sluice_source_share_t *share, uint64_t share_bytes);
void sluice_source_share_dispose(sluice_source_share_t *share);
/**
 * What is taken has to be reserved as well: one of the next two follows a 1.
 * @param fetch which download it is, and since when
 * @return 1, or 0: not now
 */
int sluice_source_share_take(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes);
/**
 * the bytes are reserved: the download does not wait any more
 */
void sluice_source_share_keep(sluice_source_share_t *share, uint64_t started_us);
/**
 * there is no memory for them: it goes on waiting, as if it had been refused
 */
void sluice_source_share_return(sluice_source_share_t *share, uint64_t started_us, uint64_t bytes);
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
