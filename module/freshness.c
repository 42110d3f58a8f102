#include <string.h>
#include <strings.h>
#include "module/freshness.h"
#include "module/http_date.h"

#define MS 1000
#define NOT_FOR_CLIENTS (SLUICE_CC_PRESENT | SLUICE_CC_MUST_UNDERSTAND)

void sluice_said_init(sluice_said_t *said, int64_t now_s)
{
    *said = (sluice_said_t){.date_s = now_s, .expires_s = -1, .last_modified_s = -1};
    sluice_cache_control_init(&said->cache_control);
}

static void read_cache_control(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    (void)now_s;
    sluice_cache_control_read(&said->cache_control, value, len);
}

/* the first one counts; a date that is none, such as "0", has passed (RFC 9111, 5.3) */
static void read_expires(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    if (said->expires_given)
        return;
    int64_t date = sluice_http_date(value, len, now_s);
    said->expires_given = 1;
    said->expires_s = date != -1 ? date : 0;
}

static void read_date(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    int64_t date = sluice_http_date(value, len, now_s);

    if (date != -1)
        said->date_s = date;
}

/* of a list the first counts, and what is no number is ignored (RFC 9111, 5.1) */
static void read_age(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    const char *comma = memchr(value, ',', len);
    size_t first_len = comma != NULL ? (size_t)(comma - value) : len;

    (void)now_s;
    while (first_len != 0 && (value[first_len - 1] == ' ' || value[first_len - 1] == '\t'))
        --first_len;
    int64_t age = sluice_delta_seconds(value, first_len);
    if (age != -1 && said->age_s == 0)
        said->age_s = age;
}

static void read_last_modified(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    said->last_modified_s = sluice_http_date(value, len, now_s);
}

static void read_etag(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    (void)now_s;
    said->etag_len = 0;
    if (len > sizeof(said->etag))
        return;
    for (size_t i = 0; i != len; ++i)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return;
    memcpy(said->etag, value, len);
    said->etag_len = (uint8_t)len;
}

static void read_set_cookie(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    (void)value, (void)len, (void)now_s;
    said->set_cookie = 1;
}

static void read_vary(sluice_said_t *said, const char *value, size_t len, int64_t now_s)
{
    (void)now_s;
    said->vary_any |= (uint8_t)sluice_vary_is_any(value, len);
}

static const struct {
    const char *name;
    void (*read)(sluice_said_t *said, const char *value, size_t len, int64_t now_s);
} fields[] = {{"cache-control", read_cache_control},
              {"expires", read_expires},
              {"date", read_date},
              {"age", read_age},
              {"etag", read_etag},
              {"last-modified", read_last_modified},
              {"set-cookie", read_set_cookie},
              {"vary", read_vary}};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void sluice_said_read(sluice_said_t *said, const char *line, size_t len, int64_t now_s)
{
    const char *colon = memchr(line, ':', len), *value;
    size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;

    while (len != 0 && is_blank(line[len - 1]))
        --len;
    if (len != 0 && is_blank(line[0]))
        said->cache_control.flags |= SLUICE_CC_PRESENT | SLUICE_CC_NO_STORE;
    if (colon == NULL || name_len >= len)
        return; /* no header line, or one without a value */
    for (value = colon + 1; value != line + len && is_blank(*value); ++value)
        ;
    for (size_t i = 0; i != sizeof(fields) / sizeof(fields[0]); ++i)
        if (strlen(fields[i].name) == name_len && strncasecmp(fields[i].name, line, name_len) == 0)
            fields[i].read(said, value, (size_t)(line + len - value), now_s);
}

void sluice_said_merge(const sluice_said_t *stored, const sluice_said_t *fresh, sluice_said_t *merged)
{
    *merged = *fresh;
    merged->vary_any |= stored->vary_any;
    if (fresh->cache_control.flags == 0 && !fresh->expires_given) {
        merged->cache_control = stored->cache_control;
        merged->expires_given = stored->expires_given;
        merged->expires_s = stored->expires_s;
    }
    if (fresh->etag_len == 0) {
        memcpy(merged->etag, stored->etag, sizeof(merged->etag));
        merged->etag_len = stored->etag_len;
    }
    if (fresh->last_modified_s == -1)
        merged->last_modified_s = stored->last_modified_s;
}

int sluice_said_has_validator(const sluice_said_t *said)
{
    return said->etag_len != 0 || said->last_modified_s != -1;
}

/* what may be given out again at all */
static int is_storable(const sluice_said_t *said)
{
    uint32_t flags = said->cache_control.flags;

    /* the statuses that are stored are all understood (RFC 9111, 5.2.2.3) */
    if ((flags & SLUICE_CC_NO_STORE) != 0 && (flags & SLUICE_CC_MUST_UNDERSTAND) == 0)
        return 0;
    return (flags & SLUICE_CC_PRIVATE) == 0 && !said->set_cookie && !said->vary_any;
}

/* by Expires, in seconds; -1 if there is none */
static int64_t expires_in_s(const sluice_said_t *said)
{
    if (!said->expires_given)
        return -1;
    if (said->expires_s <= said->date_s)
        return 0;
    return said->expires_s - said->date_s < SLUICE_DELTA_MAX ? said->expires_s - said->date_s : SLUICE_DELTA_MAX;
}

/* for caches such as this, in milliseconds; -1 if the origin does not say */
static int64_t lifetime_ms(const sluice_said_t *said)
{
    const sluice_cache_control_t *cc = &said->cache_control;
    int64_t expires_s = expires_in_s(said);

    if ((cc->flags & SLUICE_CC_NO_CACHE) != 0)
        return 0;
    if (cc->s_maxage_s != SLUICE_CC_NOT_GIVEN)
        return cc->s_maxage_s * MS;
    if (cc->max_age_s != SLUICE_CC_NOT_GIVEN)
        return cc->max_age_s * MS;
    return expires_s != -1 ? expires_s * MS : -1;
}

/* for clients: they have no use for s-maxage, and an origin that gives nothing else wants to be asked */
static int64_t client_lifetime_s(const sluice_said_t *said, const sluice_freshness_rules_t *rules)
{
    const sluice_cache_control_t *cc = &said->cache_control;
    int64_t expires_s = expires_in_s(said);

    if (cc->max_age_s != SLUICE_CC_NOT_GIVEN)
        return cc->max_age_s;
    if (expires_s != -1)
        return expires_s;
    return lifetime_ms(said) != -1 ? 0 : (int64_t)(rules->ttl_ms / MS);
}

static uint64_t left_ms(int64_t lifetime, int64_t age_s)
{
    return lifetime > age_s * MS ? (uint64_t)(lifetime - age_s * MS) : 0;
}

static uint64_t stale_for_ms(const sluice_cache_control_t *cc, int64_t given_s, uint64_t setting_ms)
{
    if ((cc->flags & (SLUICE_CC_MUST_REVALIDATE | SLUICE_CC_PROXY_REVALIDATE | SLUICE_CC_NO_CACHE)) != 0)
        return 0;
    if (given_s != SLUICE_CC_NOT_GIVEN)
        return (uint64_t)given_s * MS;
    return cc->s_maxage_s == SLUICE_CC_NOT_GIVEN ? setting_ms : 0;
}

/* when the answer was made at its origin; what the clock here is too young for is taken from the lifetime instead */
static void set_beginning(sluice_life_t *life, uint64_t now_ms, int64_t age_s, int64_t max_age_s)
{
    uint64_t age_ms = (uint64_t)age_s * MS, missing_s = 0;

    if (age_ms > now_ms)
        missing_s = (age_ms - now_ms) / MS;
    life->created_ms = age_ms > now_ms ? 0 : now_ms - age_ms;
    life->max_age_s = (uint64_t)max_age_s > missing_s ? (uint32_t)((uint64_t)max_age_s - missing_s) : 0;
}

static void set_ends(sluice_life_t *life, uint64_t expires_ms, uint64_t revalidate_ms, uint64_t error_ms, uint64_t keep_ms)
{
    uint64_t longest_ms = revalidate_ms > error_ms ? revalidate_ms : error_ms;

    life->expires_ms = expires_ms;
    life->stale_ms = expires_ms + revalidate_ms;
    life->stale_if_error_ms = expires_ms + error_ms;
    life->keep_ms = expires_ms + (longest_ms > keep_ms ? longest_ms : keep_ms);
}

static void decide_by_rules(const sluice_freshness_rules_t *rules, uint64_t now_ms, sluice_life_t *life)
{
    set_beginning(life, now_ms, 0, (int64_t)(rules->ttl_ms / MS));
    set_ends(life, now_ms + rules->ttl_ms, rules->stale_while_revalidate_ms, rules->stale_if_error_ms, rules->keep_ms);
    life->store = rules->ttl_ms != 0;
    life->cache_control = 0;
}

static void decide_by_origin(const sluice_said_t *said, const sluice_freshness_rules_t *rules, uint64_t now_ms, sluice_life_t *life)
{
    const sluice_cache_control_t *cc = &said->cache_control;
    int64_t given = lifetime_ms(said), lifetime = given != -1 ? given : (int64_t)rules->ttl_ms;

    set_beginning(life, now_ms, said->age_s, client_lifetime_s(said, rules));
    set_ends(life, now_ms + left_ms(lifetime, said->age_s),
             stale_for_ms(cc, cc->stale_while_revalidate_s, rules->stale_while_revalidate_ms),
             stale_for_ms(cc, cc->stale_if_error_s, rules->stale_if_error_ms), rules->keep_ms);
    life->store = is_storable(said) && (given != -1 || rules->ttl_ms != 0);
    life->cache_control = cc->flags & ~(uint32_t)NOT_FOR_CLIENTS;
    if (said->set_cookie)
        life->cache_control |= SLUICE_CC_PRIVATE;
    if (said->vary_any)
        life->cache_control |= SLUICE_CC_NO_CACHE;
}

void sluice_freshness_decide(const sluice_said_t *said, const sluice_freshness_rules_t *rules, uint64_t now_ms, sluice_life_t *life)
{
    if (rules->override)
        decide_by_rules(rules, now_ms, life);
    else
        decide_by_origin(said, rules, now_ms, life);
}

int sluice_freshness_may_store(const sluice_said_t *said, const sluice_freshness_rules_t *rules)
{
    return rules->override || is_storable(said);
}

uint64_t sluice_freshness_negative_ms(const sluice_said_t *said, const sluice_freshness_rules_t *rules)
{
    int64_t given = lifetime_ms(said);

    if (rules->override)
        return rules->negative_ttl_ms;
    if (!is_storable(said))
        return 0;
    return given != -1 ? left_ms(given, said->age_s) : rules->negative_ttl_ms;
}
