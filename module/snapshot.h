/*
 * snapshot.h - the report and a profile of the heap, written to files: by order of an administrator, or at SIGUSR2.
 */
#ifndef module__snapshot_h
#define module__snapshot_h

#include <stddef.h>
#include "module/stats.h"
#include "module/worker_pool.h"

#define SLUICE_SNAPSHOT_PATH_MAX 1024
#define SLUICE_SNAPSHOT_ERROR_MAX 600

struct st_sluice_t;
struct st_sluice_observation_t;

/**
 * what the signal needs; part of sluice_t
 */
typedef struct st_sluice_snapshots_t {
    sluice_counter_t num_signals;
    uint64_t num_seen; /* of these; the observer's */
    sluice_task_t task;
    _Atomic int is_queued; /* the task is with the clerk */
} sluice_snapshots_t;

typedef struct st_sluice_snapshot_files_t {
    char report[SLUICE_SNAPSHOT_PATH_MAX], heap[SLUICE_SNAPSHOT_PATH_MAX];
} sluice_snapshot_files_t;

/**
 * writes both files. For the clerk's thread: it blocks.
 * @return 0, or -1 with a sentence in `error` (SLUICE_SNAPSHOT_ERROR_MAX bytes) that names what to change
 */
int sluice_snapshot_write(struct st_sluice_t *sluice, sluice_snapshot_files_t *files, char *error);
/**
 * has SIGUSR2 counted from now on, which would end the process otherwise: early, while the configuration is read
 */
void sluice_snapshot_listen(struct st_sluice_t *sluice);
/**
 * says on stderr if the folder cannot be written to, by the user that serves
 */
void sluice_snapshot_start(const struct st_sluice_t *sluice);
/**
 * the observer's part: after a signal, leaves the writing to the clerk
 */
void sluice_snapshot_observe(struct st_sluice_t *sluice, const struct st_sluice_observation_t *observation);

#endif
