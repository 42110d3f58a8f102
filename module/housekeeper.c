#include <stdio.h>
#include <stdlib.h>
#include "module/housekeeper.h"
#include "module/thread.h"

#define PERIOD_MS 250 /* the sweep of the cache and the reconciliation of its groups are round in twenty seconds */

struct st_sluice_housekeeper_t {
    sluice_t *sluice;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopping;
    int stop; /* guarded by mutex */
};

/* returns whether to stop */
static int nap(sluice_housekeeper_t *housekeeper)
{
    struct timespec until = sluice_deadline(PERIOD_MS);
    int err = 0;

    pthread_mutex_lock(&housekeeper->mutex);
    while (!housekeeper->stop && err == 0)
        err = pthread_cond_timedwait(&housekeeper->stopping, &housekeeper->mutex, &until);
    int stop = housekeeper->stop;
    pthread_mutex_unlock(&housekeeper->mutex);
    return stop;
}

static void on_healed(void *ctx, const icache_healed_t *healed)
{
    (void)ctx;
    fprintf(
        stderr,
        "sluice: image-cache.quota of %s: %llu bytes were counted, but its objects in the cache have %llu; set right. This is a "
        "fault of Sluice: please report it\n",
        healed->group, (unsigned long long)healed->counted_bytes, (unsigned long long)healed->found_bytes);
}

static void *run(void *_housekeeper)
{
    sluice_housekeeper_t *housekeeper = _housekeeper;

    pthread_setname_np(pthread_self(), "sluice-keep");
    while (!nap(housekeeper)) {
        icache_sweep(housekeeper->sluice->cache, sluice_now_ms());
        icache_reconcile(housekeeper->sluice->cache, on_healed, NULL);
    }
    return NULL;
}

static void free_housekeeper(sluice_housekeeper_t *housekeeper)
{
    pthread_cond_destroy(&housekeeper->stopping);
    pthread_mutex_destroy(&housekeeper->mutex);
    free(housekeeper);
}

sluice_housekeeper_t *sluice_housekeeper_create(sluice_t *sluice)
{
    sluice_housekeeper_t *housekeeper = calloc(1, sizeof(*housekeeper));

    if (housekeeper == NULL)
        return NULL;
    housekeeper->sluice = sluice;
    pthread_mutex_init(&housekeeper->mutex, NULL);
    sluice_cond_init(&housekeeper->stopping);
    if (sluice_thread_start(&housekeeper->thread, run, housekeeper) != 0) {
        free_housekeeper(housekeeper);
        return NULL;
    }
    return housekeeper;
}

void sluice_housekeeper_destroy(sluice_housekeeper_t **_housekeeper)
{
    sluice_housekeeper_t *housekeeper = *_housekeeper;

    *_housekeeper = NULL;
    pthread_mutex_lock(&housekeeper->mutex);
    housekeeper->stop = 1;
    pthread_cond_signal(&housekeeper->stopping);
    pthread_mutex_unlock(&housekeeper->mutex);
    pthread_join(housekeeper->thread, NULL);
    free_housekeeper(housekeeper);
}
