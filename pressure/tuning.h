/*
 * tuning.h - every number of the coordinator but the marks and dwells of the levels (pressure_config_t). All are settings, all are
 * uint64_t, and all are checked by pressure_config_check(). Permilles are of the budget where nothing else is said. The numbers in
 * the comments are what pressure_config_init() sets.
 */
#ifndef pressure__tuning_h
#define pressure__tuning_h

#include <stdint.h>

typedef struct st_pressure_tuning_t {
    /* the time between two samples: calm, and from which reading on faster. Each reading is at or above the one before, each period
     * at or below */
    uint64_t period_ms, period_warm_ms, period_busy_ms, period_hot_ms; /* 1000, 250, 100, 25 */
    uint64_t warm_permille, busy_permille, hot_permille;               /* 600, 700, 850 */
    uint64_t stale_after_ms;                                           /* 3000; without a good sample, see pressure.h */
    /* the pause before a level that persists is told again */
    uint64_t repeat_elevated_ms, repeat_high_ms, repeat_critical_ms, repeat_emergency_ms; /* 10000, 2000, 2000, 1000 */
    uint64_t room_pause_ms;                                                               /* 50; between two wishes for room */
    /* how long one call of a listener may take, and all calls of one episode */
    uint64_t listener_slice_ms, episode_limit_ms; /* 20, 500 */
    /* when a reclaim was poor, and how the pauses grow when it is so again and again, see backoff.h */
    uint64_t effective_permille, effective_min_permille;    /* 500 (of the claim), 10 */
    uint64_t ineffective_after, backoff_ms, backoff_max_ms; /* 2, 1000, 60000 */
    /* the release of a gate that no reclaim can open, see gate.h */
    uint64_t release_after_ms, release_accounted_permille;    /* 30000, 600 */
    uint64_t release_headroom_permille;                       /* 100, of the cgroup's limit */
    uint64_t release_ceiling_permille, release_rise_permille; /* 1000, 10 */
    /* how fast a cache that was shrunk may grow again, see refill.h */
    uint64_t refill_step_permille, refill_period_ms; /* 50 (of the cache's capacity), 10000 */
    uint64_t refill_rise_permille;                   /* 10 */
} pressure_tuning_t;

#endif
