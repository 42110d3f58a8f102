#include <assert.h>
#include "module/source_share.h"

void sluice_source_share_init(sluice_source_share_t *share, uint64_t share_bytes)
{
    *share = (sluice_source_share_t){.share_bytes = share_bytes, .oldest_us = UINT64_MAX};
    pthread_mutex_init(&share->mutex, NULL);
}

void sluice_source_share_dispose(sluice_source_share_t *share)
{
    pthread_mutex_destroy(&share->mutex);
}

static int may_take_locked(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes)
{
    uint64_t ahead = share->fetching_bytes + share->held_bytes;
    int is_oldest = started_us <= share->oldest_us;

    if (share->exempt == fetch)
        return 1;
    if (!is_oldest && share->passed_bytes + bytes > share->oldest_bytes / 4)
        return 0;
    if (ahead + bytes <= share->share_bytes)
        return 1;
    if (!is_oldest || share->exempt != NULL || share->held_bytes > share->share_bytes / 2)
        return 0;
    share->exempt = fetch;
    return 1;
}

static void wait_locked(sluice_source_share_t *share, uint64_t started_us, uint64_t bytes)
{
    if (started_us > share->oldest_us)
        return;
    if (started_us < share->oldest_us)
        share->passed_bytes = 0;
    share->oldest_us = started_us;
    share->oldest_bytes = bytes;
}

static void leave_locked(sluice_source_share_t *share, uint64_t started_us)
{
    if (started_us == share->oldest_us)
        share->oldest_us = UINT64_MAX;
}

int sluice_source_share_take(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes)
{
    pthread_mutex_lock(&share->mutex);
    int taken = may_take_locked(share, fetch, started_us, bytes);
    if (taken) {
        share->fetching_bytes += bytes;
        share->passed_bytes += started_us > share->oldest_us ? bytes : 0;
    } else {
        wait_locked(share, started_us, bytes);
    }
    pthread_mutex_unlock(&share->mutex);
    return taken;
}

static void give_locked(sluice_source_share_t *share, uint64_t bytes)
{
    assert(share->fetching_bytes >= bytes);
    share->fetching_bytes -= bytes;
}

void sluice_source_share_give(sluice_source_share_t *share, uint64_t bytes)
{
    pthread_mutex_lock(&share->mutex);
    give_locked(share, bytes);
    pthread_mutex_unlock(&share->mutex);
}

void sluice_source_share_keep(sluice_source_share_t *share, uint64_t started_us)
{
    pthread_mutex_lock(&share->mutex);
    leave_locked(share, started_us);
    pthread_mutex_unlock(&share->mutex);
}

void sluice_source_share_return(sluice_source_share_t *share, uint64_t started_us, uint64_t bytes)
{
    pthread_mutex_lock(&share->mutex);
    give_locked(share, bytes);
    share->passed_bytes -= started_us > share->oldest_us && share->passed_bytes >= bytes ? bytes : 0;
    wait_locked(share, started_us, bytes);
    pthread_mutex_unlock(&share->mutex);
}

void sluice_source_share_end(sluice_source_share_t *share, const void *fetch, uint64_t started_us, uint64_t bytes)
{
    pthread_mutex_lock(&share->mutex);
    give_locked(share, bytes);
    if (share->exempt == fetch)
        share->exempt = NULL;
    leave_locked(share, started_us);
    pthread_mutex_unlock(&share->mutex);
}

int sluice_source_share_hold(sluice_source_share_t *share, uint32_t *holders, uint64_t bytes, int must)
{
    pthread_mutex_lock(&share->mutex);
    int held = must || *holders != 0 || share->held_bytes == 0 || share->held_bytes + bytes <= share->share_bytes;
    if (held && (*holders)++ == 0)
        share->held_bytes += bytes;
    pthread_mutex_unlock(&share->mutex);
    return held;
}

void sluice_source_share_drop(sluice_source_share_t *share, uint32_t *holders, uint64_t bytes)
{
    pthread_mutex_lock(&share->mutex);
    assert(*holders != 0 && share->held_bytes >= bytes);
    if (--*holders == 0)
        share->held_bytes -= bytes;
    pthread_mutex_unlock(&share->mutex);
}

uint64_t sluice_source_share_ahead(sluice_source_share_t *share)
{
    pthread_mutex_lock(&share->mutex);
    uint64_t ahead = share->fetching_bytes + share->held_bytes;
    pthread_mutex_unlock(&share->mutex);
    return ahead;
}
