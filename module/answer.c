#include <inttypes.h>
#include <stdio.h>
#include "module/answer.h"
#include "module/fields.h"
#include "module/rendition.h"

static void count_response(sluice_t *sluice, int status)
{
    sluice_count(&sluice->stats.responses[status / 100], 1);
}

static void count_error(sluice_stats_t *stats, const sluice_error_info_t *info)
{
    sluice_counter_t *const counters[] = {&stats->bad_requests, &stats->errors_of_origin, &stats->errors_of_image,
                                          &stats->errors_of_room, &stats->errors_of_time};

    sluice_count(counters[info->kind], 1);
}

/* rounded down, so that what has expired never looks as if it had not */
static int64_t ttl_s(const icache_object_t *object, uint64_t now_ms)
{
    uint64_t expires_ms = object->expires_ms;

    return expires_ms > now_ms ? (int64_t)((expires_ms - now_ms) / 1000) : -(int64_t)((now_ms - expires_ms) / 1000 + 1);
}

void sluice_answer_hit(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, uint64_t now_ms, sluice_field_texts_t *texts,
                       const sluice_manner_t *manner)
{
    int fresh = now_ms < object->expires_ms;
    sluice_answer_t answer = {
        {.forward = SLUICE_FORWARD_HIT, .ttl_s = ttl_s(object, now_ms), .detail = fresh ? NULL : "revalidating"},
        now_ms,
        0,
        texts,
        manner};

    if (manner != NULL && manner->detail != NULL)
        answer.cache_status.detail = manner->detail;
    sluice_count_own(&loop->hits[sluice_respond_object(req, object, &answer) / 100], 1);
}

void sluice_answer_made(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                        const sluice_manner_t *manner)
{
    sluice_t *sluice = loop->sluice;
    sluice_answer_t answer = {*way, sluice_now_ms(), 1, NULL, manner};

    answer.cache_status.fwd_status = ((const sluice_rendition_meta_t *)object->meta)->fwd_status;
    if (way->forward == SLUICE_FORWARD_STALE && answer.cache_status.fwd_status == 304)
        answer.with_timing = 0; /* of when it was made */
    else
        answer.cache_status.stored = icache_object_was_stored(object);
    if (manner != NULL && manner->detail != NULL)
        answer.cache_status.detail = manner->detail;
    count_response(sluice, sluice_respond_object(req, object, &answer));
}

static void answer_in_place(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, sluice_answer_t *answer,
                            sluice_failure_t failure)
{
    answer->cache_status.fwd_status = sluice_failure_status(failure);
    answer->cache_status.detail = sluice_errors[sluice_failure_error(failure)].code;
    count_response(loop->sluice, sluice_respond_object(req, object, answer));
}

void sluice_answer_instead(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                           const sluice_manner_t *manner, sluice_failure_t failure)
{
    sluice_answer_t answer = {*way, sluice_now_ms(), 0, NULL, manner};

    if (failure & SLUICE_FAILURE_REMEMBERED)
        answer.cache_status = (sluice_cache_status_t){.forward = SLUICE_FORWARD_HIT, .ttl_s = ttl_s(object, answer.now_ms)};
    answer_in_place(loop, req, object, &answer, failure);
}

void sluice_answer_fallback(sluice_loop_t *loop, h2o_req_t *req, icache_object_t *object, const sluice_cache_status_t *way,
                            const sluice_manner_t *manner, sluice_failure_t failure)
{
    sluice_answer_t answer = {*way, sluice_now_ms(), 0, NULL, manner};

    if (failure & SLUICE_FAILURE_REMEMBERED)
        answer.cache_status = (sluice_cache_status_t){.forward = SLUICE_FORWARD_REMEMBERED};
    answer_in_place(loop, req, object, &answer, failure);
}

/* how long until what waits now is done, where it is the queue that is in the way */
static uint64_t retry_after_s(sluice_t *sluice, const sluice_error_info_t *info)
{
    uint64_t least_ms = sluice->settings.retry_after_ms, wait_ms = least_ms;
    pressure_queue_snapshot_t queue;

    if (info->kind == SLUICE_ERROR_OF_ROOM) {
        pressure_get_queue_snapshot(sluice->pressure, &queue);
        wait_ms = pressure_retry_after_ms(queue.waiting_bytes + queue.granted_bytes, queue.drain_bytes_per_s, least_ms,
                                          sluice->settings.max_retry_after_ms, (uint32_t)sluice_now_us() * UINT32_C(2654435761));
    }
    return (wait_ms + 999) / 1000;
}

void sluice_answer_failure(sluice_t *sluice, h2o_req_t *req, sluice_failure_t failure, const sluice_cache_status_t *way,
                           uint64_t remembered_ms)
{
    const sluice_error_info_t *info = sluice_errors + sluice_failure_error(failure);
    sluice_cache_status_t status = *way;
    char *remembered = NULL, *detail = h2o_mem_alloc_pool(&req->pool, SLUICE_FAILURE_DETAIL_MAX);

    sluice_failure_detail(failure, sluice->budget_bytes, pressure_largest_bytes(sluice->pressure), detail);

    if (info->negative && remembered_ms != 0) {
        remembered = h2o_mem_alloc_pool(&req->pool, 48);
        snprintf(remembered, 48, "public, max-age=%" PRIu64, (remembered_ms + 500) / 1000);
    }
    if (failure & SLUICE_FAILURE_REMEMBERED)
        status = (sluice_cache_status_t){.forward = SLUICE_FORWARD_REMEMBERED};
    status.fwd_status = sluice_failure_status(failure);
    status.detail = info->code;
    count_error(&sluice->stats, info);
    count_response(sluice, info->status);
    sluice_add_cache_status(req, &status);
    sluice_respond_problem(req, info->status, info->title, detail, info->code, remembered,
                           info->retry ? retry_after_s(sluice, info) : 0);
}

void sluice_answer_refusal(sluice_t *sluice, h2o_req_t *req, int status, const char *title, const char *detail, const char *code)
{
    sluice_count(&sluice->stats.bad_requests, 1);
    count_response(sluice, status);
    sluice_respond_problem(req, status, title, detail, code, NULL, 0);
}

void sluice_answer_nobody(sluice_t *sluice)
{
    count_response(sluice, 0);
}
