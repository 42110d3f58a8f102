/*
 * The usual means, a chunk of h2o_mem_alloc_shared() with a dispose function, costs a malloc and a free per request. But
 * h2o_dispose_request() also calls the loggers of the request's path, right before it clears the pool, whatever the request has
 * come to: answered, reset, its connection closed. At that time nothing of its answer is on its way any more, or never will be.
 *
 * So every path has a logger that drops references. It finds them in the list of prefilters, which live in the request's pool, stay
 * with it when it is sent on internally (then its response is started anew), and are told from others by their function. As a
 * prefilter, ours does nothing.
 */
#include "module/hold.h"

struct st_held_t {
    h2o_req_prefilter_t super;
    icache_object_t *object;
};

static void pass_on(h2o_req_prefilter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    h2o_setup_next_prefilter(self, req, slot);
}

static void drop_held(h2o_logger_t *self, h2o_req_t *req)
{
    (void)self;
    for (h2o_req_prefilter_t *prefilter = req->prefilters; prefilter != NULL; prefilter = prefilter->next)
        if (prefilter->on_setup_ostream == pass_on)
            icache_object_unref(&((struct st_held_t *)(void *)prefilter)->object);
}

void sluice_hold(h2o_req_t *req, icache_object_t *object)
{
    struct st_held_t *held = (struct st_held_t *)(void *)h2o_add_prefilter(req, sizeof(*held));

    held->super.on_setup_ostream = pass_on;
    held->object = object;
}

static void add_logger(h2o_pathconf_t *pathconf)
{
    h2o_create_logger(pathconf, sizeof(h2o_logger_t))->log_access = drop_held;
}

void sluice_hold_register(h2o_globalconf_t *globalconf)
{
    for (h2o_hostconf_t **host = globalconf->hosts; host != NULL && *host != NULL; ++host) {
        for (size_t i = 0; i != (*host)->paths.size; ++i)
            add_logger((*host)->paths.entries + i);
        add_logger(&(*host)->fallback_path);
    }
}
