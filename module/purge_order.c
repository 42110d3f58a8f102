#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "module/purge_order.h"

#define EXPECTED                                                                                                                   \
    "the body has to be {\"url\": \"/images/a.jpg\"}, {\"prefix\": \"/images/2024/\"} or {\"all\": true}; the first two take a "   \
    "\"host\" too"

static int refuse(char *error, const char *what, const char *of)
{
    snprintf(error, SLUICE_PURGE_ERROR_MAX, "%.80s%.100s: " EXPECTED, what, of);
    return -1;
}

static int has_unknown_name(json_t *root, const char **name)
{
    const char *known[] = {"url", "prefix", "all", "host"};
    json_t *value;

    json_object_foreach(root, *name, value)
    {
        size_t i = 0;
        while (i != sizeof(known) / sizeof(known[0]) && strcmp(known[i], *name) != 0)
            ++i;
        if (i == sizeof(known) / sizeof(known[0]))
            return 1;
    }
    return 0;
}

/* of "url", "prefix" and "all", exactly one */
static json_t *find_target(json_t *root, sluice_purge_kind_t *kind)
{
    static const char *const names[] = {[SLUICE_PURGE_URL] = "url", [SLUICE_PURGE_PREFIX] = "prefix", [SLUICE_PURGE_ALL] = "all"};
    json_t *found = NULL;

    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i) {
        json_t *value = json_object_get(root, names[i]);
        if (value != NULL && found != NULL)
            return NULL;
        if (value != NULL) {
            found = value;
            *kind = (sluice_purge_kind_t)i;
        }
    }
    return found;
}

static int copy_strings(sluice_purge_order_t *order, const char *path, const char *host)
{
    order->path = path != NULL ? strdup(path) : NULL;
    order->host = host != NULL ? strdup(host) : NULL;
    if ((path == NULL || order->path != NULL) && (host == NULL || order->host != NULL))
        return 0;
    sluice_purge_order_dispose(order);
    return -1;
}

static int read_object(json_t *root, sluice_purge_order_t *order, char *error)
{
    json_t *host = json_object_get(root, "host"), *target = find_target(root, &order->kind);
    const char *name, *path = json_string_value(target);

    if (has_unknown_name(root, &name))
        return refuse(error, "unknown name ", name);
    if (target == NULL)
        return refuse(error, "exactly one of url, prefix and all is needed", "");
    if (order->kind == SLUICE_PURGE_ALL) {
        if (!json_is_true(target) || host != NULL)
            return refuse(error, host != NULL ? "all is for every host" : "all takes true", "");
        return copy_strings(order, NULL, NULL) == 0 ? 0 : refuse(error, "out of memory", "");
    }
    if (path == NULL || path[0] != '/')
        return refuse(error, "url and prefix take the path of a URL, which starts with a slash", "");
    if (order->kind == SLUICE_PURGE_PREFIX && strchr(path, '?') != NULL)
        return refuse(error, "a prefix has no query", "");
    if (host != NULL && json_string_length(host) == 0)
        return refuse(error, "host takes a name", "");
    return copy_strings(order, path, json_string_value(host)) == 0 ? 0 : refuse(error, "out of memory", "");
}

int sluice_purge_order_parse(const char *body, size_t len, sluice_purge_order_t *order, char *error)
{
    json_error_t fault;
    json_t *root = json_loadb(body != NULL ? body : "", len, JSON_REJECT_DUPLICATES, &fault);
    int ret;

    *order = (sluice_purge_order_t){SLUICE_PURGE_ALL, NULL, NULL};
    if (json_is_object(root))
        ret = read_object(root, order, error);
    else
        ret = refuse(error, root != NULL ? "the body is no JSON object" : "the body is not JSON: ", root != NULL ? "" : fault.text);
    json_decref(root);
    return ret;
}

void sluice_purge_order_dispose(sluice_purge_order_t *order)
{
    free(order->path);
    free(order->host);
    order->path = order->host = NULL;
}
