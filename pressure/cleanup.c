/*
 * Orders and their ends. An order is a number: given ones are counted, and each cleanup carries out all that were given when it
 * began, and tells who waits for one of them. The coordinator alone writes `under_way`.
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
    if (!is_new)
        return 0;
    orders->under_way = (pressure_cleanup_t){0};
    orders->num_parts = 0;
    return 1;
}

static void tell_locked(pressure_orders_t *orders)
{
    for (pressure_order_t *order = orders->waiting; order != NULL; order = order->next) {
        if (order->is_done || order->number > orders->number)
            continue;
        *order->cleanup = orders->under_way;
        order->is_done = 1;
    }
    orders->carried_out = orders->number;
    pthread_cond_broadcast(&orders->ended);
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
    tell_locked(orders);
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

static void unlink_locked(pressure_orders_t *orders, const pressure_order_t *order)
{
    pressure_order_t **slot = &orders->waiting;

    while (*slot != order)
        slot = &(*slot)->next;
    *slot = order->next;
}

int pressure_clean_up(pressure_t *pressure, uint64_t timeout_ms, pressure_cleanup_t *cleanup)
{
    pressure_orders_t *orders = &pressure->orders;
    pressure_order_t order = {.cleanup = cleanup};
    struct timespec until = deadline(timeout_ms);
    int err = 0;

    pthread_mutex_lock(&orders->lock);
    order.number = ++orders->given;
    order.next = orders->waiting;
    orders->waiting = &order;
    pressure_kick(pressure);
    while (!order.is_done && err == 0)
        err = pthread_cond_timedwait(&orders->ended, &orders->lock, &until);
    unlink_locked(orders, &order);
    pthread_mutex_unlock(&orders->lock);
    return order.is_done ? 0 : -1;
}
