/*
 * handlers.h - the h2o handlers of Sluice. Each create function adds one to a path while the configuration is read; the path owns
 * it.
 */
#ifndef module__handlers_h
#define module__handlers_h

#include <h2o.h>
#include "module/sluice.h"

/**
 * serves the pictures of an origin, which the handler owns from now on. Its settings may be changed until the first loop starts.
 */
void sluice_image_handler_create(h2o_pathconf_t *pathconf, sluice_origin_t *origin);
/**
 * the origin of a path that serves pictures, else NULL
 */
const sluice_origin_t *sluice_image_origin_of(const h2o_pathconf_t *pathconf);
/**
 * answers 503 from critical on, unless the path is exempt; must be the first handler of its path
 */
void sluice_front_filter_create(h2o_pathconf_t *pathconf, sluice_t *sluice);

/**
 * answers below the path: api.h
 */
void sluice_api_handler_create(h2o_pathconf_t *pathconf, sluice_t *sluice);
/**
 * answers at the path itself with all metrics
 */
void sluice_prometheus_handler_create(h2o_pathconf_t *pathconf, sluice_t *sluice);

/**
 * decoded path of a request below its path directive, with the slash in front; "" for the path itself
 */
static inline h2o_iovec_t sluice_local_path(const h2o_req_t *req)
{
    h2o_iovec_t prefix = req->pathconf->path;
    size_t prefix_len = prefix.len != 0 && prefix.base[prefix.len - 1] == '/' ? prefix.len - 1 : prefix.len;

    if (prefix_len > req->path_normalized.len)
        prefix_len = req->path_normalized.len;
    return h2o_iovec_init(req->path_normalized.base + prefix_len, req->path_normalized.len - prefix_len);
}

static inline h2o_iovec_t sluice_query(const h2o_req_t *req)
{
    if (req->query_at == SIZE_MAX)
        return h2o_iovec_init(NULL, 0);
    return h2o_iovec_init(req->path.base + req->query_at + 1, req->path.len - req->query_at - 1);
}

#endif
