/*
 * clock.h - the one clock of the module: milliseconds since an arbitrary point, never running backwards, a few nanoseconds to read
 * and exact to a few milliseconds. The second one is exact to the microsecond, for durations. The third is the calendar's, for
 * dates that others wrote; it may be set at any time.
 */
#ifndef module__clock_h
#define module__clock_h

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t sluice_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline uint64_t sluice_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* the same in milliseconds: the coordinator's clock */
static inline uint64_t sluice_exact_ms(void)
{
    return sluice_now_us() / 1000;
}

/* how long that was ago; 0 of what another thread has noted since `now_ms` was read */
static inline uint64_t sluice_ms_since(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* so long from now, for a condition variable of sluice_cond_init() */
static inline struct timespec sluice_deadline(uint64_t wait_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static inline void sluice_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* since 1970 */
static inline int64_t sluice_wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
static inline int64_t sluice_wall_s(void)
{
    return (int64_t)time(NULL);
}

#endif
