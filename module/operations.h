/*
 * operations.h - what Sluice does with the registry of health/operations.h: deadlines, errors, and the observer's check.
 *
 * What has a limit of its own in the settings is ended by that, and gets OVERTIME_MS more here: only if it outlives its limit is it
 * stale. A download is stale when nothing has come for health.stale-after, whatever image.origin-timeout allows for the whole.
 */
#ifndef module__operations_h
#define module__operations_h

#include "module/observer.h"

#define SLUICE_OPERATIONS_MAX 2048
#define SLUICE_OPERATION_OVERTIME_MS 1000

/**
 * deadline of what has a limit of its own
 */
static inline uint64_t sluice_operation_overtime(uint64_t limit_ms)
{
    return limit_ms + SLUICE_OPERATION_OVERTIME_MS;
}

/**
 * deadline of what may be silent for health.stale-after from now on
 */
static inline uint64_t sluice_operation_silence(const sluice_t *sluice)
{
    return sluice_now_ms() + sluice->settings.operation_stale_ms;
}

static inline int sluice_operation_goes_on(const health_operation_t *operation)
{
    return health_operation_order(operation) == HEALTH_OPERATION_GO_ON;
}

/**
 * what an operation that was cancelled ends with: the error of the order that it got, or else SLUICE_ERROR_CANCELLED
 * @param when_stale the error if its time was over
 */
sluice_error_t sluice_operation_error(const health_operation_t *operation, sluice_error_t when_stale);
void sluice_operation_end(sluice_t *sluice, health_operation_t *operation);
/**
 * the body of GET /api/memory/operations: api_operations.c. NULL: memory is out
 * @param with_targets whether to name what each is about, which is for the administrator alone
 */
json_t *sluice_api_operations_json(sluice_t *sluice, int with_targets);
/**
 * part of the observer
 */
void sluice_operations_observe(sluice_t *sluice, const sluice_observation_t *observation);

#endif
