#include <errno.h>
#include <signal.h>
#include "module/observer.h"
#include "module/signals.h"

/* a signal handler has no argument of its own */
static struct st_heard_t {
    sluice_t *sluice;
    sluice_counter_t *counter;
    void (*before)(int signal_number); /* NULL: there was none */
} heard[NSIG];

static void on_signal(int signal_number)
{
    const struct st_heard_t *h = heard + signal_number;
    int saved_errno = errno;
    sluice_observer_t *observer;

    sluice_count(h->counter, 1);
    if ((observer = atomic_load(&h->sluice->observer)) != NULL)
        sluice_observer_wake(observer);
    if (h->before != NULL)
        h->before(signal_number);
    errno = saved_errno;
}

int sluice_signal_count(int signal_number, sluice_t *sluice, sluice_counter_t *counter)
{
    struct sigaction action, before;

    if (sigaction(signal_number, NULL, &before) != 0)
        return -1;
    if ((before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler == on_signal) { /* of one that was started before */
        heard[signal_number].sluice = sluice;
        heard[signal_number].counter = counter;
        return 0;
    }
    heard[signal_number] = (struct st_heard_t){sluice, counter, NULL};
    if ((before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        heard[signal_number].before = before.sa_handler;
    action = before;
    action.sa_handler = on_signal;
    action.sa_flags &= ~SA_SIGINFO;
    return sigaction(signal_number, &action, NULL);
}
