#include <stdlib.h>
#include <string.h>
#include "module/api.h"
#include "module/health_snapshot.h"
#include "module/respond.h"

static const char *reason_of(int status)
{
    return status == 200 ? "OK" : status == 202 ? "Accepted" : status == 503 ? "Service Unavailable" : "Error";
}

void sluice_api_respond_text(h2o_req_t *req, int status, const char *content_type, char *text, size_t len)
{
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("no-store"));
    if (text != NULL)
        sluice_respond_text(req, status, reason_of(status), content_type, text, len);
    else
        sluice_respond_text(req, 503, reason_of(503), "text/plain", H2O_STRLIT("out of memory\n"));
    free(text);
}

void sluice_api_respond_json(h2o_req_t *req, int status, json_t *json)
{
    health_text_t text;
    size_t len = 0;

    health_text_init(&text, HEALTH_MAX_TEXT_BYTES, realloc);
    char *bytes = health_json_dump(&text, json, &len);
    sluice_api_respond_text(req, status, "application/json", bytes, len);
}

void sluice_api_respond_prometheus(h2o_req_t *req, sluice_t *sluice, char *(*write)(const health_snapshot_t *, size_t *))
{
    health_snapshot_t snapshot;
    size_t len = 0;

    sluice_health_snapshot(sluice, &snapshot);
    char *text = write(&snapshot, &len);
    sluice_health_snapshot_dispose(&snapshot);
    sluice_api_respond_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}

void sluice_api_refuse(h2o_req_t *req, int status, const char *title, const char *detail, const char *code)
{
    sluice_respond_problem(req, status, title, detail, code, NULL, 0);
}

void sluice_api_refuse_memory(h2o_req_t *req)
{
    sluice_api_refuse(req, 503, "Service Unavailable", "the system refused memory for this request", "out-of-memory");
}

json_t *sluice_api_read_body(const sluice_api_call_t *call)
{
    h2o_iovec_t body = call->req->entity;
    json_error_t error;
    json_t *object;

    if (body.len > SLUICE_API_BODY_MAX) {
        sluice_api_refuse(call->req, 413, "Content Too Large", "the body of an order has at most 16384 bytes", "order-too-large");
        return NULL;
    }
    if (body.len == 0)
        return json_object();
    if ((object = json_loadb(body.base, body.len, JSON_REJECT_DUPLICATES, &error)) != NULL && json_is_object(object))
        return object;
    json_decref(object);
    sluice_api_refuse(call->req, 400, "Bad Request", "the body has to be a JSON object, with no name there twice", "bad-order");
    return NULL;
}

h2o_iovec_t sluice_api_parameter(const h2o_req_t *req, const char *name)
{
    h2o_iovec_t query = sluice_query(req);
    size_t at = 0, name_len = strlen(name);

    while (at < query.len) {
        const char *amp = memchr(query.base + at, '&', query.len - at);
        size_t len = amp != NULL ? (size_t)(amp - query.base) - at : query.len - at;
        if (len > name_len && memcmp(query.base + at, name, name_len) == 0 && query.base[at + name_len] == '=')
            return h2o_iovec_init(query.base + at + name_len + 1, len - name_len - 1);
        at += len + 1;
    }
    return h2o_iovec_init(NULL, 0);
}

int sluice_api_parse_number(h2o_iovec_t text, uint64_t *number)
{
    *number = 0;
    if (text.len == 0 || text.len > 18)
        return -1;
    for (size_t i = 0; i != text.len; ++i) {
        if (text.base[i] < '0' || text.base[i] > '9')
            return -1;
        *number = *number * 10 + (uint64_t)(text.base[i] - '0');
    }
    return 0;
}
