/*
 * The automatic budget, on made-up /proc and /sys trees.
 */
#include "test_cgroup_fake.h"
#include "test_pressure_fake.h"

#define GIB ((uint64_t)1 << 30)

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

/* what holds for a budget that is given, too */
static void test_the_limit_alone(void **arg)
{
    (void)arg;
    assert_int_equal(pressure_group_limit(proc_root, sys_root), 0);
    put("proc/self/cgroup", "4:memory:/a/b\n");
    put("sys/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(pressure_group_limit(proc_root, sys_root), 0);
    put("sys/memory/a/memory.limit_in_bytes", "1000000\n");
    assert_int_equal(pressure_group_limit(proc_root, sys_root), 1000000);
    assert_int_equal(pressure_budget_below(1000000), 950000);
    assert_int_equal(pressure_budget_below(UINT64_MAX), UINT64_MAX / 100 * 95 + UINT64_MAX % 100 * 95 / 100);
}

/* the text is longer than what is read of it: the last component may be cut off, and is no group */
static void test_cut_text(void **arg)
{
    static char line[16384 + 1];

    (void)arg;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "1:", 2);
    memcpy(line + 8192, "\n0::/a/b", 8);
    line[8200] = '\0';
    put("proc/self/cgroup", line);
    put("sys/a/b/memory.max", "1000\n");
    put("sys/a/memory.max", "1000000\n");
    assert_int_equal(budget(GIB), 950000);
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
        cmocka_unit_test_setup_teardown(test_the_limit_alone, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cut_text, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_long_path, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
