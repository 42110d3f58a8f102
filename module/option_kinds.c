#include <string.h>
#include <strings.h>
#include "module/decimal.h"
#include "module/option_kinds.h"
#include "module/option_values.h"
#include "module/source_path.h"

#define SIDE_SHARE_MAX 80000 /* ten-thousandths: a pixel ratio of 8 is in it */
#define SHARE_MAX 10000
#define MIN_AGE_S 86400
#define MAX_AGE_S (365 * 86400)

static void *field_of(const sluice_option_t *option, sluice_draft_t *draft)
{
    return (char *)draft + option->offset;
}

static void store(const sluice_option_t *option, sluice_draft_t *draft, int32_t value)
{
    memcpy(field_of(option, draft), &value, sizeof(value));
}

static int32_t load(const sluice_option_t *option, const sluice_options_t *options)
{
    int32_t value;

    memcpy(&value, (const char *)options + option->offset, sizeof(value));
    return value;
}

static int is_within(const sluice_option_t *option, int64_t value, int64_t unit)
{
    return (value >= option->min * unit && value <= option->max * unit) || (option->or_zero && value == 0);
}

static int read_whole(const sluice_option_t *option, const char *value, sluice_draft_t *draft)
{
    int64_t n;

    if (sluice_read_whole(value, &n) != 0 || !is_within(option, n, 1))
        return -1;
    store(option, draft, (int32_t)n + option->bias);
    return 0;
}

static int read_decimal(const sluice_option_t *option, const char *value, sluice_draft_t *draft)
{
    const int64_t half = SLUICE_MICRO / 2;
    int64_t micro, scaled;

    if (sluice_read_decimal(value, &micro) != 0 || !is_within(option, micro, SLUICE_MICRO / 1000))
        return -1;
    scaled = micro * option->unit;
    store(option, draft, (int32_t)((scaled + (scaled < 0 ? -half : half)) / SLUICE_MICRO) + option->bias);
    return 0;
}

SLUICE_READER(number)
{
    return option->unit == 1 ? read_whole(option, value, draft) : read_decimal(option, value, draft);
}

SLUICE_WRITER(number)
{
    return sluice_write_decimal(dst, (int64_t)load(option, options) - option->bias, (uint32_t)option->unit);
}

SLUICE_READER(degrees)
{
    int32_t degrees;

    if (read_whole(option, value, draft) != 0)
        return -1;
    degrees = load(option, &draft->options) % 360;
    store(option, draft, degrees < 0 ? degrees + 360 : degrees);
    return 0;
}

SLUICE_READER(count)
{
    int64_t n;

    return sluice_read_whole(value, &n) == 0 && n != 0 ? read_whole(option, value, draft) : -1;
}

static int read_length(const sluice_option_t *option, const char *value, sluice_draft_t *draft, uint32_t max, uint32_t share_max)
{
    sluice_length_t length;

    if (sluice_read_length(value, &length) != 0 || length.amount < option->min ||
        length.amount > (length.is_share ? share_max : max))
        return -1;
    if (length.amount == 0)
        length.is_share = 0;
    memcpy(field_of(option, draft), &length, sizeof(length));
    return 0;
}

SLUICE_READER(side)
{
    return read_length(option, value, draft, draft->max_side, SIDE_SHARE_MAX);
}

SLUICE_READER(length)
{
    return read_length(option, value, draft, (uint32_t)option->max, SHARE_MAX);
}

SLUICE_WRITER(length)
{
    sluice_length_t length;

    memcpy(&length, (const char *)options + option->offset, sizeof(length));
    return sluice_write_length(dst, length);
}

SLUICE_READER(flag)
{
    int on;

    if (sluice_read_flag(value, &on) != 0)
        return -1;
    store(option, draft, on);
    return 0;
}

SLUICE_READER(enlargement)
{
    draft->enlargement_given = 1;
    return sluice_read_option_flag(option, value, draft);
}

SLUICE_WRITER(flag)
{
    (void)option, (void)options;
    return sluice_put_text(dst, "1");
}

SLUICE_READER(color)
{
    sluice_color_t color;

    if (sluice_read_color(value, &color) != 0)
        return -1;
    memcpy(field_of(option, draft), &color, sizeof(color));
    return 0;
}

SLUICE_WRITER(color)
{
    sluice_color_t color;

    memcpy(&color, (const char *)options + option->offset, sizeof(color));
    return sluice_write_color(dst, color);
}

SLUICE_READER(word)
{
    for (const sluice_option_word_t *entry = option->words; entry->word != NULL; ++entry) {
        if (strcasecmp(value, entry->word) == 0) {
            store(option, draft, entry->value);
            return 0;
        }
    }
    return -1;
}

SLUICE_WRITER(word)
{
    const sluice_option_word_t *entry = option->words;
    int32_t value = load(option, options);

    while (entry->value != value)
        ++entry;
    return sluice_put_text(dst, entry->word);
}

SLUICE_READER(fit)
{
    draft->reduced_by_fit_name = strcasecmp(value, "fit") == 0 || strcasecmp(value, "squaredown") == 0;
    return sluice_read_option_word(option, value, draft);
}

/* whole percent, with the sign or without, to ten-thousandths. Returns what follows, or NULL */
static const char *read_percent(const char *text, uint32_t *value)
{
    uint32_t n = 0;
    const char *digits = text;

    for (; *text >= '0' && *text <= '9' && n <= 100; ++text)
        n = n * 10 + (uint32_t)(*text - '0');
    if (text == digits || n > 100)
        return NULL;
    *value = n * 100;
    return text + (*text == '%');
}

/* "x-y" or "x"; y is in the middle then */
static int read_focal_point(const char *text, sluice_options_t *options)
{
    options->focal_y = sluice_default_options.focal_y;
    if ((text = read_percent(text, &options->focal_x)) != NULL && *text == '-')
        text = read_percent(text + 1, &options->focal_y);
    return text != NULL && *text == '\0' ? 0 : -1;
}

SLUICE_READER(align)
{
    static const char *const prefixes[] = {"focal-", "crop-"};

    for (size_t i = 0; i != sizeof(prefixes) / sizeof(prefixes[0]); ++i) {
        size_t len = strlen(prefixes[i]);
        if (strncasecmp(value, prefixes[i], len) == 0) {
            draft->options.align = SLUICE_ALIGN_FOCAL;
            return read_focal_point(value + len, &draft->options);
        }
    }
    return sluice_read_option_word(option, value, draft);
}

SLUICE_READER(effect)
{
    const int is_bare = strcasecmp(value, "true") == 0;
    sluice_option_t sigma = *option;

    sigma.offset += sizeof(int);
    if (is_bare)
        store(&sigma, draft, 0);
    else if (read_decimal(&sigma, value, draft) != 0)
        return -1;
    store(option, draft, is_bare || load(&sigma, &draft->options) != 0);
    return 0;
}

SLUICE_WRITER(effect)
{
    sluice_option_t sigma = *option;

    sigma.offset += sizeof(int);
    return load(&sigma, options) != 0 ? sluice_write_option_number(&sigma, options, dst) : sluice_put_text(dst, "true");
}

/* gives the comma-separated parts of a value to the options of these names, the last of which may be missing; `own` reads the part
 * that has the name of the list itself */
static int read_parts(const sluice_option_t *option, const char *value, sluice_draft_t *draft, const char *const *names,
                      size_t num_names, size_t min, int (*own)(const sluice_option_t *, const char *, sluice_draft_t *))
{
    char part[32];
    size_t i = 0;

    for (; i != num_names; ++i) {
        const sluice_option_t *of_part = sluice_option_find(names[i]);
        size_t len = strcspn(value, ",");
        if (len == 0 || len >= sizeof(part))
            return -1;
        memcpy(part, value, len);
        part[len] = '\0';
        if ((of_part == option ? own : of_part->read)(of_part, part, draft) != 0)
            return -1;
        value += len;
        if (*value == '\0')
            return i + 1 >= min ? 0 : -1;
        ++value;
    }
    return -1;
}

SLUICE_READER(sharpen)
{
    static const char *const names[] = {"sharpf", "sharpj", "sharp"};

    if (strchr(value, ',') == NULL)
        return sluice_read_option_effect(option, value, draft);
    return read_parts(option, value, draft, names, 3, 3, sluice_read_option_effect);
}

SLUICE_READER(modulate)
{
    static const char *const names[] = {"mod", "sat", "hue"};

    return read_parts(option, value, draft, names, 3, 1, sluice_read_option_number);
}

SLUICE_READER(crop)
{
    static const char *const names[] = {"cw", "ch", "cx", "cy"};

    return read_parts(option, value, draft, names, 4, 4, NULL);
}

SLUICE_READER(age)
{
    uint32_t seconds;

    if (sluice_read_age(value, &seconds) != 0 || seconds < MIN_AGE_S || seconds > MAX_AGE_S)
        return -1;
    store(option, draft, (int32_t)seconds);
    return 0;
}

SLUICE_READER(filename)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(value);

    if (len == 0 || len > SLUICE_FILENAME_MAX || strspn(value, allowed) != len)
        return -1;
    memcpy(field_of(option, draft), value, len + 1);
    return 0;
}

SLUICE_READER(fallback)
{
    value += *value == '/';
    size_t len = strlen(value);
    if (len > SLUICE_FALLBACK_MAX || !sluice_source_path_ok(value, len))
        return -1;
    memcpy(field_of(option, draft), value, len + 1);
    return 0;
}

SLUICE_READER(preset)
{
    (void)option, (void)value, (void)draft;
    return -1;
}
