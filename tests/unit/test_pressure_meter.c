/* ldflags: -Wl,--wrap=pread -Wl,--wrap=open -Wl,--wrap=__open_2 */
/*
 * The meter on made-up trees: which group counts, how often it is looked at, what a failure does; and on the real /proc.
 */
#include "test_cgroup_fake.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "test_pressure_fake.h"
#include "pressure/meter.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
#define STALE_MS 3000

/* --- files whose n-th use fails */

static struct {
    unsigned uses, fail_at; /* fails when this is the number of the use; 0: never */
    const char *broken;     /* opening a path that ends in this fails */
    unsigned num_preads;
} io;

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap___open_2(const char *path, int flags); /* the same, in a build with _FORTIFY_SOURCE */

static int is_time_to_fail(void)
{
    return ++io.uses == io.fail_at;
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    ++io.num_preads;
    if (is_time_to_fail()) {
        errno = ENODEV;
        return -1;
    }
    return __real_pread(fd, bytes, size, offset);
}

int __wrap_open(const char *path, int flags, ...)
{
    size_t len = strlen(path), broken_len = io.broken != NULL ? strlen(io.broken) : 0;

    assert_true((flags & O_CLOEXEC) != 0 && (flags & O_CREAT) == 0);
    if (is_time_to_fail() || (io.broken != NULL && len >= broken_len && strcmp(path + len - broken_len, io.broken) == 0)) {
        errno = EACCES;
        return -1;
    }
    return __real_open(path, flags);
}

int __wrap___open_2(const char *path, int flags)
{
    return __wrap_open(path, flags);
}

/* --- a meter on the made-up tree, and a clock that is set by hand */

static pressure_meter_t *meter;

static int set_up(void **arg)
{
    memset(&io, 0, sizeof(io));
    memset(&fake, 0, sizeof(fake));
    fake.now_ms = 1000000;
    return make_root(arg);
}

static int tear_down(void **arg)
{
    pressure_meter_destroy(&meter);
    assert_null(meter);
    return remove_root(arg);
}

static void put_resident(uint64_t bytes)
{
    char text[64];

    snprintf(text, sizeof(text), "999999 %llu 1 1 0 1 0\n", (unsigned long long)(bytes / PAGE));
    put("proc/self/statm", text);
}

static void put_number(const char *path, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)number);
    put(path, text);
}

static void put_v2(const char *folder, const char *limit, uint64_t usage, uint64_t anon, uint64_t inactive, uint64_t active)
{
    char path[256], text[256];

    snprintf(path, sizeof(path), "sys/%s/memory.max", folder);
    put(path, limit);
    snprintf(path, sizeof(path), "sys/%s/memory.current", folder);
    put_number(path, usage);
    snprintf(path, sizeof(path), "sys/%s/memory.stat", folder);
    snprintf(text, sizeof(text), "anon %llu\nshmem 0\ninactive_file %llu\nactive_file %llu\nfile_dirty 0\n",
             (unsigned long long)anon, (unsigned long long)inactive, (unsigned long long)active);
    put(path, text);
}

static void put_v1(const char *folder, const char *limit, uint64_t usage, uint64_t anon, uint64_t inactive, uint64_t active)
{
    char path[256], text[256];

    snprintf(path, sizeof(path), "sys/memory/%s/memory.limit_in_bytes", folder);
    put(path, limit);
    snprintf(path, sizeof(path), "sys/memory/%s/memory.usage_in_bytes", folder);
    put_number(path, usage);
    snprintf(path, sizeof(path), "sys/memory/%s/memory.stat", folder);
    snprintf(text, sizeof(text),
             "rss 1\ninactive_file 1\nactive_file 1\ntotal_rss %llu\ntotal_inactive_file %llu\ntotal_active_file %llu\n",
             (unsigned long long)anon, (unsigned long long)inactive, (unsigned long long)active);
    put(path, text);
}

static void make_meter(const char *chain)
{
    const pressure_meter_config_t config = {proc_root, sys_root, STALE_MS, fake_now_ms};

    if (chain != NULL)
        put("proc/self/cgroup", chain);
    assert_non_null(meter = pressure_meter_create(&config));
}

/**
 * a sample so many milliseconds after the last one
 */
static int sample_after(uint64_t wait_ms, pressure_sample_t *sample)
{
    fake.now_ms += wait_ms;
    *sample = (pressure_sample_t){0};
    return pressure_meter_sample(meter, sample);
}

static pressure_sample_t look(void)
{
    pressure_sample_t sample;

    assert_int_equal(sample_after(4000, &sample), 0);
    return sample;
}

#define assert_group(sample, bytes, limit_bytes_)                                                                                  \
    do {                                                                                                                           \
        pressure_sample_t _sample = (sample);                                                                                      \
        assert_int_equal(_sample.group_bytes, bytes);                                                                              \
        assert_int_equal(_sample.group_limit_bytes, limit_bytes_);                                                                 \
    } while (0)

/* --- which group counts */

static void test_no_groups(void **arg)
{
    pressure_sample_t sample;

    (void)arg;
    make_meter(NULL);
    assert_int_equal(sample_after(0, &sample), -1); /* no statm */
    put_resident(50 * PAGE);
    assert_int_equal(sample_after(0, &sample), 0);
    assert_int_equal(sample.resident_bytes, 50 * PAGE);
    assert_group(sample, 0, 0);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
}

static void test_v2_group(void **arg)
{
    (void)arg;
    put_resident(50 * PAGE);
    put_v2("a/b", "1000000\n", 700000, 300000, 200000, 100000);
    make_meter("0::/a/b\n");
    pressure_sample_t sample = look();
    assert_int_equal(sample.resident_bytes, 50 * PAGE);
    assert_group(sample, 400000, 1000000);
}

static void test_v1_group(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v1("a/b", "1000000\n", 700000, 300000, 200000, 100000);
    put_v1("c", "10\n", 10, 10, 0, 0);
    make_meter("9:name=systemd:/c\n4:memory:/a/b\n2:cpu:/c\n");
    assert_group(look(), 400000, 1000000);
}

/* a container whose path is the host's */
static void test_path_of_the_host(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v1(".", "1000000\n", 600000, 300000, 0, 0);
    make_meter("4:memory:/docker/0123\n");
    assert_group(look(), 600000, 1000000);
    put_v2(".", "1000000\n", 700000, 300000, 0, 0);
    put("proc/self/cgroup", "0::/../x\n");
    assert_group(look(), 700000, 1000000);
}

/* usage and limit are of one and the same level, and the one nearest to its limit counts, wherever it is */
static void test_nested(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a/b", "1000000\n", 500000, 500000, 0, 0);
    put_v2("a", "2000000\n", 1900000, 1900000, 0, 0);
    make_meter("0::/a/b\n");
    assert_group(look(), 1900000, 2000000);
    put_v2("a", "max\n", 1900000, 1900000, 0, 0);
    assert_group(look(), 500000, 1000000);
    put_v2("a", "2000000\n", 1900000, 300000, 800000, 800000); /* mostly page cache */
    assert_group(look(), 500000, 1000000);
    put_v2("a/b", "max\n", 500000, 500000, 0, 0);
    assert_group(look(), 300000, 2000000);
    put_v2("a", "max\n", 1900000, 300000, 800000, 800000);
    assert_group(look(), 0, 0);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
}

static void test_hybrid(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v1("a", "1000000\n", 500000, 500000, 0, 0);
    put_v2("unified/u", "1000000\n", 600000, 600000, 0, 0);
    make_meter("5:cpu,memory:/a\n1:name=systemd:/s\n0::/u/v\n");
    assert_group(look(), 600000, 1000000);
    put_v1("a", "1000000\n", 700000, 700000, 0, 0);
    assert_group(look(), 700000, 1000000);
}

static void test_page_cache_does_not_count(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 1000000, 200000, 400000, 400000);
    make_meter("0::/a\n");
    assert_group(look(), 200000, 1000000);
    put("sys/a/memory.stat", "anon 200000\nshmem 700000\ninactive_file 50000\nactive_file 50000\n"); /* tmpfs does */
    assert_group(look(), 900000, 1000000);
}

static void test_deep_chain(void **arg)
{
    char chain[512] = "0::", folder[512] = ".";

    (void)arg;
    put_resident(PAGE);
    for (unsigned depth = 0; depth < 100; ++depth) {
        strncat(chain, "/d", sizeof(chain) - strlen(chain) - 1);
        strncat(folder, "/d", sizeof(folder) - strlen(folder) - 1);
        if (depth == 80 || depth == 99)
            put_v2(folder, depth == 80 ? "500000\n" : "1000000\n", 400000, 400000, 0, 0);
    }
    strncat(chain, "\n", sizeof(chain) - strlen(chain) - 1);
    make_meter(chain);
    assert_group(look(), 400000, 500000);
}

/* --- what changes while it runs */

static void test_limit_changes(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "max\n", 500000, 500000, 0, 0);
    make_meter("0::/a\n");
    assert_group(look(), 0, 0);
    put("sys/a/memory.max", "1000000\n");
    assert_group(look(), 500000, 1000000);
    put("sys/a/memory.max", "600000\n");
    assert_group(look(), 500000, 600000);
    put("sys/a/memory.max", "max\n");
    assert_group(look(), 0, 0);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
}

static void test_process_is_moved(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a/b", "1000000\n", 500000, 500000, 0, 0);
    put_v2("c", "2000000\n", 700000, 700000, 0, 0);
    make_meter("0::/a/b\n");
    assert_group(look(), 500000, 1000000);
    put("proc/self/cgroup", "0::/c\n");
    assert_group(look(), 700000, 2000000);
    put("proc/self/cgroup", "0::/\n"); /* a chain without a limit is one too */
    assert_group(look(), 0, 0);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
}

/* --- how often */

static unsigned count_preads(uint64_t wait_ms)
{
    pressure_sample_t sample;
    unsigned before = io.num_preads;

    assert_int_equal(sample_after(wait_ms, &sample), 0);
    return io.num_preads - before;
}

static void test_each_fourth_sample_when_calm(void **arg)
{
    unsigned looks = 0;

    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 590000, 590000, 0, 0);
    make_meter("0::/a\n");
    assert_true(count_preads(0) > 1);
    for (unsigned i = 0; i < 40; ++i)
        looks += count_preads(1000) > 1;
    assert_int_equal(looks, 10);
    assert_group(look(), 590000, 1000000); /* and the figure stands in between */
    put_v2("a", "1000000\n", 100000, 100000, 0, 0);
    pressure_sample_t sample;
    assert_int_equal(sample_after(1000, &sample), 0);
    assert_group(sample, 590000, 1000000);
}

static void test_at_every_sample_when_near(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 600000, 600000, 0, 0);
    make_meter("0::/a\n");
    for (unsigned i = 0; i < 8; ++i)
        assert_true(count_preads(i % 2 ? 1000 : 1) > 1);
    /* its own resident set is known at each sample, and is part of what the group uses */
    put_v2("a", "1000000\n", 10000, 10000, 0, 0);
    look();
    assert_int_equal(count_preads(1000), 1);
    put_resident(700000);
    assert_true(count_preads(1000) > 1);
}

/* somebody has a reason to ask */
static void test_early_samples_look(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 10000, 10000, 0, 0);
    make_meter("0::/a\n");
    look();
    assert_int_equal(count_preads(1000), 1);
    assert_true(count_preads(100) > 1);
    assert_int_equal(count_preads(10), 1); /* but not at any rate */
    assert_int_equal(count_preads(10), 1);
    assert_true(count_preads(10) > 1);
    fake.now_ms -= 500000; /* a clock that is set back */
    assert_true(count_preads(0) > 1);
    assert_int_equal(count_preads(1000), 1);
}

/* --- failures */

static void test_a_failed_group_keeps_its_figure_until_stale(void **arg)
{
    pressure_sample_t sample;

    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 900000, 900000, 0, 0);
    make_meter("0::/a\n");
    assert_group(look(), 900000, 1000000);
    put("sys/a/memory.current", "garbage\n");
    for (unsigned i = 1; i <= STALE_MS / 100; ++i) {
        assert_int_equal(sample_after(100, &sample), 0);
        assert_group(sample, 900000, 1000000);
        assert_int_equal(pressure_meter_failed_reads(meter), i);
    }
    assert_int_equal(sample_after(100, &sample), -1);
    assert_int_equal(sample_after(100000, &sample), -1);
    put_number("sys/a/memory.current", 800000);
    put("sys/a/memory.stat", "anon 800000\ninactive_file 0\nactive_file 0\n");
    assert_int_equal(sample_after(1, &sample), 0);
    assert_group(sample, 800000, 1000000);
}

static void test_each_file_of_a_group_can_fail(void **arg)
{
    static const struct {
        const char *path, *text, *good;
    } rows[] = {{"sys/a/memory.max", "", "1000000\n"},
                {"sys/a/memory.max", "0\n", "1000000\n"},
                {"sys/a/memory.max", "nonsense", "1000000\n"},
                {"sys/a/memory.current", "", "700000\n"},
                {"sys/a/memory.stat", "", "anon 700000\ninactive_file 0\nactive_file 0\n"},
                {"sys/a/memory.stat", "anon 700000\ninactive_fi", "anon 700000\ninactive_file 0\nactive_file 0\n"},
                {"proc/self/statm", "", NULL},
                {"proc/self/statm", "1 2", NULL}};
    pressure_sample_t sample;

    (void)arg;
    put_v2("a", "1000000\n", 700000, 700000, 0, 0);
    put_resident(PAGE);
    make_meter("0::/a\n");
    assert_group(look(), 700000, 1000000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        uint64_t failed = pressure_meter_failed_reads(meter);
        put(rows[i].path, rows[i].text);
        assert_int_equal(sample_after(100, &sample), rows[i].good != NULL ? 0 : -1);
        if (rows[i].good != NULL) {
            assert_group(sample, 700000, 1000000);
            assert_int_equal(pressure_meter_failed_reads(meter), failed + 1);
            put(rows[i].path, rows[i].good);
        } else {
            put_resident(PAGE);
        }
        assert_group(look(), 700000, 1000000);
    }
}

/* what failed is tried again at the very next sample, however calm it was */
static void test_failures_are_tried_again_at_once(void **arg)
{
    pressure_sample_t sample;

    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 100000, 100000, 0, 0);
    make_meter("0::/a\n");
    look();
    put("sys/a/memory.stat", "");
    assert_int_equal(sample_after(4000, &sample), 0);
    for (unsigned i = 2; i < 10; ++i) {
        assert_int_equal(sample_after(1, &sample), 0);
        assert_int_equal(pressure_meter_failed_reads(meter), i);
    }
    put("sys/a/memory.stat", "anon 300000\ninactive_file 0\nactive_file 0\n");
    assert_int_equal(sample_after(1, &sample), 0);
    assert_group(sample, 300000, 1000000);
}

/* the process is where it was, but what limits it cannot be seen: that is not the end of the limit */
static void test_a_level_that_vanished(void **arg)
{
    pressure_sample_t sample;

    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 900000, 900000, 0, 0);
    put_v2("a/b", "max\n", 100, 100, 0, 0);
    make_meter("0::/a/b\n");
    assert_group(look(), 900000, 1000000);
    put("sys/a/memory.current", ""); /* what the kept descriptors see of it */
    drop("sys/a/memory.max");
    drop("sys/a/memory.stat");
    assert_int_equal(sample_after(100, &sample), 0);
    assert_group(sample, 900000, 1000000);
    assert_int_equal(sample_after(STALE_MS, &sample), -1);
    put("proc/self/cgroup", "0::/z\n"); /* now it was moved */
    assert_int_equal(sample_after(100, &sample), 0);
    assert_group(sample, 0, 0);
}

/* a descriptor can go bad while the path is fine */
static void test_files_made_anew(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 700000, 700000, 0, 0);
    make_meter("0::/a\n");
    look();
    put("sys/a/memory.stat", "");
    drop("sys/a/memory.stat");
    put("sys/a/memory.stat", "anon 800000\ninactive_file 0\nactive_file 0\n");
    put("proc/self/statm", "");
    drop("proc/self/statm");
    put_resident(7 * PAGE);
    pressure_sample_t sample;
    assert_int_equal(sample_after(100, &sample), 0);
    assert_int_equal(sample.resident_bytes, 7 * PAGE);
    assert_group(sample, 800000, 1000000);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
}

/* what could never be read is no limit, and no failure */
static void test_unreadable_from_the_start(void **arg)
{
    (void)arg;
    put_resident(PAGE);
    put_v2("a", "1000000\n", 900000, 900000, 0, 0);
    put_v2("a/b", "2000000\n", 1200000, 1200000, 0, 0);
    io.broken = "/a/memory.max";
    make_meter("0::/a/b\n");
    assert_group(look(), 1200000, 2000000);
    assert_group(look(), 1200000, 2000000);
    assert_int_equal(pressure_meter_failed_reads(meter), 0);
    put("proc/self/cgroup", "0::/q\n");
    put_v2("q", "1000000\n", 1, 1, 0, 0);
    put("sys/q/memory.stat", "something else\n");
    assert_group(look(), 0, 0);
}

/* whichever read or open fails: no crash, no zero, and the next sample is right */
static void test_nth_use_fails(void **arg)
{
    pressure_sample_t sample;
    unsigned n = 0;

    (void)arg;
    put_resident(9 * PAGE);
    put_v2("a", "1000000\n", 700000, 700000, 0, 0);
    put_v2("a/b", "max\n", 700000, 700000, 0, 0);
    make_meter("0::/a/b\n");
    look();
    do {
        io.uses = 0;
        io.fail_at = ++n;
        assert_int_equal(sample_after(4000, &sample), 0);
        assert_int_equal(sample.resident_bytes, 9 * PAGE);
        assert_group(sample, 700000, 1000000);
        unsigned uses = io.uses;
        io.fail_at = 0;
        assert_int_equal(sample_after(100, &sample), 0);
        assert_group(sample, 700000, 1000000);
        if (uses < n)
            break;
    } while (n < 100);
    assert_true(n > 5 && n < 100);
    /* a first look that fails at any point ends well, too */
    for (n = 1; n < 20; ++n) {
        pressure_meter_destroy(&meter);
        io.uses = 0;
        io.fail_at = n;
        make_meter(NULL);
        sample_after(0, &sample);
        io.fail_at = 0;
        assert_int_equal(sample_after(100, &sample), 0);
        assert_int_equal(sample.resident_bytes, 9 * PAGE);
    }
}

/* --- the real thing */

static void make_real_meter(void)
{
    static const pressure_meter_config_t config = {"/proc", "/sys/fs/cgroup", STALE_MS, fake_now_ms};

    assert_non_null(meter = pressure_meter_create(&config));
}

static uint64_t sample_resident(void)
{
    pressure_sample_t sample;

    assert_int_equal(sample_after(1000, &sample), 0);
    return sample.resident_bytes;
}

static char *touch(size_t size)
{
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 1, size);
    return pages;
}

static void test_sees_touched_pages(void **arg)
{
    const size_t size = 64 << 20;

    (void)arg;
    make_real_meter();
    uint64_t before = sample_resident();
    char *pages = touch(size);
    uint64_t touched = sample_resident();
    munmap(pages, size);
    assert_true(touched >= before + size / 10 * 9);
    assert_true(sample_resident() <= touched - size / 10 * 9);
}

/* a child that frees what it inherited must see its own resident set, not its parent's */
static void test_after_a_fork(void **arg)
{
    const size_t size = 64 << 20;
    pressure_sample_t child;
    int status;
    pid_t pid;

    (void)arg;
    make_real_meter();
    char *pages = touch(size);
    uint64_t parent = sample_resident();
    if ((pid = fork()) == 0) {
        munmap(pages, size);
        _exit(sample_after(1000, &child) == 0 && child.resident_bytes < parent - size / 2 ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(sample_resident() > parent - size / 2); /* and the parent goes on seeing its own */
    munmap(pages, size);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(test_no_groups),
        TEST(test_v2_group),
        TEST(test_v1_group),
        TEST(test_path_of_the_host),
        TEST(test_nested),
        TEST(test_hybrid),
        TEST(test_page_cache_does_not_count),
        TEST(test_deep_chain),
        TEST(test_limit_changes),
        TEST(test_process_is_moved),
        TEST(test_each_fourth_sample_when_calm),
        TEST(test_at_every_sample_when_near),
        TEST(test_early_samples_look),
        TEST(test_a_failed_group_keeps_its_figure_until_stale),
        TEST(test_each_file_of_a_group_can_fail),
        TEST(test_failures_are_tried_again_at_once),
        TEST(test_a_level_that_vanished),
        TEST(test_files_made_anew),
        TEST(test_unreadable_from_the_start),
        TEST(test_nth_use_fails),
        TEST(test_sees_touched_pages),
        TEST(test_after_a_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
