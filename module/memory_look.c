#include <stdlib.h>
#include "pressure/stall.h"
#include "module/heap_figures.h"
#include "module/loop.h"
#include "module/memory_look.h"
#include "module/process_facts.h"
#include "module/siblings.h"

#define SLOPE_PERIOD_MS 10000
#define HEAP_LOOK_MS 10000
#define HEAP_LOOK_SHARE 1000 /* at most one part in so many of the time is spent looking at the heap */

struct st_sluice_memory_t {
    pthread_mutex_t mutex; /* guards the next three; held for a copy, or the addition of a point */
    health_memory_t look;  /* ages and live figures are left out */
    uint64_t looked_ms, heap_looked_ms;
    health_trend_t *trend;
    uint64_t slope_ms; /* the observer's: of the last slope */
};

/* from one look at the heap to the next */
static uint64_t heap_pause_ms(uint64_t look_us)
{
    uint64_t by_share_ms = look_us * HEAP_LOOK_SHARE / 1000;

    return by_share_ms > HEAP_LOOK_MS ? by_share_ms : HEAP_LOOK_MS;
}

static health_stalls_t read_stalls(void)
{
    static const char *const sources[] = {
        [PRESSURE_STALL_NONE] = NULL, [PRESSURE_STALL_GROUP] = "cgroup", [PRESSURE_STALL_SYSTEM] = "system"};
    pressure_stalls_t s;

    pressure_read_stalls(SLUICE_PROC_ROOT, SLUICE_CGROUP_ROOT, &s);
    return (health_stalls_t){.source = sources[s.source],
                             .some_avg10 = s.some.avg10,
                             .some_avg60 = s.some.avg60,
                             .some_avg300 = s.some.avg300,
                             .full_avg10 = s.full.avg10,
                             .full_avg60 = s.full.avg60,
                             .full_avg300 = s.full.avg300,
                             .some_seconds = (double)s.some.total_us / 1e6,
                             .full_seconds = (double)s.full.total_us / 1e6};
}

static void look_at_heap(health_memory_t *look, uint64_t *looked_ms)
{
    uint64_t looks = look->heap.looks, began_us = sluice_now_us();

    sluice_heap_look(look->process.anonymous_bytes, &look->heap);
    look->heap.looks = looks + 1;
    look->heap.look_us = sluice_now_us() - began_us;
    *looked_ms = sluice_exact_ms();
}

/* only the observer writes, so it may read its own without the mutex, and holds it for the copy alone */
static void look_around(sluice_memory_t *memory)
{
    health_memory_t look = memory->look;
    uint64_t now_ms = sluice_exact_ms(), heap_looked_ms = memory->heap_looked_ms;

    sluice_process_read(SLUICE_PROC_ROOT, &look.process);
    look.stalls = read_stalls();
    if (heap_looked_ms == 0 || now_ms - heap_looked_ms >= heap_pause_ms(look.heap.look_us))
        look_at_heap(&look, &heap_looked_ms);
    pthread_mutex_lock(&memory->mutex);
    memory->look = look;
    memory->looked_ms = now_ms;
    memory->heap_looked_ms = heap_looked_ms;
    pthread_mutex_unlock(&memory->mutex);
}

sluice_memory_t *sluice_memory_create(void)
{
    sluice_memory_t *memory = calloc(1, sizeof(*memory));

    if (memory == NULL)
        return NULL;
    pthread_mutex_init(&memory->mutex, NULL);
    if ((memory->trend = health_trend_create()) == NULL) {
        sluice_memory_destroy(&memory);
        return NULL;
    }
    look_around(memory);
    return memory;
}

void sluice_memory_destroy(sluice_memory_t **_memory)
{
    sluice_memory_t *memory = *_memory;

    if (memory == NULL)
        return;
    *_memory = NULL;
    health_trend_destroy(&memory->trend);
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

/* --- the observer's part */

static uint64_t sum(const uint64_t *values, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i != count; ++i)
        total += values[i];
    return total;
}

/* as it counts in accounted_bytes, of the same step of the coordinator */
static uint64_t held_bytes(const health_cache_t *cache)
{
    return cache->told.used_bytes + cache->told.pinned_bytes;
}

static health_trend_point_t point_of(const sluice_observation_t *observation)
{
    const health_snapshot_t *s = observation->snapshot;

    return (health_trend_point_t){.at = observation->wall_s,
                                  .at_ms = observation->now_ms,
                                  .level = s->level,
                                  .resident_bytes = s->resident_bytes,
                                  .accounted_bytes = s->accounted_bytes,
                                  .unaccounted_bytes = s->residual_bytes,
                                  .image_bytes = held_bytes(s->caches),
                                  .metadata_bytes = held_bytes(s->caches + 1),
                                  .reserved_bytes = sum(s->reserved_bytes, HEALTH_NUM_CLASSES),
                                  .hits = s->caches[0].hits + s->caches[0].stale_hits,
                                  .misses = s->caches[0].misses + s->caches[0].coalesced,
                                  .shed = s->shed,
                                  .requests = health_finished_requests(s)};
}

static void keep_point(sluice_memory_t *memory, const sluice_observation_t *observation)
{
    health_trend_point_t point = point_of(observation);
    health_trend_slope_t slope = {memory->look.growth_bytes_per_minute, memory->look.growth_span_seconds};

    pthread_mutex_lock(&memory->mutex);
    health_trend_add(memory->trend, &point);
    pthread_mutex_unlock(&memory->mutex);
    if (memory->slope_ms == 0 || slope.span_seconds == 0 || observation->now_ms - memory->slope_ms >= SLOPE_PERIOD_MS) {
        memory->slope_ms = observation->now_ms;
        slope = health_trend_slope(memory->trend);
    }
    pthread_mutex_lock(&memory->mutex);
    memory->look.growth_bytes_per_minute = slope.bytes_per_minute;
    memory->look.growth_span_seconds = slope.span_seconds;
    pthread_mutex_unlock(&memory->mutex);
}

void sluice_memory_observe(sluice_t *sluice, const sluice_observation_t *observation)
{
    keep_point(sluice->memory, observation);
    look_around(sluice->memory);
}

/* --- for who asks */

/* what the loops have of their own */
static uint64_t seen_bytes(sluice_t *sluice)
{
    uint64_t bytes = 0;

    pthread_mutex_lock(&sluice->links_mutex);
    for (const sluice_loop_t *loop = sluice->loops; loop != NULL; loop = loop->next)
        bytes += SLUICE_SEEN_SETS * SLUICE_SEEN_WAYS * SLUICE_SEEN_ENTRY_BYTES;
    pthread_mutex_unlock(&sluice->links_mutex);
    return bytes;
}

void sluice_memory_read(sluice_t *sluice, health_memory_t *out)
{
    sluice_memory_t *memory = sluice->memory;
    uint64_t looked_ms, heap_looked_ms, now_ms = sluice_exact_ms();

    pthread_mutex_lock(&memory->mutex);
    *out = memory->look;
    looked_ms = memory->looked_ms;
    heap_looked_ms = memory->heap_looked_ms;
    pthread_mutex_unlock(&memory->mutex);
    out->age_ms = sluice_ms_since(looked_ms, now_ms);
    out->heap.age_ms = sluice_ms_since(heap_looked_ms, now_ms);
    out->simulated_bytes = sluice_simulation_bytes(&sluice->simulation, now_ms);
    out->siblings_bytes = sluice_siblings_bytes();
    out->seen_bytes = seen_bytes(sluice);
    out->source_limit_bytes = sluice->budget_bytes / 1000 * sluice->settings.source_permille;
}

size_t sluice_memory_trend(sluice_t *sluice, size_t series, health_trend_point_t *points, size_t max)
{
    sluice_memory_t *memory = sluice->memory;

    pthread_mutex_lock(&memory->mutex);
    size_t count = health_trend_get(memory->trend, series, points, max);
    pthread_mutex_unlock(&memory->mutex);
    return count;
}
