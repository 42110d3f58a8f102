/*
 * Files of reports, in a folder of the test's own: names, modes, and which ones go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/report_files.h"

#define NOON_MS (INT64_C(1795262400) * 1000) /* 2026-11-21T12:00:00Z */

static char folder[64];
static int folder_fd;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_report_files.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    return (folder_fd = open(folder, O_RDONLY | O_DIRECTORY)) != -1 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    close(folder_fd);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void make(int64_t wall_ms, const char *kind, char *name)
{
    int fd = sluice_report_file_create(folder_fd, kind, "json", wall_ms, 42, name);

    assert_int_not_equal(fd, -1);
    close(fd);
}

static int is_there(const char *name)
{
    struct stat st;

    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put(const char *name)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);

    assert_int_not_equal(fd, -1);
    close(fd);
}

static void test_names(void **state)
{
    char name[SLUICE_REPORT_NAME_MAX];
    struct stat st;

    (void)state;
    umask(0);
    make(NOON_MS + 7, "report", name);
    assert_string_equal(name, "sluice-report-20261121T120000.007Z-42.json");
    assert_int_equal(fstatat(folder_fd, name, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    make(NOON_MS + 7, "report", name);
    assert_string_equal(name, "sluice-report-20261121T120000.008Z-42.json");
    make(NOON_MS + 999, "report", name);
    make(NOON_MS + 999, "report", name);
    assert_string_equal(name, "sluice-report-20261121T120001.000Z-42.json");
    make(NOON_MS + 7, "heap", name);
    assert_string_equal(name, "sluice-heap-20261121T120000.007Z-42.json");
}

/* nobody who can guess a name makes the file land elsewhere */
static void test_links_are_not_followed(void **state)
{
    char name[SLUICE_REPORT_NAME_MAX];

    (void)state;
    assert_int_equal(symlinkat("elsewhere", folder_fd, "sluice-report-20261121T120000.000Z-42.json"), 0);
    make(NOON_MS, "report", name);
    assert_string_equal(name, "sluice-report-20261121T120000.001Z-42.json");
    assert_false(is_there("elsewhere"));
}

static void test_errors(void **state)
{
    char name[SLUICE_REPORT_NAME_MAX];

    (void)state;
    assert_int_equal(sluice_report_file_create(-1, "report", "json", NOON_MS, 42, name), -1);
    assert_int_equal(errno, EBADF);
    for (int i = 0; i != 100; ++i)
        make(NOON_MS, "report", name);
    assert_int_equal(sluice_report_file_create(folder_fd, "report", "json", NOON_MS, 42, name), -1);
    assert_int_equal(errno, EEXIST);
}

static void test_the_oldest_go(void **state)
{
    char names[15][SLUICE_REPORT_NAME_MAX], heap[SLUICE_REPORT_NAME_MAX];

    (void)state;
    make(NOON_MS - 1000, "heap", heap);
    /* not in the order of their times */
    for (int64_t i = 0; i != 15; ++i)
        make(NOON_MS + i * 7 % 15 * 1000, "report", names[i * 7 % 15]);
    sluice_report_files_prune(folder_fd, "report", names[14]);
    for (int i = 0; i != 15; ++i)
        assert_int_equal(is_there(names[i]), i >= 5);
    assert_true(is_there(heap));
    sluice_report_files_prune(folder_fd, "report", names[14]);
    assert_true(is_there(names[5]));
}

/* the clock was set back: the file that was just written is the oldest by its name */
static void test_the_newest_stays(void **state)
{
    char name[SLUICE_REPORT_NAME_MAX], newest[SLUICE_REPORT_NAME_MAX];

    (void)state;
    for (int i = 0; i != SLUICE_REPORT_FILES_KEPT; ++i)
        make(NOON_MS + i, "report", name);
    make(NOON_MS - 86400000, "report", newest);
    sluice_report_files_prune(folder_fd, "report", newest);
    assert_true(is_there(newest));
    assert_false(is_there("sluice-report-20261121T120000.000Z-42.json"));
    assert_true(is_there("sluice-report-20261121T120000.001Z-42.json"));
}

static void test_what_is_not_ours_stays(void **state)
{
    static const char *const others[] = {
        "sluice-report-.json",
        "sluice-report-2020",
        "sluice-report-20200101T000000.000Z", /* no pid behind it */
        "sluice-reports-20200101T000000.000Z-1.json",
        "sluice-report-20200101x000000.000Z-1.json",
        "sluice-report-2020010aT000000.000Z-1.json",
        "xsluice-report-20200101T000000.000Z-1.json",
        "sluice-heap-20200101T000000.000Z-1.json",
    };
    char name[SLUICE_REPORT_NAME_MAX];

    (void)state;
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        put(others[i]);
    assert_int_equal(symlinkat("report.json", folder_fd, "sluice-report-20200101T000000.001Z-1.json"), 0);
    assert_int_equal(mkdirat(folder_fd, "sluice-report-20200101T000000.002Z-1.json", 0700), 0);
    put("sluice-report-20200101T000000.003Z-1.json");
    int has_others = fchownat(folder_fd, "sluice-report-20200101T000000.003Z-1.json", 65534, (gid_t)-1, 0) == 0;
    for (int i = 0; i != 30; ++i) {
        make(NOON_MS + i, "report", name);
        sluice_report_files_prune(folder_fd, "report", name);
    }
    for (size_t i = 0; i != sizeof(others) / sizeof(others[0]); ++i)
        assert_true(is_there(others[i]));
    assert_true(is_there("sluice-report-20200101T000000.001Z-1.json"));
    assert_true(is_there("sluice-report-20200101T000000.002Z-1.json"));
    assert_int_equal(is_there("sluice-report-20200101T000000.003Z-1.json"), has_others); /* only root can make it another user's */
    assert_false(is_there("sluice-report-20261121T120000.019Z-42.json"));
    assert_true(is_there("sluice-report-20261121T120000.020Z-42.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_errors, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_oldest_go, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_newest_stays, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_what_is_not_ours_stays, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
