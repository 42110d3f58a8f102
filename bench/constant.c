/*
 * The ceiling of the host: a module with one directive, `constant.file: FILE` (path), whose handler answers every request with the
 * bytes of that file from memory, without looking at the request, under the same headers as a hit of Sluice. What is above its cost
 * is ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>

int h2o_module_register(h2o_globalconf_t *globalconf);

struct st_constant_handler_t {
    h2o_handler_t super;
    h2o_iovec_t body;
};

static int on_req(h2o_handler_t *_self, h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};
    struct st_constant_handler_t *self = (void *)_self;
    h2o_headers_t *headers = &req->res.headers;

    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = self->body.len;
    h2o_add_header(&req->pool, headers, H2O_TOKEN_CONTENT_TYPE, NULL, H2O_STRLIT("image/jpeg"));
    h2o_add_header(&req->pool, headers, H2O_TOKEN_ACCEPT_RANGES, NULL, H2O_STRLIT("bytes"));
    h2o_add_header(&req->pool, headers, H2O_TOKEN_ETAG, NULL, H2O_STRLIT("\"00000000000000000000000000000000\""));
    h2o_add_header(&req->pool, headers, H2O_TOKEN_LAST_MODIFIED, NULL, H2O_STRLIT("Sun, 06 Nov 1994 08:49:37 GMT"));
    h2o_add_header(&req->pool, headers, H2O_TOKEN_CACHE_CONTROL, NULL, H2O_STRLIT("public, max-age=3600"));
    h2o_add_header(&req->pool, headers, H2O_TOKEN_AGE, NULL, H2O_STRLIT("10"));
    h2o_add_header_by_str(&req->pool, headers, H2O_STRLIT("cache-status"), 0, NULL, H2O_STRLIT("sluice; hit; ttl=3590"));
    h2o_start_response(req, &generator);
    h2o_send(req, &self->body, 1, H2O_SEND_STATE_FINAL);
    return 0;
}

static int read_file(const char *path, h2o_iovec_t *body)
{
    FILE *file = fopen(path, "rb");
    long len;

    if (file == NULL)
        return -1;
    if (fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0) {
        *body = h2o_iovec_init(h2o_mem_alloc((size_t)len), (size_t)len);
        if (fread(body->base, 1, body->len, file) != body->len)
            body->len = 0;
    }
    fclose(file);
    return body->len != 0 ? 0 : -1;
}

static int on_file(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    h2o_iovec_t body = {NULL, 0};

    if (read_file(node->data.scalar, &body) != 0) {
        h2o_configurator_errprintf(cmd, node, "`%s` cannot be read, or is empty", node->data.scalar);
        return -1;
    }
    struct st_constant_handler_t *self = (void *)h2o_create_handler(ctx->pathconf, sizeof(*self));
    self->super.on_req = on_req;
    self->body = body;
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    h2o_configurator_t *configurator = h2o_configurator_create(globalconf, sizeof(*configurator));

    h2o_configurator_define_command(configurator, "constant.file", H2O_CONFIGURATOR_FLAG_PATH | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR,
                                    on_file);
    return 0;
}
