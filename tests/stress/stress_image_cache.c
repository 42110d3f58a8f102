/*
 * stress_image_cache [iterations per thread] [threads]
 *
 * With each policy of the cache: threads with a lane each do everything at random on a few keys: look up, join, leave (also with
 * other threads' waiters), complete (also flights that others lead), insert, renew, remove, purge, sweep, shrink, reconcile. What
 * must hold all the time: for a key whose leader stays there is one flight; each waiter is answered once, with the right object, or
 * was detached; a flight's context is not used after complete(); nothing is found that was under way when a purge of its key began;
 * the bytes stay within the capacity, and those of groups within their quotas, without any being healed. At the end everything adds
 * up.
 *
 * A waiter's mutex guards its state between its owner and those who detach it, not against on_done, which the library has to sort
 * out. Leaders of keys with an even number never leave before they complete, and these keys are not purged, so that `live` is
 * exact.
 *
 * Purges take a ticket before they begin; objects carry the number of tickets taken when their flight had begun.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "image_cache/image_cache.h"

#define NUM_KEYS 64
#define MAX_THREADS 16
#define NUM_WAITERS 8
#define NUM_MAILBOXES 8
#define CAPACITY_BYTES (400 * 1024)
#define MAX_OBJECT_BYTES (300 * 1024)

#define REQUIRE(cond)                                                                                                              \
    do {                                                                                                                           \
        if (!(cond)) {                                                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);                                               \
            abort();                                                                                                               \
        }                                                                                                                          \
    } while (0)

enum { IDLE, WAITING, ANSWERED, DETACHED };

struct st_stress_waiter_t {
    icache_waiter_t real;
    pthread_mutex_t lock;
    _Atomic int state;
    int key, stays;
};

struct st_job_t {
    icache_flight_t *flight;
    int key, exact;
    uint64_t ticket;
    _Atomic int abandoned;
};

struct st_stress_thread_t {
    pthread_t thread;
    unsigned number;
    uint64_t random;
    icache_lane_t *lane;
    _Atomic int woken;
    struct st_stress_waiter_t waiters[NUM_WAITERS];
    uint64_t lookups, hits, stale, refreshes, leads, waits, answered, detached, abandoned, purges;
};

struct st_meta_t {
    int key;
    uint64_t ticket; /* UINT64_MAX: not of a flight */
};

static icache_t *cache;
static icache_group_t *groups[4]; /* none, one, and one with another below it */
static pthread_mutex_t reconciling = PTHREAD_MUTEX_INITIALIZER;
static struct st_stress_thread_t threads[MAX_THREADS];
static unsigned num_threads;
static unsigned long iterations;
static struct st_job_t *_Atomic mailboxes[NUM_MAILBOXES];
static _Atomic int live[NUM_KEYS];
static _Atomic uint64_t tickets, purged[NUM_KEYS]; /* the highest ticket of a purge of that key that is over */
static _Atomic uint64_t now_ms;
static _Atomic uint64_t abandon_calls;
static _Thread_local struct st_stress_thread_t *self;

static uint64_t draw(uint64_t below)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return (self->random >> 33) % below;
}

static icache_key_t make_key(int number)
{
    static _Thread_local char text[16];
    int len = snprintf(text, sizeof(text), "key-%02d", number);
    return icache_key(cache, text, (size_t)len);
}

static void require_intact(const icache_object_t *object, int key)
{
    REQUIRE(((const struct st_meta_t *)object->meta)->key == key);
    REQUIRE(object->body_len == 0 || (object->body[0] == (uint8_t)key && object->body[object->body_len - 1] == (uint8_t)key));
}

/* tickets count from 1 on, so that 0 stands for no purge */
static void require_not_purged(const icache_object_t *object, uint64_t purged_before)
{
    REQUIRE(((const struct st_meta_t *)object->meta)->ticket >= purged_before);
}

static icache_object_t *make_object(int key, uint64_t ticket)
{
    icache_key_t real_key = make_key(key);
    size_t body_len = draw(50) == 0 ? (size_t)draw(MAX_OBJECT_BYTES + 1000) : (size_t)draw(20000);
    icache_object_t *object = icache_object_create(cache, key % 2 ? ICACHE_CLASS_SOURCE : ICACHE_CLASS_RENDITION, &real_key,
                                                   sizeof(struct st_meta_t), body_len);

    REQUIRE(object != NULL);
    *(struct st_meta_t *)object->meta = (struct st_meta_t){key, ticket};
    icache_object_set_group(object, groups[draw(3) == 0 ? draw(sizeof(groups) / sizeof(groups[0])) : 0]);
    if (body_len != 0)
        object->body[0] = object->body[body_len - 1] = (uint8_t)key;
    object->expires_ms = draw(4) == 0 ? atomic_load(&now_ms) + draw(50) : UINT64_MAX;
    if (draw(2) == 0)
        object->stale_ms = atomic_load(&now_ms) + draw(100);
    return object;
}

static void on_wake(void *ctx)
{
    atomic_store(&((struct st_stress_thread_t *)ctx)->woken, 1);
}

static void on_done(icache_waiter_t *real, icache_object_t *object, int64_t error)
{
    struct st_stress_waiter_t *waiter = (struct st_stress_waiter_t *)real;

    REQUIRE((object == NULL) == (error == -1));
    if (object != NULL)
        require_intact(object, waiter->key);
    icache_object_unref(&object);
    REQUIRE(atomic_exchange(&waiter->state, ANSWERED) == WAITING);
    ++self->answered;
}

static void on_abandon(void *ctx)
{
    struct st_job_t *job = ctx;

    REQUIRE(!job->exact);
    REQUIRE(atomic_exchange(&job->abandoned, 1) == 0);
    atomic_fetch_add(&abandon_calls, 1);
}

static void complete(struct st_job_t *job)
{
    icache_object_t *object = draw(8) != 0 ? make_object(job->key, job->ticket) : NULL;

    if (job->exact)
        REQUIRE(atomic_fetch_sub(&live[job->key], 1) == 1);
    icache_flight_complete(&job->flight, object, object != NULL ? 0 : -1, draw(4) != 0, atomic_load(&now_ms));
    self->abandoned += (uint64_t)atomic_load(&job->abandoned);
    memset(job, 0xee, sizeof(*job));
    free(job);
}

/* puts the job into a mailbox, and does the one that was there */
static void exchange_job(struct st_job_t *job)
{
    job = atomic_exchange(&mailboxes[draw(NUM_MAILBOXES)], job);
    if (job != NULL)
        complete(job);
}

static void lead(struct st_stress_waiter_t *waiter, icache_flight_t *flight)
{
    struct st_job_t *job = malloc(sizeof(*job));

    REQUIRE(job != NULL);
    *job = (struct st_job_t){.flight = flight, .key = waiter->key, .exact = waiter->key % 2 == 0, .ticket = atomic_load(&tickets)};
    if (job->exact) {
        waiter->stays = 1;
        REQUIRE(atomic_fetch_add(&live[job->key], 1) == 0);
    }
    icache_flight_on_abandon(flight, on_abandon, job);
    exchange_job(job);
}

static void do_lookup(void)
{
    struct st_stress_waiter_t *waiter = &self->waiters[draw(NUM_WAITERS)];
    icache_flight_t *flight = NULL;
    icache_object_t *object = NULL;
    icache_verdict_t verdict = ICACHE_REFUSED;

    pthread_mutex_lock(&waiter->lock);
    if (atomic_load(&waiter->state) != WAITING) {
        waiter->key = (int)(draw(NUM_KEYS) * draw(NUM_KEYS) / NUM_KEYS);
        waiter->stays = 0;
        waiter->real = (icache_waiter_t){.on_done = on_done, .lane = self->lane};
        icache_key_t key = make_key(waiter->key);
        uint64_t purged_before = atomic_load(&purged[waiter->key]);
        verdict = icache_lookup(cache, &key, atomic_load(&now_ms), &waiter->real, &object, &flight);
        REQUIRE(verdict != ICACHE_REFUSED);
        atomic_store(&waiter->state, object != NULL ? IDLE : WAITING);
        if (object != NULL)
            require_not_purged(object, purged_before);
        /* before anybody can detach it */
        if (flight != NULL)
            lead(waiter, flight);
        self->refreshes += object != NULL && flight != NULL;
        ++self->lookups;
    }
    pthread_mutex_unlock(&waiter->lock);
    self->leads += verdict == ICACHE_LEAD;
    self->waits += verdict == ICACHE_WAIT;
    self->hits += verdict == ICACHE_HIT;
    self->stale += verdict == ICACHE_STALE;
    if (object != NULL) {
        require_intact(object, waiter->key);
        icache_object_unref(&object);
    }
}

static void do_detach(void)
{
    struct st_stress_thread_t *other = &threads[draw(num_threads)];
    struct st_stress_waiter_t *waiter = &other->waiters[draw(NUM_WAITERS)];

    pthread_mutex_lock(&waiter->lock);
    if (atomic_load(&waiter->state) == WAITING && !waiter->stays) {
        int left = icache_waiter_detach(&waiter->real);
        if (left) {
            REQUIRE(atomic_exchange(&waiter->state, DETACHED) == WAITING);
            ++self->detached;
        } else if (other == self) {
            /* on the lane's own thread 0 means "was called" */
            REQUIRE(atomic_load(&waiter->state) == ANSWERED);
        }
    }
    pthread_mutex_unlock(&waiter->lock);
}

static void do_get(void)
{
    int number = (int)draw(NUM_KEYS);
    icache_key_t key = make_key(number);
    uint64_t purged_before = atomic_load(&purged[number]);
    icache_object_t *object = icache_get(cache, self->lane, &key, atomic_load(&now_ms));

    if (object == NULL)
        return;
    ++self->hits;
    sched_yield();
    require_intact(object, number);
    require_not_purged(object, purged_before);
    icache_object_unref(&object);
}

static void do_renew(void)
{
    icache_key_t key = make_key((int)draw(NUM_KEYS));
    uint64_t now = atomic_load(&now_ms);
    icache_life_t life = {now, now + draw(50), now + draw(100), now + draw(100)};
    icache_object_t *object = icache_get_stale(cache, &key, now);

    if (object == NULL)
        return;
    icache_renew(cache, object, &life, now);
    icache_object_unref(&object);
}

static void do_purge(void)
{
    int number = (int)draw(NUM_KEYS) | 1;
    icache_key_t key = make_key(number);
    uint64_t ticket = atomic_fetch_add(&tickets, 1) + 1, before;

    icache_purge(cache, draw(2) == 0 ? ICACHE_PURGE_ITEM : ICACHE_PURGE_PREFIX, key.text, key.len, NULL);
    ++self->purges;
    before = atomic_load(&purged[number]);
    while (before < ticket && !atomic_compare_exchange_weak(&purged[number], &before, ticket))
        ;
}

static void on_healed(void *ctx, const icache_healed_t *healed)
{
    (void)ctx;
    fprintf(stderr, "%s: %llu were %llu\n", healed->group, (unsigned long long)healed->counted_bytes,
            (unsigned long long)healed->found_bytes);
    abort();
}

static void do_reconcile(void)
{
    if (pthread_mutex_trylock(&reconciling) != 0)
        return;
    icache_reconcile(cache, on_healed, NULL);
    pthread_mutex_unlock(&reconciling);
}

static void do_check(void)
{
    icache_stats_t stats;

    REQUIRE(icache_check(cache) == 0);
    icache_get_stats(cache, &stats);
    REQUIRE(stats.used_bytes <= CAPACITY_BYTES);
}

static void do_something(void)
{
    uint64_t kind = draw(1000);
    icache_key_t key;

    if (kind < 550) {
        do_lookup();
    } else if (kind < 700) {
        do_detach();
    } else if (kind < 800) {
        do_get();
    } else if (kind < 900) {
        exchange_job(NULL);
    } else if (kind < 930) {
        icache_insert(cache, make_object((int)draw(NUM_KEYS), UINT64_MAX), atomic_load(&now_ms));
    } else if (kind < 945) {
        do_renew();
    } else if (kind < 955) {
        do_purge();
    } else if (kind < 957) {
        icache_sweep(cache, atomic_load(&now_ms));
    } else if (kind < 970) {
        key = make_key((int)draw(NUM_KEYS));
        icache_remove(cache, &key);
    } else if (kind < 980) {
        icache_shrink_to(cache, draw(CAPACITY_BYTES));
    } else if (kind < 981) {
        icache_clear(cache);
    } else if (kind < 986) {
        atomic_fetch_add(&now_ms, 1);
    } else if (kind < 990) {
        do_reconcile();
    } else {
        do_check();
    }
}

static void *run_thread(void *arg)
{
    self = arg;
    for (unsigned long i = 0; i < iterations; ++i) {
        do_something();
        if (atomic_exchange(&self->woken, 0))
            icache_lane_run(self->lane);
    }
    return NULL;
}

static void wind_up(void)
{
    for (int i = 0; i < NUM_MAILBOXES; ++i)
        if (mailboxes[i] != NULL)
            complete(atomic_exchange(&mailboxes[i], NULL));
    for (unsigned i = 0; i < num_threads; ++i) {
        icache_lane_run(threads[i].lane);
        icache_lane_destroy(&threads[i].lane);
        for (int j = 0; j < NUM_WAITERS; ++j)
            REQUIRE(atomic_load(&threads[i].waiters[j].state) != WAITING);
    }
}

static void require_balance(void)
{
    struct st_stress_thread_t sum = {.number = 0};
    icache_stats_t stats;

    for (unsigned i = 0; i < num_threads; ++i) {
        sum.lookups += threads[i].lookups;
        sum.hits += threads[i].hits;
        sum.leads += threads[i].leads;
        sum.waits += threads[i].waits;
        sum.answered += threads[i].answered;
        sum.detached += threads[i].detached;
        sum.abandoned += threads[i].abandoned;
        sum.stale += threads[i].stale;
        sum.refreshes += threads[i].refreshes;
        sum.purges += threads[i].purges;
    }
    REQUIRE(icache_check(cache) == 0); /* used == sum of charges, among others */
    icache_get_stats(cache, &stats);
    REQUIRE(stats.flights == 0 && stats.waiters == 0 && stats.pinned_bytes == 0);
    REQUIRE(stats.hits == sum.hits && stats.misses == sum.leads && stats.coalesced == sum.waits);
    REQUIRE(stats.stale == sum.stale && stats.refreshes == sum.refreshes);
    REQUIRE(sum.leads + sum.waits == sum.answered + sum.detached);
    REQUIRE(stats.abandoned == sum.abandoned && sum.abandoned == atomic_load(&abandon_calls));
    REQUIRE(icache_clear(cache) == stats.used_bytes);
    icache_get_stats(cache, &stats);
    REQUIRE(stats.used_bytes == 0 && stats.pinned_bytes == 0 && stats.entries == 0);
    printf("%lu lookups: %lu hits, %lu stale, %lu flights, %lu joined, %lu answered, %lu detached, %lu abandoned, %lu purges, "
           "%lu evicted, %lu by a quota\n",
           (unsigned long)sum.lookups, (unsigned long)sum.hits, (unsigned long)sum.stale,
           (unsigned long)(sum.leads + sum.refreshes), (unsigned long)sum.waits, (unsigned long)sum.answered,
           (unsigned long)sum.detached, (unsigned long)sum.abandoned, (unsigned long)sum.purges,
           (unsigned long)stats.removed[ICACHE_REASON_CAPACITY], (unsigned long)stats.removed[ICACHE_REASON_QUOTA]);
}

static void run(icache_policy_kind_t policy)
{
    icache_config_t config = {
        .policy = policy, .capacity_bytes = CAPACITY_BYTES, .max_object_bytes = MAX_OBJECT_BYTES, .seed = 0x5eed};

    memset(threads, 0, sizeof(threads));
    atomic_store(&now_ms, 0);
    for (int i = 0; i < NUM_KEYS; ++i)
        atomic_store(&purged[i], 0);
    atomic_store(&abandon_calls, 0);
    REQUIRE((cache = icache_create(&config)) != NULL);
    for (int i = 1; i < 4; ++i)
        REQUIRE((groups[i] = icache_group_create(cache, "group", CAPACITY_BYTES / (8 * (size_t)i), i == 3 ? groups[2] : NULL)) !=
                NULL);
    for (unsigned i = 0; i < num_threads; ++i) {
        threads[i].number = i;
        threads[i].random = i * 77 + 1;
        REQUIRE((threads[i].lane = icache_lane_create(cache, on_wake, &threads[i])) != NULL);
        for (int j = 0; j < NUM_WAITERS; ++j)
            pthread_mutex_init(&threads[i].waiters[j].lock, NULL);
    }
    for (unsigned i = 0; i < num_threads; ++i)
        REQUIRE(pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]) == 0);
    for (unsigned i = 0; i < num_threads; ++i)
        pthread_join(threads[i].thread, NULL);
    self = &threads[0];
    wind_up();
    require_balance();
    icache_destroy(&cache);
}

int main(int argc, char **argv)
{
    iterations = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    num_threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 6;
    REQUIRE(num_threads > 0 && num_threads <= MAX_THREADS);
    for (int policy = 0; policy < ICACHE_NUM_POLICIES; ++policy)
        run((icache_policy_kind_t)policy);
    return 0;
}
