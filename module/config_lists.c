#include <stdlib.h>
#include <string.h>
#include "module/config_lists.h"

static int take_words(h2o_configurator_command_t *cmd, yoml_t *const *entries, size_t count, int (*is_good)(const char *word),
                      const char *form, char **list)
{
    for (size_t i = 0; i != count; ++i) {
        const char *word = entries[i]->type == YOML_TYPE_SCALAR ? entries[i]->data.scalar : NULL;
        if (word == NULL)
            h2o_configurator_errprintf(cmd, entries[i], "an entry is no word; %s takes %s", cmd->name, form);
        else if (is_good != NULL && !is_good(word))
            h2o_configurator_errprintf(cmd, entries[i], "`%.200s` is no value for %s, which takes %s", word, cmd->name, form);
        else if ((list[i] = strdup(word)) == NULL)
            h2o_configurator_errprintf(cmd, entries[i], "out of memory");
        else
            continue;
        return -1;
    }
    return 0;
}

char **sluice_config_strings(h2o_configurator_command_t *cmd, yoml_t *node, int (*is_good)(const char *word), const char *form)
{
    int is_list = node->type == YOML_TYPE_SEQUENCE;
    yoml_t *const *entries = is_list ? node->data.sequence.elements : &node;
    size_t count = is_list ? node->data.sequence.size : 1;
    char **list = calloc(count + 1, sizeof(*list));

    if (list == NULL) {
        h2o_configurator_errprintf(cmd, node, "out of memory");
    } else if (take_words(cmd, entries, count, is_good, form, list) != 0) {
        sluice_strings_free(list);
        list = NULL;
    }
    return list;
}

char **sluice_strings_copy(const char *const *list)
{
    size_t count = 0;

    while (list[count] != NULL)
        ++count;
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i != count; ++i) {
        if ((copy[i] = strdup(list[i])) == NULL) {
            sluice_strings_free(copy);
            return NULL;
        }
    }
    return copy;
}

void sluice_strings_free(char **list)
{
    for (char **entry = list; entry != NULL && *entry != NULL; ++entry)
        free(*entry);
    free(list);
}
