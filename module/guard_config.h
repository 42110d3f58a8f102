/*
 * guard_config.h - the values of image.allow-addresses and image.allow-origins. While the configuration is read only.
 */
#ifndef module__guard_config_h
#define module__guard_config_h

#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>
#include "module/origin_guard.h"

/**
 * These return the list, which is the first of *lists from now on, or NULL when the value is wrong, which has been said.
 */
sluice_networks_t *sluice_config_networks(h2o_configurator_command_t *cmd, yoml_t *node, sluice_networks_t **lists);
sluice_urls_t *sluice_config_base_urls(h2o_configurator_command_t *cmd, yoml_t *node, sluice_urls_t **lists);

#endif
