/*
 * decimal.h - whole numbers as text on the path of every hit, where printf would be a tenth of the work.
 */
#ifndef module__decimal_h
#define module__decimal_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_DECIMAL_MAX 20 /* digits of the largest number */

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
