/*
 * The verdict. The status comes from the level (it has the hysteresis already) and from the few faults that is_at_fault() names: no
 * readings, nothing left to release, a likely leak, an operation that does not stop, an alert that could not end the process. These
 * make it degraded, with 200, for such a server goes on serving. What else may be wrong only explains a bad status, never makes
 * one, so that a full cache in a calm server is not a fault.
 *
 * Whether the resident set or the memory cgroup is named goes by which is nearer to its bound now. A level that only waits for its
 * dwell may have been reached by the other one.
 */
#include "health/names.h"

enum { PINNED_PERCENT = 10, RESERVED_PERCENT = 25, RECENT_RECLAIM_MS = 60000 };

typedef struct st_says_t {
    const char *reason, *recommendation;
} says_t;

typedef struct st_finding_t {
    int (*holds)(const health_snapshot_t *snapshot);
    says_t says, of_group; /* the latter, if it is there, when the memory cgroup decides */
} finding_t;

static int is_degraded(const health_snapshot_t *snapshot)
{
    return health_level_index(snapshot->level) == HEALTH_LEVEL_DEGRADED;
}

static int is_high(const health_snapshot_t *snapshot)
{
    return health_level_index(snapshot->level) == HEALTH_LEVEL_HIGH;
}

static int is_critical(const health_snapshot_t *snapshot)
{
    return health_level_index(snapshot->level) == HEALTH_LEVEL_CRITICAL;
}

static int is_emergency(const health_snapshot_t *snapshot)
{
    return health_level_index(snapshot->level) == HEALTH_LEVEL_EMERGENCY;
}

/* a lone failure is not yet blindness, unless there never was a reading */
static int is_blind(const health_snapshot_t *snapshot)
{
    return snapshot->failed_samples_in_row >= HEALTH_BLIND_SAMPLES ||
           (snapshot->failed_samples != 0 && snapshot->resident_bytes == 0);
}

static int is_unreclaimable(const health_snapshot_t *snapshot)
{
    return snapshot->reclaim.unreclaimable != 0;
}

static int is_ineffective(const health_snapshot_t *snapshot)
{
    return snapshot->reclaim.ineffective != 0;
}

static int is_leaking(const health_snapshot_t *snapshot)
{
    return snapshot->leak.likely != 0;
}

static int is_stuck(const health_snapshot_t *snapshot)
{
    return snapshot->operations.stuck != 0;
}

static int is_exit_withheld(const health_snapshot_t *snapshot)
{
    return snapshot->alerts.exits_withheld != 0;
}

static int is_oversized(const health_snapshot_t *snapshot)
{
    double capacities = 0;
    for (size_t i = 0; i != health_num_caches(snapshot); ++i)
        capacities += (double)snapshot->caches[i].capacity_bytes;
    return snapshot->degraded_ratio > 0 && capacities > snapshot->degraded_ratio * (double)snapshot->budget_bytes;
}

static int is_percent_of_budget(double bytes, unsigned percent, const health_snapshot_t *snapshot)
{
    return snapshot->budget_bytes != 0 && bytes * 100 >= (double)snapshot->budget_bytes * percent;
}

static int is_pinned(const health_snapshot_t *snapshot)
{
    double pinned = 0;
    for (size_t i = 0; i != health_num_caches(snapshot); ++i)
        pinned += (double)snapshot->caches[i].pinned_bytes;
    return is_percent_of_budget(pinned, PINNED_PERCENT, snapshot);
}

static int is_reserved(const health_snapshot_t *snapshot)
{
    double reserved = 0;
    for (size_t i = 0; i != HEALTH_NUM_CLASSES; ++i)
        reserved += (double)snapshot->reserved_bytes[i];
    return is_percent_of_budget(reserved, RESERVED_PERCENT, snapshot);
}

static int is_reclaim_futile(const health_snapshot_t *snapshot)
{
    uint64_t before = snapshot->last_reclaim.resident_before_bytes, after = snapshot->last_reclaim.resident_after_bytes;
    uint64_t returned = before > after ? before - after : 0;

    if (snapshot->last_reclaim.generation == 0 || snapshot->last_reclaim.age_ms > RECENT_RECLAIM_MS)
        return 0;
    return returned < snapshot->last_reclaim.claimed_bytes - snapshot->last_reclaim.claimed_bytes / 2;
}

#define RAISE_GROUP_LIMIT                                                                                                          \
    "raise the limit of the memory cgroup (the container's or the service's), or find out what else in it takes memory; "          \
    "pressure.budget is not what decides. A lower image-cache.capacity leaves more room"

/* the first four exclude each other, so all that hold fit into a verdict */
static const finding_t findings[] = {
    {is_degraded,
     {"the resident set has reached the degraded mark of the memory budget",
      "raise pressure.budget, or lower image-cache.capacity to leave more room for work under way"},
     {"the memory cgroup has reached the degraded mark of its limit", RAISE_GROUP_LIMIT}},
    {is_high,
     {"the resident set has reached the high mark of the memory budget: new transforms are refused or wait",
      "raise pressure.budget, or lower image-cache.capacity to leave more room for work under way"},
     {"the memory cgroup has reached the high mark of its limit: new transforms are refused or wait", RAISE_GROUP_LIMIT}},
    {is_critical,
     {"the resident set has reached the critical mark of the memory budget: all but exempt routes are answered 503",
      "raise pressure.budget if the machine has memory to spare; if not, lower image-cache.capacity and "
      "image-cache.max-object-size"},
     {"the memory cgroup has reached the critical mark of its limit: all but exempt routes are answered 503", RAISE_GROUP_LIMIT}},
    {is_emergency,
     {"the resident set has reached the emergency mark of the memory budget: clearing the caches did not bring it down",
      "raise pressure.budget if the machine has memory to spare; if this comes back with a lower image-cache.capacity, the memory "
      "is held outside of the caches"},
     {"the memory cgroup has reached the emergency mark of its limit: clearing the caches did not bring it down",
      RAISE_GROUP_LIMIT}},
    {is_blind,
     {"the memory in use cannot be read, so the level may be out of date",
      "make /proc/self/statm, and the files of the memory cgroup if there is one, readable for the server and raise its limit of "
      "open files; until then pressure.budget is not enforced"},
     {0}},
    {is_unreclaimable,
     {"unreclaimable: memory stays at the critical mark with nothing left to release, so hits are answered and new work is refused",
      "restart the server, and raise pressure.budget if memory outside of the caches needs this much"},
     {"unreclaimable: the memory cgroup stays at the critical mark with nothing left to release, so hits are answered and new work "
      "is refused",
      "restart the server if the memory is its own; if not, " RAISE_GROUP_LIMIT}},
    {is_leaking,
     {"a memory leak is likely: what neither the caches nor the work under way account for goes on growing",
      "see /api/memory/leaks for how fast; restart the server before pressure.budget is reached, and report it with a heap "
      "profile"},
     {0}},
    {is_stuck,
     {"an operation was ordered to stop because its time was over, and has not stopped: it holds its thread and its memory",
      "/api/memory/operations names it; if it is a file, look at the disk or network file system below image.origin; if it is a "
      "picture, restart the server, and report it"},
     {0}},
    {is_oversized,
     {"the capacities of the caches add up to more than the degraded mark: full caches alone lead there",
      "lower image-cache.capacity, or raise pressure.budget, until the capacities stay below that mark"},
     {0}},
    {is_pinned,
     {"a tenth of the memory budget or more is held by evicted pictures that are still being sent to slow clients",
      "lower max-connections or image-cache.max-object-size"},
     {0}},
    {is_reserved,
     {"a quarter of the memory budget or more is reserved for fetches and transforms under way",
      "raise pressure.budget, or lower image-cache.max-object-size so that one picture may claim less"},
     {0}},
    {is_reclaim_futile,
     {"less than half of what the caches released at the last reclaim left the resident set",
      "lower image-cache.capacity or raise pressure.budget: freed memory is slow to return here, so the settings must leave "
      "headroom"},
     {0}},
    {is_ineffective,
     {"reclaims are ineffective: again and again, what the caches release does not leave the resident set",
      "lower image-cache.capacity or raise pressure.budget, and find out what else holds memory"},
     {0}},
    {is_exit_withheld,
     {"an alert is to end the process, but did that too often of late, or cannot note it in health.state-file: the process goes on",
      "find out why a new start does not help, or make health.state-file writable; /api/memory/alerts says which alert it is"},
     {0}},
};

_Static_assert(sizeof(findings) / sizeof(findings[0]) - 3 <= HEALTH_MAX_REASONS, "a reason more than a verdict holds");

/* whatever the level is */
static int is_at_fault(const health_snapshot_t *snapshot)
{
    return is_blind(snapshot) || is_unreclaimable(snapshot) || is_leaking(snapshot) || is_stuck(snapshot) ||
           is_exit_withheld(snapshot);
}

static health_status_t judge_status(const health_snapshot_t *snapshot)
{
    int level = health_level_index(snapshot->level);

    if (level >= HEALTH_LEVEL_CRITICAL)
        return HEALTH_CRITICAL;
    return level >= HEALTH_LEVEL_DEGRADED || is_at_fault(snapshot) ? HEALTH_DEGRADED : HEALTH_HEALTHY;
}

void health_judge(const health_snapshot_t *snapshot, health_verdict_t *verdict)
{
    int by_group = health_group_decides(snapshot);

    *verdict = (health_verdict_t){.status = judge_status(snapshot)};
    verdict->http_status = verdict->status == HEALTH_CRITICAL ? 503 : 200;
    if (verdict->status == HEALTH_HEALTHY)
        return;
    for (size_t i = 0; i != sizeof(findings) / sizeof(findings[0]); ++i) {
        if (!findings[i].holds(snapshot))
            continue;
        const says_t *says = by_group && findings[i].of_group.reason != NULL ? &findings[i].of_group : &findings[i].says;
        verdict->reasons[verdict->num_reasons] = says->reason;
        verdict->recommendations[verdict->num_reasons++] = says->recommendation;
    }
}
