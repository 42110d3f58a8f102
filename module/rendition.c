/*
 * One rendition on its way:
 *
 *   start (loop) --> remembered error? --> source: HIT -----------------------------------------------+
 *                                            LEAD -> source.c asks the origin --+                     v
 *                                            WAIT ------------------------------+-> on_source -> use_source
 *   use_source --> the old rendition was made of the same bytes --> renewed --> finish
 *              --> only the hash came, and there is no such rendition --> the source again, without a condition
 *              --> planners: run_plan
 *   run_plan (planner): plan, in little memory --> operation --granted--------> workers: run_granted
 *                                                      +--waits--> on_grant --> workers: run_granted, or finish with an error
 *   run_granted (worker): transform --> end of the operation --> publish --> finish
 *
 * No worker waits, and all that waits is known to the queue, even when each worker is at a picture for seconds: that is why plans
 * are made on threads of their own. The operation (pressure/operation.h) holds a slot for a worker, a slot of the route and the
 * memory when the transform is pushed. What waits holds on to its source only within the share of sources (source_share.h). Beyond
 * that it looks the source up again when it needs it; if that has been evicted, the source is asked for again, once, and then held.
 *
 * The old rendition is the one that has expired and is still in the cache. A rendition is as fresh as its source, to the
 * millisecond: both count from when the origin made its answer.
 *
 * Whoever takes the job one step further owns it; there is never more than one. The exception is the report that nobody waits any
 * more (on_abandon), which may come at any time and from any thread: it sets `cancelled`, and ends the job itself only if it could
 * take it out of its wait for the source, or for memory. icache_flight_complete() waits for that report to be over, so the job may
 * be freed then. A flight that renews what is served stale meanwhile has no waiters and is never abandoned; it ends early only when
 * the server stops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/picture_check.h"
#include "module/rendition.h"
#include "module/source.h"
#include "module/source_memory.h"
#include "module/transform_meter.h"

struct st_rendition_t {
    sluice_task_t task;
    pressure_operation_t operation;
    icache_waiter_t source_waiter;
    sluice_t *sluice;
    const sluice_origin_t *origin;
    sluice_options_t options;
    icache_flight_t *flight;
    icache_object_t *old, *source; /* source: NULL while it is not held */
    int holds;                     /* the source counts in the share of sources */
    int fetched_again;
    uint64_t source_hash[2];
    uint64_t made_of[2]; /* what the old one was made of */
    sluice_plan_t plan;
    sluice_transform_meter_t meter;
    int planned;
    int asked; /* the origin, by whoever led the source's flight */
    int store;
    uint32_t origin_status; /* 0: it was not asked, or did not answer */
    uint64_t need_bytes;    /* with an error: what would not fit, else 0 */
    uint64_t epoch, queued_us, run_us, deadline_ms;
    _Atomic int cancelled, refs;
    icache_key_t key;
    size_t source_key_len, path_len;
    char text[]; /* key of the rendition, key of the source, path below the origin */
};

#define JOB_OF(member, field) ((struct st_rendition_t *)(void *)((char *)(member)-offsetof(struct st_rendition_t, field)))

static const char *source_key_of(const struct st_rendition_t *job)
{
    return job->text + job->key.len + 1;
}

static const char *path_of(const struct st_rendition_t *job)
{
    return source_key_of(job) + job->source_key_len + 1;
}

static void unref_job(struct st_rendition_t *job)
{
    if (atomic_fetch_sub(&job->refs, 1) == 1)
        free(job);
}

/* what the origin does not have any more, or does not want to be stored, goes out of the cache as well */
static void drop_old(struct st_rendition_t *job, const icache_object_t *object, sluice_error_t error)
{
    if (job->old != NULL && (object != NULL ? !job->store : sluice_errors[error].negative))
        icache_remove(job->sluice->cache, &job->key);
    icache_object_unref(&job->old);
}

static void stop_holding(struct st_rendition_t *job)
{
    sluice_source_meta_t *meta = job->source != NULL ? job->source->meta : NULL;

    if (job->holds) {
        sluice_source_share_drop(&job->sluice->source_share, &meta->holders, job->source->body_len);
        sluice_pool_unpark(job->sluice->readers);
    }
    job->holds = 0;
}

static void finish_with(struct st_rendition_t *job, icache_object_t *object, sluice_failure_t failure)
{
    sluice_t *sluice = job->sluice;
    int store = object != NULL && object != job->old && job->store;

    stop_holding(job);
    icache_object_unref(&job->source);
    drop_old(job, object, sluice_failure_error(failure));
    sluice_uncount(&sluice->renditions_in_progress, 1);
    icache_flight_complete(&job->flight, object, failure, store, sluice_now_ms());
    unref_job(job);
}

static void finish(struct st_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    finish_with(job, object, sluice_failure(error, job->origin_status));
}

int sluice_rendition_helps(const icache_object_t *object, sluice_error_t error, uint64_t now_ms)
{
    const sluice_rendition_meta_t *meta = object->meta;

    return sluice_errors[error].stale && now_ms < meta->stale_if_error_ms;
}

static int is_wanted(void *_job)
{
    struct st_rendition_t *job = _job;

    return !atomic_load_explicit(&job->cancelled, memory_order_relaxed) &&
           !atomic_load_explicit(&job->sluice->stopping, memory_order_relaxed);
}

static void on_abandon(void *_job)
{
    struct st_rendition_t *job = _job;

    atomic_store(&job->cancelled, 1);
    if (icache_waiter_detach(&job->source_waiter) || pressure_operation_cancel(job->sluice->pressure, &job->operation))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
}

/* what clients and the handler are told, but for the times in the object */
static void set_terms(struct st_rendition_t *job, icache_object_t *object, const icache_object_t *source, const sluice_life_t *life)
{
    sluice_rendition_meta_t *meta = object->meta;
    const sluice_source_meta_t *source_meta = source->meta;

    meta->last_modified = source_meta->known.said.last_modified_s;
    meta->stale_if_error_ms = life->stale_if_error_ms;
    meta->max_age_s = life->max_age_s;
    meta->cache_control = life->cache_control;
    meta->fwd_status = job->asked ? source_meta->fwd_status : 0;
    job->store = life->store;
}

static void set_life(struct st_rendition_t *job, icache_object_t *object)
{
    sluice_life_t life;

    sluice_source_life(job->source, &life);
    set_terms(job, object, job->source, &life);
    object->created_ms = life.created_ms;
    object->expires_ms = life.expires_ms;
    object->stale_ms = life.stale_ms;
    object->keep_ms = life.keep_ms;
}

static void set_meta(struct st_rendition_t *job, icache_object_t *object, const sluice_transform_times_t *times)
{
    sluice_rendition_meta_t *meta = object->meta;
    const sluice_source_meta_t *source_meta = job->source->meta;
    XXH128_hash_t hash = XXH3_128bits(object->body, object->body_len);

    meta->format = job->plan.output;
    meta->width = job->plan.width;
    meta->height = job->plan.height;
    meta->queue_us = (uint32_t)(job->run_us - job->queued_us);
    meta->fetch_us = job->asked ? source_meta->fetch_us : 0;
    meta->decode_us = (uint32_t)times->decode_us;
    meta->transform_us = (uint32_t)times->transform_us;
    meta->encode_us = (uint32_t)times->encode_us;
    memcpy(meta->made_of, source_meta->known.hash, sizeof(meta->made_of));
    meta->etag_len = (uint32_t)snprintf(meta->etag, sizeof(meta->etag), "\"%016llx%016llx\"", (unsigned long long)hash.high64,
                                        (unsigned long long)hash.low64);
    object->cost_us = meta->decode_us + meta->transform_us + meta->encode_us + source_meta->fetch_us;
    set_life(job, object);
}

/* an exact copy, so that the cache never keeps an encoder's larger buffer alive */
static icache_object_t *publishable(struct st_rendition_t *job, const void *bytes, size_t len,
                                    const sluice_transform_times_t *times)
{
    icache_object_t *object =
        icache_object_create(job->sluice->cache, ICACHE_CLASS_RENDITION, &job->key, sizeof(sluice_rendition_meta_t), len);

    if (object != NULL) {
        icache_object_set_group(object, sluice_origin_group(job->origin));
        memcpy(object->body, bytes, len);
        set_meta(job, object, times);
    }
    return object;
}

static void look(void *_job)
{
    sluice_transform_meter_look(&((struct st_rendition_t *)_job)->meter);
}

static sluice_error_t transform(struct st_rendition_t *job, icache_object_t **object)
{
    sluice_transform_control_t control = {is_wanted, look, job, sluice_now_ms() + job->sluice->settings.transform_timeout_ms};
    sluice_stats_t *stats = &job->sluice->stats;
    uint64_t start_us = sluice_now_us(), took_us;
    void *bytes = NULL;
    size_t len = 0;
    sluice_transform_times_t times;

    sluice_transform_meter_begin(job->sluice, &job->meter);
    sluice_error_t error =
        sluice_transform_run(job->source->body, job->source->body_len, &job->plan, &control, &bytes, &len, &times);
    took_us = sluice_now_us() - start_us;
    sluice_transform_meter_end(job->sluice, &job->meter, error == SLUICE_OK ? &job->plan : NULL);
    sluice_count(&stats->transform_us, took_us);
    if (error == SLUICE_OK) {
        if ((*object = publishable(job, bytes, len, &times)) == NULL)
            error = SLUICE_ERROR_OUT_OF_MEMORY;
        sluice_transform_free(bytes);
    }
    if (error != SLUICE_OK)
        sluice_count(error == SLUICE_ERROR_CANCELLED ? &stats->transforms_cancelled : &stats->transform_failures, 1);
    return error;
}

static sluice_error_t plan(struct st_rendition_t *job)
{
    sluice_limits_t limits = {job->origin->settings.max_pixels, job->origin->settings.max_side};
    sluice_error_t error;

    if (job->planned)
        return SLUICE_OK;
    error = sluice_transform_plan(job->source->body, job->source->body_len, &job->options, &limits, &job->plan);
    job->planned = error == SLUICE_OK;
    return error;
}

/* the source stays in memory until the run is over */
static sluice_error_t fits_ever(struct st_rendition_t *job)
{
    const sluice_check_t check = {.source_bytes = job->source->body_len,
                                  .largest_bytes = pressure_largest_bytes(job->sluice->pressure)};
    uint64_t need_bytes = job->plan.estimate_bytes;

    if (sluice_picture_check_need(&job->plan.facts, &check, &job->need_bytes) != SLUICE_OK)
        return SLUICE_ERROR_SOURCE_NEVER_FITS;
    if (__builtin_add_overflow(need_bytes, check.source_bytes, &need_bytes) || need_bytes > check.largest_bytes) {
        job->need_bytes = need_bytes;
        return SLUICE_ERROR_NEVER_FITS;
    }
    return SLUICE_OK;
}

/* what is wrong with the picture, for all its renditions */
static void remember_error(struct st_rendition_t *job, sluice_error_t error)
{
    uint64_t ttl_ms = job->origin->settings.negative_ttl_ms;
    sluice_life_t life;

    if (!sluice_errors[error].negative || ttl_ms == 0)
        return;
    sluice_source_life(job->source, &life);
    if (life.store)
        sluice_source_remember_error(job->origin, source_key_of(job), job->source_key_len,
                                     sluice_failure_with_need(sluice_failure(error, 0), job->need_bytes), sluice_now_ms() + ttl_ms,
                                     job->epoch);
}

static icache_object_t *find_source(struct st_rendition_t *job)
{
    icache_key_t key = icache_key(job->sluice->cache, source_key_of(job), job->source_key_len);

    return icache_get_stale(job->sluice->cache, &key, sluice_now_ms());
}

static int is_made_of(const uint64_t hash[2], const icache_object_t *source)
{
    return memcmp(hash, ((const sluice_source_meta_t *)source->meta)->known.hash, 2 * sizeof(*hash)) == 0;
}

/* makes sure that job->source is there; returns 0 if it has been evicted, or replaced by another one */
static int recover_source(struct st_rendition_t *job)
{
    if (job->source == NULL && (job->source = find_source(job)) != NULL && !is_made_of(job->source_hash, job->source))
        icache_object_unref(&job->source);
    return job->source != NULL;
}

static void get_source(struct st_rendition_t *job, const uint64_t *made_of);

static void fetch_again(struct st_rendition_t *job)
{
    job->fetched_again = 1;
    job->planned = 0;
    get_source(job, NULL);
}

static void end_run(struct st_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    remember_error(job, error);
    finish_with(job, object, sluice_failure_with_need(sluice_failure(error, job->origin_status), job->need_bytes));
}

static void run_granted(sluice_task_t *task)
{
    struct st_rendition_t *job = JOB_OF(task, task);
    icache_object_t *object = NULL;
    sluice_error_t error = SLUICE_ERROR_CANCELLED;
    int has_source = recover_source(job);

    stop_holding(job);
    job->run_us = sluice_now_us();
    if (has_source && is_wanted(job))
        error = transform(job, &object);
    pressure_operation_end(job->sluice->pressure, &job->operation);
    if (has_source)
        end_run(job, object, error);
    else
        fetch_again(job);
}

static sluice_error_t never_fits(struct st_rendition_t *job)
{
    job->need_bytes = job->plan.estimate_bytes;
    return SLUICE_ERROR_NEVER_FITS;
}

static void on_grant(pressure_operation_t *operation, int result)
{
    struct st_rendition_t *job = JOB_OF(operation, operation);

    if (result != PRESSURE_OK) {
        end_run(job, NULL, result == PRESSURE_NEVER ? never_fits(job) : SLUICE_ERROR_NO_ROOM);
        return;
    }
    job->task.run = run_granted;
    sluice_pool_push(job->sluice->workers, &job->task);
}

static void describe_operation(struct st_rendition_t *job)
{
    pressure_operation_t *operation = &job->operation;

    operation->resource_class = PRESSURE_CLASS_DECODE;
    operation->bytes = job->plan.estimate_bytes;
    operation->party = XXH3_64bits(source_key_of(job), job->source_key_len);
    operation->deadline_ms = job->deadline_ms;
    operation->route = job->origin->route;
    operation->on_done = on_grant;
}

/* the job may have been finished by others when this returns, except with an error */
static sluice_error_t ask_for_room(struct st_rendition_t *job)
{
    pressure_t *pressure = job->sluice->pressure;
    sluice_error_t error = SLUICE_OK;

    describe_operation(job);
    if (!job->holds)
        icache_object_unref(&job->source);
    atomic_fetch_add(&job->refs, 1);
    switch (pressure_operation_start(pressure, &job->operation)) {
    case PRESSURE_OK:
        on_grant(&job->operation, PRESSURE_OK);
        break;
    case PRESSURE_WAITING:
        if (atomic_load(&job->cancelled) && pressure_operation_cancel(pressure, &job->operation))
            error = SLUICE_ERROR_CANCELLED;
        break;
    case PRESSURE_NEVER:
        error = never_fits(job);
        break;
    case PRESSURE_FULL:
        error = SLUICE_ERROR_QUEUE_FULL;
        break;
    default:
        error = SLUICE_ERROR_NO_ROOM;
        break;
    }
    unref_job(job);
    return error;
}

static void run_plan(sluice_task_t *task)
{
    struct st_rendition_t *job = JOB_OF(task, task);
    sluice_error_t error = SLUICE_ERROR_CANCELLED;

    job->run_us = sluice_now_us();
    if (is_wanted(job)) {
        if (!recover_source(job)) {
            fetch_again(job);
            return;
        }
        if ((error = plan(job)) == SLUICE_OK && (error = fits_ever(job)) == SLUICE_OK && (error = ask_for_room(job)) == SLUICE_OK)
            return;
    }
    end_run(job, NULL, error);
}

/* one that is not in the cache cannot be found again */
static int hold_source(struct st_rendition_t *job)
{
    sluice_source_meta_t *meta = job->source->meta;
    icache_object_t *cached = find_source(job);
    int must = job->fetched_again || cached != job->source;

    icache_object_unref(&cached);
    return sluice_source_share_hold(&job->sluice->source_share, &meta->holders, job->source->body_len, must);
}

static void take_source(struct st_rendition_t *job, icache_object_t *source)
{
    job->source = source;
    memcpy(job->source_hash, ((const sluice_source_meta_t *)source->meta)->known.hash, sizeof(job->source_hash));
    if (!(job->holds = hold_source(job)))
        icache_object_unref(&job->source);
    if (job->deadline_ms == 0) {
        job->queued_us = sluice_now_us();
        job->deadline_ms = sluice_now_ms() + job->sluice->settings.queue_timeout_ms;
    }
    job->task.run = run_plan;
    sluice_pool_push(job->sluice->planners, &job->task);
}

/* consumes the reference to the source */
static void renew(struct st_rendition_t *job, icache_object_t *source)
{
    sluice_life_t life;

    sluice_source_life(source, &life);
    const icache_life_t times = {life.created_ms, life.expires_ms, life.stale_ms, life.keep_ms};
    set_terms(job, job->old, source, &life);
    icache_renew(job->sluice->cache, job->old, &times, sluice_now_ms());
    icache_object_unref(&source);
    finish(job, icache_object_ref(job->old), SLUICE_OK);
}

static int old_is_made_of(const struct st_rendition_t *job, const icache_object_t *source)
{
    return job->old != NULL && is_made_of(job->made_of, source);
}

/* consumes the reference to the source */
static void use_source(struct st_rendition_t *job, icache_object_t *source)
{
    if (old_is_made_of(job, source)) {
        renew(job, source);
    } else if (((const sluice_source_meta_t *)source->meta)->unchanged) {
        icache_object_unref(&source);
        get_source(job, NULL);
    } else {
        take_source(job, source);
    }
}

static void on_source(icache_waiter_t *waiter, icache_object_t *source, int64_t failure)
{
    struct st_rendition_t *job = JOB_OF(waiter, source_waiter);

    job->asked = 1;
    job->origin_status = source != NULL ? ((const sluice_source_meta_t *)source->meta)->fwd_status : sluice_failure_status(failure);
    if (source != NULL)
        use_source(job, source);
    else
        finish_with(job, NULL, failure);
}

static void lead_source(struct st_rendition_t *job, const uint64_t *made_of, icache_flight_t *flight)
{
    const sluice_source_request_t request = {job->origin,  source_key_of(job), job->source_key_len,
                                             path_of(job), job->path_len,      made_of};

    sluice_source_start(&request, flight);
}

static void look_up_source(struct st_rendition_t *job, const uint64_t *made_of)
{
    icache_key_t key = icache_key(job->sluice->cache, source_key_of(job), job->source_key_len);
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
        finish(job, NULL, SLUICE_ERROR_OUT_OF_MEMORY);
        break;
    }
}

/* the job may have been finished by others when the look-up returns, so a reference is held */
static void get_source(struct st_rendition_t *job, const uint64_t *made_of)
{
    atomic_fetch_add(&job->refs, 1);
    look_up_source(job, made_of);
    if (atomic_load(&job->cancelled) && icache_waiter_detach(&job->source_waiter))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
    unref_job(job);
}

static struct st_rendition_t *create_job(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    struct st_rendition_t *job = calloc(1, sizeof(*job) + request->key->len + 1 + request->source_key_len + 1 + request->path_len);

    if (job == NULL)
        return NULL;
    job->sluice = request->origin->sluice;
    job->origin = request->origin;
    job->options = *request->options;
    job->flight = flight;
    job->source_waiter = (icache_waiter_t){.on_done = on_source, .lane = job->sluice->pipeline};
    job->epoch = icache_meta_epoch(job->sluice->metadata);
    atomic_store(&job->refs, 1);
    memcpy(job->text, request->key->text, request->key->len);
    memcpy(job->text + request->key->len + 1, request->source_key, request->source_key_len);
    job->key = *request->key;
    job->key.text = job->text;
    job->source_key_len = request->source_key_len;
    job->path_len = request->path_len;
    memcpy(job->text + request->key->len + 1 + request->source_key_len + 1, request->path, request->path_len);
    job->old = icache_get_stale(job->sluice->cache, request->key, sluice_now_ms());
    if (job->old != NULL)
        memcpy(job->made_of, ((const sluice_rendition_meta_t *)job->old->meta)->made_of, sizeof(job->made_of));
    return job;
}

void sluice_rendition_start(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    sluice_t *sluice = request->origin->sluice;
    sluice_failure_t known = sluice_source_known_error(request->origin, request->source_key, request->source_key_len);
    sluice_error_t error = sluice_failure_error(known);
    struct st_rendition_t *job = NULL;

    if (error == SLUICE_OK &&
        sluice_counted(&sluice->renditions_in_progress) >= sluice->settings.max_queue + sluice->settings.workers)
        error = SLUICE_ERROR_QUEUE_FULL;
    if (error == SLUICE_OK && (job = create_job(request, flight)) == NULL)
        error = SLUICE_ERROR_OUT_OF_MEMORY;
    if (sluice_errors[error].negative)
        icache_remove(sluice->cache, request->key); /* or it would be served stale all the same */
    if (error != SLUICE_OK) {
        icache_flight_complete(&flight, NULL, known != SLUICE_OK ? known | SLUICE_FAILURE_REMEMBERED : sluice_failure(error, 0), 0,
                               sluice_now_ms());
        return;
    }
    sluice_count(&sluice->renditions_in_progress, 1);
    icache_flight_on_abandon(flight, on_abandon, job);
    get_source(job, job->old != NULL ? job->made_of : NULL);
}
