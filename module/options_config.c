#include <stdlib.h>
#include "module/config_lists.h"
#include "module/option_lists.h"
#include "module/options_config.h"

#define ERROR_MAX (SLUICE_OPTIONS_ERROR_MAX + 128)

static int read_widths(sluice_option_lists_t *lists, h2o_configurator_command_t *cmd, yoml_t *node)
{
    char **words = sluice_config_strings(cmd, node, NULL, "whole numbers such as [320, 640, 960]"), error[ERROR_MAX];
    int ret = words != NULL ? 0 : -1;

    for (char **word = words; ret == 0 && *word != NULL; ++word)
        if ((ret = sluice_option_lists_add_width(lists, *word, error, sizeof(error))) != 0)
            h2o_configurator_errprintf(cmd, node, "%s", error);
    sluice_strings_free(words);
    return ret;
}

static int read_preset(sluice_option_lists_t *lists, h2o_configurator_command_t *cmd, const yoml_t *name, yoml_t *query)
{
    char error[ERROR_MAX] = "takes names and options, such as thumb: \"w=300&h=300&fit=cover\"";

    if (name->type == YOML_TYPE_SCALAR && query->type == YOML_TYPE_SCALAR &&
        sluice_option_lists_add_preset(lists, name->data.scalar, query->data.scalar, error, sizeof(error)) == 0)
        return 0;
    h2o_configurator_errprintf(cmd, query, "%s", error);
    return -1;
}

static int read_presets(sluice_option_lists_t *lists, h2o_configurator_command_t *cmd, yoml_t *node)
{
    for (size_t i = 0; i != node->data.mapping.size; ++i)
        if (read_preset(lists, cmd, node->data.mapping.elements[i].key, node->data.mapping.elements[i].value) != 0)
            return -1;
    return 0;
}

int sluice_config_option_list(sluice_t *sluice, h2o_configurator_command_t *cmd, yoml_t *node, sluice_options_rules_t *rules)
{
    sluice_option_lists_t *lists = calloc(1, sizeof(*lists));

    if (lists == NULL) {
        h2o_configurator_errprintf(cmd, node, "out of memory");
        return -1;
    }
    lists->next = sluice->option_lists;
    sluice->option_lists = lists;
    if ((node->type == YOML_TYPE_MAPPING ? read_presets : read_widths)(lists, cmd, node) != 0)
        return -1;
    if (node->type == YOML_TYPE_MAPPING) {
        rules->presets = lists->presets;
        rules->num_presets = lists->num_presets;
    } else {
        rules->widths = lists->widths;
        rules->num_widths = lists->num_widths;
    }
    return 0;
}

int sluice_config_complete_rules(const sluice_path_settings_t *settings, yoml_t *node, sluice_options_rules_t *rules)
{
    char error[ERROR_MAX];

    rules->strict = (int)settings->strict;
    rules->max_side = (uint32_t)settings->max_side;
    rules->presets_only = (int)settings->presets_only;
    if (sluice_options_rules_check(rules, error, sizeof(error)) == 0)
        return 0;
    h2o_configurator_errprintf(NULL, node, "image.presets: %s", error);
    return -1;
}
