/*
 * One step of the coordinator.
 *
 *   sample --ok--> level machine --> publish --> (marks crossed, or due again?) --> listeners --> one purge --> sample --> record
 *      +--failed--> keep the last value; after stale_after_ms publish one level higher
 *
 * Due again: a level that persists is acted on again, because what was cleared may have grown back. Only the highest event whose
 * mark the reading still reaches is told, for it includes the lesser ones, and not before the pause after the last reclaim is over.
 * A reclaim is complete when the listeners have returned and the allocator is purged, all of which happens inside a step; so "not
 * while one is under way" needs no state but `stepping`.
 *
 * Stale: without readings nobody can tell whether an eviction helped, so listeners are not called. But the published level is one
 * higher, at most `high`: new memory-hungry work stops, while a broken meter alone never makes the front filter refuse everybody.
 *
 * Steps may come from several threads (the coordinator's, a test's). One works, the others return at once: the work is being done.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "pressure/pressure_private.h"

#define MARKS_WITH_EVENT (1u << PRESSURE_ELEVATED | 1u << PRESSURE_HIGH | 1u << PRESSURE_CRITICAL | 1u << PRESSURE_EMERGENCY)
#define ROOM_PAUSE_MS 50
#define MIB 1048576.0

static const uint64_t pause_ms[PRESSURE_NUM_LEVELS] = {
    [PRESSURE_ELEVATED] = 10000, [PRESSURE_HIGH] = 2000, [PRESSURE_CRITICAL] = 2000, [PRESSURE_EMERGENCY] = 1000};

typedef struct st_generation_t {
    unsigned levels; /* the events, as bits */
    int again;       /* no mark was crossed: this repeats one */
    uint64_t now_ms, resident_bytes;
} generation_t;

__attribute__((format(printf, 2, 3))) static void say(pressure_t *pressure, const char *format, ...)
{
    char line[256];
    va_list args;

    if (pressure->config.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    pressure->config.log(pressure->config.log_ctx, line);
}

/**
 * milliseconds since *then_ms. A clock that was set back makes it start anew instead of lasting for ages.
 */
static uint64_t elapsed_ms(uint64_t *then_ms, uint64_t now_ms)
{
    if (now_ms < *then_ms)
        *then_ms = now_ms;
    return now_ms - *then_ms;
}

uint64_t pressure_period_ms(uint64_t resident_bytes, uint64_t budget_bytes, pressure_level_t level)
{
    if (resident_bytes >= pressure_mark_bytes(budget_bytes, 850))
        return 25;
    if (resident_bytes >= pressure_mark_bytes(budget_bytes, 700))
        return 100;
    /* a level that waits for its dwell to end should not wait for a slow period on top */
    if (resident_bytes >= pressure_mark_bytes(budget_bytes, 600) || level != PRESSURE_NORMAL)
        return 250;
    return 1000;
}

static unsigned percent_of_budget(const pressure_t *pressure, uint64_t bytes)
{
    return (unsigned)(100.0 * (double)bytes / (double)pressure->config.budget_bytes);
}

static void publish_level(pressure_t *pressure, pressure_level_t level, uint64_t now_ms)
{
    if (level == pressure_own_level(pressure))
        return;
    /* release: who sees the level also sees the reading that led to it */
    atomic_store_explicit(&pressure->public.level, (int)level, memory_order_release);
    pthread_mutex_lock(&pressure->record_lock);
    pressure->record.level = level;
    pressure->record.level_since_ms = now_ms;
    pthread_mutex_unlock(&pressure->record_lock);
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

static void say_level(pressure_t *pressure, uint64_t resident_bytes, const char *rest)
{
    say(pressure, "pressure: %s (%u %% of %.0f MiB)%s", pressure_level_name(pressure->state.level),
        percent_of_budget(pressure, resident_bytes), (double)pressure->config.budget_bytes / MIB, rest);
}

static uint64_t count_generation(pressure_t *pressure, unsigned levels)
{
    pthread_mutex_lock(&pressure->record_lock);
    uint64_t generation = ++pressure->record.generations;
    for (unsigned level = 0; level < PRESSURE_NUM_LEVELS; ++level)
        pressure->record.events[level] += levels >> level & 1;
    pthread_mutex_unlock(&pressure->record_lock);
    return generation;
}

static void keep_reclaim(pressure_t *pressure, const pressure_reclaim_t *reclaim)
{
    pthread_mutex_lock(&pressure->record_lock);
    pressure->record.last_reclaim = *reclaim;
    pthread_mutex_unlock(&pressure->record_lock);
}

/**
 * purges once, samples again, and writes down what came of it
 */
static void reclaim(pressure_t *pressure, const generation_t *generation, const pressure_event_t *event, pressure_result_t freed)
{
    pressure_reclaim_t outcome = {.generation = event->generation,
                                  .level = event->level,
                                  .claimed_bytes = freed.bytes_freed,
                                  .objects = freed.objects_freed,
                                  .resident_before_bytes = generation->resident_bytes,
                                  .resident_after_bytes = generation->resident_bytes};
    uint64_t started_ms = generation->now_ms;

    if (pressure->config.purge != NULL)
        pressure->config.purge();
    if (pressure_take_sample(pressure, &outcome.resident_after_bytes) != 0)
        outcome.resident_after_bytes = generation->resident_bytes; /* nothing is proved to have gone */
    outcome.at_ms = pressure->config.now_ms();
    outcome.duration_ms = elapsed_ms(&started_ms, outcome.at_ms);
    keep_reclaim(pressure, &outcome);
    say(pressure,
        "pressure: %s%s (%u %% of %.0f MiB), released %.1f MiB in %" PRIu64 " objects, resident %.1f -> %.1f MiB in %" PRIu64 " ms",
        pressure_level_name(event->level), generation->again ? " still" : "",
        percent_of_budget(pressure, generation->resident_bytes), (double)event->budget_bytes / MIB,
        (double)outcome.claimed_bytes / MIB, outcome.objects, (double)outcome.resident_before_bytes / MIB,
        (double)outcome.resident_after_bytes / MIB, outcome.duration_ms);
}

static void run_generation(pressure_t *pressure, const generation_t *generation)
{
    pressure_event_t event = {.generation = count_generation(pressure, generation->levels),
                              .final_level = pressure->state.level,
                              .resident_bytes = generation->resident_bytes,
                              .budget_bytes = pressure->config.budget_bytes};
    pressure_result_t freed = pressure_listeners_broadcast(&pressure->listeners, generation->levels, &event);
    uint64_t now_ms;

    /* emergency means that the coordination failed: what the allocator still holds is given back even if no cache had anything */
    if (freed.bytes_freed != 0 || freed.objects_freed != 0 || (event.level == PRESSURE_EMERGENCY && !generation->again)) {
        reclaim(pressure, generation, &event, freed);
    } else if (!generation->again) {
        say_level(pressure, generation->resident_bytes, ", nothing to release");
    }
    now_ms = pressure->config.now_ms();
    for (pressure_level_t level = PRESSURE_NORMAL; level <= event.level; ++level)
        pressure->told_ms[level] = now_ms;
}

/**
 * the highest event that the reading still reaches, as a set, if its pause is over
 */
static unsigned find_due_again(pressure_t *pressure, uint64_t resident_bytes, uint64_t now_ms)
{
    for (pressure_level_t level = pressure->state.level; level != PRESSURE_NORMAL; --level) {
        if ((MARKS_WITH_EVENT & 1u << level) == 0 || resident_bytes < pressure->mark_bytes[level])
            continue;
        return elapsed_ms(&pressure->told_ms[level], now_ms) >= pause_ms[level] ? 1u << level : 0;
    }
    return 0;
}

/*
 * A wish for room: no level says that memory is short, but a reservation cannot be granted. The listeners give what is missing, and
 * the allocator is purged even if they have nothing, because pages that it keeps count against every grant. The purge is not free:
 * wishes come with every try of every task that waits, so there is a pause between two.
 */
static void grant_wish(pressure_t *pressure, uint64_t resident_bytes, uint64_t now_ms)
{
    uint64_t wanted_bytes = atomic_load_explicit(&pressure->wanted_bytes, memory_order_relaxed);

    if (wanted_bytes == 0 || elapsed_ms(&pressure->wish_ms, now_ms) < ROOM_PAUSE_MS)
        return;
    atomic_store_explicit(&pressure->wanted_bytes, 0, memory_order_relaxed);
    pressure_event_t event = {.level = PRESSURE_ELEVATED,
                              .final_level = pressure->state.level,
                              .resident_bytes = resident_bytes,
                              .budget_bytes = pressure->config.budget_bytes,
                              .wanted_bytes = pressure_shortage_bytes(pressure, wanted_bytes)};
    if (event.wanted_bytes == 0)
        return;
    event.generation = count_generation(pressure, 0);
    pressure_listeners_broadcast(&pressure->listeners, 1u << PRESSURE_ELEVATED, &event);
    if (pressure->config.purge != NULL)
        pressure->config.purge();
    pressure_take_sample(pressure, &resident_bytes);
    pressure->wish_ms = pressure->config.now_ms();
}

static void end_failure(pressure_t *pressure, uint64_t now_ms)
{
    if (pressure->step.failing)
        say(pressure, "pressure: the resident set can be read again");
    pressure->step.failing = 0;
    pressure->step.stale = 0;
    pressure->step.good_ms = now_ms;
}

static void step_on_reading(pressure_t *pressure, uint64_t resident_bytes, uint64_t now_ms)
{
    generation_t generation = {.now_ms = now_ms, .resident_bytes = resident_bytes};
    pressure_level_t before = pressure->state.level;
    unsigned crossed =
        pressure_level_step(&pressure->rules, &pressure->state, resident_bytes, pressure->config.budget_bytes, now_ms);

    publish_level(pressure, pressure->state.level, now_ms);
    end_failure(pressure, now_ms);
    generation.levels = crossed & MARKS_WITH_EVENT;
    if (generation.levels == 0) {
        if (pressure->state.level != before)
            say_level(pressure, resident_bytes, "");
        generation.levels = find_due_again(pressure, resident_bytes, now_ms);
        generation.again = 1;
    }
    if (generation.levels != 0)
        run_generation(pressure, &generation);
    else
        grant_wish(pressure, resident_bytes, now_ms);
}

static void step_on_failure(pressure_t *pressure, uint64_t now_ms)
{
    pressure_level_t level = pressure->state.level;
    uint64_t blind_ms = elapsed_ms(&pressure->step.good_ms, now_ms);

    pressure->state.falling = 0; /* a dwell is made of readings */
    if (!pressure->step.failing)
        say(pressure, "pressure: the resident set cannot be read, %.1f MiB is assumed",
            (double)pressure->record.resident_bytes / MIB);
    pressure->step.failing = 1;
    if (pressure->step.stale || blind_ms < pressure->config.stale_after_ms)
        return;
    pressure->step.stale = 1;
    if (level < PRESSURE_HIGH)
        ++level;
    publish_level(pressure, level, now_ms);
    say(pressure, "pressure: no reading for %.1f s, taken for %s", (double)blind_ms / 1000, pressure_level_name(level));
}

uint64_t pressure_step(pressure_t *pressure)
{
    uint64_t now_ms, resident_bytes, period_ms;

    if (atomic_flag_test_and_set_explicit(&pressure->stepping, memory_order_acquire))
        return 25;
    now_ms = pressure->config.now_ms();
    if (pressure_take_sample(pressure, &resident_bytes) == 0) {
        step_on_reading(pressure, resident_bytes, now_ms);
    } else {
        step_on_failure(pressure, now_ms);
    }
    period_ms = pressure_period_ms(pressure->record.reading_bytes, pressure->config.budget_bytes, pressure_level(pressure));
    if (pressure->step.failing && period_ms > 250)
        period_ms = 250;
    uint64_t queue_ms = pressure_run_queue(pressure, pressure->config.now_ms());
    atomic_fetch_add(&pressure->steps_ended, 1);
    atomic_flag_clear_explicit(&pressure->stepping, memory_order_release);
    return queue_ms < period_ms ? queue_ms : period_ms;
}
