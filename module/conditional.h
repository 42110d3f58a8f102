/*
 * conditional.h - the preconditions of a request (RFC 9110, 13) and what they say of a representation. Pure.
 *
 * Lines are added in any order. The decision is that of 13.2.2:
 *
 *   If-Match                   no tag matches (strong)        -> FAILED
 *   else If-Unmodified-Since   modified later                 -> FAILED
 *   If-None-Match              a tag matches (weak)           -> NOT_MODIFIED
 *   else If-Modified-Since     not modified later             -> NOT_MODIFIED
 *   otherwise                                                 -> PASSED
 *
 * Then, for a request with Range, sluice_conditions_want_range() is about If-Range.
 *
 * A field of entity tags may have several lines. A date that is none, or that comes twice, or for a representation without a date,
 * is as if it were not there; but an If-Range like that does not hold.
 */
#ifndef module__conditional_h
#define module__conditional_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_NO_DATE (-1)

/**
 * of the representation; borrowed by the conditions
 */
typedef struct st_sluice_validators_t {
    const char *etag; /* with its quotes; strong */
    size_t etag_len;
    int64_t last_modified_s; /* since 1970, or SLUICE_NO_DATE */
    int64_t dated_s;         /* when the origin said so: a picture changed within that second can have changed again since */
} sluice_validators_t;

typedef enum en_sluice_condition_t {
    SLUICE_IF_MATCH,
    SLUICE_IF_UNMODIFIED_SINCE,
    SLUICE_IF_NONE_MATCH,
    SLUICE_IF_MODIFIED_SINCE,
    SLUICE_IF_RANGE,
    SLUICE_NUM_CONDITIONS
} sluice_condition_t;

typedef enum en_sluice_precondition_t {
    SLUICE_PRECONDITION_PASSED,
    SLUICE_PRECONDITION_NOT_MODIFIED, /* 304 */
    SLUICE_PRECONDITION_FAILED        /* 412 */
} sluice_precondition_t;

typedef struct st_sluice_conditions_t {
    const sluice_validators_t *validators;
    int64_t now_s; /* for dates with two digits of a year */
    struct {
        uint32_t lines; /* that count, see above */
        int holds;      /* of tags: one matched; of dates: it is not before Last-Modified; of If-Range: it is the very same */
    } _fields[SLUICE_NUM_CONDITIONS];
} sluice_conditions_t;

void sluice_conditions_init(sluice_conditions_t *conditions, const sluice_validators_t *validators, int64_t now_s);
/**
 * adds a line of one of the fields; the text is not kept
 */
void sluice_conditions_add(sluice_conditions_t *conditions, sluice_condition_t field, const char *value, size_t len);
sluice_precondition_t sluice_conditions_decide(const sluice_conditions_t *conditions);
/**
 * whether a Range counts: there was no If-Range, or it names the very representation (a strong tag, or the exact date if that is a
 * strong validator)
 */
int sluice_conditions_want_range(const sluice_conditions_t *conditions);

#endif
