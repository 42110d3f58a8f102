/*
 * Made-up /proc and /sys/fs/cgroup trees below a folder of their own, and the texts of the files in them.
 */
#ifndef tests__unit__test_cgroup_fake_h
#define tests__unit__test_cgroup_fake_h

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <ftw.h>
#include <cmocka.h>

static char root[64], proc_root[128], sys_root[128];

static inline int make_root(void **arg)
{
    (void)arg;
    snprintf(root, sizeof(root), "/tmp/test_cgroup.XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(proc_root, sizeof(proc_root), "%s/proc", root);
    snprintf(sys_root, sizeof(sys_root), "%s/sys", root);
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int remove_root(void **arg)
{
    (void)arg;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/**
 * writes <root>/<path> and the folders above it
 */
static inline void put(const char *path, const char *text)
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

/**
 * takes <root>/<path> away
 */
static inline void drop(const char *path)
{
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    assert_int_equal(remove(full), 0);
}

#endif
