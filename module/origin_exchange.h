/*
 * origin_exchange.h - what an HTTP origin is asked beyond the URL, and what its answer comes to. No effects: libcurl lends its
 * types.
 */
#ifndef module__origin_exchange_h
#define module__origin_exchange_h

#include <curl/curl.h>
#include "module/errors.h"
#include "module/freshness.h"

/**
 * appends the lines that ask whether what was said still holds. Returns 0, or -1 when memory is out; what was appended stays.
 */
int sluice_http_condition(const sluice_said_t *said, struct curl_slist **headers);

/**
 * how a transfer ended
 */
typedef struct st_sluice_http_outcome_t {
    CURLcode result;
    long status;            /* 0: there was none */
    sluice_error_t stopped; /* why it was stopped from here, or SLUICE_OK */
    int paused;             /* it waited for memory */
    int forbidden;          /* an address of the origin's was not allowed to be connected to */
    int head_ended;         /* the empty line behind the headers came */
    int has_body;
    int conditional; /* it was asked with a condition */
} sluice_http_outcome_t;

/**
 * SLUICE_OK without a body means that the condition holds
 */
sluice_error_t sluice_http_error(const sluice_http_outcome_t *outcome);

#endif
