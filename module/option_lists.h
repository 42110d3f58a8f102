/*
 * option_lists.h - lists of widths and presets, from the words of the configuration. Made while that is read, fixed from then on.
 * Pure.
 */
#ifndef module__option_lists_h
#define module__option_lists_h

#include "module/image_options.h"

#define SLUICE_WIDTHS_MAX 64
#define SLUICE_PRESETS_MAX 256
#define SLUICE_PRESET_NAME_MAX 64
#define SLUICE_PRESET_QUERY_MAX 1024

/**
 * image.widths and image.presets of one place of the configuration. Whoever made it keeps it in a chain, and frees that at the end.
 */
typedef struct st_sluice_option_lists_t {
    struct st_sluice_option_lists_t *next;
    uint32_t widths[SLUICE_WIDTHS_MAX]; /* ascending, each once */
    size_t num_widths;
    sluice_preset_t presets[SLUICE_PRESETS_MAX]; /* the texts are its own */
    size_t num_presets;
} sluice_option_lists_t;

/**
 * adds a width. Returns 0, or -1 with a sentence in `error` that names the bounds
 */
int sluice_option_lists_add_width(sluice_option_lists_t *lists, const char *text, char *error, size_t error_len);
/**
 * adds a preset, copying both texts, if its query is good by the strictest rules but any size. Returns 0, or -1 with a sentence in
 * `error`
 */
int sluice_option_lists_add_preset(sluice_option_lists_t *lists, const char *name, const char *query, char *error,
                                   size_t error_len);
/**
 * frees the chain; NULL is fine
 */
void sluice_option_lists_destroy(sluice_option_lists_t **lists);
/**
 * reads all presets by these rules. Returns 0, or -1 with a sentence in `error` on the first that is not good
 */
int sluice_options_rules_check(const sluice_options_rules_t *rules, char *error, size_t error_len);

#endif
