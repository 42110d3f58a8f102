/*
 * The image cache against a naive model, with each policy: after every random step bytes, counts, counters, which objects are in
 * the cache, the order of the queues, flights and waiters have to be what linear searches over plain arrays say.
 */
#include "tests/unit/test_image_cache_model.h"

static void assert_intact(const icache_object_t *object, int key)
{
    assert_int_equal(*(const int *)object->meta, key);
    if (object->body_len != 0) {
        assert_int_equal(object->body[0], (uint8_t)key);
        assert_int_equal(object->body[object->body_len - 1], (uint8_t)key);
    }
}

/* some keys are more popular than others */
static int draw_key(void)
{
    return (int)(draw(2) == 0 ? draw(m.num_keys) : draw(m.num_keys / 4));
}

static void hold_or_drop(struct st_model_object_t *object)
{
    icache_object_t *real = object->real;
    struct st_model_object_t **place = &m.held[draw(MAX_HELD)];

    assert_intact(real, object->key);
    if (*place == NULL) {
        *place = object;
        ++object->refs;
    } else {
        icache_object_unref(&real);
    }
}

static void step_drop_held(void)
{
    struct st_model_object_t **place = &m.held[draw(MAX_HELD)], *object = *place;

    if (object == NULL)
        return;
    *place = NULL;
    icache_object_t *real = object->real;
    assert_intact(real, object->key);
    --object->refs;
    model_forget_if_dead(object);
    icache_object_unref(&real);
}

static size_t draw_body_len(void)
{
    switch (draw(12)) {
    case 0:
        return 0;
    case 1:
        return m.max_object + 1 + draw(64);
    case 2:
        return m.max_object;
    case 3:
        return m.capacity + draw(64);
    default:
        return draw(m.max_object / 2 + 1);
    }
}

static icache_life_t draw_life(void)
{
    icache_life_t life = {m.now_ms, UINT64_MAX, 0, 0};

    if (draw(3) == 0)
        return life;
    life.expires_ms = m.now_ms + draw(2000);
    if (draw(2) == 0)
        life.stale_ms = life.expires_ms + draw(1000);
    if (draw(2) == 0)
        life.keep_ms = life.expires_ms + draw(2000);
    return life;
}

static struct st_model_object_t *make_object(int key)
{
    struct st_model_object_t *object = model_find(NULL);
    icache_key_t real_key = make_key(key);
    size_t body_len = draw_body_len();

    *object = (struct st_model_object_t){.key = key, .refs = 1, .object_class = (icache_class_t)draw(ICACHE_NUM_CLASSES)};
    icache_life_t life = draw_life();
    object->expires_ms = life.expires_ms;
    object->stale_ms = life.stale_ms;
    object->keep_ms = life.keep_ms;
    object->real = icache_object_create(m.cache, object->object_class, &real_key, sizeof(int) + draw(40), body_len);
    assert_non_null(object->real);
    object->serial = ++m.num_created;
    if (draw(4) == 0)
        body_len = object->real->body_len = draw(body_len + 1);
    object->real->expires_ms = object->expires_ms;
    object->real->stale_ms = object->stale_ms;
    object->real->keep_ms = object->keep_ms;
    object->real->cost_us = object->cost_us = (uint32_t)draw(4) * (uint32_t)draw(5000);
    *(int *)object->real->meta = key;
    if (m.has_groups && draw(4) != 0) {
        object->group = (int)draw(NUM_GROUPS);
        icache_object_set_group(object->real, m.groups[object->group].real);
    }
    memset(object->real->body, key, body_len);
    /* the charge that the block has after the handover, from first principles */
    size_t needed = (size_t)(object->real->body - (const uint8_t *)object->real->key) + body_len;
    size_t unit = icache_arena_has(m.cache->slab->arena, object->real->key) ? 512 : 4096;
    object->charge = (needed + unit - 1) / unit * unit + 192 + ICACHE_INDEX_SHARE_BYTES;
    return object;
}

static void step_insert(void)
{
    struct st_model_object_t *object = make_object(draw_key());
    int expected = model_store(object, object->real->body_len, NULL);
    icache_object_t *real = object->real;

    --object->refs;
    model_forget_if_dead(object);
    assert_int_equal(icache_insert(m.cache, real, m.now_ms), expected);
}

static void step_get(void)
{
    int key = draw_key();
    icache_key_t real_key = make_key(key);
    struct st_model_object_t *expected = model_get(key, NULL);
    icache_object_t *object = icache_get(m.cache, draw(2) == 0 ? NULL : m.lanes[draw(NUM_LANES)], &real_key, m.now_ms);

    assert_ptr_equal(object, expected != NULL ? expected->real : NULL);
    if (object != NULL) {
        m.handles[draw(NUM_HANDLES)] = icache_object_handle(object);
        hold_or_drop(expected);
    }
}

static void step_get_by_handle(void)
{
    icache_handle_t handle = m.handles[draw(NUM_HANDLES)];
    struct st_model_object_t *expected = model_get_by_handle(handle);
    icache_object_t *object = icache_get_by_handle(m.cache, draw(2) == 0 ? NULL : m.lanes[draw(NUM_LANES)], handle, m.now_ms);

    assert_ptr_equal(object, expected != NULL ? expected->real : NULL);
    if (object != NULL)
        hold_or_drop(expected);
}

static void step_get_stale(void)
{
    int key = draw_key();
    icache_key_t real_key = make_key(key);
    struct st_model_object_t *expected = model_kept(key);
    icache_object_t *object = icache_get_stale(m.cache, &real_key, m.now_ms);

    assert_ptr_equal(object, expected != NULL ? expected->real : NULL);
    if (object != NULL)
        hold_or_drop(expected);
}

/* of an object that is held, whether or not it is still in the cache */
static void step_renew(void)
{
    struct st_model_object_t *object = m.held[draw(MAX_HELD)];
    icache_life_t life = draw_life();

    if (object == NULL || object->linked != object->was_linked)
        return;
    object->expires_ms = life.expires_ms;
    object->stale_ms = life.stale_ms;
    object->keep_ms = life.keep_ms;
    model_limit_age(object);
    assert_int_equal(icache_renew(m.cache, object->real, &life, m.now_ms), object->linked);
    assert_int_equal(object->real->expires_ms, object->expires_ms);
    assert_int_equal(object->real->stale_ms, object->stale_ms);
}

static void step_remove(void)
{
    int key = draw_key();
    icache_key_t real_key = make_key(key);
    struct st_model_object_t *object = model_linked(key);
    int expected = object != NULL;

    if (object != NULL)
        model_unlink(object, ICACHE_REASON_PURGED);
    assert_int_equal(icache_remove(m.cache, &real_key), expected);
}

static void step_shrink(int clear)
{
    uint64_t target = clear ? 0 : draw(m.capacity + 2), before = m.expected.used_bytes + m.ghost_bytes;
    struct st_model_object_t *victim;

    while (m.expected.used_bytes + m.ghost_bytes > target)
        if ((victim = model_victim()) != NULL)
            model_unlink(victim, ICACHE_REASON_PRESSURE);
        else
            model_forget_ghosts();
    uint64_t unlinked = clear ? icache_clear(m.cache) : icache_shrink_to(m.cache, target);
    assert_int_equal(unlinked, before - m.expected.used_bytes - m.ghost_bytes);
}

/* frees nothing, whatever is used; what the other steps may store from here on is what compare() looks at */
static void step_set_limit(void)
{
    m.limit = draw(3) == 0 ? m.capacity : draw(m.capacity + m.capacity / 4 + 1);
    icache_set_limit(m.cache, m.limit);
    if (m.limit > m.capacity)
        m.limit = m.capacity;
}

static int is_taken(icache_purge_kind_t kind, const char *text, int key)
{
    icache_key_t real_key = make_key(key);

    return kind == ICACHE_PURGE_ALL ||
           (strncmp(real_key.text, text, strlen(text)) == 0 && (kind == ICACHE_PURGE_PREFIX || real_key.text[strlen(text)] == '?'));
}

static void step_purge(void)
{
    icache_purge_kind_t kind = draw(8) == 0 ? ICACHE_PURGE_ALL : (icache_purge_kind_t)draw(2);
    icache_purged_t purged, expected = {.flights = 0};
    char text[32];

    snprintf(text, sizeof(text), kind == ICACHE_PURGE_ITEM ? "origin/picture-%02d.jpg" : "origin/picture-%d", draw_key());
    for (int i = 0; i < NUM_FLIGHTS; ++i)
        if (m.flights[i].real != NULL && m.flights[i].flying && !m.flights[i].purged && is_taken(kind, text, m.flights[i].key)) {
            m.flights[i].purged = 1;
            ++expected.flights;
        }
    ++m.num_purges;
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked && is_taken(kind, text, m.objects[i].key)) {
            ++expected.objects[m.objects[i].object_class];
            expected.bytes += m.objects[i].charge;
            model_unlink(&m.objects[i], ICACHE_REASON_PURGED);
        }
    icache_purge(m.cache, kind, text, strlen(text), &purged);
    assert_memory_equal(&purged, &expected, sizeof(purged));
}

/* once round, in the order of the index, which the model takes over from what the listener hears */
static void step_sweep(void)
{
    size_t num_due = 0, num_swept = 0;

    for (int i = 0; i < MAX_OBJECTS; ++i)
        num_due += m.objects[i].real != NULL && m.objects[i].linked && m.now_ms >= model_keep_until(&m.objects[i]);
    for (int i = 0; i < 81; ++i) {
        m.num_swept = 0;
        num_swept += icache_sweep(m.cache, m.now_ms);
        while (m.num_swept != 0) {
            struct st_model_object_t *object = model_find(m.swept[--m.num_swept]);
            assert_true(m.now_ms >= model_keep_until(object));
            model_unlink(object, ICACHE_REASON_EXPIRED);
        }
    }
    assert_int_equal(num_swept, num_due);
}

static void on_healed(void *ctx, const icache_healed_t *healed)
{
    (void)ctx;
    fail_msg("%s: %llu were %llu", healed->group, (unsigned long long)healed->counted_bytes,
             (unsigned long long)healed->found_bytes);
}

static void on_removed(void *ctx, const icache_object_t *object, icache_reason_t reason)
{
    assert_ptr_equal(ctx, &m);
    ++m.removed[reason];
    if (reason == ICACHE_REASON_EXPIRED && m.num_swept < MAX_OBJECTS)
        m.swept[m.num_swept++] = object;
}

static void finish_flight_if_over(struct st_model_flight_t *flight)
{
    if (!flight->landed || flight->num_waiters != 0)
        return;
    if (flight->object != NULL) {
        --flight->object->refs;
        model_forget_if_dead(flight->object);
    }
    flight->real = NULL;
}

static void on_done(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    struct st_model_waiter_t *waiter = (struct st_model_waiter_t *)real;
    struct st_model_flight_t *flight = waiter->flight;

    assert_non_null(flight);
    assert_true(flight->landed);
    assert_int_equal(error, flight->error);
    assert_ptr_equal(object, flight->object != NULL ? flight->object->real : NULL);
    ++waiter->calls;
    waiter->flight = NULL;
    --flight->num_waiters;
    --m.expected.waiters;
    if (object != NULL)
        hold_or_drop(flight->object);
    finish_flight_if_over(flight);
}

static void on_wake(void *ctx)
{
    ++*(int *)ctx;
}

static void on_abandon(void *ctx)
{
    struct st_model_flight_t *flight = ctx;
    assert_false(flight->flying);
    ++flight->abandon_calls;
}

static struct st_model_waiter_t *idle_waiter(void)
{
    for (int i = 0; i < NUM_WAITERS; ++i)
        if (m.waiters[i].flight == NULL)
            return &m.waiters[i];
    return NULL;
}

static struct st_model_flight_t *free_flight(void)
{
    for (int i = 0; i < NUM_FLIGHTS; ++i)
        if (m.flights[i].real == NULL)
            return &m.flights[i];
    return NULL;
}

static void join_flight(struct st_model_waiter_t *waiter, struct st_model_flight_t *flight)
{
    waiter->flight = flight;
    ++flight->num_waiters;
    ++m.expected.waiters;
}

static void step_lookup(void)
{
    struct st_model_waiter_t *waiter = idle_waiter();
    struct st_model_flight_t *free_place = free_flight();
    int key = draw_key();
    icache_key_t real_key = make_key(key);
    icache_object_t *object = NULL;
    icache_flight_t *flight = NULL;

    if (waiter == NULL || free_place == NULL)
        return;
    waiter->lane = (int)draw(NUM_LANES);
    waiter->real = (icache_waiter_t){.on_done = on_done, .lane = m.lanes[waiter->lane]};
    int stale = 0;
    struct st_model_object_t *expected = model_get(key, &stale);
    icache_verdict_t verdict = icache_lookup(m.cache, &real_key, m.now_ms, &waiter->real, &object, &flight);
    if (expected != NULL) {
        assert_int_equal(verdict, stale ? ICACHE_STALE : ICACHE_HIT);
        assert_ptr_equal(object, expected->real);
        hold_or_drop(expected);
        assert_int_equal(flight != NULL, stale && model_flying(key) == NULL);
        m.expected.stale += (uint64_t)stale;
        if (flight != NULL) {
            ++m.expected.refreshes;
            ++m.expected.flights;
            *free_place =
                (struct st_model_flight_t){.real = flight, .key = key, .flying = 1, .background = 1, .purges_seen = m.num_purges};
        }
    } else if (model_flying(key) != NULL) {
        assert_int_equal(verdict, ICACHE_WAIT);
        ++m.expected.coalesced;
        join_flight(waiter, model_flying(key));
    } else {
        assert_int_equal(verdict, ICACHE_LEAD);
        ++m.expected.misses;
        ++m.expected.flights;
        *free_place = (struct st_model_flight_t){.real = flight, .key = key, .flying = 1, .purges_seen = m.num_purges};
        join_flight(waiter, free_place);
        if (draw(2) == 0) {
            free_place->registered = 1;
            icache_flight_on_abandon(flight, on_abandon, free_place);
        }
    }
}

static void step_detach(void)
{
    struct st_model_waiter_t *waiter = &m.waiters[draw(NUM_WAITERS)];
    struct st_model_flight_t *flight = waiter->flight;

    if (waiter->real.lane == NULL)
        return;
    if (flight != NULL && flight->num_waiters == 1 && flight->flying && !flight->background) {
        flight->flying = 0;
        flight->abandoned = 1;
        --m.expected.flights;
        ++m.expected.abandoned;
    }
    assert_int_equal(icache_waiter_detach(&waiter->real), flight != NULL);
    if (flight == NULL)
        return;
    waiter->flight = NULL;
    --flight->num_waiters;
    --m.expected.waiters;
    if (!flight->landed)
        assert_int_equal(icache_flight_wanted(flight->real), flight->num_waiters != 0 || flight->background);
    assert_int_equal(flight->abandon_calls, flight->registered && !flight->flying && !flight->landed);
    finish_flight_if_over(flight);
}

static void expect_wakes(const struct st_model_flight_t *flight, const int *before)
{
    for (int lane = 0; lane < NUM_LANES; ++lane) {
        int concerned = 0;
        for (int i = 0; i < NUM_WAITERS; ++i)
            concerned |= m.waiters[i].flight == flight && m.waiters[i].lane == lane;
        assert_int_equal(m.wakes[lane] - before[lane], concerned);
    }
}

static void step_complete(void)
{
    struct st_model_flight_t *flight = &m.flights[draw(NUM_FLIGHTS)];
    int before[NUM_LANES], store = draw(4) != 0;

    if (flight->real == NULL || flight->landed)
        return;
    if (!flight->flying && flight->registered)
        assert_int_equal(flight->abandon_calls, 1);
    flight->object = draw(4) != 0 ? make_object(flight->key) : NULL;
    flight->error = flight->object != NULL ? 0 : -(int)draw(9) - 1;
    if (flight->object != NULL && store)
        model_store(flight->object, flight->object->real->body_len, flight);
    memcpy(before, m.wakes, sizeof(before));
    icache_flight_t *real = flight->real;
    icache_flight_complete(&real, flight->object != NULL ? flight->object->real : NULL, flight->error, store, m.now_ms);
    assert_null(real);
    expect_wakes(flight, before);
    m.expected.flights -= (uint64_t)flight->flying;
    flight->flying = 0;
    flight->landed = 1;
    finish_flight_if_over(flight);
}

static void step(void)
{
    uint64_t kind = draw(100);

    if (kind < 30)
        step_lookup();
    else if (kind < 38)
        step_get();
    else if (kind < 42)
        step_get_by_handle();
    else if (kind < 44)
        step_get_stale();
    else if (kind < 45)
        step_renew();
    else if (kind < 60)
        step_complete();
    else if (kind < 68)
        step_detach();
    else if (kind < 76)
        icache_lane_run(m.lanes[draw(NUM_LANES)]);
    else if (kind < 84)
        step_insert();
    else if (kind < 91)
        step_drop_held();
    else if (kind < 94)
        step_remove();
    else if (kind < 98)
        m.now_ms += draw(40);
    else if (kind < 99)
        icache_reconcile(m.cache, on_healed, NULL);
    else if (draw(4) == 0)
        step_purge();
    else if (draw(4) == 0)
        step_sweep();
    else if (draw(3) == 0)
        step_set_limit();
    else if (draw(2) == 0)
        step_shrink(draw(8) == 0);
}

/* returns how many objects there are in a queue, each of which has to be newer than the one before */
static uint64_t compare_queue(const icache_queue_t *queue, unsigned in_small)
{
    uint64_t last = 0, count = 0;

    for (icache_object_t *real = queue->oldest; real != NULL; real = real->_prev, ++count) {
        const struct st_model_object_t *object = model_find(real);
        assert_true(object->linked && object->in_small == in_small);
        assert_true(object->order > last);
        last = object->order;
    }
    return count;
}

static uint64_t compare_heap(const icache_heap_t *heap)
{
    for (size_t i = 0; i < heap->num_objects; ++i) {
        const struct st_model_object_t *object = model_find(heap->slots[i]);
        assert_true(object->linked && !object->in_small);
        assert_memory_equal(&object->priority, &object->real->_priority, sizeof(object->priority));
    }
    if (heap->num_objects != 0)
        assert_ptr_equal(heap->slots[0], model_first(0)->real);
    return heap->num_objects;
}

static void compare_groups(void)
{
    icache_group_stats_t stats[NUM_GROUPS];
    size_t num_groups = icache_get_group_stats(m.cache, stats, NUM_GROUPS);

    assert_int_equal(num_groups, m.has_groups ? NUM_GROUPS - 1 : 0);
    for (size_t i = 0; i < num_groups; ++i) {
        const struct st_model_group_t *group = &m.groups[i + 1];
        uint64_t entries, bytes = model_group_bytes((int)i + 1, &entries);
        assert_int_equal(stats[i].limit_bytes, group->limit);
        assert_int_equal(stats[i].used_bytes, bytes);
        assert_true(bytes <= group->limit);
        assert_int_equal(stats[i].entries, entries);
        assert_int_equal(stats[i].evictions, group->evictions);
        assert_int_equal(stats[i].evicted_bytes, group->evicted_bytes);
        assert_int_equal(stats[i].refused, group->refused);
        assert_int_equal(stats[i].healed, 0);
    }
}

static uint64_t listing_rank(const struct st_model_object_t *object, icache_order_t order)
{
    unsigned ranked_hits = m.policy == ICACHE_POLICY_COST ? object->ranked_hits : 0;

    return order == ICACHE_ORDER_BYTES ? object->charge
           : order == ICACHE_ORDER_AGE ? UINT64_MAX - atomic_load(&object->real->created_ms)
                                       : object->hits + ranked_hits;
}

/* an entry is what the model has under its key, and no more objects come before it than do */
static void compare_entry(const icache_entry_t *entries, size_t at, icache_order_t order)
{
    int key = (int)strtol(entries[at].key + strlen("origin/picture-"), NULL, 10);
    const struct st_model_object_t *object = model_linked(key);
    size_t num_before = 0;

    assert_non_null(object);
    assert_string_equal(entries[at].key, make_key(key).text);
    assert_int_equal(entries[at].key_len, strlen(entries[at].key));
    assert_int_equal(entries[at].charge_bytes, object->charge);
    assert_int_equal(entries[at].object_class, object->object_class);
    assert_int_equal(entries[at].expires_ms, object->expires_ms);
    assert_int_equal(entries[at].hits, listing_rank(object, ICACHE_ORDER_HITS));
    assert_int_equal(entries[at].created_ms, atomic_load(&object->real->created_ms));
    for (int i = 0; i < MAX_OBJECTS; ++i)
        if (m.objects[i].real != NULL && m.objects[i].linked)
            num_before += listing_rank(m.objects + i, order) > listing_rank(object, order);
    assert_true(num_before <= at);
    for (size_t i = 0; i != at; ++i) {
        assert_string_not_equal(entries[i].key, entries[at].key);
        num_before -= entries[i]._rank > entries[at]._rank;
    }
    assert_int_equal(num_before, 0);
}

static void compare_listing(void)
{
    static icache_entry_t entries[12];
    icache_order_t order = (icache_order_t)(m.now_ms % 3);
    uint64_t scanned;
    size_t max = m.now_ms / 3 % 13, size = icache_list(m.cache, order, entries, max, &scanned);

    assert_int_equal(scanned, m.expected.entries);
    assert_int_equal(size, max < m.expected.entries ? max : m.expected.entries);
    for (size_t i = 0; i != size; ++i)
        compare_entry(entries, i, order);
}

static void compare(void)
{
    const icache_policy_t *policy = &m.cache->index.policy;
    icache_stats_t stats, expected;
    icache_usage_t usage;

    m.expected.capacity_bytes = m.capacity;
    m.expected.limit_bytes = model_limit_of_objects() + model_reserved_bytes();
    m.expected.pinned_bytes = model_pinned_bytes();
    expected = m.expected;
    expected.used_bytes += m.ghost_bytes;
    expected.objects = model_num_objects();
    icache_get_stats(m.cache, &stats);
    expected.arena_bytes = stats.arena_bytes; /* follow from the history of the arena */
    expected.free_bytes = stats.free_bytes;
    assert_memory_equal(&stats, &expected, sizeof(stats));
    assert_memory_equal(m.removed, expected.removed, sizeof(m.removed));
    assert_true(stats.used_bytes <= m.capacity);
    compare_groups();
    compare_listing();
    icache_get_usage(m.cache, &usage);
    assert_int_equal(usage.capacity_bytes, m.capacity);
    assert_int_equal(usage.evictable_bytes, m.expected.used_bytes);
    assert_int_equal(usage.used_bytes, m.expected.used_bytes + model_reserved_bytes());
    assert_int_equal(usage.pinned_bytes, m.expected.pinned_bytes);
    assert_int_equal(icache_check(m.cache), 0);
    uint64_t in_main = m.policy == ICACHE_POLICY_COST ? compare_heap(&policy->heap) : compare_queue(&policy->main, 0);
    assert_int_equal(compare_queue(&policy->small, 1) + in_main, m.expected.entries);
}

static void wind_up(void)
{
    for (int i = 0; i < NUM_FLIGHTS; ++i)
        if (m.flights[i].real != NULL && !m.flights[i].landed) {
            icache_flight_complete(&m.flights[i].real, NULL, -1, 0, m.now_ms);
            m.flights[i].landed = 1;
            m.flights[i].error = -1;
        }
    for (int i = 0; i < NUM_LANES; ++i) {
        icache_lane_run(m.lanes[i]);
        icache_lane_destroy(&m.lanes[i]);
        assert_null(m.lanes[i]);
    }
    icache_destroy(&m.cache);
    assert_null(m.cache);
    /* readers outlive the cache */
    for (int i = 0; i < MAX_HELD; ++i)
        if (m.held[i] != NULL) {
            assert_intact(m.held[i]->real, m.held[i]->key);
            icache_object_t *real = m.held[i]->real;
            icache_object_unref(&real);
        }
}

/* one that stands alone, and one with two below it whose limits together are above its own */
static void create_groups(void)
{
    static const int parents[NUM_GROUPS] = {0, 0, 0, 2, 2};
    const uint64_t limits[NUM_GROUPS] = {0, m.capacity / 16, m.capacity / 10, m.capacity / 20, m.capacity / 16};

    m.has_groups = 1;
    for (int i = 1; i < NUM_GROUPS; ++i) {
        m.groups[i] = (struct st_model_group_t){.parent = parents[i], .limit = limits[i]};
        m.groups[i].real = icache_group_create(m.cache, "group", limits[i], m.groups[parents[i]].real);
        assert_non_null(m.groups[i].real);
    }
}

static void run_model(icache_policy_kind_t policy, uint64_t num_keys, uint64_t seed, uint64_t capacity, uint64_t max_object,
                      int steps)
{
    icache_config_t config = {.capacity_bytes = capacity, .max_object_bytes = max_object, .seed = seed, .policy = policy};

    memset(&m, 0, sizeof(m));
    config.on_removed = on_removed;
    config.on_removed_ctx = &m;
    if (seed % 2 == 0) {
        config.max_entries = m.max_entries = num_keys / 3;
        config.max_age_ms[ICACHE_CLASS_SOURCE] = m.max_age_ms[ICACHE_CLASS_SOURCE] = 700;
    }
    m.random = seed;
    m.policy = policy;
    m.num_keys = num_keys;
    m.capacity = m.limit = capacity;
    m.max_object = max_object;
    m.now_ms = 1000;
    model_init_policy();
    m.cache = icache_create(&config);
    assert_non_null(m.cache);
    if (seed / 2 % 2 == 0)
        create_groups();
    for (int i = 0; i < NUM_LANES; ++i)
        m.lanes[i] = icache_lane_create(m.cache, on_wake, &m.wakes[i]);
    for (int i = 0; i < steps; ++i) {
        step();
        compare();
    }
    wind_up();
}

static void few_objects(void **state)
{
    icache_policy_kind_t policy = *(icache_policy_kind_t *)*state;
    for (uint64_t seed = 1; seed <= 4; ++seed)
        run_model(policy, 24, seed, 40 * 1024, 16 * 1024, 20000);
}

/* enough of them for a queue of newcomers, or hardly so; and ghosts that come back */
static void many_objects(void **state)
{
    icache_policy_kind_t policy = *(icache_policy_kind_t *)*state;
    uint64_t ghosts_taken = 0, not_admitted = 0;

    for (uint64_t seed = 5; seed <= 8; ++seed) {
        run_model(policy, seed * 40, seed, 96 * 1024, 2 * 1024 * (seed - 4), 20000);
        ghosts_taken += m.ghosts_taken;
        not_admitted += m.expected.not_admitted;
        assert_int_equal(m.expected.removed[ICACHE_REASON_QUOTA] > 0, m.has_groups);
        for (int i = 1; i < NUM_GROUPS && m.has_groups; ++i)
            assert_true(m.groups[i].evictions > 0);
    }
    assert_true(policy == ICACHE_POLICY_LRU || (ghosts_taken > 50 && not_admitted > 50));
}

static void mapped_objects(void **state)
{
    icache_policy_kind_t policy = *(icache_policy_kind_t *)*state;
    for (uint64_t seed = 11; seed <= 12; ++seed)
        run_model(policy, 24, seed, 2 * 1024 * 1024, 800 * 1024, 5000);
}

static void hardly_any_room(void **state)
{
    icache_policy_kind_t policy = *(icache_policy_kind_t *)*state;
    run_model(policy, 24, 21, 0, 4096, 10000);
    run_model(policy, 24, 22, 700, 4096, 10000);
    run_model(policy, 24, 23, 64 * 1024, 0, 10000);
}

#define WITH_EACH(test)                                                                                                            \
    {"lru: " #test, test, NULL, NULL, &lru}, {"s3-fifo: " #test, test, NULL, NULL, &s3_fifo},                                      \
    {                                                                                                                              \
        "cost: " #test, test, NULL, NULL, &cost                                                                                    \
    }

int main(void)
{
    static icache_policy_kind_t lru = ICACHE_POLICY_LRU, s3_fifo = ICACHE_POLICY_S3_FIFO, cost = ICACHE_POLICY_COST;
    const struct CMUnitTest tests[] = {
        WITH_EACH(few_objects),
        WITH_EACH(many_objects),
        WITH_EACH(mapped_objects),
        WITH_EACH(hardly_any_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
