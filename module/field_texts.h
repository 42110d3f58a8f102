/*
 * field_texts.h - the values of the fields that every answer with a picture has, as text. Pure.
 *
 * They change once a second, and when the origin says something new of its picture. Who answers from the same picture again and
 * again keeps them, with what they were made from, and makes them anew only when that is different.
 */
#ifndef module__field_texts_h
#define module__field_texts_h

#include "module/cache_status.h"
#include "module/client_caching.h"
#include "module/decimal.h"
#include "module/http_date.h"

#define SLUICE_ETAG_MAX 36
#define SLUICE_MIME_TYPE_MAX 24
#define SLUICE_NO_AGE (UINT64_MAX - 1)
#define SLUICE_FIELD_TEXTS_MAX                                                                                                     \
    (SLUICE_MIME_TYPE_MAX + SLUICE_ETAG_MAX + SLUICE_HTTP_DATE_LEN + 1 + SLUICE_CLIENT_CACHING_MAX + SLUICE_DECIMAL_MAX +          \
     SLUICE_CACHE_STATUS_MAX)

/**
 * what the texts of one picture change with
 */
typedef struct st_sluice_field_values_t {
    int64_t last_modified_s;           /* since 1970; SLUICE_NO_DATE: there is no such field */
    uint64_t age_s;                    /* SLUICE_NO_AGE: no such field. UINT64_MAX: of nothing, no texts can be current */
    int64_t ttl_s;                     /* of a hit */
    uint32_t max_age_s, cache_control; /* as sluice_client_caching_text() takes them */
} sluice_field_values_t;

typedef struct st_sluice_field_texts_t {
    sluice_field_values_t of;
    /* bytes of each; they stand in this order, one behind the other */
    uint8_t type_len, etag_len, last_modified_len, cache_control_len, age_len, cache_status_len;
    uint16_t len; /* of all */
    char text[SLUICE_FIELD_TEXTS_MAX];
} sluice_field_texts_t;

static inline int sluice_field_texts_are_of(const sluice_field_texts_t *texts, const sluice_field_values_t *values)
{
    return texts->of.age_s == values->age_s && texts->of.ttl_s == values->ttl_s && texts->of.max_age_s == values->max_age_s &&
           texts->of.cache_control == values->cache_control && texts->of.last_modified_s == values->last_modified_s;
}

/**
 * @param mime_type of at most SLUICE_MIME_TYPE_MAX bytes
 * @param etag with its quotes, of at most SLUICE_ETAG_MAX bytes
 * @param status its ttl_s is that of the values
 */
void sluice_field_texts_make(sluice_field_texts_t *texts, const sluice_field_values_t *values, const char *mime_type,
                             const char *etag, const sluice_cache_status_t *status);

#endif
