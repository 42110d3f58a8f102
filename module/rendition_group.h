/*
 * rendition_group.h - renditions of one source that are under way together, so that it is decoded once for all of them.
 *
 * One of a group leads: it asks for memory, waits in line, and runs. The others ride with it: they have no place in the queue, hold
 * no source and cost nothing, until the leader's run begins, which makes them too. Whoever is planned while a leader of its source
 * waits rides with it.
 *
 *   expect (to the planners) --> arrive (planned) --> leads --------------------------> take: the run begins, or it ends without
 * one |      +--> held, while others are expected --^
 *                                     +--> rides --> in the leader's list at its take
 *                                                +-> leave: its client has gone
 *
 * A leader is held for as long as renditions of its source (or of one with the same hash in SLUICE_GROUP_BUCKETS) are being
 * planned, which is a millisecond, so that those that waited for one download find each other.
 *
 * Only renditions of the same path of the configuration and of the same bytes are put together. Any thread; one mutex, held for a
 * few instructions.
 */
#ifndef module__rendition_group_h
#define module__rendition_group_h

#include "module/rendition_job.h"

#define SLUICE_GROUP_BUCKETS 64

/**
 * NULL when memory is out
 */
sluice_groups_t *sluice_groups_create(void);
/**
 * NULL inside is allowed; nothing may be under way any more
 */
void sluice_groups_destroy(sluice_groups_t **groups);

/**
 * one that has not led or ridden, or not any more, is about to be planned
 */
void sluice_group_expect(sluice_rendition_t *job);
/**
 * it has been planned.
 * @param joins whether it may be one of a group; then it belongs to the group, or is among those returned
 * @return leaders, linked by group.next, that are to ask for memory now; they belong to the caller
 */
sluice_rendition_t *sluice_group_arrive(sluice_rendition_t *job, int joins);
/**
 * Returns 1: it was held, or riding, and belongs to the caller; or 0: it has no group, or leads one.
 */
int sluice_group_leave(sluice_rendition_t *job);
/**
 * the end of a group: its riders, in the order in which they came, linked by group.next; they belong to the caller. NULL: it leads
 * none.
 */
sluice_rendition_t *sluice_group_take(sluice_rendition_t *job);

#endif
