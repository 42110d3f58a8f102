/*
 * Reading statm: the parser on good and bad texts, the real file before and after memory is touched, and after a fork.
 */
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "test_pressure_fake.h"

static void test_parse(void **arg)
{
    static const struct {
        const char *text;
        int result;
        uint64_t pages;
    } rows[] = {{"5000 1234 300 1 0 400 0\n", 0, 1234},
                {"1 18446744073709551615 0", 0, UINT64_MAX},
                {"1 18446744073709551616 0", -1, 0},
                {"", -1, 0},
                {"5000", -1, 0},
                {"5000 ", -1, 0},
                {"5000 12", -1, 0}, /* may be cut off */
                {"5000 0 300", -1, 0},
                {"5000  12 300", -1, 0},
                {"x 12 300", -1, 0},
                {"5000 -12 300", -1, 0},
                {"5000 12x 300", -1, 0}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        uint64_t pages;
        assert_int_equal(pressure_parse_statm(rows[i].text, strlen(rows[i].text), &pages), rows[i].result);
        if (rows[i].result == 0)
            assert_int_equal(pages, rows[i].pages);
    }
}

static void test_reading(void **arg)
{
    static const struct {
        pressure_sample_t sample;
        uint64_t budget_bytes, reading_bytes;
    } rows[] = {
        {{100, 0, 0}, 1000, 100},     {{100, 900, 0}, 1000, 100},   {{100, 50, 1000}, 1000, 100}, {{100, 900, 1000}, 1000, 900},
        {{100, 900, 1000}, 500, 450}, {{450, 900, 1000}, 500, 450}, {{1, 2000, 1000}, 500, 1000}, {{0, 1, UINT64_MAX}, 1000, 0},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i)
        assert_int_equal(pressure_reading_of(&rows[i].sample, rows[i].budget_bytes), rows[i].reading_bytes);
}

static uint64_t sample(void)
{
    pressure_sample_t taken = {0};

    assert_int_equal(pressure_sample_statm(NULL, &taken), 0);
    assert_int_equal(taken.group_limit_bytes, 0);
    return taken.resident_bytes;
}

static void test_sees_touched_pages(void **arg)
{
    const size_t size = 64 << 20;
    uint64_t before = sample();
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)arg;
    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 1, size);
    uint64_t touched = sample();
    munmap(pages, size);
    assert_true(touched >= before + size / 10 * 9);
    assert_true(sample() <= touched - size / 10 * 9);
}

/* a child that frees what it inherited must see its own resident set, not its parent's */
static void test_after_a_fork(void **arg)
{
    const size_t size = 64 << 20;
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pressure_sample_t child;
    uint64_t parent;
    int status;
    pid_t pid;

    (void)arg;
    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 1, size);
    parent = sample();
    if ((pid = fork()) == 0) {
        munmap(pages, size);
        _exit(pressure_sample_statm(NULL, &child) == 0 && child.resident_bytes < parent - size / 2 ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    munmap(pages, size);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_sees_touched_pages),
        cmocka_unit_test(test_after_a_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
