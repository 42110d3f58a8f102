/*
 * errors.h - everything that can go wrong with a picture, once: the number that travels through flights, the HTTP status, the
 * stable code, and a sentence that names what to change.
 */
#ifndef module__errors_h
#define module__errors_h

#include <stdint.h>

typedef enum en_sluice_error_t {
    SLUICE_OK = 0,
    SLUICE_ERROR_NOT_FOUND,
    SLUICE_ERROR_NOT_AN_IMAGE,
    SLUICE_ERROR_BROKEN_IMAGE,
    SLUICE_ERROR_SOURCE_TOO_LARGE,
    SLUICE_ERROR_UNBOUNDED_DRAWING,
    SLUICE_ERROR_TOO_MANY_PIXELS,
    SLUICE_ERROR_TOO_MANY_PAGES,
    SLUICE_ERROR_NO_SUCH_PAGE,
    SLUICE_ERROR_ANSWER_TOO_LARGE,
    SLUICE_ERROR_SOURCE_NEVER_FITS, /* whatever is to be made of it */
    SLUICE_ERROR_NEVER_FITS,
    SLUICE_ERROR_ORIGIN_REFUSED,
    SLUICE_ERROR_ORIGIN_STATUS,
    SLUICE_ERROR_ORIGIN_FAILED,
    SLUICE_ERROR_ORIGIN_BROKEN,
    SLUICE_ERROR_ORIGIN_REDIRECTS,
    SLUICE_ERROR_FORBIDDEN_REDIRECT,
    SLUICE_ERROR_FORBIDDEN_ADDRESS,
    SLUICE_ERROR_ORIGIN_TIMEOUT,
    SLUICE_ERROR_NO_ROOM,
    SLUICE_ERROR_QUEUE_FULL,
    SLUICE_ERROR_TRANSFORM_TIMEOUT,
    SLUICE_ERROR_OUT_OF_MEMORY,
    SLUICE_ERROR_UNREADABLE,
    SLUICE_ERROR_REQUEST_TIMEOUT,
    SLUICE_ERROR_NOT_CACHED, /* and the client wants nothing else */
    SLUICE_ERROR_DRAINING,   /* the server ends */
    SLUICE_ERROR_CANCELLED,  /* nobody is left to see it */
    SLUICE_NUM_ERRORS
} sluice_error_t;

typedef struct st_sluice_error_info_t {
    int status;
    const char *title, *code, *detail;
    int negative; /* says something of the picture that will be true again soon: remembered for image.negative-ttl */
    int brief;    /* the origin failed, and would again if it were asked at once: remembered for image.error-ttl */
    int stale;    /* an answer that is out of date is better than this, if its origin allows that */
    int retry;    /* answered with Retry-After */
    enum {
        SLUICE_ERROR_OF_REQUEST,
        SLUICE_ERROR_OF_ORIGIN,
        SLUICE_ERROR_OF_IMAGE,
        SLUICE_ERROR_OF_ROOM,
        SLUICE_ERROR_OF_TIME
    } kind;
} sluice_error_info_t;

extern const sluice_error_info_t sluice_errors[SLUICE_NUM_ERRORS];

/**
 * The error of a flight that ended without a picture: a sluice_error_t, alone or with where it comes from, and with the memory that
 * it would have taken.
 */
typedef int64_t sluice_failure_t;

#define SLUICE_FAILURE_REMEMBERED (INT64_C(1) << 30) /* nobody was asked: it is from a while ago */

/**
 * @param origin_status what the origin answered; 0: nothing
 */
static inline sluice_failure_t sluice_failure(sluice_error_t error, uint32_t origin_status)
{
    return (sluice_failure_t)error | (sluice_failure_t)(origin_status & 0xffff) << 8;
}

static inline sluice_error_t sluice_failure_error(sluice_failure_t failure)
{
    return (sluice_error_t)(failure & 0xff);
}

static inline uint32_t sluice_failure_status(sluice_failure_t failure)
{
    return (uint32_t)failure >> 8 & 0xffff;
}

/**
 * the failure with the memory that is needed, which is kept to the KiB above, and up to 2 TiB
 */
static inline sluice_failure_t sluice_failure_with_need(sluice_failure_t failure, uint64_t need_bytes)
{
    uint64_t kib = need_bytes / 1024 + (need_bytes % 1024 != 0);

    return failure | (sluice_failure_t)(kib < INT32_MAX ? kib : INT32_MAX) << 32;
}

static inline uint64_t sluice_failure_need_bytes(sluice_failure_t failure)
{
    return (uint64_t)failure >> 32 << 10;
}

/**
 * whether it says that the picture itself cannot be had, and not that the request or its time was wrong, so that another picture is
 * a better answer
 */
int sluice_error_is_of_picture(sluice_error_t error);

#define SLUICE_FAILURE_DETAIL_MAX 384

/**
 * the sentence for a client: that of the error, behind the numbers if the failure has a need
 * @param largest_bytes what the budget leaves for one picture (pressure_largest_bytes())
 */
void sluice_failure_detail(sluice_failure_t failure, uint64_t budget_bytes, uint64_t largest_bytes,
                           char detail[SLUICE_FAILURE_DETAIL_MAX]);

#endif
