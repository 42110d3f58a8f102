/* ldflags: -Wl,--wrap=EVP_MAC_CTX_dup,--wrap=EVP_MAC_final,--wrap=CRYPTO_memcmp */
/* signed targets. The oracle are signatures that Python's hmac and the command openssl made, the same in both:
 *     printf %s "$text" | openssl dgst -sha256 -hmac "$key" -binary | openssl base64 -A | tr '+/' '-_' | tr -d = */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include "module/signature.h"

#define NEW "0123456789abcdef0123456789abcdef"
#define OLD "older-key.older-key"
#define THIRD "a-key-that-signed-nothing"
#define NOW INT64_C(1790000000)
#define PICTURE "/images/a.jpg?w=300"
#define BY_NEW "9KQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZrk"
#define BY_OLD "WIpBWciphZyhyE7_KO-wQvc6hKFEgS2BPNqvjyKjhgo"

static size_t num_macs, num_compared_bytes;
static int no_memory;

EVP_MAC_CTX *__real_EVP_MAC_CTX_dup(const EVP_MAC_CTX *);
EVP_MAC_CTX *__wrap_EVP_MAC_CTX_dup(const EVP_MAC_CTX *);
EVP_MAC_CTX *__wrap_EVP_MAC_CTX_dup(const EVP_MAC_CTX *hmac)
{
    return no_memory ? NULL : __real_EVP_MAC_CTX_dup(hmac);
}

int __real_EVP_MAC_final(EVP_MAC_CTX *, unsigned char *, size_t *, size_t);
int __wrap_EVP_MAC_final(EVP_MAC_CTX *, unsigned char *, size_t *, size_t);
int __wrap_EVP_MAC_final(EVP_MAC_CTX *hmac, unsigned char *mac, size_t *len, size_t size)
{
    ++num_macs;
    return __real_EVP_MAC_final(hmac, mac, len, size);
}

int __real_CRYPTO_memcmp(const void *, const void *, size_t);
int __wrap_CRYPTO_memcmp(const void *, const void *, size_t);
int __wrap_CRYPTO_memcmp(const void *one, const void *other, size_t len)
{
    num_compared_bytes += len;
    return __real_CRYPTO_memcmp(one, other, len);
}

/* up to a NULL */
static sluice_sign_keys_t *make_keys(const char *first, ...)
{
    sluice_sign_keys_t *keys = sluice_sign_keys_create();
    va_list rest;

    assert_non_null(keys);
    va_start(rest, first);
    for (const char *key = first; key != NULL; key = va_arg(rest, const char *))
        assert_int_equal(sluice_sign_keys_add(keys, key, strlen(key)), 0);
    va_end(rest);
    return keys;
}

static sluice_sign_keys_t *both; /* NEW and OLD */

static int make_both(void **state)
{
    (void)state;
    both = make_keys(NEW, OLD, NULL);
    return 0;
}

static int destroy_both(void **state)
{
    (void)state;
    sluice_sign_keys_destroy(&both);
    assert_null(both);
    sluice_sign_keys_destroy(&both);
    return 0;
}

/* of a copy of exactly these bytes, so that a sanitizer sees a look behind the end */
static sluice_signature_t check_bytes(const sluice_sign_keys_t *keys, const char *target, size_t len, int64_t now_s,
                                      int64_t *expires_s)
{
    char *copy = malloc(len + (len == 0));
    sluice_signature_t verdict;

    assert_non_null(copy);
    memcpy(copy, target, len);
    verdict = sluice_signature_check(keys, copy, len, now_s, expires_s);
    free(copy);
    return verdict;
}

static sluice_signature_t check_at(const char *target, int64_t now_s)
{
    int64_t expires_s;

    return check_bytes(both, target, strlen(target), now_s, &expires_s);
}

static const struct {
    const char *target;
    int64_t expires_s;
} right[] = {
    {"/images/a.jpg?sig=En_8j4mFnvHpi_e87KNCjztZ7VBhgp5OYcyPtqYWVlc", INT64_MAX},
    {"/images/a.jpg?&sig=r7TIFBODHxQunhzRO5uSsTqta2xHgtsPgAuVYucQ9Ww", INT64_MAX},
    {PICTURE "&sig=" BY_NEW, INT64_MAX},
    {PICTURE "&sig=" BY_OLD, INT64_MAX},
    {"/images/%C3%A9.jpg?w=300&fit=cover&&sig=Z7J85GpGIOdkqtkjQOy0np5SOpmyslbhzgfKbZcm6p0", INT64_MAX},
    {"/images/\xe9.jpg?w=%33&sig=HuK0fCmbX4ShHj88uFtXVei5Xb4PD0AcIqtr7WNER7E", INT64_MAX},
    {"/images/a.jpg?w=300&exp=1790000000&q=70&sig=jb_B1jRWsAuRZbq9g4jy5Nvh2xzZhf8LdR_ekqvVNMQ", 1790000000},
    {"/images/a.jpg?exp=1790000000&sig=WB3-cRE6DF9UyGE76jOdOlxmZ0UKNNJ3HzsPdl0Ph8w", 1790000000},
    {"/images/a.jpg?exp=000000000000001790000001&sig=YK6dHiNymyNOjA6vxyyO1UcgvAuNXnBGCBGImHriNBo", 1790000001},
    /* what only looks like one of ours */
    {"/images/a.jpg?expired=1&EXP=1&sig=p2Em2wOlxs-nPELMsqOLaBFnPMQVzMt1TQgJTcx_x3A", INT64_MAX},
    {"/images/a.jpg?w=1?exp=1&sig=ohjsnSqRvMsi_dyEEgh6wKGgKF3xYcjo3xy7PZWzyCo", INT64_MAX},
    {"/images/exp=1/a.jpg?w=1&sig=nOwRlibFVDeU1q9qslXd21miu_8I4RH1i2vnvgyK4lY", INT64_MAX},
    {"/images/a.jpg?signature=x&sig=R61T0cg_Q8_vz7DRXRK1wbhIbuquv5awknZjUN78-gQ", INT64_MAX},
    {"?sig=eWzTB4rxRjZ1PSaztVVUIv9Vo-Jhz4R7SOlTcbm9CqI", INT64_MAX},
};
#define NUM_RIGHT (sizeof(right) / sizeof(right[0]))

static void test_right(void **state)
{

    (void)state;
    for (size_t i = 0; i != NUM_RIGHT; ++i) {
        int64_t expires_s = 0;
        if (check_bytes(both, right[i].target, strlen(right[i].target), NOW - 1, &expires_s) != SLUICE_SIGNATURE_RIGHT)
            fail_msg("%s is refused", right[i].target);
        assert_true(expires_s == right[i].expires_s);
    }
}

static const struct {
    const char *target;
    sluice_signature_t verdict;
} refused[] = {
    {"", SLUICE_SIGNATURE_MISSING},
    {"?", SLUICE_SIGNATURE_MISSING},
    {"/images/a.jpg", SLUICE_SIGNATURE_MISSING},
    {PICTURE, SLUICE_SIGNATURE_MISSING},
    {"/images/a.jpg&sig=En_8j4mFnvHpi_e87KNCjztZ7VBhgp5OYcyPtqYWVlc", SLUICE_SIGNATURE_MISSING},
    {PICTURE "?sig=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE ";sig=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE "&Sig=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE "&s%69g=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE "&si=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE "&sigs=" BY_NEW, SLUICE_SIGNATURE_MISSING},
    {PICTURE "&sig=" BY_NEW "&", SLUICE_SIGNATURE_MISPLACED},
    {PICTURE "&sig=" BY_NEW "&w=5", SLUICE_SIGNATURE_MISPLACED},
    {PICTURE "&sig=" BY_NEW "&exp=1890000000", SLUICE_SIGNATURE_MISPLACED},
    {"/images/a.jpg?sig=" BY_NEW "&w=300", SLUICE_SIGNATURE_MISPLACED},
    {PICTURE "&sig=" BY_NEW "&sig=" BY_NEW, SLUICE_SIGNATURE_MISPLACED},
    {"/images/a.jpg?sig=x&sig=aVp1YrS0Aa5TZ7-RZ-F3IXs-E6CIBYL6lhGSsHbwTN0", SLUICE_SIGNATURE_MISPLACED},
    {PICTURE "&sig", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig==" BY_NEW, SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=" BY_NEW "=", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=" BY_NEW "A", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=" BY_NEW "%3d", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=" BY_NEW " ", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=9KQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZr", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=9KQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZr=", SLUICE_SIGNATURE_MALFORMED},
    /* the two bits too many are not 0 */
    {PICTURE "&sig=9KQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZrl", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=9KQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZrm", SLUICE_SIGNATURE_MALFORMED},
    /* base64 with its usual letters, and hexadecimal */
    {"/images/a.jpg?sig=En/8j4mFnvHpi/e87KNCjztZ7VBhgp5OYcyPtqYWVlc", SLUICE_SIGNATURE_MALFORMED},
    {"/images/a.jpg?exp=1790000000&sig=WB3+cRE6DF9UyGE76jOdOlxmZ0UKNNJ3HzsPdl0Ph8w", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=f4a401bd395f9e72b8c4c787d2a60607304e5a50072c55eeb22d3004725866b9", SLUICE_SIGNATURE_MALFORMED},
    {PICTURE "&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SLUICE_SIGNATURE_WRONG},
    {PICTURE "&sig=9kQBvTlfnnK4xMeH0qYGBzBOWlAHLFXusi0wBHJYZrk", SLUICE_SIGNATURE_WRONG},
    {"/images/a.jpg?w=%3300&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    {"/images/%61.jpg?w=300&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    {"/other/a.jpg?w=300&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    {PICTURE "&&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    {PICTURE "&exp=1890000000&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    /* what would do for the query alone */
    {PICTURE "&sig=uImqTY5E3HT4eqVok83GmN2OjfBCd6TA1d1YHWYrgRk", SLUICE_SIGNATURE_WRONG},
    {"/images/a.jpg?exp&sig=hkN90aCf5ddNzlTl6DiRtHX0QwdOCev2EA6qOBBqPrY", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=&sig=7Q5OjwGL_XnpWgP24DR-zgX9VDgswLsT9ck9mbk_fKs", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=-5&sig=0rHAd_zG6X88Ef-Q99ZQMpZ9ZIUeOWBihz57ENom7O8", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=+1790000001&sig=fNx5gpIqLLojkJzrrIMTq_5IjLeQidiFUA6pqeBaMPk", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=1790000000.5&sig=7arO8QIsTvxzxR7FYm_VTczRs7zFfB52VDyo5idjwu0", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=0x7fffffff&sig=wCNMcI-57jXkHinC7heRfBTHrV_CrXkJcv1R0npFc3U", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=99999999999999999999&sig=0WnGH6RHcGDDaL4a0KiTv4AWE_8KKjzntRBV-Yi2HOE", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=1&exp=1790000001&sig=dUSVnS3ONCKPo4bSW6LJdgyGe6wpkkH19dyCwdx0i6Q", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=1790000001&exp=1&sig=Wqx3-AXxhD5BMFqmZtZfDqf-Z-e5nFMCPI-bb9NiObQ", SLUICE_SIGNATURE_BAD_EXPIRY},
    {"/images/a.jpg?exp=0&sig=77FK2YhruCZhTsd0XSje6sXPojcxgeBi9rXeoiXPCpM", SLUICE_SIGNATURE_EXPIRED},
    /* what is not signed is not looked into */
    {"/images/a.jpg?exp=1&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
    {"/images/a.jpg?exp=x&sig=" BY_NEW, SLUICE_SIGNATURE_WRONG},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i != sizeof(refused) / sizeof(refused[0]); ++i) {
        sluice_signature_t verdict = check_at(refused[i].target, NOW - 1);
        if (verdict != refused[i].verdict)
            fail_msg("%s is %d, not %d", refused[i].target, (int)verdict, (int)refused[i].verdict);
    }
}

static void assert_refused(const char *target, size_t len, size_t at, const char *what)
{
    int64_t expires_s;

    if (check_bytes(both, target, len, NOW - 1, &expires_s) == SLUICE_SIGNATURE_RIGHT)
        fail_msg("`%.*s` is right: %s at %zu", (int)len, target, what, at);
}

/* every byte of a target, its signature included, and every value in its place; each one left out, and one more anywhere */
static void test_every_byte_counts(void **state)
{

    (void)state;
    for (size_t i = 0; i != NUM_RIGHT; ++i) {
        const char *target = right[i].target;
        size_t len = strlen(target);
        char other[256];
        for (size_t at = 0; at != len; ++at) {
            memcpy(other, target, len);
            for (int value = 1; value != 256; ++value) {
                other[at] = (char)(target[at] ^ value);
                assert_refused(other, len, at, "another byte");
            }
            memmove(other + at, target + at + 1, len - at - 1);
            assert_refused(other, len - 1, at, "one less");
            assert_refused(target, at, at, "cut");
        }
        for (size_t at = 0; at <= len; ++at) {
            for (const char *more = "a&?=0-/\n"; *more != '\0'; ++more) {
                memcpy(other, target, at);
                other[at] = *more;
                memcpy(other + at + 1, target + at, len - at);
                assert_refused(other, len + 1, at, "one more");
            }
        }
    }
}

static void test_keys(void **state)
{
    struct {
        sluice_sign_keys_t *keys;
        sluice_signature_t by_new, by_old;
    } cases[] = {
        {make_keys(NEW, NULL), SLUICE_SIGNATURE_RIGHT, SLUICE_SIGNATURE_WRONG},
        {make_keys(OLD, NULL), SLUICE_SIGNATURE_WRONG, SLUICE_SIGNATURE_RIGHT},
        {make_keys(THIRD, NULL), SLUICE_SIGNATURE_WRONG, SLUICE_SIGNATURE_WRONG},
        {make_keys(NEW, OLD, NULL), SLUICE_SIGNATURE_RIGHT, SLUICE_SIGNATURE_RIGHT},
        {make_keys(OLD, NEW, NULL), SLUICE_SIGNATURE_RIGHT, SLUICE_SIGNATURE_RIGHT},
        {make_keys(THIRD, NEW, THIRD, NULL), SLUICE_SIGNATURE_RIGHT, SLUICE_SIGNATURE_WRONG},
        {make_keys(THIRD, THIRD, THIRD, THIRD, THIRD, THIRD, NEW, OLD, NULL), SLUICE_SIGNATURE_RIGHT, SLUICE_SIGNATURE_RIGHT},
        /* no more of a key than it has, and no less */
        {make_keys(NEW "0", NULL), SLUICE_SIGNATURE_WRONG, SLUICE_SIGNATURE_WRONG},
        {make_keys("0123456789abcdef0123456789abcde", NULL), SLUICE_SIGNATURE_WRONG, SLUICE_SIGNATURE_WRONG},
    };
    int64_t expires_s;

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        static const char by_new[] = PICTURE "&sig=" BY_NEW, by_old[] = PICTURE "&sig=" BY_OLD;
        assert_int_equal(check_bytes(cases[i].keys, by_new, sizeof(by_new) - 1, NOW, &expires_s), cases[i].by_new);
        assert_int_equal(check_bytes(cases[i].keys, by_old, sizeof(by_old) - 1, NOW, &expires_s), cases[i].by_old);
        sluice_sign_keys_destroy(&cases[i].keys);
    }
}

/* whichever it is that is right, or none: the same work */
static void test_all_keys_are_tried(void **state)
{
    sluice_sign_keys_t *keys[] = {make_keys(NEW, THIRD, THIRD, NULL), make_keys(THIRD, NEW, THIRD, NULL),
                                  make_keys(THIRD, THIRD, NEW, NULL), make_keys(THIRD, THIRD, THIRD, NULL)};
    static const char target[] = PICTURE "&sig=" BY_NEW;
    int64_t expires_s;

    (void)state;
    for (size_t i = 0; i != sizeof(keys) / sizeof(keys[0]); ++i) {
        num_macs = num_compared_bytes = 0;
        assert_int_equal(check_bytes(keys[i], target, sizeof(target) - 1, NOW, &expires_s),
                         i != 3 ? SLUICE_SIGNATURE_RIGHT : SLUICE_SIGNATURE_WRONG);
        assert_int_equal(num_macs, 3);
        assert_int_equal(num_compared_bytes, 3 * 32);
        sluice_sign_keys_destroy(keys + i);
    }
}

static void test_nothing_is_right_without_memory(void **state)
{
    (void)state;
    no_memory = 1;
    for (size_t i = 0; i != NUM_RIGHT; ++i)
        assert_int_equal(check_at(right[i].target, NOW - 1), SLUICE_SIGNATURE_WRONG);
    no_memory = 0;
}

static void test_expiry(void **state)
{
    static const char until_now[] = "/images/a.jpg?exp=1790000000&sig=WB3-cRE6DF9UyGE76jOdOlxmZ0UKNNJ3HzsPdl0Ph8w";

    (void)state;
    assert_int_equal(check_at(until_now, 0), SLUICE_SIGNATURE_RIGHT);
    assert_int_equal(check_at(until_now, NOW - 1), SLUICE_SIGNATURE_RIGHT);
    assert_int_equal(check_at(until_now, NOW), SLUICE_SIGNATURE_EXPIRED);
    assert_int_equal(check_at(until_now, NOW + 1), SLUICE_SIGNATURE_EXPIRED);
    assert_int_equal(check_at(until_now, INT64_MAX), SLUICE_SIGNATURE_EXPIRED);
    assert_int_equal(check_at(PICTURE "&sig=" BY_NEW, INT64_MAX), SLUICE_SIGNATURE_RIGHT);
}

static void test_every_refusal_says_why(void **state)
{
    (void)state;
    for (int verdict = SLUICE_SIGNATURE_RIGHT + 1; verdict != SLUICE_NUM_SIGNATURE_VERDICTS; ++verdict) {
        const char *parameter = verdict < SLUICE_SIGNATURE_BAD_EXPIRY ? "sig " : "exp ";
        assert_string_equal(sluice_signature_code((sluice_signature_t)verdict),
                            verdict == SLUICE_SIGNATURE_EXPIRED ? "signature-expired" : "bad-signature");
        assert_non_null(strstr(sluice_signature_detail((sluice_signature_t)verdict), parameter));
    }
}

static void test_strip(void **state)
{
    static const struct {
        const char *query, *rest;
    } cases[] = {
        {"", ""},
        {"sig=x", ""},
        {"exp=1&sig=x", ""},
        {"w=300", "w=300"},
        {"w=300&sig=x", "w=300"},
        {"w=300&exp=1&q=70&sig=x", "w=300&q=70"},
        {"exp=1&w=300&q=70&sig=x", "w=300&q=70"},
        {"exp&sig", ""},
        {"signature=1&expires=2&xexp=3&w=exp=4&sig=x", "signature=1&expires=2&xexp=3&w=exp=4"},
        {"&sig=x", ""},
        {"w=1&&h=2&&sig=x", "w=1&&h=2&"},
        {"p%61ge=1&sig=x", "p%61ge=1"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        size_t len = strlen(cases[i].query);
        char *query = malloc(len + 1), *rest = malloc(len + (len == 0));
        assert_true(query != NULL && rest != NULL);
        memcpy(query, cases[i].query, len);
        size_t rest_len = sluice_signature_strip(query, len, rest);
        if (rest_len != strlen(cases[i].rest) || memcmp(rest, cases[i].rest, rest_len) != 0)
            fail_msg("%s is stripped to `%.*s`", cases[i].query, (int)rest_len, rest);
        free(query);
        free(rest);
    }
    assert_int_equal(sluice_signature_strip(NULL, 0, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_all_keys_are_tried),
        cmocka_unit_test(test_nothing_is_right_without_memory),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_every_refusal_says_why),
        cmocka_unit_test(test_strip),
    };

    return cmocka_run_group_tests(tests, make_both, destroy_both);
}
