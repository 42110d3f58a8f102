/*
 * level.h - the state machine of the levels: a pure function, no clock, no I/O, no lock.
 *
 * Up: the first reading that reaches a mark, at once and over as many marks as it reaches.
 * Down: a level *stands* while the reading is at or above its mark less the gap. Once the present level no longer stands, a dwell
 * begins; any reading for which it stands again ends the dwell without a change. When the dwell is over, the level becomes the
 * high tide, the highest level that stood for any reading of the dwell, and the next dwell begins with the same reading.
 * So noise around a mark that is less than the gap from peak to peak never brings a level down, and two falls are a dwell apart.
 *
 * A clock that stands still ends no dwell. One that is set back starts the dwell over. One that jumps ahead can end a dwell early,
 * but only at a reading that is low itself.
 */
#ifndef pressure__level_h
#define pressure__level_h

#include "pressure/pressure.h"

typedef struct st_pressure_level_rules_t {
    unsigned mark_permille[PRESSURE_NUM_LEVELS]; /* of the budget; [PRESSURE_NORMAL] is ignored; never descending */
    unsigned down_gap_permille;
    uint64_t dwell_ms, dwell_critical_ms; /* the latter when falling from critical or emergency */
} pressure_level_rules_t;

/**
 * all zero: normal, since the clock's zero
 */
typedef struct st_pressure_level_state_t {
    pressure_level_t level;
    uint64_t since_ms; /* when the level was entered */
    int falling;       /* in a dwell */
    uint64_t falling_since_ms;
    pressure_level_t high_tide; /* the highest level that stood for a reading of this dwell */
} pressure_level_state_t;

/**
 * One sample. Returns the set of marks crossed upwards, as bits (1u << PRESSURE_ELEVATED ...), degraded included; 0 if none.
 * Crossed are all marks above the old level up to the new one.
 */
unsigned pressure_level_step(const pressure_level_rules_t *rules, pressure_level_state_t *state, uint64_t resident_bytes,
                             uint64_t budget_bytes, uint64_t now_ms);
/**
 * the smallest number of bytes that is `permille` of the budget or more
 */
uint64_t pressure_mark_bytes(uint64_t budget_bytes, unsigned permille);

#endif
