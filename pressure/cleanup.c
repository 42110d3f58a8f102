/*
 * Orders and their ends. An order is a number: given ones are counted, and each cleanup carries out all that were given when it
 * began. The coordinator alone writes `under_way`.
 */
#include <time.h>
#include "pressure/pressure_private.h"

int pressure_orders_init(pressure_orders_t *orders)
{
    pthread_condattr_t attr;
    int err;

    if ((err = pthread_condattr_init(&attr)) != 0)
        return err;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if ((err = pthread_mutex_init(&orders->lock, NULL)) == 0 && (err = pthread_cond_init(&orders->ended, &attr)) != 0)
        pthread_mutex_destroy(&orders->lock);
    pthread_condattr_destroy(&attr);
    return err;
}

void pressure_orders_dispose(pressure_orders_t *orders)
{
    pthread_cond_destroy(&orders->ended);
    pthread_mutex_destroy(&orders->lock);
}

int pressure_orders_begin(pressure_orders_t *orders)
{
    if (orders->number != 0)
        return 1;
    pthread_mutex_lock(&orders->lock);
    int is_new = orders->given != orders->carried_out;
    orders->number = is_new ? orders->given : 0;
    pthread_mutex_unlock(&orders->lock);
    orders->under_way = (pressure_cleanup_t){0};
    orders->num_parts = 0;
    return is_new;
}

int pressure_orders_add(pressure_orders_t *orders, const pressure_reclaim_t *part)
{
    pressure_cleanup_t *sum = &orders->under_way;

    if (orders->num_parts++ == 0)
        sum->resident_before_bytes = part->resident_before_bytes;
    sum->claimed_bytes += part->claimed_bytes;
    sum->objects += part->objects;
    sum->purged_bytes += part->purged_bytes;
    sum->resident_after_bytes = part->resident_after_bytes;
    sum->duration_ms += part->duration_ms;
    if (part->unfinished) /* which takes progress: who gives nothing does not hold it up */
        return 0;
    pthread_mutex_lock(&orders->lock);
    orders->carried_out = orders->number;
    orders->last = *sum;
    pthread_cond_broadcast(&orders->ended);
    pthread_mutex_unlock(&orders->lock);
    orders->number = 0;
    return 1;
}

static struct timespec deadline(uint64_t wait_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

int pressure_clean_up(pressure_t *pressure, uint64_t timeout_ms, pressure_cleanup_t *cleanup)
{
    pressure_orders_t *orders = &pressure->orders;
    struct timespec until = deadline(timeout_ms);
    int err = 0;

    pthread_mutex_lock(&orders->lock);
    uint64_t number = ++orders->given;
    pressure_kick(pressure);
    while (orders->carried_out < number && err == 0)
        err = pthread_cond_timedwait(&orders->ended, &orders->lock, &until);
    int done = orders->carried_out >= number;
    if (done)
        *cleanup = orders->last;
    pthread_mutex_unlock(&orders->lock);
    return done ? 0 : -1;
}
