/*
 * config_values.h - the values that directives and environment variables take: sizes, times, ratios, counts, switches.
 *
 * Pure functions on text. All parsers return 0, or -1 when the text is not of the form (nothing is written then).
 */
#ifndef module__config_values_h
#define module__config_values_h

#include <stddef.h>
#include <stdint.h>

typedef enum en_sluice_unit_t {
    SLUICE_UNIT_BYTES,    /* 512MB, 512MiB, 1.5GB, 1048576 */
    SLUICE_UNIT_MS,       /* 250ms, 30s, 5m, 1h, 7d; a bare number is seconds, as in h2o's own directives */
    SLUICE_UNIT_PERMILLE, /* 80%, 0.8; bare numbers above 1 are percent */
    SLUICE_UNIT_COUNT,    /* 12 */
    SLUICE_UNIT_SWITCH    /* ON, OFF */
} sluice_unit_t;

int sluice_parse_value(sluice_unit_t unit, const char *text, uint64_t *value);
/**
 * writes the value in the largest unit that shows it exactly; always NUL-terminated
 */
void sluice_format_value(sluice_unit_t unit, uint64_t value, char *buf, size_t buf_len);
/**
 * "a size such as 512MB or 512MiB" and the like, for error messages
 */
const char *sluice_describe_unit(sluice_unit_t unit);

#endif
