#include <stdlib.h>
#include <string.h>
#include "module/origin_guard.h"

#define MAX_PATH 8192 /* longer ones are below "/" only */
#define MAX_DECODED 3 /* times that a path may be percent-encoded over */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* the byte that "%XX" stands for, or -1 */
static int decode(const char *text)
{
    int high, low;

    if (text[0] != '%' || (high = digit_of(text[1])) == -1 || (low = digit_of(text[2])) == -1)
        return -1;
    return high << 4 | low;
}

static int is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* one spelling of what means the same (RFC 3986, 6.2.2): what need not be encoded is not, and the digits of the rest are capitals
 */
static int normalize(const char *path, char *buf)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = strlen(path);

    if (len >= MAX_PATH)
        return -1;
    for (; *path != '\0'; ++path) {
        int c = decode(path);
        if (c == -1) {
            *buf++ = *path;
            continue;
        }
        if (is_unreserved(c)) {
            *buf++ = (char)c;
        } else {
            *buf++ = '%';
            *buf++ = hex[c >> 4];
            *buf++ = hex[c & 15];
        }
        path += 2;
    }
    *buf = '\0';
    return 0;
}

/* a segment up to its parameters, with all that can end one: "..;x" is ".." to some servers */
static int has_dots(const char *path)
{
    for (const char *segment = path;;) {
        size_t len = strcspn(segment, "/\\"), dots = strspn(segment, ".");
        if ((dots == 1 || dots == 2) && (dots == len || segment[dots] == ';'))
            return 1;
        if (segment[len] == '\0')
            return 0;
        segment += len + 1;
    }
}

/* decodes in place. Returns whether anything changed, or -1 if there is what belongs in no path */
static int decode_all(char *path)
{
    int changed = 0;
    char *dst = path;

    for (; *path != '\0'; ++path) {
        int c = decode(path);
        if (c != -1) {
            if (c < 0x20 || c == 0x7f)
                return -1;
            changed = 1;
            path += 2;
        }
        *dst++ = c != -1 ? (char)c : *path;
    }
    *dst = '\0';
    return changed;
}

/* whether some server might find its way out of a part of its tree with this path, which is changed */
static int may_lead_up(char *path)
{
    for (int times = 0; times <= MAX_DECODED; ++times) {
        if (has_dots(path))
            return 1;
        int changed = decode_all(path);
        if (changed != 1)
            return changed == -1;
    }
    return 1;
}

static int path_is_below(const char *path, const char *base)
{
    char normal_path[MAX_PATH], normal_base[MAX_PATH];
    size_t len;

    if (strcmp(base, "/") == 0)
        return 1;
    if (normalize(path, normal_path) != 0 || normalize(base, normal_base) != 0)
        return 0;
    len = strlen(normal_base);
    if (strncmp(normal_path, normal_base, len) != 0)
        return 0;
    if (normal_base[len - 1] != '/' && normal_path[len] != '\0' && normal_path[len] != '/')
        return 0;
    return !may_lead_up(normal_path);
}

int sluice_url_is_below(const sluice_url_t *url, const sluice_url_t *base)
{
    return url->https == base->https && url->port == base->port && strcmp(url->host, base->host) == 0 &&
           path_is_below(url->path, base->path);
}

static int is_downgrade(const sluice_url_t *from, const sluice_url_t *to)
{
    return from->https && !to->https;
}

/* the host of image.origin, as it is or with https in place of http */
static int is_same_host(const sluice_url_t *base, const sluice_url_t *to)
{
    if (strcmp(base->host, to->host) != 0)
        return 0;
    return base->port == to->port || (!base->https && base->port == 80 && to->https && to->port == 443);
}

int sluice_guard_admits_redirect(const sluice_guard_t *guard, const sluice_url_t *from, const sluice_url_t *to)
{
    for (size_t i = 0; guard->origins != NULL && i != guard->origins->count; ++i)
        if (sluice_url_is_below(to, guard->origins->entries + i))
            return 1;
    if (is_downgrade(from, to) || is_downgrade(&guard->base, to))
        return 0;
    return guard->origins != NULL ? sluice_url_is_below(to, &guard->base) : is_same_host(&guard->base, to);
}

/* whether who wrote this URL wrote the address */
static int names_address(const sluice_url_t *url, const sluice_address_t *address, uint16_t port)
{
    static const char *const localhost[] = {"127.0.0.1", "::1"};
    sluice_address_t written;

    if (url->port != port)
        return 0;
    if (sluice_address_parse(url->host, &written) == 0)
        return memcmp(&written, address, sizeof(written)) == 0;
    for (size_t i = 0; strcmp(url->host, "localhost") == 0 && i != sizeof(localhost) / sizeof(localhost[0]); ++i)
        if (sluice_address_parse(localhost[i], &written) == 0 && memcmp(&written, address, sizeof(written)) == 0)
            return 1;
    return 0;
}

int sluice_guard_admits_address(const sluice_guard_t *guard, const sluice_address_t *address, uint16_t port)
{
    if (sluice_address_is_public(address) || names_address(&guard->base, address, port))
        return 1;
    for (size_t i = 0; guard->addresses != NULL && i != guard->addresses->count; ++i)
        if (sluice_network_has(guard->addresses->entries + i, address))
            return 1;
    for (size_t i = 0; guard->origins != NULL && i != guard->origins->count; ++i)
        if (names_address(guard->origins->entries + i, address, port))
            return 1;
    return 0;
}

void sluice_url_dispose(sluice_url_t *url)
{
    free(url->host);
    free(url->path);
    url->host = url->path = NULL;
}

void sluice_networks_free(sluice_networks_t **list)
{
    for (sluice_networks_t *one = *list, *next; one != NULL; one = next) {
        next = one->next;
        free(one);
    }
    *list = NULL;
}

void sluice_urls_free(sluice_urls_t **list)
{
    for (sluice_urls_t *one = *list, *next; one != NULL; one = next) {
        next = one->next;
        for (size_t i = 0; i != one->count; ++i)
            sluice_url_dispose(one->entries + i);
        free(one);
    }
    *list = NULL;
}
