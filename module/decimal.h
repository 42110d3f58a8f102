/*
 * decimal.h - text and whole numbers put behind one another by hand, where printf would be most of the work.
 */
#ifndef module__decimal_h
#define module__decimal_h

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLUICE_DECIMAL_MAX 20 /* digits of the largest number */

/**
 * writes the text, without NUL; returns its length
 */
static inline size_t sluice_put_text(char *dst, const char *text)
{
    size_t len = strlen(text);

    memcpy(dst, text, len);
    return len;
}

/**
 * writes the digits, without NUL; returns their number
 */
static inline size_t sluice_put_decimal(char *dst, uint64_t value)
{
    char digits[SLUICE_DECIMAL_MAX];
    size_t len = 0;

    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i != len; ++i)
        dst[i] = digits[len - 1 - i];
    return len;
}

#endif
