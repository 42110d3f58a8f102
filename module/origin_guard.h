/*
 * origin_guard.h - where the pictures of one image.origin may be fetched from: which addresses may be connected to, and where
 * redirects may lead. Pure: URLs come here as libcurl has parsed them, and addresses as it is about to connect to them, so that
 * nothing is read twice in two ways.
 *
 * Addresses. What is public may be connected to, and so may the networks of image.allow-addresses. An origin that is written with a
 * literal address, or as "localhost", means it: that address with that port is allowed too. The same holds for image.allow-origins.
 *
 * Redirects. Those of image.allow-origins, and what is below image.origin itself. Where the setting is missing, all of the host of
 * image.origin, at its port (or from port 80 of http to 443 of https). From https to http only if the list says so.
 */
#ifndef module__origin_guard_h
#define module__origin_guard_h

#include "module/address_guard.h"

typedef struct st_sluice_url_t {
    int https;
    uint16_t port;
    char *host; /* in lower case, without brackets, and without a dot at its end */
    char *path; /* begins with a slash; percent-encoded; dot segments are resolved */
} sluice_url_t;

/**
 * The values of image.allow-addresses and image.allow-origins. The lists of a process are chained for the one who frees them.
 */
typedef struct st_sluice_networks_t {
    struct st_sluice_networks_t *next;
    size_t count;
    sluice_network_t entries[];
} sluice_networks_t;

typedef struct st_sluice_urls_t {
    struct st_sluice_urls_t *next;
    size_t count;
    sluice_url_t entries[];
} sluice_urls_t;

typedef struct st_sluice_guard_t {
    sluice_url_t base;                  /* image.origin */
    const sluice_networks_t *addresses; /* NULL: the setting is missing */
    const sluice_urls_t *origins;       /* NULL: the same */
} sluice_guard_t;

int sluice_guard_admits_address(const sluice_guard_t *guard, const sluice_address_t *address, uint16_t port);
/**
 * @param from what was asked last
 */
int sluice_guard_admits_redirect(const sluice_guard_t *guard, const sluice_url_t *from, const sluice_url_t *to);

/**
 * whether a URL has the scheme, host and port of `base`, and is below its path: "/a" has "/a" and "/a/b", not "/ab". Whatever a
 * server might make of "..", "%2e%2e", "..%2f" or "..\" is not below anything but "/".
 */
int sluice_url_is_below(const sluice_url_t *url, const sluice_url_t *base);

void sluice_url_dispose(sluice_url_t *url);
void sluice_networks_free(sluice_networks_t **list);
void sluice_urls_free(sluice_urls_t **list);

#endif
