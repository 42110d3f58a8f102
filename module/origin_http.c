/*
 * Sources from an http(s) origin: one thread that drives a curl_multi, with connections kept and shared by all transfers.
 *
 *   sluice_http_start() --inbox (mutex)--> pending --slot free--> active (curl) --done, failed, cancelled--> sluice_source_finish()
 *
 * Each origin has slots of its own (image.max-fetches), so that a slow one holds up nobody else.
 *
 * The inbox is the only thing that other threads touch, besides a transfer's `cancelled` flag. The body is written straight into
 * the object that will be cached; its memory is reserved first, and where there is none the transfer is paused, so that TCP holds
 * the origin back, and tried again until the fetch's deadline.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "module/origin_exchange.h"
#include "module/picture_check.h"
#include "module/source.h"
#include "module/version.h"

#define FIRST_BYTES (64 * 1024) /* of a body whose length is not announced; doubled as it grows */
#define DRAIN_BYTES (64 * 1024) /* of an error page that is read, so that its connection can be kept */
#define RETRY_MS 20             /* of paused transfers */

struct st_transfer_t {
    sluice_fetch_t *fetch;
    sluice_fetcher_t *fetcher;
    CURL *easy;
    struct curl_slist *headers; /* of the request */
    icache_object_t *object;
    size_t filled, drained;
    sluice_error_t error; /* why a callback stopped the transfer */
    int paused;
    int head_ended; /* the empty line behind the headers has come */
    _Atomic int cancelled;
    struct st_transfer_t *next;
};

struct st_sluice_fetcher_t {
    sluice_t *sluice;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct st_transfer_t *inbox; /* guarded by mutex, newest first, as is `closing` */
    int closing;
    struct st_transfer_t *pending, **pending_tail, *active; /* the thread's own, as is the rest */
    size_t num_paused;                                      /* since the last resumption, whether or not they are still there */
    uint64_t resume_ms;                                     /* when paused transfers may try again */
    int slot_freed;                                         /* since pending transfers were looked at */
    int idle_fds[UINT16_MAX + 1];                           /* sockets of kept connections, by their local port; 0: none */
};

static void finish_transfer(struct st_transfer_t *transfer, sluice_error_t error)
{
    icache_object_t *object = transfer->object;

    if (error != SLUICE_OK)
        icache_object_unref(&object);
    else if (object != NULL)
        object->body_len = transfer->filled;
    if (error == SLUICE_OK && object == NULL)
        sluice_source_finish_unchanged(transfer->fetch);
    else
        sluice_source_finish(transfer->fetch, object, error);
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

static void on_abandon(void *_transfer)
{
    struct st_transfer_t *transfer = _transfer;

    atomic_store(&transfer->cancelled, 1);
    curl_multi_wakeup(transfer->fetcher->multi);
}

/* of the body, as announced; 0: it is not */
static uint64_t announced_bytes(struct st_transfer_t *transfer)
{
    curl_off_t announced = -1;

    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    return announced > 0 ? (uint64_t)announced : 0;
}

/* makes room for `more` bytes in the object. Growing copies, so old and new are both reserved for a moment */
static sluice_error_t grow(struct st_transfer_t *transfer, size_t more)
{
    sluice_fetch_t *fetch = transfer->fetch;
    uint64_t max = fetch->sluice->settings.max_object_bytes, old_len = transfer->object != NULL ? transfer->object->body_len : 0;
    uint64_t wanted = transfer->filled + more, announced = transfer->object == NULL ? announced_bytes(transfer) : 0;
    sluice_error_t error;

    if (announced > wanted)
        wanted = announced;
    if (wanted > max)
        return SLUICE_ERROR_SOURCE_TOO_LARGE;
    if (announced == 0) {
        uint64_t step = old_len != 0 ? old_len * 2 : FIRST_BYTES, largest = pressure_largest_bytes(fetch->sluice->pressure);
        step = step < max ? step : max;
        step = step < largest ? step : largest;
        wanted = step > wanted ? step : wanted;
    }
    if ((error = sluice_source_reserve(fetch, wanted)) != SLUICE_OK)
        return error;
    icache_object_t *object = sluice_source_new_object(fetch, (size_t)wanted);
    if (object == NULL)
        return SLUICE_ERROR_OUT_OF_MEMORY;
    if (transfer->object != NULL) {
        memcpy(object->body, transfer->object->body, transfer->filled);
        icache_object_unref(&transfer->object);
        sluice_source_unreserve(fetch, old_len);
    }
    transfer->object = object;
    return SLUICE_OK;
}

/* an error page, or what is left of a picture that is of no use */
static size_t drain(struct st_transfer_t *transfer, size_t len)
{
    transfer->drained += len;
    return transfer->drained <= DRAIN_BYTES ? len : CURL_WRITEFUNC_ERROR;
}

/* whether the rest is of any use, by all that has come so far */
static sluice_error_t check(struct st_transfer_t *transfer, const void *bytes, size_t len)
{
    uint64_t announced = announced_bytes(transfer);

    return sluice_source_check(transfer->fetch, bytes, len, announced > len ? announced : len);
}

/* the first bytes are looked at before there is memory for the rest */
static sluice_error_t take_body(struct st_transfer_t *transfer, const char *bytes, size_t len)
{
    size_t before = transfer->filled;
    sluice_error_t error = transfer->object == NULL ? check(transfer, bytes, len) : SLUICE_OK;

    if (error == SLUICE_OK && (transfer->object == NULL || transfer->object->body_len - before < len))
        error = grow(transfer, len);
    if (error != SLUICE_OK)
        return error;
    memcpy(transfer->object->body + before, bytes, len);
    transfer->filled += len;
    return before != 0 && before < SLUICE_CHECK_BYTES ? check(transfer, transfer->object->body, transfer->filled) : SLUICE_OK;
}

/* what little is left behind a picture that is of no use is read, so that its connection can be kept */
static size_t refuse(struct st_transfer_t *transfer, size_t len, sluice_error_t error)
{
    transfer->error = error;
    if (!sluice_errors[error].negative || announced_bytes(transfer) > transfer->filled + len + DRAIN_BYTES)
        return CURL_WRITEFUNC_ERROR;
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *_transfer)
{
    struct st_transfer_t *transfer = _transfer;
    size_t len = size * count;
    long status = 0;

    if (atomic_load(&transfer->cancelled))
        transfer->error = SLUICE_ERROR_CANCELLED;
    /* an error within curl_easy_pause() loses these bytes, but does not end the transfer: what follows is no picture */
    if (transfer->error != SLUICE_OK)
        return CURL_WRITEFUNC_ERROR;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 || transfer->error != SLUICE_OK)
        return drain(transfer, len);
    sluice_error_t error = take_body(transfer, bytes, len);
    if (error == SLUICE_OK)
        return len;
    if (error == SLUICE_ERROR_NO_ROOM && sluice_now_ms() < transfer->fetch->deadline_ms) {
        transfer->paused = 1;
        ++transfer->fetcher->num_paused;
        return CURL_WRITEFUNC_PAUSE;
    }
    return refuse(transfer, len, error);
}

/* a redirect has a header of its own, of which nothing holds for what it leads to; what comes behind the body is no header */
static size_t on_header(char *line, size_t size, size_t count, void *_transfer)
{
    struct st_transfer_t *transfer = _transfer;
    sluice_fetch_t *fetch = transfer->fetch;
    size_t len = size * count;
    int64_t now_s = (int64_t)time(NULL);

    if (transfer->object != NULL)
        return len;
    transfer->head_ended = len != 0 && (line[0] == '\r' || line[0] == '\n');
    if (transfer->head_ended)
        return len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        sluice_said_init(&fetch->said, now_s);
    else
        sluice_said_read(&fetch->said, line, len, now_s);
    fetch->answered_ms = sluice_now_ms();
    return len;
}

/*
 * Runs before a request goes out. A kept connection may hold bytes that nobody asked for: its origin sent more than it announced.
 * They would be taken for the answer to the next request, and one picture served under the name of another. libcurl looks for them
 * itself from 8.1 on; before, it does not tell its socket here either, so that is noted by its port when the connection falls idle.
 */
static int on_connected(void *_transfer, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct st_transfer_t *transfer = _transfer;
    int fd = transfer->fetcher->idle_fds[local_port & UINT16_MAX];
    long opened = 0;
    char byte;

    (void)remote_ip, (void)local_ip, (void)remote_port;
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &opened);
    if (opened == 0 && fd != 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return CURL_PREREQFUNC_ABORT;
    return CURL_PREREQFUNC_OK;
}

static void note_idle(struct st_transfer_t *transfer)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    long port = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &fd);
    curl_easy_getinfo(transfer->easy, CURLINFO_LOCAL_PORT, &port);
    if (fd != CURL_SOCKET_BAD)
        transfer->fetcher->idle_fds[port & UINT16_MAX] = fd;
}

static int set_options(struct st_transfer_t *transfer)
{
    const sluice_origin_t *origin = transfer->fetch->origin;
    CURL *easy = transfer->easy;
    int failed = transfer->fetch->conditional && transfer->headers == NULL &&
                 sluice_http_condition(&transfer->fetch->known.said, &transfer->headers) != 0;

#define SET(option, value) failed |= curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK
    SET(URL, transfer->fetch->key); /* prefix + encoded path is the URL */
    SET(PRIVATE, transfer);
    SET(HTTPHEADER, transfer->headers);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, transfer);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, transfer);
    SET(PREREQFUNCTION, on_connected);
    SET(PREREQDATA, transfer);
    SET(NOSIGNAL, 1L);
    SET(BUFFERSIZE, 128L * 1024);
    SET(USERAGENT, "sluice/" SLUICE_VERSION);
    SET(PROTOCOLS_STR, "http,https");
    SET(REDIR_PROTOCOLS_STR, "http,https");
    SET(FOLLOWLOCATION, origin->settings.max_redirects != 0 ? 1L : 0L);
    SET(MAXREDIRS, (long)origin->settings.max_redirects);
    SET(CONNECTTIMEOUT_MS, (long)origin->settings.connect_timeout_ms);
    SET(TIMEOUT_MS, (long)origin->settings.origin_timeout_ms);
#undef SET
    return failed ? -1 : 0;
}

static int is_cancelled(struct st_transfer_t *transfer)
{
    return atomic_load(&transfer->cancelled) || atomic_load(&transfer->fetcher->sluice->stopping);
}

static void activate(sluice_fetcher_t *fetcher, struct st_transfer_t *transfer)
{
    if ((transfer->easy = curl_easy_init()) == NULL || set_options(transfer) != 0 ||
        curl_multi_add_handle(fetcher->multi, transfer->easy) != CURLM_OK) {
        if (transfer->easy != NULL)
            curl_easy_cleanup(transfer->easy);
        finish_transfer(transfer, SLUICE_ERROR_OUT_OF_MEMORY);
        return;
    }
    transfer->next = fetcher->active;
    fetcher->active = transfer;
}

static void deactivate(sluice_fetcher_t *fetcher, struct st_transfer_t *transfer)
{
    struct st_transfer_t **slot = &fetcher->active;

    while (*slot != transfer)
        slot = &(*slot)->next;
    *slot = transfer->next;
    fetcher->slot_freed = 1;
    curl_multi_remove_handle(fetcher->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
}

static void take_inbox(sluice_fetcher_t *fetcher)
{
    struct st_transfer_t *newest, *oldest = NULL;

    pthread_mutex_lock(&fetcher->mutex);
    newest = fetcher->inbox;
    fetcher->inbox = NULL;
    pthread_mutex_unlock(&fetcher->mutex);
    while (newest != NULL) { /* turn it round */
        struct st_transfer_t *next = newest->next;
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
    for (struct st_transfer_t *transfer = fetcher->active; transfer != NULL; transfer = transfer->next)
        num_active += transfer->fetch->origin == origin;
    if (num_active < fetcher->sluice->settings.max_fetches)
        return 1;
    *full = origin;
    return 0;
}

/* in order of arrival, except that nobody waits behind the transfers of another origin */
static void start_pending(sluice_fetcher_t *fetcher)
{
    struct st_transfer_t **link = &fetcher->pending, *transfer;
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
            finish_transfer(transfer, cancelled ? SLUICE_ERROR_CANCELLED : SLUICE_ERROR_QUEUE_FULL);
    }
    fetcher->pending_tail = link;
}

static void drop_cancelled(sluice_fetcher_t *fetcher)
{
    struct st_transfer_t *transfer = fetcher->active;

    while (transfer != NULL) {
        struct st_transfer_t *next = transfer->next;
        if (is_cancelled(transfer)) {
            deactivate(fetcher, transfer);
            finish_transfer(transfer, SLUICE_ERROR_CANCELLED);
        }
        transfer = next;
    }
}

static sluice_error_t error_of(struct st_transfer_t *transfer, CURLcode result)
{
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->fetch->status = (uint32_t)status;
    const sluice_http_outcome_t outcome = {
        .result = result,
        .status = status,
        .stopped = transfer->error,
        .paused = transfer->paused,
        .head_ended = transfer->head_ended,
        .has_body = transfer->object != NULL,
        .conditional = transfer->fetch->conditional,
    };
    return sluice_http_error(&outcome);
}

static void finish_done(sluice_fetcher_t *fetcher)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        struct st_transfer_t *transfer;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        CURLcode result = message->data.result; /* gone with the handle */
        sluice_error_t error = error_of(transfer, result);
        note_idle(transfer);
        deactivate(fetcher, transfer);
        if (result == CURLE_ABORTED_BY_CALLBACK)
            activate(fetcher, transfer); /* that connection is closed now; on to the next */
        else
            finish_transfer(transfer, error);
    }
}

/* lets the paused ones try again; a callback that finds no room pauses its transfer anew. Not at each turn of the thread: to resume
 * a transfer makes curl's next poll return at once */
static void resume_paused(sluice_fetcher_t *fetcher)
{
    if (sluice_now_ms() < fetcher->resume_ms)
        return;
    fetcher->resume_ms = sluice_now_ms() + RETRY_MS;
    fetcher->num_paused = 0;
    for (struct st_transfer_t *transfer = fetcher->active; transfer != NULL; transfer = transfer->next) {
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
        curl_multi_poll(fetcher->multi, NULL, 0, fetcher->num_paused != 0 ? RETRY_MS : fetcher->pending != NULL ? 100 : 1000, NULL);
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
        struct st_transfer_t *transfer = fetcher->pending;
        fetcher->pending = transfer->next;
        finish_transfer(transfer, SLUICE_ERROR_CANCELLED);
    }
    while (fetcher->active != NULL) {
        struct st_transfer_t *transfer = fetcher->active;
        deactivate(fetcher, transfer);
        finish_transfer(transfer, SLUICE_ERROR_CANCELLED);
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
    struct st_transfer_t *transfer = calloc(1, sizeof(*transfer));

    if (transfer == NULL) {
        sluice_source_finish(fetch, NULL, SLUICE_ERROR_OUT_OF_MEMORY);
        return;
    }
    transfer->fetch = fetch;
    transfer->fetcher = fetcher;
    icache_flight_on_abandon(fetch->flight, on_abandon, transfer);
    pthread_mutex_lock(&fetcher->mutex);
    transfer->next = fetcher->inbox;
    fetcher->inbox = transfer;
    pthread_mutex_unlock(&fetcher->mutex);
    curl_multi_wakeup(fetcher->multi);
}
