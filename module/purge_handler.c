/*
 * POST /api/cache/purge: from the path that clients use to the canonical keys of the sources behind it, and from these to the
 * caches, on a reader's thread.
 *
 *   on the loop: token? body? --> which paths of the configuration serve pictures there --> keys
 *   reader:      twice: metadata, then objects and flights         loop: answer, if the request is still there
 *
 * Twice, because a rendition that starts while the first round is under way may still find the old source, and outlive the round.
 * After it there is no old source to be found, so that the second round takes the last that was made of one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <netinet/in.h>
#include "module/handlers.h"
#include "module/loop.h"
#include "module/purge_targets.h"
#include "module/respond.h"

#define NUM_ROUNDS 2

/* from the request to its job, in the request's pool: either may end first. Only the loop looks */
struct st_link_t {
    h2o_req_t *req;
    struct st_purge_t *job; /* NULL once it is done */
};

struct st_purge_t {
    sluice_task_t task;
    sluice_reply_t reply;
    sluice_loop_t *loop;
    struct st_link_t *link; /* NULL once the request is gone */
    icache_purged_t purged;
    uint64_t num_records, started_us;
    sluice_purge_targets_t *targets;
};

/* --- on a reader's thread */

static int record_matches(void *_target, const char *key, size_t key_len)
{
    const sluice_purge_target_t *target = _target;

    return icache_purge_matches(target->kind, target->key, target->len, key, key_len);
}

static void purge_target(struct st_purge_t *job, sluice_purge_target_t *target)
{
    sluice_t *sluice = job->loop->sluice;
    icache_purged_t purged;

    /* the records first: from then on nothing that was learnt earlier is remembered */
    job->num_records += icache_meta_purge(sluice->metadata, record_matches, target);
    icache_purge(sluice->cache, target->kind, target->key, target->len, &purged);
    for (size_t i = 0; i != ICACHE_NUM_CLASSES; ++i)
        job->purged.objects[i] += purged.objects[i];
    job->purged.bytes += purged.bytes;
    job->purged.flights += purged.flights;
}

static void run_purge(sluice_task_t *task)
{
    struct st_purge_t *job = (struct st_purge_t *)(void *)task;

    for (int round = 0; round != NUM_ROUNDS; ++round)
        for (size_t i = 0; i != job->targets->size; ++i)
            purge_target(job, job->targets->entries + i);
    sluice_loop_send_reply(job->loop, &job->reply);
}

/* --- on the loop */

static void respond_purged(h2o_req_t *req, const struct st_purge_t *job)
{
    json_t *json =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "renditions", (json_int_t)job->purged.objects[ICACHE_CLASS_RENDITION],
                  "sources", (json_int_t)job->purged.objects[ICACHE_CLASS_SOURCE], "bytes", (json_int_t)job->purged.bytes,
                  "flights", (json_int_t)job->purged.flights, "records", (json_int_t)job->num_records, "duration_ms",
                  (double)(sluice_now_us() - job->started_us) / 1000);
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));

    json_decref(json);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("no-store"));
    /* it is done, even where there is no memory for the numbers */
    sluice_respond_text(req, 200, "OK", "application/json", text != NULL ? text : "{}", text != NULL ? strlen(text) : 2);
    free(text);
}

static void free_job(struct st_purge_t *job)
{
    free(job->targets);
    free(job);
}

static void on_purged(sluice_reply_t *reply)
{
    struct st_purge_t *job = H2O_STRUCT_FROM_MEMBER(struct st_purge_t, reply, reply);

    if (job->link != NULL) {
        job->link->job = NULL;
        respond_purged(job->link->req, job);
    }
    free_job(job);
}

static void on_request_gone(void *_link)
{
    struct st_link_t *link = _link;

    if (link->job != NULL)
        link->job->link = NULL;
}

static void start_purge(struct st_purge_t *job, sluice_loop_t *loop, h2o_req_t *req)
{
    job->link = h2o_mem_alloc_shared(&req->pool, sizeof(*job->link), on_request_gone);
    *job->link = (struct st_link_t){req, job};
    job->task.run = run_purge;
    job->reply.on_arrival = on_purged;
    job->loop = loop;
    job->started_us = sluice_now_us();
    sluice_loop_expect_reply(loop);
    sluice_pool_push(loop->sluice->readers, &job->task);
}

/* --- refusals */

static void refuse(h2o_req_t *req, int status, const char *title, const char *detail, const char *code)
{
    sluice_respond_problem(req, status, title, detail, code, NULL, 0);
}

static void refuse_unknown_path(h2o_req_t *req)
{
    char detail[600] = "no picture can be at this path; they are served below ";
    size_t len = strlen(detail);

    sluice_purge_list_paths(req->conn->ctx->globalconf, detail + len, sizeof(detail) - len);
    refuse(req, 404, "Not Found", detail, "no-pictures-here");
}

static h2o_iovec_t client_network(h2o_req_t *req, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (void *)address;
    struct sockaddr_in6 *v6 = (void *)address;

    address->ss_family = AF_UNSPEC;
    req->conn->callbacks->get_peername(req->conn, (void *)address);
    if (address->ss_family == AF_INET)
        return h2o_iovec_init((char *)&v4->sin_addr, sizeof(v4->sin_addr));
    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return h2o_iovec_init((char *)&v6->sin6_addr + 12, 4);
    if (address->ss_family == AF_INET6) /* a network of the usual size is one client's */
        return h2o_iovec_init((char *)&v6->sin6_addr, 8);
    return h2o_iovec_init("", 0);
}

static int refuse_stranger(h2o_req_t *req, sluice_admin_t *admin)
{
    ssize_t at = h2o_find_header(&req->headers, H2O_TOKEN_AUTHORIZATION, -1);
    h2o_iovec_t header = at != -1 ? req->headers.entries[at].value : h2o_iovec_init(NULL, 0);
    struct sockaddr_storage address;
    h2o_iovec_t network = client_network(req, &address);

    switch (sluice_admin_check(admin, header.base, header.len, network.base, network.len, sluice_now_ms())) {
    case SLUICE_ADMIN_ALLOWED:
        return 0;
    case SLUICE_ADMIN_LIMITED:
        sluice_respond_problem(req, 429, "Too Many Requests", "too many wrong tokens came from this address; wait, then try again",
                               "too-many-attempts", NULL, (SLUICE_ADMIN_RETRY_MS + 999) / 1000);
        return 1;
    default:
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("www-authenticate"), 1, NULL,
                              H2O_STRLIT("Bearer realm=\"sluice\""));
        refuse(req, 401, "Unauthorized", "send Authorization: Bearer TOKEN, with the token that health.admin-token names",
               "unauthorized");
        return 1;
    }
}

static struct st_purge_t *create_job(h2o_req_t *req, const sluice_purge_order_t *order)
{
    struct st_purge_t *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    if ((job->targets = sluice_purge_targets_create(req->conn->ctx->globalconf, &req->pool, order)) == NULL) {
        free(job);
        return NULL;
    }
    return job;
}

static void take_order(h2o_req_t *req, sluice_loop_t *loop, const sluice_purge_order_t *order)
{
    struct st_purge_t *job = create_job(req, order);

    if (job == NULL) {
        refuse(req, 503, "Service Unavailable", "the system refused memory for this purge", "out-of-memory");
    } else if (job->targets->size == 0) {
        free_job(job);
        refuse_unknown_path(req);
    } else {
        start_purge(job, loop, req);
    }
}

void sluice_purge_on_req(h2o_req_t *req, sluice_loop_t *loop)
{
    sluice_purge_order_t order;
    char error[SLUICE_PURGE_ERROR_MAX];

    if (!h2o_memis(req->method.base, req->method.len, H2O_STRLIT("POST"))) {
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("allow"), 1, NULL, H2O_STRLIT("POST"));
        refuse(req, 405, "Method Not Allowed", "a purge is a POST", "method-not-allowed");
    } else if (refuse_stranger(req, loop->sluice->admin)) {
        return;
    } else if (req->entity.len > SLUICE_PURGE_BODY_MAX) {
        refuse(req, 413, "Content Too Large", "the order of a purge has at most 16384 bytes", "order-too-large");
    } else if (sluice_purge_order_parse(req->entity.base, req->entity.len, &order, error) != 0) {
        refuse(req, 400, "Bad Request", error, "bad-order");
    } else {
        take_order(req, loop, &order);
        sluice_purge_order_dispose(&order);
    }
}
