/*
 * freshness.h - what an origin said with an answer, and what follows from it: for how long the answer is fresh, may be served while
 * it is being renewed, may stand in for an error, and is worth keeping. Pure.
 *
 * Where a formula comes from: RFC 9111, 4.2 (lifetime and age), 5.2.2 (directives), 4.3 (validators); RFC 5861 (stale answers).
 *
 *   lifetime   s-maxage, else max-age, else Expires - Date, else image.ttl; no-cache makes it 0. There is no heuristic from
 *              Last-Modified: image.ttl is the operator's own
 *   age        what the Age line says. The time that the answer took is not added: a short max-age behind a slow origin would never
 *              be fresh. Nor is Date compared with the clock here: one of the two may be wrong
 *   stored     unless no-store (that must-understand does not lift), private, Set-Cookie, Vary: *, or image.ttl: 0 applies
 *              Any other Vary is harmless: the origin is always asked with the same request, whatever the client's was
 *   stale      for stale-while-revalidate and stale-if-error, else the settings of the same names
 *              must-revalidate, proxy-revalidate and no-cache forbid both
 *              s-maxage forbids only the settings': it implies proxy-revalidate, but an origin that writes
 *              stale-while-revalidate beside it means what it says
 *   kept       image.keep longer than fresh, and at least as long as stale
 *              The origin may say that it is still the same
 */
#ifndef module__freshness_h
#define module__freshness_h

#include "module/cache_control.h"

#define SLUICE_VALIDATOR_MAX 72 /* W/"" around a SHA-256 in hexadecimal; longer ones are not remembered */

/**
 * from the header of one answer
 */
typedef struct st_sluice_said_t {
    sluice_cache_control_t cache_control;
    int64_t date_s, expires_s, last_modified_s; /* since 1970; the latter two -1: not given. Date: if not given, when it came */
    int64_t age_s;
    uint8_t set_cookie, vary_any, expires_given, etag_len;
    char etag[SLUICE_VALIDATOR_MAX]; /* as the origin wrote it */
} sluice_said_t;

/**
 * settings of a path
 */
typedef struct st_sluice_freshness_rules_t {
    uint64_t ttl_ms, negative_ttl_ms;
    uint64_t stale_while_revalidate_ms, stale_if_error_ms, keep_ms;
    int override; /* image.ttl whatever the origin says */
} sluice_freshness_rules_t;

typedef struct st_sluice_life_t {
    uint64_t created_ms, expires_ms, stale_ms, keep_ms, stale_if_error_ms; /* on the clock that `now_ms` is of */
    uint32_t max_age_s;                                                    /* for clients, counted from created_ms */
    uint32_t cache_control; /* for clients: SLUICE_CC_* without PRESENT; 0 if overridden */
    int store;
} sluice_life_t;

/**
 * an answer without a header, that came at `now_s` (seconds since 1970)
 */
void sluice_said_init(sluice_said_t *said, int64_t now_s);
/**
 * reads one header line, with or without its end. A line that continues another (obsolete folding) makes the answer one that is not
 * stored: what it belongs to has been read without it.
 */
void sluice_said_read(sluice_said_t *said, const char *line, size_t len, int64_t now_s);
/**
 * what holds after a 304: `stored` was said with the body, `fresh` with the 304, which replaces what it mentions (RFC 9111, 3.2)
 */
void sluice_said_merge(const sluice_said_t *stored, const sluice_said_t *fresh, sluice_said_t *merged);
int sluice_said_has_validator(const sluice_said_t *said);

/**
 * @param now_ms when the header came
 */
void sluice_freshness_decide(const sluice_said_t *said, const sluice_freshness_rules_t *rules, uint64_t now_ms,
                             sluice_life_t *life);
/**
 * whether anything may be remembered of the answer
 */
int sluice_freshness_may_store(const sluice_said_t *said, const sluice_freshness_rules_t *rules);
/**
 * for how long a 404 or 410 is remembered; 0: not at all
 */
uint64_t sluice_freshness_negative_ms(const sluice_said_t *said, const sluice_freshness_rules_t *rules);

#endif
