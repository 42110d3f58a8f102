/*
 * What the texts of a sample say: pure functions.
 */
#include "pressure/pressure_private.h"

size_t pressure_parse_digits(const char *text, size_t len, uint64_t *value)
{
    size_t used = 0;

    *value = 0;
    for (; used != len && text[used] >= '0' && text[used] <= '9'; ++used) {
        unsigned digit = (unsigned)(text[used] - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return 0;
        *value = *value * 10 + digit;
    }
    return used;
}

int pressure_parse_statm(const char *text, size_t len, uint64_t *pages)
{
    uint64_t total_pages;
    size_t skip = pressure_parse_digits(text, len, &total_pages), used;

    if (skip == 0 || skip == len || text[skip] != ' ')
        return -1;
    ++skip;
    used = pressure_parse_digits(text + skip, len - skip, pages);
    /* without the separator behind it the number may be cut off. No process has no page: 0 is a failed reading */
    if (used == 0 || skip + used == len || text[skip + used] != ' ' || *pages == 0)
        return -1;
    return 0;
}

uint64_t pressure_reading_of(const pressure_sample_t *sample, uint64_t budget_bytes)
{
    if (sample->group_limit_bytes == 0)
        return sample->resident_bytes;
    uint64_t by_group = (uint64_t)((double)budget_bytes * ((double)sample->group_bytes / (double)sample->group_limit_bytes));
    return by_group > sample->resident_bytes ? by_group : sample->resident_bytes;
}
