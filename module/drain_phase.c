#include "module/drain_phase.h"

#define NUM_STARTS (SLUICE_DRAIN_OVER + 1)

static void find_starts(uint64_t timeout_ms, uint64_t starts[NUM_STARTS])
{
    starts[SLUICE_DRAIN_NONE] = starts[SLUICE_DRAIN_BEGUN] = 0;
    starts[SLUICE_DRAIN_REFUSING] = timeout_ms / 2;
    starts[SLUICE_DRAIN_ANSWERED] = timeout_ms;
    starts[SLUICE_DRAIN_CUTTING_OFF] = timeout_ms + SLUICE_DRAIN_STEP_MS;
    starts[SLUICE_DRAIN_OVER] = timeout_ms + 2 * SLUICE_DRAIN_STEP_MS;
}

sluice_drain_phase_t sluice_drain_phase(uint64_t elapsed_ms, uint64_t timeout_ms)
{
    uint64_t starts[NUM_STARTS];
    int phase = SLUICE_DRAIN_OVER;

    find_starts(timeout_ms, starts);
    while (elapsed_ms < starts[phase])
        --phase;
    return (sluice_drain_phase_t)phase;
}

uint64_t sluice_drain_next_ms(uint64_t elapsed_ms, uint64_t timeout_ms)
{
    sluice_drain_phase_t phase = sluice_drain_phase(elapsed_ms, timeout_ms);
    uint64_t starts[NUM_STARTS];

    find_starts(timeout_ms, starts);
    return phase != SLUICE_DRAIN_OVER ? starts[phase + 1] - elapsed_ms : 0;
}
