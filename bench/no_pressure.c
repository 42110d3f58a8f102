/*
 * Sluice without its pressure coordinator, to see what that costs: no thread, no front filter, every reservation is granted, the
 * level is always normal.
 *
 * The linker puts __wrap_X() in place of each X() that other files call (--wrap; the Makefile takes the names from this file). What
 * is not here, such as the check of the configuration, stays as it is. A new function of a running coordinator is left out by
 * adding its __wrap_ here; bench/pressure.py names those that pressure/ has and this file has not.
 */
#include <stdlib.h>
#include "module/handlers.h"
#include "pressure/pressure_private.h"

#define WRAP(result, function, ...)                                                                                                \
    result __wrap_##function(__VA_ARGS__);                                                                                         \
    result __wrap_##function(__VA_ARGS__)

WRAP(void, sluice_front_filter_create, h2o_pathconf_t *pathconf, sluice_t *sluice)
{
    (void)pathconf;
    (void)sluice;
}

WRAP(pressure_t *, pressure_create, const pressure_config_t *config)
{
    pressure_t *pressure = aligned_alloc(alignof(pressure_t), sizeof(*pressure));

    if (pressure != NULL) {
        *pressure = (pressure_t){.config = *config};
        pressure->record.budget_bytes = config->budget_bytes;
    }
    return pressure;
}

WRAP(void, pressure_destroy, pressure_t **pressure)
{
    free(*pressure);
    *pressure = NULL;
}

WRAP(int, pressure_start, pressure_t *pressure)
{
    (void)pressure;
    return 0;
}

/* or it would take the place of the coordinator that does not step */
WRAP(int, pressure_watchdog_start, pressure_watchdog_t *watchdog)
{
    (void)watchdog;
    return 0;
}

WRAP(uint64_t, pressure_step, pressure_t *pressure)
{
    (void)pressure;
    return 1000;
}

WRAP(void, pressure_kick, pressure_t *pressure)
{
    (void)pressure;
}

WRAP(void, pressure_want_room, pressure_t *pressure, uint64_t bytes)
{
    (void)pressure, (void)bytes;
}

WRAP(int, pressure_register, pressure_t *pressure, const pressure_listener_t *listener, pressure_registration_t **registration)
{
    (void)pressure;
    (void)listener;
    *registration = NULL;
    return 0;
}

WRAP(void, pressure_unregister, pressure_t *pressure, pressure_registration_t **registration)
{
    (void)pressure;
    *registration = NULL;
}

WRAP(int, pressure_reserve, pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes)
{
    (void)pressure;
    (void)resource_class;
    (void)bytes;
    return PRESSURE_OK;
}

WRAP(int, pressure_resize, pressure_t *pressure, pressure_class_t resource_class, uint64_t old_bytes, uint64_t new_bytes)
{
    (void)pressure;
    (void)resource_class;
    (void)old_bytes;
    (void)new_bytes;
    return PRESSURE_OK;
}

WRAP(void, pressure_release, pressure_t *pressure, pressure_class_t resource_class, uint64_t bytes)
{
    (void)pressure;
    (void)resource_class;
    (void)bytes;
}

WRAP(void, pressure_get_snapshot, pressure_t *pressure, pressure_snapshot_t *snapshot)
{
    *snapshot = pressure->record;
}

WRAP(uint64_t, pressure_largest_bytes, pressure_t *pressure)
{
    (void)pressure;
    return UINT64_MAX;
}

WRAP(size_t, pressure_get_listener_records, pressure_t *pressure, pressure_listener_record_t *records, size_t max)
{
    (void)pressure, (void)records, (void)max;
    return 0;
}

WRAP(void, pressure_add_route, pressure_t *pressure, pressure_route_t *route)
{
    (void)pressure, (void)route;
}

WRAP(int, pressure_operation_start, pressure_t *pressure, pressure_operation_t *operation)
{
    (void)pressure, (void)operation;
    return PRESSURE_OK;
}

WRAP(int, pressure_operation_cancel, pressure_t *pressure, pressure_operation_t *operation)
{
    (void)pressure, (void)operation;
    return 0;
}

WRAP(int, pressure_operation_grow, pressure_t *pressure, pressure_operation_t *operation, uint64_t bytes)
{
    (void)pressure;
    (void)operation;
    (void)bytes;
    return PRESSURE_OK;
}

WRAP(void, pressure_operation_end, pressure_t *pressure, pressure_operation_t *operation)
{
    (void)pressure, (void)operation;
}

WRAP(void, pressure_close_queue, pressure_t *pressure)
{
    (void)pressure;
}

WRAP(void, pressure_get_queue_snapshot, pressure_t *pressure, pressure_queue_snapshot_t *snapshot)
{
    (void)pressure;
    *snapshot = (pressure_queue_snapshot_t){.waiting = 0};
}
