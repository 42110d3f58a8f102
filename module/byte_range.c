#include <string.h>
#include <strings.h>
#include "module/byte_range.h"

#define UNIT "bytes="

struct st_text_t {
    const char *at, *end;
};

/* commas stand between the elements of a list, of which there is one here; empty ones do not count */
static void skip(struct st_text_t *text, const char *what)
{
    while (text->at != text->end && strchr(what, *text->at) != NULL && *text->at != '\0')
        ++text->at;
}

/* returns whether there was a number; one that is too large is the largest */
static int take_number(struct st_text_t *text, uint64_t *value)
{
    const char *start = text->at;

    *value = 0;
    for (; text->at != text->end && *text->at >= '0' && *text->at <= '9'; ++text->at) {
        uint64_t digit = (uint64_t)(*text->at - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    return text->at != start;
}

static sluice_range_t cut_suffix(uint64_t wanted, uint64_t size, uint64_t *first, uint64_t *count)
{
    if (wanted == 0 || size == 0)
        return SLUICE_RANGE_UNSATISFIABLE;
    *count = wanted < size ? wanted : size;
    *first = size - *count;
    return SLUICE_RANGE_PART;
}

static sluice_range_t cut(uint64_t from, uint64_t to, uint64_t size, uint64_t *first, uint64_t *count)
{
    if (from >= size)
        return SLUICE_RANGE_UNSATISFIABLE;
    *first = from;
    *count = (to < size ? to : size - 1) - from + 1;
    return SLUICE_RANGE_PART;
}

sluice_range_t sluice_byte_range(const char *value, size_t len, uint64_t size, uint64_t *first, uint64_t *count)
{
    struct st_text_t text = {value, value + len};
    uint64_t from, to;

    if (len < strlen(UNIT) || strncasecmp(value, UNIT, strlen(UNIT)) != 0)
        return SLUICE_RANGE_WHOLE;
    text.at += strlen(UNIT);
    skip(&text, ", \t");
    int has_from = take_number(&text, &from);
    if (text.at == text.end || *text.at++ != '-')
        return SLUICE_RANGE_WHOLE;
    int has_to = take_number(&text, &to);
    skip(&text, ", \t");
    if (text.at != text.end || !(has_from || has_to) || (has_from && has_to && to < from))
        return SLUICE_RANGE_WHOLE;
    return has_from ? cut(from, has_to ? to : UINT64_MAX, size, first, count) : cut_suffix(to, size, first, count);
}
