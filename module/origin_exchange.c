#include <stdio.h>
#include "module/http_date.h"
#include "module/origin_exchange.h"

static int append(struct curl_slist **headers, const char *name, const char *value, int value_len)
{
    char line[SLUICE_VALIDATOR_MAX + 32];
    struct curl_slist *longer;

    snprintf(line, sizeof(line), "%s: %.*s", name, value_len, value);
    if ((longer = curl_slist_append(*headers, line)) == NULL)
        return -1;
    *headers = longer;
    return 0;
}

/* both validators: an origin that knows only one of them ignores the other (RFC 9110, 13.1.3) */
int sluice_http_condition(const sluice_said_t *said, struct curl_slist **headers)
{
    char date[SLUICE_HTTP_DATE_LEN + 1];

    if (said->etag_len != 0 && append(headers, "If-None-Match", said->etag, said->etag_len) != 0)
        return -1;
    if (said->last_modified_s == -1)
        return 0;
    sluice_http_date_format(said->last_modified_s, date);
    return append(headers, "If-Modified-Since", date, SLUICE_HTTP_DATE_LEN);
}

static sluice_error_t error_of_status(const sluice_http_outcome_t *outcome)
{
    long status = outcome->status;

    if (status == 200 || (status == 304 && outcome->conditional))
        return SLUICE_OK;
    if (status == 404 || status == 410)
        return SLUICE_ERROR_NOT_FOUND;
    if (status >= 500)
        return SLUICE_ERROR_ORIGIN_FAILED;
    return status >= 300 && status < 400 && status != 304 ? SLUICE_ERROR_ORIGIN_REDIRECTS : SLUICE_ERROR_ORIGIN_STATUS;
}

static sluice_error_t error_of_answer(const sluice_http_outcome_t *outcome)
{
    if (!outcome->head_ended)
        return SLUICE_ERROR_ORIGIN_BROKEN; /* hung up within its headers */
    if (outcome->status == 200 && !outcome->has_body)
        return SLUICE_ERROR_NOT_AN_IMAGE;
    return error_of_status(outcome);
}

sluice_error_t sluice_http_error(const sluice_http_outcome_t *outcome)
{
    if (outcome->stopped != SLUICE_OK) /* whatever curl says: all may have been received by then */
        return outcome->stopped;
    switch (outcome->result) {
    case CURLE_OK:
        return error_of_answer(outcome);
    case CURLE_WRITE_ERROR: /* without a reason of ours: more of an error page than is read */
        return error_of_status(outcome);
    case CURLE_OPERATION_TIMEDOUT:
        return outcome->paused ? SLUICE_ERROR_NO_ROOM : SLUICE_ERROR_ORIGIN_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_ABORTED_BY_CALLBACK:
        return outcome->forbidden ? SLUICE_ERROR_FORBIDDEN_ADDRESS : SLUICE_ERROR_ORIGIN_REFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return SLUICE_ERROR_ORIGIN_REFUSED;
    case CURLE_OUT_OF_MEMORY:
        return SLUICE_ERROR_OUT_OF_MEMORY;
    default:
        return SLUICE_ERROR_ORIGIN_BROKEN;
    }
}
