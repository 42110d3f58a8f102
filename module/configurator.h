/*
 * configurator.h - what the directives of Sluice write to, for config.c and config_inherited.c. While the configuration is read
 * only.
 */
#ifndef module__configurator_h
#define module__configurator_h

#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>
#include "module/sluice.h"

/**
 * what holds for a level: global, host or path
 */
typedef struct st_sluice_config_vars_t {
    sluice_path_settings_t settings;
    sluice_options_rules_t option_rules; /* only lists are in it before the path is left */
    sluice_quota_t *quota;               /* the innermost */
    const sluice_sign_keys_t *sign_keys; /* the innermost, or NULL */
    sluice_route_settings_t route_settings;
    pressure_route_t *route;                  /* of the host; NULL at the global level */
    const sluice_networks_t *allow_addresses; /* NULL: not set */
    const sluice_urls_t *allow_origins;
    sluice_origin_t *origin; /* of this path; gets its settings when the path is left */
    char fallback[SLUICE_FALLBACK_MAX + 1];
} sluice_config_vars_t;

typedef struct st_sluice_configurator_t {
    h2o_configurator_t super;
    sluice_t *sluice;
    size_t num_quotas;
    yoml_t *alerts_node; /* of health.alerts, NULL: it is not there; read when the rest is */
    h2o_configurator_command_t *alerts_cmd;
    sluice_config_vars_t *vars, stack[H2O_CONFIGURATOR_NUM_LEVELS + 1]; /* vars: of the level that is being read */
} sluice_configurator_t;

/**
 * the folder of the file that a value stands in, to which relative paths are relative; to be freed. NULL when memory is out
 */
char *sluice_config_folder(const yoml_t *node);
/**
 * the directives of paths that are no plain value: lists, keys, the path of a picture. They may stand on any level, and replace
 * what the level above says
 */
void sluice_config_define_inherited(sluice_configurator_t *self);
/**
 * health.report-dir
 */
void sluice_config_define_report(sluice_configurator_t *self);

#endif
