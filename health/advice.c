/*
 * What the figures of memory suggest to do. Unlike the verdict's findings these need not mean that anything is wrong.
 */
#include "health/json.h"
#include "health/names.h"
#include "health/views.h"

enum { FREE_HEAP_PERCENT = 10, FDS_PERCENT = 80, UNACCOUNTED_PERCENT = 50, STALLED_PERCENT = 10 };

typedef struct st_advice_t {
    int (*holds)(const health_snapshot_t *snapshot);
    const char *sentence;
} advice_t;

static int is_percent_of(uint64_t part, uint64_t whole, unsigned percent)
{
    return whole != 0 && (double)part * 100 >= (double)whole * percent;
}

static int is_simulated(const health_snapshot_t *snapshot)
{
    return snapshot->memory.simulated_bytes != 0;
}

static int is_heap_free(const health_snapshot_t *snapshot)
{
    return is_percent_of(snapshot->memory.heap.free_bytes, snapshot->budget_bytes, FREE_HEAP_PERCENT);
}

static int is_short_of_fds(const health_snapshot_t *snapshot)
{
    return is_percent_of(snapshot->memory.process.fds, snapshot->memory.process.max_fds, FDS_PERCENT);
}

static int is_swapped(const health_snapshot_t *snapshot)
{
    return snapshot->memory.process.swap_bytes != 0;
}

static int is_stalled(const health_snapshot_t *snapshot)
{
    return snapshot->memory.stalls.some_avg60 * 100 >= STALLED_PERCENT;
}

static int is_unaccounted(const health_snapshot_t *snapshot)
{
    return is_percent_of(snapshot->residual_bytes, snapshot->budget_bytes, UNACCOUNTED_PERCENT);
}

static int is_cache_pressed(const health_snapshot_t *snapshot)
{
    for (size_t i = 0; i != health_num_caches(snapshot); ++i)
        if (snapshot->caches[i].limit_bytes < snapshot->caches[i].capacity_bytes)
            return 1;
    return 0;
}

static int is_watchdogs(const health_snapshot_t *snapshot)
{
    return snapshot->watchdog_stands_in != 0;
}

static const advice_t table[] = {
    {is_simulated,
     "memory is being pretended (POST /api/memory/simulate): level, resident set and refusals do not mean what they say"},
    {is_watchdogs, "the coordinator hangs and the watchdog stands in for it: keep this report, then restart the server"},
    {is_swapped,
     "part of the process is swapped out, which makes hits slow: lower pressure.budget to what the machine has to give, or "
     "keep the service from swapping (systemd: MemorySwapMax=0)"},
    {is_stalled,
     "tasks wait for memory for a tenth of the time or more: lower pressure.budget, or find out what else on the machine, or "
     "in the container, takes memory"},
    {is_unaccounted,
     "more than half of the budget is held by nobody that is accounted for: GET /api/memory/leaks says whether it grows, "
     "GET /api/memory/heap what of it the heap holds"},
    {is_heap_free, "the heap holds a tenth of the budget or more in free memory: POST /api/memory/trim gives back what it can"},
    {is_short_of_fds,
     "four fifths of the descriptors are in use: raise the limit (systemd: LimitNOFILE=), or lower max-connections"},
    {is_cache_pressed, "a cache may not use its whole capacity for now, because memory was short: it grows again by "
                       "pressure.refill-step; if that comes back, lower image-cache.capacity or raise pressure.budget"},
};

static void push_verdict(json_t **array, const health_snapshot_t *snapshot)
{
    health_verdict_t verdict;

    health_judge(snapshot, &verdict);
    for (size_t i = 0; i != verdict.num_reasons; ++i)
        if (verdict.recommendations[i] != NULL)
            health_json_push(array, json_string(verdict.recommendations[i]));
}

json_t *health_new_advice(const health_snapshot_t *snapshot)
{
    json_t *array = json_array();

    push_verdict(&array, snapshot);
    for (size_t i = 0; i != sizeof(table) / sizeof(table[0]); ++i)
        if (table[i].holds(snapshot))
            health_json_push(&array, json_string(table[i].sentence));
    return array;
}
