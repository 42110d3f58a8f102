#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "module/origin_config.h"
#include "module/source_path.h"

static int has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* what cannot be part of a base that paths are appended to, or would end up in logs and cache keys */
static const char *url_fault(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *path = host + strcspn(host, "/");

    if (*host == '\0' || host == path)
        return "it has no host";
    if (strpbrk(url, "?#") != NULL)
        return "a query or fragment cannot be part of it: paths are appended to it";
    if (memchr(host, '@', (size_t)(path - host)) != NULL)
        return "user names and passwords cannot be part of it";
    if (strpbrk(url, " \t\"<>\\") != NULL)
        return "it has characters that must be percent-encoded";
    if (strlen(url) > SLUICE_SOURCE_PATH_MAX / 2)
        return "it is too long";
    return NULL;
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
    const char *fault = url_fault(value);

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
    if (origin->directory_fd != -1)
        close(origin->directory_fd);
    free(origin->url);
    free(origin);
    return NULL;
}
