/*
 * client_watch.h - notices that the client of a parked request has hung up.
 *
 * Between a request and its answer h2o reads nothing from an HTTP/1 connection, and so does not learn that the client has gone.
 * This asks the kernel for it, without reading a byte: what a client sends ahead is left where it is. A client that only closes its
 * sending side counts as gone, too. HTTP/2 needs none of this, for h2o goes on reading there and disposes of the request by itself.
 *
 * One watch per event loop; everything is called on the loop's own thread.
 */
#ifndef module__client_watch_h
#define module__client_watch_h

#include <h2o.h>

typedef struct st_sluice_client_watch_t sluice_client_watch_t;

/**
 * embedded in what waits, which must stay where it is until it is removed
 */
typedef struct st_sluice_watched_t {
    void (*on_gone)(struct st_sluice_watched_t *watched); /* called once at most; it has been removed then */
    int _fd;                                              /* -1: is not watched */
} sluice_watched_t;

/**
 * Returns NULL when no descriptor can be had.
 */
sluice_client_watch_t *sluice_client_watch_create(h2o_context_t *ctx);
/**
 * nothing may be watched any more; sets the pointer to NULL
 */
void sluice_client_watch_destroy(sluice_client_watch_t **watch);

/**
 * watches the client of a request until sluice_client_watch_remove() or on_gone(), whichever is first; on_gone is never called from
 * here. Where it cannot be watched (HTTP/2, or the kernel refuses) the only effect is that remove does nothing.
 */
void sluice_client_watch_add(sluice_client_watch_t *watch, h2o_req_t *req, sluice_watched_t *watched);
/**
 * may be called more than once
 */
void sluice_client_watch_remove(sluice_client_watch_t *watch, sluice_watched_t *watched);

#endif
