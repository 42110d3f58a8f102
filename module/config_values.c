#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "module/config_values.h"

struct st_suffix_t {
    const char *name;
    double factor;
};

/* from the largest down: values are written in the first that divides them */
static const struct st_suffix_t byte_suffixes[] = {{"TiB", 1099511627776.0},
                                                   {"TB", 1e12},
                                                   {"GiB", 1073741824.0},
                                                   {"GB", 1e9},
                                                   {"MiB", 1048576.0},
                                                   {"MB", 1e6},
                                                   {"KiB", 1024.0},
                                                   {"KB", 1e3},
                                                   {"B", 1},
                                                   {"", 1},
                                                   {NULL, 0}};
static const struct st_suffix_t time_suffixes[] = {{"d", 86400e3}, {"h", 3600e3}, {"m", 60e3}, {"s", 1e3},
                                                   {"ms", 1},      {"", 1e3},     {NULL, 0}};
static const struct st_suffix_t ratio_suffixes[] = {{"%", 10}, {"", 1000}, {NULL, 0}};
static const struct st_suffix_t no_suffixes[] = {{"", 1}, {NULL, 0}};

/* a decimal number without sign, exponent, hexadecimal or locale, as strtod would take them */
static int parse_number(const char *text, double *number, const char **rest)
{
    double value = 0, place = 0.1;
    const char *p = text;

    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; ++p)
        value = value * 10 + (*p - '0');
    if (*p == '.') {
        if (*++p < '0' || *p > '9')
            return -1;
        for (; *p >= '0' && *p <= '9'; ++p, place /= 10)
            value += (*p - '0') * place;
    }
    *number = value;
    *rest = p;
    return 0;
}

static int scale(double number, const char *suffix, const struct st_suffix_t *suffixes, uint64_t *value)
{
    for (; suffixes->name != NULL; ++suffixes) {
        if (strcasecmp(suffix, suffixes->name) == 0) {
            double scaled = nearbyint(number * suffixes->factor);
            if (scaled >= 9007199254740992.0) /* beyond 2^53 a double is no longer exact */
                return -1;
            *value = (uint64_t)scaled;
            return 0;
        }
    }
    return -1;
}

static int parse_switch(const char *text, uint64_t *value)
{
    if (strcasecmp(text, "ON") == 0)
        *value = 1;
    else if (strcasecmp(text, "OFF") == 0)
        *value = 0;
    else
        return -1;
    return 0;
}

int sluice_parse_value(sluice_unit_t unit, const char *text, uint64_t *value)
{
    double number;
    const char *suffix;

    if (unit == SLUICE_UNIT_SWITCH)
        return parse_switch(text, value);
    if (parse_number(text, &number, &suffix) != 0)
        return -1;
    while (*suffix == ' ')
        ++suffix;
    switch (unit) {
    case SLUICE_UNIT_BYTES:
        return scale(number, suffix, byte_suffixes, value);
    case SLUICE_UNIT_MS:
        return scale(number, suffix, time_suffixes, value);
    case SLUICE_UNIT_PERMILLE:
        if (*suffix == '\0' && number > 1)
            suffix = "%";
        return scale(number, suffix, ratio_suffixes, value);
    default:
        if (number != floor(number))
            return -1;
        return scale(number, suffix, no_suffixes, value);
    }
}

static void format_scaled(uint64_t value, const struct st_suffix_t *suffixes, char *buf, size_t buf_len)
{
    for (; suffixes->name != NULL; ++suffixes) {
        uint64_t factor = (uint64_t)suffixes->factor;
        if (suffixes->name[0] != '\0' && value >= factor && value % factor == 0) {
            snprintf(buf, buf_len, "%" PRIu64 "%s", value / factor, suffixes->name);
            return;
        }
    }
    snprintf(buf, buf_len, "%" PRIu64, value);
}

void sluice_format_value(sluice_unit_t unit, uint64_t value, char *buf, size_t buf_len)
{
    switch (unit) {
    case SLUICE_UNIT_BYTES:
        format_scaled(value, byte_suffixes, buf, buf_len);
        break;
    case SLUICE_UNIT_MS:
        format_scaled(value, time_suffixes, buf, buf_len);
        break;
    case SLUICE_UNIT_PERMILLE:
        if (value % 10 == 0)
            snprintf(buf, buf_len, "%" PRIu64 "%%", value / 10);
        else
            snprintf(buf, buf_len, "%" PRIu64 ".%" PRIu64 "%%", value / 10, value % 10);
        break;
    case SLUICE_UNIT_SWITCH:
        snprintf(buf, buf_len, "%s", value ? "ON" : "OFF");
        break;
    default:
        snprintf(buf, buf_len, "%" PRIu64, value);
        break;
    }
}

const char *sluice_describe_unit(sluice_unit_t unit)
{
    switch (unit) {
    case SLUICE_UNIT_BYTES:
        return "a size such as 512MiB or 512MB";
    case SLUICE_UNIT_MS:
        return "a time such as 30s or 250ms";
    case SLUICE_UNIT_PERMILLE:
        return "a ratio such as 80%";
    case SLUICE_UNIT_SWITCH:
        return "ON or OFF";
    default:
        return "a whole number";
    }
}
