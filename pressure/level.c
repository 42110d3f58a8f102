/*
 * The level machine. It has three states per level: standing, falling (a dwell runs), and gone to another level. Nothing is
 * smoothed on the way up: a reading that is averaged first is a reading that comes late. All damping is on the way down.
 */
#include "pressure/level.h"

const char *pressure_level_name(pressure_level_t level)
{
    static const char *const names[PRESSURE_NUM_LEVELS] = {"normal", "elevated", "degraded", "high", "critical", "emergency"};

    return (unsigned)level < PRESSURE_NUM_LEVELS ? names[level] : "unknown";
}

uint64_t pressure_mark_bytes(uint64_t budget_bytes, unsigned permille)
{
    /* quotient and remainder apart, so that no budget overflows */
    return budget_bytes / 1000 * permille + (budget_bytes % 1000 * permille + 999) / 1000;
}

/**
 * the highest level, not above `top`, whose mark less the gap is reached
 */
static pressure_level_t find_highest(const pressure_level_rules_t *rules, pressure_level_t top, unsigned gap_permille,
                                     uint64_t resident_bytes, uint64_t budget_bytes)
{
    pressure_level_t level = top;

    for (; level != PRESSURE_NORMAL; --level) {
        unsigned mark = rules->mark_permille[level];
        if (resident_bytes >= pressure_mark_bytes(budget_bytes, mark > gap_permille ? mark - gap_permille : 0))
            break;
    }
    return level;
}

static void enter_level(pressure_level_state_t *state, pressure_level_t level, uint64_t now_ms)
{
    state->level = level;
    state->since_ms = now_ms;
    state->falling = 0;
}

static void begin_fall(pressure_level_state_t *state, pressure_level_t standing, uint64_t now_ms)
{
    state->falling = 1;
    state->falling_since_ms = now_ms;
    state->high_tide = standing;
}

static void fall(const pressure_level_rules_t *rules, pressure_level_state_t *state, pressure_level_t standing, uint64_t now_ms)
{
    uint64_t dwell_ms = state->level >= PRESSURE_CRITICAL ? rules->dwell_critical_ms : rules->dwell_ms;

    if (!state->falling || now_ms < state->falling_since_ms) {
        begin_fall(state, standing, now_ms);
    } else if (standing > state->high_tide) {
        state->high_tide = standing;
    }
    if (now_ms - state->falling_since_ms < dwell_ms)
        return;
    enter_level(state, state->high_tide, now_ms);
    if (standing < state->level)
        begin_fall(state, standing, now_ms);
}

unsigned pressure_level_step(const pressure_level_rules_t *rules, pressure_level_state_t *state, uint64_t resident_bytes,
                             uint64_t budget_bytes, uint64_t now_ms)
{
    pressure_level_t before = state->level;
    pressure_level_t reached = find_highest(rules, PRESSURE_EMERGENCY, 0, resident_bytes, budget_bytes);
    pressure_level_t standing;

    if (reached > before) {
        enter_level(state, reached, now_ms);
        return ((2u << reached) - 1) & ~((2u << before) - 1);
    }
    standing = find_highest(rules, before, rules->down_gap_permille, resident_bytes, budget_bytes);
    if (standing == before) {
        state->falling = 0;
    } else {
        fall(rules, state, standing, now_ms);
    }
    return 0;
}
