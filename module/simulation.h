/*
 * simulation.h - pretended memory: for a while, samples say that the process has so many bytes more than it has. The coordinator,
 * the watchdog and all behind them act as if it were so.
 */
#ifndef module__simulation_h
#define module__simulation_h

#include "health/events.h"
#include "pressure/meter.h"

/**
 * written by one thread at a time, read by any
 */
typedef struct st_sluice_simulation_t {
    _Atomic uint64_t bytes, until_ms; /* by sluice_exact_ms(); 0: none */
} sluice_simulation_t;

/**
 * a meter, and what is to be added to what it says
 */
typedef struct st_sluice_simulated_meter_t {
    pressure_meter_t *meter;
    const sluice_simulation_t *simulation;
} sluice_simulated_meter_t;

/**
 * what is pretended now
 */
uint64_t sluice_simulation_bytes(const sluice_simulation_t *simulation, uint64_t now_ms);
/**
 * Whether the time of a simulation has run out since the last call: once for each that ends by itself. Any thread.
 */
int sluice_simulation_expire(sluice_simulation_t *simulation, uint64_t now_ms);
/**
 * publishes its start, or, with 0 bytes, its end
 */
void sluice_simulation_publish(health_events_t *events, uint64_t bytes, uint64_t seconds);
/**
 * a pressure_sample_cb, of a sluice_simulated_meter_t
 */
int sluice_simulation_sample(void *simulated_meter, pressure_sample_t *sample);

#endif
