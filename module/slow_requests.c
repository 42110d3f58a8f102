#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "module/plain_target.h"
#include "module/respond.h"
#include "module/slow_requests.h"

static void copy_text(h2o_iovec_t text, char *dst, size_t size)
{
    sluice_plain_text(text.base, text.len, dst, size);
}

static void copy_field(const h2o_req_t *req, const char *name, char *dst, size_t size)
{
    ssize_t at = h2o_find_header_by_str(&req->res.headers, name, strlen(name), -1);

    copy_text(at != -1 ? req->res.headers.entries[at].value : h2o_iovec_init("", 0), dst, size);
}

static uint64_t body_bytes(const h2o_req_t *req)
{
    return req->res.content_length == SIZE_MAX || sluice_is_head(req) ? 0 : req->res.content_length;
}

static void describe(health_slow_request_t *slow, const h2o_req_t *req, int status, uint64_t waited_us)
{
    *slow = (health_slow_request_t){.at_ms = sluice_wall_ms(), .waited_us = waited_us, .bytes = body_bytes(req), .status = status};
    copy_text(req->input.method, slow->method, sizeof(slow->method));
    copy_text(req->input.authority, slow->host, sizeof(slow->host));
    sluice_plain_target(req->input.path.base, req->input.path.len, slow->target, sizeof(slow->target));
    copy_field(req, "cache-status", slow->cache_status, sizeof(slow->cache_status));
    copy_field(req, "server-timing", slow->server_timing, sizeof(slow->server_timing));
}

uint64_t sluice_slow_requests_note(sluice_t *sluice, const h2o_req_t *req, int status, uint64_t waited_us)
{
    health_slow_request_t slow;

    sluice_count(&sluice->stats.slow_requests, 1);
    describe(&slow, req, status, waited_us);
    return health_slow_add(sluice->slow, &slow);
}

void sluice_slow_requests_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    health_slow_request_t slow;
    uint64_t count = health_slow_news(sluice->slow, &sluice->slow_said_id, &slow);
    char more[48] = "";

    (void)observation;
    if (count > 1)
        snprintf(more, sizeof(more), "; and %" PRIu64 " more, not as slow", count - 1);
    if (count != 0)
        fprintf(stderr, "sluice: slow: %.3f s for %s %s%s: %d, %" PRIu64 " bytes; %s; %s%s\n", (double)slow.waited_us / 1e6,
                slow.method, slow.host, slow.target, slow.status, slow.bytes, slow.cache_status, slow.server_timing, more);
}
