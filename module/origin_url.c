#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "module/origin_url.h"
#include "module/source_path.h"

/* a part as text that the caller owns, or NULL */
static char *part_of(CURLU *handle, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK)
        return NULL;
    copy = strdup(text);
    curl_free(text);
    return copy;
}

static int has_part(CURLU *handle, CURLUPart part)
{
    char *text = NULL;
    int has = curl_url_get(handle, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* in the form in which names and addresses are compared */
static void canonicalize_host(char *host)
{
    size_t len = strlen(host);

    if (host[0] == '[') {
        memmove(host, host + 1, len);
        host[strcspn(host, "]")] = '\0';
    } else if (len > 1 && host[len - 1] == '.') {
        host[len - 1] = '\0';
    }
    for (; *host != '\0'; ++host)
        if (*host >= 'A' && *host <= 'Z')
            *host += 'a' - 'A';
}

int sluice_url_read(CURLU *handle, sluice_url_t *url)
{
    char *scheme = part_of(handle, CURLUPART_SCHEME, 0), *port = part_of(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    int ret = -1;

    url->host = part_of(handle, CURLUPART_HOST, 0);
    url->path = part_of(handle, CURLUPART_PATH, 0);
    if (scheme != NULL && port != NULL && url->host != NULL && url->path != NULL &&
        (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0) && !has_part(handle, CURLUPART_USER) &&
        !has_part(handle, CURLUPART_PASSWORD)) {
        url->https = strcasecmp(scheme, "https") == 0;
        url->port = (uint16_t)strtoul(port, NULL, 10);
        canonicalize_host(url->host);
        ret = 0;
    }
    free(scheme);
    free(port);
    return ret;
}

/* what cannot be part of a base that paths are appended to, or would end up in logs and cache keys */
static const char *base_fault(const char *text)
{
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return "it does not begin with http:// or https://";
    const char *host = strstr(text, "://") + 3;
    const char *path = host + strcspn(host, "/");

    if (*host == '\0' || host == path)
        return "it has no host";
    if (strpbrk(text, "?#") != NULL)
        return "a query or fragment cannot be part of it: paths are appended to it";
    if (memchr(host, '@', (size_t)(path - host)) != NULL)
        return "user names and passwords cannot be part of it";
    if (strpbrk(text, " \t\"<>\\") != NULL)
        return "it has characters that must be percent-encoded";
    if (strlen(text) > SLUICE_SOURCE_PATH_MAX / 2)
        return "it is too long";
    return NULL;
}

const char *sluice_base_url_read(const char *text, sluice_url_t *url)
{
    const char *fault = base_fault(text);
    CURLU *handle;

    *url = (sluice_url_t){0};
    if (fault != NULL)
        return fault;
    if ((handle = curl_url()) == NULL)
        return "out of memory";
    CURLUcode result = curl_url_set(handle, CURLUPART_URL, text, 0);
    if (result != CURLUE_OK)
        fault = curl_url_strerror(result);
    else if (sluice_url_read(handle, url) != 0)
        fault = "out of memory";
    curl_url_cleanup(handle);
    return fault;
}
