#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/plain_target.h"

static void secrets_are_left_out(void **state)
{
    static const struct {
        const char *target, *plain;
    } cases[] = {
        {"/a.jpg", "/a.jpg"},
        {"/a.jpg?", "/a.jpg?"},
        {"/a.jpg?w=300&h=200", "/a.jpg?w=300&h=200"},
        {"/a.jpg?w=300&sig=AbC_-", "/a.jpg?w=300&sig=..."},
        {"/a.jpg?exp=1790000000&sig=AbC_-", "/a.jpg?exp=...&sig=..."},
        {"/a.jpg?token=secret&w=300", "/a.jpg?token=...&w=300"},
        {"/a.jpg?secret", "/a.jpg?..."},
        {"/a.jpg?secret&w=1", "/a.jpg?...&w=1"},
        {"/a.jpg?&&w=1&", "/a.jpg?&&w=1&"},
        {"/a.jpg?=secret", "/a.jpg?=..."},
        {"/a.jpg?w==secret", "/a.jpg?w==secret"}, /* of a name that is known, which takes no secrets */
        {"/a.jpg?W=secret", "/a.jpg?W=..."},
        {"/a.jpg?s%69g=secret", "/a.jpg?s%69g=..."},
        {"/a.jpg?sig=a=b&w=1", "/a.jpg?sig=...&w=1"},
        {"/a.jpg?sig=x?w=secret", "/a.jpg?sig=..."},
        {"/a\n\x1b[31m\x7f\xc3\xa9 b.jpg", "/a??[31m??? b.jpg"},
        {"", ""},
        {"?", "?"},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        char dst[128];
        sluice_plain_target(cases[i].target, strlen(cases[i].target), dst, sizeof(dst));
        assert_string_equal(dst, cases[i].plain);
    }
}

/* into a buffer of exactly its size, so that a sanitizer sees each byte too many; the source ends at the end of its block, too */
static void any_size(void **state)
{
    static const char target[] = "/a.jpg?w=300&sig=AbC&token=x&h=200";
    char whole[128];

    (void)state;
    sluice_plain_target(target, strlen(target), whole, sizeof(whole));
    for (size_t len = 0; len <= strlen(target); ++len)
        for (size_t size = 4; size != 48; ++size) {
            char *src = malloc(len), *dst = malloc(size), fits[128];
            memcpy(src, target, len);
            sluice_plain_target(src, len, fits, sizeof(fits));
            sluice_plain_target(src, len, dst, size);
            if (strlen(fits) < size) {
                assert_string_equal(dst, fits);
            } else {
                assert_int_equal(strlen(dst), size - 1);
                assert_memory_equal(dst, fits, size - 4);
                assert_string_equal(dst + size - 4, "...");
            }
            assert_null(strstr(dst, "AbC"));
            free(src);
            free(dst);
        }
}

static void long_names(void **state)
{
    char target[512] = "/a.jpg?", dst[512];
    size_t len = strlen(target);

    (void)state;
    memset(target + len, 'w', 300);
    snprintf(target + len + 300, sizeof(target) - len - 300, "=secret");
    sluice_plain_target(target, strlen(target), dst, sizeof(dst));
    assert_memory_equal(dst, target, len + 301);
    assert_string_equal(dst + len + 301, "...");
}

static void texts(void **state)
{
    char dst[8];

    (void)state;
    sluice_plain_text("abc?x=y", 7, dst, sizeof(dst));
    assert_string_equal(dst, "abc?x=y");
    sluice_plain_text("abc?x=yz", 8, dst, sizeof(dst));
    assert_string_equal(dst, "abc?...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(secrets_are_left_out), cmocka_unit_test(any_size),
                                       cmocka_unit_test(long_names), cmocka_unit_test(texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
