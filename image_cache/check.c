/*
 * The consistency walk: everything that is kept twice is compared.
 */
#include "image_cache/image_cache_private.h"

static int check_object(const icache_t *cache, const icache_object_t *object)
{
    icache_key_t key = {.lo = object->_hash_lo, .hi = object->_hash_hi, .text = object->key, .len = object->key_len};

    ICACHE_CHECK(icache_slab_has(cache->slab, object) && object->_slab == cache->slab);
    ICACHE_CHECK(object->_linked && object->_was_linked && object->_sealed && !object->_pinned);
    ICACHE_CHECK(atomic_load_explicit(&object->_refs, memory_order_relaxed) >= 1);
    ICACHE_CHECK(object->_charge_bytes == icache_object_measure(object));
    ICACHE_CHECK(object->body_len <= cache->config.max_object_bytes);
    ICACHE_CHECK(icache_table_find(&cache->index.table, &key) == object);
    return 0;
}

struct st_totals_t {
    const icache_t *cache;
    uint64_t bytes[ICACHE_NUM_CLASSES], entries[ICACHE_NUM_CLASSES], total_bytes, total_entries, charged_to_groups;
};

static int visit(void *ctx, const icache_object_t *object)
{
    struct st_totals_t *totals = ctx;
    int line = check_object(totals->cache, object);

    if (line != 0)
        return line;
    ICACHE_CHECK(++totals->total_entries <= totals->cache->index.table.num_objects);
    totals->total_bytes += object->_charge_bytes;
    totals->bytes[object->object_class] += object->_charge_bytes;
    ++totals->entries[object->object_class];
    totals->charged_to_groups += object->_group != 0;
    return 0;
}

static int check_policy(const icache_t *cache)
{
    const icache_policy_t *policy = &cache->index.policy;
    struct st_totals_t totals = {.cache = cache};
    int line = policy->ops->walk(policy, visit, &totals);

    if (line != 0)
        return line;
    ICACHE_CHECK(totals.total_entries == cache->index.table.num_objects);
    ICACHE_CHECK(totals.total_bytes == cache->index.object_bytes);
    ICACHE_CHECK(policy->ghost_bytes <= policy->reserved_bytes);
    ICACHE_CHECK(totals.total_bytes + policy->reserved_bytes <= cache->config.capacity_bytes);
    ICACHE_CHECK(cache->config.max_entries == 0 || totals.total_entries <= cache->config.max_entries);
    for (int i = 0; i < ICACHE_NUM_CLASSES; ++i)
        ICACHE_CHECK(totals.bytes[i] == cache->index.class_bytes[i] && totals.entries[i] == cache->index.class_entries[i]);
    return icache_groups_check(cache, totals.charged_to_groups);
}

static int check_table(const icache_table_t *table)
{
    size_t num_objects = 0;

    ICACHE_CHECK(table->num_buckets <= table->max_buckets && table->num_buckets <= table->touched_buckets);
    ICACHE_CHECK(table->num_walkers != 0 || table->num_buckets <= 2 * table->num_objects + ICACHE_TABLE_MIN_BUCKETS);
    for (size_t i = 0; i < table->num_buckets; ++i)
        for (const icache_object_t *object = table->buckets[i]; object != NULL; object = object->_next_in_bucket) {
            ICACHE_CHECK(icache_table_bucket_of(table, object->_hash_lo) == i);
            ICACHE_CHECK(++num_objects <= table->num_objects);
        }
    ICACHE_CHECK(num_objects == table->num_objects);
    return 0;
}

static int check_index_locked(const icache_t *cache)
{
    uint64_t gone = 0;
    int line;

    if ((line = icache_slab_check(cache->slab)) != 0 || (line = icache_arena_check(cache->slab->arena)) != 0 ||
        (line = check_table(&cache->index.table)) != 0 || (line = check_policy(cache)) != 0)
        return line;
    ICACHE_CHECK(cache->index.table.num_objects <= icache_slab_num_used(cache->slab));
    for (int i = 0; i < ICACHE_NUM_REASONS; ++i)
        gone += i != ICACHE_REASON_TOO_LARGE ? cache->index.removed[i] : 0;
    ICACHE_CHECK(cache->index.inserts == cache->index.table.num_objects + gone);
    return 0;
}

/* counts the waiters of a circle, all of which have to be the flight's (any flight's that has landed, for a lane) and the lane's */
static int check_waiters(const icache_waiter_t *head, const icache_flight_t *flight, const icache_lane_t *lane, uint64_t *count)
{
    const icache_waiter_t *waiter = head;

    if (waiter == NULL)
        return 0;
    ICACHE_CHECK(lane != NULL);
    do {
        ICACHE_CHECK(waiter->_next->_prev == waiter && waiter->lane == lane);
        ICACHE_CHECK(flight != NULL ? waiter->_flight == flight : waiter->_flight->state == ICACHE_FLIGHT_LANDED);
        ++*count;
    } while ((waiter = waiter->_next) != head);
    return 0;
}

static int check_flight(const icache_t *cache, const icache_flight_t *flight, uint64_t *total_waiters)
{
    uint64_t count = 0;

    ICACHE_CHECK(flight->state == ICACHE_FLIGHT_FLYING || flight->state == ICACHE_FLIGHT_COMPLETING);
    for (unsigned i = 0; i < ICACHE_MAX_LANES; ++i) {
        int line = check_waiters(flight->waiters[i], flight, cache->flights.lanes[i], &count);
        if (line != 0)
            return line;
        ICACHE_CHECK((flight->waiters[i] != NULL) == (flight->lanes >> i & 1));
    }
    ICACHE_CHECK(count == flight->num_waiters);
    ICACHE_CHECK(count != 0 || flight->state == ICACHE_FLIGHT_COMPLETING || flight->background);
    for (const icache_flight_t *other = flight->next_in_bucket; other != NULL && !flight->purged; other = other->next_in_bucket)
        ICACHE_CHECK(other->hash_lo != flight->hash_lo || other->hash_hi != flight->hash_hi);
    *total_waiters += count;
    return 0;
}

static int check_flights_locked(const icache_t *cache)
{
    uint64_t num_flights = 0, num_waiters = 0;
    int line;

    for (unsigned i = 0; i <= ICACHE_FLIGHT_BUCKETS; ++i)
        for (const icache_flight_t *flight = cache->flights.buckets[i]; flight != NULL; flight = flight->next_in_bucket) {
            ICACHE_CHECK(flight->purged ? i == ICACHE_FLIGHT_BUCKETS : flight->hash_lo % ICACHE_FLIGHT_BUCKETS == i);
            if ((line = check_flight(cache, flight, &num_waiters)) != 0)
                return line;
            ++num_flights;
        }
    for (unsigned i = 0; i < ICACHE_MAX_LANES; ++i) {
        const icache_lane_t *lane = cache->flights.lanes[i];
        if (lane != NULL && (line = check_waiters(lane->pending, NULL, lane, &num_waiters)) != 0)
            return line;
    }
    ICACHE_CHECK(num_flights == cache->flights.num_flights);
    ICACHE_CHECK(num_waiters == cache->flights.num_waiters);
    return 0;
}

int icache_check(icache_t *cache)
{
    pthread_mutex_lock(&cache->flights.lock);
    pthread_mutex_lock(&cache->index.lock);
    int line = check_index_locked(cache);
    if (line == 0)
        line = check_flights_locked(cache);
    pthread_mutex_unlock(&cache->index.lock);
    pthread_mutex_unlock(&cache->flights.lock);
    return line;
}
