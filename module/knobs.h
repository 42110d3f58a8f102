/*
 * knobs.h - every setting of Sluice is one row of one table: directive, environment variable, unit, bounds, default, help.
 *
 * The configurator (config.c), the environment, the reference in h2o.conf and the table in the README all come from these rows.
 */
#ifndef module__knobs_h
#define module__knobs_h

#include <stddef.h>
#include <stdint.h>
#include "module/config_values.h"
#include "pressure/tuning.h"

/**
 * settings of the process
 */
typedef struct st_sluice_settings_t {
    uint64_t budget_bytes; /* 0: auto */
    uint64_t elevated_permille, degraded_permille, high_permille, critical_permille, emergency_permille;
    uint64_t watchdog_period_ms, watchdog_deadline_ms;
    uint64_t down_gap_permille, dwell_ms, dwell_critical_ms, retry_after_ms, max_retry_after_ms;
    uint64_t max_waiting_bytes, source_permille, reconcile_period_ms; /* max_waiting_bytes 0: auto */
    pressure_tuning_t tuning;
    uint64_t purge_min_permille, purge_pause_ms;
    uint64_t elevated_size_permille, room_kept_permille,
        metadata_drop_permille; /* what `elevated` leaves of the one cache, and takes of the other */
    uint64_t cache_capacity_bytes, max_object_bytes, metadata_capacity_bytes;
    uint64_t max_entries, rendition_max_age_ms, source_max_age_ms, negative_max_age_ms, metadata_max_age_ms; /* 0: no limit */
    uint64_t svg;
    uint64_t workers, max_queue, queue_timeout_ms, transform_timeout_ms; /* workers 0: one per core */
    uint64_t max_fetches;
    uint64_t simulate;
    uint64_t leak_window_ms, leak_warm_up_ms, leak_min_growth_bytes, leak_likely_points;
    uint64_t operation_stale_ms, drain_timeout_ms;
    uint64_t slow_request_ms; /* 0: none is slow */
} sluice_settings_t;

/**
 * settings of a path, inherited global -> host -> path
 */
typedef struct st_sluice_path_settings_t {
    uint64_t ttl_ms, ttl_override, negative_ttl_ms, error_ttl_ms;
    uint64_t stale_while_revalidate_ms, stale_if_error_ms, keep_ms;
    uint64_t origin_timeout_ms, connect_timeout_ms, max_redirects;
    uint64_t request_timeout_ms;
    uint64_t max_pixels, max_side, max_pages;
    uint64_t strict, presets_only;
} sluice_path_settings_t;

/**
 * settings of a host or a path that hold for all that is in it, beside those of the other level: nothing is inherited
 */
typedef struct st_sluice_route_settings_t {
    uint64_t quota_bytes;    /* 0: none */
    uint64_t max_concurrent; /* 0: any number */
} sluice_route_settings_t;

typedef enum en_sluice_scope_t { SLUICE_SCOPE_PROCESS, SLUICE_SCOPE_PATH, SLUICE_SCOPE_ROUTE, SLUICE_NUM_SCOPES } sluice_scope_t;

typedef struct st_sluice_knob_t {
    const char *name; /* of the directive */
    sluice_scope_t scope;
    size_t offset; /* of the uint64_t in the struct of the scope */
    sluice_unit_t unit;
    uint64_t min, max, def;
    const char *env; /* environment variable that overrides the default, or NULL */
    const char *help;
    const char *word; /* a word that stands for the value 0 ("auto"), or NULL */
} sluice_knob_t;

extern const sluice_knob_t sluice_knobs[];
extern const size_t sluice_num_knobs;

/**
 * fills a struct with the defaults of all rows of its scope
 */
void sluice_knobs_default(sluice_scope_t scope, void *settings);
const sluice_knob_t *sluice_knob_find(const char *name);
/**
 * parses and checks a value, and stores it. Returns 0, or -1 with a sentence in `error` that names the setting, the value, the
 * form and the bounds; 256 bytes hold the longest.
 */
int sluice_knob_set(const sluice_knob_t *knob, void *settings, const char *text, char *error, size_t error_len);
/**
 * the value in the form in which it can be written in h2o.conf
 */
void sluice_knob_format(const sluice_knob_t *knob, uint64_t value, char *buf, size_t buf_len);

#endif
