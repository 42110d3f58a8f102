#include <string.h>
#include "module/conditional.h"
#include "module/http_date.h"

struct st_tag_t {
    const char *opaque; /* with its quotes */
    size_t len;
    int weak;
};

static size_t skip_space(const char *text, size_t at, size_t len)
{
    while (at != len && (text[at] == ' ' || text[at] == '\t'))
        ++at;
    return at;
}

/* returns where the tag ends, or 0 if there is none at this place */
static size_t read_tag(const char *text, size_t at, size_t len, struct st_tag_t *tag)
{
    const char *quote;

    tag->weak = len - at >= 2 && text[at] == 'W' && text[at + 1] == '/';
    if (tag->weak)
        at += 2;
    if (at == len || text[at] != '"' || (quote = memchr(text + at + 1, '"', len - at - 1)) == NULL)
        return 0;
    tag->opaque = text + at;
    tag->len = (size_t)(quote + 1 - tag->opaque);
    return at + tag->len;
}

static int is_same(const struct st_tag_t *tag, const sluice_validators_t *validators, int strong)
{
    return !(strong && tag->weak) && tag->len == validators->etag_len && memcmp(tag->opaque, validators->etag, tag->len) == 0;
}

/* what follows on something that is no tag does not count */
static int list_has(const char *list, size_t len, const sluice_validators_t *validators, int strong)
{
    struct st_tag_t tag;
    size_t at = skip_space(list, 0, len);

    if (at != len && list[at] == '*')
        return skip_space(list, at + 1, len) == len;
    while (at != len) {
        if (list[at] != ',') {
            if ((at = read_tag(list, at, len, &tag)) == 0)
                return 0;
            if (is_same(&tag, validators, strong))
                return 1;
            if ((at = skip_space(list, at, len)) != len && list[at] != ',')
                return 0;
            continue;
        }
        at = skip_space(list, at + 1, len);
    }
    return 0;
}

static int is_very_same(const sluice_conditions_t *conditions, const char *value, size_t len)
{
    const sluice_validators_t *validators = conditions->validators;
    struct st_tag_t tag;
    int64_t date_s;

    if (read_tag(value, 0, len, &tag) == len && len != 0)
        return is_same(&tag, validators, 1);
    date_s = sluice_http_date(value, len, conditions->now_s);
    return date_s != SLUICE_NO_DATE && date_s == validators->last_modified_s && date_s < validators->dated_s;
}

void sluice_conditions_init(sluice_conditions_t *conditions, const sluice_validators_t *validators, int64_t now_s)
{
    *conditions = (sluice_conditions_t){.validators = validators, .now_s = now_s};
}

static void add_date(sluice_conditions_t *conditions, sluice_condition_t field, const char *value, size_t len)
{
    int64_t date_s = sluice_http_date(value, len, conditions->now_s);
    int valid = date_s != SLUICE_NO_DATE && conditions->validators->last_modified_s != SLUICE_NO_DATE;

    if (!valid && conditions->_fields[field].lines == 0)
        return;
    ++conditions->_fields[field].lines;
    conditions->_fields[field].holds = conditions->validators->last_modified_s <= date_s;
}

void sluice_conditions_add(sluice_conditions_t *conditions, sluice_condition_t field, const char *value, size_t len)
{
    switch (field) {
    case SLUICE_IF_MATCH:
    case SLUICE_IF_NONE_MATCH:
        ++conditions->_fields[field].lines;
        conditions->_fields[field].holds |= list_has(value, len, conditions->validators, field == SLUICE_IF_MATCH);
        break;
    case SLUICE_IF_RANGE:
        conditions->_fields[field].holds = conditions->_fields[field].lines++ == 0 && is_very_same(conditions, value, len);
        break;
    default:
        add_date(conditions, field, value, len);
        break;
    }
}

static int is_date_there(const sluice_conditions_t *conditions, sluice_condition_t field)
{
    return conditions->_fields[field].lines == 1;
}

sluice_precondition_t sluice_conditions_decide(const sluice_conditions_t *conditions)
{
    if (conditions->_fields[SLUICE_IF_MATCH].lines != 0) {
        if (!conditions->_fields[SLUICE_IF_MATCH].holds)
            return SLUICE_PRECONDITION_FAILED;
    } else if (is_date_there(conditions, SLUICE_IF_UNMODIFIED_SINCE)) {
        if (!conditions->_fields[SLUICE_IF_UNMODIFIED_SINCE].holds)
            return SLUICE_PRECONDITION_FAILED;
    }
    if (conditions->_fields[SLUICE_IF_NONE_MATCH].lines != 0)
        return conditions->_fields[SLUICE_IF_NONE_MATCH].holds ? SLUICE_PRECONDITION_NOT_MODIFIED : SLUICE_PRECONDITION_PASSED;
    if (is_date_there(conditions, SLUICE_IF_MODIFIED_SINCE) && conditions->_fields[SLUICE_IF_MODIFIED_SINCE].holds)
        return SLUICE_PRECONDITION_NOT_MODIFIED;
    return SLUICE_PRECONDITION_PASSED;
}

int sluice_conditions_want_range(const sluice_conditions_t *conditions)
{
    return conditions->_fields[SLUICE_IF_RANGE].lines == 0 || conditions->_fields[SLUICE_IF_RANGE].holds;
}
