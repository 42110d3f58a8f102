#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/admin.h"

#define TOKEN "0123456789abcdef"

static sluice_admin_t *make_admin(void)
{
    char error[512];
    sluice_admin_t *admin;

    assert_int_equal(setenv("SLUICE_TEST_TOKEN", TOKEN "\r\n", 1), 0);
    admin = sluice_admin_create("env:SLUICE_TEST_TOKEN", "/", 2, error, sizeof(error));
    assert_non_null(admin);
    return admin;
}

static sluice_admin_verdict_t check_at(sluice_admin_t *admin, const char *header, const char *address, uint64_t now_ms)
{
    return sluice_admin_check(admin, header, header != NULL ? strlen(header) : 0, address, strlen(address), now_ms);
}

static void test_no_token(void **state)
{
    char error[512];
    sluice_admin_t *admin;

    (void)state;
    assert_null(sluice_admin_create("env:SLUICE_NO_SUCH_VARIABLE", "/", 2, error, sizeof(error)));
    assert_non_null(strstr(error, "SLUICE_NO_SUCH_VARIABLE"));
    assert_int_equal(setenv("SLUICE_TEST_TOKEN", "short", 1), 0);
    assert_null(sluice_admin_create("env:SLUICE_TEST_TOKEN", "/", 2, error, sizeof(error)));
    assert_string_equal(error, "the token has to have 16 to 512 characters; this one has 5");
    admin = make_admin();
    sluice_admin_destroy(&admin);
    assert_null(admin);
    sluice_admin_destroy(&admin);
}

static void test_headers(void **state)
{
    static const char *const right[] = {"Bearer " TOKEN, "bearer " TOKEN, "BEARER   " TOKEN};
    static const char *const wrong[] = {"Bearer 0123456789abcdeF",
                                        "Bearer 1123456789abcdef",
                                        "Bearer 0123456789abcde",
                                        "Bearer " TOKEN "g",
                                        "Bearer " TOKEN " ",
                                        "Bearer " TOKEN TOKEN,
                                        "Bearer 0",
                                        "Bearer " TOKEN "\n"};
    static const char *const none[] = {
        NULL, "", "Bearer", "Bearer ", "Bearer  ", TOKEN, "Basic " TOKEN, " Bearer " TOKEN, "Bearer\t" TOKEN, "Bearer" TOKEN};
    sluice_admin_t *admin = make_admin();

    (void)state;
    for (size_t i = 0; i != sizeof(right) / sizeof(right[0]); ++i)
        assert_int_equal(check_at(admin, right[i], "a", 0), SLUICE_ADMIN_ALLOWED);
    for (size_t i = 0; i != sizeof(wrong) / sizeof(wrong[0]); ++i)
        if (check_at(admin, wrong[i], "a", 0) != SLUICE_ADMIN_DENIED)
            fail_msg("`%s` is allowed", wrong[i]);
    /* no guesses, so that they count as none, however many there are */
    for (int round = 0; round != 100; ++round)
        for (size_t i = 0; i != sizeof(none) / sizeof(none[0]); ++i)
            if (check_at(admin, none[i], "b", 0) != SLUICE_ADMIN_DENIED)
                fail_msg("`%s` is allowed or limited", none[i] != NULL ? none[i] : "");
    assert_int_equal(check_at(admin, right[0], "b", 0), SLUICE_ADMIN_ALLOWED);
    sluice_admin_destroy(&admin);
}

static void test_every_byte_counts(void **state)
{
    sluice_admin_t *admin = make_admin();
    uint64_t now_ms = 0;

    (void)state;
    for (size_t i = 0; i != 16; ++i) {
        for (int bit = 0; bit != 8; ++bit) {
            char header[] = "Bearer " TOKEN;
            header[7 + i] = (char)(header[7 + i] ^ (1 << bit));
            now_ms += SLUICE_ADMIN_BURST * SLUICE_ADMIN_RETRY_MS;
            assert_int_equal(check_at(admin, header, "a", now_ms), SLUICE_ADMIN_DENIED);
        }
    }
    sluice_admin_destroy(&admin);
}

static void test_limit(void **state)
{
    sluice_admin_t *admin = make_admin();
    uint64_t start_ms = 1000000, num_looked_at = 0;

    (void)state;
    for (int i = 0; i != SLUICE_ADMIN_BURST; ++i)
        assert_int_equal(check_at(admin, "Bearer guess", "a", start_ms), SLUICE_ADMIN_DENIED);
    assert_int_equal(check_at(admin, "Bearer guess", "a", start_ms), SLUICE_ADMIN_LIMITED);
    /* the right one too, or guessing would go on; but only from there */
    assert_int_equal(check_at(admin, "Bearer " TOKEN, "a", start_ms), SLUICE_ADMIN_LIMITED);
    assert_int_equal(check_at(admin, "Bearer " TOKEN, "b", start_ms), SLUICE_ADMIN_ALLOWED);
    assert_int_equal(check_at(admin, "Bearer " TOKEN, "a", start_ms + SLUICE_ADMIN_RETRY_MS - 1), SLUICE_ADMIN_LIMITED);
    assert_int_equal(check_at(admin, "Bearer " TOKEN, "a", start_ms + SLUICE_ADMIN_RETRY_MS), SLUICE_ADMIN_ALLOWED);
    assert_int_equal(check_at(admin, "Bearer guess", "a", start_ms + SLUICE_ADMIN_RETRY_MS), SLUICE_ADMIN_DENIED);
    assert_int_equal(check_at(admin, "Bearer guess", "a", start_ms + SLUICE_ADMIN_RETRY_MS), SLUICE_ADMIN_LIMITED);

    /* a million guesses in a hundred seconds */
    for (uint64_t i = 0; i != 1000000; ++i)
        num_looked_at += check_at(admin, "Bearer guess", "c", start_ms + i / 10) == SLUICE_ADMIN_DENIED;
    assert_in_range(num_looked_at, 100, 100 + SLUICE_ADMIN_BURST);
    sluice_admin_destroy(&admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_token),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
