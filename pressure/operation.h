/*
 * operation.h - pieces of memory-hungry work that wait in line for memory, and for a slot of their route.
 *
 * An operation is embedded in its owner's structure; nothing here allocates. Its life, each step of it under the queue's lock:
 *
 *   idle --start--> granted --end--> idle       PRESSURE_OK: it was the next and there was room
 *   idle --start--> waiting                     PRESSURE_WAITING: exactly one of these follows
 *                   waiting --> granted         on_done(PRESSURE_OK)
 *                   waiting --> idle            on_done(PRESSURE_NOT_NOW): its deadline has passed, or the queue was closed;
 *                                               on_done(PRESSURE_NEVER): the budget has become too small for it
 *                   waiting --cancel--> idle    no callback
 *   idle --start--> idle                        PRESSURE_NOT_NOW (it would have to wait, and its deadline has passed),
 *                                               PRESSURE_FULL, PRESSURE_NEVER
 *
 * Order. Operations of one party (a picture, say) on one route are served first in, first out; parties take turns, one operation
 * each, so that ten renditions of one picture do not push another picture back. A party that has had its turn goes to the end.
 * Those whose route has no slot are passed over, and keep their place. The first of the others is the head. If it does not fit,
 * those behind it that do fit may overtake it, until PRESSURE_OVERTAKE_FACTOR times its own bytes have; then nothing is granted
 * before it. Should it still not fit when no operation is left that could make room, then others are not what it lacks, and they
 * may overtake it by as much again.
 *
 * The bound that follows: from its start until it is granted, an operation of b bytes that has a slot sees granted at most
 *     the operations that were ahead of it (at most one of each party per operation of its own party before it, and itself)
 *     + PRESSURE_OVERTAKE_FACTOR x (the sum of their bytes + b),
 * and after that waits for what runs to end; as long as an empty machine could hold it. Everything else is work-conserving: what
 * fits, and may overtake, runs.
 *
 * Threads: start, cancel and end from any thread, also from within on_done. on_done runs on a thread that is in start or end of
 * another operation, or on the coordinator's, with no lock held. Deadlines are kept by the coordinator's steps, which come in time
 * for them; so does room that appears without an operation's end.
 */
#ifndef pressure__operation_h
#define pressure__operation_h

#include "pressure/pressure.h"

#define PRESSURE_OVERTAKE_FACTOR 4

/* besides PRESSURE_OK, _NOT_NOW and _NEVER */
enum { PRESSURE_WAITING = 1, PRESSURE_FULL = -3 /* the queue is: in number or in bytes */ };

/**
 * What operations have in common that may be capped: a path, a host. All zero but for the first three, which are set before it is
 * added and then left alone. Lives as long as the coordinator. Its counters may be read by anybody; they are written under the
 * queue's lock.
 */
typedef struct st_pressure_route_t {
    const char *name;
    uint64_t max_concurrent;            /* operations that hold a slot at the same time; 0: any number */
    struct st_pressure_route_t *parent; /* whose slots count too (the host of a path), or NULL */
    _Atomic uint64_t in_use;            /* slots held, those of routes below it included, as are the next two */
    _Atomic uint64_t waiting;           /* operations, for whatever reason they wait */
    _Atomic uint64_t refused;           /* since the start: queue full, or its deadline has passed */
    /* the queue's own */
    struct st_pressure_route_t *_next;
    uint64_t _counted;
    int64_t _difference;
} pressure_route_t;

typedef struct st_pressure_link_t {
    struct st_pressure_link_t *prev, *next;
} pressure_link_t;

/**
 * The owner sets the first six while it is idle and leaves them alone until it is idle again (`bytes` may grow meanwhile, by
 * pressure_operation_grow()); the rest begins as zeros.
 */
typedef struct st_pressure_operation_t {
    pressure_class_t resource_class;
    uint64_t bytes;
    uint64_t party;          /* whom it belongs to: a hash will do */
    uint64_t deadline_ms;    /* of waiting, on the coordinator's clock */
    pressure_route_t *route; /* or NULL; must have been added, and its parents */
    void (*on_done)(struct st_pressure_operation_t *operation, int result);
    /* the queue's own */
    enum { PRESSURE_OPERATION_IDLE, PRESSURE_OPERATION_WAITING, PRESSURE_OPERATION_GRANTED } _state;
    int _first;          /* of its party: it is the one that stands in the ring of turns */
    int _tried, _wished; /* a reservation was refused; room was asked for */
    int _result;         /* to be told */
    uint64_t _overtaken_bytes;
    pressure_link_t _peers, _turn, _listed; /* of its party; of the first ones; by deadline, or of the granted ones */
    struct st_pressure_operation_t *_next;  /* in a bucket, or to be told */
} pressure_operation_t;

typedef struct st_pressure_queue_snapshot_t {
    uint64_t waiting, waiting_bytes, granted, granted_bytes; /* operations, now */
    uint64_t overtakes;                                      /* grants past a head, since the start, as are the next five */
    uint64_t waited;                                         /* granted after a wait */
    uint64_t timed_out, refused_full, cancelled, healed;     /* healed: slots, and classes' byte counts */
    double drain_bytes_per_s;                                /* 0: not known */
} pressure_queue_snapshot_t;

/**
 * makes a route known, with which its parent must be already. Before the first operation that uses it; it is never taken out.
 */
void pressure_add_route(pressure_t *pressure, pressure_route_t *route);

/**
 * Returns PRESSURE_OK, _WAITING, or one of the three refusals, after which the operation is idle. With _WAITING, on_done may have
 * run already, on another thread, and the operation's owner may be gone.
 */
int pressure_operation_start(pressure_t *pressure, pressure_operation_t *operation);
/**
 * takes it out of the queue. Returns 1: it was waiting, is idle now, and on_done will not be called; or 0: it was not waiting, and
 * if on_done has not been called yet after a PRESSURE_WAITING, it will be. May be called on one that was never started.
 */
int pressure_operation_cancel(pressure_t *pressure, pressure_operation_t *operation);
/**
 * more bytes for a granted operation, which holds them to its end like its others. PRESSURE_OK, or a refusal of pressure_reserve(),
 * after which it is as it was: nothing waits here. Work that finds out while it runs what else it needs must not reserve that
 * beside its operation: the reconciliation would take it for a leak.
 */
int pressure_operation_grow(pressure_t *pressure, pressure_operation_t *operation, uint64_t bytes);
/**
 * gives back the bytes (see pressure_release() for what their class means) and the slots of a granted operation, and grants what
 * fits now.
 */
void pressure_operation_end(pressure_t *pressure, pressure_operation_t *operation);
/**
 * From now on nothing waits: what does is told PRESSURE_NOT_NOW before this returns. What is granted may go on.
 */
void pressure_close_queue(pressure_t *pressure);

void pressure_get_queue_snapshot(pressure_t *pressure, pressure_queue_snapshot_t *snapshot);

/* --- how long until there is room again: drain.c --- */

/**
 * How fast work ends, while there is any: bytes of operations that ended and the time in which there was an operation that was
 * granted or waited, both fading with that time (to 1/e in PRESSURE_DRAIN_MS), so that neither an idle hour nor one slow picture
 * means anything. All zero: nothing is known.
 */
typedef struct st_pressure_drain_t {
    double ended_bytes, busy_ms;
    uint64_t at_ms;
    int busy; /* since at_ms */
} pressure_drain_t;

#define PRESSURE_DRAIN_MS 10000

/**
 * pure but for *drain: at now_ms, operations of ended_bytes ended, and there are others (busy) or not. A clock that runs backwards
 * counts as one that stands still.
 */
void pressure_drain_note(pressure_drain_t *drain, uint64_t now_ms, uint64_t ended_bytes, int busy);
/**
 * pure: bytes per second as of now_ms; 0: not known
 */
double pressure_drain_rate(const pressure_drain_t *drain, uint64_t now_ms);
/**
 * pure: what to tell those that are turned away: the time in which waiting_bytes drain at the rate, from least_ms (also said when
 * the rate is not known) to most_ms. So that they do not all come back at once, up to a quarter of what exceeds least_ms is added,
 * by `random`, of which any 32 bits will do.
 */
uint64_t pressure_retry_after_ms(uint64_t waiting_bytes, double bytes_per_s, uint64_t least_ms, uint64_t most_ms, uint32_t random);

#endif
