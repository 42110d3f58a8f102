/*
 * reclaim.h - what the caches give when memory is short: their listeners at the coordinator.
 *
 *              elevated                             high      critical     emergency
 *   image      down to image-cache.elevated-size    -         everything   everything
 *   metadata   image-cache.metadata-elevated-drop   -         -            everything
 *
 * A wish for room takes just that from the image cache. Work that a later event of the same generation does anyway is left to it.
 */
#ifndef module__reclaim_h
#define module__reclaim_h

#include "module/sluice.h"

typedef struct st_sluice_reclaim_t sluice_reclaim_t;

/**
 * registers both caches. Returns NULL when memory is out. The caches and the coordinator must outlive it.
 */
sluice_reclaim_t *sluice_reclaim_create(sluice_t *sluice);
void sluice_reclaim_destroy(sluice_reclaim_t **reclaim);

#endif
