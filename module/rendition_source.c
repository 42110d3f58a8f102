/*
 * How a rendition comes by its source, and keeps it while it waits for memory:
 *
 *   get --> cache: HIT ------------------------------------------+
 *                  LEAD -> source.c asks the origin --+          v
 *                  WAIT ------------------------------+-> on_source -> use
 *   use --> the old rendition was made of the same bytes --> renewed, the end
 *       --> only the hash came, and there is no such rendition --> get, without a condition
 *       --> take: hold it, or let go of it --> planners (rendition.c)
 *   recover (planner, worker) --> held, or found in the cache once more
 *                             --> evicted or replaced meanwhile --> get again --> ... --> take: hold it, whatever the share says
 *
 * What waits holds on to its source only within the share of sources (source_share.h), so that a long queue does not pin the cache.
 * Beyond that it remembers the hash of the bytes, and looks the source up again when it needs it. The source is asked for again at
 * most once, because the second time it is held; so is one that is not in the cache, and could not be found there.
 *
 * No thread waits: what waits for a source is a waiter of its flight.
 */
#include <string.h>
#include "module/rendition_job.h"

void sluice_rendition_stop_holding(sluice_rendition_t *job)
{
    sluice_source_meta_t *meta = job->source != NULL ? job->source->meta : NULL;

    if (job->holds) {
        sluice_source_share_drop(&job->sluice->source_share, &meta->holders, job->source->body_len);
        sluice_pool_unpark(job->sluice->readers);
    }
    job->holds = 0;
}

static icache_object_t *find_source(sluice_rendition_t *job)
{
    icache_key_t key = icache_key(job->sluice->cache, sluice_rendition_source_key(job), job->source_key_len);

    return icache_get_stale(job->sluice->cache, &key, sluice_now_ms());
}

static int is_made_of(const uint64_t hash[2], const icache_object_t *source)
{
    return memcmp(hash, ((const sluice_source_meta_t *)source->meta)->known.hash, 2 * sizeof(*hash)) == 0;
}

int sluice_rendition_recover_source(sluice_rendition_t *job)
{
    if (job->source == NULL && (job->source = find_source(job)) != NULL && !is_made_of(job->source_hash, job->source))
        icache_object_unref(&job->source);
    return job->source != NULL;
}

void sluice_rendition_get_source_again(sluice_rendition_t *job)
{
    job->fetched_again = 1;
    job->planned = 0;
    sluice_rendition_get_source(job, NULL);
}

/* one that is not in the cache cannot be found again */
static int hold_source(sluice_rendition_t *job)
{
    sluice_source_meta_t *meta = job->source->meta;
    icache_object_t *cached = find_source(job);
    int must = job->fetched_again || cached != job->source;

    icache_object_unref(&cached);
    return sluice_source_share_hold(&job->sluice->source_share, &meta->holders, job->source->body_len, must);
}

static void take_source(sluice_rendition_t *job, icache_object_t *source)
{
    job->source = source;
    memcpy(job->source_hash, ((const sluice_source_meta_t *)source->meta)->known.hash, sizeof(job->source_hash));
    if (!(job->holds = hold_source(job)))
        icache_object_unref(&job->source);
    sluice_rendition_plan(job);
}

static int old_is_made_of(const sluice_rendition_t *job, const icache_object_t *source)
{
    return job->old != NULL && is_made_of(job->made_of, source);
}

/* consumes the reference to the source */
static void use_source(sluice_rendition_t *job, icache_object_t *source)
{
    if (old_is_made_of(job, source)) {
        sluice_rendition_renew(job, source);
    } else if (((const sluice_source_meta_t *)source->meta)->unchanged) {
        icache_object_unref(&source);
        sluice_rendition_get_source(job, NULL);
    } else {
        take_source(job, source);
    }
}

static void on_source(icache_waiter_t *waiter, icache_object_t *source, int64_t failure)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(waiter, source_waiter);

    job->asked = 1;
    job->origin_status = source != NULL ? ((const sluice_source_meta_t *)source->meta)->fwd_status : sluice_failure_status(failure);
    if (source != NULL)
        use_source(job, source);
    else
        sluice_rendition_finish(job, NULL, failure);
}

static void lead_source(sluice_rendition_t *job, const uint64_t *made_of, icache_flight_t *flight)
{
    const sluice_source_request_t request = {
        job->origin, sluice_rendition_source_key(job), job->source_key_len, sluice_rendition_path(job), job->path_len, made_of};

    sluice_source_start(&request, flight);
}

static void look_up_source(sluice_rendition_t *job, const uint64_t *made_of)
{
    icache_key_t key = icache_key(job->sluice->cache, sluice_rendition_source_key(job), job->source_key_len);
    icache_flight_t *flight = NULL;
    icache_object_t *source = NULL;

    switch (icache_lookup(job->sluice->cache, &key, sluice_now_ms(), &job->source_waiter, &source, &flight)) {
    case ICACHE_HIT:
    case ICACHE_STALE: /* does not happen: sources have no time in which they are served stale */
        use_source(job, source);
        break;
    case ICACHE_LEAD:
        lead_source(job, made_of, flight);
        break;
    case ICACHE_WAIT:
        break;
    case ICACHE_REFUSED:
        sluice_rendition_finish(job, NULL, sluice_failure(SLUICE_ERROR_OUT_OF_MEMORY, job->origin_status));
        break;
    }
}

/* the job may have been finished by others when the look-up returns, so a reference is held */
void sluice_rendition_get_source(sluice_rendition_t *job, const uint64_t *made_of)
{
    health_operation_enter(&job->registered, HEALTH_OPERATION_WAITING_FOR_SOURCE, sluice_now_ms(), 0);
    sluice_rendition_ref(job);
    look_up_source(job, made_of);
    if (atomic_load(&job->cancelled) && icache_waiter_detach(&job->source_waiter))
        sluice_rendition_finish(job, NULL, sluice_failure(SLUICE_ERROR_CANCELLED, job->origin_status));
    sluice_rendition_unref(job);
}

void sluice_rendition_init_source(sluice_rendition_t *job)
{
    job->source_waiter = (icache_waiter_t){.on_done = on_source, .lane = job->sluice->pipeline};
}
