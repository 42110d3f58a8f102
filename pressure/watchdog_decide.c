/*
 * The watchdog's decision. Its own level machine is the same function as the coordinator's (level.h) over readings of its own, so a
 * stand-in has the hysteresis that the level has, and a gate that it shut opens by the same rules.
 *
 * The two machines sample at different times, so a moment's difference is no failure. An event is owed when the watchdog's level
 * rises to critical (or emergency), until the coordinator's count of such events is above what it was one check earlier (it may
 * have been faster than the watchdog), or its level is there. That, or a level that does not even refuse new work, is a failure
 * when the reading itself has been at the mark at every check for deadline_ms; it ends when the debt does, or when the watchdog's
 * level falls.
 *
 * A coordinator hangs if it has ended no step for deadline_ms, and for some checks: a process that was stopped as a whole finds a
 * lot of time gone by at its first check.
 */
#include "pressure/pressure_private.h"
#include "pressure/watchdog.h"

#define LEAST_CHECKS 3

/**
 * Returns whether no step has ended for too long
 */
static int is_hanging(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state,
                      const pressure_watchdog_view_t *view, uint64_t now_ms)
{
    if (!state->has_begun || view->steps_ended != state->steps_ended) {
        state->steps_ended = view->steps_ended;
        state->alive_ms = now_ms;
        state->checks_since = 0;
    }
    return state->checks_since++ >= LEAST_CHECKS && pressure_elapsed_ms(&state->alive_ms, now_ms) >= rules->deadline_ms;
}

static void note_level(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state,
                       const pressure_watchdog_view_t *view, pressure_level_t level, pressure_level_t before, uint64_t now_ms)
{
    if (view->has_reading) {
        int reaches = view->reading_bytes >= pressure_mark_bytes(view->budget_bytes, rules->levels.mark_permille[level]);
        if (reaches && !state->reaches[level])
            state->reached_ms[level] = now_ms;
        state->reaches[level] = reaches;
    }
    if (state->level.level >= level && before < level) {
        state->owed[level] = 1;
        state->owed_above[level] = state->events[level];
    }
    if (state->level.level < level || view->published >= level || view->events[level] > state->owed_above[level])
        state->owed[level] = 0;
}

/**
 * Returns whether the coordinator steps but does not do what the readings ask for
 */
static int is_failing(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state,
                      const pressure_watchdog_view_t *view, uint64_t now_ms)
{
    for (pressure_level_t level = PRESSURE_CRITICAL; level <= PRESSURE_EMERGENCY; ++level) {
        if (state->level.level < level || (!state->owed[level] && view->published >= PRESSURE_HIGH))
            continue;
        if (state->fails || (state->reaches[level] && pressure_elapsed_ms(&state->reached_ms[level], now_ms) >= rules->deadline_ms))
            return 1;
    }
    return 0;
}

/**
 * Returns whether something about this level is to be said now
 */
static int may_say(uint64_t *last_ms, pressure_level_t *last_level, pressure_level_t level, uint64_t now_ms)
{
    int is_first = *last_ms == 0;

    if (!is_first && level <= *last_level && pressure_elapsed_ms(last_ms, now_ms) < PRESSURE_WATCHDOG_QUIET_MS)
        return 0;
    *last_ms = now_ms;
    *last_level = level;
    return 1;
}

static pressure_level_t find_proof(pressure_watchdog_state_t *state, const pressure_watchdog_view_t *view, uint64_t now_ms)
{
    pressure_level_t level = PRESSURE_EMERGENCY;

    while (level >= PRESSURE_CRITICAL && view->events[level] <= state->events[level])
        --level;
    if (!state->has_begun || level < PRESSURE_CRITICAL || !may_say(&state->proved_ms, &state->proved_level, level, now_ms))
        return PRESSURE_NORMAL;
    return level;
}

static int is_flush_due(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state, uint64_t now_ms)
{
    if (state->level.level < PRESSURE_EMERGENCY || !state->reaches[PRESSURE_EMERGENCY])
        return 0;
    if (state->flushed_ms != 0 && pressure_elapsed_ms(&state->flushed_ms, now_ms) < rules->deadline_ms)
        return 0;
    state->flushed_ms = now_ms;
    return 1;
}

pressure_watchdog_actions_t pressure_watchdog_decide(const pressure_watchdog_rules_t *rules, pressure_watchdog_state_t *state,
                                                     const pressure_watchdog_view_t *view, uint64_t now_ms)
{
    pressure_watchdog_actions_t actions = {.say_proof = PRESSURE_NORMAL};
    pressure_level_t before = state->level.level;
    int was_bad = state->hangs || state->fails;

    if (view->has_reading)
        pressure_level_step(&rules->levels, &state->level, view->reading_bytes, view->budget_bytes, now_ms);
    state->hangs = is_hanging(rules, state, view, now_ms);
    for (pressure_level_t level = PRESSURE_CRITICAL; level <= PRESSURE_EMERGENCY; ++level)
        note_level(rules, state, view, level, before, now_ms);
    state->fails = !state->hangs && is_failing(rules, state, view, now_ms); /* of one that hangs nothing else is asked */
    int is_bad = state->hangs || state->fails;
    actions.began = is_bad && !was_bad;
    actions.ended = actions.say_recovery = was_bad && !is_bad;
    if (is_bad) {
        actions.stand_in = 1;
        actions.stand_in_level = state->level.level;
        actions.flush = is_flush_due(rules, state, now_ms);
        actions.say_failure = may_say(&state->said_ms, &state->said_level, state->level.level, now_ms) || actions.began;
    } else {
        actions.say_proof = find_proof(state, view, now_ms);
    }
    /* a coordinator that is calm looks once a second only */
    actions.kick = state->level.level > view->published && state->level.level > before;
    for (pressure_level_t level = PRESSURE_NORMAL; level < PRESSURE_NUM_LEVELS; ++level)
        state->events[level] = view->events[level];
    state->has_begun = 1;
    return actions;
}
