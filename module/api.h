/*
 * api.h - the routes below the path of health.api, and what their handlers share.
 *
 * Every route is one row of the table in api_routes.c: path, method, who may, handler. api_handler.c looks the row up, refuses
 * wrong methods and strangers, and calls the handler on the event loop of the request. A handler answers at once from numbers that
 * are there, or leaves what may take long (or blocks) to a thread: sluice_api_defer().
 *
 * Rules for handlers: they answer at every level, allocate no image memory, and wait for no lock that a worker may hold for longer
 * than it takes to copy some numbers.
 */
#ifndef module__api_h
#define module__api_h

#include <h2o.h>
#include <jansson.h>
#include "health/health.h"
#include "health/json.h"
#include "module/handlers.h"
#include "module/loop.h"

#define SLUICE_API_BODY_MAX 16384

typedef enum en_sluice_api_method_t { SLUICE_API_GET = 1 /* and HEAD */, SLUICE_API_POST = 2 } sluice_api_method_t;

typedef struct st_sluice_api_call_t {
    h2o_req_t *req;
    sluice_t *sluice;
    sluice_loop_t *loop;
    h2o_iovec_t rest; /* of the path, decoded, behind that of a route that ends in a slash; else empty */
} sluice_api_call_t;

typedef void (*sluice_api_cb)(const sluice_api_call_t *call);

typedef struct st_sluice_api_route_t {
    const char *path; /* below the path of health.api; one that ends in a slash takes all that is below it */
    sluice_api_method_t method;
    int admin; /* only with the token; without health.admin-token there is no such route */
    sluice_api_cb on_call;
} sluice_api_route_t;

extern const sluice_api_route_t sluice_api_routes[];
extern const size_t sluice_num_api_routes;

/* --- answers: api_respond.c. All of them say no-store */

/**
 * @param text is freed with free(); NULL: memory is out, 503
 */
void sluice_api_respond_text(h2o_req_t *req, int status, const char *content_type, char *text, size_t len);
/**
 * @param json is consumed; NULL: memory is out, 503
 */
void sluice_api_respond_json(h2o_req_t *req, int status, json_t *json);
/**
 * @param write one of the writers of Prometheus text of health.h
 */
void sluice_api_respond_prometheus(h2o_req_t *req, sluice_t *sluice,
                                   char *(*write)(const health_snapshot_t *snapshot, size_t *len));
/**
 * problem details; the detail names what to change
 */
void sluice_api_refuse(h2o_req_t *req, int status, const char *title, const char *detail, const char *code);
/**
 * problem details when memory is out on the way to an answer
 */
void sluice_api_refuse_memory(h2o_req_t *req);
/**
 * the object that the body of a POST is; an empty body is an empty object. NULL: refused, with what is wrong (400 bad-order, 413
 * order-too-large). To be released with json_decref().
 */
json_t *sluice_api_read_body(const sluice_api_call_t *call);
/**
 * the value of a parameter of the query, as it stands there; base NULL: there is none
 */
h2o_iovec_t sluice_api_parameter(const h2o_req_t *req, const char *name);
/**
 * returns 0, or -1 unless text is a number of 1 to 18 digits and nothing else; *number may be anything then
 */
int sluice_api_parse_number(h2o_iovec_t text, uint64_t *number);

/* --- what takes longer: api_defer.c */

typedef struct st_sluice_api_job_t {
    /**
     * on a thread of its own kind, where it may block: fills in status (200) and returns the answer, or NULL when memory is out.
     * The request may be gone by then: nothing of it may be touched.
     */
    json_t *(*work)(struct st_sluice_api_job_t *job);
    void (*dispose)(void *ctx); /* on the loop; may be NULL */
    void *ctx;
    sluice_t *sluice;
    int status;
    /* set by sluice_api_job_refuse(); code NULL: it was not called */
    const char *_title, *_code;
    char _detail[600];
} sluice_api_job_t;

/**
 * has the work done, one job after the other, and answers with what it returns. Takes over ctx in any case.
 */
void sluice_api_defer(const sluice_api_call_t *call, json_t *(*work)(sluice_api_job_t *job), void *ctx, void (*dispose)(void *ctx));
/**
 * the same for an order without parameters: a body that says more than {} is refused, so that nobody takes it for heard
 */
void sluice_api_defer_bare(const sluice_api_call_t *call, json_t *(*work)(sluice_api_job_t *job));

/**
 * for work(), which returns what this returns: has the request answered with problem details. The detail is copied, the others stay
 * the caller's.
 */
json_t *sluice_api_job_refuse(sluice_api_job_t *job, int status, const char *title, const char *detail, const char *code);

/* --- handlers, one file each */

void sluice_api_health(const sluice_api_call_t *call);
void sluice_api_dashboard(const sluice_api_call_t *call);
void sluice_api_cache_metrics(const sluice_api_call_t *call);
void sluice_api_slow(const sluice_api_call_t *call);
void sluice_api_purge(const sluice_api_call_t *call);
void sluice_api_events(const sluice_api_call_t *call);
void sluice_api_simulate(const sluice_api_call_t *call);
void sluice_api_live(const sluice_api_call_t *call);
void sluice_api_ready(const sluice_api_call_t *call);
void sluice_api_coordination(const sluice_api_call_t *call);
void sluice_api_memory_stats(const sluice_api_call_t *call);
void sluice_api_memory_heap(const sluice_api_call_t *call);
void sluice_api_memory_process(const sluice_api_call_t *call);
void sluice_api_memory_consumers(const sluice_api_call_t *call);
void sluice_api_memory_consumer(const sluice_api_call_t *call);
void sluice_api_memory_trend(const sluice_api_call_t *call);
void sluice_api_memory_report(const sluice_api_call_t *call);
void sluice_api_leaks(const sluice_api_call_t *call);
void sluice_api_leaks_check(const sluice_api_call_t *call);
void sluice_api_leaks_configure(const sluice_api_call_t *call);
void sluice_api_leaks_clear(const sluice_api_call_t *call);
void sluice_api_operations(const sluice_api_call_t *call);
void sluice_api_alerts(const sluice_api_call_t *call);
void sluice_api_change_alerts(const sluice_api_call_t *call);
void sluice_api_entries(const sluice_api_call_t *call);
void sluice_api_trim(const sluice_api_call_t *call);
void sluice_api_cleanup(const sluice_api_call_t *call);
void sluice_api_snapshot(const sluice_api_call_t *call);

#endif
