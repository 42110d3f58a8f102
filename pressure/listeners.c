/*
 * The registry of listeners and the broadcast.
 *
 * The list is sorted by (phase, id), ids grow with each registration. A broadcast walks it by key, not by pointer: it takes the
 * lock, finds the first entry behind the key of the one before, marks it running, and lets the lock go for the call. So entries may
 * come and go between two calls, and a listener may take any lock of its own.
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

static pressure_registration_t *find_next_locked(pressure_listeners_t *listeners, broadcast_key_t last, uint64_t newest_id)
{
    pressure_registration_t *entry = listeners->first;

    for (; entry != NULL; entry = entry->next) {
        int phase = entry->listener.phase;
        if (entry->leaving || entry->id > newest_id)
            continue;
        if (phase > last.phase || (phase == last.phase && entry->id > last.id))
            break;
    }
    return entry;
}

static pressure_registration_t *begin_call(pressure_listeners_t *listeners, broadcast_key_t *key, uint64_t newest_id)
{
    pressure_registration_t *entry;

    pthread_mutex_lock(&listeners->lock);
    if ((entry = find_next_locked(listeners, *key, newest_id)) != NULL) {
        entry->running = 1;
        listeners->runner = pthread_self();
        atomic_store(&listeners->running, entry->listener.name);
        key->phase = entry->listener.phase;
        key->id = entry->id;
    }
    pthread_mutex_unlock(&listeners->lock);
    return entry;
}

static void end_call(pressure_listeners_t *listeners, pressure_registration_t *entry)
{
    pthread_mutex_lock(&listeners->lock);
    entry->running = 0;
    atomic_store(&listeners->running, NULL);
    pthread_cond_broadcast(&listeners->idle);
    pthread_mutex_unlock(&listeners->lock);
}

static void tell_all(pressure_listeners_t *listeners, const pressure_event_t *event, uint64_t newest_id, pressure_result_t *sum)
{
    broadcast_key_t key = {INT_MIN, 0};
    pressure_registration_t *entry;

    while ((entry = begin_call(listeners, &key, newest_id)) != NULL) {
        pressure_result_t result = entry->listener.on_event(entry->listener.ctx, event);
        end_call(listeners, entry);
        sum->bytes_freed += result.bytes_freed;
        sum->objects_freed += result.objects_freed;
    }
}

pressure_result_t pressure_listeners_broadcast(pressure_listeners_t *listeners, unsigned levels, pressure_event_t *event)
{
    pressure_result_t sum = {0};
    uint64_t newest_id;

    pthread_mutex_lock(&listeners->lock);
    newest_id = listeners->last_id;
    pthread_mutex_unlock(&listeners->lock);
    for (pressure_level_t level = PRESSURE_ELEVATED; level < PRESSURE_NUM_LEVELS; ++level) {
        if ((levels & (1u << level)) == 0)
            continue;
        event->level = level;
        tell_all(listeners, event, newest_id, &sum);
    }
    return sum;
}
