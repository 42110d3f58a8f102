#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "module/origin_hops.h"
#include "module/origin_url.h"

/* libcurl tries the next address of a name when this one gets no socket */
static curl_socket_t on_socket(void *_transfer, curlsocktype purpose, struct curl_sockaddr *to)
{
    sluice_transfer_t *transfer = _transfer;
    sluice_address_t address;
    uint16_t port;

    (void)purpose;
    if (sluice_address_of(&to->addr, to->addrlen, &address, &port) != 0 ||
        !sluice_guard_admits_address(&transfer->fetch->origin->guard, &address, port)) {
        transfer->forbidden = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int may_use(const sluice_transfer_t *transfer, const char *ip, int port)
{
    sluice_address_t address;

    return sluice_address_parse(ip, &address) == 0 &&
           sluice_guard_admits_address(&transfer->fetch->origin->guard, &address, (uint16_t)port);
}

/*
 * Runs before a request goes out. A kept connection may lead to where this origin must not go; a new one is judged by itself. And
 * it may hold bytes that nobody asked for: its origin sent more than it announced. They would be taken for the answer to the next
 * request, and one picture served under the name of another. libcurl looks for them itself from 8.1 on; before, it does not tell
 * its socket here either, so that is noted by its port when the connection falls idle.
 */
static int on_connected(void *_transfer, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    sluice_transfer_t *transfer = _transfer;
    int fd = transfer->all->idle_fds[local_port & UINT16_MAX];
    long opened = 0;
    char byte;

    (void)local_ip;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &opened);
    if (!may_use(transfer, remote_ip, remote_port)) {
        transfer->forbidden = opened != 0;
        transfer->again = transfer->unshared = opened == 0;
        return CURL_PREREQFUNC_ABORT;
    }
    if (opened == 0 && fd != 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        transfer->again = transfer->unshared = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    sluice_transfer_enter(transfer, HEALTH_OPERATION_WAITING_FOR_ANSWER);
    return CURL_PREREQFUNC_OK;
}

void sluice_hops_note_idle(sluice_transfer_t *transfer)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    long port = 0, version = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &fd);
    curl_easy_getinfo(transfer->easy, CURLINFO_LOCAL_PORT, &port);
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    if (fd != CURL_SOCKET_BAD) /* in HTTP/2 whatever comes says which stream it is for */
        transfer->all->idle_fds[port & UINT16_MAX] = version < CURL_HTTP_VERSION_2_0 ? fd : 0;
}

static int set_url(sluice_transfer_t *transfer)
{
    const char *text = sluice_origin_source_url(transfer->fetch->origin, transfer->fetch->key);

    return (transfer->url = curl_url()) != NULL && curl_url_set(transfer->url, CURLUPART_URL, text, 0) == CURLUE_OK ? 0 : -1;
}

int sluice_hops_prepare(sluice_transfer_t *transfer)
{
    CURL *easy = transfer->easy;
    int failed = transfer->url == NULL && set_url(transfer) != 0;

#define SET(option, value) failed |= curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK
    SET(CURLU, transfer->url);
    SET(PROTOCOLS_STR, "http,https");
    SET(FOLLOWLOCATION, 0L);
    SET(PROXY, ""); /* of the environment: it would connect in our place, to what it pleases */
    SET(NOPROXY, "*");
    SET(OPENSOCKETFUNCTION, on_socket);
    SET(OPENSOCKETDATA, transfer);
    SET(PREREQFUNCTION, on_connected);
    SET(PREREQDATA, transfer);
    SET(FRESH_CONNECT, (long)transfer->unshared);
#undef SET
    transfer->forbidden = transfer->again = 0;
    return failed ? -1 : 0;
}

/* 300 and 304 have other uses for the field */
static int is_redirect(uint32_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int is_http(CURLU *url)
{
    char *scheme = NULL;
    int is = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
             (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    curl_free(scheme);
    return is;
}

static sluice_error_t go_to(sluice_transfer_t *transfer, const char *location, const sluice_url_t *from)
{
    sluice_url_t to;
    sluice_error_t error = SLUICE_ERROR_FORBIDDEN_REDIRECT;

    if (curl_url_set(transfer->url, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_ALLOW_SPACE) != CURLUE_OK ||
        !is_http(transfer->url))
        return SLUICE_ERROR_ORIGIN_REDIRECTS;
    if (sluice_url_read(transfer->url, &to) == 0 && sluice_guard_admits_redirect(&transfer->fetch->origin->guard, from, &to)) {
        ++transfer->num_hops;
        transfer->again = 1;
        error = SLUICE_OK;
    }
    sluice_url_dispose(&to);
    return error;
}

sluice_error_t sluice_hops_follow(sluice_transfer_t *transfer)
{
    struct curl_header *location;
    sluice_url_t from;
    sluice_error_t error = SLUICE_ERROR_OUT_OF_MEMORY;

    if (!is_redirect(transfer->fetch->status) || transfer->num_hops == transfer->fetch->origin->settings.max_redirects ||
        curl_easy_header(transfer->easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK)
        return SLUICE_ERROR_ORIGIN_REDIRECTS;
    if (sluice_url_read(transfer->url, &from) == 0)
        error = go_to(transfer, location->value, &from);
    sluice_url_dispose(&from);
    return error;
}
