/*
 * The reconciliation of what is counted with what exists.
 *
 * Slots of routes and bytes of the ledger are counters; the operations themselves are on lists. Both change together, under the
 * queue's lock, so under that lock they agree, however busy the system is, unless there is a fault somewhere. One that is seen at
 * two looks in a row with the same size, a period apart, is set right, told to the operator, and counted; a counter that leaks for
 * ever would in the end let nothing in any more.
 *
 * Of a class of reservations that does not belong to operations alone (config.operation_classes) nothing can be said.
 */
#include <inttypes.h>
#include <stdio.h>
#include "pressure/pressure_private.h"

#define MAX_LINES 4 /* per look; what is found beyond is set right at later ones */

struct st_report_t {
    char lines[MAX_LINES][192];
    unsigned count;
};

static const char *const class_names[PRESSURE_NUM_CLASSES] = {
    [PRESSURE_CLASS_SOURCE] = "source", [PRESSURE_CLASS_DECODE] = "decode"};

/* returns whether the difference is the same as at the last look, and there is one, and a line to tell of it */
static int is_confirmed(int64_t difference, int64_t *last, const struct st_report_t *report)
{
    int confirmed = difference != 0 && difference == *last && report->count != MAX_LINES;

    *last = confirmed ? 0 : difference;
    return confirmed;
}

static void count_granted_locked(pressure_queue_t *queue, uint64_t class_bytes[PRESSURE_NUM_CLASSES])
{
    for (pressure_route_t *route = queue->routes; route != NULL; route = route->_next)
        route->_counted = 0;
    for (pressure_link_t *at = queue->granted.next; at != &queue->granted; at = at->next) {
        const pressure_operation_t *operation = PRESSURE_OPERATION_OF(at, _listed);
        class_bytes[operation->resource_class] += operation->bytes;
        for (pressure_route_t *route = operation->route; route != NULL; route = route->parent)
            ++route->_counted;
    }
}

static void reconcile_route_locked(pressure_queue_t *queue, pressure_route_t *route, struct st_report_t *report)
{
    uint64_t in_use = atomic_load_explicit(&route->in_use, memory_order_relaxed);

    if (!is_confirmed((int64_t)(in_use - route->_counted), &route->_difference, report))
        return;
    atomic_store_explicit(&route->in_use, route->_counted, memory_order_relaxed);
    ++queue->record.healed;
    snprintf(report->lines[report->count++], sizeof(report->lines[0]),
             "pressure: route %s: %" PRIu64 " slots were taken by %" PRIu64 " operations; set right", route->name, in_use,
             route->_counted);
}

static void reconcile_class_locked(pressure_t *pressure, pressure_class_t resource_class, uint64_t counted_bytes,
                                   struct st_report_t *report)
{
    pressure_queue_t *queue = &pressure->queue;
    uint64_t reserved_bytes = atomic_load_explicit(&pressure->ledger.class_bytes[resource_class], memory_order_relaxed);
    int64_t difference = (int64_t)(reserved_bytes - counted_bytes);

    /* what is missing from the ledger cannot be put back: it may not be there to be granted */
    if (difference < 0 || !is_confirmed(difference, &queue->class_difference[resource_class], report))
        return;
    pressure_resize(pressure, resource_class, (uint64_t)difference, 0);
    ++queue->record.healed;
    snprintf(report->lines[report->count++], sizeof(report->lines[0]),
             "pressure: %" PRIu64 " bytes of class %s were reserved by operations of %" PRIu64 " bytes; set right", reserved_bytes,
             class_names[resource_class], counted_bytes);
}

static void reconcile_locked(pressure_t *pressure, struct st_report_t *report)
{
    uint64_t class_bytes[PRESSURE_NUM_CLASSES] = {0};

    count_granted_locked(&pressure->queue, class_bytes);
    for (pressure_route_t *route = pressure->queue.routes; route != NULL; route = route->_next)
        reconcile_route_locked(&pressure->queue, route, report);
    for (unsigned i = 0; i < PRESSURE_NUM_CLASSES; ++i)
        if (pressure->config.operation_classes >> i & 1)
            reconcile_class_locked(pressure, (pressure_class_t)i, class_bytes[i], report);
}

uint64_t pressure_reconcile(pressure_t *pressure, uint64_t now_ms)
{
    pressure_queue_t *queue = &pressure->queue;
    uint64_t period_ms = pressure->config.reconcile_period_ms, left_ms = 0;
    struct st_report_t report = {.count = 0};

    pthread_mutex_lock(&queue->lock);
    uint64_t elapsed_ms = now_ms > queue->reconciled_ms ? now_ms - queue->reconciled_ms : 0;
    if (elapsed_ms >= period_ms) {
        queue->reconciled_ms = now_ms;
        reconcile_locked(pressure, &report);
        elapsed_ms = 0;
    }
    left_ms = period_ms - elapsed_ms;
    pthread_mutex_unlock(&queue->lock);
    for (unsigned i = 0; i != report.count && pressure->config.log != NULL; ++i)
        pressure->config.log(pressure->config.log_ctx, report.lines[i]);
    return left_ms;
}
