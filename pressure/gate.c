#include "pressure/gate.h"
#include "pressure/level.h"

static int nothing_helps(const pressure_gate_facts_t *facts)
{
    uint64_t evictable_bytes = facts->evictable_bytes < facts->reading_bytes ? facts->evictable_bytes : facts->reading_bytes;

    return facts->ineffective || facts->reading_bytes - evictable_bytes >= facts->leave_bytes;
}

static int has_headroom(const pressure_tuning_t *tuning, const pressure_gate_facts_t *facts)
{
    if (facts->group_limit_bytes != 0)
        return facts->group_bytes <
               pressure_mark_bytes(facts->group_limit_bytes, 1000 - (unsigned)tuning->release_headroom_permille);
    return facts->reading_bytes < pressure_mark_bytes(facts->budget_bytes, (unsigned)tuning->release_ceiling_permille);
}

static int may_release(const pressure_tuning_t *tuning, const pressure_gate_facts_t *facts)
{
    return facts->level >= PRESSURE_CRITICAL && nothing_helps(facts) && has_headroom(tuning, facts) &&
           facts->accounted_bytes < pressure_mark_bytes(facts->budget_bytes, (unsigned)tuning->release_accounted_permille);
}

void pressure_gate_step(const pressure_tuning_t *tuning, pressure_gate_t *gate, const pressure_gate_facts_t *facts, uint64_t now_ms)
{
    uint64_t rise_bytes = pressure_mark_bytes(facts->budget_bytes, (unsigned)tuning->release_rise_permille);

    if (!may_release(tuning, facts)) {
        *gate = (pressure_gate_t){0};
        return;
    }
    int rose = facts->reading_bytes > gate->tide_bytes && facts->reading_bytes - gate->tide_bytes >= rise_bytes;
    if (!gate->waiting || rose || now_ms < gate->since_ms) {
        int stays = gate->released && !rose; /* only the clock was set back */
        *gate = (pressure_gate_t){
            .waiting = 1, .released = stays, .since_ms = now_ms, .tide_bytes = stays ? gate->tide_bytes : facts->reading_bytes};
    }
    if (now_ms - gate->since_ms >= tuning->release_after_ms)
        gate->released = 1;
}

pressure_level_t pressure_gate_level(const pressure_gate_t *gate, pressure_level_t level)
{
    return gate->released && level >= PRESSURE_CRITICAL ? PRESSURE_HIGH : level;
}
