#include <string.h>
#include <strings.h>
#include "module/cache_control.h"

#define NO_NUMBER SIZE_MAX

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int64_t sluice_delta_seconds(const char *text, size_t len)
{
    int64_t seconds = 0;

    if (len == 0)
        return -1;
    for (size_t i = 0; i != len; ++i) {
        if (!is_digit(text[i]))
            return -1;
        seconds = seconds * 10 + (text[i] - '0');
        if (seconds > SLUICE_DELTA_MAX)
            seconds = SLUICE_DELTA_MAX; /* times ten it still fits */
    }
    return seconds;
}

/* an element of a list: name, name=argument or name="argument"; what is more than that is `odd` */
struct st_element_t {
    const char *name, *argument;
    size_t name_len, argument_len;
    int odd;
};

static size_t token_end(const char *text, size_t at, size_t len)
{
    while (at != len && text[at] != ',' && text[at] != '=' && text[at] != '"' && !is_space(text[at]))
        ++at;
    return at;
}

/* of the quote that closes the one at `at`, or `len` */
static size_t closing_quote(const char *text, size_t at, size_t len)
{
    for (++at; at < len && text[at] != '"'; ++at)
        if (text[at] == '\\')
            ++at;
    return at < len ? at : len;
}

static size_t read_argument(const char *text, size_t at, size_t len, struct st_element_t *element)
{
    size_t quote = at != len && text[at] == '"' ? closing_quote(text, at, len) : len;

    if (quote != len) {
        element->argument = text + at + 1;
        element->argument_len = quote - at - 1;
        return quote + 1;
    }
    /* a quote that is never closed hides nothing: the next comma ends it */
    element->argument = text + at;
    while (at != len && text[at] != ',' && !is_space(text[at]))
        ++at;
    element->argument_len = (size_t)(text + at - element->argument);
    return at;
}

/* returns where the rest of the list starts; its end is `len` */
static size_t read_element(const char *text, size_t at, size_t len, struct st_element_t *element)
{
    size_t end = token_end(text, at, len);

    *element = (struct st_element_t){.name = text + at, .name_len = end - at};
    at = end;
    if (at != len && text[at] == '=')
        at = read_argument(text, at + 1, len, element);
    for (; at != len && text[at] != ','; ++at)
        element->odd |= !is_space(text[at]);
    return at;
}

static size_t next_element(const char *text, size_t at, size_t len)
{
    while (at != len && (text[at] == ',' || is_space(text[at])))
        ++at;
    return at;
}

void sluice_cache_control_init(sluice_cache_control_t *cc)
{
    *cc = (sluice_cache_control_t){0, SLUICE_CC_NOT_GIVEN, SLUICE_CC_NOT_GIVEN, SLUICE_CC_NOT_GIVEN, SLUICE_CC_NOT_GIVEN};
}

static const struct {
    const char *name;
    uint32_t flag;
    size_t number;
} directives[] = {{"no-store", SLUICE_CC_NO_STORE, NO_NUMBER},
                  {"no-cache", SLUICE_CC_NO_CACHE, NO_NUMBER},
                  {"private", SLUICE_CC_PRIVATE, NO_NUMBER},
                  {"public", SLUICE_CC_PUBLIC, NO_NUMBER},
                  {"must-revalidate", SLUICE_CC_MUST_REVALIDATE, NO_NUMBER},
                  {"proxy-revalidate", SLUICE_CC_PROXY_REVALIDATE, NO_NUMBER},
                  {"must-understand", SLUICE_CC_MUST_UNDERSTAND, NO_NUMBER},
                  {"immutable", SLUICE_CC_IMMUTABLE, NO_NUMBER},
                  {"max-age", 0, offsetof(sluice_cache_control_t, max_age_s)},
                  {"s-maxage", 0, offsetof(sluice_cache_control_t, s_maxage_s)},
                  {"stale-while-revalidate", 0, offsetof(sluice_cache_control_t, stale_while_revalidate_s)},
                  {"stale-if-error", 0, offsetof(sluice_cache_control_t, stale_if_error_s)}};

static void take_directive(sluice_cache_control_t *cc, const struct st_element_t *element)
{
    int64_t seconds = element->odd ? -1 : sluice_delta_seconds(element->argument, element->argument_len);

    cc->flags |= SLUICE_CC_PRESENT;
    for (size_t i = 0; i != sizeof(directives) / sizeof(directives[0]); ++i) {
        if (strlen(directives[i].name) != element->name_len ||
            strncasecmp(directives[i].name, element->name, element->name_len) != 0)
            continue;
        cc->flags |= directives[i].flag;
        if (directives[i].number != NO_NUMBER) {
            int64_t *number = (int64_t *)(void *)((char *)cc + directives[i].number);
            if (*number == SLUICE_CC_NOT_GIVEN)
                *number = seconds != -1 ? seconds : 0;
        }
        return;
    }
}

void sluice_cache_control_read(sluice_cache_control_t *cc, const char *value, size_t len)
{
    struct st_element_t element;

    for (size_t at = next_element(value, 0, len); at != len; at = next_element(value, at, len)) {
        at = read_element(value, at, len, &element);
        take_directive(cc, &element);
    }
}

int sluice_vary_is_any(const char *value, size_t len)
{
    struct st_element_t element;

    for (size_t at = next_element(value, 0, len); at != len; at = next_element(value, at, len)) {
        at = read_element(value, at, len, &element);
        if (element.name_len == 1 && element.name[0] == '*')
            return 1;
    }
    return 0;
}
