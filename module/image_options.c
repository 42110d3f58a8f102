#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "module/decimal.h"
#include "module/image_options.h"

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

static const char *const fit_names[SLUICE_NUM_FITS] = {"inside", "outside", "cover", "fill", "contain"};

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

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* decodes into a small buffer; what does not fit or is malformed cannot be a name or value that we know */
static int decode(const char *src, size_t len, char *dst, size_t dst_len)
{
    size_t n = 0;

    for (size_t i = 0; i != len; ++i) {
        int c = (unsigned char)src[i];
        if (c == '%') {
            int high, low;
            if (len - i < 3 || (high = hex_digit(src[i + 1])) < 0 || (low = hex_digit(src[i + 2])) < 0)
                return -1;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c > 0x7e || n + 1 >= dst_len)
            return -1;
        dst[n++] = (char)c;
    }
    dst[n] = '\0';
    return 0;
}

static int parse_uint(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
    uint64_t n = 0;

    if (*text == '\0')
        return -1;
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9')
            return -1;
        if ((n = n * 10 + (uint64_t)(*text - '0')) > max)
            return -1;
    }
    if (n < min)
        return -1;
    *value = (uint32_t)n;
    return 0;
}

static int parse_side(const char *name, const char *value, uint32_t max_side, sluice_length_t *side, char *error)
{
    if (parse_uint(value, 1, max_side, &side->amount) == 0)
        return 0;
    snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "option %s is `%s`; it takes pixels from 1 to %u", name, value, (unsigned)max_side);
    return -1;
}

static int parse_fit(const char *value, sluice_fit_t *fit, char *error)
{
    for (int i = 0; i != SLUICE_NUM_FITS; ++i) {
        if (strcasecmp(value, fit_names[i]) == 0) {
            *fit = (sluice_fit_t)i;
            return 0;
        }
    }
    snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "option fit is `%s`; it takes inside, outside, cover, fill or contain", value);
    return -1;
}

static int parse_output(const char *name, const char *value, sluice_format_t *output, char *error)
{
    if (strcasecmp(value, "jpeg") == 0)
        value = "jpg";
    for (int i = SLUICE_FORMAT_JPEG; i <= SLUICE_FORMAT_AVIF; ++i) {
        if (strcasecmp(value, formats[i].name) == 0) {
            *output = (sluice_format_t)i;
            return 0;
        }
    }
    snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "option %s is `%s`; it takes jpg, png, webp, gif or avif", name, value);
    return -1;
}

static int set_option(sluice_options_t *options, const char *name, const char *value, int strict, uint32_t max_side, char *error)
{
    if (strcmp(name, "w") == 0)
        return parse_side("w", value, max_side, &options->width, error);
    if (strcmp(name, "h") == 0)
        return parse_side("h", value, max_side, &options->height, error);
    if (strcmp(name, "fit") == 0)
        return parse_fit(value, &options->fit, error);
    if (strcmp(name, "output") == 0 || strcmp(name, "fm") == 0)
        return parse_output(name, value, &options->output, error);
    if (strcmp(name, "q") == 0) {
        if (parse_uint(value, 1, 100, &options->quality) == 0)
            return 0;
        snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "option q is `%s`; it takes a quality from 1 to 100", value);
        return -1;
    }
    if (!strict)
        return 0;
    snprintf(error, SLUICE_OPTIONS_ERROR_MAX,
             "unknown option `%s`; known are w, h, fit, q, output (or fm). image.strict: OFF ignores unknown ones", name);
    return -1;
}

/* what cannot make a difference must not make a different key */
void sluice_options_canonicalise(sluice_options_t *options)
{
    int one_side = options->width.amount == 0 || options->height.amount == 0;

    if (one_side && options->fit != SLUICE_FIT_FILL)
        options->fit = SLUICE_FIT_INSIDE;
    if (options->width.amount == 0 && options->height.amount == 0)
        options->fit = SLUICE_FIT_INSIDE;
    if (options->output != SLUICE_FORMAT_NONE) {
        uint32_t quality = formats[options->output].quality;
        if (quality == 0 || quality == options->quality)
            options->quality = 0;
    }
}

static int is_known(const char *name)
{
    static const char *const names[] = {"w", "h", "fit", "q", "output", "fm"};

    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return 0;
}

/* the sentence is served as JSON: raw bytes of the query must not get into it */
static int plain_prefix(const char *name, size_t len)
{
    int n = 0;

    while (n != 8 && (size_t)n != len && name[n] >= 0x20 && name[n] <= 0x7e)
        ++n;
    return n;
}

static int parse_pair(sluice_options_t *options, const char *pair, size_t len, int strict, uint32_t max_side, char *error)
{
    const char *eq = memchr(pair, '=', len);
    size_t name_len = eq != NULL ? (size_t)(eq - pair) : len, value_at = eq != NULL ? name_len + 1 : len;
    char name[32], value[64];

    if (decode(pair, name_len, name, sizeof(name)) != 0) {
        if (!strict)
            return 0;
        snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "an option that starts with `%.*s` is too long or not plain text",
                 plain_prefix(pair, name_len), pair);
        return -1;
    }
    if (decode(pair + value_at, len - value_at, value, sizeof(value)) != 0) {
        if (!strict && !is_known(name))
            return 0;
        snprintf(error, SLUICE_OPTIONS_ERROR_MAX, "option %s has a value that is too long or not plain text", name);
        return -1;
    }
    return set_option(options, name, value, strict, max_side, error);
}

int sluice_options_parse(const char *query, size_t len, const sluice_options_rules_t *rules, sluice_options_t *options,
                         sluice_presentation_t *presentation, char error[SLUICE_OPTIONS_ERROR_MAX])
{
    *options = (sluice_options_t){0};
    *presentation = (sluice_presentation_t){0};
    for (size_t at = 0; at < len;) {
        const char *amp = memchr(query + at, '&', len - at);
        size_t pair_len = amp != NULL ? (size_t)(amp - query) - at : len - at;
        if (pair_len != 0 && parse_pair(options, query + at, pair_len, rules->strict, rules->max_side, error) != 0)
            return -1;
        at += pair_len + 1;
    }
    sluice_options_canonicalise(options);
    return 0;
}

static size_t put_number(char *dst, const char *name, uint32_t value)
{
    size_t len = sluice_put_text(dst, name);

    return len + sluice_put_decimal(dst + len, value);
}

size_t sluice_options_text(const sluice_options_t *options, char text[SLUICE_OPTIONS_TEXT_MAX])
{
    size_t n = 0;

    if (options->width.amount != 0)
        n += put_number(text + n, "&w=", options->width.amount);
    if (options->height.amount != 0)
        n += put_number(text + n, "&h=", options->height.amount);
    if (options->fit != SLUICE_FIT_INSIDE) {
        n += sluice_put_text(text + n, "&fit=");
        n += sluice_put_text(text + n, fit_names[options->fit]);
    }
    if (options->quality != 0)
        n += put_number(text + n, "&q=", options->quality);
    if (options->output != SLUICE_FORMAT_NONE) {
        n += sluice_put_text(text + n, "&output=");
        n += sluice_put_text(text + n, formats[options->output].name);
    }
    text[n] = '\0';
    return n;
}
