#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "pressure/nap.h"

static uint64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int pressure_nap_init(pressure_nap_t *nap, const pressure_wake_t *wake)
{
    *nap = (pressure_nap_t){.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .wake = {.fd = -1}};
    if (wake != NULL)
        nap->wake = *wake;
    return nap->kick_fd >= 0 ? 0 : -1;
}

void pressure_nap_dispose(pressure_nap_t *nap)
{
    close(nap->kick_fd);
}

void pressure_nap_kick(pressure_nap_t *nap)
{
    const uint64_t one = 1;

    if (atomic_exchange(&nap->kicked, 1))
        return;
    /* fails only if the counter is full, and then it is readable */
    while (write(nap->kick_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/**
 * Emptied before the flag falls: a kick in between is part of what this nap ended for. The other way round its write would be
 * swallowed while the flag stays up, and no kick would ever end a nap again.
 */
static void take_kicks(pressure_nap_t *nap)
{
    uint64_t count;

    while (read(nap->kick_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    atomic_store(&nap->kicked, 0);
}

/**
 * Returns how long the wake-ups are not to be listened to
 */
static uint64_t get_pause_ms(const pressure_nap_t *nap, uint64_t now_ms)
{
    uint64_t since_ms = now_ms - nap->woken_ms;

    return nap->was_woken && since_ms < PRESSURE_WAKE_PAUSE_MS ? PRESSURE_WAKE_PAUSE_MS - since_ms : 0;
}

static void note_wake(pressure_nap_t *nap, short revents, uint64_t now_ms)
{
    if (pressure_wake_drain(&nap->wake, revents) != 0)
        nap->wake.fd = -1;
    nap->was_woken = 1;
    nap->woken_ms = now_ms;
}

void pressure_nap_take(pressure_nap_t *nap, uint64_t wait_ms)
{
    uint64_t now_ms = monotonic_ms(), end_ms = now_ms + wait_ms;

    do {
        uint64_t pause_ms = get_pause_ms(nap, now_ms);
        uint64_t left_ms = pause_ms != 0 && pause_ms < end_ms - now_ms ? pause_ms : end_ms - now_ms;
        struct timespec left = {(time_t)(left_ms / 1000), (long)(left_ms % 1000) * 1000000};
        struct pollfd fds[2] = {{.fd = nap->kick_fd, .events = POLLIN}, {.fd = -1}};
        if (pause_ms == 0)
            fds[1] = (struct pollfd){.fd = nap->wake.fd, .events = nap->wake.events};
        int ready = ppoll(fds, 2, &left, NULL);
        now_ms = monotonic_ms();
        if (ready > 0) {
            if (fds[1].revents != 0)
                note_wake(nap, fds[1].revents, now_ms);
            break;
        }
    } while (now_ms < end_ms);
    take_kicks(nap);
}
