/*
 * POST /api/cache/purge: from the path that clients use to the canonical keys of the sources behind it, and from these to the
 * caches.
 *
 *   on the loop: body? --> which paths of the configuration serve pictures there --> keys
 *   deferred:    twice: metadata, then objects and flights
 *
 * Twice, because a rendition that starts while the first round is under way may still find the old source, and outlive the round.
 * After it there is no old source to be found, so that the second round takes the last that was made of one.
 */
#include <stdlib.h>
#include <string.h>
#include "module/api.h"
#include "module/purge_targets.h"

#define NUM_ROUNDS 2

struct st_purge_t {
    icache_purged_t purged;
    uint64_t num_records, started_us;
};

/* --- deferred */

static int record_matches(void *_target, const char *key, size_t key_len)
{
    const sluice_purge_target_t *target = _target;

    return icache_purge_matches(target->kind, target->key, target->len, key, key_len);
}

static void purge_target(sluice_t *sluice, sluice_purge_target_t *target, struct st_purge_t *purge)
{
    icache_purged_t purged;

    /* the records first: from then on nothing that was learnt earlier is remembered */
    purge->num_records += icache_meta_purge(sluice->metadata, record_matches, target);
    icache_purge(sluice->cache, target->kind, target->key, target->len, &purged);
    for (size_t i = 0; i != ICACHE_NUM_CLASSES; ++i)
        purge->purged.objects[i] += purged.objects[i];
    purge->purged.bytes += purged.bytes;
    purge->purged.flights += purged.flights;
}

static json_t *new_answer(const struct st_purge_t *purge)
{
    json_t *json = json_object();

    health_json_add(&json, "renditions", health_json_integer(purge->purged.objects[ICACHE_CLASS_RENDITION]));
    health_json_add(&json, "sources", health_json_integer(purge->purged.objects[ICACHE_CLASS_SOURCE]));
    health_json_add(&json, "bytes", health_json_integer(purge->purged.bytes));
    health_json_add(&json, "flights", health_json_integer(purge->purged.flights));
    health_json_add(&json, "records", health_json_integer(purge->num_records));
    health_json_add(&json, "duration_ms", health_json_real((double)(sluice_now_us() - purge->started_us) / 1000, 1e3));
    return json;
}

static json_t *purge_targets(sluice_api_job_t *job)
{
    sluice_purge_targets_t *targets = job->ctx;
    struct st_purge_t purge = {.started_us = sluice_now_us()};

    for (int round = 0; round != NUM_ROUNDS; ++round)
        for (size_t i = 0; i != targets->size; ++i)
            purge_target(job->sluice, targets->entries + i, &purge);
    json_t *answer = new_answer(&purge);
    health_events_publish(job->sluice->events, "purge", sluice_wall_ms(), json_copy(answer));
    return answer;
}

/* --- on the loop */

static void refuse_unknown_path(h2o_req_t *req)
{
    char detail[600] = "no picture can be at this path; they are served below ";
    size_t len = strlen(detail);

    sluice_purge_list_paths(req->conn->ctx->globalconf, detail + len, sizeof(detail) - len);
    sluice_api_refuse(req, 404, "Not Found", detail, "no-pictures-here");
}

static void take_order(const sluice_api_call_t *call, const sluice_purge_order_t *order)
{
    h2o_req_t *req = call->req;
    sluice_purge_targets_t *targets = sluice_purge_targets_create(req->conn->ctx->globalconf, &req->pool, order);

    if (targets == NULL) {
        sluice_api_refuse_memory(req);
    } else if (targets->size == 0) {
        free(targets);
        refuse_unknown_path(req);
    } else {
        sluice_api_defer(call, purge_targets, targets, free);
    }
}

void sluice_api_purge(const sluice_api_call_t *call)
{
    h2o_iovec_t body = call->req->entity;
    sluice_purge_order_t order;
    char error[SLUICE_PURGE_ERROR_MAX];

    if (body.len > SLUICE_PURGE_BODY_MAX) {
        sluice_api_refuse(call->req, 413, "Content Too Large", "the order of a purge has at most 16384 bytes", "order-too-large");
    } else if (sluice_purge_order_parse(body.base, body.len, &order, error) != 0) {
        sluice_api_refuse(call->req, 400, "Bad Request", error, "bad-order");
    } else {
        take_order(call, &order);
        sluice_purge_order_dispose(&order);
    }
}
