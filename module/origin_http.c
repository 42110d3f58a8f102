/*
 * Sources from an http(s) origin: one thread that drives a curl_multi, with connections kept and shared by all transfers
 * (origin_transfer.c: one of them).
 *
 *   sluice_http_start() --inbox (mutex)--> pending --slot free--> active (curl) --done, failed, cancelled--> sluice_source_finish()
 *
 * Each origin has slots of its own (image.max-fetches), so that a slow one holds up nobody else. Transfers that found no memory
 * and paused are resumed together, each RETRY_MS.
 *
 * The inbox is the only thing that other threads touch, besides a transfer's `cancelled` flag.
 */
#include <stdlib.h>
#include "module/operations.h"
#include "module/origin_transfer.h"

#define RETRY_MS 20 /* of paused transfers */

struct st_sluice_fetcher_t {
    sluice_t *sluice;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t mutex;
    sluice_transfer_t *inbox; /* guarded by mutex, newest first, as is `closing` */
    int closing;
    sluice_transfer_t *pending, **pending_tail, *active; /* the thread's own, as is the rest */
    uint64_t resume_ms;                                  /* when paused transfers may try again */
    int slot_freed;                                      /* since pending transfers were looked at */
    sluice_transfers_t transfers;
};

static void on_abandon(void *_transfer)
{
    sluice_transfer_t *transfer = _transfer;

    atomic_store(&transfer->cancelled, 1);
    curl_multi_wakeup(transfer->fetcher->multi);
}

static int is_cancelled(sluice_transfer_t *transfer)
{
    return atomic_load(&transfer->cancelled) || atomic_load(&transfer->fetcher->sluice->stopping) ||
           !sluice_operation_goes_on(&transfer->fetch->operation);
}

static void activate(sluice_fetcher_t *fetcher, sluice_transfer_t *transfer)
{
    if (sluice_transfer_prepare(transfer) != 0 || curl_multi_add_handle(fetcher->multi, transfer->easy) != CURLM_OK) {
        if (transfer->easy != NULL)
            curl_easy_cleanup(transfer->easy);
        sluice_transfer_finish(transfer, SLUICE_ERROR_OUT_OF_MEMORY);
        return;
    }
    sluice_transfer_enter(transfer, HEALTH_OPERATION_CONNECTING);
    transfer->next = fetcher->active;
    fetcher->active = transfer;
}

static void deactivate(sluice_fetcher_t *fetcher, sluice_transfer_t *transfer)
{
    sluice_transfer_t **slot = &fetcher->active;

    while (*slot != transfer)
        slot = &(*slot)->next;
    *slot = transfer->next;
    fetcher->slot_freed = 1;
    curl_multi_remove_handle(fetcher->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
}

static void take_inbox(sluice_fetcher_t *fetcher)
{
    sluice_transfer_t *newest, *oldest = NULL;

    pthread_mutex_lock(&fetcher->mutex);
    newest = fetcher->inbox;
    fetcher->inbox = NULL;
    pthread_mutex_unlock(&fetcher->mutex);
    while (newest != NULL) { /* turn it round */
        sluice_transfer_t *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    *fetcher->pending_tail = oldest;
    while (*fetcher->pending_tail != NULL)
        fetcher->pending_tail = &(*fetcher->pending_tail)->next;
}

/* *full is the last origin that had none: many in a row may ask for the same one */
static int has_slot(sluice_fetcher_t *fetcher, const sluice_origin_t *origin, const sluice_origin_t **full)
{
    size_t num_active = 0;

    if (origin == *full)
        return 0;
    for (sluice_transfer_t *transfer = fetcher->active; transfer != NULL; transfer = transfer->next)
        num_active += transfer->fetch->origin == origin;
    if (num_active < fetcher->sluice->settings.max_fetches)
        return 1;
    *full = origin;
    return 0;
}

/* in order of arrival, except that nobody waits behind the transfers of another origin */
static void start_pending(sluice_fetcher_t *fetcher)
{
    sluice_transfer_t **link = &fetcher->pending, *transfer;
    const sluice_origin_t *full = NULL;

    fetcher->slot_freed = 0;
    while ((transfer = *link) != NULL) {
        int cancelled = is_cancelled(transfer);
        int startable = !cancelled && has_slot(fetcher, transfer->fetch->origin, &full);
        if (!cancelled && !startable && sluice_now_ms() < transfer->fetch->deadline_ms) {
            link = &transfer->next;
            continue;
        }
        *link = transfer->next;
        if (startable)
            activate(fetcher, transfer);
        else
            sluice_transfer_finish(transfer, cancelled ? SLUICE_ERROR_CANCELLED : SLUICE_ERROR_QUEUE_FULL);
    }
    fetcher->pending_tail = link;
}

static void drop_cancelled(sluice_fetcher_t *fetcher)
{
    sluice_transfer_t *transfer = fetcher->active;

    while (transfer != NULL) {
        sluice_transfer_t *next = transfer->next;
        if (is_cancelled(transfer)) {
            deactivate(fetcher, transfer);
            sluice_transfer_finish(transfer, SLUICE_ERROR_CANCELLED);
        }
        transfer = next;
    }
}

static void finish_done(sluice_fetcher_t *fetcher)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        sluice_transfer_t *transfer;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        sluice_error_t error = sluice_transfer_done(transfer, message->data.result);
        deactivate(fetcher, transfer);
        if (transfer->again)
            activate(fetcher, transfer);
        else
            sluice_transfer_finish(transfer, error);
    }
}

/* lets the paused ones try again; a callback that finds no room pauses its transfer anew. Not at each turn of the thread: to resume
 * a transfer makes curl's next poll return at once */
static void resume_paused(sluice_fetcher_t *fetcher)
{
    if (sluice_now_ms() < fetcher->resume_ms)
        return;
    fetcher->resume_ms = sluice_now_ms() + RETRY_MS;
    fetcher->transfers.num_paused = 0;
    for (sluice_transfer_t *transfer = fetcher->active; transfer != NULL; transfer = transfer->next) {
        if (!transfer->paused)
            continue;
        transfer->paused = 0;
        curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    }
}

static int is_closing(sluice_fetcher_t *fetcher)
{
    pthread_mutex_lock(&fetcher->mutex);
    int closing = fetcher->closing;
    pthread_mutex_unlock(&fetcher->mutex);
    return closing;
}

static int nap_ms(const sluice_fetcher_t *fetcher)
{
    if (fetcher->transfers.num_paused != 0)
        return RETRY_MS;
    return fetcher->pending != NULL ? 100 : 1000;
}

static void *run_fetcher(void *_fetcher)
{
    sluice_fetcher_t *fetcher = _fetcher;
    int running;

    pthread_setname_np(pthread_self(), "sluice-fetch");
    while (!is_closing(fetcher)) {
        take_inbox(fetcher);
        start_pending(fetcher);
        curl_multi_perform(fetcher->multi, &running);
        finish_done(fetcher);
        drop_cancelled(fetcher);
        resume_paused(fetcher);
        if (fetcher->pending != NULL && fetcher->slot_freed)
            continue;
        curl_multi_poll(fetcher->multi, NULL, 0, nap_ms(fetcher), NULL);
    }
    return NULL;
}

sluice_fetcher_t *sluice_fetcher_create(sluice_t *sluice)
{
    sluice_fetcher_t *fetcher = calloc(1, sizeof(*fetcher));

    if (fetcher == NULL)
        return NULL;
    fetcher->sluice = sluice;
    fetcher->pending_tail = &fetcher->pending;
    pthread_mutex_init(&fetcher->mutex, NULL);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (fetcher->multi = curl_multi_init()) == NULL) {
        free(fetcher);
        return NULL;
    }
    curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)sluice->settings.max_fetches);
    if (pthread_create(&fetcher->thread, NULL, run_fetcher, fetcher) != 0) {
        curl_multi_cleanup(fetcher->multi);
        free(fetcher);
        return NULL;
    }
    return fetcher;
}

void sluice_fetcher_destroy(sluice_fetcher_t **_fetcher)
{
    sluice_fetcher_t *fetcher = *_fetcher;

    if (fetcher == NULL)
        return;
    pthread_mutex_lock(&fetcher->mutex);
    fetcher->closing = 1;
    pthread_mutex_unlock(&fetcher->mutex);
    curl_multi_wakeup(fetcher->multi);
    pthread_join(fetcher->thread, NULL);
    take_inbox(fetcher);
    while (fetcher->pending != NULL) {
        sluice_transfer_t *transfer = fetcher->pending;
        fetcher->pending = transfer->next;
        sluice_transfer_finish(transfer, SLUICE_ERROR_CANCELLED);
    }
    while (fetcher->active != NULL) {
        sluice_transfer_t *transfer = fetcher->active;
        deactivate(fetcher, transfer);
        sluice_transfer_finish(transfer, SLUICE_ERROR_CANCELLED);
    }
    curl_multi_cleanup(fetcher->multi);
    pthread_mutex_destroy(&fetcher->mutex);
    free(fetcher);
    *_fetcher = NULL;
}

void sluice_fetcher_wake(sluice_fetcher_t *fetcher)
{
    curl_multi_wakeup(fetcher->multi);
}

void sluice_http_start(sluice_fetch_t *fetch)
{
    sluice_fetcher_t *fetcher = fetch->sluice->fetcher;
    sluice_transfer_t *transfer = calloc(1, sizeof(*transfer));

    if (transfer == NULL) {
        sluice_source_finish(fetch, NULL, SLUICE_ERROR_OUT_OF_MEMORY);
        return;
    }
    transfer->fetch = fetch;
    transfer->fetcher = fetcher;
    transfer->all = &fetcher->transfers;
    icache_flight_on_abandon(fetch->flight, on_abandon, transfer);
    pthread_mutex_lock(&fetcher->mutex);
    transfer->next = fetcher->inbox;
    fetcher->inbox = transfer;
    pthread_mutex_unlock(&fetcher->mutex);
    curl_multi_wakeup(fetcher->multi);
}
