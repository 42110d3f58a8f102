#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include "test_cgroup_fake.h"
#include "module/process_facts.h"

#define STATUS                                                                                                                     \
    "Name:\tVmRSS:\t9 kB\nPid:\t12\nVmPeak:\t    2 kB\nVmSize:\t    3 kB\nVmLck:\t  4 kB\nVmHWM:\t    5 kB\nVmRSS:\t    6 kB\n"    \
    "RssAnon:\t 7 kB\nRssFile:\t 8 kB\nRssShmem:\t 9 kB\nVmData:\t 10 kB\nVmStk:\t 11 kB\nVmPTE:\t 12 kB\nVmSwap:\t 13 kB\n"       \
    "Threads:\t14\nvoluntary_ctxt_switches:\t15\nnonvoluntary_ctxt_switches:\t16\n"

static void parse_exactly(void (*parse)(const char *, size_t, health_process_t *), const char *text, size_t len,
                          health_process_t *facts)
{
    char *exact = malloc(len != 0 ? len : 1);

    memcpy(exact, text, len);
    parse(exact, len, facts);
    free(exact);
}

static void a_status_is_read(void **state)
{
    (void)state;
    health_process_t f = {.fds = 77};

    parse_exactly(sluice_process_parse_status, STATUS, strlen(STATUS), &f);
    assert_true(f.pid == 12 && f.threads == 14 && f.fds == 77);
    assert_true(f.peak_virtual_bytes == 2048 && f.virtual_bytes == 3072 && f.locked_bytes == 4096);
    assert_true(f.peak_resident_bytes == 5120 && f.resident_bytes == 6144 && f.anonymous_bytes == 7168 && f.file_bytes == 8192 &&
                f.shared_bytes == 9216);
    assert_true(f.data_bytes == 10240 && f.stack_bytes == 11264 && f.page_table_bytes == 12288 && f.swap_bytes == 13312);
    assert_true(f.voluntary_switches == 15 && f.involuntary_switches == 16);
}

static void odd_lines_change_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n\n\n",
                                        "VmRSS:\n",
                                        "VmRSS: kB\n",
                                        "VmRSS:\t6\n",
                                        "VmRSS:\t6 MB\n",
                                        "VmRSS:\t6 kB \n",
                                        "VmRSS:\t-6 kB\n",
                                        "VmRSS:\t6.5 kB\n",
                                        "VmRSS:\t6 kB",
                                        "VmRSS:\t99999999999999999999 kB\n",
                                        "VmRSS:\t18014398509481984 kB\n", /* 2^64 bytes */
                                        " VmRSS:\t6 kB\n",
                                        "VmRSSx:\t6 kB\n",
                                        "Threads:\t6 kB\n",
                                        "Threads:\tsix\n"};

    for (size_t i = 0; i != sizeof(texts) / sizeof(texts[0]); ++i) {
        health_process_t f = {.resident_bytes = 42, .threads = 43};
        parse_exactly(sluice_process_parse_status, texts[i], strlen(texts[i]), &f);
        if (f.resident_bytes != 42 || f.threads != 43)
            fail_msg("read: %s", texts[i]);
    }
}

/* every member is what it is in the whole text, or still nothing */
static void a_cut_text_has_no_half_numbers(void **state)
{
    (void)state;
    health_process_t whole = {0};

    parse_exactly(sluice_process_parse_status, STATUS, strlen(STATUS), &whole);
    for (size_t len = 0; len != strlen(STATUS); ++len) {
        health_process_t f = {0};
        parse_exactly(sluice_process_parse_status, STATUS, len, &f);
        for (size_t at = 0; at + 8 <= sizeof(f); at += 8) {
            uint64_t value, expected;
            memcpy(&value, (char *)&f + at, 8);
            memcpy(&expected, (char *)&whole + at, 8);
            assert_true(value == 0 || value == expected);
        }
    }
}

static void stat_and_io_are_read(void **state)
{
    (void)state;
    static const char stat_text[] = "12 (a) b) (c) S 1 2 3 4 5 6 100 7 200 8 300 400 9 10 20 0 5 0 99 123 456\n";
    static const char io_text[] =
        "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
    health_process_t f = {0};

    for (size_t len = 0; len <= strlen("12 (a) b) (c) S 1 2 3 4 5 6 100 7 200 8 300 400"); ++len) {
        sluice_process_parse_stat(stat_text, len, 100, &f);
        assert_true(f.minor_faults == 0 && f.user_seconds == 0);
    }
    sluice_process_parse_stat(stat_text, strlen(stat_text), 100, &f);
    assert_true(f.minor_faults == 100 && f.major_faults == 200 && f.user_seconds == 3 && f.system_seconds == 4);
    f = (health_process_t){0};
    sluice_process_parse_stat("12 (a) S 1 2 3 4 5 6 x 7 200 8 300 400 9", 41, 100, &f);
    assert_true(f.major_faults == 0);
    sluice_process_parse_io(io_text, strlen(io_text), &f);
    assert_true(f.read_bytes == 5 && f.written_bytes == 6);
}

static void a_folder_without_files_is_nothing(void **state)
{
    (void)state;
    health_process_t f;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    sluice_process_read(proc_root, &f);
    assert_true(f.pid == 0 && f.resident_bytes == 0 && f.fds == 0 && f.max_fds == limit.rlim_cur);
    put("proc/self/status", STATUS);
    put("proc/self/fd/0", "");
    put("proc/self/fd/1", "");
    put("proc/self/fd/2", ""); /* stands for the one of the listing */
    sluice_process_read(proc_root, &f);
    assert_true(f.pid == 12 && f.resident_bytes == 6144 && f.fds == 2 && f.minor_faults == 0);
}

static uint64_t count_by_hand(void)
{
    uint64_t count = 0;

    for (int fd = 0; fd != 1024; ++fd)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void this_process_is_read(void **state)
{
    (void)state;
    health_process_t f, more;
    struct rusage usage;

    sluice_process_read("/proc", &f);
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_int_equal(f.pid, getpid());
    assert_int_equal(f.fds, count_by_hand());
    assert_true(f.threads >= 1 && f.virtual_bytes > f.resident_bytes && f.peak_resident_bytes >= f.resident_bytes / 2);
    assert_true(f.anonymous_bytes + f.file_bytes + f.shared_bytes == f.resident_bytes);
    assert_true(f.user_seconds <= (double)usage.ru_utime.tv_sec + 1 && f.minor_faults <= (uint64_t)usage.ru_minflt);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sluice_process_read("/proc", &more);
    assert_int_equal(more.fds, f.fds + 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_is_read),
        cmocka_unit_test(odd_lines_change_nothing),
        cmocka_unit_test(a_cut_text_has_no_half_numbers),
        cmocka_unit_test(stat_and_io_are_read),
        cmocka_unit_test_setup_teardown(a_folder_without_files_is_nothing, make_root, remove_root),
        cmocka_unit_test(this_process_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
