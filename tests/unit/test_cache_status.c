#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/cache_status.h"
#include "module/errors.h"

static void assert_text(sluice_cache_status_t status, const char *expected)
{
    char text[SLUICE_CACHE_STATUS_MAX + 1];
    size_t len;

    memset(text, '#', sizeof(text));
    len = sluice_cache_status_text(&status, text);
    assert_true(len <= SLUICE_CACHE_STATUS_MAX);
    assert_int_equal(text[len], '#'); /* not one byte more */
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void test_the_table_of_the_header(void **state)
{
    (void)state;
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_HIT, .ttl_s = 3540}, "sluice; hit; ttl=3540");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_HIT, .ttl_s = 0}, "sluice; hit; ttl=0");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_HIT, .ttl_s = -12, .detail = "revalidating"},
                "sluice; hit; ttl=-12; detail=revalidating");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_URI_MISS, .fwd_status = 200, .stored = 1},
                "sluice; fwd=uri-miss; fwd-status=200; stored");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_URI_MISS, .stored = 1}, "sluice; fwd=uri-miss; stored");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_URI_MISS, .stored = 1, .collapsed = 1},
                "sluice; fwd=uri-miss; stored; collapsed");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_STALE, .fwd_status = 200, .stored = 1},
                "sluice; fwd=stale; fwd-status=200; stored");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_STALE, .fwd_status = 304}, "sluice; fwd=stale; fwd-status=304");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_STALE, .fwd_status = 503, .detail = "origin-failed"},
                "sluice; fwd=stale; fwd-status=503; detail=origin-failed");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_URI_MISS, .fwd_status = 404, .collapsed = 1, .detail = "not-found"},
                "sluice; fwd=uri-miss; fwd-status=404; collapsed; detail=not-found");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_REMEMBERED, .detail = "not-found"}, "sluice; hit; detail=not-found");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_NONE, .detail = "not-cached"}, "sluice; detail=not-cached");
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_HIT, .ttl_s = INT64_MAX}, "sluice; hit; ttl=999999999999999");
}

static void test_the_longest_fits(void **state)
{
    char detail[SLUICE_CACHE_STATUS_DETAIL_MAX + 1] = {0}, expected[SLUICE_CACHE_STATUS_MAX + 1];

    (void)state;
    memset(detail, 'a', SLUICE_CACHE_STATUS_DETAIL_MAX);
    snprintf(expected, sizeof(expected), "sluice; fwd=uri-miss; fwd-status=4294967295; stored; collapsed; detail=%s", detail);
    assert_text(
        (sluice_cache_status_t){SLUICE_FORWARD_URI_MISS, .fwd_status = UINT32_MAX, .stored = 1, .collapsed = 1, .detail = detail},
        expected);
    snprintf(expected, sizeof(expected), "sluice; hit; ttl=-999999999999999; detail=%s", detail);
    assert_text((sluice_cache_status_t){SLUICE_FORWARD_HIT, .ttl_s = INT64_MIN, .detail = detail}, expected);
}

/* the codes go into the field as they are: a token begins with a letter and has none of the separators */
static void test_codes_of_errors_are_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i != SLUICE_NUM_ERRORS; ++i) {
        const char *code = sluice_errors[i].code;
        assert_true(strlen(code) <= SLUICE_CACHE_STATUS_DETAIL_MAX);
        assert_true(code[0] >= 'a' && code[0] <= 'z');
        assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(code));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_of_the_header),
        cmocka_unit_test(test_the_longest_fits),
        cmocka_unit_test(test_codes_of_errors_are_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
