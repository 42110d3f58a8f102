/*
 * rendition_job.h - what the rendition*.c share. Nothing else includes it.
 *
 * Whoever calls one of these functions owns the job. One that takes the job a step further (marked so) may end it before it
 * returns, on this thread or another: whoever looks at the job afterwards holds a reference of its own.
 */
#ifndef module__rendition_job_h
#define module__rendition_job_h

#include <stddef.h>
#include <stdlib.h>
#include "module/operations.h"
#include "module/rendition.h"
#include "module/source.h"
#include "module/transform_meter.h"

typedef struct st_sluice_rendition_t {
    sluice_task_t task;
    pressure_operation_t operation;
    icache_waiter_t source_waiter;
    sluice_t *sluice;
    const sluice_origin_t *origin;
    sluice_options_t options;
    icache_flight_t *flight;
    icache_object_t *old, *source; /* source: NULL while it is not held */
    int holds;                     /* the source counts in the share of sources */
    int fetched_again;
    uint64_t source_hash[2];
    uint64_t made_of[2]; /* what the old one was made of */
    sluice_plan_t plan;
    sluice_transform_meter_t meter;
    health_operation_t registered;
    int planned;
    int asked; /* the origin, by whoever led the source's flight */
    int store;
    uint32_t origin_status; /* 0: it was not asked, or did not answer */
    uint64_t need_bytes;    /* with an error: what would not fit, else 0 */
    uint64_t epoch, queued_us, run_us, deadline_ms;
    _Atomic int cancelled, refs;
    struct { /* rendition_group.c's */
        enum { SLUICE_GROUP_NONE, SLUICE_GROUP_HELD, SLUICE_GROUP_LEADS, SLUICE_GROUP_RIDES } state;
        struct st_sluice_rendition_t *next, *next_leader, *leader, *riders;
        size_t num_riders;
    } group;
    icache_key_t key;
    size_t source_key_len, path_len;
    char text[]; /* key of the rendition, key of the source, path below the origin; each is NUL-terminated */
} sluice_rendition_t;

#define SLUICE_RENDITION_OF(member, field) ((sluice_rendition_t *)(void *)((char *)(member)-offsetof(sluice_rendition_t, field)))

static inline const char *sluice_rendition_source_key(const sluice_rendition_t *job)
{
    return job->text + job->key.len + 1;
}

static inline const char *sluice_rendition_path(const sluice_rendition_t *job)
{
    return sluice_rendition_source_key(job) + job->source_key_len + 1;
}

static inline void sluice_rendition_ref(sluice_rendition_t *job)
{
    atomic_fetch_add(&job->refs, 1);
}

static inline void sluice_rendition_unref(sluice_rendition_t *job)
{
    if (atomic_fetch_sub(&job->refs, 1) == 1)
        free(job);
}

/* --- rendition.c --- */

/**
 * ends the flight, and the job
 * @param object the rendition, of which a reference is consumed, or NULL
 */
void sluice_rendition_finish(sluice_rendition_t *job, icache_object_t *object, sluice_failure_t failure);
/**
 * to the planners, now that there is a source. A step further.
 */
void sluice_rendition_plan(sluice_rendition_t *job);

/**
 * notes the state that it is in
 * @param limit_ms until when it may be; 0: for health.stale-after
 */
static inline void sluice_rendition_enter(sluice_rendition_t *job, health_operation_state_t state, uint64_t limit_ms)
{
    health_operation_enter(&job->registered, state, sluice_now_ms(),
                           limit_ms != 0 ? sluice_operation_overtime(limit_ms) : sluice_operation_silence(job->sluice));
}

int sluice_rendition_is_wanted(const sluice_rendition_t *job);
/**
 * finishes with what came of it, and remembers what is wrong with the picture. Its source has to be there, unless the error is none
 * of the picture's.
 */
void sluice_rendition_end_run(sluice_rendition_t *job, icache_object_t *object, sluice_error_t error);

/**
 * does not lead any more, as it will not run now: those that ride with it are planned anew
 */
void sluice_rendition_leave_riders(sluice_rendition_t *job);

/* --- rendition_make.c --- */

/**
 * task of the workers, for a rendition whose operation is granted. Ends the job, and those that ride with it.
 */
void sluice_rendition_make(sluice_task_t *task);
/**
 * the old rendition is right for as long as this source is, whose reference is consumed. Ends the job.
 */
void sluice_rendition_renew(sluice_rendition_t *job, icache_object_t *source);

/* --- rendition_source.c --- */

/**
 * before the first of the others, and before anybody may detach the waiter
 */
void sluice_rendition_init_source(sluice_rendition_t *job);
/**
 * looks the source up, or has the origin asked for it. A step further.
 * @param made_of hash of the bytes that an answer without a body will do for, or NULL
 */
void sluice_rendition_get_source(sluice_rendition_t *job, const uint64_t *made_of);
/**
 * makes sure that job->source is there; returns 0 if it has been evicted, or replaced by another one
 */
int sluice_rendition_recover_source(sluice_rendition_t *job);
/**
 * for one that could not be recovered, which happens once. A step further.
 */
void sluice_rendition_get_source_again(sluice_rendition_t *job);
/**
 * the source does not count in the share of sources any more; the reference to it stays
 */
void sluice_rendition_stop_holding(sluice_rendition_t *job);

#endif
