#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "pressure/pressure_private.h"
#include "pressure/watchdog.h"

#define MIB 1048576.0

struct st_pressure_watchdog_t {
    pressure_watchdog_config_t config;
    pressure_watchdog_rules_t rules;
    pressure_watchdog_state_t state;
    _Atomic uint64_t checks, failures, interventions;
    pressure_nap_t nap;
    atomic_int stop;
    int has_thread;
    pthread_t thread;
};

__attribute__((format(printf, 2, 3))) static void say(pressure_watchdog_t *watchdog, const char *format, ...)
{
    char line[256];
    va_list args;

    if (watchdog->config.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    watchdog->config.log(watchdog->config.log_ctx, line);
}

static void notify(pressure_watchdog_t *watchdog, const pressure_watchdog_view_t *view, const pressure_snapshot_t *snapshot,
                   pressure_notice_t notice)
{
    if (watchdog->config.notify == NULL)
        return;
    notice.reading_bytes = view->has_reading ? view->reading_bytes : snapshot->reading_bytes;
    notice.resident_bytes = snapshot->resident_bytes;
    notice.budget_bytes = view->budget_bytes;
    watchdog->config.notify(watchdog->config.notify_ctx, &notice);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void look(pressure_watchdog_t *watchdog, pressure_watchdog_view_t *view, pressure_snapshot_t *snapshot)
{
    pressure_t *pressure = watchdog->config.pressure;
    pressure_sample_t sample = {0};

    /* first the steps: what the snapshot says is at least as new */
    *view =
        (pressure_watchdog_view_t){.steps_ended = atomic_load(&pressure->steps_ended), .published = pressure_own_level(pressure)};
    pressure_get_snapshot(pressure, snapshot);
    for (pressure_level_t level = PRESSURE_NORMAL; level < PRESSURE_NUM_LEVELS; ++level)
        view->events[level] = snapshot->events[level];
    view->budget_bytes = pressure->config.budget_bytes;
    view->has_reading = watchdog->config.sample(watchdog->config.sample_ctx, &sample) == 0;
    if (view->has_reading)
        view->reading_bytes = pressure_reading_of(&sample, view->budget_bytes);
}

static void say_failure(pressure_watchdog_t *watchdog, const pressure_watchdog_view_t *view, uint64_t now_ms)
{
    const char *listener = atomic_load(&watchdog->config.pressure->listeners.running);
    const char *level = pressure_level_name(watchdog->state.level.level);

    if (watchdog->state.hangs)
        say(watchdog, "watchdog: the coordinator has not stepped for %.1f s%s%s; %s (%.1f MiB) stands in for its level",
            (double)(now_ms - watchdog->state.alive_ms) / 1000, listener != NULL ? ", in listener " : "",
            listener != NULL ? listener : "", level, (double)view->reading_bytes / MIB);
    else
        say(watchdog, "watchdog: the coordinator is at %s and has not told of %s (%.1f MiB), which stands in for its level",
            pressure_level_name(view->published), level, (double)view->reading_bytes / MIB);
}

static void say_proof(pressure_watchdog_t *watchdog, pressure_level_t level, const pressure_reclaim_t *reclaim)
{
    if (reclaim->generation == 0 || reclaim->level < level)
        say(watchdog, "watchdog: at %s: told, nothing to release", pressure_level_name(level));
    else
        say(watchdog, "watchdog: at %s: told in %" PRIu64 " ms, %.1f MiB released, resident %.1f -> %.1f MiB",
            pressure_level_name(level), reclaim->duration_ms, (double)reclaim->claimed_bytes / MIB,
            (double)reclaim->resident_before_bytes / MIB, (double)reclaim->resident_after_bytes / MIB);
}

/* tells of what the watchdog's level changes in that which counts, and of the failure itself */
static void notify_failure(pressure_watchdog_t *watchdog, const pressure_watchdog_actions_t *actions, int hung,
                           pressure_level_t before, const pressure_watchdog_view_t *view, const pressure_snapshot_t *snapshot)
{
    pressure_level_t level = pressure_level(watchdog->config.pressure);

    if (actions->began || actions->ended) {
        int hangs = actions->began ? watchdog->state.hangs : hung;
        notify(watchdog, view, snapshot,
               (pressure_notice_t){
                   .kind = hangs ? PRESSURE_NOTICE_HANGS : PRESSURE_NOTICE_NOT_TOLD, .is_over = actions->ended, .level = level});
    }
    if ((actions->stand_in || actions->ended) && level != before)
        notify(watchdog, view, snapshot, (pressure_notice_t){.kind = PRESSURE_NOTICE_LEVEL, .from = before, .level = level});
}

/* the level first, and the words before the flush, which may meet the lock that the coordinator hangs in */
static void act(pressure_watchdog_t *watchdog, const pressure_watchdog_actions_t *actions, int hung,
                const pressure_watchdog_view_t *view, const pressure_snapshot_t *snapshot, uint64_t now_ms)
{
    pressure_t *pressure = watchdog->config.pressure;
    pressure_level_t before = pressure_level(pressure);

    pressure_stand_in(pressure, actions->stand_in, actions->stand_in_level);
    if (actions->kick)
        pressure_kick(pressure);
    if (actions->began) {
        count(&watchdog->failures);
        count(&watchdog->interventions);
    }
    if (actions->say_failure)
        say_failure(watchdog, view, now_ms);
    if (actions->say_recovery)
        say(watchdog, "watchdog: the coordinator works again, at %s", pressure_level_name(view->published));
    if (actions->say_proof != PRESSURE_NORMAL)
        say_proof(watchdog, actions->say_proof, &snapshot->last_reclaim);
    notify_failure(watchdog, actions, hung, before, view, snapshot);
    if (actions->flush && watchdog->config.flush != NULL) {
        count(&watchdog->interventions);
        watchdog->config.flush(watchdog->config.flush_ctx);
        say(watchdog, "watchdog: every cache was flushed");
        notify(watchdog, view, snapshot, (pressure_notice_t){.kind = PRESSURE_NOTICE_FLUSHED, .level = actions->stand_in_level});
    }
}

void pressure_watchdog_check(pressure_watchdog_t *watchdog)
{
    pressure_watchdog_view_t view;
    pressure_snapshot_t snapshot;
    uint64_t now_ms = watchdog->config.now_ms();
    int hung = watchdog->state.hangs;

    look(watchdog, &view, &snapshot);
    pressure_watchdog_actions_t actions = pressure_watchdog_decide(&watchdog->rules, &watchdog->state, &view, now_ms);
    count(&watchdog->checks);
    act(watchdog, &actions, hung, &view, &snapshot, now_ms);
}

static void *run_thread(void *arg)
{
    pressure_watchdog_t *watchdog = arg;

    while (!atomic_load(&watchdog->stop)) {
        pressure_watchdog_check(watchdog);
        pressure_nap_take(&watchdog->nap, watchdog->config.period_ms);
    }
    return NULL;
}

pressure_watchdog_t *pressure_watchdog_create(const pressure_watchdog_config_t *config)
{
    pressure_watchdog_t *watchdog = calloc(1, sizeof(*watchdog));

    if (watchdog == NULL)
        return NULL;
    watchdog->config = *config;
    watchdog->rules = (pressure_watchdog_rules_t){config->pressure->rules, config->deadline_ms};
    if (pressure_nap_init(&watchdog->nap, NULL) != 0) {
        free(watchdog);
        return NULL;
    }
    return watchdog;
}

int pressure_watchdog_start(pressure_watchdog_t *watchdog)
{
    assert(!watchdog->has_thread);
    if (pressure_start_thread(&watchdog->thread, "sluice-watchdog", run_thread, watchdog) != 0)
        return -1;
    watchdog->has_thread = 1;
    return 0;
}

void pressure_watchdog_destroy(pressure_watchdog_t **_watchdog)
{
    pressure_watchdog_t *watchdog = *_watchdog;

    if (watchdog == NULL)
        return;
    *_watchdog = NULL;
    atomic_store(&watchdog->stop, 1);
    pressure_nap_kick(&watchdog->nap);
    if (watchdog->has_thread)
        pthread_join(watchdog->thread, NULL);
    pressure_stand_in(watchdog->config.pressure, 0, PRESSURE_NORMAL);
    pressure_nap_dispose(&watchdog->nap);
    free(watchdog);
}

void pressure_watchdog_get_counts(const pressure_watchdog_t *watchdog, pressure_watchdog_counts_t *counts)
{
    *counts = (pressure_watchdog_counts_t){.checks = atomic_load(&watchdog->checks),
                                           .failures = atomic_load(&watchdog->failures),
                                           .interventions = atomic_load(&watchdog->interventions),
                                           .stands_in = pressure_is_stood_in(watchdog->config.pressure)};
}
