/*
 * The allocator behind malloc(), glibc's and, where it is installed, jemalloc: the test runs itself again with that preloaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/allocator.h"
#include "module/heap.h"

#define JEMALLOC "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
#define NUM_BLOCKS 512
#define BLOCK_BYTES 65536

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1 /* and with it an allocator of its own */
#else
#define HAS_SANITIZER 0
#endif

static void *blocks[NUM_BLOCKS], *pins[NUM_BLOCKS];

/* what is free lies between what is not, so that the heap's end does not move */
static void make_holes(void)
{
    for (size_t i = 0; i != NUM_BLOCKS; ++i) {
        blocks[i] = malloc(BLOCK_BYTES);
        pins[i] = malloc(64);
        assert_true(blocks[i] != NULL && pins[i] != NULL);
        memset(blocks[i], (int)i, BLOCK_BYTES);
    }
    for (size_t i = 0; i != NUM_BLOCKS; ++i)
        free(blocks[i]);
}

static void test_purge(void **state)
{
    (void)state;
    if (HAS_SANITIZER)
        skip();
    sluice_allocator_purge();
    uint64_t at_rest_bytes = sluice_resident_bytes();
    make_holes();
    uint64_t before_bytes = sluice_resident_bytes();
    assert_true(before_bytes > at_rest_bytes + NUM_BLOCKS / 2 * BLOCK_BYTES);
    sluice_allocator_purge();
    assert_true(sluice_resident_bytes() < before_bytes - NUM_BLOCKS / 2 * BLOCK_BYTES);
    for (size_t i = 0; i != NUM_BLOCKS; ++i)
        free(pins[i]);
}

static void test_profile(void **state)
{
    char path[] = "/tmp/test_allocator.XXXXXX", first[64] = "";
    int fd = mkstemp(path);
    FILE *file = fd != -1 ? fdopen(fd, "w+") : NULL;

    (void)state;
    if (HAS_SANITIZER)
        skip();
    assert_non_null(file);
    assert_int_equal(sluice_allocator_write_profile(file, path), 0);
    rewind(file);
    assert_non_null(fgets(first, sizeof(first), file));
    if (strcmp(sluice_allocator_name(), "glibc") == 0) {
        assert_string_equal(sluice_allocator_profile_ending(), "xml");
        assert_string_equal(first, "<malloc version=\"1\">\n");
    } else {
        assert_string_equal(sluice_allocator_profile_ending(), "json");
        assert_int_equal(first[0], '{');
    }
    fclose(file);
    unlink(path);
}

static void test_again_with_jemalloc(void **state)
{
    const char *preload = getenv("LD_PRELOAD");
    int status;

    (void)state;
    if (preload != NULL || HAS_SANITIZER || access(JEMALLOC, R_OK) != 0)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", JEMALLOC, 1);
        execl("/proc/self/exe", "test_allocator", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_name(void **state)
{
    const char *preload = getenv("LD_PRELOAD");

    (void)state;
    if (preload == NULL || strcmp(preload, JEMALLOC) == 0)
        assert_string_equal(sluice_allocator_name(), preload == NULL ? "glibc" : "jemalloc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_name), cmocka_unit_test(test_purge), cmocka_unit_test(test_profile),
                                       cmocka_unit_test(test_again_with_jemalloc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
