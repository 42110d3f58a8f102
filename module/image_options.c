/*
 * Reading a query. Its options are first put into slots, one for each row of the table, so that the last of several counts, and
 * then read in the order of the table: the order in which they were written says nothing. A preset is a query of its own, which is
 * read when it is met, and so before the options beside it.
 */
#include <stdio.h>
#include <string.h>
#include "module/image_options.h"
#include "module/option_sizes.h"
#include "module/option_table.h"

#define NAME_MAX_LEN 31
#define PRESETS_MAX 8 /* in one query, as each can be as long as a query */
#define SHOWN_MAX 64  /* of a value, in an error */

static const struct {
    const char *name, *mime_type;
    uint32_t quality;
} formats[SLUICE_NUM_FORMATS] = {
    [SLUICE_FORMAT_NONE] = {NULL, NULL, 0},
    [SLUICE_FORMAT_JPEG] = {"jpg", "image/jpeg", 80},
    [SLUICE_FORMAT_PNG] = {"png", "image/png", 0},
    [SLUICE_FORMAT_WEBP] = {"webp", "image/webp", 79},
    [SLUICE_FORMAT_GIF] = {"gif", "image/gif", 0},
    [SLUICE_FORMAT_AVIF] = {"avif", "image/avif", 50},
    [SLUICE_FORMAT_TIFF] = {"tiff", "image/tiff", 80},
    [SLUICE_FORMAT_SVG] = {"svg", "image/svg+xml", 0},
    [SLUICE_FORMAT_JSON] = {"json", "application/json", 0},
    [SLUICE_FORMAT_TEXT] = {"text", "text/plain", 0},
};

/* a part of a query */
struct st_span_t {
    const char *base;
    size_t len;
};

struct st_pair_t {
    struct st_span_t name, value;
};

enum en_query_t { QUERY_OF_URL, QUERY_OF_URL_WITH_PRESETS_ONLY, QUERY_OF_PRESET };

struct st_parse_t {
    const sluice_options_rules_t *rules;
    sluice_draft_t draft;
    int num_presets; /* that were met */
    char *error;
};

uint32_t sluice_length_pixels(sluice_length_t length, uint32_t base)
{
    return length.is_share ? (uint32_t)(((uint64_t)length.amount * base + 5000) / 10000) : length.amount;
}

const char *sluice_format_name(sluice_format_t format)
{
    return formats[format].name;
}

const char *sluice_format_mime_type(sluice_format_t format)
{
    return formats[format].mime_type;
}

uint32_t sluice_format_default_quality(sluice_format_t format)
{
    return formats[format].quality;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* decodes text without control characters into dst; what does not fit or is malformed cannot be a name or value that we know */
static int decode(struct st_span_t src, char *dst, size_t dst_len)
{
    size_t n = 0;

    for (size_t i = 0; i != src.len; ++i) {
        int c = (unsigned char)src.base[i];
        if (c == '%') {
            int high, low;
            if (src.len - i < 3 || (high = hex_digit(src.base[i + 1])) < 0 || (low = hex_digit(src.base[i + 2])) < 0)
                return -1;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= dst_len)
            return -1;
        dst[n++] = (char)c;
    }
    dst[n] = '\0';
    return 0;
}

static int is_ascii(const char *text)
{
    for (; *text != '\0'; ++text)
        if ((unsigned char)*text > 0x7e)
            return 0;
    return 1;
}

/* takes the next pair off the query. Returns 0 at its end */
static int next_pair(struct st_span_t *query, struct st_pair_t *pair)
{
    while (query->len != 0 && *query->base == '&')
        ++query->base, --query->len;
    if (query->len == 0)
        return 0;
    const char *amp = memchr(query->base, '&', query->len);
    size_t len = amp != NULL ? (size_t)(amp - query->base) : query->len;
    const char *eq = memchr(query->base, '=', len);
    size_t name_len = eq != NULL ? (size_t)(eq - query->base) : len, value_at = eq != NULL ? name_len + 1 : len;
    *pair = (struct st_pair_t){{query->base, name_len}, {query->base + value_at, len - value_at}};
    query->base += len;
    query->len -= len;
    return 1;
}

/* the sentence is served as JSON: raw bytes of the query must not get into it */
static int plain_prefix(struct st_span_t name)
{
    int n = 0;

    while (n != 8 && (size_t)n != name.len && name.base[n] >= 0x20 && name.base[n] <= 0x7e)
        ++n;
    return n;
}

static int list_names(char *dst, size_t dst_len, const char *(*name_at)(const sluice_options_rules_t *, size_t), size_t count,
                      const sluice_options_rules_t *rules)
{
    size_t n = 0;

    for (size_t i = 0; i != count && n < dst_len; ++i)
        n += (size_t)snprintf(dst + n, dst_len - n, "%s%s", i != 0 ? ", " : "", name_at(rules, i));
    return (int)n;
}

static const char *option_name(const sluice_options_rules_t *rules, size_t i)
{
    (void)rules;
    return sluice_options_table[i].name;
}

static const char *preset_name(const sluice_options_rules_t *rules, size_t i)
{
    return rules->presets[i].name;
}

static int refuse_preset(struct st_parse_t *parse, const char *what)
{
    size_t n = (size_t)snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "%s", what);

    if (parse->rules->num_presets == 0)
        snprintf(parse->error + n, SLUICE_OPTIONS_ERROR_MAX - n, "none is defined here (image.presets)");
    else
        list_names(parse->error + n, SLUICE_OPTIONS_ERROR_MAX - n, preset_name, parse->rules->num_presets, parse->rules);
    return -1;
}

static int refuse_unknown(struct st_parse_t *parse, const char *name)
{
    size_t n;

    if (sluice_option_is_foreign(name))
        n = (size_t)snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "option `%s` of wsrv.nl is not supported; known are ", name);
    else
        n = (size_t)snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "unknown option `%s`; known are ", name);
    n += (size_t)list_names(parse->error + n, SLUICE_OPTIONS_ERROR_MAX - n, option_name, sluice_num_options, parse->rules);
    snprintf(parse->error + n, SLUICE_OPTIONS_ERROR_MAX - n, ". image.strict: OFF ignores unknown ones");
    return -1;
}

static void describe(const sluice_option_t *option, const sluice_options_rules_t *rules, char *dst, size_t dst_len)
{
    if (option->takes != NULL)
        snprintf(dst, dst_len, "%s", option->takes);
    else
        snprintf(dst, dst_len, "pixels from 1 to %u, or percent such as 50%%25", (unsigned)rules->max_side);
}

/* finds the row of a pair. Returns 1, 0 if the pair is to be ignored, or -1 */
static int find_option(struct st_parse_t *parse, const struct st_pair_t *pair, char name[NAME_MAX_LEN + 1],
                       const sluice_option_t **option)
{
    *option = NULL;
    if (decode(pair->name, name, NAME_MAX_LEN + 1) == 0 && is_ascii(name)) {
        if ((*option = sluice_option_find(name)) != NULL)
            return 1;
        return parse->rules->strict ? refuse_unknown(parse, name) : 0;
    }
    if (!parse->rules->strict)
        return 0;
    snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "an option that starts with `%.*s` is too long or not plain text",
             plain_prefix(pair->name), pair->name.base);
    return -1;
}

static int read_pair(struct st_parse_t *parse, const sluice_option_t *option, const struct st_pair_t *pair, sluice_draft_t *draft)
{
    char name[NAME_MAX_LEN + 1] = "", value[SLUICE_FALLBACK_MAX + 2], takes[192];

    decode(pair->name, name, sizeof(name));
    if (decode(pair->value, value, sizeof(value)) != 0) {
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX,
                 "option %s has a value that is too long or not plain text; a %% in it is written %%25", name);
        return -1;
    }
    if (option->read(option, *value == '\0' && option->bare != NULL ? option->bare : value, draft) == 0)
        return 0;
    describe(option, parse->rules, takes, sizeof(takes));
    if (is_ascii(value))
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "option %s is `%.*s`; it takes %s", name, SHOWN_MAX, value, takes);
    else
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "option %s has a value that is not plain text; it takes %s", name, takes);
    return -1;
}

/* a value that another one replaces must be good all the same */
static int fill_slot(struct st_parse_t *parse, struct st_pair_t *slot, const sluice_option_t *option, const struct st_pair_t *pair)
{
    if (slot->name.base != NULL) {
        sluice_draft_t unused = parse->draft;
        if (read_pair(parse, option, slot, &unused) != 0)
            return -1;
    }
    *slot = *pair;
    return 0;
}

static int read_query(struct st_parse_t *parse, struct st_span_t query, enum en_query_t kind);

static int read_preset(struct st_parse_t *parse, const char *name)
{
    char what[SLUICE_OPTIONS_ERROR_MAX];

    for (size_t i = 0; i != parse->rules->num_presets; ++i) {
        const sluice_preset_t *preset = parse->rules->presets + i;
        if (strcmp(name, preset->name) == 0)
            return read_query(parse, (struct st_span_t){preset->query, strlen(preset->query)}, QUERY_OF_PRESET);
    }
    snprintf(what, sizeof(what), "option p is `%.*s`; it takes the name of a preset: ", SHOWN_MAX, name);
    return refuse_preset(parse, what);
}

static int use_preset(struct st_parse_t *parse, const struct st_pair_t *pair, enum en_query_t kind)
{
    char name[SHOWN_MAX + 1];

    if (kind == QUERY_OF_PRESET) {
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "a preset cannot use another one: there is an option p in it");
        return -1;
    }
    if (++parse->num_presets > PRESETS_MAX) {
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX, "option p is there more than %d times", PRESETS_MAX);
        return -1;
    }
    if (decode(pair->value, name, sizeof(name)) != 0 || !is_ascii(name))
        return refuse_preset(parse, "option p has a value that is too long or not plain text; it takes the name of a preset: ");
    return read_preset(parse, name);
}

/* puts an option where it waits for its turn; a preset comes before all of these */
static int take_option(struct st_parse_t *parse, const sluice_option_t *option, const struct st_pair_t *pair,
                       struct st_pair_t *slots, enum en_query_t kind)
{
    if (option == sluice_options_table)
        return use_preset(parse, pair, kind);
    if (kind == QUERY_OF_URL_WITH_PRESETS_ONLY)
        return refuse_preset(parse, "image.presets-only allows no other option than p here, which takes the name of a preset: ");
    return fill_slot(parse, slots + (option - sluice_options_table), option, pair);
}

static int read_query(struct st_parse_t *parse, struct st_span_t query, enum en_query_t kind)
{
    struct st_pair_t slots[SLUICE_OPTIONS_MAX] = {{{NULL, 0}, {NULL, 0}}}, pair;

    while (next_pair(&query, &pair)) {
        char name[NAME_MAX_LEN + 1];
        const sluice_option_t *option;
        int found = find_option(parse, &pair, name, &option);
        if (found == -1 || (found == 1 && take_option(parse, option, &pair, slots, kind) != 0))
            return -1;
    }
    for (size_t i = 0; i != sluice_num_options; ++i)
        if (slots[i].name.base != NULL && read_pair(parse, sluice_options_table + i, slots + i, &parse->draft) != 0)
            return -1;
    return 0;
}

static int finish(struct st_parse_t *parse)
{
    sluice_draft_t *draft = &parse->draft;

    if (!draft->enlargement_given)
        draft->options.without_enlargement = draft->reduced_by_fit_name;
    if (sluice_options_fit_sizes(&draft->options, draft->pixel_ratio, parse->rules) != 0) {
        snprintf(parse->error, SLUICE_OPTIONS_ERROR_MAX,
                 "option w or h is in percent; it takes pixels here, as image.widths lists the sizes that there are");
        return -1;
    }
    sluice_options_canonicalise(&draft->options);
    return 0;
}

int sluice_options_parse(const char *query, size_t len, const sluice_options_rules_t *rules, sluice_options_t *options,
                         sluice_presentation_t *presentation, char error[SLUICE_OPTIONS_ERROR_MAX])
{
    struct st_parse_t parse = {rules, {.options = sluice_default_options, .max_side = rules->max_side}, 0, error};

    if (read_query(&parse, (struct st_span_t){query, len}, rules->presets_only ? QUERY_OF_URL_WITH_PRESETS_ONLY : QUERY_OF_URL) !=
            0 ||
        finish(&parse) != 0)
        return -1;
    *options = parse.draft.options;
    *presentation = parse.draft.presentation;
    return 0;
}
