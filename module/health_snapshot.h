/*
 * health_snapshot.h - gathers the numbers of all parts for health/. Reads counters and short-held locks only, so it answers at
 * every pressure level; a few tens of microseconds.
 */
#ifndef module__health_snapshot_h
#define module__health_snapshot_h

#include "health/health.h"
#include "module/sluice.h"

/**
 * fills in a snapshot, which is to be disposed of
 */
void sluice_health_snapshot(sluice_t *sluice, health_snapshot_t *snapshot);
void sluice_health_snapshot_dispose(health_snapshot_t *snapshot);

#endif
