/*
 * policy.h - which object has to go next, and where a new one goes; one file per policy.
 *
 * A policy is a table of functions over one state. It is told about every insert, hit and removal, and knows charges and hashes but
 * neither keys nor the index. All functions are called with the index lock held, none of them allocates, and only init can fail:
 * what a policy needs is reserved as address space when the cache is created.
 *
 * Two things of a policy take memory beside the objects: the slot of an object in a heap, which is part of the object's charge
 * (ICACHE_INDEX_SHARE_BYTES), and what is remembered of objects that are gone (ghosts). The latter is set aside from the capacity
 * (reserved_bytes), so that it can be taken at any time, and counted in the used bytes from the first ghost on (ghost_bytes).
 */
#ifndef image_cache__policy_h
#define image_cache__policy_h

#include "image_cache/image_cache.h"

/**
 * where a new object goes
 */
typedef enum en_icache_place_t {
    ICACHE_PLACE_NONE, /* not into the cache */
    ICACHE_PLACE_SMALL,
    ICACHE_PLACE_MAIN
} icache_place_t;

/**
 * a list through the objects' _prev and _next; _next leads to the older one
 */
typedef struct st_icache_queue_t {
    icache_object_t *newest, *oldest;
    uint64_t bytes;
    size_t num_objects;
} icache_queue_t;

void icache_queue_push(icache_queue_t *queue, icache_object_t *object);
void icache_queue_remove(icache_queue_t *queue, icache_object_t *object);

typedef int (*icache_visit_t)(void *ctx, const icache_object_t *object);
/**
 * calls `visit` for each object from the newest to the oldest; returns 0, what a visit returned other than 0, or the line of the
 * check that failed
 */
int icache_queue_walk(const icache_queue_t *queue, icache_visit_t visit, void *ctx);

typedef struct st_icache_policy_t icache_policy_t;

typedef struct st_icache_policy_ops_t {
    /**
     * returns 0, or -1 when there is no address space; then there is nothing to dispose of
     */
    int (*init)(icache_policy_t *policy, uint64_t capacity_bytes, uint64_t max_objects);
    void (*dispose)(icache_policy_t *policy);
    /**
     * decides about a new object, before room is made for it and before `existing` (the object of its key that it replaces, or
     * NULL) is removed. Unless the answer is ICACHE_PLACE_NONE, on_insert follows in the same hold of the lock.
     * @param needs_room whether something has to be evicted for it
     */
    icache_place_t (*place)(icache_policy_t *policy, const icache_object_t *object, const icache_object_t *existing,
                            int needs_room);
    void (*on_insert)(icache_policy_t *policy, icache_object_t *object, icache_place_t place);
    void (*on_hit)(icache_policy_t *policy, icache_object_t *object);
    /**
     * afterwards the object's _next belongs to the caller
     */
    void (*on_remove)(icache_policy_t *policy, icache_object_t *object, icache_reason_t reason);
    /**
     * who has to go next, or NULL when nobody is left. May move objects between its queues; the caller does remove the one it is
     * given.
     */
    icache_object_t *(*victim)(icache_policy_t *policy);
    /**
     * forgets all ghosts; afterwards ghost_bytes is 0
     */
    void (*forget)(icache_policy_t *policy);
    /**
     * checks the policy's own structures and calls `visit` for each object; returns like icache_queue_walk()
     */
    int (*walk)(const icache_policy_t *policy, icache_visit_t visit, void *ctx);
} icache_policy_ops_t;

struct st_icache_policy_t {
    const icache_policy_ops_t *ops;
    uint64_t reserved_bytes; /* set aside from the capacity; constant */
    uint64_t ghost_bytes;    /* in use out of these */
    icache_queue_t main;
};

extern const icache_policy_ops_t icache_lru_ops;

#endif
