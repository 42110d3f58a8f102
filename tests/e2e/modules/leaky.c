/* a module with one directive, `leaky: ON` (path), whose handler allocates the number of KiB that the query names, writes to them,
 * and forgets them: GET /leaky?256 */
#include <string.h>
#include "tests/e2e/modules/handler_module.h"

static void leak(size_t bytes)
{
    char *volatile forgotten = malloc(bytes);

    if (forgotten != NULL)
        memset(forgotten, 1, bytes);
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    const char *query = query_of(req);

    (void)self;
    if (query != NULL)
        leak(strtoul(query, NULL, 10) << 10);
    req->res.status = 200;
    req->res.reason = "OK";
    h2o_send_inline(req, H2O_STRLIT(""));
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    return register_handler(globalconf, "leaky", on_req);
}
