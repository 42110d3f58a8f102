#include <assert.h>
#include <string.h>
#include "module/conditional.h"
#include "module/field_texts.h"

static uint8_t put(char *dst, const char *text, size_t max)
{
    size_t len = strlen(text);

    assert(len <= max);
    memcpy(dst, text, len);
    return (uint8_t)len;
}

void sluice_field_texts_make(sluice_field_texts_t *texts, const sluice_field_values_t *values, const char *mime_type,
                             const char *etag, const sluice_cache_status_t *status)
{
    char *at = texts->text;

    texts->of = *values;
    at += texts->type_len = put(at, mime_type, SLUICE_MIME_TYPE_MAX);
    at += texts->etag_len = put(at, etag, SLUICE_ETAG_MAX);
    at[0] = '\0';
    if (values->last_modified_s != SLUICE_NO_DATE)
        sluice_http_date_format(values->last_modified_s, at);
    at += texts->last_modified_len = at[0] != '\0' ? SLUICE_HTTP_DATE_LEN : 0;
    at += texts->cache_control_len = (uint8_t)sluice_client_caching_text(values->cache_control, values->max_age_s, at);
    at += texts->age_len = values->age_s != SLUICE_NO_AGE ? (uint8_t)sluice_put_decimal(at, values->age_s) : 0;
    at += texts->cache_status_len = (uint8_t)sluice_cache_status_text(status, at);
    texts->len = (uint16_t)(at - texts->text);
}
