/*
 * config.h - the directives of Sluice in h2o.conf.
 */
#ifndef module__config_h
#define module__config_h

#include <h2o.h>
#include "module/sluice.h"

/**
 * registers the directives with h2o; the configurator owns `sluice` from now on. Path settings are inherited global -> host ->
 * path.
 */
void sluice_config_register(h2o_globalconf_t *globalconf, sluice_t *sluice);
/**
 * applies the environment variables to the defaults. Returns 0, or -1 with a line on stderr that names the variable and its bounds.
 */
int sluice_config_apply_environment(sluice_t *sluice);

#endif
