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

static const pressure_tuning_t default_tuning = {.period_ms = 1000,
                                                 .period_warm_ms = 250,
                                                 .period_busy_ms = 100,
                                                 .period_hot_ms = 25,
                                                 .warm_permille = 600,
                                                 .busy_permille = 700,
                                                 .hot_permille = 850,
                                                 .stale_after_ms = 3000,
                                                 .repeat_elevated_ms = 10000,
                                                 .repeat_high_ms = 2000,
                                                 .repeat_critical_ms = 2000,
                                                 .repeat_emergency_ms = 1000,
                                                 .room_pause_ms = 50,
                                                 .listener_slice_ms = 20,
                                                 .episode_limit_ms = 500,
                                                 .effective_permille = 500,
                                                 .effective_min_permille = 10,
                                                 .ineffective_after = 2,
                                                 .backoff_ms = 1000,
                                                 .backoff_max_ms = 60000,
                                                 .release_after_ms = 30000,
                                                 .release_accounted_permille = 600,
                                                 .release_headroom_permille = 100,
                                                 .release_ceiling_permille = 1000,
                                                 .release_rise_permille = 10,
                                                 .refill_step_permille = 50,
                                                 .refill_period_ms = 10000,
                                                 .refill_rise_permille = 10};

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
                                  .max_operations = UINT64_MAX,
                                  .max_waiting = UINT64_MAX,
                                  .max_waiting_bytes = UINT64_MAX,
                                  .reconcile_period_ms = 10000,
                                  .tuning = default_tuning};
}

typedef struct st_rule_t {
    int broken;
    const char *sentence;
} rule_t;

static const char *find_broken(const rule_t *rules, size_t num_rules)
{
    for (size_t i = 0; i != num_rules; ++i)
        if (rules[i].broken)
            return rules[i].sentence;
    return NULL;
}

static const char *check_tuning(const pressure_tuning_t *t)
{
    const rule_t rules[] = {
        {t->period_hot_ms == 0, "sample-period-hot must be above 0"},
        {t->period_warm_ms > t->period_ms, "sample-period-warm must not be above sample-period"},
        {t->period_busy_ms > t->period_warm_ms, "sample-period-busy must not be above sample-period-warm"},
        {t->period_hot_ms > t->period_busy_ms, "sample-period-hot must not be above sample-period-busy"},
        {t->busy_permille < t->warm_permille, "sample-busy must not be below sample-warm"},
        {t->hot_permille < t->busy_permille, "sample-hot must not be below sample-busy"},
        {t->stale_after_ms < t->period_warm_ms,
         "stale-after must not be below sample-period-warm, at which failed samples are retried"},
        {t->listener_slice_ms == 0, "listener-slice must be above 0"},
        {t->episode_limit_ms < t->listener_slice_ms, "reclaim-limit must not be below listener-slice"},
        {t->effective_permille > 1000, "effective must not be above 100 %"},
        {t->ineffective_after == 0, "ineffective-after must be above 0"},
        {t->backoff_ms == 0, "backoff must be above 0"},
        {t->backoff_max_ms < t->backoff_ms, "backoff-max must not be below backoff"},
        {t->release_headroom_permille > 1000, "release-headroom must not be above 100 %"},
        {t->release_rise_permille == 0, "release-rise must be above 0"},
        {t->refill_step_permille == 0, "refill-step must be above 0"},
        {t->refill_period_ms == 0, "refill-period must be above 0"},
    };

    return find_broken(rules, sizeof(rules) / sizeof(rules[0]));
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
        return "down-gap must be above 0";
    if (config->down_gap_permille >= config->mark_permille[PRESSURE_ELEVATED])
        return "down-gap must be below the mark of elevated";
    if (config->tuning.release_ceiling_permille < config->mark_permille[PRESSURE_CRITICAL])
        return "release-ceiling must not be below the mark of critical";
    return check_tuning(&config->tuning);
}

static int init_locks(pressure_t *pressure)
{
    int err;

    if (pressure_listeners_init(&pressure->listeners) != 0)
        return -1;
    if ((err = pthread_mutex_init(&pressure->record_lock, NULL)) != 0)
        goto ErrorListeners;
    if ((err = pressure_orders_init(&pressure->orders)) != 0)
        goto ErrorRecord;
    if ((err = pressure_queue_init(&pressure->queue)) != 0)
        goto ErrorOrders;
    if (pressure_nap_init(&pressure->nap, pressure->config.wake) == 0)
        return 0;

    err = errno;
    pressure_queue_dispose(&pressure->queue);
ErrorOrders:
    pressure_orders_dispose(&pressure->orders);
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
    pressure_orders_dispose(&gone->orders);
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

int pressure_start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    int err;

    /* signals are for the server's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        errno = err;
        return -1;
    }
    pthread_setname_np(*thread, name);
    return 0;
}

int pressure_start(pressure_t *pressure)
{
    assert(!pressure->has_thread);
    if (pressure_start_thread(&pressure->thread, "sluice-pressure", run_thread, pressure) != 0)
        return -1;
    pressure->has_thread = 1;
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
