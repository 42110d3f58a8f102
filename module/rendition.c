/*
 * One rendition on its way:
 *
 *   start (loop) --> remembered error? --> source: HIT ------------------------------+
 *                                             LEAD -> source.c fetches --+           v
 *                                             WAIT ----------------------+-> on_source -> workers: run
 *   run (worker): plan --> reserve --no room--> parked, run again until the deadline
 *                             +--> transform --> publish --> finish
 *
 * Whoever takes the job one step further owns it; there is never more than one. The exception is the report that nobody waits any
 * more (on_abandon), which may come at any time and from any thread: it sets `cancelled`, and ends the job itself only if it could
 * take it out of its wait for the source. icache_flight_complete() waits for that report to be over, so the job may be freed then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/rendition.h"
#include "module/source.h"
#include "module/transform.h"

struct st_rendition_t {
    sluice_task_t task;
    icache_waiter_t source_waiter;
    sluice_t *sluice;
    const sluice_origin_t *origin;
    sluice_options_t options;
    icache_flight_t *flight;
    icache_object_t *source;
    sluice_plan_t plan;
    int planned;
    uint64_t queued_us, run_us, deadline_ms;
    _Atomic int cancelled, refs;
    icache_key_t key;
    size_t source_key_len;
    char text[]; /* key of the rendition, key of the source */
};

static const char *source_key_of(const struct st_rendition_t *job)
{
    return job->text + job->key.len + 1;
}

static void unref_job(struct st_rendition_t *job)
{
    if (atomic_fetch_sub(&job->refs, 1) == 1)
        free(job);
}

static void finish(struct st_rendition_t *job, icache_object_t *object, sluice_error_t error)
{
    sluice_t *sluice = job->sluice;
    int store = object != NULL && job->origin->settings.ttl_ms != 0;

    if (job->source != NULL) {
        sluice_uncount(&sluice->held_source_bytes, job->source->body_len);
        icache_object_unref(&job->source);
    }
    sluice_uncount(&sluice->renditions_in_progress, 1);
    icache_flight_complete(&job->flight, object, (int)error, store, sluice_now_ms());
    unref_job(job);
}

int sluice_rendition_helps(const icache_object_t *object, sluice_error_t error, uint64_t now_ms)
{
    const sluice_rendition_meta_t *meta = object->meta;

    return sluice_errors[error].stale && now_ms < meta->stale_if_error_ms;
}

static int is_wanted(void *_job)
{
    struct st_rendition_t *job = _job;

    return !atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}

static void on_abandon(void *_job)
{
    struct st_rendition_t *job = _job;

    atomic_store(&job->cancelled, 1);
    if (icache_waiter_detach(&job->source_waiter))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
}

static void set_meta(struct st_rendition_t *job, icache_object_t *object, uint64_t transform_us)
{
    sluice_rendition_meta_t *meta = object->meta;
    const sluice_source_meta_t *source_meta = job->source->meta;
    XXH128_hash_t hash = XXH3_128bits(object->body, object->body_len);

    meta->format = job->plan.output;
    meta->width = job->plan.width;
    meta->height = job->plan.height;
    meta->queue_us = (uint32_t)(job->run_us - job->queued_us);
    meta->fetch_us = source_meta->fetch_us;
    meta->transform_us = (uint32_t)transform_us;
    meta->etag_len = (uint32_t)snprintf(meta->etag, sizeof(meta->etag), "\"%016llx%016llx\"", (unsigned long long)hash.high64,
                                        (unsigned long long)hash.low64);
    meta->last_modified = -1;
    meta->max_age_s = (uint32_t)(job->origin->settings.ttl_ms / 1000);
    object->cost_us = (uint32_t)(transform_us + source_meta->fetch_us);
    object->created_ms = sluice_now_ms();
    object->expires_ms = object->created_ms + job->origin->settings.ttl_ms;
}

/* an exact copy, so that the cache never keeps an encoder's larger buffer alive */
static icache_object_t *publishable(struct st_rendition_t *job, const void *bytes, size_t len, uint64_t transform_us)
{
    icache_object_t *object =
        icache_object_create(job->sluice->cache, ICACHE_CLASS_RENDITION, &job->key, sizeof(sluice_rendition_meta_t), len);

    if (object != NULL) {
        memcpy(object->body, bytes, len);
        set_meta(job, object, transform_us);
    }
    return object;
}

static sluice_error_t transform(struct st_rendition_t *job, icache_object_t **object)
{
    sluice_transform_control_t control = {is_wanted, job, sluice_now_ms() + job->sluice->settings.transform_timeout_ms};
    sluice_stats_t *stats = &job->sluice->stats;
    uint64_t start_us = sluice_now_us(), took_us;
    void *bytes = NULL;
    size_t len = 0;
    sluice_error_t error = sluice_transform_run(job->source->body, job->source->body_len, &job->plan, &control, &bytes, &len);

    took_us = sluice_now_us() - start_us;
    sluice_count(&stats->transforms, 1);
    sluice_count(&stats->transform_us, took_us);
    if (error == SLUICE_OK) {
        if ((*object = publishable(job, bytes, len, took_us)) == NULL)
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

/* returns 1 when the job has been parked */
static int wait_for_memory(struct st_rendition_t *job)
{
    if (sluice_now_ms() >= job->deadline_ms)
        return 0;
    pressure_want_room(job->sluice->pressure, job->plan.estimate_bytes);
    sluice_pool_park(job->sluice->workers, &job->task);
    return 1;
}

static sluice_error_t run_reserved(struct st_rendition_t *job, icache_object_t **object)
{
    pressure_t *pressure = job->sluice->pressure;
    sluice_error_t error = transform(job, object);

    pressure_release(pressure, PRESSURE_CLASS_DECODE, job->plan.estimate_bytes);
    sluice_pool_unpark(job->sluice->workers);
    return error;
}

static void run(sluice_task_t *task)
{
    struct st_rendition_t *job = (struct st_rendition_t *)(void *)task;
    icache_object_t *object = NULL;
    sluice_error_t error = SLUICE_ERROR_CANCELLED;

    job->run_us = sluice_now_us();
    if (is_wanted(job) && (error = plan(job)) == SLUICE_OK) {
        switch (pressure_reserve(job->sluice->pressure, PRESSURE_CLASS_DECODE, job->plan.estimate_bytes)) {
        case PRESSURE_OK:
            error = run_reserved(job, &object);
            break;
        case PRESSURE_NEVER:
            error = SLUICE_ERROR_NEVER_FITS;
            break;
        default:
            if (wait_for_memory(job))
                return;
            error = SLUICE_ERROR_NO_ROOM;
            break;
        }
    }
    sluice_source_remember_error(job->origin, source_key_of(job), job->source_key_len, error);
    finish(job, object, error);
}

static void take_source(struct st_rendition_t *job, icache_object_t *source)
{
    job->source = source;
    sluice_count(&job->sluice->held_source_bytes, source->body_len);
    job->queued_us = sluice_now_us();
    job->deadline_ms = sluice_now_ms() + job->sluice->settings.queue_timeout_ms;
    job->task.run = run;
    sluice_pool_push(job->sluice->workers, &job->task);
}

static void on_source(icache_waiter_t *waiter, icache_object_t *source, int error)
{
    struct st_rendition_t *job = (struct st_rendition_t *)(void *)((char *)waiter - offsetof(struct st_rendition_t, source_waiter));

    if (source != NULL)
        take_source(job, source);
    else
        finish(job, NULL, (sluice_error_t)error);
}

static void get_source(struct st_rendition_t *job, const sluice_rendition_request_t *request)
{
    icache_key_t key = icache_key(job->sluice->cache, source_key_of(job), job->source_key_len);
    icache_flight_t *flight = NULL;
    icache_object_t *source = NULL;

    switch (icache_lookup(job->sluice->cache, &key, sluice_now_ms(), &job->source_waiter, &source, &flight)) {
    case ICACHE_HIT:
    case ICACHE_STALE: /* sources are never served stale: what is made of one has to be fresh */
        take_source(job, source);
        break;
    case ICACHE_LEAD:
        sluice_source_start(request->origin, request->source_key, request->source_key_len, request->path, request->path_len,
                            flight);
        break;
    case ICACHE_WAIT:
        break;
    case ICACHE_REFUSED:
        finish(job, NULL, SLUICE_ERROR_OUT_OF_MEMORY);
        break;
    }
}

static struct st_rendition_t *create_job(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    struct st_rendition_t *job = calloc(1, sizeof(*job) + request->key->len + 1 + request->source_key_len + 1);

    if (job == NULL)
        return NULL;
    job->sluice = request->origin->sluice;
    job->origin = request->origin;
    job->options = *request->options;
    job->flight = flight;
    job->source_waiter = (icache_waiter_t){.on_done = on_source, .lane = job->sluice->pipeline};
    atomic_store(&job->refs, 2); /* one for the work, one for sluice_rendition_start() */
    memcpy(job->text, request->key->text, request->key->len);
    memcpy(job->text + request->key->len + 1, request->source_key, request->source_key_len);
    job->key = *request->key;
    job->key.text = job->text;
    job->source_key_len = request->source_key_len;
    return job;
}

void sluice_rendition_start(const sluice_rendition_request_t *request, icache_flight_t *flight)
{
    sluice_t *sluice = request->origin->sluice;
    sluice_error_t error = sluice_source_known_error(request->origin, request->source_key, request->source_key_len);
    struct st_rendition_t *job = NULL;

    if (error == SLUICE_OK &&
        sluice_counted(&sluice->renditions_in_progress) >= sluice->settings.max_queue + sluice->settings.workers)
        error = SLUICE_ERROR_QUEUE_FULL;
    if (error == SLUICE_OK && (job = create_job(request, flight)) == NULL)
        error = SLUICE_ERROR_OUT_OF_MEMORY;
    if (error != SLUICE_OK) {
        icache_flight_complete(&flight, NULL, (int)error, 0, sluice_now_ms());
        return;
    }
    sluice_count(&sluice->renditions_in_progress, 1);
    icache_flight_on_abandon(flight, on_abandon, job);
    get_source(job, request);
    if (!is_wanted(job) && icache_waiter_detach(&job->source_waiter))
        finish(job, NULL, SLUICE_ERROR_CANCELLED);
    unref_job(job);
}
