/*
 * slow.h - the requests that waited for the longest: the slowest of the last hour, and the latest that were slow.
 *
 * Both lists are of fixed size, so a flood of slow requests costs no memory. A slow one that was pushed out by slower ones does not
 * come back when these are an hour old. The mutex inside is held for a copy of the lists at most.
 */
#ifndef health__slow_h
#define health__slow_h

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_SLOWEST 64
#define HEALTH_SLOW_LATEST 16
#define HEALTH_SLOW_SPAN_MS 3600000 /* how long the slowest are kept */

/**
 * texts are NUL-terminated, and ASCII or UTF-8; what does not fit is to be cut
 */
typedef struct st_health_slow_request_t {
    uint64_t id;                 /* given by health_slow_add(); from 1 on */
    int64_t at_ms;               /* since 1970: when its answer began */
    uint64_t waited_us, sent_us; /* from its arrival until then, and until the answer was sent; the latter 0: not yet, or never */
    uint64_t bytes;              /* of the answer's body */
    int status;
    char method[8], host[80], target[320], cache_status[168], server_timing[160];
} health_slow_request_t;

typedef struct st_health_slow_t health_slow_t;

/**
 * NULL when memory is out
 */
health_slow_t *health_slow_create(void);
/**
 * sets *slow to NULL, which it may be
 */
void health_slow_destroy(health_slow_t **slow);
/**
 * copies the request, and returns the id that it got. Any thread.
 */
uint64_t health_slow_add(health_slow_t *slow, const health_slow_request_t *request);
/**
 * notes how long it took until it was sent, unless it is forgotten. Any thread.
 */
void health_slow_sent(health_slow_t *slow, uint64_t id, uint64_t sent_us);
/**
 * for who tells of them now and then: the slowest of those that came after *after and are still among the latest; *after is moved
 * to the last one. Any thread, with an `after` of its own that begins at 0.
 * @return how many came; 0: *request is as it was
 */
uint64_t health_slow_news(health_slow_t *slow, uint64_t *after, health_slow_request_t *request);
/**
 * {"slowest": [...], "latest": [...]}, the slowest and the latest first. NULL when memory is out. Any thread.
 * @param now_ms since 1970
 */
json_t *health_slow_json(health_slow_t *slow, int64_t now_ms);

#endif
