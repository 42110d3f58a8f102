#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "module/cache_control.h"
#include "module/client_caching.h"

static const char *text_of(uint32_t flags, uint32_t max_age_s)
{
    static char text[SLUICE_CLIENT_CACHING_MAX + 1];
    size_t len;

    memset(text, '#', sizeof(text));
    len = sluice_client_caching_text(flags, max_age_s, text);
    assert_true(len <= SLUICE_CLIENT_CACHING_MAX && text[len] == '#');
    text[len] = '\0';
    return text;
}

static void test_table(void **state)
{
    (void)state;
    assert_string_equal(text_of(0, 3600), "public, max-age=3600");
    assert_string_equal(text_of(0, 0), "public, max-age=0");
    assert_string_equal(text_of(SLUICE_CC_PUBLIC, 60), "public, max-age=60");
    assert_string_equal(text_of(SLUICE_CC_PRESENT, 60), "max-age=60");
    assert_string_equal(text_of(SLUICE_CC_PRIVATE, 60), "private, max-age=60");
    assert_string_equal(text_of(SLUICE_CC_PRIVATE | SLUICE_CC_PUBLIC, 60), "private, max-age=60");
    assert_string_equal(text_of(SLUICE_CC_NO_STORE, 60), "no-store");
    assert_string_equal(text_of(SLUICE_CC_NO_STORE | SLUICE_CC_PRIVATE, 0), "private, no-store");
    assert_string_equal(text_of(SLUICE_CC_NO_CACHE, 0), "no-cache, max-age=0");
    assert_string_equal(text_of(SLUICE_CC_PUBLIC | SLUICE_CC_MUST_REVALIDATE, 5), "public, max-age=5, must-revalidate");
    assert_string_equal(text_of(SLUICE_CC_MUST_UNDERSTAND, 5), "max-age=5");
    assert_string_equal(text_of(UINT32_MAX & ~(uint32_t)SLUICE_CC_NO_STORE, UINT32_MAX),
                        "private, no-cache, max-age=4294967295, must-revalidate, proxy-revalidate, immutable");
}

/* a cache may rely on it: nobody is told to store what its origin forbids, or to share what is private */
static void test_nothing_forbidden_is_allowed(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags != 512; ++flags) {
        const char *text = text_of(flags, 60);
        assert_int_equal(strstr(text, "no-store") != NULL, (flags & SLUICE_CC_NO_STORE) != 0);
        assert_int_equal(strstr(text, "private") != NULL, (flags & SLUICE_CC_PRIVATE) != 0);
        if (flags & SLUICE_CC_NO_STORE)
            assert_null(strstr(text, "max-age"));
        if (flags & SLUICE_CC_PRIVATE)
            assert_null(strstr(text, "public"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nothing_forbidden_is_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
