#include "pressure/refill.h"
#include "pressure/level.h"

static void begin_period(pressure_refill_t *refill, const pressure_refill_facts_t *facts, uint64_t now_ms)
{
    refill->since_ms = now_ms;
    refill->reading_bytes = facts->reading_bytes;
}

static void limit_to_used(pressure_refill_t *refill, const pressure_refill_facts_t *facts, uint64_t step_bytes)
{
    uint64_t limit_bytes = facts->used_bytes > step_bytes ? facts->used_bytes : step_bytes;

    if (!refill->limited || limit_bytes < refill->limit_bytes)
        refill->limit_bytes = limit_bytes;
    refill->limited = 1;
}

static void give_back(const pressure_tuning_t *tuning, pressure_refill_t *refill, const pressure_refill_facts_t *facts,
                      uint64_t step_bytes)
{
    uint64_t rise_bytes = pressure_mark_bytes(facts->budget_bytes, (unsigned)tuning->refill_rise_permille);

    if (facts->reading_bytes > refill->reading_bytes && facts->reading_bytes - refill->reading_bytes > rise_bytes)
        return;
    refill->limit_bytes = refill->limit_bytes + step_bytes >= step_bytes ? refill->limit_bytes + step_bytes : UINT64_MAX;
}

uint64_t pressure_refill_step(const pressure_tuning_t *tuning, pressure_refill_t *refill, const pressure_refill_facts_t *facts,
                              uint64_t now_ms)
{
    uint64_t step_bytes = pressure_mark_bytes(facts->capacity_bytes, (unsigned)tuning->refill_step_permille);

    if (facts->shrunk)
        limit_to_used(refill, facts, step_bytes);
    if (!refill->limited)
        return facts->capacity_bytes;
    if (facts->shrunk || facts->level != PRESSURE_NORMAL || now_ms < refill->since_ms) {
        begin_period(refill, facts, now_ms);
    } else if (now_ms - refill->since_ms >= tuning->refill_period_ms) {
        give_back(tuning, refill, facts, step_bytes);
        begin_period(refill, facts, now_ms);
    }
    if (refill->limit_bytes >= facts->capacity_bytes)
        *refill = (pressure_refill_t){0};
    return refill->limited ? refill->limit_bytes : facts->capacity_bytes;
}
