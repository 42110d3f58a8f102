#include "module/clock.h"
#include "module/simulation.h"

uint64_t sluice_simulation_bytes(const sluice_simulation_t *simulation, uint64_t now_ms)
{
    return now_ms < atomic_load(&simulation->until_ms) ? atomic_load(&simulation->bytes) : 0;
}

int sluice_simulation_sample(void *_simulated_meter, pressure_sample_t *sample)
{
    const sluice_simulated_meter_t *simulated = _simulated_meter;
    int result = pressure_meter_sample(simulated->meter, sample);
    uint64_t more_bytes = sluice_simulation_bytes(simulated->simulation, sluice_exact_ms());

    sample->resident_bytes += more_bytes;
    if (sample->group_limit_bytes != 0)
        sample->group_bytes += more_bytes;
    return result;
}
