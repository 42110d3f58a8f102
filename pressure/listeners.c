/*
 * The registry of listeners and the broadcast.
 *
 * The list is sorted by (phase, id), ids grow with each registration. A broadcast walks it by key, not by pointer: it takes the
 * lock, finds the first entry behind the key of the one before, marks it running, and lets the lock go for the call. So entries may
 * come and go between two calls, and a listener may take any lock of its own.
 *
 * An event goes round: in the first round every listener is called, in each further one those that ran out of their slice of time
 * with something to show for it. All of them have had their turn before one has its next. When the episode's time is up, the round
 * under way is the last one.
 *
 *   registered --broadcast--> running --returned--> registered
 *       |                        |
 *       +------unregister--------+--> leaving: no call begins any more; freed by unregister() once it is not running
 *
 * A read-write lock around the whole broadcast would be shorter, but a thread that unregisters while it holds a lock which a
 * listener needs would then hang: here it waits for one call of its own listener at most.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "pressure/pressure_private.h"

struct st_pressure_registration_t {
    pressure_registration_t *next;
    pressure_listener_t listener;
    uint64_t id;
    int running, leaving;
    int pending; /* is to be called in this round; the broadcast's */
    pressure_listener_record_t record;
    pressure_refill_t refill; /* the survey's */
    uint64_t limit_bytes;     /* as last set; 0: the capacity */
};

typedef struct st_broadcast_key_t {
    int phase;
    uint64_t id;
} broadcast_key_t;

int pressure_listeners_init(pressure_listeners_t *listeners)
{
    int err;

    listeners->first = NULL;
    atomic_store(&listeners->running, NULL);
    listeners->last_id = 0;
    if ((err = pthread_mutex_init(&listeners->lock, NULL)) == 0 && (err = pthread_cond_init(&listeners->idle, NULL)) != 0)
        pthread_mutex_destroy(&listeners->lock);
    errno = err;
    return err == 0 ? 0 : -1;
}

void pressure_listeners_dispose(pressure_listeners_t *listeners)
{
    assert(listeners->first == NULL);
    pthread_cond_destroy(&listeners->idle);
    pthread_mutex_destroy(&listeners->lock);
}

static void link_locked(pressure_listeners_t *listeners, pressure_registration_t *registration)
{
    pressure_registration_t **slot = &listeners->first;

    registration->id = ++listeners->last_id;
    while (*slot != NULL && (*slot)->listener.phase <= registration->listener.phase)
        slot = &(*slot)->next;
    registration->next = *slot;
    *slot = registration;
}

static void unlink_locked(pressure_listeners_t *listeners, pressure_registration_t *registration)
{
    pressure_registration_t **slot = &listeners->first;

    while (*slot != registration) {
        assert(*slot != NULL);
        slot = &(*slot)->next;
    }
    *slot = registration->next;
}

int pressure_register(pressure_t *pressure, const pressure_listener_t *listener, pressure_registration_t **registration)
{
    pressure_registration_t *added = calloc(1, sizeof(*added));

    *registration = added;
    if (added == NULL)
        return -1;
    added->listener = *listener;
    added->record.name = listener->name;
    pthread_mutex_lock(&pressure->listeners.lock);
    link_locked(&pressure->listeners, added);
    pthread_mutex_unlock(&pressure->listeners.lock);
    return 0;
}

void pressure_unregister(pressure_t *pressure, pressure_registration_t **registration)
{
    pressure_listeners_t *listeners = &pressure->listeners;
    pressure_registration_t *leaving = *registration;

    if (leaving == NULL)
        return;
    *registration = NULL;
    pthread_mutex_lock(&listeners->lock);
    leaving->leaving = 1;
    /* a listener that waited for itself to return would do so for ever */
    assert(!(leaving->running && pthread_equal(listeners->runner, pthread_self())));
    while (leaving->running)
        pthread_cond_wait(&listeners->idle, &listeners->lock);
    unlink_locked(listeners, leaving);
    pthread_mutex_unlock(&listeners->lock);
    free(leaving);
}

static pressure_registration_t *find_next_locked(pressure_listeners_t *listeners, broadcast_key_t last, int pending)
{
    pressure_registration_t *entry = listeners->first;

    for (; entry != NULL; entry = entry->next) {
        int phase = entry->listener.phase;
        if (entry->leaving || (pending && !entry->pending))
            continue;
        if (phase > last.phase || (phase == last.phase && entry->id > last.id))
            break;
    }
    return entry;
}

/**
 * the next one behind *key, which moves on; `pending`: of those that are
 */
static pressure_registration_t *begin_call(pressure_listeners_t *listeners, broadcast_key_t *key, int pending)
{
    pressure_registration_t *entry;

    pthread_mutex_lock(&listeners->lock);
    if ((entry = find_next_locked(listeners, *key, pending)) != NULL) {
        entry->running = 1;
        listeners->runner = pthread_self();
        atomic_store(&listeners->running, entry->listener.name);
        key->phase = entry->listener.phase;
        key->id = entry->id;
    }
    pthread_mutex_unlock(&listeners->lock);
    return entry;
}

static void end_call_locked(pressure_listeners_t *listeners, pressure_registration_t *entry)
{
    entry->running = 0;
    atomic_store(&listeners->running, NULL);
    pthread_cond_broadcast(&listeners->idle);
}

static void count_call_locked(pressure_registration_t *entry, const pressure_event_t *event, const pressure_result_t *result,
                              uint64_t took_ms, uint64_t slice_ms)
{
    pressure_listener_record_t *record = &entry->record;

    record->last_call.generation = event->generation;
    record->last_call.level = event->level;
    record->last_call.result = *result;
    ++record->calls;
    record->bytes_freed += result->bytes_freed;
    record->objects_freed += result->objects_freed;
    record->slow_calls += took_ms > 2 * slice_ms;
    record->failures += result->status == PRESSURE_FAILED;
    record->last_ms = took_ms;
    if (took_ms > record->longest_ms)
        record->longest_ms = took_ms;
}

static void call(pressure_listeners_t *listeners, const pressure_config_t *config, pressure_registration_t *entry,
                 pressure_event_t *event, uint64_t episode_end_ms, pressure_told_t *told)
{
    uint64_t slice_ms = config->tuning.listener_slice_ms, began_ms = config->now_ms(), ended_ms, took_ms;

    event->deadline_ms = began_ms + slice_ms < episode_end_ms ? began_ms + slice_ms : episode_end_ms;
    pressure_result_t result = entry->listener.on_event(entry->listener.ctx, event);
    ended_ms = config->now_ms();
    took_ms = pressure_elapsed_ms(&began_ms, ended_ms);

    pthread_mutex_lock(&listeners->lock);
    entry->pending = result.status == PRESSURE_MORE && (result.bytes_freed != 0 || result.objects_freed != 0);
    count_call_locked(entry, event, &result, took_ms, slice_ms);
    entry->record.last_call.at_ms = ended_ms;
    end_call_locked(listeners, entry);
    pthread_mutex_unlock(&listeners->lock);
    told->bytes_freed += result.bytes_freed;
    told->objects_freed += result.objects_freed;
    told->failed |= result.status == PRESSURE_FAILED;
}

static int mark_pending(pressure_listeners_t *listeners, uint64_t newest_id)
{
    int any = 0;

    pthread_mutex_lock(&listeners->lock);
    for (pressure_registration_t *entry = listeners->first; entry != NULL; entry = entry->next) {
        entry->pending = entry->id <= newest_id;
        any |= entry->pending;
    }
    pthread_mutex_unlock(&listeners->lock);
    return any;
}

static int has_pending(pressure_listeners_t *listeners)
{
    pthread_mutex_lock(&listeners->lock);
    int pending = find_next_locked(listeners, (broadcast_key_t){INT_MIN, 0}, 1) != NULL;
    pthread_mutex_unlock(&listeners->lock);
    return pending;
}

static void tell_all(pressure_listeners_t *listeners, const pressure_config_t *config, pressure_event_t *event, uint64_t newest_id,
                     uint64_t *began_ms, pressure_told_t *told)
{
    uint64_t limit_ms = config->tuning.episode_limit_ms;
    int pending = mark_pending(listeners, newest_id);

    while (pending) {
        broadcast_key_t key = {INT_MIN, 0};
        pressure_registration_t *entry;
        while ((entry = begin_call(listeners, &key, 1)) != NULL)
            call(listeners, config, entry, event, *began_ms + limit_ms, told);
        pending = has_pending(listeners);
        if (pressure_elapsed_ms(began_ms, config->now_ms()) >= limit_ms) {
            told->unfinished |= pending;
            break;
        }
    }
}

pressure_told_t pressure_listeners_broadcast(pressure_listeners_t *listeners, const pressure_config_t *config, unsigned levels,
                                             pressure_event_t *event)
{
    pressure_told_t told = {0};
    uint64_t newest_id, began_ms = config->now_ms();

    pthread_mutex_lock(&listeners->lock);
    newest_id = listeners->last_id;
    pthread_mutex_unlock(&listeners->lock);
    for (event->final_level = PRESSURE_EMERGENCY; (levels & 1u << event->final_level) == 0; --event->final_level)
        ;
    for (pressure_level_t level = PRESSURE_ELEVATED; level <= event->final_level; ++level) {
        if ((levels & (1u << level)) == 0)
            continue;
        event->level = level;
        tell_all(listeners, config, event, newest_id, &began_ms, &told);
    }
    return told;
}

static void limit_one(pressure_registration_t *entry, const pressure_tuning_t *tuning, const pressure_usage_t *usage,
                      pressure_survey_t *survey)
{
    survey->facts.used_bytes = usage->bytes;
    survey->facts.capacity_bytes = usage->capacity_bytes;
    uint64_t limit_bytes = pressure_refill_step(tuning, &entry->refill, &survey->facts, survey->now_ms);
    uint64_t below_capacity = limit_bytes < usage->capacity_bytes ? limit_bytes : 0;
    if (below_capacity == entry->limit_bytes)
        return;
    entry->limit_bytes = below_capacity;
    entry->listener.set_limit(entry->listener.ctx, limit_bytes);
}

static pressure_usage_t survey_one(pressure_registration_t *entry, const pressure_tuning_t *tuning, pressure_survey_t *survey)
{
    const pressure_listener_t *listener = &entry->listener;
    pressure_usage_t usage = {0};

    if (listener->usage == NULL) {
        survey->unknown = 1;
        return usage;
    }
    listener->usage(listener->ctx, survey->event_level, &usage);
    survey->bytes += usage.bytes + usage.pinned_bytes;
    survey->evictable_bytes += usage.evictable_bytes;
    if (survey->set_limits && listener->set_limit != NULL)
        limit_one(entry, tuning, &usage, survey);
    return usage;
}

void pressure_listeners_survey(pressure_listeners_t *listeners, const pressure_tuning_t *tuning, pressure_survey_t *survey)
{
    broadcast_key_t key = {INT_MIN, 0};
    pressure_registration_t *entry;

    while ((entry = begin_call(listeners, &key, 0)) != NULL) {
        pressure_usage_t usage = survey_one(entry, tuning, survey);
        pthread_mutex_lock(&listeners->lock);
        if (survey->set_limits)
            entry->record.usage = usage;
        end_call_locked(listeners, entry);
        pthread_mutex_unlock(&listeners->lock);
    }
}

size_t pressure_get_listener_records(pressure_t *pressure, pressure_listener_record_t *records, size_t max)
{
    pressure_listeners_t *listeners = &pressure->listeners;
    size_t num = 0;

    pthread_mutex_lock(&listeners->lock);
    for (pressure_registration_t *entry = listeners->first; entry != NULL && num != max; entry = entry->next)
        records[num++] = entry->record;
    pthread_mutex_unlock(&listeners->lock);
    return num;
}
