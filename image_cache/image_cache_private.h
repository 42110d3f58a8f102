/*
 * image_cache_private.h - what the files of the image cache know of each other.
 *
 *   image_cache.c  the cache itself: index lock, lookup, insert, removal.
 *                  No other file but stats.c, group.c, reconcile.c and check.c takes the index lock.
 *   stats.c        statistics.
 *   hit.c          hits, without it.
 *   table.c        key -> object. Called with the index lock held, but for the one function of a hit.
 *   policy.h       which object goes next, and where a new one goes: a table of functions.
 *                  Called with the index lock held.
 *   lru.c, s3_fifo.c, cost.c       the policies.
 *   queue.c, probation.c, ghost.c  what they share: a list; the queue of newcomers; hashes of those who were turned out.
 *   reserve.c      arrays of address space. No lock.
 *   group.c        groups: quotas, and who has to go. Called with the index lock held, but for what is in image_cache.h.
 *   reconcile.c    groups compared with the objects that are there; takes the index lock.
 *   object.c       one object: its block, its charge, its references. No lock.
 *   slab.h, slab.c the objects' headers; a lock of its own.
 *   arena.h, arena.c the objects' blocks; a lock of its own.
 *   runs.h, runs.c what is free in the arena. Called with its lock held.
 *   flight.c       flights and waiters; the flights lock.
 *   lane.c         lanes, and the lists of waiters; the flights lock.
 *   purge.c        removal by key, under way or not; the flights lock.
 *   check.c        the consistency walk, with both locks held.
 *
 * Locks: flights before index before the slab's or the arena's. Each may be taken alone.
 */
#ifndef image_cache__image_cache_private_h
#define image_cache__image_cache_private_h

#include <pthread.h>
#include <stdalign.h>
#include "image_cache/policy.h"
#include "image_cache/slab.h"

#if defined(__SANITIZE_ADDRESS__)
#define ICACHE_HAS_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ICACHE_HAS_ASAN
#endif
#endif

#define ICACHE_CACHE_LINE_BYTES 64
#define ICACHE_FLIGHT_BUCKETS 1024

typedef struct st_icache_table_t {
    _Atomic(icache_object_t *)
        *buckets; /* reserved for max_buckets, the first num_buckets in use, the rest not (any more) touched */
    _Atomic size_t num_buckets;
    size_t max_buckets, touched_buckets, num_objects;
    unsigned num_walkers; /* while there are any, buckets may be added but not removed: no object moves to a lower bucket */
} icache_table_t;

#define ICACHE_TABLE_MIN_BUCKETS 512

/**
 * zeroed address space, to be given back with munmap(); NULL when there is none
 */
void *icache_reserve(size_t bytes);
/**
 * gives the whole pages of an array behind its `used` items back, if they are many enough. They read as zeros then, or as before if
 * the system did not take them.
 * @param touched items from there on are in pages that are not resident. Returns what this is now.
 */
size_t icache_release_tail(void *array, size_t item_bytes, size_t used, size_t touched);

/**
 * returns 0, or -1 when there is no address space for that many objects. All functions but icache_table_get() want the index lock.
 */
int icache_table_init(icache_table_t *table, uint64_t max_objects);
void icache_table_dispose(icache_table_t *table);
size_t icache_table_bucket_of(const icache_table_t *table, uint64_t hash_lo);
icache_object_t *icache_table_find(const icache_table_t *table, const icache_key_t *key);
/**
 * without the lock: an object that was linked under the key at some time since the call, with a reference for the caller, or NULL.
 * NULL may be wrong while others change the table: look again with the lock.
 */
icache_object_t *icache_table_get(const icache_table_t *table, const icache_key_t *key);
void icache_table_link(icache_table_t *table, icache_object_t *object);
void icache_table_unlink(icache_table_t *table, icache_object_t *object);
void icache_table_begin_walk(icache_table_t *table);
void icache_table_end_walk(icache_table_t *table);

/**
 * the charge as it follows from the block alone
 */
uint64_t icache_object_measure(const icache_object_t *object);
/**
 * fixes the object at handover: gives the pages behind a lowered body_len back and takes the charge. Idempotent, and a plain read
 * when it was done before.
 */
void icache_object_seal(icache_object_t *object);
/**
 * marks the bytes as pinned until the last reference goes. The caller holds one.
 */
void icache_object_pin(icache_object_t *object);
/**
 * takes a reference to whatever the header holds now; returns 0 if it holds nothing
 */
static inline int icache_object_try_ref(icache_object_t *object)
{
    uint32_t refs = atomic_load_explicit(&object->_refs, memory_order_relaxed);

    while (refs != 0)
        if (atomic_compare_exchange_weak_explicit(&object->_refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
            return 1;
    return 0;
}
/**
 * gives such a reference back
 */
void icache_object_drop(icache_object_t *object);
/**
 * whether it is in the cache; asked without the index lock, that of a header which the caller has a reference to
 */
static inline int icache_object_is_linked(const icache_object_t *object)
{
    return atomic_load_explicit(&object->_linked, memory_order_acquire);
}

/* states: FLYING -> COMPLETING -> LANDED, or FLYING -> ABANDONED -> LANDED; in the table of flights while FLYING or COMPLETING, but
 * in a bucket apart, where nobody looks for it, once it was purged */
typedef enum en_icache_flight_state_t {
    ICACHE_FLIGHT_FLYING,
    ICACHE_FLIGHT_COMPLETING, /* complete() was entered: it can be joined, but no longer abandoned */
    ICACHE_FLIGHT_LANDED,     /* the waiters left are on their lanes' pending lists; the last one frees the flight */
    ICACHE_FLIGHT_ABANDONED
} icache_flight_state_t;

struct st_icache_flight_t {
    icache_t *cache;
    icache_flight_t *next_in_bucket;
    icache_flight_state_t state;
    _Atomic uint32_t num_waiters;               /* written under the flights lock */
    uint64_t lanes;                             /* a bit for each lane that has waiters below */
    icache_waiter_t *waiters[ICACHE_MAX_LANES]; /* until it lands */
    icache_object_t *object;                    /* the result, with a reference of the flight's own */
    int64_t error;
    int background;       /* works without waiters, and is never abandoned */
    _Atomic int purged;   /* the result is not to be stored. Written under the flights lock, read under the index lock */
    uint64_t purges_seen; /* when it started */
    void (*on_abandon)(void *ctx);
    void *abandon_ctx;
    int in_callback; /* on_abandon is being called, by callback_thread */
    pthread_t callback_thread;
    uint64_t hash_lo, hash_hi;
    size_t key_len;
    char key[];
};

/**
 * frees a flight that has landed and has no waiter left; no lock may be held
 */
void icache_flight_dispose(icache_flight_t *flight);

struct st_icache_lane_t {
    icache_t *cache;
    void (*wake)(void *ctx);
    void *ctx;
    unsigned index;
    icache_waiter_t *pending;                               /* waiters whose flight has landed */
    _Atomic uint32_t wakers;                                /* threads between their decision to call wake() and its return */
    alignas(ICACHE_CACHE_LINE_BYTES) _Atomic uint64_t hits; /* written by the lane's own thread */
};

/* lists of waiters: a circle, the head points to the first; all O(1) */
void icache_waiters_push(icache_waiter_t **head, icache_waiter_t *waiter);
void icache_waiters_remove(icache_waiter_t **head, icache_waiter_t *waiter);
void icache_waiters_splice(icache_waiter_t **head, icache_waiter_t **from);

struct st_icache_group_t {
    icache_t *cache;
    uint64_t limit_bytes;
    icache_group_t *parent, *first_child, *next_sibling;
    uint16_t number;                     /* from 1 on */
    uint64_t used_bytes, entries;        /* of the objects below it included */
    icache_object_t *oldest, *newest;    /* of its own objects */
    uint64_t round_bytes, round_entries; /* used ones, as far as the round of the reconciliation has seen them */
    int differed;                        /* in the round before */
    int healed_untold;                   /* `healing` is to be told */
    icache_healed_t healing;
    uint64_t evictions, evicted_bytes, refused, healed;
    char name[];
};

/* all under the index lock */
typedef struct st_icache_groups_t {
    icache_group_t *groups[ICACHE_MAX_GROUPS];
    size_t num_groups;
    uint32_t next_seq;
    uint8_t round;
    size_t at_unit; /* of headers, where the round goes on */
} icache_groups_t;

void icache_groups_dispose(icache_groups_t *groups);
/**
 * charge a linked object to its groups and take it off; for objects that have one
 */
void icache_groups_link(icache_t *cache, icache_object_t *object);
void icache_groups_unlink(icache_t *cache, icache_object_t *object);
/**
 * adds a linked object to the sums of the round that is under way
 */
void icache_groups_enter_round(const icache_t *cache, icache_object_t *object);
/**
 * the group whose limit is below the object's charge, or NULL
 */
icache_group_t *icache_groups_too_small(const icache_t *cache, const icache_object_t *object);
/**
 * counts the object as refused by that group, if there is one
 */
void icache_groups_count_refusal(icache_t *cache, const icache_object_t *object);
/**
 * the first group, from the object's own upwards, that would be over its limit with the object; or NULL
 */
icache_group_t *icache_groups_full(const icache_t *cache, const icache_object_t *object);
/**
 * who has to go next so that the group has less, or NULL when nobody is left. The caller does remove it.
 */
icache_object_t *icache_groups_victim(icache_group_t *group);
/**
 * 0, or the line of a check that failed
 * @param num_charged linked objects that are charged to a group
 */
int icache_groups_check(const icache_t *cache, uint64_t num_charged);

struct st_icache_t {
    icache_config_t config;
    icache_slab_t *slab;
    uint8_t full_hits; /* where icache_object_count_hit() ends, or 0: a hit takes the lock */

    alignas(ICACHE_CACHE_LINE_BYTES) _Atomic uint64_t hits; /* but for the lanes' own */

    struct {
        alignas(ICACHE_CACHE_LINE_BYTES) icache_table_t table;
        alignas(ICACHE_CACHE_LINE_BYTES) pthread_mutex_t lock;
        icache_policy_t policy;
        _Atomic uint64_t object_bytes; /* the sum of charges; with the policy's ghosts the used bytes. Read without the lock too */
        uint64_t limit_bytes;          /* of object_bytes; what icache_set_limit() leaves of the capacity */
        uint64_t class_bytes[ICACHE_NUM_CLASSES], class_entries[ICACHE_NUM_CLASSES];
        size_t swept_buckets; /* where the sweep goes on */
        icache_groups_t groups;
        uint64_t inserts, not_admitted, removed[ICACHE_NUM_REASONS], removed_bytes[ICACHE_NUM_REASONS];
    } index;

    struct {
        alignas(ICACHE_CACHE_LINE_BYTES) pthread_mutex_t lock;
        pthread_cond_t callback_done;                        /* some flight's in_callback was cleared */
        icache_flight_t *buckets[ICACHE_FLIGHT_BUCKETS + 1]; /* the last one is for those that were purged */
        icache_lane_t *lanes[ICACHE_MAX_LANES];
        _Atomic uint64_t num_purges; /* written under this lock, read under the index lock */
        uint64_t num_flights, num_waiters, misses, coalesced, abandoned, stale, refreshes;
    } flights;
};

/**
 * what is charged to the cache, with the index lock held
 */
static inline uint64_t icache_used_bytes(const icache_t *cache)
{
    return cache->index.object_bytes + cache->index.policy.ghost_bytes;
}
/**
 * a hit with a reference, or NULL where only the locked path can tell. Takes no lock, unless the policy wants one. The caller
 * counts.
 */
icache_object_t *icache_hit(icache_t *cache, const icache_key_t *key, uint64_t now_ms);
/**
 * counts a hit by a caller who may not be on the thread of any lane
 */
void icache_count_hit(icache_t *cache);
/**
 * tells the policy of a hit, if the object is in the cache. Takes the index lock.
 */
void icache_index_touch(icache_t *cache, icache_object_t *object);
/**
 * a hit with a reference, or NULL; the caller counts. An object past its time is put on `victims`, which the caller gives to
 * icache_release() once it holds no lock. Takes the index lock.
 */
icache_object_t *icache_index_get(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_object_t **victims);
/**
 * the same, but also an object that has expired and may still be served; then *stale is set
 */
icache_object_t *icache_index_look(icache_t *cache, const icache_key_t *key, uint64_t now_ms, int *stale,
                                   icache_object_t **victims);
/**
 * links a sealed object, with a reference of the cache's own; returns 0, or -1 if it was refused. Takes the index lock.
 * @param flight whose result it is, or NULL; refused if it was purged
 * @param abandoned whether that flight was. Then a fresh object of the key that is there already is not replaced, and any purge
 *                  since the flight started counts as one of it
 */
int icache_index_store(icache_t *cache, icache_object_t *object, const icache_flight_t *flight, int abandoned, uint64_t now_ms);
/**
 * tells the listener of each object on the list, and drops the cache's reference
 */
void icache_release(icache_t *cache, icache_object_t *victims);
/**
 * unlinks the objects that match, in batches; takes the index lock for each
 */
void icache_index_purge(icache_t *cache, icache_purge_kind_t kind, const char *text, size_t len, icache_purged_t *purged);

/* leaves the consistency walk with the line of a check that failed */
#define ICACHE_CHECK(cond)                                                                                                         \
    do {                                                                                                                           \
        if (!(cond))                                                                                                               \
            return __LINE__;                                                                                                       \
    } while (0)

#endif
