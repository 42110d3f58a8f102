#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "module/alerts.h"
#include "module/drain.h"
#include "module/health_snapshot.h"
#include "module/leaks.h"
#include "module/memory_look.h"
#include "module/observer.h"
#include "module/operations.h"
#include "module/snapshot.h"
#include "module/slow_requests.h"
#include "module/thread.h"

struct st_sluice_observer_t {
    sluice_t *sluice;
    pthread_t thread;
    int wake_fd;
    _Atomic int stop;
    uint64_t soon_ms; /* 0: at the next second */
};

/* --- the parts */

/* clang-format off */
static void (*const parts[])(sluice_t *sluice, const sluice_observation_t *observation) = {
    sluice_sampled_events_observe,
    sluice_operations_observe,
    sluice_memory_observe,
    sluice_leaks_observe,
    sluice_drain_observe,
    sluice_alerts_observe,
    sluice_snapshot_observe,
    sluice_slow_requests_observe,
};
/* clang-format on */

static void observe(sluice_t *sluice)
{
    health_snapshot_t snapshot;
    sluice_observation_t observation = {&snapshot, sluice_exact_ms(), sluice_wall_s()};

    sluice_health_snapshot(sluice, &snapshot);
    for (size_t i = 0; i != sizeof(parts) / sizeof(parts[0]); ++i)
        parts[i](sluice, &observation);
    sluice_health_snapshot_dispose(&snapshot);
}

/* --- the thread */

static void nap(sluice_observer_t *observer, uint64_t until_ms)
{
    uint64_t now_ms = sluice_exact_ms(), count;
    struct pollfd poll_fd = {.fd = observer->wake_fd, .events = POLLIN};

    if (poll(&poll_fd, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0) == 1 &&
        read(observer->wake_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return; /* somebody else's look was this one */
}

static void *run(void *_observer)
{
    sluice_observer_t *observer = _observer;

    pthread_setname_np(pthread_self(), "sluice-observe");
    while (!atomic_load(&observer->stop)) {
        uint64_t next_ms = sluice_exact_ms() + SLUICE_OBSERVER_PERIOD_MS;
        observer->soon_ms = 0;
        observe(observer->sluice);
        nap(observer, observer->soon_ms != 0 && observer->soon_ms < next_ms ? observer->soon_ms : next_ms);
    }
    return NULL;
}

static void free_observer(sluice_observer_t *observer)
{
    if (observer->wake_fd != -1)
        close(observer->wake_fd);
    free(observer);
}

sluice_observer_t *sluice_observer_create(sluice_t *sluice)
{
    sluice_observer_t *observer = calloc(1, sizeof(*observer));

    if (observer == NULL)
        return NULL;
    observer->sluice = sluice;
    observer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (observer->wake_fd == -1 || sluice_thread_start(&observer->thread, run, observer) != 0) {
        free_observer(observer);
        return NULL;
    }
    return observer;
}

void sluice_observer_destroy(_Atomic(sluice_observer_t *) *_observer)
{
    sluice_observer_t *observer = atomic_load(_observer);

    if (observer == NULL)
        return;
    atomic_store(&observer->stop, 1);
    sluice_observer_wake(observer);
    pthread_join(observer->thread, NULL);
    atomic_store(_observer, NULL); /* not before: its parts look at it */
    free_observer(observer);
}

void sluice_observer_wake_in(sluice_observer_t *observer, uint64_t ms)
{
    uint64_t at_ms = sluice_exact_ms() + ms;

    if (ms != 0 && (observer->soon_ms == 0 || at_ms < observer->soon_ms))
        observer->soon_ms = at_ms;
}

void sluice_observer_wake(sluice_observer_t *observer)
{
    uint64_t one = 1;

    if (write(observer->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        return; /* it is full: a wake is on its way */
}
