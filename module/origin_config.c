#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/origin_config.h"
#include "module/origin_url.h"
#include "module/source_path.h"

static int has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static char *with_slash(const char *prefix, const char *text)
{
    size_t len = strlen(text);
    char *result = NULL;

    if (asprintf(&result, "%s%s%s", prefix, text, len != 0 && text[len - 1] == '/' ? "" : "/") == -1)
        return NULL;
    return result;
}

static int set_url(sluice_origin_t *origin, const char *value, char *error, size_t error_len)
{
    const char *fault = sluice_base_url_read(value, &origin->guard.base);

    if (fault != NULL) {
        snprintf(error, error_len, "`%.200s` is not a base URL: %s", value, fault);
        return -1;
    }
    origin->url = with_slash("", value);
    origin->key_prefix = with_slash("", value);
    return origin->url != NULL && origin->key_prefix != NULL ? 0 : -1;
}

static int set_directory(sluice_origin_t *origin, const char *value, const char *base_dir, char *error, size_t error_len)
{
    char *joined = NULL, *real = NULL;

    if (asprintf(&joined, "%s%s%s", value[0] == '/' ? "" : base_dir, value[0] == '/' ? "" : "/", value) == -1)
        return -1;
    origin->directory_fd = open(joined, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (origin->directory_fd == -1)
        snprintf(error, error_len, "directory `%.300s`: %s", joined, strerror(errno));
    else if ((real = realpath(joined, NULL)) == NULL || strlen(real) > SLUICE_SOURCE_PATH_MAX / 2)
        snprintf(error, error_len, "directory `%.300s` has no usable path", joined);
    else
        origin->key_prefix = with_slash("file://", real);
    free(real);
    free(joined);
    return origin->key_prefix != NULL ? 0 : -1;
}

sluice_origin_t *sluice_origin_create(sluice_t *sluice, const char *value, const char *base_dir, char *error, size_t error_len)
{
    sluice_origin_t *origin = calloc(1, sizeof(*origin));
    int ret;

    snprintf(error, error_len, "out of memory");
    if (origin == NULL)
        return NULL;
    origin->sluice = sluice;
    origin->directory_fd = -1;
    if (has_prefix(value, "http://") || has_prefix(value, "https://")) {
        ret = set_url(origin, value, error, error_len);
    } else if (strstr(value, "://") != NULL) {
        snprintf(error, error_len, "`%s` is neither an http or https URL nor a directory", value);
        ret = -1;
    } else {
        ret = set_directory(origin, value, base_dir, error, error_len);
    }
    if (ret == 0)
        return origin;
    sluice_origin_destroy(&origin);
    return NULL;
}

void sluice_origin_destroy(sluice_origin_t **_origin)
{
    sluice_origin_t *origin = *_origin;

    if (origin->directory_fd != -1)
        close(origin->directory_fd);
    sluice_url_dispose(&origin->guard.base);
    free(origin->url);
    free(origin->key_prefix);
    free(origin->fallback);
    free(origin);
    *_origin = NULL;
}

/* of what decides where pictures may come from beside their URL */
static uint64_t hash_lists(const sluice_networks_t *addresses, const sluice_urls_t *origins)
{
    uint64_t hash = 0;

    for (size_t i = 0; addresses != NULL && i != addresses->count; ++i) {
        const sluice_network_t *network = addresses->entries + i;
        hash = XXH3_64bits_withSeed(network->address.bytes, sizeof(network->address.bytes), hash + network->prefix_bits);
    }
    for (size_t i = 0; origins != NULL && i != origins->count; ++i) {
        const sluice_url_t *url = origins->entries + i;
        hash = XXH3_64bits_withSeed(url->host, strlen(url->host), hash + 1 + (uint64_t)url->https);
        hash = XXH3_64bits_withSeed(url->path, strlen(url->path), hash + url->port);
    }
    return hash;
}

int sluice_origin_set_lists(sluice_origin_t *origin, const sluice_networks_t *addresses, const sluice_urls_t *origins)
{
    char *prefix;

    if (origin->url == NULL || (addresses == NULL && origins == NULL))
        return 0;
    origin->guard.addresses = addresses;
    origin->guard.origins = origins;
    if (asprintf(&prefix, "%016" PRIx64 "|%s", hash_lists(addresses, origins), origin->url) == -1)
        return -1;
    free(origin->key_prefix);
    origin->key_prefix = prefix;
    return 0;
}
