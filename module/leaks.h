/*
 * leaks.h - has the observer's numbers judged by pressure/leak.h, keeps what came of it, and tells when the verdict changes: in the
 * log, as an event, in the health verdict.
 *
 * Two locks. `work` is held while samples are judged, up to a millisecond; only the observer and the clerk take it. `shown` is held
 * for a copy of the last view, and is all that requests wait for; who has `work` may take it, not the other way round.
 */
#ifndef module__leaks_h
#define module__leaks_h

#include "pressure/leak.h"
#include "module/observer.h"

#define SLUICE_LEAKS_NUM_CHANGES 32
#define SLUICE_LEAKS_SUSPECTED_BELOW 20 /* points below those of `likely` */

typedef struct st_sluice_leaks_t sluice_leaks_t;

/**
 * a verdict, from when on, and what it went by
 */
typedef struct st_sluice_leaks_change_t {
    int64_t at; /* seconds since 1970 */
    pressure_leak_verdict_t from, to;
    unsigned confidence;
    double bytes_per_hour;
    uint64_t floor_bytes;
} sluice_leaks_change_t;

typedef struct st_sluice_leaks_view_t {
    pressure_leak_report_t report;
    pressure_leak_config_t config;
    size_t num_changes; /* the oldest first */
    sluice_leaks_change_t changes[SLUICE_LEAKS_NUM_CHANGES];
} sluice_leaks_view_t;

/**
 * configured as the settings say; NULL when memory is out
 */
sluice_leaks_t *sluice_leaks_create(const sluice_settings_t *settings);
/**
 * sets the pointer to NULL, which it may be. The observer and the clerk must have ended.
 */
void sluice_leaks_destroy(sluice_leaks_t **leaks);
/**
 * the part of the observer
 */
void sluice_leaks_observe(sluice_t *sluice, const sluice_observation_t *observation);

/**
 * any thread
 */
void sluice_leaks_view(sluice_leaks_t *leaks, sluice_leaks_view_t *view);
/**
 * the body of GET /api/memory/leaks: api_leaks.c. NULL: memory is out
 */
json_t *sluice_api_leaks_json(const sluice_leaks_view_t *view);
void sluice_leaks_fill_snapshot(sluice_leaks_t *leaks, health_leak_t *out);
/**
 * from a settings' threshold to the detector's two
 */
void sluice_leaks_set_points(pressure_leak_config_t *config, uint64_t likely_points);

/* --- for the clerk: these judge, or wait for the observer to have judged */

/**
 * takes a sample now, and judges all spans
 */
void sluice_leaks_check(sluice_t *sluice, sluice_leaks_view_t *view);
/**
 * takes effect at once; windows of another length begin anew
 */
void sluice_leaks_configure(sluice_t *sluice, const pressure_leak_config_t *config, sluice_leaks_view_t *view);
/**
 * forgets all samples and changes; the verdict is `warming-up`, and nothing is told of that
 */
void sluice_leaks_clear(sluice_t *sluice, sluice_leaks_view_t *view);

#endif
