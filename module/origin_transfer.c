/*
 * One request to an HTTP origin.
 *
 *   head (on_header) --> noted --> body (on_body): its beginning is checked --> memory is reserved --> object, grown as more comes
 *                                     +--> of no use: the transfer is ended     +--> no room: paused, and tried again with the
 *                                                                                    same bytes
 *
 * The body is written straight into the object that will be cached; its memory is reserved first, and where there is none the
 * transfer is paused, so that TCP holds the origin back, and tried again until the fetch's deadline. Why a callback stopped the
 * transfer is in `error`: libcurl knows only that one did.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "module/operations.h"
#include "module/origin_exchange.h"
#include "module/origin_hops.h"
#include "module/origin_transfer.h"
#include "module/picture_check.h"
#include "module/version.h"

#define FIRST_BYTES (64 * 1024) /* of a body whose length is not announced; doubled as it grows */
#define DRAIN_BYTES (64 * 1024) /* of an error page that is read, so that its connection can be kept */

void sluice_transfer_enter(sluice_transfer_t *transfer, health_operation_state_t state)
{
    health_operation_enter(&transfer->fetch->operation, state, sluice_now_ms(), sluice_operation_silence(transfer->fetch->sluice));
}

static void note_progress(sluice_transfer_t *transfer)
{
    const health_operation_t *operation = &transfer->fetch->operation;

    if (transfer->is_receiving) {
        health_operation_set_deadline(operation, sluice_operation_silence(transfer->fetch->sluice));
        return;
    }
    transfer->is_receiving = 1;
    sluice_transfer_enter(transfer, HEALTH_OPERATION_RECEIVING);
}

static void note_pause(sluice_transfer_t *transfer)
{
    transfer->is_receiving = 0;
    health_operation_enter(&transfer->fetch->operation, HEALTH_OPERATION_PAUSED_FOR_MEMORY, sluice_now_ms(),
                           sluice_operation_overtime(transfer->fetch->deadline_ms));
}

/* of the body, as announced; 0: it is not */
static uint64_t announced_bytes(sluice_transfer_t *transfer)
{
    curl_off_t announced = -1;

    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    return announced > 0 ? (uint64_t)announced : 0;
}

/* makes room for `more` bytes in the object. Growing copies, so old and new are both reserved for a moment */
static sluice_error_t grow(sluice_transfer_t *transfer, size_t more)
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
static size_t drain(sluice_transfer_t *transfer, size_t len)
{
    transfer->drained += len;
    return transfer->drained <= DRAIN_BYTES ? len : CURL_WRITEFUNC_ERROR;
}

/* whether the rest is of any use, by all that has come so far */
static sluice_error_t check(sluice_transfer_t *transfer, const void *bytes, size_t len)
{
    uint64_t announced = announced_bytes(transfer);

    return sluice_source_check(transfer->fetch, bytes, len, announced > len ? announced : len);
}

/* the first bytes are looked at before there is memory for the rest */
static sluice_error_t take_body(sluice_transfer_t *transfer, const char *bytes, size_t len)
{
    size_t before = transfer->filled;
    sluice_error_t error = transfer->object == NULL ? check(transfer, bytes, len) : SLUICE_OK;

    if (error == SLUICE_OK && (transfer->object == NULL || transfer->object->body_len - before < len))
        error = grow(transfer, len);
    if (error != SLUICE_OK)
        return error;
    memcpy(transfer->object->body + before, bytes, len);
    transfer->filled += len;
    health_operation_set_bytes(&transfer->fetch->operation, transfer->filled);
    return before != 0 && before < SLUICE_CHECK_BYTES ? check(transfer, transfer->object->body, transfer->filled) : SLUICE_OK;
}

/* what little is left behind a picture that is of no use is read, so that its connection can be kept */
static size_t refuse(sluice_transfer_t *transfer, size_t len, sluice_error_t error)
{
    transfer->error = error;
    if (!sluice_errors[error].negative || announced_bytes(transfer) > transfer->filled + len + DRAIN_BYTES)
        return CURL_WRITEFUNC_ERROR;
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *_transfer)
{
    sluice_transfer_t *transfer = _transfer;
    size_t len = size * count;
    long status = 0;

    if (atomic_load(&transfer->cancelled)) {
        transfer->error = SLUICE_ERROR_CANCELLED;
        return CURL_WRITEFUNC_ERROR;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    /* an error within curl_easy_pause() loses these bytes, but does not end the transfer: what follows is no picture */
    if (status != 200 || transfer->error != SLUICE_OK)
        return drain(transfer, len);
    sluice_error_t error = take_body(transfer, bytes, len);
    if (error == SLUICE_OK) {
        note_progress(transfer);
        return len;
    }
    if (error == SLUICE_ERROR_NO_ROOM && sluice_now_ms() < transfer->fetch->deadline_ms) {
        transfer->paused = 1;
        if (transfer->is_receiving)
            note_pause(transfer);
        ++transfer->all->num_paused;
        return CURL_WRITEFUNC_PAUSE;
    }
    return refuse(transfer, len, error);
}

/* an answer that is not the last one (1xx) has a header too, of which nothing holds; what comes behind the body is no header */
static size_t on_header(char *line, size_t size, size_t count, void *_transfer)
{
    sluice_transfer_t *transfer = _transfer;
    sluice_fetch_t *fetch = transfer->fetch;
    size_t len = size * count;
    int64_t now_s = (int64_t)time(NULL);

    if (transfer->object != NULL)
        return len;
    if (!transfer->is_receiving)
        note_progress(transfer);
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

/* of the whole download, all hops together; curl takes 0 for no limit */
static long left_ms(sluice_transfer_t *transfer)
{
    uint64_t now_ms = sluice_now_ms();

    if (transfer->deadline_ms == 0)
        transfer->deadline_ms = now_ms + transfer->fetch->origin->settings.origin_timeout_ms;
    return transfer->deadline_ms > now_ms ? (long)(transfer->deadline_ms - now_ms) : 1;
}

static int set_options(sluice_transfer_t *transfer)
{
    const sluice_origin_t *origin = transfer->fetch->origin;
    CURL *easy = transfer->easy;
    int failed = transfer->fetch->conditional && transfer->headers == NULL &&
                 sluice_http_condition(&transfer->fetch->known.said, &transfer->headers) != 0;

#define SET(option, value) failed |= curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK
    SET(PRIVATE, transfer);
    SET(HTTPHEADER, transfer->headers);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, transfer);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, transfer);
    SET(NOSIGNAL, 1L);
    SET(CAPATH, NULL); /* with the bundle alone, libcurl keeps what it read for the next connection: it is 20 ms of this thread */
    SET(BUFFERSIZE, 128L * 1024);
    SET(USERAGENT, "sluice/" SLUICE_VERSION);
    SET(CONNECTTIMEOUT_MS, (long)origin->settings.connect_timeout_ms);
    SET(TIMEOUT_MS, left_ms(transfer));
#undef SET
    return failed ? -1 : sluice_hops_prepare(transfer);
}

int sluice_transfer_prepare(sluice_transfer_t *transfer)
{
    transfer->head_ended = transfer->is_receiving = 0;
    transfer->drained = 0;
    transfer->easy = curl_easy_init();
    return transfer->easy != NULL ? set_options(transfer) : -1;
}

sluice_error_t sluice_transfer_done(sluice_transfer_t *transfer, CURLcode result)
{
    long status = 0;

    sluice_hops_note_idle(transfer);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->fetch->status = (uint32_t)status;
    const sluice_http_outcome_t outcome = {
        .result = result,
        .status = status,
        .stopped = transfer->error,
        .paused = transfer->paused,
        .forbidden = transfer->forbidden,
        .head_ended = transfer->head_ended,
        .has_body = transfer->object != NULL,
        .conditional = transfer->fetch->conditional,
    };
    if (transfer->again)
        return SLUICE_OK;
    sluice_error_t error = sluice_http_error(&outcome);
    return error == SLUICE_ERROR_ORIGIN_REDIRECTS ? sluice_hops_follow(transfer) : error;
}

void sluice_transfer_finish(sluice_transfer_t *transfer, sluice_error_t error)
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
    curl_url_cleanup(transfer->url);
    free(transfer);
}
