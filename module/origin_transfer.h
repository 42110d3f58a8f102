/*
 * origin_transfer.h - one request to an HTTP origin: what libcurl is told of it, and what becomes of the answer. Used by
 * origin_http.c alone, on its thread.
 */
#ifndef module__origin_transfer_h
#define module__origin_transfer_h

#include <curl/curl.h>
#include "module/source.h"

/**
 * what the transfers of a thread share; begins as zeros
 */
typedef struct st_sluice_transfers_t {
    size_t num_paused;            /* since it was last set to 0, whether or not they are still there */
    int idle_fds[UINT16_MAX + 1]; /* sockets of kept connections, by their local port; 0: none */
} sluice_transfers_t;

/**
 * The owner sets the first three, `cancelled` and `next`, ends what is cancelled, and resumes what is paused.
 */
typedef struct st_sluice_transfer_t {
    sluice_fetch_t *fetch;
    sluice_fetcher_t *fetcher;
    sluice_transfers_t *all; /* of that fetcher's thread */
    CURL *easy;
    CURLU *url;                 /* of the request */
    struct curl_slist *headers; /* of the request */
    unsigned num_hops;          /* redirects that were followed */
    uint64_t deadline_ms;       /* of the whole download; 0: it has not begun */
    icache_object_t *object;
    size_t filled, drained;
    sluice_error_t error; /* why a callback stopped the transfer */
    int paused;
    int is_receiving;      /* something has come, and it does not wait for memory */
    int head_ended;        /* the empty line behind the headers has come */
    int again;             /* it is not over: a request is to be sent to where `url` leads now, or again on another connection */
    int unshared;          /* on no kept connection */
    int forbidden;         /* an address was not allowed to be connected to */
    _Atomic int cancelled; /* set by any thread */
    struct st_sluice_transfer_t *next;
} sluice_transfer_t;

/**
 * makes transfer->easy, ready to be added to a multi handle; the owner cleans it up. To be called again after that while
 * transfer->again. Returns 0 or -1 (out of memory; `easy` may be there).
 */
int sluice_transfer_prepare(sluice_transfer_t *transfer);
/**
 * notes the state that its download is in, in which nothing may happen for health.stale-after
 */
void sluice_transfer_enter(sluice_transfer_t *transfer, health_operation_state_t state);
/**
 * to be called when the transfer is done, before its handle is removed: notes that its connection is idle now, tells its fetch what
 * the origin's status was, and returns what the answer comes to: nothing yet if transfer->again is set
 */
sluice_error_t sluice_transfer_done(sluice_transfer_t *transfer, CURLcode result);
/**
 * ends the fetch with what has been received, or with the error, and frees the transfer
 */
void sluice_transfer_finish(sluice_transfer_t *transfer, sluice_error_t error);

#endif
