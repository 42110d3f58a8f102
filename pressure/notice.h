/*
 * notice.h - what the coordinator and the watchdog tell the program of, in numbers: the same as their lines for the operator, for
 * those who show it or count it. Told on the thread of the one or the other, as it happens, with no lock held.
 */
#ifndef pressure__notice_h
#define pressure__notice_h

#include "pressure/pressure.h"

typedef enum en_pressure_notice_kind_t {
    PRESSURE_NOTICE_LEVEL,         /* the level that pressure_level() returns went from `from` to `level` */
    PRESSURE_NOTICE_RECLAIM,       /* listeners released something, or the heap was purged; see `reclaim` */
    PRESSURE_NOTICE_FAILED_SAMPLE, /* the memory in use cannot be read, `resident_bytes` is assumed */
    PRESSURE_NOTICE_BLIND,         /* ... for blind_ms already, and `level` is taken for granted */
    PRESSURE_NOTICE_INEFFECTIVE,   /* see backoff.h */
    PRESSURE_NOTICE_UNRECLAIMABLE, /* see gate.h */
    PRESSURE_NOTICE_HANGS,         /* of the watchdog: the coordinator does not step, its level stands in */
    PRESSURE_NOTICE_NOT_TOLD,      /* of the watchdog: it steps, but has not told of `level`, which stands in */
    PRESSURE_NOTICE_FLUSHED        /* of the watchdog: every cache was */
} pressure_notice_kind_t;

typedef struct st_pressure_notice_t {
    pressure_notice_kind_t kind;
    int is_over;                  /* of what lasts, all but the first two and the last: it does no longer */
    pressure_level_t from, level; /* from: of LEVEL alone */
    uint64_t reading_bytes;       /* what the level goes by; of the last good sample */
    uint64_t resident_bytes, budget_bytes;
    uint64_t blind_ms;                 /* of BLIND */
    const pressure_reclaim_t *reclaim; /* of RECLAIM, during the call */
    int is_poor;                       /* of RECLAIM: too little had left the resident set */
} pressure_notice_t;

#endif
