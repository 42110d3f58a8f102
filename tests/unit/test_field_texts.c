/* the fields of every answer with a picture */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "module/cache_control.h"
#include "module/conditional.h"
#include "module/field_texts.h"

#define ETAG "\"0123456789abcdef0123456789abcdef\""

static const sluice_cache_status_t hit = {.forward = SLUICE_FORWARD_HIT, .ttl_s = 3590};

/* "field|field|..." as the lengths divide the text */
static const char *divided(const sluice_field_texts_t *texts)
{
    static char out[SLUICE_FIELD_TEXTS_MAX + 8];
    const uint8_t lens[] = {texts->type_len,          texts->etag_len, texts->last_modified_len,
                            texts->cache_control_len, texts->age_len,  texts->cache_status_len};
    size_t from = 0, to = 0;

    for (size_t i = 0; i != sizeof(lens); ++i) {
        memcpy(out + to, texts->text + from, lens[i]);
        from += lens[i];
        to += lens[i];
        out[to++] = '|';
    }
    assert_int_equal(from, texts->len);
    out[to - 1] = '\0';
    return out;
}

static void test_texts(void **state)
{
    const sluice_field_values_t values = {784111777, 10, 3590, 3600, 0};
    sluice_field_texts_t texts;

    (void)state;
    sluice_field_texts_make(&texts, &values, "image/jpeg", ETAG, &hit);
    assert_string_equal(divided(&texts),
                        "image/jpeg|" ETAG "|Sun, 06 Nov 1994 08:49:37 GMT|public, max-age=3600|10|sluice; hit; ttl=3590");
}

static void test_without_a_date(void **state)
{
    const sluice_field_values_t none = {SLUICE_NO_DATE, 0, 3590, 0, 0}, absurd = {INT64_MAX, 0, 3590, 0, 0};
    sluice_field_texts_t texts;

    (void)state;
    sluice_field_texts_make(&texts, &none, "image/png", ETAG, &hit);
    assert_string_equal(divided(&texts), "image/png|" ETAG "||public, max-age=0|0|sluice; hit; ttl=3590");
    sluice_field_texts_make(&texts, &absurd, "image/png", ETAG, &hit);
    assert_string_equal(divided(&texts), "image/png|" ETAG "||public, max-age=0|0|sluice; hit; ttl=3590");
}

static void test_without_an_age(void **state)
{
    const sluice_field_values_t values = {SLUICE_NO_DATE, SLUICE_NO_AGE, 3590, 86400, 0};
    sluice_field_texts_t texts;

    (void)state;
    sluice_field_texts_make(&texts, &values, "image/png", ETAG, &hit);
    assert_string_equal(divided(&texts), "image/png|" ETAG "||public, max-age=86400||sluice; hit; ttl=3590");
}

static void test_longest(void **state)
{
    const uint32_t all =
        SLUICE_CC_PRIVATE | SLUICE_CC_NO_CACHE | SLUICE_CC_MUST_REVALIDATE | SLUICE_CC_PROXY_REVALIDATE | SLUICE_CC_IMMUTABLE;
    const sluice_field_values_t values = {0, UINT64_MAX - 1, INT64_MIN, UINT32_MAX, all};
    char detail[SLUICE_CACHE_STATUS_DETAIL_MAX + 1];
    sluice_field_texts_t texts;

    (void)state;
    memset(detail, 'd', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    const sluice_cache_status_t status = {
        .forward = SLUICE_FORWARD_HIT, .ttl_s = INT64_MIN, .fwd_status = UINT32_MAX, .stored = 1, .collapsed = 1, .detail = detail};
    sluice_field_texts_make(&texts, &values, "image/of-24-bytes-in-all", ETAG, &status);
    assert_true(texts.len <= SLUICE_FIELD_TEXTS_MAX);
    assert_int_equal(texts.len, strlen(divided(&texts)) - 5);
}

static void test_what_they_are_of(void **state)
{
    const sluice_field_values_t values = {784111777, 10, 3590, 3600, 0};
    const sluice_field_values_t others[] = {{784111778, 10, 3590, 3600, 0},
                                            {784111777, 11, 3590, 3600, 0},
                                            {784111777, 10, 3589, 3600, 0},
                                            {784111777, 10, 3590, 3601, 0},
                                            {784111777, 10, 3590, 3600, SLUICE_CC_PRIVATE}};
    sluice_field_texts_t texts;

    (void)state;
    sluice_field_texts_make(&texts, &values, "image/jpeg", ETAG, &hit);
    assert_true(sluice_field_texts_are_of(&texts, &values));
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        assert_false(sluice_field_texts_are_of(&texts, others + i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_without_a_date),
                                       cmocka_unit_test(test_without_an_age), cmocka_unit_test(test_longest),
                                       cmocka_unit_test(test_what_they_are_of)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
