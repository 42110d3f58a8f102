/*
 * transform_meter.h - measures the memory that a transform takes, beside its estimate, for the metrics and for a warning.
 *
 * No allocator or codec says what one of several threads has taken. The resident set does, of a transform that is alone from begin
 * to end; only those are counted (see memory_ratio.h). It is looked at while pixels flow and when they are encoded, at 1
 * microsecond a look. What is missed: pages that were free in the heap before, and what an encoder allocates and frees within one
 * call. So what is counted is never more than what was taken.
 */
#ifndef module__transform_meter_h
#define module__transform_meter_h

#include "module/memory_ratio.h"
#include "module/sluice.h"
#include "module/transform.h"

typedef struct st_sluice_transform_meter_t {
    sluice_company_t at_begin;
    uint64_t before_bytes, peak_bytes;
    int statm_fd;
    int failed; /* a look */
} sluice_transform_meter_t;

/**
 * around a transform, on its thread; counts it as begun and ended
 */
void sluice_transform_meter_begin(sluice_t *sluice, sluice_transform_meter_t *meter);
void sluice_transform_meter_look(sluice_transform_meter_t *meter);
/**
 * @param plan of a transform that went well, or NULL
 */
void sluice_transform_meter_end(sluice_t *sluice, sluice_transform_meter_t *meter, const sluice_plan_t *plan);

#endif
