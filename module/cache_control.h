/*
 * cache_control.h - reading what an origin says about caching: Cache-Control (RFC 9111, 5.2; RFC 5861; RFC 8246), and
 * delta-seconds. Pure.
 *
 * What cannot be understood is read to the safe side: a number that is none is 0, so the answer is stale (RFC 9111, 4.2.1). Unknown
 * directives are ignored. no-cache and private with a list of fields count as if they had none, as RFC 9111 allows and most caches
 * do. Of a directive given twice with numbers, the first counts.
 */
#ifndef module__cache_control_h
#define module__cache_control_h

#include <stddef.h>
#include <stdint.h>

enum {
    SLUICE_CC_PRESENT = 1, /* there was a directive, if only an unknown one */
    SLUICE_CC_NO_STORE = 2,
    SLUICE_CC_NO_CACHE = 4,
    SLUICE_CC_PRIVATE = 8,
    SLUICE_CC_PUBLIC = 16,
    SLUICE_CC_MUST_REVALIDATE = 32,
    SLUICE_CC_PROXY_REVALIDATE = 64,
    SLUICE_CC_MUST_UNDERSTAND = 128,
    SLUICE_CC_IMMUTABLE = 256
};

#define SLUICE_CC_NOT_GIVEN (-1)
#define SLUICE_DELTA_MAX INT64_C(2147483648) /* larger numbers count as this one (RFC 9111, 1.2.2) */

typedef struct st_sluice_cache_control_t {
    uint32_t flags;
    int64_t max_age_s, s_maxage_s, stale_while_revalidate_s, stale_if_error_s; /* SLUICE_CC_NOT_GIVEN, or 0 to SLUICE_DELTA_MAX */
} sluice_cache_control_t;

void sluice_cache_control_init(sluice_cache_control_t *cc);
/**
 * reads the value of one Cache-Control line; several lines of one answer are read one after the other
 */
void sluice_cache_control_read(sluice_cache_control_t *cc, const char *value, size_t len);
/**
 * whether a Vary line has "*"
 */
int sluice_vary_is_any(const char *value, size_t len);
/**
 * the number that the text consists of, at most SLUICE_DELTA_MAX, or -1 if it is anything else
 */
int64_t sluice_delta_seconds(const char *text, size_t len);
#endif
