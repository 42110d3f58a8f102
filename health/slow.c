#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "health/json.h"
#include "health/slow.h"

struct st_lists_t {
    uint64_t last_id;
    size_t num_slowest;
    health_slow_request_t slowest[HEALTH_SLOWEST];    /* in no order */
    health_slow_request_t latest[HEALTH_SLOW_LATEST]; /* that of an id is at id % HEALTH_SLOW_LATEST; id 0: none yet */
};

struct st_health_slow_t {
    pthread_mutex_t mutex;
    struct st_lists_t lists; /* guarded by mutex */
};

health_slow_t *health_slow_create(void)
{
    health_slow_t *slow = calloc(1, sizeof(*slow));

    if (slow != NULL)
        pthread_mutex_init(&slow->mutex, NULL);
    return slow;
}

void health_slow_destroy(health_slow_t **_slow)
{
    health_slow_t *slow = *_slow;

    if (slow == NULL)
        return;
    *_slow = NULL;
    pthread_mutex_destroy(&slow->mutex);
    free(slow);
}

/* --- keeping */

static void forget_old(struct st_lists_t *lists, int64_t now_ms)
{
    for (size_t i = 0; i != lists->num_slowest;)
        if (now_ms - lists->slowest[i].at_ms > HEALTH_SLOW_SPAN_MS)
            lists->slowest[i] = lists->slowest[--lists->num_slowest];
        else
            ++i;
}

/* where a request of this duration goes; NULL: all that are there are slower */
static health_slow_request_t *find_place(struct st_lists_t *lists, uint64_t waited_us)
{
    health_slow_request_t *fastest = lists->slowest;

    if (lists->num_slowest != HEALTH_SLOWEST)
        return lists->slowest + lists->num_slowest++;
    for (size_t i = 1; i != HEALTH_SLOWEST; ++i)
        if (lists->slowest[i].waited_us < fastest->waited_us)
            fastest = lists->slowest + i;
    return fastest->waited_us < waited_us ? fastest : NULL;
}

uint64_t health_slow_add(health_slow_t *slow, const health_slow_request_t *request)
{
    struct st_lists_t *lists = &slow->lists;
    health_slow_request_t *latest, *place;
    uint64_t id;

    pthread_mutex_lock(&slow->mutex);
    id = ++lists->last_id;
    latest = lists->latest + id % HEALTH_SLOW_LATEST;
    *latest = *request;
    latest->id = id;
    forget_old(lists, request->at_ms);
    if ((place = find_place(lists, request->waited_us)) != NULL)
        *place = *latest;
    pthread_mutex_unlock(&slow->mutex);
    return id;
}

void health_slow_sent(health_slow_t *slow, uint64_t id, uint64_t sent_us)
{
    struct st_lists_t *lists = &slow->lists;
    health_slow_request_t *latest = lists->latest + id % HEALTH_SLOW_LATEST;

    pthread_mutex_lock(&slow->mutex);
    if (latest->id == id)
        latest->sent_us = sent_us;
    for (size_t i = 0; i != lists->num_slowest; ++i)
        if (lists->slowest[i].id == id)
            lists->slowest[i].sent_us = sent_us;
    pthread_mutex_unlock(&slow->mutex);
}

/* --- reading */

uint64_t health_slow_news(health_slow_t *slow, uint64_t *after, health_slow_request_t *request)
{
    const struct st_lists_t *lists = &slow->lists;
    const health_slow_request_t *slowest = NULL;
    uint64_t count;

    pthread_mutex_lock(&slow->mutex);
    count = lists->last_id - *after;
    for (size_t i = 0; i != HEALTH_SLOW_LATEST; ++i)
        if (lists->latest[i].id > *after && (slowest == NULL || lists->latest[i].waited_us > slowest->waited_us))
            slowest = lists->latest + i;
    if (slowest != NULL)
        *request = *slowest;
    *after = lists->last_id;
    pthread_mutex_unlock(&slow->mutex);
    return count;
}

static int by_duration(const void *_a, const void *_b)
{
    const health_slow_request_t *a = _a, *b = _b;

    if (a->waited_us != b->waited_us)
        return a->waited_us < b->waited_us ? 1 : -1;
    return a->id < b->id ? 1 : -1;
}

static json_t *new_request(const health_slow_request_t *request)
{
    json_t *object = json_object();

    health_json_add(&object, "at", health_json_real((double)request->at_ms / 1000, 1e3));
    health_json_add(&object, "duration_ms", health_json_real((double)request->waited_us / 1000, 1e3));
    health_json_add(&object, "sent_ms",
                    request->sent_us != 0 ? health_json_real((double)request->sent_us / 1000, 1e3) : json_null());
    health_json_add(&object, "method", json_string(request->method));
    health_json_add(&object, "host", json_string(request->host));
    health_json_add(&object, "path", json_string(request->target));
    health_json_add(&object, "status", json_integer(request->status));
    health_json_add(&object, "body_bytes", health_json_integer(request->bytes));
    health_json_add(&object, "cache_status", json_string(request->cache_status));
    health_json_add(&object, "server_timing", json_string(request->server_timing));
    return object;
}

static json_t *new_slowest(struct st_lists_t *lists, int64_t now_ms)
{
    json_t *array = json_array();

    forget_old(lists, now_ms);
    qsort(lists->slowest, lists->num_slowest, sizeof(lists->slowest[0]), by_duration);
    for (size_t i = 0; i != lists->num_slowest; ++i)
        health_json_push(&array, new_request(lists->slowest + i));
    return array;
}

static json_t *new_latest(const struct st_lists_t *lists)
{
    json_t *array = json_array();

    for (uint64_t id = lists->last_id; id != 0 && lists->last_id - id != HEALTH_SLOW_LATEST; --id)
        health_json_push(&array, new_request(lists->latest + id % HEALTH_SLOW_LATEST));
    return array;
}

json_t *health_slow_json(health_slow_t *slow, int64_t now_ms)
{
    struct st_lists_t *copy = malloc(sizeof(*copy));
    json_t *object;

    if (copy == NULL)
        return NULL;
    pthread_mutex_lock(&slow->mutex);
    *copy = slow->lists;
    pthread_mutex_unlock(&slow->mutex);
    object = json_object();
    health_json_add(&object, "slowest", new_slowest(copy, now_ms));
    health_json_add(&object, "latest", new_latest(copy));
    free(copy);
    return object;
}
