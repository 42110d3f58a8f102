/*
 * An epoll set of the clients' sockets, which is itself a descriptor that h2o's event loop waits for. The events asked for are
 * those of a closing peer only, so the sets of h2o and this one do not get in each other's way.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "module/client_watch.h"

#define MAX_GONE_AT_ONCE 64 /* then the loop gets to other work first; the set stays ready */

struct st_sluice_client_watch_t {
    int fd; /* owned by the socket */
    h2o_socket_t *sock;
};

static void on_ready(h2o_socket_t *sock, const char *err)
{
    sluice_client_watch_t *watch = sock->data;
    struct epoll_event event;

    (void)err;
    /* one by one: the callback may free what it was called for */
    for (int i = 0; i != MAX_GONE_AT_ONCE && epoll_wait(watch->fd, &event, 1, 0) == 1; ++i) {
        sluice_watched_t *watched = event.data.ptr;
        sluice_client_watch_remove(watch, watched);
        watched->on_gone(watched);
    }
}

sluice_client_watch_t *sluice_client_watch_create(h2o_context_t *ctx)
{
    sluice_client_watch_t *watch = h2o_mem_alloc(sizeof(*watch));

    if ((watch->fd = epoll_create1(EPOLL_CLOEXEC)) == -1) {
        free(watch);
        return NULL;
    }
    watch->sock = h2o_evloop_socket_create(ctx->loop, watch->fd, H2O_SOCKET_FLAG_DONT_READ);
    watch->sock->data = watch;
    h2o_socket_read_start(watch->sock, on_ready);
    return watch;
}

void sluice_client_watch_destroy(sluice_client_watch_t **watch)
{
    h2o_socket_close((*watch)->sock);
    free(*watch);
    *watch = NULL;
}

void sluice_client_watch_add(sluice_client_watch_t *watch, h2o_req_t *req, sluice_watched_t *watched)
{
    h2o_socket_t *sock = req->version < 0x200 ? req->conn->callbacks->get_socket(req->conn) : NULL;
    struct epoll_event event = {.events = EPOLLRDHUP, .data = {.ptr = watched}};
    int fd = sock != NULL ? h2o_socket_get_fd(sock) : -1;

    watched->_fd = fd != -1 && epoll_ctl(watch->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? fd : -1;
}

void sluice_client_watch_remove(sluice_client_watch_t *watch, sluice_watched_t *watched)
{
    if (watched->_fd != -1)
        epoll_ctl(watch->fd, EPOLL_CTL_DEL, watched->_fd, NULL);
    watched->_fd = -1;
}
