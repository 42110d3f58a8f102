/*
 * The coordinator's life: configuration, creation, its thread, and the snapshot. What it does each period is in step.c, how it
 * waits in between in nap.c.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "pressure/pressure_private.h"

void pressure_config_init(pressure_config_t *config)
{
    *config = (pressure_config_t){.mark_permille = {[PRESSURE_ELEVATED] = 700,
                                                    [PRESSURE_DEGRADED] = 750,
                                                    [PRESSURE_HIGH] = 800,
                                                    [PRESSURE_CRITICAL] = 900,
                                                    [PRESSURE_EMERGENCY] = 950},
                                  .down_gap_permille = 50,
                                  .dwell_ms = 5000,
                                  .dwell_critical_ms = 10000,
                                  .stale_after_ms = 3000,
                                  .max_operations = UINT64_MAX,
                                  .max_waiting = UINT64_MAX,
                                  .max_waiting_bytes = UINT64_MAX,
                                  .reconcile_period_ms = 10000};
}

const char *pressure_config_check(const pressure_config_t *config)
{
    static const char *const descends[PRESSURE_NUM_LEVELS] = {
        [PRESSURE_ELEVATED] = "the mark of elevated must be above 0",
        [PRESSURE_DEGRADED] = "the mark of degraded must not be below that of elevated",
        [PRESSURE_HIGH] = "the mark of high must not be below that of degraded",
        [PRESSURE_CRITICAL] = "the mark of critical must not be below that of high",
        [PRESSURE_EMERGENCY] = "the mark of emergency must not be below that of critical",
    };

    if (config->budget_bytes == 0)
        return "the budget must be above 0";
    if (config->mark_permille[PRESSURE_NORMAL] != 0)
        return "the mark of normal must be 0";
    if (config->mark_permille[PRESSURE_ELEVATED] == 0)
        return descends[PRESSURE_ELEVATED];
    for (unsigned level = PRESSURE_DEGRADED; level < PRESSURE_NUM_LEVELS; ++level) {
        if (config->mark_permille[level] < config->mark_permille[level - 1])
            return descends[level];
    }
    if (config->mark_permille[PRESSURE_EMERGENCY] > 1000)
        return "no mark may be above the budget";
    if (config->down_gap_permille == 0)
        return "the gap must be above 0";
    if (config->down_gap_permille >= config->mark_permille[PRESSURE_ELEVATED])
        return "the gap must be below the mark of elevated";
    return NULL;
}

static int init_locks(pressure_t *pressure)
{
    int err;

    if (pressure_listeners_init(&pressure->listeners) != 0)
        return -1;
    if ((err = pthread_mutex_init(&pressure->record_lock, NULL)) != 0)
        goto ErrorListeners;
    if ((err = pressure_queue_init(&pressure->queue)) != 0)
        goto ErrorRecord;
    if (pressure_nap_init(&pressure->nap, pressure->config.wake) == 0)
        return 0;

    err = errno;
    pressure_queue_dispose(&pressure->queue);
ErrorRecord:
    pthread_mutex_destroy(&pressure->record_lock);
ErrorListeners:
    pressure_listeners_dispose(&pressure->listeners);
    errno = err;
    return -1;
}

static void apply_config(pressure_t *pressure, const pressure_config_t *config)
{
    pressure->config = *config;
    pressure->rules = (pressure_level_rules_t){.down_gap_permille = config->down_gap_permille,
                                               .dwell_ms = config->dwell_ms,
                                               .dwell_critical_ms = config->dwell_critical_ms};
    for (unsigned level = 0; level < PRESSURE_NUM_LEVELS; ++level) {
        pressure->rules.mark_permille[level] = config->mark_permille[level];
        pressure->mark_bytes[level] = pressure_mark_bytes(config->budget_bytes, config->mark_permille[level]);
    }
    pressure->record.budget_bytes = config->budget_bytes;
}

pressure_t *pressure_create(const pressure_config_t *config)
{
    uint64_t reading_bytes, now_ms;
    pressure_t *pressure;

    assert(config->sample != NULL && config->now_ms != NULL);
    if (pressure_config_check(config) != NULL) {
        errno = EINVAL;
        return NULL;
    }
    if ((pressure = aligned_alloc(alignof(pressure_t), sizeof(*pressure))) == NULL)
        return NULL;
    memset(pressure, 0, sizeof(*pressure));
    atomic_flag_clear(&pressure->stepping);
    apply_config(pressure, config);
    if (init_locks(pressure) != 0) {
        free(pressure);
        return NULL;
    }
    now_ms = config->now_ms();
    pressure->queue.reconciled_ms = now_ms;
    pressure->state.since_ms = pressure->record.level_since_ms = now_ms;
    pressure->step.good_ms = now_ms;
    /* so that the first reservation need not wait for the first step; if it fails, that step tells */
    pressure_take_sample(pressure, &reading_bytes);
    return pressure;
}

static void stop_thread(pressure_t *pressure)
{
    atomic_store(&pressure->stop, 1);
    pressure_nap_kick(&pressure->nap);
    pthread_join(pressure->thread, NULL);
}

void pressure_destroy(pressure_t **pressure)
{
    pressure_t *gone = *pressure;

    if (gone == NULL)
        return;
    *pressure = NULL;
    if (gone->has_thread)
        stop_thread(gone);
    for (unsigned i = 0; i < PRESSURE_NUM_CLASSES; ++i)
        assert(atomic_load(&gone->ledger.class_bytes[i]) == 0);
    pressure_queue_dispose(&gone->queue);
    pressure_listeners_dispose(&gone->listeners);
    pressure_nap_dispose(&gone->nap);
    pthread_mutex_destroy(&gone->record_lock);
    free(gone);
}

static void *run_thread(void *arg)
{
    pressure_t *pressure = arg;

    while (!atomic_load(&pressure->stop))
        pressure_nap_take(&pressure->nap, pressure_step(pressure));
    return NULL;
}

int pressure_start(pressure_t *pressure)
{
    sigset_t all, before;
    int err;

    assert(!pressure->has_thread);
    /* signals are for the server's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&pressure->thread, NULL, run_thread, pressure);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        errno = err;
        return -1;
    }
    pressure->has_thread = 1;
    pthread_setname_np(pressure->thread, "sluice-pressure");
    return 0;
}

void pressure_kick(pressure_t *pressure)
{
    pressure_nap_kick(&pressure->nap);
}

void pressure_stand_in(pressure_t *pressure, int is_on, pressure_level_t level)
{
    atomic_store_explicit(&pressure->public.stand_in, is_on ? 1 + (int)level : 0, memory_order_release);
}

int pressure_is_stood_in(const pressure_t *pressure)
{
    return atomic_load_explicit(&pressure->public.stand_in, memory_order_relaxed) != 0;
}

void pressure_get_snapshot(pressure_t *pressure, pressure_snapshot_t *snapshot)
{
    pressure_ledger_t *ledger = &pressure->ledger;

    pthread_mutex_lock(&pressure->record_lock);
    *snapshot = pressure->record;
    pthread_mutex_unlock(&pressure->record_lock);
    if (pressure_is_stood_in(pressure))
        snapshot->level = pressure_level(pressure);
    for (unsigned i = 0; i < PRESSURE_NUM_CLASSES; ++i) {
        snapshot->reserved_bytes[i] = atomic_load_explicit(&ledger->class_bytes[i], memory_order_relaxed);
        snapshot->reserved_total_bytes += snapshot->reserved_bytes[i];
    }
    snapshot->reservations_granted = atomic_load_explicit(&ledger->num_granted, memory_order_relaxed);
    snapshot->reservations_refused = atomic_load_explicit(&ledger->num_refused, memory_order_relaxed);
}
