/*
 * gate.h - when the gate that critical shuts is opened although the reading has not fallen: a pure function.
 *
 * From critical on, the front filter refuses everybody. A reclaim brings the reading down, and the level machine opens the gate.
 * But a leak, or memory that the allocator cannot return, is nothing that any listener holds: then a shut gate helps nobody, and
 * would stay shut until a restart. So the gate is released when, for release_after_ms without a break,
 *   - nothing is left that would help: all that is evictable would not bring the reading below critical, or what is evicted does
 *     not leave (ineffective);
 *   - what is accounted for (held by listeners or reserved) is below release_accounted_permille of the budget: the cause is
 *     elsewhere, and neither caches nor work under way are about to make it worse;
 *   - memory is not about to run out. Where a cgroup limits the process, its working set leaves more than
 *     release_headroom_permille of the limit; the reading may then be anything, even above the budget. Without a limit the budget
 *     is all that is known of what the machine can bear: a reading at or above release_ceiling_permille keeps the gate shut;
 *   - the reading does not rise: each rise by release_rise_permille of the budget starts the wait over.
 * While it is released the published level is high: hits are answered, and no reservation is granted, as the reading is far above
 * their mark. It shuts again, at once, when the reading has risen by release_rise_permille since the wait began, or a condition
 * fails.
 * So a reading with noise starts the wait over a bounded number of times, and a leak that goes on closes the gate once per rise and
 * for good at the ceiling: from there on only a fall of the reading opens it, and health says critical meanwhile.
 */
#ifndef pressure__gate_h
#define pressure__gate_h

#include "pressure/pressure.h"

/**
 * all zero: shut if the level says so, nothing to wait for
 */
typedef struct st_pressure_gate_t {
    int waiting, released; /* released only while waiting */
    uint64_t since_ms;     /* the conditions hold since then */
    uint64_t tide_bytes;   /* the reading then */
} pressure_gate_t;

typedef struct st_pressure_gate_facts_t {
    pressure_level_t level; /* the level machine's */
    uint64_t reading_bytes, budget_bytes;
    uint64_t leave_bytes; /* a reading below this leaves critical: its mark less the gap */
    uint64_t evictable_bytes, accounted_bytes;
    uint64_t group_bytes, group_limit_bytes; /* as in a sample */
    int ineffective;
} pressure_gate_facts_t;

/**
 * one reading. A clock that stands still releases nothing, one that is set back starts the wait over.
 */
void pressure_gate_step(const pressure_tuning_t *tuning, pressure_gate_t *gate, const pressure_gate_facts_t *facts,
                        uint64_t now_ms);
/**
 * what to publish: the level, or high where the gate is released
 */
pressure_level_t pressure_gate_level(const pressure_gate_t *gate, pressure_level_t level);

#endif
