/*
 * One rendition on its way:
 *
 *   start (loop) --> remembered error? --> get its source, rendition_source.c (loops, fetcher, readers)
 *                                            --> the old rendition was made of it --> renewed --> finish
 *                                            --> planners: run_plan
 *   run_plan (planner): plan, in little memory --> operation --granted--------> workers: run_granted
 *                                                      +--waits--> on_grant --> workers: run_granted, or finish with an error
 *   run_granted (worker): transform --> end of the operation --> publish --> finish
 *   run_plan, run_granted: the source has been evicted meanwhile --> get it again
 *
 * No worker waits, and all that waits is known to the queue, even when each worker is at a picture for seconds: that is why plans
 * are made on threads of their own. The operation (pressure/operation.h) holds a slot for a worker, a slot of the route and the
 * memory when the transform is pushed.
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
#include "module/rendition_job.h"
#include "module/source_memory.h"

/* what the origin does not have any more, or does not want to be stored, goes out of the cache as well */
static void drop_old(sluice_rendition_t *job, const icache_object_t *object, sluice_error_t error)
{
    if (job->old != NULL && (object != NULL ? !job->store : sluice_errors[error].negative))
        icache_remove(job->sluice->cache, &job->key);
    icache_object_unref(&job->old);
}

void sluice_rendition_finish(sluice_rendition_t *job, icache_object_t *object, sluice_failure_t failure)
{
    sluice_t *sluice = job->sluice;
    int store = object != NULL && object != job->old && job->store;

    sluice_rendition_stop_holding(job);
    icache_object_unref(&job->source);
    drop_old(job, object, sluice_failure_error(failure));
    sluice_uncount(&sluice->renditions_in_progress, 1);
    icache_flight_complete(&job->flight, object, failure, store, sluice_now_ms());
    sluice_rendition_unref(job);
}

static void finish(sluice_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    sluice_rendition_finish(job, object, sluice_failure(error, job->origin_status));
}

int sluice_rendition_helps(const icache_object_t *object, sluice_error_t error, uint64_t now_ms)
{
    const sluice_rendition_meta_t *meta = object->meta;

    return sluice_errors[error].stale && now_ms < meta->stale_if_error_ms;
}

static int is_wanted(void *_job)
{
    sluice_rendition_t *job = _job;

    return !atomic_load_explicit(&job->cancelled, memory_order_relaxed) &&
           !atomic_load_explicit(&job->sluice->stopping, memory_order_relaxed);
}

static void on_abandon(void *_job)
{
    sluice_rendition_t *job = _job;

    atomic_store(&job->cancelled, 1);
    if (icache_waiter_detach(&job->source_waiter) || pressure_operation_cancel(job->sluice->pressure, &job->operation))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
}

/* what clients and the handler are told, but for the times in the object */
static void set_terms(sluice_rendition_t *job, icache_object_t *object, const icache_object_t *source, const sluice_life_t *life)
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

static void set_life(sluice_rendition_t *job, icache_object_t *object)
{
    sluice_life_t life;

    sluice_source_life(job->source, &life);
    set_terms(job, object, job->source, &life);
    object->created_ms = life.created_ms;
    object->expires_ms = life.expires_ms;
    object->stale_ms = life.stale_ms;
    object->keep_ms = life.keep_ms;
}

void sluice_rendition_renew(sluice_rendition_t *job, icache_object_t *source)
{
    sluice_life_t life;

    sluice_source_life(source, &life);
    const icache_life_t times = {life.created_ms, life.expires_ms, life.stale_ms, life.keep_ms};
    set_terms(job, job->old, source, &life);
    icache_renew(job->sluice->cache, job->old, &times, sluice_now_ms());
    icache_object_unref(&source);
    finish(job, icache_object_ref(job->old), SLUICE_OK);
}

static void set_meta(sluice_rendition_t *job, icache_object_t *object, const sluice_transform_times_t *times)
{
    sluice_rendition_meta_t *meta = object->meta;
    const sluice_source_meta_t *source_meta = job->source->meta;
    XXH128_hash_t hash = XXH3_128bits(object->body, object->body_len);

    meta->format = job->plan.options.output;
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
static icache_object_t *publishable(sluice_rendition_t *job, const void *bytes, size_t len, const sluice_transform_times_t *times)
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
    sluice_transform_meter_look(&((sluice_rendition_t *)_job)->meter);
}

static sluice_error_t transform(sluice_rendition_t *job, icache_object_t **object)
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

static sluice_error_t plan(sluice_rendition_t *job)
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
static sluice_error_t fits_ever(sluice_rendition_t *job)
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
static void remember_error(sluice_rendition_t *job, sluice_error_t error)
{
    uint64_t ttl_ms = job->origin->settings.negative_ttl_ms;
    sluice_life_t life;

    if (!sluice_errors[error].negative || ttl_ms == 0)
        return;
    sluice_source_life(job->source, &life);
    if (life.store)
        sluice_source_remember_error(job->origin, sluice_rendition_source_key(job), job->source_key_len,
                                     sluice_failure_with_need(sluice_failure(error, 0), job->need_bytes), sluice_now_ms() + ttl_ms,
                                     job->epoch);
}

static void end_run(sluice_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    remember_error(job, error);
    sluice_rendition_finish(job, object, sluice_failure_with_need(sluice_failure(error, job->origin_status), job->need_bytes));
}

static void run_granted(sluice_task_t *task)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(task, task);
    icache_object_t *object = NULL;
    sluice_error_t error = SLUICE_ERROR_CANCELLED;
    int has_source = sluice_rendition_recover_source(job);

    sluice_rendition_stop_holding(job);
    job->run_us = sluice_now_us();
    if (has_source && is_wanted(job))
        error = transform(job, &object);
    pressure_operation_end(job->sluice->pressure, &job->operation);
    if (has_source)
        end_run(job, object, error);
    else
        sluice_rendition_get_source_again(job);
}

static sluice_error_t never_fits(sluice_rendition_t *job)
{
    job->need_bytes = job->plan.estimate_bytes;
    return SLUICE_ERROR_NEVER_FITS;
}

static void on_grant(pressure_operation_t *operation, int result)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(operation, operation);

    if (result != PRESSURE_OK) {
        end_run(job, NULL, result == PRESSURE_NEVER ? never_fits(job) : SLUICE_ERROR_NO_ROOM);
        return;
    }
    job->task.run = run_granted;
    sluice_pool_push(job->sluice->workers, &job->task);
}

static void describe_operation(sluice_rendition_t *job)
{
    pressure_operation_t *operation = &job->operation;

    operation->resource_class = PRESSURE_CLASS_DECODE;
    operation->bytes = job->plan.estimate_bytes;
    operation->party = XXH3_64bits(sluice_rendition_source_key(job), job->source_key_len);
    operation->deadline_ms = job->deadline_ms;
    operation->route = job->origin->route;
    operation->on_done = on_grant;
}

/* the job may have been finished by others when this returns, except with an error */
static sluice_error_t ask_for_room(sluice_rendition_t *job)
{
    pressure_t *pressure = job->sluice->pressure;
    sluice_error_t error = SLUICE_OK;

    describe_operation(job);
    if (!job->holds)
        icache_object_unref(&job->source);
    sluice_rendition_ref(job);
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
    sluice_rendition_unref(job);
    return error;
}

static void run_plan(sluice_task_t *task)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(task, task);
    sluice_error_t error = SLUICE_ERROR_CANCELLED;

    job->run_us = sluice_now_us();
    if (is_wanted(job)) {
        if (!sluice_rendition_recover_source(job)) {
            sluice_rendition_get_source_again(job);
            return;
        }
        if ((error = plan(job)) == SLUICE_OK && (error = fits_ever(job)) == SLUICE_OK && (error = ask_for_room(job)) == SLUICE_OK)
            return;
    }
    end_run(job, NULL, error);
}

void sluice_rendition_plan(sluice_rendition_t *job)
{
    if (job->deadline_ms == 0) {
        job->queued_us = sluice_now_us();
        job->deadline_ms = sluice_now_ms() + job->sluice->settings.queue_timeout_ms;
    }
    job->task.run = run_plan;
    sluice_pool_push(job->sluice->planners, &job->task);
}

static sluice_rendition_t *create_job(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    sluice_rendition_t *job = calloc(1, sizeof(*job) + request->key->len + 1 + request->source_key_len + 1 + request->path_len);

    if (job == NULL)
        return NULL;
    job->sluice = request->origin->sluice;
    job->origin = request->origin;
    job->options = *request->options;
    job->flight = flight;
    sluice_rendition_init_source(job);
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
    sluice_rendition_t *job = NULL;

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
    sluice_rendition_get_source(job, job->old != NULL ? job->made_of : NULL);
}
