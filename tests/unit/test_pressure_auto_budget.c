/*
 * The automatic budget, on made-up /proc and /sys trees.
 */
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>
#include <ftw.h>
#include "test_pressure_fake.h"

#define GIB ((uint64_t)1 << 30)

static char root[64], proc_root[128], sys_root[128];

static int make_root(void **arg)
{
    (void)arg;
    snprintf(root, sizeof(root), "/tmp/test_auto_budget.XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(proc_root, sizeof(proc_root), "%s/proc", root);
    snprintf(sys_root, sizeof(sys_root), "%s/sys", root);
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_root(void **arg)
{
    (void)arg;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/**
 * writes <root>/<path> and the folders above it
 */
static void put(const char *path, const char *text)
{
    char full[512];
    int len = snprintf(full, sizeof(full), "%s/%s", root, path);
    FILE *file;

    for (int i = (int)strlen(root) + 1; i < len; ++i) {
        if (full[i] != '/')
            continue;
        full[i] = '\0';
        mkdir(full, 0755);
        full[i] = '/';
    }
    file = fopen(full, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static uint64_t budget(uint64_t physical_bytes)
{
    return pressure_auto_budget(proc_root, sys_root, physical_bytes);
}

static void test_no_files(void **arg)
{
    (void)arg;
    assert_int_equal(budget(1000), 950);
    assert_int_equal(budget(1099), 1044);
    assert_int_equal(budget(0), 0);
}

static void test_v2(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/a/b/memory.max", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
    assert_int_equal(budget(500000), 475000);
    assert_int_equal(budget(0), 950000);
    put("sys/a/memory.max", "max\n");
    assert_int_equal(budget(GIB), 950000);
    put("sys/a/memory.max", "400000\n"); /* the parent is tighter */
    assert_int_equal(budget(GIB), 380000);
    put("sys/a/b/memory.max", "max\n");
    assert_int_equal(budget(GIB), 380000);
    put("sys/ab/memory.max", "100\n"); /* no ancestor */
    assert_int_equal(budget(GIB), 380000);
    put("sys/memory.max", "300000"); /* the root of a container's own namespace; no newline */
    assert_int_equal(budget(GIB), 285000);
}

static void test_v1(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "9:name=systemd:/x\n8:pids:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n");
    put("sys/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/memory/a/memory.limit_in_bytes", "9223372036854710272\n");
    put("sys/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/memory/x/memory.limit_in_bytes", "100\n");
    put("sys/memory/c/memory.limit_in_bytes", "100\n");
    assert_int_equal(budget(1000), 950);
    assert_int_equal(budget(0), 0);
    put("sys/memory/a/memory.limit_in_bytes", "268435456\n");
    assert_int_equal(budget(GIB), 268435456 / 100 * 95 + 268435456 % 100 * 95 / 100);
    put("sys/memory/a/b/memory.limit_in_bytes", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
}

/* in a container without a namespace of its own the path is the host's, but the mount begins at the container */
static void test_path_from_outside(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "4:memory:/docker/0123456789\n");
    put("sys/memory/memory.limit_in_bytes", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
    put("proc/self/cgroup", "0::/../other\n"); /* and in one that was joined from outside, it leads out of it */
    put("sys/memory.max", "2000000\n");
    put("other/memory.max", "100\n");
    assert_int_equal(budget(GIB), 1900000);
}

static void test_hybrid(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "5:memory:/a\n1:name=systemd:/s\n0::/u/v\n");
    put("sys/memory/a/memory.limit_in_bytes", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
    put("sys/unified/u/memory.max", "800000\n");
    assert_int_equal(budget(GIB), 760000);
    put("sys/memory/a/memory.limit_in_bytes", "600000\n");
    assert_int_equal(budget(GIB), 570000);
}

static void test_comounted_controllers(void **arg)
{
    (void)arg;
    put("proc/self/cgroup", "5:cpu,memory:/a\n6:memoryless:/b\n");
    put("sys/memory/a/memory.limit_in_bytes", "1000000\n");
    put("sys/memory/b/memory.limit_in_bytes", "100\n");
    assert_int_equal(budget(GIB), 950000);
}

/* what cannot be understood is no limit, and above all not zero */
static void test_unreadable(void **arg)
{
    static const char *const texts[] = {"", "\n", "0\n", "-1\n", "garbage\n", "100x\n", "99999999999999999999999\n", " 100\n"};
    static const char *const cgroups[] = {"", "\n", "0\n", "0:\n", "::\n", "0::\n", "nonsense", "0::relative\n", "0:memory\n"};

    (void)arg;
    put("proc/self/cgroup", "0::/a/b\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
        put("sys/a/b/memory.max", texts[i]);
        assert_int_equal(budget(1000000), 950000);
    }
    put("sys/a/memory.max", "1000\n"); /* a level that cannot be read does not hide the one above */
    assert_int_equal(budget(1000000), 950);
    for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); ++i) {
        put("proc/self/cgroup", cgroups[i]);
        assert_int_equal(budget(1000000), 950000);
    }
    put("sys/a/d/memory.max/inside", "1"); /* a folder where the file should be */
    put("proc/self/cgroup", "0::/a/d\n");
    assert_int_equal(budget(1000000), 950);
}

static void test_long_path(void **arg)
{
    static char line[20000];

    (void)arg;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "0::/a/", 6);
    put("proc/self/cgroup", line);
    put("sys/a/memory.max", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_files, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_v2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_v1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_path_from_outside, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_hybrid, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_comounted_controllers, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_unreadable, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_long_path, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
