/*
 * A slot's life:
 *
 *   free (on the list, id 0) --popped--> being filled (id 0) --id set--> in use --id 0--> pushed, free
 *
 * The list is a stack whose head is an index and a number that grows with each change of it, so that a head which came back is not
 * taken for the one before. What is written while the id is 0 is written with release and read with acquire: who has read any of it
 * sees the id 0, or a later one, when it reads the id again. The text is copied by words, as a plain copy could not be read at the
 * same time.
 *
 * Ids are the index plus a multiple of the capacity, and never 0. An order is an id and a reason in one word.
 */
#include <stdlib.h>
#include <string.h>
#include "health/operations.h"

#define TEXT_WORDS ((HEALTH_OPERATION_TARGET_MAX + sizeof(uint64_t)) / sizeof(uint64_t))
#define NO_SLOT UINT32_MAX
#define REASON_BITS 2

typedef _Atomic uint64_t number_t;

typedef struct st_health_operation_slot_t {
    number_t id;
    number_t kind_and_state; /* the state in the low 8 bits */
    number_t begun_ms, entered_ms, deadline_ms, bytes, reserved_bytes;
    number_t order;      /* id << REASON_BITS | reason; the observer's, as are the next two */
    number_t ordered_ms; /* when */
    number_t stuck_id;   /* the id that was found stuck, or another one */
    number_t text[TEXT_WORDS];
    _Atomic uint32_t next; /* on the list; NO_SLOT: the last */
    uint64_t next_id;      /* of whoever has taken the slot */
} __attribute__((aligned(64))) slot_t;

struct st_health_operations_t {
    number_t free_head; /* number << 32 | index */
    number_t in_progress[HEALTH_NUM_OPERATION_KINDS], stale[HEALTH_NUM_OPERATION_KINDS], untracked, stuck, total;
    size_t capacity;
    slot_t slots[];
};

const char *const health_operation_kind_names[HEALTH_NUM_OPERATION_KINDS] = {"fetch", "transform", "renewal", "order", "webhook"};
const char *const health_operation_state_names[HEALTH_NUM_OPERATION_STATES] = {
    "waiting-for-slot", "connecting", "waiting-for-answer", "receiving",    "reading", "paused-for-memory", "waiting-for-source",
    "queued",           "planning",   "waiting-for-room",   "transforming", "storing", "working",           "sending",
    "pausing"};

/* between an owner and its readers; see above */
static void put(number_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_release);
}

static uint64_t get(const number_t *number)
{
    return atomic_load_explicit(number, memory_order_acquire);
}

static void add(number_t *number, uint64_t by)
{
    atomic_fetch_add_explicit(number, by, memory_order_relaxed);
}

/* --- the list of free slots */

static uint64_t head_behind(uint64_t head, uint32_t index)
{
    return ((head >> 32) + 1) << 32 | index;
}

static slot_t *pop(health_operations_t *operations)
{
    uint64_t head = get(&operations->free_head);
    uint32_t index;

    do {
        if ((index = (uint32_t)head) == NO_SLOT)
            return NULL;
    } while (!atomic_compare_exchange_weak(&operations->free_head, &head,
                                           head_behind(head, atomic_load(&operations->slots[index].next))));
    return operations->slots + index;
}

static void push(health_operations_t *operations, slot_t *slot)
{
    uint64_t head = get(&operations->free_head);

    do {
        atomic_store(&slot->next, (uint32_t)head);
    } while (!atomic_compare_exchange_weak(&operations->free_head, &head, head_behind(head, (uint32_t)(slot - operations->slots))));
}

health_operations_t *health_operations_create(size_t capacity)
{
    health_operations_t *operations;
    size_t size = sizeof(*operations) + capacity * sizeof(operations->slots[0]);

    if ((operations = aligned_alloc(_Alignof(slot_t), (size + 63) / 64 * 64)) == NULL)
        return NULL;
    memset(operations, 0, size);
    operations->capacity = capacity;
    for (size_t i = 0; i != capacity; ++i) {
        atomic_init(&operations->slots[i].next, i + 1 != capacity ? (uint32_t)(i + 1) : NO_SLOT);
        operations->slots[i].next_id = capacity + i;
    }
    return operations;
}

void health_operations_destroy(health_operations_t **operations)
{
    free(*operations);
    *operations = NULL;
}

/* --- owners */

static char printable(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

static void put_text(slot_t *slot, const char *where, const char *what)
{
    char text[TEXT_WORDS * sizeof(uint64_t)] = "";
    size_t len = 0;

    for (; *where != '\0' && len != HEALTH_OPERATION_TARGET_MAX; ++where)
        text[len++] = printable(*where);
    if (len != 0 && len != HEALTH_OPERATION_TARGET_MAX && text[len - 1] != '/')
        text[len++] = '/';
    for (; *what != '\0' && len != HEALTH_OPERATION_TARGET_MAX; ++what)
        text[len++] = printable(*what);
    for (size_t i = 0; i <= len / sizeof(uint64_t); ++i) {
        uint64_t word;
        memcpy(&word, text + i * sizeof(word), sizeof(word));
        put(slot->text + i, word);
    }
}

static void put_state(slot_t *slot, health_operation_kind_t kind, health_operation_state_t state, uint64_t now_ms)
{
    put(&slot->kind_and_state, (uint64_t)kind << 8 | state);
    put(&slot->entered_ms, now_ms);
}

void health_operation_begin(health_operations_t *operations, health_operation_t *operation, health_operation_kind_t kind,
                            health_operation_state_t state, uint64_t now_ms, const char *where, const char *what)
{
    slot_t *slot = pop(operations);

    *operation = (health_operation_t){.all = operations, .slot = slot, .kind = kind};
    add(operations->in_progress + kind, 1);
    add(&operations->total, 1);
    if (slot == NULL) {
        add(&operations->untracked, 1);
        return;
    }
    operation->id = slot->next_id;
    slot->next_id += operations->capacity;
    put(&slot->begun_ms, now_ms);
    put(&slot->deadline_ms, 0);
    put(&slot->bytes, 0);
    put(&slot->reserved_bytes, 0);
    put_state(slot, kind, state, now_ms);
    put_text(slot, where, what);
    put(&slot->id, operation->id);
}

void health_operation_enter(const health_operation_t *operation, health_operation_state_t state, uint64_t now_ms,
                            uint64_t deadline_ms)
{
    if (operation->slot == NULL)
        return;
    put(&operation->slot->deadline_ms, deadline_ms);
    put_state(operation->slot, operation->kind, state, now_ms);
}

void health_operation_set_bytes(const health_operation_t *operation, uint64_t bytes)
{
    if (operation->slot != NULL)
        put(&operation->slot->bytes, bytes);
}

void health_operation_set_reserved(const health_operation_t *operation, uint64_t bytes)
{
    if (operation->slot != NULL)
        put(&operation->slot->reserved_bytes, bytes);
}

void health_operation_set_deadline(const health_operation_t *operation, uint64_t deadline_ms)
{
    if (operation->slot != NULL)
        put(&operation->slot->deadline_ms, deadline_ms);
}

static health_operation_order_t order_for(const slot_t *slot, uint64_t id)
{
    uint64_t order = get(&slot->order);

    return order >> REASON_BITS == id ? (health_operation_order_t)(order & ((1 << REASON_BITS) - 1)) : HEALTH_OPERATION_GO_ON;
}

health_operation_order_t health_operation_order(const health_operation_t *operation)
{
    return operation->slot != NULL ? order_for(operation->slot, operation->id) : HEALTH_OPERATION_GO_ON;
}

uint64_t health_operation_end(health_operation_t *operation)
{
    health_operations_t *operations = operation->all;
    slot_t *slot = operation->slot;

    if (operations == NULL)
        return 0;
    if (slot != NULL) {
        put(&slot->id, 0);
        push(operations, slot);
    }
    atomic_fetch_sub_explicit(operations->in_progress + operation->kind, 1, memory_order_relaxed);
    *operation = (health_operation_t){0};
    return atomic_fetch_sub_explicit(&operations->total, 1, memory_order_relaxed) - 1;
}

/* --- readers */

size_t health_operations_capacity(const health_operations_t *operations)
{
    return operations->capacity;
}

static void get_text(const slot_t *slot, char text[HEALTH_OPERATION_TARGET_MAX + 1])
{
    char words[TEXT_WORDS * sizeof(uint64_t)];

    for (size_t i = 0; i != TEXT_WORDS; ++i) {
        uint64_t word = get(slot->text + i);
        memcpy(words + i * sizeof(word), &word, sizeof(word));
    }
    memcpy(text, words, HEALTH_OPERATION_TARGET_MAX);
    text[HEALTH_OPERATION_TARGET_MAX] = '\0';
}

int health_operations_look(const health_operations_t *operations, size_t i, health_operation_view_t *view)
{
    const slot_t *slot = operations->slots + i;
    uint64_t id = get(&slot->id), kind_and_state;

    if (id == 0)
        return 0;
    kind_and_state = get(&slot->kind_and_state);
    *view = (health_operation_view_t){.id = id,
                                      .kind = (health_operation_kind_t)(kind_and_state >> 8),
                                      .state = (health_operation_state_t)(kind_and_state & 0xff),
                                      .begun_ms = get(&slot->begun_ms),
                                      .entered_ms = get(&slot->entered_ms),
                                      .deadline_ms = get(&slot->deadline_ms),
                                      .bytes = get(&slot->bytes),
                                      .reserved_bytes = get(&slot->reserved_bytes),
                                      .order = order_for(slot, id),
                                      .stuck = get(&slot->stuck_id) == id};
    get_text(slot, view->target);
    return get(&slot->id) == id;
}

uint64_t health_operations_in_progress(const health_operations_t *operations)
{
    return get(&operations->total);
}

void health_operations_get_stats(const health_operations_t *operations, uint64_t now_ms, health_operation_stats_t *stats)
{
    uint64_t oldest_ms = now_ms;

    *stats = (health_operation_stats_t){.untracked = get(&operations->untracked), .stuck = get(&operations->stuck)};
    for (size_t i = 0; i != HEALTH_NUM_OPERATION_KINDS; ++i) {
        stats->in_progress[i] = get(operations->in_progress + i);
        stats->stale[i] = get(operations->stale + i);
    }
    for (size_t i = 0; i != operations->capacity; ++i) {
        const slot_t *slot = operations->slots + i;
        uint64_t id = get(&slot->id), begun_ms = id != 0 ? get(&slot->begun_ms) : now_ms;
        if (id != 0 && get(&slot->id) == id && begun_ms < oldest_ms)
            oldest_ms = begun_ms;
    }
    stats->oldest_ms = now_ms - oldest_ms;
}

/* --- the observer */

static void give_order(slot_t *slot, uint64_t id, health_operation_order_t reason, uint64_t now_ms)
{
    put(&slot->ordered_ms, now_ms);
    put(&slot->order, id << REASON_BITS | reason);
}

static int is_stale(const health_operation_view_t *view, uint64_t now_ms)
{
    return view->order == HEALTH_OPERATION_GO_ON && view->deadline_ms != 0 && now_ms >= view->deadline_ms;
}

size_t health_operations_check(health_operations_t *operations, uint64_t now_ms, uint64_t patience_ms,
                               health_operation_found_cb on_stale, health_operation_found_cb on_stuck, void *ctx)
{
    health_operation_view_t view;
    size_t num_stale = 0, num_stuck = 0;

    for (size_t i = 0; i != operations->capacity; ++i) {
        slot_t *slot = operations->slots + i;
        if (get(&slot->id) == 0 || !health_operations_look(operations, i, &view))
            continue;
        if (is_stale(&view, now_ms)) {
            give_order(slot, view.id, HEALTH_OPERATION_STALE, now_ms);
            add(operations->stale + view.kind, 1);
            ++num_stale;
            view.order = HEALTH_OPERATION_STALE;
            on_stale(&view, ctx);
        } else if (view.order != HEALTH_OPERATION_GO_ON && now_ms - get(&slot->ordered_ms) >= patience_ms) {
            ++num_stuck;
            if (view.stuck)
                continue;
            put(&slot->stuck_id, view.id);
            on_stuck(&view, ctx);
        }
    }
    put(&operations->stuck, num_stuck);
    return num_stale;
}

size_t health_operations_drain(health_operations_t *operations, uint64_t now_ms)
{
    size_t count = 0;

    for (size_t i = 0; i != operations->capacity; ++i) {
        slot_t *slot = operations->slots + i;
        uint64_t id = get(&slot->id);
        if (id == 0 || order_for(slot, id) != HEALTH_OPERATION_GO_ON)
            continue;
        give_order(slot, id, HEALTH_OPERATION_DRAINED, now_ms);
        ++count;
    }
    return count;
}
