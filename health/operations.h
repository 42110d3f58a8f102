/*
 * operations.h - what is under way: a registry of operations that others can look at while it goes on, and order to stop.
 *
 *   owner, any thread:  begin --> enter(state) ... set_bytes ... --> end        its own handle, one thread at a time
 *                          order? <---+ where it looks whether it is still wanted
 *   observer, one:      check --> what is past its deadline is ordered to stop (stale), and is stuck if it does not
 *   readers, any:       look --> a copy of one slot
 *
 * There is a fixed number of slots. A slot is taken from a list of free ones by compare-and-swap, and everything in it is atomic:
 * no owner, observer or reader ever waits for another one. A slot has the id of its operation while it is in use, else 0; who reads
 * it reads the id before and after, and has nothing if they differ. An order is for an id, too, so that it cannot reach the next
 * operation of the slot. What finds no slot is counted, and goes on unseen: its handle works, and is never told to stop.
 *
 * Times are in milliseconds of any clock that does not go back, and bytes are bytes.
 */
#ifndef health__operations_h
#define health__operations_h

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_OPERATION_TARGET_MAX 120 /* what is longer is cut */

typedef enum en_health_operation_kind_t {
    HEALTH_OPERATION_FETCH,     /* a source from its origin */
    HEALTH_OPERATION_TRANSFORM, /* a rendition that requests wait for */
    HEALTH_OPERATION_RENEWAL,   /* a rendition that nobody waits for: an expired one is served meanwhile */
    HEALTH_OPERATION_ORDER,     /* of an administrator */
    HEALTH_OPERATION_WEBHOOK,   /* a message to it, with all its attempts */
    HEALTH_NUM_OPERATION_KINDS
} health_operation_kind_t;

typedef enum en_health_operation_state_t {
    HEALTH_OPERATION_WAITING_FOR_SLOT, /* among the downloads from its origin, or a reader */
    HEALTH_OPERATION_CONNECTING,
    HEALTH_OPERATION_WAITING_FOR_ANSWER, /* the origin has the request */
    HEALTH_OPERATION_RECEIVING,
    HEALTH_OPERATION_READING,            /* a file */
    HEALTH_OPERATION_PAUSED_FOR_MEMORY,  /* of a download or a reader */
    HEALTH_OPERATION_WAITING_FOR_SOURCE, /* that a fetch brings */
    HEALTH_OPERATION_QUEUED,             /* for a thread */
    HEALTH_OPERATION_PLANNING,
    HEALTH_OPERATION_WAITING_FOR_ROOM, /* memory, a worker or a slot of its route */
    HEALTH_OPERATION_TRANSFORMING,
    HEALTH_OPERATION_STORING,
    HEALTH_OPERATION_WORKING, /* an order */
    HEALTH_OPERATION_SENDING, /* a message */
    HEALTH_OPERATION_PAUSING, /* between two attempts to */
    HEALTH_NUM_OPERATION_STATES
} health_operation_state_t;

extern const char *const health_operation_kind_names[HEALTH_NUM_OPERATION_KINDS];
extern const char *const health_operation_state_names[HEALTH_NUM_OPERATION_STATES];

/**
 * why an operation is to stop
 */
typedef enum en_health_operation_order_t {
    HEALTH_OPERATION_GO_ON,
    HEALTH_OPERATION_STALE,
    HEALTH_OPERATION_DRAINED /* the process ends */
} health_operation_order_t;

typedef struct st_health_operations_t health_operations_t;

/**
 * What an owner holds; embedded in its structure. All zeros: none, on which each function below does nothing.
 */
typedef struct st_health_operation_t {
    health_operations_t *all;
    struct st_health_operation_slot_t *slot; /* NULL: it goes unseen */
    uint64_t id;
    health_operation_kind_t kind;
} health_operation_t;

/**
 * a copy of what is known of one
 */
typedef struct st_health_operation_view_t {
    uint64_t id;
    health_operation_kind_t kind;
    health_operation_state_t state;
    uint64_t begun_ms;
    uint64_t entered_ms;  /* its state */
    uint64_t deadline_ms; /* 0: none */
    uint64_t bytes, reserved_bytes;
    health_operation_order_t order;
    int stuck;
    char target[HEALTH_OPERATION_TARGET_MAX + 1];
} health_operation_view_t;

typedef struct st_health_operation_stats_t {
    uint64_t in_progress[HEALTH_NUM_OPERATION_KINDS]; /* seen or not */
    uint64_t stale[HEALTH_NUM_OPERATION_KINDS];       /* since the start */
    uint64_t untracked;                               /* since the start */
    uint64_t stuck;                                   /* now, as of the last check */
    uint64_t oldest_ms;                               /* age of the oldest, 0: there is none */
} health_operation_stats_t;

/**
 * @param capacity slots, at least 1
 * @return NULL when memory is out
 */
health_operations_t *health_operations_create(size_t capacity);
/**
 * no handle is used any more. Sets the pointer to NULL, which it may be.
 */
void health_operations_destroy(health_operations_t **operations);

/* --- owners */

/**
 * @param where, what the target is these two with a slash in between, or `what` alone if the first is ""; copied, and control
 *                    characters become '?'
 * @param now_ms from when its age counts
 */
void health_operation_begin(health_operations_t *operations, health_operation_t *operation, health_operation_kind_t kind,
                            health_operation_state_t state, uint64_t now_ms, const char *where, const char *what);
/**
 * @param deadline_ms until when it may be in this state; 0: for any time
 */
void health_operation_enter(const health_operation_t *operation, health_operation_state_t state, uint64_t now_ms,
                            uint64_t deadline_ms);
void health_operation_set_bytes(const health_operation_t *operation, uint64_t bytes);
void health_operation_set_reserved(const health_operation_t *operation, uint64_t bytes);
/**
 * puts the deadline off, or sets it for the first time
 */
void health_operation_set_deadline(const health_operation_t *operation, uint64_t deadline_ms);
health_operation_order_t health_operation_order(const health_operation_t *operation);
/**
 * Once, on a handle that was begun. Returns how many are under way without it.
 */
uint64_t health_operation_end(health_operation_t *operation);

/* --- the observer: one thread at a time */

/**
 * what a check found: an operation that is past its deadline, or does not stop
 */
typedef void (*health_operation_found_cb)(const health_operation_view_t *view, void *ctx);
/**
 * Orders what is past its deadline to stop, and counts it; on_stale is called for each. What has not stopped patience_ms after it
 * was ordered to, for whatever reason, is stuck, until it ends; on_stuck is called for it once. Returns how many were found stale.
 */
size_t health_operations_check(health_operations_t *operations, uint64_t now_ms, uint64_t patience_ms,
                               health_operation_found_cb on_stale, health_operation_found_cb on_stuck, void *ctx);
/**
 * orders all to stop that have not been ordered to; returns how many
 */
size_t health_operations_drain(health_operations_t *operations, uint64_t now_ms);

/* --- readers */

size_t health_operations_capacity(const health_operations_t *operations);
/**
 * copies slot i; returns 0 if nothing is there
 */
int health_operations_look(const health_operations_t *operations, size_t i, health_operation_view_t *view);
/**
 * how many are under way, seen or not
 */
uint64_t health_operations_in_progress(const health_operations_t *operations);
void health_operations_get_stats(const health_operations_t *operations, uint64_t now_ms, health_operation_stats_t *stats);

#endif
