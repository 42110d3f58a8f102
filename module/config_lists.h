/*
 * config_lists.h - directives whose value is a word or a list of words. While the configuration is read only.
 */
#ifndef module__config_lists_h
#define module__config_lists_h

#include "module/yoml.h"
#include <h2o.h>
#include <h2o/configurator.h>

/**
 * the words of a scalar, or of a sequence of scalars (which may be empty), in a NULL-terminated list that the caller frees with
 * sluice_strings_free(). NULL: the configuration is wrong or memory is out, which has been said, with the line of the entry.
 * @param is_good what every word must meet; NULL: all will do
 * @param form what the directive takes, for the error: "`word` is no value for image.x, which takes FORM". The word is shown: for
 *   secrets, pass NULL as is_good and judge them yourself
 */
char **sluice_config_strings(h2o_configurator_command_t *cmd, yoml_t *node, int (*is_good)(const char *word), const char *form);
/**
 * a copy of such a list, or NULL when memory is out
 */
char **sluice_strings_copy(const char *const *list);
void sluice_strings_free(char **list);

#endif
