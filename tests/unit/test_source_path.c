#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/source_path.h"

#define LONGEST (SLUICE_SOURCE_PATH_MAX / 3)

static int ok_bytes(const char *path, size_t len)
{
    char *copy = malloc(len + (len == 0));
    int ok;

    assert_non_null(copy);
    memcpy(copy, path, len);
    ok = sluice_source_path_ok(copy, len);
    free(copy);
    return ok;
}

static int ok(const char *path)
{
    return ok_bytes(path, strlen(path));
}

static void test_ok(void **state)
{
    static const char *const good[] = {"a",           "a.jpg",  "a/b/c.jpg", "...",   ".hidden", "a/.hidden",
                                       "..a",         "a..",    "a/..b/c",   ". ",    ".. /a",   "a b",
                                       "caf\xc3\xa9", "%2e%2e", "a\\..\\b",  "a?b#c", "a/%2f/b", "-"};
    static const char *const bad[] = {"",      "/",         "a/",  "/a",   "a//b",       ".",      "..",
                                      "./a",   "../a",      "a/.", "a/..", "a/./b",      "a/../b", "a/b/..",
                                      "../..", "a/../../b", "//",  "a//",  "a/b/../c/d", "a/b//"};

    (void)state;
    for (size_t i = 0; i != sizeof(good) / sizeof(good[0]); ++i)
        if (!ok(good[i]))
            fail_msg("`%s` is refused", good[i]);
    for (size_t i = 0; i != sizeof(bad) / sizeof(bad[0]); ++i)
        if (ok(bad[i]))
            fail_msg("`%s` is taken", bad[i]);
}

static void test_every_byte(void **state)
{
    (void)state;
    for (int c = 0; c != 256; ++c) {
        const char first[] = {(char)c, 'b'}, middle[] = {'a', (char)c, 'b'}, last[] = {'a', (char)c};
        int control = c < 0x20 || c == 0x7f;
        assert_int_equal(ok_bytes(middle, sizeof(middle)), !control);
        assert_int_equal(ok_bytes(first, sizeof(first)), !control && c != '/');
        assert_int_equal(ok_bytes(last, sizeof(last)), !control && c != '/');
    }
}

static void test_length_limit(void **state)
{
    char path[LONGEST + 1];

    (void)state;
    memset(path, 'a', sizeof(path));
    assert_true(ok_bytes(path, LONGEST));
    assert_false(ok_bytes(path, LONGEST + 1));
}

static int value_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* the inverse; checks on the way that nothing stands there that may not stand in the path of a URL */
static size_t decode(const char *text, char *out)
{
    size_t n = 0;

    for (; *text != '\0'; ++text) {
        if (*text == '%') {
            assert_true(value_of(text[1]) >= 0 && value_of(text[2]) >= 0);
            out[n++] = (char)(value_of(text[1]) * 16 + value_of(text[2]));
            text += 2;
        } else {
            assert_true(*text > 0x20 && *text < 0x7f && strchr("\"#<>?[\\]^`{|}", *text) == NULL);
            out[n++] = *text;
        }
    }
    return n;
}

/* encodes into a buffer of exactly `size` bytes */
static size_t encode(const char *path, size_t len, size_t size, char *out)
{
    char *buf = malloc(size + (size == 0));
    size_t n;

    assert_non_null(buf);
    n = sluice_source_path_encode(path, len, buf, size);
    if (n != 0) {
        assert_true(n < size);
        assert_int_equal(strlen(buf), n);
        memcpy(out, buf, n + 1);
    }
    free(buf);
    return n;
}

static void assert_encoded(const char *path, const char *expected)
{
    char out[64];

    assert_int_equal(encode(path, strlen(path), sizeof(out), out), strlen(expected));
    assert_string_equal(out, expected);
}

static void test_encode(void **state)
{
    (void)state;
    assert_encoded("a/b.jpg", "a/b.jpg");
    assert_encoded("-._~!$&'()*+,;=:@", "-._~!$&'()*+,;=:@");
    assert_encoded("a b", "a%20b");
    assert_encoded("50%.jpg", "50%25.jpg");
    assert_encoded("%2e%2e", "%252e%252e");
    assert_encoded("a?b#c", "a%3Fb%23c");
    assert_encoded("caf\xc3\xa9", "caf%C3%A9");
    assert_encoded("\\\"<>[]^`{|}", "%5C%22%3C%3E%5B%5D%5E%60%7B%7C%7D");
}

static void test_encode_round_trip(void **state)
{
    char path[LONGEST], out[SLUICE_SOURCE_PATH_MAX], back[SLUICE_SOURCE_PATH_MAX];
    uint32_t seed = 12345;

    (void)state;
    for (size_t round = 0; round != 2000; ++round) {
        size_t len = 1 + round % LONGEST;
        for (size_t i = 0; i != len; ++i)
            path[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
        size_t n = encode(path, len, sizeof(out), out);
        assert_true(n != 0);
        assert_int_equal(decode(out, back), len);
        assert_memory_equal(back, path, len);
    }
}

static void test_every_good_path_fits(void **state)
{
    char path[LONGEST], out[SLUICE_SOURCE_PATH_MAX];

    (void)state;
    memset(path, '\xff', sizeof(path));
    assert_true(ok_bytes(path, sizeof(path)));
    assert_int_equal(encode(path, sizeof(path), sizeof(out), out), 3 * sizeof(path));
}

static void test_buffer_limits_are_exact(void **state)
{
    static const char *const paths[] = {"a", " ", "abc", "ab ", " ab", "a b c", "   ", "abcdefgh", "\xc3\xa9"};
    char full[64], out[64];

    (void)state;
    for (size_t i = 0; i != sizeof(paths) / sizeof(paths[0]); ++i) {
        size_t len = strlen(paths[i]), needed = encode(paths[i], len, sizeof(full), full) + 1;
        for (size_t size = 0; size != needed; ++size)
            assert_int_equal(encode(paths[i], len, size, out), 0);
        for (size_t size = needed; size != needed + 4; ++size) {
            assert_int_equal(encode(paths[i], len, size, out), needed - 1);
            assert_string_equal(out, full);
        }
    }
}

static void test_encode_nothing(void **state)
{
    char buf[2] = {'x', 'x'};

    (void)state;
    assert_int_equal(sluice_source_path_encode("", 0, buf, 0), 0);
    assert_int_equal(buf[0], 'x');
    assert_int_equal(sluice_source_path_encode("", 0, buf, 1), 0);
    assert_int_equal(buf[0], '\0');
    assert_int_equal(buf[1], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_length_limit),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_encode_round_trip),
        cmocka_unit_test(test_every_good_path_fits),
        cmocka_unit_test(test_buffer_limits_are_exact),
        cmocka_unit_test(test_encode_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
