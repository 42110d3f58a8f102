/*
 * One step of the coordinator.
 *
 *   sample --ok--> level machine --> gate --> publish --> reclaim (reclaim.c) --> survey of the listeners
 *      +--failed--> keep the last value; after stale_after_ms publish one level higher
 *   either --> what was ordered (cleanup.h) --> the queue
 *
 * The gate goes by the survey of the step before: what is published must not wait for callbacks.
 *
 * Stale: without readings nobody can tell whether an eviction helped, so listeners are not called. But the published level is one
 * higher, at most `high`: new memory-hungry work stops, while a broken meter alone never makes the front filter refuse everybody.
 *
 * Steps may come from several threads (the coordinator's, a test's). One works, the others return at once: the work is being done.
 */
#include <stdarg.h>
#include <stdio.h>
#include "pressure/pressure_private.h"

#define MIB 1048576.0

void pressure_say(pressure_t *pressure, const char *format, ...)
{
    char line[512];
    va_list args;

    if (pressure->config.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    pressure->config.log(pressure->config.log_ctx, line);
}

void pressure_notify(pressure_t *pressure, pressure_notice_t notice)
{
    if (pressure->config.notify == NULL)
        return;
    notice.reading_bytes = pressure->record.reading_bytes;
    notice.resident_bytes = pressure->record.resident_bytes;
    notice.budget_bytes = pressure->config.budget_bytes;
    if (notice.kind != PRESSURE_NOTICE_LEVEL)
        notice.level = pressure_own_level(pressure);
    pressure->config.notify(pressure->config.notify_ctx, &notice);
}

uint64_t pressure_elapsed_ms(uint64_t *then_ms, uint64_t now_ms)
{
    if (now_ms < *then_ms)
        *then_ms = now_ms;
    return now_ms - *then_ms;
}

uint64_t pressure_period_ms(const pressure_tuning_t *tuning, uint64_t reading_bytes, uint64_t budget_bytes, pressure_level_t level)
{
    if (reading_bytes >= pressure_mark_bytes(budget_bytes, (unsigned)tuning->hot_permille))
        return tuning->period_hot_ms;
    if (reading_bytes >= pressure_mark_bytes(budget_bytes, (unsigned)tuning->busy_permille))
        return tuning->period_busy_ms;
    /* a level that waits for its dwell to end should not wait for a slow period on top */
    if (reading_bytes >= pressure_mark_bytes(budget_bytes, (unsigned)tuning->warm_permille) || level != PRESSURE_NORMAL)
        return tuning->period_warm_ms;
    return tuning->period_ms;
}

unsigned pressure_percent_of_budget(const pressure_t *pressure, uint64_t bytes)
{
    return (unsigned)(100.0 * (double)bytes / (double)pressure->config.budget_bytes);
}

static void publish_level(pressure_t *pressure, pressure_level_t level, uint64_t now_ms)
{
    pressure_level_t before = pressure_own_level(pressure);

    if (level == before)
        return;
    /* release: who sees the level also sees the reading that led to it */
    atomic_store_explicit(&pressure->public.level, (int)level, memory_order_release);
    pthread_mutex_lock(&pressure->record_lock);
    pressure->record.level = level;
    pressure->record.gate_released = pressure->reclaimer.gate.released;
    pressure->record.level_since_ms = now_ms;
    pthread_mutex_unlock(&pressure->record_lock);
    if (!pressure_is_stood_in(pressure))
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_LEVEL, .from = before, .level = level});
}

int pressure_take_sample(pressure_t *pressure, uint64_t *reading_bytes)
{
    pressure_snapshot_t *record = &pressure->record;
    pressure_sample_t sample;
    int result = pressure_ledger_sample(&pressure->ledger, &pressure->config, &sample);

    pthread_mutex_lock(&pressure->record_lock);
    if (result == 0) {
        ++record->samples;
        record->failed_in_row = 0;
        record->resident_bytes = sample.resident_bytes;
        record->group_bytes = sample.group_bytes;
        record->group_limit_bytes = sample.group_limit_bytes;
        record->reading_bytes = *reading_bytes = pressure_reading_of(&sample, pressure->config.budget_bytes);
        if (sample.resident_bytes > record->peak_resident_bytes)
            record->peak_resident_bytes = sample.resident_bytes;
    } else {
        ++record->failed_samples;
        ++record->failed_in_row;
    }
    pthread_mutex_unlock(&pressure->record_lock);
    return result;
}

void pressure_say_level(pressure_t *pressure, uint64_t reading_bytes, const char *rest)
{
    pressure_say(pressure, "pressure: %s (%u %% of %.0f MiB)%s", pressure_level_name(pressure->state.level),
                 pressure_percent_of_budget(pressure, reading_bytes), (double)pressure->config.budget_bytes / MIB, rest);
}

static void say_fall(pressure_t *pressure, pressure_level_t before, uint64_t reading_bytes)
{
    pressure_say(pressure, "pressure: down from %s to %s (%u %% of %.0f MiB)", pressure_level_name(before),
                 pressure_level_name(pressure->state.level), pressure_percent_of_budget(pressure, reading_bytes),
                 (double)pressure->config.budget_bytes / MIB);
}

static void update_gate(pressure_t *pressure, uint64_t reading_bytes, uint64_t now_ms)
{
    const pressure_snapshot_t *record = &pressure->record;
    pressure_gate_t *gate = &pressure->reclaimer.gate;
    uint64_t mark_bytes = pressure->mark_bytes[PRESSURE_CRITICAL];
    uint64_t gap_bytes = pressure_mark_bytes(pressure->config.budget_bytes, pressure->config.down_gap_permille);
    pressure_gate_facts_t facts = {.level = pressure->state.level,
                                   .reading_bytes = reading_bytes,
                                   .budget_bytes = pressure->config.budget_bytes,
                                   .leave_bytes = mark_bytes > gap_bytes ? mark_bytes - gap_bytes : 0,
                                   .evictable_bytes = record->evictable_bytes,
                                   .accounted_bytes = record->accounted_bytes,
                                   .group_bytes = record->group_bytes,
                                   .group_limit_bytes = record->group_limit_bytes,
                                   .ineffective = pressure->reclaimer.backoff.ineffective};
    int released = gate->released;

    pressure_gate_step(&pressure->config.tuning, gate, &facts, now_ms);
    if (gate->released && !released)
        pressure_say(
            pressure,
            "pressure: nothing is left to reclaim at %u %% of the budget, and %.1f MiB belong to nobody known here: hits are "
            "answered again, new work is not. Raise pressure.budget, or find what holds them and restart",
            pressure_percent_of_budget(pressure, reading_bytes), (double)record->residual_bytes / MIB);
    if (!gate->released && released && facts.level >= PRESSURE_CRITICAL)
        pressure_say_level(pressure, reading_bytes, ", everybody is refused again");
}

static void begin_failure(pressure_t *pressure)
{
    pressure->step.failing = 1;
    pressure_say(pressure, "pressure: the resident set cannot be read, %.1f MiB is assumed",
                 (double)pressure->record.resident_bytes / MIB);
    pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_FAILED_SAMPLE});
}

static void end_failure(pressure_t *pressure, uint64_t now_ms)
{
    if (pressure->step.failing)
        pressure_say(pressure, "pressure: the resident set can be read again");
    if (pressure->step.stale)
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_BLIND, .is_over = 1});
    if (pressure->step.failing)
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_FAILED_SAMPLE, .is_over = 1});
    pressure->step.failing = 0;
    pressure->step.stale = 0;
    pressure->step.good_ms = now_ms;
}

static void step_on_reading(pressure_t *pressure, uint64_t reading_bytes, uint64_t now_ms)
{
    pressure_level_t before = pressure->state.level;
    int was_released = pressure->reclaimer.gate.released;
    unsigned crossed =
        pressure_level_step(&pressure->rules, &pressure->state, reading_bytes, pressure->config.budget_bytes, now_ms);

    update_gate(pressure, reading_bytes, now_ms);
    publish_level(pressure, pressure_gate_level(&pressure->reclaimer.gate, pressure->state.level), now_ms);
    if (pressure->reclaimer.gate.released != was_released)
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_UNRECLAIMABLE, .is_over = was_released});
    end_failure(pressure, now_ms);
    crossed &= PRESSURE_MARKS_WITH_EVENT;
    if (pressure->state.level < before)
        say_fall(pressure, before, reading_bytes);
    else if (crossed == 0 && pressure->state.level != before)
        pressure_say_level(pressure, reading_bytes, "");
    pressure_reclaim(pressure, crossed, reading_bytes, now_ms);
    pressure_survey(pressure);
}

static void step_on_failure(pressure_t *pressure, uint64_t now_ms)
{
    pressure_level_t level = pressure->state.level;
    uint64_t blind_ms = pressure_elapsed_ms(&pressure->step.good_ms, now_ms);

    pressure->state.falling = 0; /* a dwell is made of readings */
    if (!pressure->step.failing)
        begin_failure(pressure);
    if (pressure->step.stale || blind_ms < pressure->config.tuning.stale_after_ms)
        return;
    pressure->step.stale = 1;
    int was_released = pressure->reclaimer.gate.released;
    pressure->reclaimer.gate = (pressure_gate_t){0}; /* nobody can tell whether its conditions hold */
    if (level < PRESSURE_HIGH)
        ++level;
    publish_level(pressure, level, now_ms);
    if (was_released)
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_UNRECLAIMABLE, .is_over = 1});
    pressure_say(pressure, "pressure: no reading for %.1f s, taken for %s", (double)blind_ms / 1000, pressure_level_name(level));
    pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_BLIND, .blind_ms = blind_ms});
}

uint64_t pressure_step(pressure_t *pressure)
{
    uint64_t now_ms, resident_bytes, period_ms;

    if (atomic_flag_test_and_set_explicit(&pressure->stepping, memory_order_acquire))
        return pressure->config.tuning.period_hot_ms;
    now_ms = pressure->config.now_ms();
    if (pressure_take_sample(pressure, &resident_bytes) == 0) {
        step_on_reading(pressure, resident_bytes, now_ms);
    } else {
        step_on_failure(pressure, now_ms);
    }
    pressure_reclaim_ordered(pressure, now_ms);
    const pressure_tuning_t *tuning = &pressure->config.tuning;
    period_ms = pressure_period_ms(tuning, pressure->record.reading_bytes, pressure->config.budget_bytes, pressure_level(pressure));
    if (pressure->step.failing && period_ms > tuning->period_warm_ms)
        period_ms = tuning->period_warm_ms;
    uint64_t queue_ms = pressure_run_queue(pressure, pressure->config.now_ms());
    atomic_fetch_add(&pressure->steps_ended, 1);
    atomic_flag_clear_explicit(&pressure->stepping, memory_order_release);
    return queue_ms < period_ms ? queue_ms : period_ms;
}
