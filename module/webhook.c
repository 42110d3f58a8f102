#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <curl/curl.h>
#include "module/clock.h"
#include "module/thread.h"
#include "module/version.h"
#include "module/webhook.h"
#include "module/webhook_retry.h"

#define CONNECT_TIMEOUT_MS 3000
#define ANSWER_MAX 65536 /* bytes of an answer that are read, so that its connection can be kept */
#define JOIN_SLACK_MS 100

enum { DELIVERED, FAILED, DROPPED };

struct st_sluice_webhook_t {
    char *url;
    struct curl_slist *headers;
    CURLM *multi;
    CURL *easy;
    health_operations_t *operations;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all that follows */
    pthread_cond_t changed, idle;
    char *queue[SLUICE_WEBHOOK_QUEUE]; /* texts, the oldest first */
    size_t size;
    int is_done; /* the thread has nothing left to do */
    int is_busy; /* with one that is not in the queue any more */
    uint64_t counts[HEALTH_NUM_WEBHOOK_RESULTS];
    uint64_t closing_ms; /* 0, or when the thread has to be done */
};

/* --- one attempt */

static size_t on_answer(char *bytes, size_t size, size_t count, void *_left)
{
    size_t *left = _left;

    (void)bytes;
    if (size * count > *left)
        return CURL_WRITEFUNC_ERROR;
    *left -= size * count;
    return size * count;
}

static uint64_t closing_at(sluice_webhook_t *webhook)
{
    pthread_mutex_lock(&webhook->mutex);
    uint64_t closing_ms = webhook->closing_ms;
    pthread_mutex_unlock(&webhook->mutex);
    return closing_ms;
}

static int is_over(sluice_webhook_t *webhook)
{
    uint64_t closing_ms = closing_at(webhook);

    return closing_ms != 0 && sluice_exact_ms() >= closing_ms;
}

static int prepare(sluice_webhook_t *webhook, const char *text, size_t *left)
{
    CURL *easy = webhook->easy;
    int failed = 0;

    curl_easy_reset(easy);
#define SET(option, value) failed |= curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK
    SET(URL, webhook->url);
    SET(PROTOCOLS_STR, "http,https");
    SET(FOLLOWLOCATION, 0L);
    SET(NOSIGNAL, 1L);
    SET(HTTPHEADER, webhook->headers);
    SET(USERAGENT, "sluice/" SLUICE_VERSION);
    SET(POSTFIELDS, text);
    SET(TIMEOUT_MS, (long)SLUICE_WEBHOOK_TIMEOUT_MS);
    SET(CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    SET(WRITEFUNCTION, on_answer);
    SET(WRITEDATA, left);
#undef SET
    return failed ? -1 : 0;
}

/* the status of the answer; 0: there is none, and *fault says why */
static long post(sluice_webhook_t *webhook, const char *text, const char **fault)
{
    size_t left = ANSWER_MAX;
    int running = 1, queued;
    long status = 0;

    *fault = "out of memory";
    if (prepare(webhook, text, &left) != 0 || curl_multi_add_handle(webhook->multi, webhook->easy) != CURLM_OK)
        return 0;
    while (running && !is_over(webhook)) {
        curl_multi_perform(webhook->multi, &running);
        if (running)
            curl_multi_poll(webhook->multi, NULL, 0, 100, NULL);
    }
    const CURLMsg *message = curl_multi_info_read(webhook->multi, &queued);
    *fault = message != NULL ? curl_easy_strerror(message->data.result) : "the server ends";
    if (message != NULL && (message->data.result == CURLE_OK || message->data.result == CURLE_WRITE_ERROR))
        curl_easy_getinfo(webhook->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(webhook->multi, webhook->easy);
    return status;
}

/* --- one message */

/* returns at once when the process ends */
static void nap(sluice_webhook_t *webhook, uint64_t pause_ms)
{
    struct timespec until = sluice_deadline(pause_ms);

    pthread_mutex_lock(&webhook->mutex);
    for (int err = 0; webhook->closing_ms == 0 && err == 0;)
        err = pthread_cond_timedwait(&webhook->changed, &webhook->mutex, &until);
    pthread_mutex_unlock(&webhook->mutex);
}

static uint64_t draw(void)
{
    uint64_t random = 0;

    return getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random) ? random : sluice_now_us();
}

static void say_failure(long status, const char *fault, unsigned attempts)
{
    if (status != 0)
        fprintf(stderr, "sluice: health.webhook: a message was given up, attempt %u: the answer is %ld\n", attempts, status);
    else
        fprintf(stderr, "sluice: health.webhook: a message was given up, attempt %u: %s\n", attempts, fault);
}

/* an attempt has its time from libcurl, which may exceed it by the look-up of a name */
static void enter(const health_operation_t *operation, health_operation_state_t state)
{
    uint64_t now_ms = sluice_now_ms();

    health_operation_enter(operation, state, now_ms,
                           state == HEALTH_OPERATION_SENDING ? now_ms + 2 * SLUICE_WEBHOOK_TIMEOUT_MS : 0);
}

static int deliver(sluice_webhook_t *webhook, const char *text, const health_operation_t *operation)
{
    for (unsigned attempt = 1;; ++attempt) {
        const char *fault;
        enter(operation, HEALTH_OPERATION_SENDING);
        long status = post(webhook, text, &fault);
        sluice_webhook_verdict_t verdict = sluice_webhook_judge(status);
        if (verdict == SLUICE_WEBHOOK_DELIVERED)
            return DELIVERED;
        if (verdict == SLUICE_WEBHOOK_REFUSED || attempt == SLUICE_WEBHOOK_ATTEMPTS || closing_at(webhook) != 0) {
            say_failure(status, fault, attempt);
            return FAILED;
        }
        enter(operation, HEALTH_OPERATION_PAUSING);
        nap(webhook, sluice_webhook_pause_ms(attempt, draw()));
    }
}

/* a thread that was left behind must not touch what it does not own any more */
static int deliver_seen(sluice_webhook_t *webhook, const char *text)
{
    health_operation_t operation;

    health_operation_begin(webhook->operations, &operation, HEALTH_OPERATION_WEBHOOK, HEALTH_OPERATION_SENDING, sluice_now_ms(), "",
                           "health.webhook");
    int result = deliver(webhook, text, &operation);
    if (!is_over(webhook))
        health_operation_end(&operation);
    return result;
}

/* --- the thread and its queue */

static char *drop_first_locked(sluice_webhook_t *webhook)
{
    char *text = webhook->queue[0];

    memmove(webhook->queue, webhook->queue + 1, --webhook->size * sizeof(webhook->queue[0]));
    return text;
}

/* NULL: the process ends, and there is nothing left or no time for it */
static char *await_text(sluice_webhook_t *webhook)
{
    pthread_mutex_lock(&webhook->mutex);
    webhook->is_busy = 0;
    if (webhook->size == 0)
        pthread_cond_broadcast(&webhook->idle);
    while (webhook->size == 0 && webhook->closing_ms == 0)
        pthread_cond_wait(&webhook->changed, &webhook->mutex);
    int is_late = webhook->closing_ms != 0 && sluice_exact_ms() >= webhook->closing_ms;
    char *text = webhook->size != 0 && !is_late ? drop_first_locked(webhook) : NULL;
    webhook->is_busy = text != NULL;
    pthread_mutex_unlock(&webhook->mutex);
    return text;
}

static void *run(void *_webhook)
{
    sluice_webhook_t *webhook = _webhook;
    char *text;

    pthread_setname_np(pthread_self(), "sluice-webhook");
    while ((text = await_text(webhook)) != NULL) {
        int result = deliver_seen(webhook, text);
        free(text);
        pthread_mutex_lock(&webhook->mutex);
        ++webhook->counts[result];
        pthread_mutex_unlock(&webhook->mutex);
    }
    pthread_mutex_lock(&webhook->mutex);
    webhook->is_done = 1;
    pthread_cond_broadcast(&webhook->idle);
    pthread_mutex_unlock(&webhook->mutex);
    return NULL;
}

void sluice_webhook_push(sluice_webhook_t *webhook, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(15)), *dropped = NULL;

    json_decref(message);
    pthread_mutex_lock(&webhook->mutex);
    if (text != NULL && webhook->size == SLUICE_WEBHOOK_QUEUE)
        dropped = drop_first_locked(webhook);
    webhook->counts[DROPPED] += text == NULL || dropped != NULL;
    if (text != NULL)
        webhook->queue[webhook->size++] = text;
    pthread_cond_signal(&webhook->changed);
    pthread_mutex_unlock(&webhook->mutex);
    free(dropped);
}

void sluice_webhook_flush(sluice_webhook_t *webhook, uint64_t wait_ms)
{
    struct timespec until = sluice_deadline(wait_ms);

    pthread_mutex_lock(&webhook->mutex);
    for (int err = 0; (webhook->size != 0 || webhook->is_busy) && err == 0;)
        err = pthread_cond_timedwait(&webhook->idle, &webhook->mutex, &until);
    pthread_mutex_unlock(&webhook->mutex);
}

void sluice_webhook_count(sluice_webhook_t *webhook, uint64_t counts[HEALTH_NUM_WEBHOOK_RESULTS])
{
    pthread_mutex_lock(&webhook->mutex);
    memcpy(counts, webhook->counts, sizeof(webhook->counts));
    pthread_mutex_unlock(&webhook->mutex);
}

/* --- life */

static int add_header(struct curl_slist **headers, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*headers, line);

    if (longer != NULL)
        *headers = longer;
    return longer != NULL ? 0 : -1;
}

static int add_headers(sluice_webhook_t *webhook, const char *token)
{
    char *line = NULL;
    int failed = add_header(&webhook->headers, "Content-Type: application/json") != 0 ||
                 add_header(&webhook->headers, "Expect:") != 0; /* no waiting for 100 */

    if (failed || token == NULL)
        return failed ? -1 : 0;
    if (asprintf(&line, "Authorization: Bearer %s", token) == -1)
        return -1;
    failed = add_header(&webhook->headers, line) != 0;
    free(line);
    return failed ? -1 : 0;
}

static void free_webhook(sluice_webhook_t *webhook)
{
    while (webhook->size != 0)
        free(drop_first_locked(webhook));
    curl_easy_cleanup(webhook->easy);
    if (webhook->multi != NULL)
        curl_multi_cleanup(webhook->multi);
    curl_slist_free_all(webhook->headers);
    pthread_cond_destroy(&webhook->idle);
    pthread_cond_destroy(&webhook->changed);
    pthread_mutex_destroy(&webhook->mutex);
    free(webhook->url);
    free(webhook);
}

sluice_webhook_t *sluice_webhook_create(const char *url, const char *token, health_operations_t *operations)
{
    sluice_webhook_t *webhook = calloc(1, sizeof(*webhook));

    if (webhook == NULL)
        return NULL;
    webhook->operations = operations;
    pthread_mutex_init(&webhook->mutex, NULL);
    sluice_cond_init(&webhook->changed);
    sluice_cond_init(&webhook->idle);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (webhook->url = strdup(url)) == NULL ||
        add_headers(webhook, token) != 0 || (webhook->easy = curl_easy_init()) == NULL ||
        (webhook->multi = curl_multi_init()) == NULL || sluice_thread_start(&webhook->thread, run, webhook) != 0) {
        free_webhook(webhook);
        return NULL;
    }
    return webhook;
}

static int await_thread(sluice_webhook_t *webhook)
{
    struct timespec until = sluice_deadline(SLUICE_WEBHOOK_GRACE_MS + JOIN_SLACK_MS);

    pthread_mutex_lock(&webhook->mutex);
    webhook->closing_ms = sluice_exact_ms() + SLUICE_WEBHOOK_GRACE_MS;
    pthread_cond_signal(&webhook->changed);
    for (int err = 0; !webhook->is_done && err == 0;)
        err = pthread_cond_timedwait(&webhook->idle, &webhook->mutex, &until);
    int is_done = webhook->is_done;
    pthread_mutex_unlock(&webhook->mutex);
    return is_done;
}

void sluice_webhook_destroy(sluice_webhook_t **_webhook)
{
    sluice_webhook_t *webhook = *_webhook;

    if (webhook == NULL)
        return;
    *_webhook = NULL;
    if (await_thread(webhook)) {
        pthread_join(webhook->thread, NULL);
        free_webhook(webhook);
    } else {
        pthread_detach(webhook->thread);
    }
}
