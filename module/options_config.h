/*
 * options_config.h - the directives that say which options there are: image.widths, image.presets. While the configuration is read
 * only.
 */
#ifndef module__options_config_h
#define module__options_config_h

#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>
#include "module/sluice.h"

/**
 * image.widths or image.presets, in place of what the rules had from the level above. Returns 0, or -1 after having said what is
 * wrong, with its line
 */
int sluice_config_option_list(sluice_t *sluice, h2o_configurator_command_t *cmd, yoml_t *node, sluice_options_rules_t *rules);
/**
 * the rules of a path, all of whose directives have been read: puts in the settings, and checks the presets by what has become of
 * it
 * @param node where the path stands
 */
int sluice_config_complete_rules(const sluice_path_settings_t *settings, yoml_t *node, sluice_options_rules_t *rules);

#endif
