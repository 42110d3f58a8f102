/*
 * What a step does about a reading: tell the listeners, purge, sample again, judge.
 *
 *   marks crossed, or a level due again --> listeners --> one purge --> sample --> record, verdict
 *   neither, but a wish for room        --> listeners --> one purge --> sample
 *   ordered (cleanup.h), beside these   --> listeners --> one purge --> sample --> record, verdict
 *
 * Due again: a level that persists is acted on again, because what was cleared may have grown back. Only the highest event whose
 * mark the reading still reaches is told, for it includes the lesser ones, and not before the pause after the last reclaim is over,
 * or the longer pause of the back-off while reclaims are ineffective. If no listener has anything that the event could take, the
 * repetition is left out. An episode whose time was up goes on in the next step, after a look at the memory in use.
 *
 * A reclaim is complete when the listeners have returned and the allocator is purged, all of which happens inside a step; so "not
 * while one is under way" needs no state but `stepping`.
 */
#include <inttypes.h>
#include "pressure/pressure_private.h"

#define MIB 1048576.0

typedef struct st_generation_t {
    unsigned levels; /* the events, as bits */
    int again;       /* no mark was crossed: this repeats one */
    int ordered;     /* nor this: an operator wants it */
    uint64_t now_ms, reading_bytes;
} generation_t;

static uint64_t count_generation(pressure_t *pressure, unsigned levels, int again)
{
    uint64_t now_ms = pressure->config.now_ms();

    pthread_mutex_lock(&pressure->record_lock);
    uint64_t generation = ++pressure->record.generations;
    for (unsigned level = 0; level < PRESSURE_NUM_LEVELS; ++level) {
        pressure->record.events[level] += levels >> level & 1;
        pressure->record.repeats[level] += again && (levels >> level & 1);
        if (levels >> level & 1)
            pressure->record.event_ms[level] = now_ms;
    }
    pthread_mutex_unlock(&pressure->record_lock);
    return generation;
}

static void keep_reclaim(pressure_t *pressure, const pressure_reclaim_t *reclaim, int poor)
{
    pressure_snapshot_t *record = &pressure->record;

    pthread_mutex_lock(&pressure->record_lock);
    record->last_reclaim = *reclaim;
    ++record->reclaims;
    record->poor_reclaims += poor;
    record->unfinished_reclaims += reclaim->unfinished;
    pthread_mutex_unlock(&pressure->record_lock);
}

static uint64_t granted_bytes(const pressure_t *pressure)
{
    return atomic_load_explicit(&pressure->ledger.granted_bytes, memory_order_relaxed);
}

static void say_ineffective(pressure_t *pressure)
{
    const pressure_snapshot_t *record = &pressure->record;

    pressure_say(pressure,
                 "pressure: reclaim is INEFFECTIVE: %" PRIu64
                 " times in a row less than %.0f %% of what the caches released left the "
                 "resident set of %.1f MiB, of which caches and work under way account for %.1f MiB. The pauses between two "
                 "reclaims grow now. Lower image-cache.capacity, raise pressure.budget, or find out what else holds memory",
                 pressure->reclaimer.backoff.poor_in_row, (double)pressure->config.tuning.effective_permille / 10,
                 (double)record->resident_bytes / MIB, (double)record->accounted_bytes / MIB);
}

/**
 * Returns whether it was a poor one
 */
static int judge(pressure_t *pressure, const pressure_outcome_t *outcome)
{
    pressure_backoff_t *backoff = &pressure->reclaimer.backoff;
    int was_ineffective = backoff->ineffective;
    int poor = pressure_backoff_judge(&pressure->config.tuning, backoff, outcome);

    if (backoff->ineffective && !was_ineffective)
        say_ineffective(pressure);
    if (!backoff->ineffective && was_ineffective)
        pressure_say(pressure, "pressure: reclaim is effective again");
    if (backoff->ineffective != was_ineffective)
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_INEFFECTIVE, .is_over = was_ineffective});
    return poor;
}

static void say_reclaim(pressure_t *pressure, const generation_t *generation, const pressure_reclaim_t *reclaim)
{
    pressure_say(pressure,
                 "pressure: %s%s (%u %% of %.0f MiB), released %.1f MiB in %" PRIu64
                 " objects, resident %.1f -> %.1f MiB in %" PRIu64 " ms%s",
                 pressure_level_name(reclaim->level),
                 generation->ordered ? " ordered"
                 : generation->again ? " still"
                                     : "",
                 pressure_percent_of_budget(pressure, generation->reading_bytes), (double)pressure->config.budget_bytes / MIB,
                 (double)reclaim->claimed_bytes / MIB, reclaim->objects, (double)reclaim->resident_before_bytes / MIB,
                 (double)reclaim->resident_after_bytes / MIB, reclaim->duration_ms, reclaim->unfinished ? ", and goes on" : "");
}

static uint64_t purge(pressure_t *pressure)
{
    return pressure->config.purge != NULL ? pressure->config.purge(pressure->config.purge_ctx) : 0;
}

/**
 * purges once, samples again, and writes down what came of it
 * @param outcome holds what was resident and had been granted before the listeners
 */
static void verify(pressure_t *pressure, const generation_t *generation, const pressure_event_t *event, const pressure_told_t *told,
                   pressure_outcome_t *outcome)
{
    pressure_reclaim_t reclaim = {.generation = event->generation,
                                  .level = event->level,
                                  .claimed_bytes = told->bytes_freed,
                                  .objects = told->objects_freed,
                                  .resident_before_bytes = outcome->before_bytes,
                                  .purged_bytes = purge(pressure),
                                  .unfinished = told->unfinished};
    uint64_t started_ms = generation->now_ms, reading_bytes;
    int poor = 0, sampled = pressure_take_sample(pressure, &reading_bytes) == 0;

    /* where the sample failed, this is the old one: nothing is proved to have gone */
    reclaim.resident_after_bytes = outcome->after_bytes = pressure->record.resident_bytes;
    reclaim.at_ms = pressure->config.now_ms();
    reclaim.duration_ms = pressure_elapsed_ms(&started_ms, reclaim.at_ms);
    outcome->claimed_bytes = told->bytes_freed;
    outcome->failed = told->failed;
    outcome->granted_bytes = granted_bytes(pressure) - outcome->granted_bytes;
    say_reclaim(pressure, generation, &reclaim);
    pressure_survey(pressure); /* the verdict names what is left */
    if (sampled)
        poor = judge(pressure, outcome);
    keep_reclaim(pressure, &reclaim, poor);
    pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_RECLAIM, .reclaim = &reclaim, .is_poor = poor});
}

static void run_generation(pressure_t *pressure, const generation_t *generation)
{
    pressure_reclaimer_t *reclaimer = &pressure->reclaimer;
    unsigned counted = generation->ordered ? 0 : generation->levels;
    pressure_event_t event = {.generation = count_generation(pressure, counted, generation->again),
                              .resident_bytes = generation->reading_bytes,
                              .budget_bytes = pressure->config.budget_bytes};
    pressure_outcome_t outcome = {.before_bytes = pressure->record.resident_bytes,
                                  .granted_bytes = granted_bytes(pressure),
                                  .budget_bytes = pressure->config.budget_bytes};
    pressure_told_t told = pressure_listeners_broadcast(&pressure->listeners, &pressure->config, generation->levels, &event);
    uint64_t now_ms;

    reclaimer->unfinished = told.unfinished;
    reclaimer->shrunk = 1;
    /* emergency means that the coordination failed: what the allocator still holds is given back even if no cache had anything */
    if (told.bytes_freed != 0 || told.objects_freed != 0 || told.failed || generation->ordered ||
        (event.level == PRESSURE_EMERGENCY && !generation->again)) {
        verify(pressure, generation, &event, &told, &outcome);
    } else if (!generation->again) {
        pressure_say_level(pressure, generation->reading_bytes, ", nothing to release");
    }
    now_ms = pressure->config.now_ms();
    for (pressure_level_t level = PRESSURE_NORMAL; level <= event.level; ++level)
        reclaimer->told_ms[level] = now_ms;
}

static uint64_t repeat_ms(const pressure_tuning_t *tuning, pressure_level_t level)
{
    return level == PRESSURE_EMERGENCY  ? tuning->repeat_emergency_ms
           : level == PRESSURE_CRITICAL ? tuning->repeat_critical_ms
           : level == PRESSURE_HIGH     ? tuning->repeat_high_ms
                                        : tuning->repeat_elevated_ms;
}

static int is_anything_evictable(pressure_t *pressure, pressure_level_t level)
{
    pressure_survey_t survey = {.event_level = level};

    pressure_listeners_survey(&pressure->listeners, &pressure->config.tuning, &survey);
    return survey.unknown || survey.evictable_bytes != 0;
}

static void skip_repetition(pressure_t *pressure, pressure_level_t level, uint64_t now_ms)
{
    pressure->reclaimer.told_ms[level] = now_ms;
    pthread_mutex_lock(&pressure->record_lock);
    ++pressure->record.skipped_reclaims;
    pthread_mutex_unlock(&pressure->record_lock);
}

/**
 * the highest event that the reading still reaches, as a set, if its pause is over and it could help
 */
static unsigned find_due_again(pressure_t *pressure, uint64_t reading_bytes, uint64_t now_ms)
{
    pressure_reclaimer_t *reclaimer = &pressure->reclaimer;
    pressure_level_t level = pressure->state.level;
    uint64_t pause_ms;

    while (level != PRESSURE_NORMAL &&
           ((PRESSURE_MARKS_WITH_EVENT & 1u << level) == 0 || reading_bytes < pressure->mark_bytes[level]))
        --level;
    if (level == PRESSURE_NORMAL)
        return 0;
    if (reclaimer->unfinished)
        return 1u << level;
    pause_ms = repeat_ms(&pressure->config.tuning, level);
    if (pause_ms < reclaimer->backoff.pause_ms)
        pause_ms = reclaimer->backoff.pause_ms;
    if (pressure_elapsed_ms(&reclaimer->told_ms[level], now_ms) < pause_ms)
        return 0;
    if (is_anything_evictable(pressure, level))
        return 1u << level;
    skip_repetition(pressure, level, now_ms);
    return 0;
}

/**
 * whether what the listeners could give is what the wish lacks. If it is not, and operations run, their ends are what it waits for:
 * caches are not emptied meanwhile for nothing
 */
static int can_help(pressure_t *pressure, uint64_t shortage_bytes)
{
    pressure_survey_t survey = {.event_level = PRESSURE_EMERGENCY};
    pressure_queue_snapshot_t queue;

    pressure_get_queue_snapshot(pressure, &queue);
    if (queue.granted == 0)
        return 1;
    pressure_listeners_survey(&pressure->listeners, &pressure->config.tuning, &survey);
    return survey.unknown || survey.evictable_bytes >= shortage_bytes;
}

/*
 * A wish for room: no level says that memory is short, but the head of the queue cannot be granted its memory. The listeners give
 * what is missing, and the allocator is purged even if they have nothing, because pages that it keeps count against every grant.
 * The purge is not free, and the wish comes with each look at the queue, so there is a pause between two.
 */
static void grant_wish(pressure_t *pressure, uint64_t reading_bytes, uint64_t now_ms)
{
    uint64_t wanted_bytes = atomic_load_explicit(&pressure->wanted_bytes, memory_order_relaxed);
    uint64_t *wish_ms = &pressure->reclaimer.wish_ms;

    if (wanted_bytes == 0 || pressure_elapsed_ms(wish_ms, now_ms) < pressure->config.tuning.room_pause_ms)
        return;
    atomic_store_explicit(&pressure->wanted_bytes, 0, memory_order_relaxed);
    pressure_event_t event = {.resident_bytes = reading_bytes,
                              .budget_bytes = pressure->config.budget_bytes,
                              .wanted_bytes = pressure_shortage_bytes(pressure, wanted_bytes)};
    if (event.wanted_bytes == 0)
        return;
    if (can_help(pressure, event.wanted_bytes)) {
        event.generation = count_generation(pressure, 0, 0);
        pressure_listeners_broadcast(&pressure->listeners, &pressure->config, 1u << PRESSURE_ELEVATED, &event);
    }
    purge(pressure);
    pressure_take_sample(pressure, &reading_bytes);
    *wish_ms = pressure->config.now_ms();
}

static void end_backoff(pressure_t *pressure)
{
    pressure_backoff_t *backoff = &pressure->reclaimer.backoff;

    if (backoff->ineffective) {
        pressure_say(pressure, "pressure: the level is normal again, and reclaims are tried without a back-off");
        pressure_notify(pressure, (pressure_notice_t){.kind = PRESSURE_NOTICE_INEFFECTIVE, .is_over = 1});
    }
    *backoff = (pressure_backoff_t){0};
}

void pressure_reclaim(pressure_t *pressure, unsigned crossed, uint64_t reading_bytes, uint64_t now_ms)
{
    generation_t generation = {.levels = crossed, .now_ms = now_ms, .reading_bytes = reading_bytes};

    if (pressure->state.level == PRESSURE_NORMAL)
        end_backoff(pressure);
    if (crossed == 0) {
        generation.levels = find_due_again(pressure, reading_bytes, now_ms);
        generation.again = 1;
    }
    if (generation.levels != 0) {
        run_generation(pressure, &generation);
    } else {
        pressure->reclaimer.unfinished = 0;
        grant_wish(pressure, reading_bytes, now_ms);
    }
}

void pressure_reclaim_ordered(pressure_t *pressure, uint64_t now_ms)
{
    generation_t generation = {
        .levels = 1u << PRESSURE_EMERGENCY, .ordered = 1, .now_ms = now_ms, .reading_bytes = pressure->record.reading_bytes};

    if (!pressure_orders_begin(&pressure->orders))
        return;
    run_generation(pressure, &generation);
    pressure->reclaimer.unfinished = 0; /* of a level; what is left of the order is the order's */
    if (!pressure_orders_add(&pressure->orders, &pressure->record.last_reclaim))
        pressure_kick(pressure);
}

static uint64_t reserved_bytes(const pressure_t *pressure)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PRESSURE_NUM_CLASSES; ++i)
        sum += atomic_load_explicit(&pressure->ledger.class_bytes[i], memory_order_relaxed);
    return sum;
}

void pressure_survey(pressure_t *pressure)
{
    pressure_reclaimer_t *reclaimer = &pressure->reclaimer;
    pressure_snapshot_t *record = &pressure->record;
    pressure_level_t level = pressure->state.level;
    pressure_survey_t survey = {.event_level = level > PRESSURE_ELEVATED ? level : PRESSURE_ELEVATED,
                                .set_limits = 1,
                                .now_ms = pressure->config.now_ms(),
                                .facts = {.level = level,
                                          .shrunk = reclaimer->shrunk,
                                          .reading_bytes = record->reading_bytes,
                                          .budget_bytes = pressure->config.budget_bytes}};

    reclaimer->shrunk = 0;
    pressure_listeners_survey(&pressure->listeners, &pressure->config.tuning, &survey);
    survey.bytes += reserved_bytes(pressure);
    pthread_mutex_lock(&pressure->record_lock);
    record->accounted_bytes = survey.bytes;
    record->residual_bytes = record->resident_bytes > survey.bytes ? record->resident_bytes - survey.bytes : 0;
    record->evictable_bytes = survey.evictable_bytes;
    record->ineffective = reclaimer->backoff.ineffective;
    record->backoff_ms = reclaimer->backoff.pause_ms;
    pthread_mutex_unlock(&pressure->record_lock);
}
