#include <stdlib.h>
#include "module/guard_config.h"
#include "module/config_lists.h"
#include "module/origin_url.h"

static size_t count_words(char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        ++count;
    return count;
}

static int is_network(const char *word)
{
    sluice_network_t network;

    return sluice_network_parse(word, &network) == 0;
}

sluice_networks_t *sluice_config_networks(h2o_configurator_command_t *cmd, yoml_t *node, sluice_networks_t **lists)
{
    char **words = sluice_config_strings(cmd, node, is_network,
                                         "IP addresses and networks, in which the bits behind the prefix are 0, such as "
                                         "[\"10.0.0.0/8\", \"fd00::/8\", \"127.0.0.1\"]");
    sluice_networks_t *list;

    if (words == NULL)
        return NULL;
    size_t count = count_words(words);
    if ((list = malloc(sizeof(*list) + count * sizeof(list->entries[0]))) == NULL) {
        h2o_configurator_errprintf(cmd, node, "out of memory");
    } else {
        list->count = count;
        for (size_t i = 0; i != count; ++i)
            sluice_network_parse(words[i], list->entries + i);
        list->next = *lists;
        *lists = list;
    }
    sluice_strings_free(words);
    return list;
}

sluice_urls_t *sluice_config_base_urls(h2o_configurator_command_t *cmd, yoml_t *node, sluice_urls_t **lists)
{
    char **words = sluice_config_strings(cmd, node, NULL, "base URLs such as [\"https://cdn.example.com/pictures/\"]");
    const char *fault = "out of memory";
    sluice_urls_t *list;

    if (words == NULL)
        return NULL;
    size_t count = count_words(words), i = 0;
    if ((list = calloc(1, sizeof(*list) + count * sizeof(list->entries[0]))) != NULL) {
        list->count = count;
        while (i != count && (fault = sluice_base_url_read(words[i], list->entries + i)) == NULL)
            ++i;
    }
    if (list == NULL || i != count) {
        h2o_configurator_errprintf(cmd, node,
                                   "`%.200s` is no value for %s, which takes base URLs such as "
                                   "[\"https://cdn.example.com/pictures/\"]: %s",
                                   list != NULL ? words[i] : "", cmd->name, fault);
        sluice_urls_free(&list);
    } else {
        list->next = *lists;
        *lists = list;
    }
    sluice_strings_free(words);
    return list;
}
