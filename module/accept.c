#include <string.h>
#include <strings.h>
#include "module/accept.h"

#define NOT_THERE (-1)

/* what of a line is left to be read */
struct st_text_t {
    const char *at, *end;
};

static const char *const range_names[SLUICE_NUM_RANGES] = {"image/avif", "image/webp", "image/jpeg", "image/png", "image/*", "*/*"};

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static int is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_spaces(struct st_text_t *text)
{
    while (text->at != text->end && is_space(*text->at))
        ++text->at;
}

/* takes one byte if it is the next; returns whether it was */
static int take(struct st_text_t *text, char c)
{
    if (text->at == text->end || *text->at != c)
        return 0;
    ++text->at;
    return 1;
}

/* returns the length, 0: there is none */
static size_t take_token(struct st_text_t *text)
{
    const char *start = text->at;

    while (text->at != text->end && is_token(*text->at))
        ++text->at;
    return (size_t)(text->at - start);
}

/* up to the closing quotation mark, or the end where there is none; returns whether there is one */
static int take_quoted(struct st_text_t *text)
{
    while (text->at != text->end) {
        char c = *text->at++;
        if (c == '"')
            return 1;
        if (c == '\\' && text->at != text->end)
            ++text->at;
    }
    return 0;
}

/* thousandths, or NOT_THERE if the text is no weight: 0, 1, 0.5, 0.123, 1.000 */
static int16_t read_weight(const char *text, size_t len)
{
    int value, place = 100;

    if (len == 0 || len > 5 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.'))
        return NOT_THERE;
    value = (text[0] - '0') * 1000;
    for (size_t i = 2; i < len; ++i, place /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return NOT_THERE;
        value += (text[i] - '0') * place;
    }
    return (int16_t)(value <= 1000 ? value : NOT_THERE);
}

static sluice_range_t find_range(const char *name, size_t len)
{
    int range = 0;

    while (range != SLUICE_NUM_RANGES && (strlen(range_names[range]) != len || strncasecmp(name, range_names[range], len) != 0))
        ++range;
    return (sluice_range_t)range;
}

/* a parameter, which is not empty. Returns 0 if it is well-formed; sets *weight if that is what it is */
static int take_parameter(struct st_text_t *text, int16_t *weight)
{
    const char *name = text->at, *value;
    size_t name_len = take_token(text), len;

    if (name_len == 0 || !take(text, '='))
        return -1;
    value = text->at;
    if (take(text, '"'))
        return take_quoted(text) ? 0 : -1;
    if ((len = take_token(text)) == 0)
        return -1;
    if (name_len == 1 && (*name == 'q' || *name == 'Q'))
        return (*weight = read_weight(value, len)) != NOT_THERE ? 0 : -1;
    return 0;
}

/* the parameters of a range. Returns the weight, or NOT_THERE if they are malformed or narrow the range; those behind the weight
 * (extensions, of older standards) do not */
static int16_t take_parameters(struct st_text_t *text)
{
    int16_t weight = NOT_THERE, found = NOT_THERE;
    int narrows = 0;

    for (skip_spaces(text); take(text, ';'); skip_spaces(text)) {
        skip_spaces(text);
        if (text->at == text->end || *text->at == ';' || *text->at == ',')
            continue;
        if (take_parameter(text, &found) != 0)
            return NOT_THERE;
        if (weight == NOT_THERE && found == NOT_THERE)
            narrows = 1;
        else if (weight == NOT_THERE)
            weight = found;
    }
    if (narrows)
        return NOT_THERE;
    return weight != NOT_THERE ? weight : 1000;
}

/* to behind the next comma that is not quoted */
static void skip_part(struct st_text_t *text)
{
    while (text->at != text->end) {
        char c = *text->at++;
        if (c == ',')
            return;
        if (c == '"')
            take_quoted(text);
    }
}

static void add_part(sluice_accept_t *accept, struct st_text_t *text)
{
    const char *name = text->at;
    sluice_range_t range;
    int16_t weight, *known;

    if (take_token(text) == 0 || !take(text, '/') || take_token(text) == 0)
        return;
    range = find_range(name, (size_t)(text->at - name));
    weight = take_parameters(text);
    if (range == SLUICE_NUM_RANGES || weight == NOT_THERE || (text->at != text->end && *text->at != ','))
        return;
    known = accept->_weights + range;
    if (*known == NOT_THERE || weight < *known)
        *known = weight;
}

void sluice_accept_init(sluice_accept_t *accept)
{
    for (size_t i = 0; i != SLUICE_NUM_RANGES; ++i)
        accept->_weights[i] = NOT_THERE;
}

void sluice_accept_add(sluice_accept_t *accept, const char *line, size_t len)
{
    struct st_text_t text = {line, line + len};

    while (text.at != text.end) {
        skip_spaces(&text);
        add_part(accept, &text);
        skip_part(&text);
    }
}

static int16_t weight_of(const sluice_accept_t *accept, sluice_range_t range)
{
    const sluice_range_t ranges[] = {range, SLUICE_RANGE_IMAGES, SLUICE_RANGE_ANYTHING};

    for (size_t i = 0; i != sizeof(ranges) / sizeof(ranges[0]); ++i)
        if (accept->_weights[ranges[i]] != NOT_THERE)
            return accept->_weights[ranges[i]];
    return 0;
}

sluice_taken_t sluice_accept_decide(const sluice_accept_t *accept)
{
    int16_t jpeg = weight_of(accept, SLUICE_RANGE_JPEG), png = weight_of(accept, SLUICE_RANGE_PNG);
    int16_t common = jpeg > png ? jpeg : png;
    int16_t avif = accept->_weights[SLUICE_RANGE_AVIF], webp = accept->_weights[SLUICE_RANGE_WEBP];
    int takes_avif = avif > 0 && avif >= common, takes_webp = webp > 0 && webp >= common;

    if (takes_avif && takes_webp)
        return avif >= webp ? SLUICE_TAKES_AVIF_OR_WEBP : SLUICE_TAKES_WEBP;
    return takes_avif ? SLUICE_TAKES_AVIF : takes_webp ? SLUICE_TAKES_WEBP : SLUICE_TAKES_COMMON;
}
