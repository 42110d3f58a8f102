/* a module with one directive, `ballast: ON` (path), whose handler makes the process hold and touch the number of MiB that the
 * query names, and answers when it is so: GET /ballast?100, and GET /ballast?0 to let go. GET /ballast?lock keeps the pages of all
 * memory that is mapped, so that the heap cannot give any back; answers 500 where the process may not do that */
#include <string.h>
#include <sys/mman.h>
#include "tests/e2e/modules/handler_module.h"

static struct st_ballast_t {
    pthread_mutex_t mutex;
    void *base;
    size_t bytes;
} ballast = {PTHREAD_MUTEX_INITIALIZER, NULL, 0};

/* grows or shrinks what is held, so that it is never more than the larger of the two */
static int hold_locked(size_t bytes)
{
    void *base = NULL;

    if (ballast.base == NULL && bytes != 0)
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else if (bytes != 0)
        base = mremap(ballast.base, ballast.bytes, bytes, MREMAP_MAYMOVE);
    else if (ballast.base != NULL)
        munmap(ballast.base, ballast.bytes);
    if (base == MAP_FAILED)
        return -1;
    if (bytes > ballast.bytes)
        memset((char *)base + ballast.bytes, 1, bytes - ballast.bytes);
    ballast.base = base;
    ballast.bytes = bytes;
    return 0;
}

static int hold(size_t bytes)
{
    pthread_mutex_lock(&ballast.mutex);
    int ret = hold_locked(bytes);
    pthread_mutex_unlock(&ballast.mutex);
    return ret;
}

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    const char *query = query_of(req);
    int failed = query != NULL && strcmp(query, "lock") == 0 ? mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
                                                             : hold(query != NULL ? strtoul(query, NULL, 10) << 20 : 0);

    (void)self;
    req->res.status = failed == 0 ? 200 : 500;
    req->res.reason = "as asked";
    h2o_send_inline(req, H2O_STRLIT(""));
    return 0;
}

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    return register_handler(globalconf, "ballast", on_req);
}
