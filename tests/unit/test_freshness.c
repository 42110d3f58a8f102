#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/freshness.h"

#define NOW_S INT64_C(1780000000) /* Thu, 28 May 2026 20:26:40 GMT */
#define NOW_MS UINT64_C(1000000000)
#define TTL_S 3600
#define NEGATIVE_S 10
#define SWR_S 5
#define SIE_S 50
#define KEEP_S 500

static const sluice_freshness_rules_t rules = {TTL_S * 1000, NEGATIVE_S * 1000, SWR_S * 1000, SIE_S * 1000, KEEP_S * 1000, 0};

/* lines end in "\n"; each is read in a block of its very size */
static sluice_said_t said(const char *lines)
{
    sluice_said_t result;

    sluice_said_init(&result, NOW_S);
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n") + (strchr(lines, '\n') != NULL);
        char *line = malloc(len);
        assert_non_null(line);
        memcpy(line, lines, len);
        sluice_said_read(&result, line, len, NOW_S);
        free(line);
        lines += len;
    }
    return result;
}

static sluice_life_t life_of(const char *lines)
{
    sluice_said_t what = said(lines);
    sluice_life_t life;

    sluice_freshness_decide(&what, &rules, NOW_MS, &life);
    return life;
}

struct st_row_t {
    const char *lines;
    int store;
    unsigned fresh_s, age_s, max_age_s;
    uint32_t cache_control;
};

static void check_row(const struct st_row_t *row)
{
    sluice_life_t life = life_of(row->lines);

    if (life.store != row->store || life.expires_ms != NOW_MS + row->fresh_s * UINT64_C(1000) ||
        life.created_ms != NOW_MS - row->age_s * UINT64_C(1000) || life.max_age_s != row->max_age_s ||
        life.cache_control != row->cache_control)
        fail_msg("`%s`: stored %d, fresh for %lld ms, age %lld ms, max-age %u, for clients %#x", row->lines, life.store,
                 (long long)(life.expires_ms - NOW_MS), (long long)(NOW_MS - life.created_ms), life.max_age_s, life.cache_control);
}

#define DATE "Date: Thu, 28 May 2026 20:26:40 GMT\n"
#define IN_A_MINUTE "Expires: Thu, 28 May 2026 20:27:40 GMT\n"

static void test_lifetime(void **state)
{
    static const struct st_row_t rows[] = {
        {"", 1, TTL_S, 0, TTL_S, 0},
        {"Cache-Control: foo\n", 1, TTL_S, 0, TTL_S, 0},
        {"Last-Modified: Thu, 28 May 2015 20:27:40 GMT\n", 1, TTL_S, 0, TTL_S, 0}, /* no heuristic */
        {"Cache-Control: max-age=60\n", 1, 60, 0, 60, 0},
        {"cache-control:max-age=60\r\n", 1, 60, 0, 60, 0},
        {"CACHE-CONTROL: \t max-age=60 \t \r\n", 1, 60, 0, 60, 0},
        {"Cache-Control: max-age=60", 1, 60, 0, 60, 0},
        {"Cache-Control: max-age=60, s-maxage=30\n", 1, 30, 0, 60, 0},
        {"Cache-Control: s-maxage=30\nCache-Control: max-age=60\n", 1, 30, 0, 60, 0},
        {"Cache-Control: s-maxage=30\n", 1, 30, 0, 0, 0},
        {"Cache-Control: max-age=0\n", 1, 0, 0, 0, 0},
        {"Cache-Control: max-age=x\n", 1, 0, 0, 0, 0},
        {"Cache-Control: max-age=7000000000\n", 1, 2147483648u, 0, 2147483648u, 0},
        {DATE IN_A_MINUTE, 1, 60, 0, 60, 0},
        {IN_A_MINUTE DATE, 1, 60, 0, 60, 0},
        {IN_A_MINUTE, 1, 60, 0, 60, 0}, /* without a Date, when it came */
        {"Date: Thu, 28 May 2026 20:26:00 GMT\n" IN_A_MINUTE, 1, 100, 0, 100, 0},
        {"Date: nonsense\n" IN_A_MINUTE, 1, 60, 0, 60, 0},
        {DATE "Expires: Thu, 28 May 2026 20:26:40 GMT\n", 1, 0, 0, 0, 0},
        {DATE "Expires: Thu, 28 May 2020 20:26:40 GMT\n", 1, 0, 0, 0, 0},
        {DATE "Expires: 0\n", 1, 0, 0, 0, 0},
        {DATE "Expires: -1\n" IN_A_MINUTE, 1, 0, 0, 0, 0},
        {DATE IN_A_MINUTE "Expires: 0\n", 1, 60, 0, 60, 0}, /* the first one counts */
        {DATE IN_A_MINUTE "Cache-Control: max-age=5\n", 1, 5, 0, 5, 0},
        {DATE IN_A_MINUTE "Cache-Control: s-maxage=5\n", 1, 5, 0, 60, 0},
        {DATE IN_A_MINUTE "Cache-Control: public\n", 1, 60, 0, 60, SLUICE_CC_PUBLIC},
        {DATE "Expires: Fri, 31 Dec 9999 23:59:59 GMT\n", 1, 2147483648u, 0, 2147483648u, 0},
        {"X-Cache-Control: max-age=5\n", 1, TTL_S, 0, TTL_S, 0},
        {"Cache-Control\n", 1, TTL_S, 0, TTL_S, 0},
        {"Cache-Control:\n", 1, TTL_S, 0, TTL_S, 0},
        {": max-age=5\n", 1, TTL_S, 0, TTL_S, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        check_row(rows + i);
}

static void test_age(void **state)
{
    static const struct st_row_t rows[] = {
        {"Age: 20\nCache-Control: max-age=60\n", 1, 40, 20, 60, 0},
        {"Cache-Control: max-age=60, s-maxage=30\nAge: 20\n", 1, 10, 20, 60, 0},
        {"Age: 60\nCache-Control: max-age=60\n", 1, 0, 60, 60, 0},
        {"Age: 600\nCache-Control: max-age=60\n", 1, 0, 600, 60, 0},
        {"Age: 600\n" DATE IN_A_MINUTE, 1, 0, 600, 60, 0},
        {"Age: 600\n", 1, TTL_S - 600, 600, TTL_S, 0},
        {"Age: 20, 30\nCache-Control: max-age=60\n", 1, 40, 20, 60, 0},
        {"Age: 20\nAge: 30\nCache-Control: max-age=60\n", 1, 40, 20, 60, 0},
        {"Age: x\nCache-Control: max-age=60\n", 1, 60, 0, 60, 0},
        {"Age: -5\nCache-Control: max-age=60\n", 1, 60, 0, 60, 0},
        {"Date: Thu, 28 May 2026 20:00:00 GMT\nCache-Control: max-age=60\n", 1, 60, 0, 60, 0}, /* one of the clocks may be wrong */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        check_row(rows + i);
}

/* an age from before this machine started: what is left is what counts */
static void test_age_beyond_the_clock(void **state)
{
    sluice_said_t what = said("Age: 5000\nCache-Control: max-age=6000\n");
    sluice_life_t life;

    (void)state;
    sluice_freshness_decide(&what, &rules, 2000000, &life);
    assert_int_equal(life.created_ms, 0);
    assert_int_equal(life.expires_ms, 3000000);
    assert_int_equal(life.max_age_s, 3000); /* clients see an age of 2000 s and have 1000 s left */
}

static void test_not_stored(void **state)
{
    static const struct {
        const char *lines;
        int store;
        uint32_t cache_control;
    } rows[] = {
        {"Cache-Control: no-store\n", 0, SLUICE_CC_NO_STORE},
        {"Cache-Control: max-age=60, no-store\n", 0, SLUICE_CC_NO_STORE},
        {"Cache-Control: no-store, must-understand\n", 1, SLUICE_CC_NO_STORE},
        {"Cache-Control: private\n", 0, SLUICE_CC_PRIVATE},
        {"Cache-Control: private=\"x\", max-age=60\n", 0, SLUICE_CC_PRIVATE},
        {"Cache-Control: public, private\n", 0, SLUICE_CC_PUBLIC | SLUICE_CC_PRIVATE},
        {"Cache-Control: must-understand, private\n", 0, SLUICE_CC_PRIVATE},
        {"Set-Cookie: a=b\n", 0, SLUICE_CC_PRIVATE},
        {"Set-Cookie: a=b\nCache-Control: public, max-age=60\n", 0, SLUICE_CC_PUBLIC | SLUICE_CC_PRIVATE},
        {"Vary: *\n", 0, SLUICE_CC_NO_CACHE},
        {"Vary: Accept\nVary: Cookie, *\nCache-Control: max-age=60\n", 0, SLUICE_CC_NO_CACHE},
        {"Vary: Accept, Cookie, User-Agent\n", 1, 0},
        {"Cache-Control: no-cache\n", 1, SLUICE_CC_NO_CACHE},
        {"Cache-Control: must-revalidate\n", 1, SLUICE_CC_MUST_REVALIDATE},
        {"Cache-Control: max-age=60,\n no-store\n", 0, SLUICE_CC_NO_STORE}, /* folded: who knows what it says */
        {"Set-Cookie2: a=b\n", 1, 0},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        sluice_life_t life = life_of(rows[i].lines);
        if (life.store != rows[i].store || life.cache_control != rows[i].cache_control)
            fail_msg("`%s`: stored %d, for clients %#x", rows[i].lines, life.store, life.cache_control);
    }
}

static void test_no_cache_is_never_fresh(void **state)
{
    (void)state;
    check_row(&(struct st_row_t){"Cache-Control: no-cache, max-age=60\n", 1, 0, 0, 60, SLUICE_CC_NO_CACHE});
    check_row(&(struct st_row_t){"Cache-Control: no-cache\n", 1, 0, 0, 0, SLUICE_CC_NO_CACHE});
    check_row(&(struct st_row_t){"Cache-Control: no-cache=\"x\", s-maxage=9\n", 1, 0, 0, 0, SLUICE_CC_NO_CACHE});
}

static void test_stale(void **state)
{
    static const struct {
        const char *directives;
        unsigned revalidate_s, error_s;
    } rows[] = {{"max-age=60", SWR_S, SIE_S},
                {"max-age=60, stale-while-revalidate=7", 7, SIE_S},
                {"max-age=60, stale-if-error=70", SWR_S, 70},
                {"max-age=60, stale-while-revalidate=0, stale-if-error=0", 0, 0},
                {"max-age=60, stale-while-revalidate=x", 0, SIE_S},
                {"max-age=60, must-revalidate, stale-while-revalidate=7, stale-if-error=70", 0, 0},
                {"max-age=60, proxy-revalidate, stale-while-revalidate=7, stale-if-error=70", 0, 0},
                {"max-age=60, no-cache, stale-while-revalidate=7, stale-if-error=70", 0, 0},
                {"max-age=60, s-maxage=60", 0, 0},
                {"s-maxage=60, stale-while-revalidate=7", 7, 0},
                {"s-maxage=60, stale-if-error=70", 0, 70}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        char line[128] = "Cache-Control: ";
        size_t len = strlen(line);
        memcpy(line + len, rows[i].directives, strlen(rows[i].directives) + 1);
        sluice_life_t life = life_of(line);
        if (life.stale_ms != life.expires_ms + rows[i].revalidate_s * 1000 ||
            life.stale_if_error_ms != life.expires_ms + rows[i].error_s * 1000)
            fail_msg("`%s`: %lld ms while it is renewed, %lld ms for errors", rows[i].directives,
                     (long long)(life.stale_ms - life.expires_ms), (long long)(life.stale_if_error_ms - life.expires_ms));
        assert_int_equal(life.keep_ms, life.expires_ms + KEEP_S * 1000);
    }
}

static void test_kept_as_long_as_it_is_of_use(void **state)
{
    (void)state;
    assert_int_equal(life_of("Cache-Control: max-age=60, stale-while-revalidate=600\n").keep_ms, NOW_MS + 660000);
    assert_int_equal(life_of("Cache-Control: max-age=60, stale-if-error=700\n").keep_ms, NOW_MS + 760000);
}

static void test_override(void **state)
{
    static const char *const lines[] = {"",
                                        "Cache-Control: no-store\n",
                                        "Cache-Control: private, max-age=1\nAge: 7\n",
                                        "Set-Cookie: a\n",
                                        "Vary: *\n",
                                        "Cache-Control: no-cache, must-revalidate\n",
                                        "Expires: 0\n"};
    sluice_freshness_rules_t overriding = rules;

    (void)state;
    overriding.override = 1;
    for (size_t i = 0; i != sizeof(lines) / sizeof(lines[0]); ++i) {
        sluice_said_t what = said(lines[i]);
        sluice_life_t life;
        sluice_freshness_decide(&what, &overriding, NOW_MS, &life);
        assert_true(life.store);
        assert_int_equal(life.created_ms, NOW_MS);
        assert_int_equal(life.expires_ms, NOW_MS + TTL_S * 1000);
        assert_int_equal(life.stale_ms, NOW_MS + (TTL_S + SWR_S) * 1000);
        assert_int_equal(life.max_age_s, TTL_S);
        assert_int_equal(life.cache_control, 0);
        assert_true(sluice_freshness_may_store(&what, &overriding));
        assert_int_equal(sluice_freshness_negative_ms(&what, &overriding), NEGATIVE_S * 1000);
    }
}

static void test_ttl_of_nothing(void **state)
{
    sluice_freshness_rules_t none = rules;
    sluice_said_t silent = said(""), given = said("Cache-Control: max-age=60\n");
    sluice_life_t life;

    (void)state;
    none.ttl_ms = 0;
    sluice_freshness_decide(&silent, &none, NOW_MS, &life);
    assert_false(life.store);
    sluice_freshness_decide(&given, &none, NOW_MS, &life);
    assert_true(life.store);
    none.override = 1;
    sluice_freshness_decide(&given, &none, NOW_MS, &life);
    assert_false(life.store);
}

static void test_negative(void **state)
{
    static const struct {
        const char *lines;
        unsigned seconds;
    } rows[] = {{"", NEGATIVE_S},
                {"Cache-Control: public\n", NEGATIVE_S},
                {"Cache-Control: max-age=60\n", 60},
                {"Cache-Control: max-age=60, s-maxage=30\nAge: 10\n", 20},
                {DATE IN_A_MINUTE, 60},
                {"Cache-Control: no-cache\n", 0},
                {"Cache-Control: no-store, max-age=60\n", 0},
                {"Cache-Control: private, max-age=60\n", 0},
                {"Cache-Control: max-age=60\nSet-Cookie: a=b\n", 0},
                {"Vary: *\n", 0}};

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        sluice_said_t what = said(rows[i].lines);
        assert_int_equal(sluice_freshness_negative_ms(&what, &rules), rows[i].seconds * 1000);
    }
}

static void test_validators(void **state)
{
    sluice_said_t what = said("ETag: W/\"a b\" \r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    char line[SLUICE_VALIDATOR_MAX + 16] = "ETag: ";

    (void)state;
    assert_true(sluice_said_has_validator(&what));
    assert_int_equal(what.etag_len, 7);
    assert_memory_equal(what.etag, "W/\"a b\"", 7);
    assert_int_equal(what.last_modified_s, 784111777);
    memset(line + 6, 'x', SLUICE_VALIDATOR_MAX + 1);
    what = said(line);
    assert_false(sluice_said_has_validator(&what)); /* too long */
    line[6 + SLUICE_VALIDATOR_MAX] = '\0';
    what = said(line);
    assert_int_equal(what.etag_len, SLUICE_VALIDATOR_MAX);
    what = said("ETag: \"a\tb\"\nLast-Modified: yesterday\n");
    assert_false(sluice_said_has_validator(&what)); /* a tab would be a bad line in a request */
    what = said("ETag:\n");
    assert_false(sluice_said_has_validator(&what));
}

static void test_merge(void **state)
{
    sluice_said_t stored = said("ETag: \"a\"\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\nCache-Control: max-age=60\nAge: 50\n");
    sluice_said_t silent = said(""), speaking = said("ETag: \"b\"\nCache-Control: no-store\nAge: 3\n"), merged;

    (void)state;
    sluice_said_merge(&stored, &silent, &merged);
    assert_int_equal(merged.cache_control.max_age_s, 60);
    assert_int_equal(merged.age_s, 0); /* it is as if it were new */
    assert_memory_equal(merged.etag, "\"a\"", merged.etag_len);
    assert_int_equal(merged.last_modified_s, 784111777);

    sluice_said_merge(&stored, &speaking, &merged);
    assert_int_equal(merged.cache_control.max_age_s, SLUICE_CC_NOT_GIVEN);
    assert_true((merged.cache_control.flags & SLUICE_CC_NO_STORE) != 0);
    assert_int_equal(merged.age_s, 3);
    assert_memory_equal(merged.etag, "\"b\"", merged.etag_len);
    assert_int_equal(merged.last_modified_s, 784111777);
}

/* Expires counts from the date of the answer that confirms it, and goes when that one says something else */
static void test_merge_expires(void **state)
{
    sluice_said_t stored = said(DATE IN_A_MINUTE), later = said("Date: Thu, 28 May 2026 20:27:10 GMT\n");
    sluice_said_t speaking = said("Cache-Control: public\n"), merged;
    sluice_life_t life;

    (void)state;
    sluice_said_merge(&stored, &later, &merged);
    sluice_freshness_decide(&merged, &rules, NOW_MS, &life);
    assert_int_equal(life.expires_ms, NOW_MS + 30000);
    sluice_said_merge(&stored, &speaking, &merged);
    sluice_freshness_decide(&merged, &rules, NOW_MS, &life);
    assert_int_equal(life.expires_ms, NOW_MS + TTL_S * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lifetime),
                                       cmocka_unit_test(test_age),
                                       cmocka_unit_test(test_age_beyond_the_clock),
                                       cmocka_unit_test(test_not_stored),
                                       cmocka_unit_test(test_no_cache_is_never_fresh),
                                       cmocka_unit_test(test_stale),
                                       cmocka_unit_test(test_kept_as_long_as_it_is_of_use),
                                       cmocka_unit_test(test_override),
                                       cmocka_unit_test(test_ttl_of_nothing),
                                       cmocka_unit_test(test_negative),
                                       cmocka_unit_test(test_validators),
                                       cmocka_unit_test(test_merge),
                                       cmocka_unit_test(test_merge_expires)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
