/*
 * Work for a request that is not done on its loop:
 *
 *   loop: sluice_api_defer() --> clerk: work() --> loop: the answer, if the request is still there; dispose()
 *
 * There is one clerk, so that orders are carried out one after the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/api.h"
#include "module/operations.h"

/* from the request to its job, in the request's pool: either may end first. Only the loop looks */
struct st_link_t {
    h2o_req_t *req;
    struct st_deferred_t *job; /* NULL once it is done */
};

struct st_deferred_t {
    sluice_api_job_t super;
    sluice_task_t task;
    sluice_reply_t reply;
    health_operation_t operation;
    sluice_loop_t *loop;
    struct st_link_t *link; /* NULL once the request is gone */
    char *answer;           /* the text; NULL: memory was out */
    size_t answer_len;
};

static void run_job(sluice_task_t *task)
{
    struct st_deferred_t *job = H2O_STRUCT_FROM_MEMBER(struct st_deferred_t, task, task);
    health_text_t text;

    health_operation_enter(&job->operation, HEALTH_OPERATION_WORKING, sluice_now_ms(), sluice_operation_silence(job->super.sluice));
    /* a long answer takes its time to be written out: not the loop's */
    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    job->answer = health_json_dump(&text, job->super.work(&job->super), &job->answer_len);
    sluice_operation_end(job->super.sluice, &job->operation);
    sluice_loop_send_reply(job->loop, &job->reply);
}

/* what is ordered is in the path; a query is not shown */
static void begin_operation(struct st_deferred_t *job, const h2o_req_t *req)
{
    char path[HEALTH_OPERATION_TARGET_MAX + 1];
    size_t len = req->path_normalized.len < sizeof(path) - 1 ? req->path_normalized.len : sizeof(path) - 1;

    memcpy(path, req->path_normalized.base, len);
    path[len] = '\0';
    health_operation_begin(job->super.sluice->operations, &job->operation, HEALTH_OPERATION_ORDER, HEALTH_OPERATION_QUEUED,
                           sluice_now_ms(), "", path);
}

static void dispose_ctx(void (*dispose)(void *ctx), void *ctx)
{
    if (dispose != NULL)
        dispose(ctx);
}

/* consumes the text */
static void answer(struct st_deferred_t *job, h2o_req_t *req)
{
    if (job->super._code == NULL) {
        sluice_api_respond_text(req, job->super.status, "application/json", job->answer, job->answer_len);
        return;
    }
    free(job->answer);
    sluice_api_refuse(req, job->super.status, job->super._title, job->super._detail, job->super._code);
}

static void on_done(sluice_reply_t *reply)
{
    struct st_deferred_t *job = H2O_STRUCT_FROM_MEMBER(struct st_deferred_t, reply, reply);

    if (job->link != NULL) {
        job->link->job = NULL;
        answer(job, job->link->req);
    } else {
        free(job->answer);
    }
    dispose_ctx(job->super.dispose, job->super.ctx);
    free(job);
}

json_t *sluice_api_job_refuse(sluice_api_job_t *job, int status, const char *title, const char *detail, const char *code)
{
    job->status = status;
    job->_title = title;
    job->_code = code;
    snprintf(job->_detail, sizeof(job->_detail), "%s", detail);
    return NULL;
}

static void on_request_gone(void *_link)
{
    struct st_link_t *link = _link;

    if (link->job != NULL)
        link->job->link = NULL;
}

void sluice_api_defer(const sluice_api_call_t *call, json_t *(*work)(sluice_api_job_t *job), void *ctx, void (*dispose)(void *ctx))
{
    struct st_deferred_t *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        dispose_ctx(dispose, ctx);
        sluice_api_refuse_memory(call->req);
        return;
    }
    job->super = (sluice_api_job_t){.work = work, .dispose = dispose, .ctx = ctx, .sluice = call->sluice, .status = 200};
    job->link = h2o_mem_alloc_shared(&call->req->pool, sizeof(*job->link), on_request_gone);
    *job->link = (struct st_link_t){call->req, job};
    job->task.run = run_job;
    job->reply.on_arrival = on_done;
    job->loop = call->loop;
    begin_operation(job, call->req);
    sluice_loop_expect_reply(call->loop);
    sluice_pool_push(call->sluice->clerk, &job->task);
}

void sluice_api_defer_bare(const sluice_api_call_t *call, json_t *(*work)(sluice_api_job_t *job))
{
    json_t *body = sluice_api_read_body(call);

    if (body == NULL)
        return;
    size_t size = json_object_size(body);
    json_decref(body);
    if (size != 0)
        sluice_api_refuse(call->req, 400, "Bad Request", "this order takes no parameters: send no body, or {}", "bad-order");
    else
        sluice_api_defer(call, work, NULL, NULL);
}
