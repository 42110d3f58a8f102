/*
 * errors.h - everything that can go wrong with a picture, once: the number that travels through flights, the HTTP status, the
 * stable code, and a sentence that names what to change.
 */
#ifndef module__errors_h
#define module__errors_h

typedef enum en_sluice_error_t {
    SLUICE_OK = 0,
    SLUICE_ERROR_NOT_FOUND,
    SLUICE_ERROR_NOT_AN_IMAGE,
    SLUICE_ERROR_BROKEN_IMAGE,
    SLUICE_ERROR_SOURCE_TOO_LARGE,
    SLUICE_ERROR_TOO_MANY_PIXELS,
    SLUICE_ERROR_ANSWER_TOO_LARGE,
    SLUICE_ERROR_NEVER_FITS,
    SLUICE_ERROR_ORIGIN_REFUSED,
    SLUICE_ERROR_ORIGIN_STATUS,
    SLUICE_ERROR_ORIGIN_FAILED,
    SLUICE_ERROR_ORIGIN_BROKEN,
    SLUICE_ERROR_ORIGIN_REDIRECTS,
    SLUICE_ERROR_ORIGIN_TIMEOUT,
    SLUICE_ERROR_NO_ROOM,
    SLUICE_ERROR_QUEUE_FULL,
    SLUICE_ERROR_TRANSFORM_TIMEOUT,
    SLUICE_ERROR_OUT_OF_MEMORY,
    SLUICE_ERROR_UNREADABLE,
    SLUICE_ERROR_CANCELLED, /* nobody is left to see it */
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

#endif
