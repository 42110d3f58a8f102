/*
 * The cache: the index under its lock, the bytes, and what goes in and out.
 *
 * Each object linked is in the table and in the policy, holds one reference of the cache, and is part of object_bytes; the four
 * change together, in link_locked() and unlink_locked() and nowhere else. Unlinked objects leave as a list of victims (through
 * `_next`, which the policy is done with), and lose the cache's reference after the unlock. From the unlink to their last
 * unreference their bytes are on the ledger of pinned ones, so a byte is always in used, or pinned, or gone.
 *
 * One mutex: an insert is rare beside the work that made the object, and hits go without it (hit.c).
 */
#include <assert.h>
#include <stdlib.h>
#include "image_cache/image_cache_private.h"

#define SHRINK_BATCH 256 /* objects unlinked in one hold of the lock, and bytes freed behind it */
#define SHRINK_BATCH_BYTES ((uint64_t)8 << 20)
#define WALK_BATCH 1024 /* buckets looked at in one hold of the lock */
#define SWEEP_PARTS 80  /* calls of icache_sweep() to get round the index */
#define SWEEP_MIN_BUCKETS 64

static const icache_policy_ops_t *const policies[] = {
    [ICACHE_POLICY_LRU] = &icache_lru_ops, [ICACHE_POLICY_S3_FIFO] = &icache_s3_fifo_ops, [ICACHE_POLICY_COST] = &icache_cost_ops};

/* what objects may take up; the rest of the capacity is the policy's */
static uint64_t object_capacity(const icache_t *cache)
{
    return cache->config.capacity_bytes - cache->index.policy.reserved_bytes;
}

icache_t *icache_create(const icache_config_t *config)
{
    uint64_t max_objects = config->capacity_bytes / (sizeof(icache_object_t) + ICACHE_INDEX_SHARE_BYTES);
    icache_t *cache = aligned_alloc(alignof(icache_t), sizeof(*cache));

    if (cache == NULL)
        return NULL;
    *cache = (icache_t){.config = *config};
    if ((cache->slab = icache_slab_create(max_objects, config->capacity_bytes)) == NULL)
        goto fail_slab;
    if (icache_table_init(&cache->index.table, max_objects) != 0)
        goto fail_table;
    cache->index.policy.ops = policies[config->policy];
    if (cache->index.policy.ops->max_hits != 0)
        cache->full_hits = cache->index.policy.ops->max_hits | ICACHE_HIT_FLAG;
    if (cache->index.policy.ops->init(&cache->index.policy, config->capacity_bytes, max_objects) != 0)
        goto fail_policy;
    cache->index.limit_bytes = object_capacity(cache);
    pthread_mutex_init(&cache->index.lock, NULL);
    pthread_mutex_init(&cache->flights.lock, NULL);
    pthread_cond_init(&cache->flights.callback_done, NULL);
    return cache;
fail_policy:
    icache_table_dispose(&cache->index.table);
fail_table:
    icache_slab_close(cache->slab);
fail_slab:
    free(cache);
    return NULL;
}

void icache_destroy(icache_t **_cache)
{
    icache_t *cache = *_cache;

    if (cache == NULL)
        return;
    *_cache = NULL;
    assert(cache->flights.num_flights == 0 && cache->flights.num_waiters == 0);
    icache_clear(cache);
    icache_groups_dispose(&cache->index.groups);
    cache->index.policy.ops->dispose(&cache->index.policy);
    icache_table_dispose(&cache->index.table);
    icache_slab_close(cache->slab);
    pthread_cond_destroy(&cache->flights.callback_done);
    pthread_mutex_destroy(&cache->flights.lock);
    pthread_mutex_destroy(&cache->index.lock);
    free(cache);
}

static void link_locked(icache_t *cache, icache_object_t *object, icache_place_t place)
{
    assert(object->_charge_bytes <= object_capacity(cache) - cache->index.object_bytes);
    object->_was_linked = 1;
    icache_object_ref(object);
    atomic_store_explicit(&object->_linked, 1, memory_order_release);
    icache_table_link(&cache->index.table, object);
    cache->index.policy.ops->on_insert(&cache->index.policy, object, place);
    if (object->_group != 0)
        icache_groups_link(cache, object);
    cache->index.object_bytes += object->_charge_bytes;
    cache->index.class_bytes[object->object_class] += object->_charge_bytes;
    ++cache->index.class_entries[object->object_class];
    ++cache->index.inserts;
}

static void count_removed_locked(icache_t *cache, const icache_object_t *object, icache_reason_t reason)
{
    ++cache->index.removed[reason];
    cache->index.removed_bytes[reason] += object->_charge_bytes;
}

static void unlink_locked(icache_t *cache, icache_object_t *object, icache_reason_t reason, icache_object_t **victims)
{
    atomic_store_explicit(&object->_linked, 0, memory_order_relaxed);
    icache_table_unlink(&cache->index.table, object);
    cache->index.policy.ops->on_remove(&cache->index.policy, object, reason);
    if (object->_group != 0)
        icache_groups_unlink(cache, object);
    cache->index.object_bytes -= object->_charge_bytes;
    cache->index.class_bytes[object->object_class] -= object->_charge_bytes;
    --cache->index.class_entries[object->object_class];
    count_removed_locked(cache, object, reason);
    object->_reason = (uint8_t)reason;
    icache_object_pin(object);
    object->_next = *victims;
    *victims = object;
}

static void tell_removed(icache_t *cache, const icache_object_t *object, icache_reason_t reason)
{
    if (cache->config.on_removed != NULL)
        cache->config.on_removed(cache->config.on_removed_ctx, object, reason);
}

void icache_release(icache_t *cache, icache_object_t *victims)
{
    while (victims != NULL) {
        icache_object_t *next = victims->_next;
        tell_removed(cache, victims, (icache_reason_t)victims->_reason);
        icache_object_unref(&victims);
        victims = next;
    }
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t keep_until(const icache_object_t *object)
{
    return later(later(object->expires_ms, object->stale_ms), object->keep_ms);
}

/* what is past its time is removed on the way */
static icache_object_t *find_kept_locked(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_object_t **victims)
{
    icache_object_t *object = icache_table_find(&cache->index.table, key);

    if (object != NULL && now_ms >= keep_until(object)) {
        unlink_locked(cache, object, ICACHE_REASON_EXPIRED, victims);
        object = NULL;
    }
    return object;
}

static void touch_locked(icache_t *cache, icache_object_t *object)
{
    icache_object_count_hit(object, cache->full_hits != 0 ? cache->full_hits : ICACHE_HIT_FLAG);
    if (cache->full_hits == 0)
        cache->index.policy.ops->on_hit(&cache->index.policy, object);
}

static icache_object_t *look_locked(icache_t *cache, const icache_key_t *key, uint64_t now_ms, int *stale,
                                    icache_object_t **victims)
{
    icache_object_t *object = find_kept_locked(cache, key, now_ms, victims);

    if (object == NULL)
        return NULL;
    int fresh = now_ms < object->expires_ms;
    if (!fresh && (stale == NULL || now_ms >= object->stale_ms))
        return NULL;
    touch_locked(cache, object);
    if (!fresh)
        *stale = 1;
    return icache_object_ref(object);
}

icache_object_t *icache_index_look(icache_t *cache, const icache_key_t *key, uint64_t now_ms, int *stale, icache_object_t **victims)
{
    pthread_mutex_lock(&cache->index.lock);
    icache_object_t *object = look_locked(cache, key, now_ms, stale, victims);
    pthread_mutex_unlock(&cache->index.lock);
    return object;
}

icache_object_t *icache_index_get(icache_t *cache, const icache_key_t *key, uint64_t now_ms, icache_object_t **victims)
{
    return icache_index_look(cache, key, now_ms, NULL, victims);
}

void icache_index_touch(icache_t *cache, icache_object_t *object)
{
    pthread_mutex_lock(&cache->index.lock);
    if (icache_object_is_linked(object))
        touch_locked(cache, object);
    pthread_mutex_unlock(&cache->index.lock);
}

icache_object_t *icache_get_stale(icache_t *cache, const icache_key_t *key, uint64_t now_ms)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->index.lock);
    icache_object_t *object = find_kept_locked(cache, key, now_ms, &victims);
    if (object != NULL)
        icache_object_ref(object);
    pthread_mutex_unlock(&cache->index.lock);
    icache_release(cache, victims);
    return object;
}

/* the limit goes in before anything is stored: readers look at the times without a lock */
static void set_life(const icache_t *cache, icache_object_t *object, const icache_life_t *life, uint64_t now_ms)
{
    uint64_t max_age_ms = cache->config.max_age_ms[object->object_class];
    uint64_t limit_ms = max_age_ms == 0 || max_age_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + max_age_ms;

    object->created_ms = life->created_ms;
    object->expires_ms = earlier(life->expires_ms, limit_ms);
    object->stale_ms = earlier(life->stale_ms, limit_ms);
    object->keep_ms = earlier(life->keep_ms, limit_ms);
}

int icache_renew(icache_t *cache, icache_object_t *object, const icache_life_t *life, uint64_t now_ms)
{
    pthread_mutex_lock(&cache->index.lock);
    set_life(cache, object, life, now_ms);
    int linked = icache_object_is_linked(object);
    pthread_mutex_unlock(&cache->index.lock);
    return linked;
}

static int is_too_large(const icache_t *cache, const icache_object_t *object)
{
    return object->body_len > cache->config.max_object_bytes || object->_charge_bytes > object_capacity(cache) ||
           (object->_group != 0 && icache_groups_too_small(cache, object) != NULL);
}

/* nobody can find an abandoned flight to mark it */
static int was_purged_locked(const icache_t *cache, const icache_flight_t *flight, int abandoned)
{
    return atomic_load_explicit(&flight->purged, memory_order_relaxed) ||
           (abandoned && flight->purges_seen != atomic_load_explicit(&cache->flights.num_purges, memory_order_relaxed));
}

/* whatever its size is */
static int is_hopeless(const icache_object_t *object, uint64_t now_ms)
{
    return object->_was_linked || now_ms >= keep_until(object);
}

static int refuse_locked(icache_t *cache, const icache_object_t *object, uint64_t now_ms)
{
    if (is_hopeless(object, now_ms))
        return 1;
    if (!is_too_large(cache, object))
        return 0;
    icache_groups_count_refusal(cache, object);
    count_removed_locked(cache, object, ICACHE_REASON_TOO_LARGE);
    return 1;
}

static int needs_room_locked(const icache_t *cache, const icache_object_t *object)
{
    if (cache->config.max_entries != 0 && cache->index.table.num_objects >= cache->config.max_entries)
        return 1;
    return cache->index.object_bytes + object->_charge_bytes > cache->index.limit_bytes;
}

static void make_room_locked(icache_t *cache, const icache_object_t *object, icache_object_t **victims)
{
    icache_policy_t *policy = &cache->index.policy;

    while (needs_room_locked(cache, object))
        unlink_locked(cache, policy->ops->victim(policy), ICACHE_REASON_CAPACITY, victims);
}

/* the innermost group first. -1 if its objects do not account for what it has, which icache_reconcile() will set right */
static int make_room_in_groups_locked(icache_t *cache, const icache_object_t *object, icache_object_t **victims)
{
    icache_group_t *group;
    icache_object_t *victim;

    while ((group = icache_groups_full(cache, object)) != NULL) {
        if ((victim = icache_groups_victim(group)) == NULL)
            return -1;
        unlink_locked(cache, victim, ICACHE_REASON_QUOTA, victims);
    }
    return 0;
}

static int store_locked(icache_t *cache, icache_object_t *object, const icache_flight_t *flight, int abandoned, uint64_t now_ms,
                        icache_object_t **victims)
{
    icache_key_t key = {.lo = object->_hash_lo, .hi = object->_hash_hi, .text = object->key, .len = object->key_len};
    icache_life_t life = {object->created_ms, object->expires_ms, object->stale_ms, object->keep_ms};
    icache_policy_t *policy = &cache->index.policy;

    set_life(cache, object, &life, now_ms);
    if (refuse_locked(cache, object, now_ms) || (flight != NULL && was_purged_locked(cache, flight, abandoned)))
        return -1;
    icache_object_t *existing = icache_table_find(&cache->index.table, &key);
    if (existing != NULL && abandoned && now_ms < existing->expires_ms)
        return -1;
    icache_place_t place = object->_charge_bytes <= cache->index.limit_bytes
                               ? policy->ops->place(policy, object, existing, needs_room_locked(cache, object))
                               : ICACHE_PLACE_NONE;
    if (place == ICACHE_PLACE_NONE) {
        ++cache->index.not_admitted;
        return -1;
    }
    if (existing != NULL)
        unlink_locked(cache, existing, ICACHE_REASON_REPLACED, victims);
    if (object->_group != 0 && make_room_in_groups_locked(cache, object, victims) != 0)
        return -1;
    make_room_locked(cache, object, victims);
    link_locked(cache, object, place);
    return 0;
}

int icache_index_store(icache_t *cache, icache_object_t *object, const icache_flight_t *flight, int abandoned, uint64_t now_ms)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->index.lock);
    uint64_t num_too_large = cache->index.removed[ICACHE_REASON_TOO_LARGE];
    int result = store_locked(cache, object, flight, abandoned, now_ms, &victims);
    int too_large = cache->index.removed[ICACHE_REASON_TOO_LARGE] != num_too_large;
    pthread_mutex_unlock(&cache->index.lock);
    icache_release(cache, victims);
    if (too_large)
        tell_removed(cache, object, ICACHE_REASON_TOO_LARGE);
    return result;
}

int icache_insert(icache_t *cache, icache_object_t *object, uint64_t now_ms)
{
    icache_object_seal(object);
    int result = icache_index_store(cache, object, NULL, 0, now_ms);
    icache_object_unref(&object);
    return result;
}

int icache_remove(icache_t *cache, const icache_key_t *key)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->index.lock);
    icache_object_t *object = icache_table_find(&cache->index.table, key);
    if (object != NULL)
        unlink_locked(cache, object, ICACHE_REASON_PURGED, &victims);
    pthread_mutex_unlock(&cache->index.lock);
    icache_release(cache, victims);
    return object != NULL;
}

struct st_match_t {
    icache_purge_kind_t kind;
    const char *text;
    size_t len;
    icache_purged_t *purged;
};

/* the next batch of buckets from *at on, which moves on; in a walk, so that no object is missed */
static void purge_batch_locked(icache_t *cache, size_t *at, const struct st_match_t *match, icache_object_t **victims)
{
    icache_table_t *table = &cache->index.table;
    icache_object_t *next;

    for (size_t end = *at + WALK_BATCH; *at < end && *at < table->num_buckets; ++*at)
        for (icache_object_t *object = table->buckets[*at]; object != NULL; object = next) {
            next = object->_next_in_bucket;
            if (!icache_purge_matches(match->kind, match->text, match->len, object->key, object->key_len))
                continue;
            match->purged->bytes += object->_charge_bytes;
            ++match->purged->objects[object->object_class];
            unlink_locked(cache, object, ICACHE_REASON_PURGED, victims);
        }
}

void icache_index_purge(icache_t *cache, icache_purge_kind_t kind, const char *text, size_t len, icache_purged_t *purged)
{
    const struct st_match_t match = {kind, text, len, purged};
    size_t at = 0;
    int done = 0;

    for (int first = 1; !done; first = 0) {
        icache_object_t *victims = NULL;
        pthread_mutex_lock(&cache->index.lock);
        if (first)
            icache_table_begin_walk(&cache->index.table);
        purge_batch_locked(cache, &at, &match, &victims);
        if ((done = at >= cache->index.table.num_buckets))
            icache_table_end_walk(&cache->index.table);
        pthread_mutex_unlock(&cache->index.lock);
        icache_release(cache, victims);
    }
}

/* the walk is over between two calls: an object that moves to a bucket behind is found the next time round */
static size_t sweep_locked(icache_t *cache, uint64_t now_ms, icache_object_t **victims)
{
    icache_table_t *table = &cache->index.table;
    size_t num_swept = 0, num_buckets = table->num_buckets / SWEEP_PARTS + SWEEP_MIN_BUCKETS;
    icache_object_t *next;

    for (; num_buckets != 0; --num_buckets, ++cache->index.swept_buckets) {
        if (cache->index.swept_buckets >= table->num_buckets)
            cache->index.swept_buckets = 0;
        for (icache_object_t *object = table->buckets[cache->index.swept_buckets]; object != NULL; object = next) {
            next = object->_next_in_bucket;
            if (now_ms < keep_until(object))
                continue;
            unlink_locked(cache, object, ICACHE_REASON_EXPIRED, victims);
            ++num_swept;
        }
    }
    return num_swept;
}

size_t icache_sweep(icache_t *cache, uint64_t now_ms)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->index.lock);
    icache_table_begin_walk(&cache->index.table); /* or the buckets would be joined under the loop */
    size_t num_swept = sweep_locked(cache, now_ms, &victims);
    icache_table_end_walk(&cache->index.table);
    pthread_mutex_unlock(&cache->index.lock);
    icache_release(cache, victims);
    return num_swept;
}

static void evict_or_forget_locked(icache_t *cache, icache_object_t **victims)
{
    icache_policy_t *policy = &cache->index.policy;
    icache_object_t *object = policy->ops->victim(policy);

    if (object != NULL)
        unlink_locked(cache, object, ICACHE_REASON_PRESSURE, victims);
    else
        policy->ops->forget(policy);
}

uint64_t icache_shrink_step(icache_t *cache, uint64_t bytes, int *done)
{
    icache_object_t *victims = NULL;

    pthread_mutex_lock(&cache->index.lock);
    uint64_t before = icache_used_bytes(cache), end = before > SHRINK_BATCH_BYTES ? before - SHRINK_BATCH_BYTES : 0;
    for (unsigned i = 0; i < SHRINK_BATCH && icache_used_bytes(cache) > (bytes > end ? bytes : end); ++i)
        evict_or_forget_locked(cache, &victims);
    uint64_t unlinked = before - icache_used_bytes(cache);
    *done = icache_used_bytes(cache) <= bytes;
    pthread_mutex_unlock(&cache->index.lock);
    icache_release(cache, victims);
    return unlinked;
}

uint64_t icache_shrink_to(icache_t *cache, uint64_t bytes)
{
    uint64_t unlinked = 0;
    int done = 0;

    while (!done)
        unlinked += icache_shrink_step(cache, bytes, &done);
    return unlinked;
}

uint64_t icache_clear(icache_t *cache)
{
    return icache_shrink_to(cache, 0);
}
