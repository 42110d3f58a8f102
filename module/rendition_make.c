/*
 * A rendition on a worker, with those that ride with it (rendition_group.h):
 *
 *   its memory is granted --> memory for its riders? --yes--> one run for all of them --> each is published, and ends
 *                                              +--no--> they go back to the planners; a run for it alone
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/rendition_group.h"

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
    sluice_rendition_finish(job, icache_object_ref(job->old), sluice_failure(SLUICE_OK, job->origin_status));
}

static void set_meta(sluice_rendition_t *job, icache_object_t *object, const sluice_transform_times_t *times)
{
    sluice_rendition_meta_t *meta = object->meta;
    const sluice_source_meta_t *source_meta = job->source->meta;
    XXH128_hash_t hash = XXH3_128bits(object->body, object->body_len);

    meta->format = job->plan.answer_format;
    meta->width = job->plan.geometry.answer.width;
    meta->height = job->plan.geometry.answer.height;
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

static void count_spans(sluice_rendition_t *job, const sluice_rendition_meta_t *meta)
{
    sluice_durations_t *spans = job->sluice->stats.span_durations;

    sluice_durations_count(spans + SLUICE_SPAN_QUEUE, meta->queue_us, 1);
    if (job->asked)
        sluice_durations_count(spans + SLUICE_SPAN_FETCH, meta->fetch_us, 1);
    sluice_durations_count(spans + SLUICE_SPAN_DECODE, meta->decode_us, 1);
    sluice_durations_count(spans + SLUICE_SPAN_TRANSFORM, meta->transform_us, 1);
    sluice_durations_count(spans + SLUICE_SPAN_ENCODE, meta->encode_us, 1);
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
        count_spans(job, object->meta);
    }
    return object;
}

static void look(void *_job)
{
    sluice_transform_meter_look(&((sluice_rendition_t *)_job)->meter);
}

/* what several take together says nothing of the estimate of one */
static void look_away(void *job)
{
    (void)job;
}

static int is_wanted(void *job)
{
    return sluice_rendition_is_wanted(job);
}

static sluice_error_t ask(void *_job, uint64_t bytes)
{
    sluice_rendition_t *job = _job;

    switch (pressure_operation_grow(job->sluice->pressure, &job->operation, bytes)) {
    case PRESSURE_OK:
        return SLUICE_OK;
    case PRESSURE_NEVER:
        job->need_bytes = job->operation.bytes + bytes;
        return SLUICE_ERROR_NEVER_FITS;
    default:
        return SLUICE_ERROR_NO_ROOM;
    }
}

/* of a run, the first is the one that was granted memory */
struct st_making_t {
    sluice_rendition_t *jobs[SLUICE_TRANSFORM_PARTS_MAX];
    sluice_transform_part_t parts[SLUICE_TRANSFORM_PARTS_MAX];
    sluice_transform_control_t controls[SLUICE_TRANSFORM_PARTS_MAX];
    size_t size;
};

/* each has its time from when it is its turn at the latest */
static void add(struct st_making_t *making, sluice_rendition_t *job)
{
    size_t i = making->size++;
    uint64_t deadline_ms = sluice_now_ms() + (i + 1) * job->sluice->settings.transform_timeout_ms;

    making->jobs[i] = job;
    sluice_rendition_enter(job, HEALTH_OPERATION_TRANSFORMING, deadline_ms);
    making->controls[i] = (sluice_transform_control_t){is_wanted, i == 0 ? look : look_away, ask, job, deadline_ms};
    making->parts[i] = (sluice_transform_part_t){.plan = &job->plan, .control = making->controls + i};
}

static int reserve_for_riders(sluice_rendition_t *leader, sluice_rendition_t *riders)
{
    const sluice_plan_t *plans[SLUICE_TRANSFORM_PARTS_MAX] = {&leader->plan};
    pressure_operation_t *operation = &leader->operation;
    size_t count = 1;
    uint64_t bytes;

    for (sluice_rendition_t *rider = riders; rider != NULL; rider = rider->group.next)
        plans[count++] = &rider->plan;
    bytes = sluice_transform_estimate_shared(plans, count);
    return bytes <= operation->bytes ||
           pressure_operation_grow(leader->sluice->pressure, operation, bytes - operation->bytes) == PRESSURE_OK;
}

static void take_riders(struct st_making_t *making, sluice_rendition_t *leader)
{
    sluice_rendition_t *riders = sluice_group_take(leader), *next;
    int together = riders != NULL && reserve_for_riders(leader, riders);

    for (; riders != NULL; riders = next) {
        next = riders->group.next;
        if (together) {
            riders->source = icache_object_ref(leader->source);
            riders->run_us = leader->run_us;
            add(making, riders);
        } else {
            sluice_rendition_plan(riders);
        }
    }
}

static void publish(sluice_transform_part_t *part, void *_job)
{
    sluice_rendition_t *job = _job;
    sluice_stats_t *stats = &job->sluice->stats;
    icache_object_t *object = NULL;

    if (part->error == SLUICE_OK) {
        health_operation_set_bytes(&job->registered, part->out_len);
        sluice_rendition_enter(job, HEALTH_OPERATION_STORING, 0);
        if ((object = publishable(job, part->out, part->out_len, &part->times)) == NULL)
            part->error = SLUICE_ERROR_OUT_OF_MEMORY;
        sluice_transform_free(part->out);
    }
    if (part->error != SLUICE_OK)
        sluice_count(part->error == SLUICE_ERROR_CANCELLED ? &stats->transforms_cancelled : &stats->transform_failures, 1);
    sluice_rendition_end_run(job, object, part->error);
}

/* alone, it is published when its memory has been given back; of several, each as soon as it is there */
static void run(struct st_making_t *making)
{
    sluice_rendition_t *leader = making->jobs[0];
    sluice_t *sluice = leader->sluice;
    int alone = making->size == 1;
    icache_object_t *source = icache_object_ref(leader->source);
    uint64_t start_us = sluice_now_us(), took_us;

    sluice_rendition_ref(leader);
    sluice_transform_meter_begin(sluice, &leader->meter);
    for (size_t i = 0; i != making->size; ++i) {
        making->parts[i].on_done = alone ? NULL : publish;
        making->parts[i].ctx = making->jobs[i];
    }
    sluice_transform_run(source->body, source->body_len, making->parts, making->size);
    sluice_transform_meter_end(sluice, &leader->meter, alone && making->parts[0].error == SLUICE_OK ? &leader->plan : NULL);
    took_us = sluice_now_us() - start_us;
    sluice_count(&sluice->stats.transform_us, took_us);
    sluice_durations_count(&sluice->stats.transform_durations, took_us, 1);
    sluice_count(&sluice->stats.transforms_shared, making->size - 1);
    pressure_operation_end(sluice->pressure, &leader->operation);
    if (alone)
        publish(making->parts, leader);
    icache_object_unref(&source);
    sluice_rendition_unref(leader);
}

void sluice_rendition_make(sluice_task_t *task)
{
    sluice_rendition_t *job = SLUICE_RENDITION_OF(task, task);
    struct st_making_t making = {.size = 0};
    int has_source = sluice_rendition_recover_source(job);

    sluice_rendition_stop_holding(job);
    job->run_us = sluice_now_us();
    if (!has_source || !sluice_rendition_is_wanted(job)) {
        pressure_operation_end(job->sluice->pressure, &job->operation);
        sluice_rendition_leave_riders(job);
        if (has_source)
            sluice_rendition_end_run(job, NULL, SLUICE_ERROR_CANCELLED);
        else
            sluice_rendition_get_source_again(job);
        return;
    }
    add(&making, job);
    take_riders(&making, job);
    run(&making);
}
