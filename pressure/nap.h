/*
 * nap.h - how the coordinator's thread waits: until it is due, kicked, or woken by the kernel. Private to pressure/.
 *
 * A kick is a flag and an eventfd, no lock: only the kick that raises the flag writes, all others until the nap has ended find it
 * raised and return. The kernel's wake-ups (wake.h) end a nap once per PRESSURE_WAKE_PAUSE_MS at most; what comes sooner ends the
 * first nap after that.
 */
#ifndef pressure__nap_h
#define pressure__nap_h

#include <stdatomic.h>
#include <stdint.h>
#include "pressure/wake.h"

#define PRESSURE_WAKE_PAUSE_MS 25

typedef struct st_pressure_nap_t {
    int kick_fd;
    atomic_int kicked;
    pressure_wake_t wake; /* not owned; its fd is -1 once nothing can come of it */
    uint64_t woken_ms;    /* CLOCK_MONOTONIC */
    int was_woken;
} pressure_nap_t;

/**
 * copies *wake, whose descriptor must stay open; NULL: none. Returns 0, or -1 (errno of eventfd).
 */
int pressure_nap_init(pressure_nap_t *nap, const pressure_wake_t *wake);
void pressure_nap_dispose(pressure_nap_t *nap);
/**
 * any thread
 */
void pressure_nap_kick(pressure_nap_t *nap);
/**
 * waits; one thread at a time. A kick from before the return does not end the next nap.
 */
void pressure_nap_take(pressure_nap_t *nap, uint64_t wait_ms);

#endif
