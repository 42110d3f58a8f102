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
    ICACHE_PLACE_NONE,  /* not into the cache */
    ICACHE_PLACE_SMALL, /* on probation */
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
     * hits only count in the object, up to so many, and take no lock. 0: a hit relinks the object, and on_hit is called for it.
     */
    uint8_t max_hits;
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
    void (*on_hit)(icache_policy_t *policy, icache_object_t *object); /* NULL where max_hits is not 0 */
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
    /**
     * MAIN, where probation does the rest (see below): takes an object that had so many hits on probation, gives up a certain one,
     * says who has to go next or NULL, and walks as above. NULL elsewhere.
     */
    void (*main_push)(icache_policy_t *policy, icache_object_t *object, unsigned hits);
    void (*main_remove)(icache_policy_t *policy, icache_object_t *object);
    icache_object_t *(*main_victim)(icache_policy_t *policy);
    int (*main_walk)(const icache_policy_t *policy, icache_visit_t visit, void *ctx);
} icache_policy_ops_t;

/**
 * see ghost.c
 */
#define ICACHE_GHOST_WAYS 8
#define ICACHE_GHOST_BUCKET_CAPACITY_BYTES (32 * 1024) /* a bucket for so many bytes of cache, rounded to a power of two */

typedef struct st_icache_ghost_t {
    uint32_t fingerprint, stamp;
} icache_ghost_t;

typedef struct st_icache_ghosts_t {
    icache_ghost_t (*buckets)[ICACHE_GHOST_WAYS];
    size_t num_buckets; /* a power of two, or 0 in a cache too small for ghosts */
    uint32_t now;       /* stamp of the latest one; 0: there is none */
} icache_ghosts_t;

int icache_ghosts_init(icache_ghosts_t *ghosts, uint64_t capacity_bytes);
void icache_ghosts_dispose(icache_ghosts_t *ghosts);
/**
 * bytes that all buckets take
 */
size_t icache_ghosts_size(const icache_ghosts_t *ghosts);
void icache_ghosts_add(icache_ghosts_t *ghosts, const icache_object_t *object);
/**
 * removes the object's ghost; returns whether there was one, and less than max_age were added after it
 */
int icache_ghosts_take(icache_ghosts_t *ghosts, const icache_object_t *object, uint64_t max_age);
void icache_ghosts_forget(icache_ghosts_t *ghosts);

/**
 * see cost.c
 */
typedef struct st_icache_heap_t {
    icache_object_t **slots;
    size_t num_objects, max_objects, touched;
    double inflation;
    uint32_t next_seq;
} icache_heap_t;

struct st_icache_policy_t {
    const icache_policy_ops_t *ops;
    uint64_t reserved_bytes; /* set aside from the capacity; constant */
    uint64_t ghost_bytes;    /* in use out of these */
    uint64_t capacity_bytes; /* of the objects */
    uint64_t max_objects;
    icache_queue_t small, main; /* lru: main only; cost: main's sums only, its objects are in the heap */
    icache_ghosts_t ghosts;
    icache_heap_t heap;
};

extern const icache_policy_ops_t icache_lru_ops, icache_s3_fifo_ops, icache_cost_ops;

/**
 * the part that s3-fifo and cost share, see probation.c
 */
#define ICACHE_SMALL_MIN_OBJECTS 16

int icache_probation_init(icache_policy_t *policy, uint64_t capacity_bytes, uint64_t max_objects);
void icache_probation_dispose(icache_policy_t *policy);
icache_place_t icache_probation_place(icache_policy_t *policy, const icache_object_t *object, const icache_object_t *existing,
                                      int needs_room);
void icache_probation_insert(icache_policy_t *policy, icache_object_t *object, icache_place_t place);
void icache_probation_remove(icache_policy_t *policy, icache_object_t *object, icache_reason_t reason);
icache_object_t *icache_probation_victim(icache_policy_t *policy);
void icache_probation_forget(icache_policy_t *policy);
int icache_probation_walk(const icache_policy_t *policy, icache_visit_t visit, void *ctx);
/**
 * how large SMALL should be, or 0 where every object goes to MAIN: a pure function
 */
uint64_t icache_probation_small_bytes(uint64_t capacity_bytes, uint64_t num_objects, uint64_t object_bytes);

/**
 * the rank of an object in the heap: a pure function
 */
double icache_cost_priority(double inflation, uint8_t hits, uint32_t cost_us, uint64_t charge_bytes);

/**
 * Hits of an object are one byte for two who look at it: the lower bits count them for the policy, the highest one says to the
 * group that there was one. It is the highest so that a single comparison tells a hit that there is nothing to write.
 */
#define ICACHE_HIT_FLAG 0x80

/**
 * counts a hit, until the byte is full: ICACHE_HIT_FLAG and the policy's limit. A popular object is not written to; two threads at
 * it may count one hit for two.
 */
static inline void icache_object_count_hit(icache_object_t *object, uint8_t full)
{
    uint8_t hits = atomic_load_explicit(&object->_hits, memory_order_relaxed);

    if (__builtin_expect(hits < full, 0)) {
        hits |= ICACHE_HIT_FLAG;
        atomic_store_explicit(&object->_hits, (uint8_t)(hits + (hits < full)), memory_order_relaxed);
    }
}

static inline uint8_t icache_object_hits(const icache_object_t *object)
{
    return atomic_load_explicit(&object->_hits, memory_order_relaxed) & (uint8_t)~ICACHE_HIT_FLAG;
}

static inline uint8_t icache_object_take_hits(icache_object_t *object)
{
    return atomic_fetch_and_explicit(&object->_hits, ICACHE_HIT_FLAG, memory_order_relaxed) & (uint8_t)~ICACHE_HIT_FLAG;
}

/**
 * whether there was a hit since the last call
 */
static inline int icache_object_take_hit_flag(icache_object_t *object)
{
    return atomic_fetch_and_explicit(&object->_hits, (uint8_t)~ICACHE_HIT_FLAG, memory_order_relaxed) >= ICACHE_HIT_FLAG;
}

static inline void icache_object_set_hits(icache_object_t *object, unsigned hits)
{
    uint8_t flag = atomic_load_explicit(&object->_hits, memory_order_relaxed) & ICACHE_HIT_FLAG;
    atomic_store_explicit(&object->_hits, (uint8_t)(flag | hits), memory_order_relaxed);
}

#endif
