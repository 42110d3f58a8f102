#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/purge_targets.h"

static int host_matches(const h2o_hostconf_t *hostconf, const char *host)
{
    const h2o_iovec_t *names[] = {&hostconf->authority.hostport, &hostconf->authority.host};

    if (host == NULL)
        return 1;
    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        if (h2o_lcstris(host, strlen(host), names[i]->base, names[i]->len))
            return 1;
    return 0;
}

/* the path of a directive without its slash at the end */
static h2o_iovec_t mount_of(const h2o_pathconf_t *pathconf)
{
    h2o_iovec_t path = pathconf->path;

    if (path.len != 0 && path.base[path.len - 1] == '/')
        --path.len;
    return path;
}

static int starts_with(h2o_iovec_t text, h2o_iovec_t prefix)
{
    return text.len >= prefix.len && memcmp(text.base, prefix.base, prefix.len) == 0;
}

/* whether h2o would give a request for `path` to this directive, if no earlier one took it; *rest is what comes behind the slash */
static int is_below(h2o_iovec_t path, const h2o_pathconf_t *pathconf, h2o_iovec_t *rest)
{
    h2o_iovec_t mount = mount_of(pathconf);

    if (!starts_with(path, mount) || path.len == mount.len || path.base[mount.len] != '/')
        return 0;
    *rest = h2o_iovec_init(path.base + mount.len + 1, path.len - mount.len - 1);
    return 1;
}

static void add_target(sluice_purge_targets_t *targets, const sluice_origin_t *origin, icache_purge_kind_t kind, h2o_iovec_t rest)
{
    sluice_purge_target_t *target = targets->entries + targets->size;
    size_t prefix_len = strlen(origin->key_prefix), len = 0;

    memcpy(target->key, origin->key_prefix, prefix_len); /* its length was checked when the configuration was read */
    if (rest.len != 0 &&
        (len = sluice_source_path_encode(rest.base, rest.len, target->key + prefix_len, sizeof(target->key) - prefix_len)) == 0)
        return; /* longer than any key */
    target->kind = kind;
    target->len = prefix_len + len;
    for (size_t i = 0; i != targets->size; ++i)
        if (h2o_memis(targets->entries[i].key, targets->entries[i].len, target->key, target->len))
            return; /* another path to the same */
    ++targets->size;
}

static void add_url(sluice_purge_targets_t *targets, const h2o_hostconf_t *hostconf, h2o_iovec_t path)
{
    for (size_t i = 0; i != hostconf->paths.size; ++i) {
        const h2o_pathconf_t *pathconf = hostconf->paths.entries + i;
        const sluice_origin_t *origin = sluice_image_origin_of(pathconf);
        h2o_iovec_t rest;
        if (!is_below(path, pathconf, &rest))
            continue;
        if (origin != NULL && sluice_source_path_ok(rest.base, rest.len))
            add_target(targets, origin, ICACHE_PURGE_ITEM, rest);
        return; /* h2o asks no further one either */
    }
}

static void add_prefix(sluice_purge_targets_t *targets, const h2o_hostconf_t *hostconf, h2o_iovec_t path)
{
    for (size_t i = 0; i != hostconf->paths.size; ++i) {
        const h2o_pathconf_t *pathconf = hostconf->paths.entries + i;
        const sluice_origin_t *origin = sluice_image_origin_of(pathconf);
        h2o_iovec_t rest = h2o_iovec_init(NULL, 0);
        if (origin != NULL && (starts_with(mount_of(pathconf), path) || is_below(path, pathconf, &rest)))
            add_target(targets, origin, ICACHE_PURGE_PREFIX, rest);
    }
}

static void add_paths(sluice_purge_targets_t *targets, const h2o_globalconf_t *config, h2o_mem_pool_t *pool,
                      const sluice_purge_order_t *order)
{
    size_t query_at, *indexes;
    /* as h2o does it for a request; a query goes, for a picture is purged with all of its renditions */
    h2o_iovec_t path = h2o_url_normalize_path(pool, order->path, strlen(order->path), &query_at, &indexes);

    for (h2o_hostconf_t **hosts = config->hosts; *hosts != NULL; ++hosts) {
        if (!host_matches(*hosts, order->host))
            continue;
        if (order->kind == SLUICE_PURGE_URL)
            add_url(targets, *hosts, path);
        else
            add_prefix(targets, *hosts, path);
    }
}

sluice_purge_targets_t *sluice_purge_targets_create(const h2o_globalconf_t *config, h2o_mem_pool_t *pool,
                                                    const sluice_purge_order_t *order)
{
    size_t max = 1;

    for (h2o_hostconf_t **hosts = config->hosts; *hosts != NULL; ++hosts)
        max += (*hosts)->paths.size;
    sluice_purge_targets_t *targets = calloc(1, sizeof(*targets) + max * sizeof(targets->entries[0]));
    if (targets == NULL)
        return NULL;
    if (order->kind == SLUICE_PURGE_ALL)
        targets->entries[targets->size++].kind = ICACHE_PURGE_ALL;
    else
        add_paths(targets, config, pool, order);
    return targets;
}

void sluice_purge_list_paths(const h2o_globalconf_t *config, char *buf, size_t buf_len)
{
    const char *separator = "";
    size_t len = 0;

    buf[0] = '\0';
    for (h2o_hostconf_t **hosts = config->hosts; *hosts != NULL; ++hosts) {
        for (size_t i = 0; i != (*hosts)->paths.size && len < buf_len; ++i) {
            const h2o_pathconf_t *pathconf = (*hosts)->paths.entries + i;
            if (sluice_image_origin_of(pathconf) == NULL)
                continue;
            len += (size_t)snprintf(buf + len, buf_len - len, "%s%s (host %s)", separator, pathconf->path.base,
                                    (*hosts)->authority.hostport.base);
            separator = ", ";
        }
    }
}
