/*
 * The queue of operations.
 *
 *   turns    ring of the parties that wait, in the order of their turns. The first operation of a party stands for it; behind it,
 *            in `_peers`, are the others in the order of arrival. What leaves from the front of a party hands its place on: to the
 *            end of the ring if it was granted, as it is if it was cancelled or its time was over.
 *   buckets  the same first operations, by party and route, to find a party when another operation of it arrives
 *   waiting  all that wait, by deadline, the next one first. Deadlines come nearly in order, so they are sorted in from the end.
 *   granted  all that hold a grant; also what the reconciliation counts, see reconcile.c
 *
 * Who calls goes through the ring (run_locked) whenever something may fit that did not before: an operation starts or ends, the
 * coordinator has sampled. A pass over n parties costs n comparisons; a reservation is tried once for each operation, and after
 * that only if it looks as if it would be granted, so that waiting does not look like being refused again and again, and does not
 * kick the coordinator.
 *
 * Lock: queue.lock guards all of this and every write to a route. Under it the ledger is asked (which has no lock), but nobody is
 * told: who is to be told is put on a list, and told when the lock is free.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include "pressure/pressure_private.h"

#define OWNER PRESSURE_OPERATION_OF
#define HEAD_PERIOD_MS 20 /* how often it is looked whether room has appeared for an operation that lacks memory */

/* what a call has to do once the lock is free */
struct st_outcome_t {
    pressure_operation_t *told, **tail;
    int kick;
    int head_waits; /* for memory */
};

static void link_init(pressure_link_t *link)
{
    link->prev = link->next = link;
}

static int link_is_alone(const pressure_link_t *link)
{
    return link->next == link;
}

static void link_before(pressure_link_t *at, pressure_link_t *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

static void link_remove(pressure_link_t *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

int pressure_queue_init(pressure_queue_t *queue)
{
    link_init(&queue->turns);
    link_init(&queue->waiting);
    link_init(&queue->granted);
    return pthread_mutex_init(&queue->lock, NULL);
}

void pressure_queue_dispose(pressure_queue_t *queue)
{
    assert(queue->record.waiting == 0 && queue->record.granted == 0);
    pthread_mutex_destroy(&queue->lock);
}

/* --- parties --- */

static int same_party(const pressure_operation_t *a, const pressure_operation_t *b)
{
    return a->party == b->party && a->route == b->route;
}

static pressure_operation_t **find_bucket(pressure_queue_t *queue, const pressure_operation_t *operation)
{
    uint64_t mixed = (operation->party ^ (uint64_t)(uintptr_t)operation->route) * UINT64_C(0x9e3779b97f4a7c15);

    return queue->buckets + (mixed >> 32) % PRESSURE_QUEUE_BUCKETS;
}

/* where the party's first operation hangs, or the end of its bucket */
static pressure_operation_t **find_party(pressure_queue_t *queue, const pressure_operation_t *operation)
{
    pressure_operation_t **at = find_bucket(queue, operation);

    while (*at != NULL && !same_party(*at, operation))
        at = &(*at)->_next;
    return at;
}

static void join_party(pressure_queue_t *queue, pressure_operation_t *operation)
{
    pressure_operation_t **at = find_party(queue, operation), *first = *at;

    link_init(&operation->_peers);
    link_init(&operation->_turn);
    operation->_first = first == NULL;
    if (first != NULL) {
        link_before(&first->_peers, &operation->_peers);
        return;
    }
    operation->_next = NULL;
    *at = operation;
    link_before(&queue->turns, &operation->_turn);
}

static void leave_party(pressure_queue_t *queue, pressure_operation_t *operation, int had_its_turn)
{
    pressure_operation_t *heir = link_is_alone(&operation->_peers) ? NULL : OWNER(operation->_peers.next, _peers);

    link_remove(&operation->_peers);
    if (!operation->_first)
        return;
    pressure_operation_t **at = find_party(queue, operation);
    if (heir != NULL) {
        link_before(had_its_turn ? &queue->turns : &operation->_turn, &heir->_turn);
        heir->_first = 1;
        heir->_next = operation->_next;
        *at = heir;
    } else {
        *at = operation->_next;
    }
    link_remove(&operation->_turn);
    operation->_first = 0;
}

/* --- routes --- */

static int has_slot(const pressure_route_t *route)
{
    for (; route != NULL; route = route->parent)
        if (route->max_concurrent != 0 && atomic_load_explicit(&route->in_use, memory_order_relaxed) >= route->max_concurrent)
            return 0;
    return 1;
}

enum { COUNT_IN_USE, COUNT_WAITING, COUNT_REFUSED };

/* one more or less, of the route and those above it. Never below zero: a count that was too low is for reconcile.c to set right */
static void count_on_route(pressure_route_t *route, int what, int by)
{
    for (; route != NULL; route = route->parent) {
        _Atomic uint64_t *count = what == COUNT_IN_USE ? &route->in_use : what == COUNT_WAITING ? &route->waiting : &route->refused;
        uint64_t before = atomic_load_explicit(count, memory_order_relaxed);
        if (by > 0 || before != 0)
            atomic_store_explicit(count, by > 0 ? before + 1 : before - 1, memory_order_relaxed);
    }
}

void pressure_add_route(pressure_t *pressure, pressure_route_t *route)
{
    pthread_mutex_lock(&pressure->queue.lock);
    route->_next = pressure->queue.routes;
    pressure->queue.routes = route;
    pthread_mutex_unlock(&pressure->queue.lock);
}

/* --- in and out, under the lock --- */

static void sort_in(pressure_queue_t *queue, pressure_operation_t *operation)
{
    pressure_link_t *at = &queue->waiting;

    while (at->prev != &queue->waiting && OWNER(at->prev, _listed)->deadline_ms > operation->deadline_ms)
        at = at->prev;
    link_before(at, &operation->_listed);
}

static void enqueue_locked(pressure_queue_t *queue, pressure_operation_t *operation)
{
    operation->_state = PRESSURE_OPERATION_WAITING;
    operation->_tried = operation->_wished = 0;
    operation->_overtaken_bytes = 0;
    join_party(queue, operation);
    sort_in(queue, operation);
    ++queue->record.waiting;
    queue->record.waiting_bytes += operation->bytes;
    count_on_route(operation->route, COUNT_WAITING, 1);
}

static void dequeue_locked(pressure_queue_t *queue, pressure_operation_t *operation, int had_its_turn)
{
    operation->_state = PRESSURE_OPERATION_IDLE;
    leave_party(queue, operation, had_its_turn);
    link_remove(&operation->_listed);
    --queue->record.waiting;
    queue->record.waiting_bytes -= operation->bytes;
    count_on_route(operation->route, COUNT_WAITING, -1);
}

static void take_locked(pressure_queue_t *queue, pressure_operation_t *operation)
{
    dequeue_locked(queue, operation, 1);
    operation->_state = PRESSURE_OPERATION_GRANTED;
    link_before(&queue->granted, &operation->_listed);
    ++queue->record.granted;
    queue->record.granted_bytes += operation->bytes;
    count_on_route(operation->route, COUNT_IN_USE, 1);
}

static void give_back_locked(pressure_t *pressure, pressure_operation_t *operation)
{
    pressure_queue_t *queue = &pressure->queue;

    assert(operation->_state == PRESSURE_OPERATION_GRANTED);
    operation->_state = PRESSURE_OPERATION_IDLE;
    link_remove(&operation->_listed);
    --queue->record.granted;
    queue->record.granted_bytes -= operation->bytes;
    count_on_route(operation->route, COUNT_IN_USE, -1);
    pressure_release(pressure, operation->resource_class, operation->bytes);
}

static void note_drain_locked(pressure_queue_t *queue, uint64_t now_ms, uint64_t ended_bytes)
{
    pressure_drain_note(&queue->drain, now_ms, ended_bytes, queue->record.granted != 0 || queue->record.waiting != 0);
}

static void refuse_locked(pressure_queue_t *queue, pressure_operation_t *operation, uint64_t *counter)
{
    ++*counter;
    count_on_route(operation->route, COUNT_REFUSED, 1);
    dequeue_locked(queue, operation, 0);
}

/* --- who is next, under the lock --- */

static void outcome_init(struct st_outcome_t *outcome)
{
    *outcome = (struct st_outcome_t){.tail = &outcome->told};
}

static void tell_later(struct st_outcome_t *outcome, pressure_operation_t *operation, int result)
{
    operation->_result = result;
    operation->_next = NULL;
    *outcome->tail = operation;
    outcome->tail = &operation->_next;
}

/* with the lock free. An operation may be gone once it has been told */
static void tell(pressure_t *pressure, struct st_outcome_t *outcome)
{
    pressure_operation_t *operation = outcome->told;

    if (outcome->kick)
        pressure_kick(pressure);
    while (operation != NULL) {
        pressure_operation_t *next = operation->_next;
        operation->on_done(operation, operation->_result);
        operation = next;
    }
}

static int try_to_reserve(pressure_t *pressure, pressure_operation_t *operation)
{
    if (operation->_tried && !pressure_looks_grantable(pressure, operation->bytes))
        return PRESSURE_NOT_NOW;
    operation->_tried = 1;
    return pressure_reserve(pressure, operation->resource_class, operation->bytes);
}

static void wait_at_head(pressure_t *pressure, pressure_operation_t *head, struct st_outcome_t *outcome)
{
    pressure_note_wish(pressure, head->bytes);
    outcome->head_waits = 1;
    if (!head->_wished)
        outcome->kick = 1;
    head->_wished = 1;
}

static int may_overtake(const pressure_operation_t *head, const pressure_operation_t *operation)
{
    return head == NULL || operation->bytes <= PRESSURE_OVERTAKE_FACTOR * head->bytes - head->_overtaken_bytes;
}

/**
 * The next one that is to be taken out of the queue, with *result PRESSURE_OK (its bytes are reserved) or PRESSURE_NEVER; or NULL.
 */
static pressure_operation_t *find_next_locked(pressure_t *pressure, struct st_outcome_t *outcome, int *result)
{
    pressure_queue_t *queue = &pressure->queue;
    pressure_operation_t *head = NULL;
    uint64_t too_large_bytes = UINT64_MAX;

    for (pressure_link_t *at = queue->turns.next; at != &queue->turns; at = at->next) {
        pressure_operation_t *operation = OWNER(at, _turn);
        if (operation->bytes >= too_large_bytes || !may_overtake(head, operation) || !has_slot(operation->route))
            continue;
        if ((*result = try_to_reserve(pressure, operation)) != PRESSURE_NOT_NOW) {
            if (head != NULL && *result == PRESSURE_OK) {
                head->_overtaken_bytes += operation->bytes;
                ++queue->record.overtakes;
            }
            return operation;
        }
        too_large_bytes = operation->bytes;
        if (head == NULL)
            wait_at_head(pressure, head = operation, outcome);
    }
    return NULL;
}

static void grant_locked(pressure_t *pressure, const pressure_operation_t *starting, struct st_outcome_t *outcome)
{
    pressure_queue_t *queue = &pressure->queue;
    pressure_operation_t *operation;
    int result;

    while (queue->record.granted < pressure->config.max_operations &&
           (operation = find_next_locked(pressure, outcome, &result)) != NULL) {
        if (result == PRESSURE_OK)
            take_locked(queue, operation);
        else
            dequeue_locked(queue, operation, 0);
        if (operation == starting)
            continue;
        queue->record.waited += result == PRESSURE_OK;
        tell_later(outcome, operation, result);
    }
}

/* returns how many there were */
static unsigned expire_locked(pressure_queue_t *queue, uint64_t now_ms, struct st_outcome_t *outcome)
{
    unsigned expired = 0;

    for (; !link_is_alone(&queue->waiting); ++expired) {
        pressure_operation_t *operation = OWNER(queue->waiting.next, _listed);
        if (!queue->closed && operation->deadline_ms > now_ms)
            break;
        refuse_locked(queue, operation, &queue->record.timed_out);
        tell_later(outcome, operation, PRESSURE_NOT_NOW);
    }
    return expired;
}

/* first the grants: who can have what it waits for is not turned away for having waited */
static void run_locked(pressure_t *pressure, uint64_t now_ms, struct st_outcome_t *outcome)
{
    do {
        grant_locked(pressure, NULL, outcome);
    } while (expire_locked(&pressure->queue, now_ms, outcome) != 0);
}

/* --- from outside --- */

/* it has been put at its place in the queue, and was not granted: may it stay there? */
static int stay_locked(pressure_t *pressure, pressure_operation_t *operation, uint64_t now_ms)
{
    pressure_queue_t *queue = &pressure->queue;

    if (queue->closed || operation->deadline_ms <= now_ms) {
        refuse_locked(queue, operation, &queue->record.timed_out);
        return PRESSURE_NOT_NOW;
    }
    if (queue->record.waiting > pressure->config.max_waiting ||
        (queue->record.waiting > 1 && queue->record.waiting_bytes > pressure->config.max_waiting_bytes)) {
        refuse_locked(queue, operation, &queue->record.refused_full);
        return PRESSURE_FULL;
    }
    return PRESSURE_WAITING;
}

int pressure_operation_start(pressure_t *pressure, pressure_operation_t *operation)
{
    pressure_queue_t *queue = &pressure->queue;
    uint64_t now_ms = pressure->config.now_ms();
    struct st_outcome_t outcome;
    int result = PRESSURE_OK;

    if (operation->bytes > pressure_largest_bytes(pressure))
        return PRESSURE_NEVER;
    outcome_init(&outcome);
    pthread_mutex_lock(&queue->lock);
    assert(operation->_state == PRESSURE_OPERATION_IDLE);
    enqueue_locked(queue, operation);
    grant_locked(pressure, operation, &outcome);
    if (operation->_state == PRESSURE_OPERATION_IDLE)
        result = PRESSURE_NEVER;
    else if (operation->_state == PRESSURE_OPERATION_WAITING)
        result = stay_locked(pressure, operation, now_ms);
    /* the coordinator does not know of this deadline yet */
    outcome.kick |= result == PRESSURE_WAITING && queue->waiting.next == &operation->_listed;
    note_drain_locked(queue, now_ms, 0);
    pthread_mutex_unlock(&queue->lock);
    tell(pressure, &outcome);
    return result;
}

int pressure_operation_cancel(pressure_t *pressure, pressure_operation_t *operation)
{
    pressure_queue_t *queue = &pressure->queue;
    int waits, others_wait;

    pthread_mutex_lock(&queue->lock);
    waits = operation->_state == PRESSURE_OPERATION_WAITING;
    if (waits) {
        dequeue_locked(queue, operation, 0);
        ++queue->record.cancelled;
        note_drain_locked(queue, pressure->config.now_ms(), 0);
    }
    others_wait = queue->record.waiting != 0;
    pthread_mutex_unlock(&queue->lock);
    if (waits && others_wait) /* it may have been in their way; they are told by the coordinator, for this thread is not ours */
        pressure_kick(pressure);
    return waits;
}

int pressure_operation_grow(pressure_t *pressure, pressure_operation_t *operation, uint64_t bytes)
{
    pressure_queue_t *queue = &pressure->queue;

    pthread_mutex_lock(&queue->lock);
    assert(operation->_state == PRESSURE_OPERATION_GRANTED);
    int result = pressure_resize(pressure, operation->resource_class, operation->bytes, operation->bytes + bytes);
    if (result == PRESSURE_OK) {
        operation->bytes += bytes;
        queue->record.granted_bytes += bytes;
    }
    pthread_mutex_unlock(&queue->lock);
    return result;
}

void pressure_operation_end(pressure_t *pressure, pressure_operation_t *operation)
{
    pressure_queue_t *queue = &pressure->queue;
    uint64_t now_ms = pressure->config.now_ms();
    struct st_outcome_t outcome;

    outcome_init(&outcome);
    pthread_mutex_lock(&queue->lock);
    uint64_t ended_bytes = operation->bytes;
    give_back_locked(pressure, operation);
    run_locked(pressure, now_ms, &outcome);
    note_drain_locked(queue, now_ms, ended_bytes);
    pthread_mutex_unlock(&queue->lock);
    tell(pressure, &outcome);
}

void pressure_close_queue(pressure_t *pressure)
{
    struct st_outcome_t outcome;

    outcome_init(&outcome);
    pthread_mutex_lock(&pressure->queue.lock);
    pressure->queue.closed = 1;
    expire_locked(&pressure->queue, 0, &outcome);
    note_drain_locked(&pressure->queue, pressure->config.now_ms(), 0);
    pthread_mutex_unlock(&pressure->queue.lock);
    tell(pressure, &outcome);
}

/* what runs has ended, and there is still no room for the head: it is not what runs that is in its way */
static void give_way_locked(pressure_queue_t *queue)
{
    if (queue->record.granted != 0)
        return;
    for (pressure_link_t *at = queue->turns.next; at != &queue->turns; at = at->next)
        OWNER(at, _turn)->_overtaken_bytes = 0;
}

uint64_t pressure_run_queue(pressure_t *pressure, uint64_t now_ms)
{
    pressure_queue_t *queue = &pressure->queue;
    uint64_t wait_ms = UINT64_MAX;
    struct st_outcome_t outcome;

    outcome_init(&outcome);
    pthread_mutex_lock(&queue->lock);
    grant_locked(pressure, NULL, &outcome);
    give_way_locked(queue);
    run_locked(pressure, now_ms, &outcome);
    note_drain_locked(queue, now_ms, 0);
    if (!link_is_alone(&queue->waiting)) {
        wait_ms = OWNER(queue->waiting.next, _listed)->deadline_ms - now_ms;
        if (wait_ms > HEAD_PERIOD_MS && outcome.head_waits)
            wait_ms = HEAD_PERIOD_MS;
    }
    pthread_mutex_unlock(&queue->lock);
    outcome.kick = 0; /* this is a step, and the time of the next one is the answer */
    tell(pressure, &outcome);
    uint64_t reconcile_ms = pressure_reconcile(pressure, now_ms);
    return reconcile_ms < wait_ms ? reconcile_ms : wait_ms;
}

void pressure_get_queue_snapshot(pressure_t *pressure, pressure_queue_snapshot_t *snapshot)
{
    uint64_t now_ms = pressure->config.now_ms();

    pthread_mutex_lock(&pressure->queue.lock);
    *snapshot = pressure->queue.record;
    snapshot->drain_bytes_per_s = pressure_drain_rate(&pressure->queue.drain, now_ms);
    pthread_mutex_unlock(&pressure->queue.lock);
}
