#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/option_lists.h"
#include "module/option_values.h"

#define WIDTH_MAX 65535 /* as of image.max-side */

int sluice_option_lists_add_width(sluice_option_lists_t *lists, const char *text, char *error, size_t error_len)
{
    size_t at = lists->num_widths;
    int64_t width;

    if (sluice_read_whole(text, &width) != 0 || width < 1 || width > WIDTH_MAX) {
        snprintf(error, error_len, "`%.64s` is no width; they are whole numbers from 1 to %d", text, WIDTH_MAX);
        return -1;
    }
    if (lists->num_widths == SLUICE_WIDTHS_MAX) {
        snprintf(error, error_len, "there can be %d widths, no more", SLUICE_WIDTHS_MAX);
        return -1;
    }
    while (at != 0 && lists->widths[at - 1] > width)
        --at;
    if (at != 0 && lists->widths[at - 1] == width)
        return 0;
    memmove(lists->widths + at + 1, lists->widths + at, (lists->num_widths - at) * sizeof(lists->widths[0]));
    lists->widths[at] = (uint32_t)width;
    ++lists->num_widths;
    return 0;
}

static int is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(name);

    return len != 0 && len <= SLUICE_PRESET_NAME_MAX && strspn(name, allowed) == len;
}

static int read_preset(const sluice_options_rules_t *rules, const sluice_preset_t *preset, char *error, size_t error_len)
{
    sluice_options_rules_t alone = *rules;
    char query[sizeof("p=") + SLUICE_PRESET_NAME_MAX], detail[SLUICE_OPTIONS_ERROR_MAX];
    sluice_options_t options;
    sluice_presentation_t presentation;
    int len = snprintf(query, sizeof(query), "p=%s", preset->name);

    alone.presets = preset;
    alone.num_presets = 1;
    if (sluice_options_parse(query, (size_t)len, &alone, &options, &presentation, detail) == 0)
        return 0;
    snprintf(error, error_len, "preset %s: %s", preset->name, detail);
    return -1;
}

static const char *find_fault(const sluice_option_lists_t *lists, const char *name, const char *query)
{
    if (!is_name(name))
        return "the name of a preset has 1 to 64 letters, digits, -, _ and .";
    if (strlen(query) > SLUICE_PRESET_QUERY_MAX)
        return "the options have more than 1024 bytes";
    for (size_t i = 0; i != lists->num_presets; ++i)
        if (strcmp(lists->presets[i].name, name) == 0)
            return "it is there twice";
    return lists->num_presets == SLUICE_PRESETS_MAX ? "there can be 256 presets, no more" : NULL;
}

int sluice_option_lists_add_preset(sluice_option_lists_t *lists, const char *name, const char *query, char *error, size_t error_len)
{
    const sluice_options_rules_t any_size = {.strict = 1, .max_side = WIDTH_MAX};
    const char *fault = find_fault(lists, name, query);
    const sluice_preset_t preset = {name, query};
    char *name_copy, *query_copy;

    if (fault != NULL) {
        snprintf(error, error_len, "preset %.64s: %s", name, fault);
        return -1;
    }
    if (read_preset(&any_size, &preset, error, error_len) != 0)
        return -1;
    name_copy = strdup(name);
    query_copy = strdup(query);
    if (name_copy == NULL || query_copy == NULL) {
        free(name_copy);
        free(query_copy);
        snprintf(error, error_len, "out of memory");
        return -1;
    }
    lists->presets[lists->num_presets++] = (sluice_preset_t){name_copy, query_copy};
    return 0;
}

void sluice_option_lists_destroy(sluice_option_lists_t **lists)
{
    while (*lists != NULL) {
        sluice_option_lists_t *next = (*lists)->next;
        for (size_t i = 0; i != (*lists)->num_presets; ++i) {
            free((void *)(uintptr_t)(*lists)->presets[i].name);
            free((void *)(uintptr_t)(*lists)->presets[i].query);
        }
        free(*lists);
        *lists = next;
    }
}

int sluice_options_rules_check(const sluice_options_rules_t *rules, char *error, size_t error_len)
{
    for (size_t i = 0; i != rules->num_presets; ++i)
        if (read_preset(rules, rules->presets + i, error, error_len) != 0)
            return -1;
    return 0;
}
