/*
 * start_pressure.h - the coordinator and its watchdog as the settings want them, with what they are given: meters, pressure stall
 * triggers, the caches as listeners, the heap's purge, a log, and the ring of events.
 */
#ifndef module__start_pressure_h
#define module__start_pressure_h

#include "module/sluice.h"

/**
 * the part of the coordinator's configuration that settings decide; the budget is 0 when it is `auto`
 */
void sluice_fill_pressure_config(const sluice_settings_t *settings, pressure_config_t *config);
/**
 * starts both threads: the caches, the ring of events and the budget are there. Ends the process when they cannot be had.
 */
void sluice_start_pressure(sluice_t *sluice);
/**
 * ends both threads: nobody asks for room any more; the caches and the ring are still there
 */
void sluice_stop_pressure(sluice_t *sluice);

#endif
