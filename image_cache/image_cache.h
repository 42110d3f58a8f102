/*
 * image_cache.h - a byte-accounted cache of immutable, reference-counted buffers, with request coalescing.
 *
 * The model
 *   An *object* is one immutable buffer (a rendition or a source) with its canonical key and a small block of the caller's own
 *   metadata, in one allocation of known size. A *cache* holds one reference to each object that it links; a reader holds another,
 *   so eviction only unlinks and the bytes go when the last reader is done (until then they are counted as pinned).
 *   A *flight* is the work that produces the object of a key that is not cached. There is at most one live flight per key, over
 *   all threads. Whoever starts it is told LEAD and must end it with icache_flight_complete(); all others are told WAIT. Leader and
 *   followers alike leave a *waiter* behind, so the flight outlives the client that started it.
 *   A *group* is a set of objects with a quota of bytes, within that of its parent if it has one.
 *   A *lane* is a thread (an event loop, say) on which waiters want to be called back. A completed flight wakes each lane that has
 *   waiters in it once; the lane's thread then calls icache_lane_run().
 *
 * Life of a flight
 *     lookup: LEAD          more lookups: WAIT            complete()                 lane_run() on each lane
 *   (none) -----> FLYING(1 waiter) -----> FLYING(n) ---------------> LANDED(n waiters) ----------------> (freed)
 *                    |  last waiter detached: on_abandon, unlinked          the result object itself goes to every waiter,
 *                    +--> ABANDONED --complete()--> (freed)                 whether or not it could be stored
 *
 * Threads: every function may be called from any thread, except where it says otherwise. Nothing here blocks but on four short
 * mutexes, save that icache_flight_complete() waits for an on_abandon that is running, and icache_lane_destroy() for a wake().
 * Order of locks: flights, index, slab or arena. No callback, no free of a payload and no I/O happens under any. A hit takes none
 * of them, except with ICACHE_POLICY_LRU, which has to relink the object and takes that of the index.
 *
 * Bytes: the charge of an object is what its block really takes (arena.h, or the pages of its mapping), plus its header, plus its
 * share of the index (ICACHE_INDEX_SHARE_BYTES). The used bytes (the sum of charges and what the policy remembers of evicted
 * objects) never exceed the capacity, not even during an insert: room is made first, then the object is linked. A charge is taken
 * when the object is created and again, if its tail can be given back, when it is handed over; it never changes after. Resident
 * beyond the charges are free pages of the arena until they are trimmed, and what it knows of them (arena.h); and headers that are
 * free: those that share three pages with one in use, and ICACHE_SLAB_MAX_IDLE times three pages at most; all headers together are
 * never more than there were objects at a time, rounded up.
 *
 * Quotas: an object that was named a group is charged to it, and to the group's parents, while it is linked: what a group has is at
 * any time the exact sum of the charges of its linked objects, and never exceeds its limit, since room is made first here as well.
 * Who has to go then is the oldest object of the group, with a second chance for one that was hit since its last turn. What is
 * pinned is not charged (nobody could make room from it). Whoever stored an object pays for it, whoever else reads it; an object
 * that is renewed stays where it is charged.
 *
 * Time is a parameter (`now_ms`, any monotonic clock in milliseconds); the library never reads a clock.
 */
#ifndef image_cache__image_cache_h
#define image_cache__image_cache_h

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ICACHE_INDEX_SHARE_BYTES                                                                                                   \
    25 /* two buckets, a slot of the policy's and a bit of the slab's per object; they never take more, but for a page each */
#define ICACHE_MAX_LANES 64
#define ICACHE_MAX_GROUPS 256

typedef struct st_icache_t icache_t;
typedef struct st_icache_flight_t icache_flight_t;
typedef struct st_icache_lane_t icache_lane_t;
typedef struct st_icache_group_t icache_group_t;

typedef enum en_icache_class_t { ICACHE_CLASS_RENDITION, ICACHE_CLASS_SOURCE, ICACHE_NUM_CLASSES } icache_class_t;

/**
 * why an object left the cache, or never got in
 */
typedef enum en_icache_reason_t {
    ICACHE_REASON_CAPACITY,  /* evicted to make room for another one */
    ICACHE_REASON_PRESSURE,  /* evicted by icache_shrink_to() or icache_clear() */
    ICACHE_REASON_EXPIRED,   /* its time was up */
    ICACHE_REASON_PURGED,    /* removed by key */
    ICACHE_REASON_REPLACED,  /* a newer object of the same key took its place */
    ICACHE_REASON_TOO_LARGE, /* refused: larger than max_object_bytes, the capacity or a quota of its own; it was never in */
    ICACHE_REASON_QUOTA,     /* evicted to make room in its group */
    ICACHE_NUM_REASONS
} icache_reason_t;

/**
 * which keys a purge takes
 */
typedef enum en_icache_purge_kind_t {
    ICACHE_PURGE_ITEM,   /* the text itself, and those that go on with a question mark: a source and its renditions */
    ICACHE_PURGE_PREFIX, /* those that start with the text */
    ICACHE_PURGE_ALL
} icache_purge_kind_t;

typedef struct st_icache_purged_t {
    uint64_t objects[ICACHE_NUM_CLASSES], bytes;
    uint64_t flights; /* whose results will not be stored */
} icache_purged_t;

/**
 * who has to go when room is needed
 */
typedef enum en_icache_policy_kind_t {
    ICACHE_POLICY_LRU,     /* the least recently used: a hit takes a lock */
    ICACHE_POLICY_S3_FIFO, /* what was not asked for again: resists scans, no list is touched on a hit */
    ICACHE_POLICY_COST,    /* the same, and then what saves the least work per byte */
    ICACHE_NUM_POLICIES
} icache_policy_kind_t;

struct st_icache_object_t;

typedef struct st_icache_config_t {
    uint64_t capacity_bytes;   /* upper bound for the used bytes: the sum of charges, and what the policy remembers */
    uint64_t max_object_bytes; /* upper bound for the body of one object; a larger one is served but never stored */
    uint64_t seed;             /* of the hash; take it from the system's random source, so that keys cannot be made to collide */
    icache_policy_kind_t policy;
    uint64_t max_entries;                    /* 0: any number */
    uint64_t max_age_ms[ICACHE_NUM_CLASSES]; /* since it was stored or renewed, whatever its creator says; 0: no limit */
    /**
     * told of each object that has left the cache, and of those that were too large for it. May be NULL. Called without a lock, on
     * the thread that caused it.
     */
    void (*on_removed)(void *ctx, const struct st_icache_object_t *object, icache_reason_t reason);
    void *on_removed_ctx;
} icache_config_t;

/**
 * A key: the canonical text and its seeded XXH3-128. The text is the caller's and only borrowed for the call.
 */
typedef struct st_icache_key_t {
    uint64_t lo, hi;
    const char *text; /* need not be NUL-terminated */
    size_t len;
} icache_key_t;

/**
 * The times of an object, in milliseconds.
 *
 *   created       fresh: HIT         expires   served while it is renewed: STALE   stale    icache_get_stale() only     keep
 *   ----+------------------------------+------------------------------------------+--------------------------------+-----> gone
 */
typedef struct st_icache_life_t {
    uint64_t created_ms;
    uint64_t expires_ms;
    uint64_t stale_ms; /* less than expires_ms: it is not served stale */
    uint64_t keep_ms;  /* the latest of the three counts */
} icache_life_t;

/**
 * An object: its header. Key, meta and body are in a block of their own. Fields without underscore may be read by whoever holds a
 * reference, and written by the creator until the object is handed to icache_flight_complete() or icache_insert(); from then on
 * they never change, but for the times (icache_renew()).
 */
typedef struct st_icache_object_t {
    /* what a hit reads */
    _Alignas(64) _Atomic uint64_t _hash_lo;
    _Atomic(struct st_icache_object_t *) _next_in_bucket;
    const char *key; /* canonical text, NUL-terminated; the start of the block */
    size_t key_len;
    _Atomic uint64_t expires_ms;
    uint8_t *body;   /* body_len bytes */
    size_t body_len; /* may be lowered by the creator before the object is handed over; what is behind is then given back */
    void *meta;      /* meta_len bytes, 16-byte aligned, zeroed at creation */
    /* what a hit writes, and what is read beside it */
    _Alignas(64) _Atomic uint32_t _refs;
    _Atomic uint8_t _linked; /* is in the cache */
    _Atomic uint8_t _hits;   /* since the policy last looked, saturating; and a flag, since the group last looked (policy.h) */
    uint64_t _hash_hi;
    uint64_t _serial;                               /* of this life of the header; never used again */
    _Atomic uint64_t created_ms, stale_ms, keep_ms; /* see icache_life_t; UINT64_MAX: never */
    uint32_t cost_us;                               /* what it cost to make */
    icache_class_t object_class;
    /* what the cache's own housekeeping needs */
    _Alignas(64) uint64_t _charge_bytes;
    union {
        struct {
            struct st_icache_object_t *_prev, *_next; /* in a list of the policy's; _next also in a list of victims */
        };
        struct { /* in the policy's heap */
            double _priority;
            uint32_t _rank_seq, _heap_at;
        };
    };
    size_t _block_bytes; /* that the block takes, in the arena or as a mapping of its own */
    struct st_icache_slab_t *_slab;
    uint8_t _sealed, _was_linked, _pinned; /* was handed over; was linked (an object is linked once in its life); and unlinked */
    uint8_t _reason;                       /* icache_reason_t, once it is unlinked */
    uint8_t _in_small, _ranked_hits;       /* the policy's */
    /* group.c's: the group's number, or 0; a list from the oldest to the newest, of the numbers of headers; and the round of the
     * reconciliation that has seen the object */
    uint16_t _group;
    uint32_t _group_older, _group_newer, _group_seq;
    uint8_t _group_round;
} icache_object_t;

/**
 * Names an object without a reference to it: cheap to keep, and good for icache_get_by_handle() for as long as the cache is there,
 * whatever became of the object. All zero names none.
 */
typedef struct st_icache_handle_t {
    icache_object_t *object; /* not to be looked into */
    uint64_t serial;
} icache_handle_t;

typedef enum en_icache_verdict_t {
    ICACHE_HIT,    /* *object is set, with a reference that the caller gives back with icache_object_unref() */
    ICACHE_LEAD,   /* *flight is set: the caller must produce the object and call icache_flight_complete() exactly once */
    ICACHE_WAIT,   /* somebody else is at it */
    ICACHE_STALE,  /* as HIT, but *object has expired. If *flight is set as well, the caller has to renew it in the background and
                      call icache_flight_complete() exactly once; else somebody else is at it, or memory is out */
    ICACHE_REFUSED /* out of memory: nothing was registered, the waiter will not be called */
} icache_verdict_t;

/**
 * A waiter, embedded in the caller's own structure. It must stay in place until on_done was called or icache_waiter_detach()
 * returned 1.
 */
typedef struct st_icache_waiter_t {
    /**
     * called once, on the lane's thread, from icache_lane_run(), with no lock held. `object` comes with a reference that now
     * belongs to the callee, or is NULL and `error` is what the leader gave. The waiter may be freed or used again inside the
     * callback.
     */
    void (*on_done)(struct st_icache_waiter_t *waiter, icache_object_t *object, int64_t error);
    icache_lane_t *lane;
    icache_flight_t *_flight;
    struct st_icache_waiter_t *_prev, *_next;
} icache_waiter_t;

typedef struct st_icache_stats_t {
    uint64_t capacity_bytes, used_bytes, pinned_bytes; /* pinned: unlinked, still referenced */
    uint64_t limit_bytes;                              /* see icache_set_limit(); the capacity where there is none */
    uint64_t arena_bytes, free_bytes;   /* gauges: what is resident of the arena, and what of it icache_trim() would give back */
    uint64_t objects;                   /* gauge: all there are, those that readers or creators hold included */
    uint64_t entries, flights, waiters; /* gauges; abandoned flights are not counted, waiters not yet called are */
    uint64_t class_bytes[ICACHE_NUM_CLASSES], class_entries[ICACHE_NUM_CLASSES];
    uint64_t hits, misses, coalesced, inserts, abandoned; /* counters; misses = LEAD answers, coalesced = WAIT answers */
    uint64_t stale, refreshes;                            /* counters; STALE answers, and those of them with a flight */
    uint64_t not_admitted;                                /* counter: refused by the policy, see icache_insert() */
    uint64_t removed[ICACHE_NUM_REASONS], removed_bytes[ICACHE_NUM_REASONS]; /* inserts = entries + removed - TOO_LARGE */
} icache_stats_t;

typedef struct st_icache_usage_t {
    uint64_t capacity_bytes, used_bytes, evictable_bytes, pinned_bytes;
} icache_usage_t;

/**
 * creates a cache, or returns NULL when memory is out. Owned by the caller.
 */
icache_t *icache_create(const icache_config_t *config);
/**
 * destroys the cache and sets the pointer to NULL; NULL inside is allowed. All flights must have been completed and all lanes
 * destroyed. Objects that are still referenced stay valid; the accounting they point to is kept until the last of them is gone.
 */
void icache_destroy(icache_t **cache);

/**
 * hashes a canonical text with the cache's seed; good for this cache alone
 */
icache_key_t icache_key(const icache_t *cache, const char *text, size_t len);

/**
 * creates an object for this cache, with one reference, or returns NULL when memory is out, or the number of objects (more than
 * twice what fits into the capacity; slab.h). The body is writable, 16-byte aligned and uninitialised. Blocks (key, meta and body
 * together) of ICACHE_MAP_BYTES and more get a mapping of their own, whose pages go back to the system with the last reference;
 * smaller ones are in the cache's arena, where what is free is used again, and goes back with icache_trim().
 * created_ms, stale_ms and keep_ms are 0 and expires_ms is UINT64_MAX until the creator sets them.
 */
#define ICACHE_MAP_BYTES (256 * 1024)
icache_object_t *icache_object_create(icache_t *cache, icache_class_t object_class, const icache_key_t *key, size_t meta_len,
                                      size_t body_len);
icache_object_t *icache_object_ref(icache_object_t *object);
/**
 * says who pays for the object once it is linked: a group of its cache, or NULL for none, as it is at creation. For the creator,
 * before the object is handed over.
 */
void icache_object_set_group(icache_object_t *object, const icache_group_t *group);
/**
 * gives a reference back and sets the pointer to NULL; NULL inside is allowed
 */
void icache_object_unref(icache_object_t **object);
/**
 * what the object costs: what its block takes, plus its header and its share of the index
 */
uint64_t icache_object_charge(const icache_object_t *object);
/**
 * whether the object was ever linked into the cache. Settled before the first waiter gets it.
 */
int icache_object_was_stored(const icache_object_t *object);

/**
 * The one question of the request path. HIT when the object is cached and fresh (now_ms < expires_ms); otherwise joins or starts a
 * flight for the key and links `waiter` into it, whose `on_done` and `lane` the caller has set. STALE when the object has expired
 * but may still be served (now_ms < stale_ms); the first to be told so gets a flight that has no waiter and is never abandoned. An
 * object past its keep_ms is removed. Only on LEAD and WAIT is the waiter linked; else icache_waiter_detach() returns 0 for it.
 * @param object set on HIT and STALE, else NULL
 * @param flight set on LEAD, and on STALE if the caller has to do the work; else NULL
 */
icache_verdict_t icache_lookup(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_waiter_t *waiter,
                               icache_object_t **object, icache_flight_t **flight);
/**
 * HIT or NULL, without a flight. Counted as a hit when it is one, and not at all when it is none. What was removed or replaced
 * before the call is not found.
 * @param lane the caller's own, or NULL; a lane is given by its own thread only
 */
icache_object_t *icache_get(icache_t *cache, icache_lane_t *lane, const icache_key_t *key, uint64_t now_ms);
icache_handle_t icache_object_handle(icache_object_t *object);
/**
 * the same, of an object seen before: with a reference if it is still there and fresh, else NULL. Looks neither at a hash nor at a
 * key, and removes nothing.
 */
icache_object_t *icache_get_by_handle(icache_t *cache, icache_lane_t *lane, icache_handle_t handle, uint64_t now_ms);
/**
 * the object of a key with a reference, fresh or not (now_ms < keep_ms), or NULL. Counts as nothing, neither in the statistics nor
 * as a use.
 */
icache_object_t *icache_get_stale(icache_t *cache, const icache_key_t *key, uint64_t now_ms);
/**
 * gives an object new times. Returns 1, or 0 if it is not in the cache (any more); its times are set in either case.
 */
int icache_renew(icache_t *cache, icache_object_t *object, const icache_life_t *life, uint64_t now_ms);

/**
 * takes a waiter out of its flight. Returns 1 if on_done will never be called (the caller may free the waiter), 0 if it was called
 * already or is being called by another thread right now. On the lane's own thread 0 always means "was called". When the last
 * waiter leaves a flight that has not landed, the flight is unlinked (the next lookup starts a new one) and its on_abandon is
 * called from here. The waiter must have been through icache_lookup().
 */
int icache_waiter_detach(icache_waiter_t *waiter);

/**
 * registers what to do when nobody wants the result any more: called at most once, without a lock, on the thread of the last
 * detach, never after icache_flight_complete() was entered. If that moment has already passed, it is called at once. Only whoever
 * will complete the flight may call this, and before anybody else can complete it. The callback may complete the flight itself; it
 * must not wait for another thread that does.
 */
void icache_flight_on_abandon(icache_flight_t *flight, void (*cb)(void *ctx), void *ctx);
/**
 * whether anybody still waits; a hint for the leader to stop early
 */
int icache_flight_wanted(const icache_flight_t *flight);
/**
 * ends a flight, exactly once, and sets the pointer to NULL. All waiters get `object` (one reference each) whether or not it could
 * be stored, or `error` when it is NULL. The leader's reference to the object is consumed. Cannot fail; allocates nothing. When
 * an on_abandon of the flight is being called by another thread, waits for its return: after this call its context may be freed.
 * @param store non-zero to link the object into the cache before the flight is taken down, on the terms of icache_insert(). An
 *              abandoned flight's object is linked only if no fresh one is there: a later flight may have overtaken it. That of a
 * flight which was purged is never linked.
 */
void icache_flight_complete(icache_flight_t **flight, icache_object_t *object, int64_t error, int store, uint64_t now_ms);

/**
 * creates a lane. `wake` is called without a lock, from any thread, when waiters of the lane have a result; it must arrange for
 * icache_lane_run() to be called on the lane's thread (or call it itself, where any thread will do). Returns NULL when memory or
 * the number of lanes (ICACHE_MAX_LANES) is out.
 */
icache_lane_t *icache_lane_create(icache_t *cache, void (*wake)(void *ctx), void *ctx);
/**
 * no waiter of the lane may be linked any more. Not to be called from the lane's own wake(), nor with a lock held that wake()
 * takes: returns when no thread is inside wake() any more. NULL inside is allowed.
 */
void icache_lane_destroy(icache_lane_t **lane);
/**
 * calls on_done of all waiters that have a result, and of those that get one meanwhile, in order of landing
 */
void icache_lane_run(icache_lane_t *lane);

/**
 * links an object that no flight produced, in place of any of the same key; consumes the reference. Returns 0, or -1 if it was
 * refused: too large (for its group, too), past its keep_ms already, linked before, or (with some policies) too large for a key
 * that was not asked for before. A refused object leaves the objects in the cache as they were, the old one of its key included.
 */
int icache_insert(icache_t *cache, icache_object_t *object, uint64_t now_ms);
/**
 * unlinks the object of a key. Returns 1 if there was one. A flight under way is left alone, and may store its result later.
 */
int icache_remove(icache_t *cache, const icache_key_t *key);
/**
 * unlinks all objects whose keys match, and sees to it that nothing which is under way now brings one back: flights that match are
 * taken out of the way, so that the next lookup starts a new one; those who wait for them get their result, but it is not stored.
 * A lookup that starts after the return finds nothing that was there, or under way, when the purge was called. Walks the whole
 * index, in batches between which other threads get at the cache: not for event loops.
 * @param text not used for ICACHE_PURGE_ALL
 * @param purged what was taken, or NULL
 */
void icache_purge(icache_t *cache, icache_purge_kind_t kind, const char *text, size_t len, icache_purged_t *purged);
/**
 * whether such a purge takes the key: a pure function, for what is kept elsewhere under the same keys
 */
int icache_purge_matches(icache_purge_kind_t kind, const char *text, size_t len, const char *key, size_t key_len);
/**
 * removes what is past its keep_ms from the next part of the index, about an eightieth of it and some more. Called every now and
 * then it goes round, so that what nobody asks for goes too. Returns the number of objects removed.
 */
size_t icache_sweep(icache_t *cache, uint64_t now_ms);
/**
 * evicts, in the policy's order, until at most `bytes` are used. Returns the bytes unlinked (pinned ones included). Works in
 * batches, between which other threads get at the cache.
 */
uint64_t icache_shrink_to(icache_t *cache, uint64_t bytes);
/**
 * one batch of that, at most some MiB, for callers who watch the time. Returns the bytes unlinked; *done is set when at most
 * `bytes` are used.
 */
uint64_t icache_shrink_step(icache_t *cache, uint64_t bytes, int *done);
/**
 * bounds the used bytes below the capacity, until the next call. Evicts nothing: where more is used, the next inserts make the
 * room. An object larger than the limit is not admitted. The capacity goes on to be what the policy sizes its structures by.
 */
void icache_set_limit(icache_t *cache, uint64_t bytes);
/**
 * what is used, and what of it eviction could free: without a lock, good for every step of a busy thread. `used_bytes` counts what
 * the policy may come to take as taken.
 */
void icache_get_usage(icache_t *cache, icache_usage_t *usage);
uint64_t icache_clear(icache_t *cache);
/**
 * creates a group, which is the cache's and goes with it; there is no way to take it back. Returns NULL when memory or the number
 * of groups (ICACHE_MAX_GROUPS) is out.
 * @param name copied; for statistics and messages
 * @param limit_bytes upper bound for the charges of the objects of the group and of those below it
 * @param parent a group of the same cache, or NULL
 */
icache_group_t *icache_group_create(icache_t *cache, const char *name, uint64_t limit_bytes, icache_group_t *parent);
/**
 * compares the bytes of each group with the objects that really are in the cache, about an eightieth of them at a time: called
 * every now and then it goes round. A difference that is there at the end of two rounds in a row is a fault of the program; the
 * bytes are then set right, and on_healed is called, without a lock. Objects that come and go meanwhile make no difference
 * (reconcile.c). Does nothing while there are no groups. Any thread, but one at a time.
 */
typedef struct st_icache_healed_t {
    const char *group;
    uint64_t counted_bytes, found_bytes; /* before, and after */
} icache_healed_t;
void icache_reconcile(icache_t *cache, void (*on_healed)(void *ctx, const icache_healed_t *healed), void *ctx);

typedef struct st_icache_group_stats_t {
    const char *name; /* good for as long as the cache is */
    uint64_t limit_bytes, used_bytes, entries;
    uint64_t evictions, evicted_bytes; /* counters: what this group's limit has cost objects of it or below it */
    uint64_t refused;                  /* counter: objects larger than the limit */
    uint64_t healed;                   /* counter: see icache_reconcile() */
} icache_group_stats_t;
/**
 * copies the figures of the first `max` groups, in the order of their creation, and returns how many there are
 */
size_t icache_get_group_stats(icache_t *cache, icache_group_stats_t *stats, size_t max);
/**
 * gives pages of the arena that hold nothing to the system, at least so many bytes of them if there are, and returns what went.
 * Those who create or free objects meanwhile do not wait for it, but some milliseconds per 10 MiB are the caller's: to be called
 * from a thread that has time, in parts if it has to look at a clock.
 */
uint64_t icache_trim(icache_t *cache, uint64_t bytes);
/**
 * what icache_trim() would give back now: free, but resident, and used again by what comes next. Takes no lock.
 */
uint64_t icache_free_bytes(const icache_t *cache);
/**
 * a snapshot; the counters are exact at rest and may be torn by a few while threads run
 */
void icache_get_stats(icache_t *cache, icache_stats_t *stats);

/**
 * walks the whole cache and returns 0 if bytes, counts, index, list and references agree, or a line number of the check that
 * failed. For tests; holds both locks for the time of the walk.
 */
int icache_check(icache_t *cache);

#endif
