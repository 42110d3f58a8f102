/*
 * pressure_events.h - publishes what the coordinator and the watchdog tell of (pressure/notice.h) as events:
 *
 *   level      {from, to, direction, ratio, resident_bytes}
 *   reclaim    {level, claimed_bytes, objects, purged_bytes, resident_before_bytes, resident_after_bytes, duration_ms, poor,
 * unfinished} condition  {name, active, level, ratio, resident_bytes, blind_ms?}   name: failed-sample, blind, ineffective,
 * unreclaimable watchdog   {action, active?, level, ratio, resident_bytes}           action: hangs, not-told, flushed
 */
#ifndef module__pressure_events_h
#define module__pressure_events_h

#include "pressure/notice.h"

/**
 * for pressure_config_t and pressure_watchdog_config_t
 * @param events a health_events_t
 */
void sluice_pressure_publish(void *events, const pressure_notice_t *notice);

#endif
