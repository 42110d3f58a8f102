#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/secret.h"

#define SECRET "0123456789abcdef"

static char folder[] = "/tmp/sluice-secret-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* what is read of a file with this text and mode */
static ssize_t read_file(const char *text, size_t len, mode_t mode, char secret[SLUICE_SECRET_MAX], char *error)
{
    char path[sizeof(folder) + 8];
    FILE *file;
    ssize_t secret_len;

    snprintf(path, sizeof(path), "%s/secret", folder);
    assert_non_null(file = fopen(path, "w"));
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    secret_len = sluice_secret_read("key", "secret", folder, secret, error, 512);
    assert_int_equal(unlink(path), 0);
    return secret_len;
}

static void assert_says(const char *error, const char *part)
{
    if (strstr(error, part) == NULL)
        fail_msg("`%s` does not say `%s`", error, part);
}

static void assert_refused(const char *text, size_t len, mode_t mode, const char *part)
{
    char secret[SLUICE_SECRET_MAX], error[512] = "";

    assert_int_equal(read_file(text, len, mode, secret, error), -1);
    assert_says(error, part);
    if (len >= 8 && strstr(error, "01234567") != NULL)
        fail_msg("`%s` gives it away", error);
}

static void test_bad_files(void **state)
{
    char long_text[SLUICE_SECRET_MAX + 2];

    (void)state;
    memset(long_text, 'a', sizeof(long_text));
    assert_refused("", 0, 0600, "the key has to have 16 to 512 characters; this one has 0");
    assert_refused("0123456789abcde\n", 16, 0600, "this one has 15");
    assert_refused(long_text, SLUICE_SECRET_MAX + 1, 0600, "this one has at least");
    assert_refused("0123456789 abcdef", 17, 0600, "visible");
    assert_refused("0123456789\0abcdef", 17, 0600, "visible");
    assert_refused("0123456789abcd\xc3\xa9", 16, 0600, "visible");
    assert_refused(SECRET, 16, 0604, "chmod o-rwx");
    assert_refused(SECRET, 16, 0602, "chmod o-rwx");
}

static void test_no_file(void **state)
{
    char secret[SLUICE_SECRET_MAX], error[512];

    (void)state;
    assert_int_equal(sluice_secret_read("key", "missing", folder, secret, error, sizeof(error)), -1);
    assert_says(error, "missing`: No such file");
    assert_int_equal(sluice_secret_read("key", ".", folder, secret, error, sizeof(error)), -1);
    assert_says(error, "not a regular file");
    assert_int_equal(sluice_secret_read("key", "env:SLUICE_NO_SUCH_VARIABLE", folder, secret, error, sizeof(error)), -1);
    assert_says(error, "SLUICE_NO_SUCH_VARIABLE");
}

static void test_good(void **state)
{
    char text[SLUICE_SECRET_MAX + 1], secret[SLUICE_SECRET_MAX], error[512];

    (void)state;
    memset(text, 'a', SLUICE_SECRET_MAX);
    text[SLUICE_SECRET_MAX] = '\n';
    assert_int_equal(read_file(text, sizeof(text), 0640, secret, error), SLUICE_SECRET_MAX);
    assert_memory_equal(secret, text, SLUICE_SECRET_MAX);
    assert_int_equal(read_file(SECRET " \r\n\n", 20, 0600, secret, error), 16);
    assert_memory_equal(secret, SECRET, 16);
    assert_int_equal(setenv("SLUICE_TEST_SECRET", "~" SECRET "!", 1), 0);
    assert_int_equal(sluice_secret_read("key", "env:SLUICE_TEST_SECRET", folder, secret, error, sizeof(error)), 18);
    assert_memory_equal(secret, "~" SECRET "!", 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_good),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
