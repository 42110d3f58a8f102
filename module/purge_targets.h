/*
 * purge_targets.h - from the path that clients use to the canonical keys of the sources behind it.
 *
 * A path of the configuration stands for a prefix of keys (its origin). Several paths, of several hosts, may stand for the same:
 * their keys are the same too, so that a purge by one of them takes the picture from all.
 */
#ifndef module__purge_targets_h
#define module__purge_targets_h

#include <h2o.h>
#include "module/handlers.h"
#include "module/purge_order.h"
#include "module/source_path.h"

typedef struct st_sluice_purge_target_t {
    icache_purge_kind_t kind;
    size_t len;
    char key[2 * SLUICE_SOURCE_PATH_MAX]; /* not NUL-terminated */
} sluice_purge_target_t;

typedef struct st_sluice_purge_targets_t {
    size_t size; /* 0: no picture can be there */
    sluice_purge_target_t entries[];
} sluice_purge_targets_t;

/**
 * what an order means: each key once. The result is the caller's, to be freed with free(); NULL when memory is out.
 * @param pool for scratch
 */
sluice_purge_targets_t *sluice_purge_targets_create(const h2o_globalconf_t *config, h2o_mem_pool_t *pool,
                                                    const sluice_purge_order_t *order);
/**
 * lists the paths that serve pictures with their hosts, as far as they fit; always NUL-terminated
 */
void sluice_purge_list_paths(const h2o_globalconf_t *config, char *buf, size_t buf_len);

#endif
