/*
 * One rendition on its way:
 *
 *   start (loop) --> remembered error? --> get its source, rendition_source.c (loops, fetcher, readers)
 *                                            --> the old rendition was made of it --> renewed --> finish
 *                                            --> planners: run_plan
 *   run_plan (planner): plan, in little memory --> rides with another one of its source (rendition_group.h)
 *                                              +-> operation --granted--------> workers
 *                                                      +--waits--> on_grant --> workers, or finish with an error
 *   rendition_make.c (worker): transform --> end of the operation --> publish --> finish
 *   both: the source has been evicted meanwhile --> get it again
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
#include "module/drain.h"
#include "module/picture_check.h"
#include "module/rendition_group.h"
#include "module/siblings.h"
#include "module/source_memory.h"

/* what the origin does not have any more, or does not want to be stored, goes out of the cache as well */
static void drop_old(sluice_rendition_t *job, const icache_object_t *object, sluice_error_t error)
{
    if (job->old != NULL && (object != NULL ? !job->store : sluice_errors[error].negative))
        icache_remove(job->sluice->cache, &job->key);
    icache_object_unref(&job->old);
}

void sluice_rendition_leave_riders(sluice_rendition_t *job)
{
    for (sluice_rendition_t *rider = sluice_group_take(job), *next; rider != NULL; rider = next) {
        next = rider->group.next;
        sluice_rendition_plan(rider);
    }
}

/* for requests that cannot have another size of it */
static void remember_size(sluice_rendition_t *job, icache_object_t *object)
{
    const sluice_rendition_meta_t *meta = object->meta;
    icache_key_t source = icache_key(job->sluice->cache, sluice_rendition_source_key(job), job->source_key_len);

    sluice_siblings_add(job->sluice->siblings, &source, &job->options, meta->width, meta->height, icache_object_handle(object));
}

void sluice_rendition_finish(sluice_rendition_t *job, icache_object_t *object, sluice_failure_t failure)
{
    sluice_t *sluice = job->sluice;
    int store = object != NULL && object != job->old && job->store;

    if (sluice_failure_error(failure) == SLUICE_ERROR_CANCELLED)
        failure = sluice_failure(sluice_operation_error(&job->registered, SLUICE_ERROR_TRANSFORM_TIMEOUT), job->origin_status);

    sluice_rendition_leave_riders(job);
    sluice_rendition_stop_holding(job);
    icache_object_unref(&job->source);
    drop_old(job, object, sluice_failure_error(failure));
    sluice_uncount(&sluice->renditions_in_progress, 1);
    sluice_operation_end(sluice, &job->registered);
    if (store)
        remember_size(job, object);
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

int sluice_rendition_is_wanted(const sluice_rendition_t *job)
{
    return !atomic_load_explicit(&job->cancelled, memory_order_relaxed) &&
           !atomic_load_explicit(&job->sluice->stopping, memory_order_relaxed) && sluice_operation_goes_on(&job->registered);
}

static void on_abandon(void *_job)
{
    sluice_rendition_t *job = _job;

    atomic_store(&job->cancelled, 1);
    if (icache_waiter_detach(&job->source_waiter) || sluice_group_leave(job) ||
        pressure_operation_cancel(job->sluice->pressure, &job->operation))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
}

static sluice_error_t plan(sluice_rendition_t *job)
{
    sluice_limits_t limits = {job->origin->settings.max_pixels, job->origin->settings.max_side, job->origin->settings.max_pages};
    pressure_t *pressure = job->sluice->pressure;
    sluice_error_t error;

    if (job->planned)
        return SLUICE_OK;
    uint64_t bytes = sluice_transform_planning_bytes(job->source->body, job->source->body_len);
    /* with the sources: of the other class everything belongs to operations. None of it stays */
    if (bytes != 0 && pressure_reserve(pressure, PRESSURE_CLASS_SOURCE, bytes) != PRESSURE_OK)
        return SLUICE_ERROR_NO_ROOM;
    error = sluice_transform_plan(job->source->body, job->source->body_len, &job->options, &limits, &job->plan);
    pressure_resize(pressure, PRESSURE_CLASS_SOURCE, bytes, 0);
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

void sluice_rendition_end_run(sluice_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    remember_error(job, error);
    sluice_rendition_finish(job, object, sluice_failure_with_need(sluice_failure(error, job->origin_status), job->need_bytes));
}

/* until when it may wait where nothing else limits that: a long queue is no fault, and its time may have been used up by a fetch */
static uint64_t patient_until_ms(const sluice_rendition_t *job)
{
    uint64_t silence_ms = sluice_operation_silence(job->sluice);

    return job->deadline_ms > silence_ms ? job->deadline_ms : silence_ms;
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
        sluice_rendition_end_run(job, NULL, result == PRESSURE_NEVER ? never_fits(job) : SLUICE_ERROR_NO_ROOM);
        return;
    }
    health_operation_set_reserved(&job->registered, operation->bytes);
    sluice_rendition_enter(job, HEALTH_OPERATION_QUEUED, patient_until_ms(job));
    job->task.run = sluice_rendition_make;
    sluice_pool_push(job->sluice->workers, &job->task);
}

static void describe_operation(sluice_rendition_t *job)
{
    pressure_operation_t *operation = &job->operation;

    operation->resource_class = PRESSURE_CLASS_DECODE;
    operation->bytes = job->plan.estimate_bytes;
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
    sluice_rendition_enter(job, HEALTH_OPERATION_WAITING_FOR_ROOM, job->deadline_ms);
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

static void start(sluice_rendition_t *job)
{
    sluice_error_t error = ask_for_room(job);

    if (error != SLUICE_OK)
        sluice_rendition_end_run(job, NULL, error);
}

/* *has_source: whether it could be planned at all */
static sluice_error_t plan_if_wanted(sluice_rendition_t *job, int *has_source)
{
    sluice_error_t error;

    if (!sluice_rendition_is_wanted(job))
        return SLUICE_ERROR_CANCELLED;
    if (!(*has_source = sluice_rendition_recover_source(job)))
        return SLUICE_OK;
    if ((error = plan(job)) != SLUICE_OK)
        return error;
    return fits_ever(job);
}

static void run_plan(sluice_task_t *task)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(task, task), *leaders, *next;
    int has_source = 1;

    job->run_us = sluice_now_us();
    sluice_rendition_enter(job, HEALTH_OPERATION_PLANNING, patient_until_ms(job));
    sluice_error_t error = plan_if_wanted(job, &has_source);
    int joins = has_source && error == SLUICE_OK && sluice_transform_can_share(&job->plan);
    if (joins)
        sluice_rendition_enter(job, HEALTH_OPERATION_WAITING_FOR_ROOM, patient_until_ms(job));
    for (leaders = sluice_group_arrive(job, joins); leaders != NULL; leaders = next) {
        next = leaders->group.next;
        start(leaders);
    }
    if (joins) /* it is among those, or waits for others to arrive, or rides with somebody: not ours any more */
        return;
    if (!has_source)
        sluice_rendition_get_source_again(job);
    else if (error == SLUICE_OK)
        start(job);
    else
        sluice_rendition_end_run(job, NULL, error);
}

void sluice_rendition_plan(sluice_rendition_t *job)
{
    if (job->deadline_ms == 0) {
        job->queued_us = sluice_now_us();
        job->deadline_ms = sluice_now_ms() + job->sluice->settings.queue_timeout_ms;
    }
    sluice_rendition_enter(job, HEALTH_OPERATION_QUEUED, patient_until_ms(job));
    sluice_group_expect(job);
    job->task.run = run_plan;
    sluice_pool_push(job->sluice->planners, &job->task);
}

static sluice_rendition_t *create_job(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    sluice_rendition_t *job = calloc(1, sizeof(*job) + request->key->len + 1 + request->source_key_len + 1 + request->path_len + 1);

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
    job->operation.party = XXH3_64bits(request->source_key, request->source_key_len);
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
    if (error == SLUICE_OK && sluice_drain_refuses(sluice, !request->is_renewal))
        error = SLUICE_ERROR_DRAINING;
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
    health_operation_begin(sluice->operations, &job->registered,
                           request->is_renewal ? HEALTH_OPERATION_RENEWAL : HEALTH_OPERATION_TRANSFORM,
                           HEALTH_OPERATION_WAITING_FOR_SOURCE, sluice_now_ms(),
                           ((const sluice_route_t *)(const void *)job->origin->route)->name, sluice_rendition_path(job));
    icache_flight_on_abandon(flight, on_abandon, job);
    sluice_rendition_get_source(job, job->old != NULL ? job->made_of : NULL);
}
