#include "health/json.h"
#include "module/clock.h"
#include "module/simulation.h"

uint64_t sluice_simulation_bytes(const sluice_simulation_t *simulation, uint64_t now_ms)
{
    return now_ms < atomic_load(&simulation->until_ms) ? atomic_load(&simulation->bytes) : 0;
}

int sluice_simulation_expire(sluice_simulation_t *simulation, uint64_t now_ms)
{
    uint64_t until_ms = atomic_load(&simulation->until_ms);

    return until_ms != 0 && now_ms >= until_ms && atomic_compare_exchange_strong(&simulation->until_ms, &until_ms, 0);
}

void sluice_simulation_publish(health_events_t *events, uint64_t bytes, uint64_t seconds)
{
    json_t *event = json_object();

    health_json_add(&event, "bytes", health_json_integer(bytes));
    health_json_add(&event, "seconds", health_json_integer(seconds));
    health_json_add(&event, "active", json_boolean(bytes != 0));
    health_events_publish(events, "simulation", sluice_wall_ms(), event);
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
