#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "module/report_files.h"

#define MAX_TRIES 100
#define MAX_REMOVED 100 /* at a time */
#define TIME_PATTERN "00000000T000000.000Z-"

static void format_time(int64_t wall_ms, char *text, size_t size)
{
    time_t wall_s = (time_t)(wall_ms / 1000);
    struct tm parts;
    char seconds[32];

    gmtime_r(&wall_s, &parts);
    strftime(seconds, sizeof(seconds), "%Y%m%dT%H%M%S", &parts);
    snprintf(text, size, "%s.%03dZ", seconds, (int)(wall_ms % 1000));
}

int sluice_report_file_create(int folder_fd, const char *kind, const char *ending, int64_t wall_ms, pid_t pid, char *name)
{
    char at[48];
    int fd = -1;

    for (int n = 0; fd == -1 && n != MAX_TRIES; ++n) {
        format_time(wall_ms + n, at, sizeof(at));
        snprintf(name, SLUICE_REPORT_NAME_MAX, "sluice-%.16s-%s-%d.%.16s", kind, at, (int)pid, ending);
        fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd == -1 && errno != EEXIST)
            break;
    }
    return fd;
}

/* the time in the name of a file of that kind, to the end of the name; or NULL */
static const char *time_in(const char *name, const char *kind)
{
    size_t kind_len = strlen(kind);

    if (strncmp(name, "sluice-", 7) != 0 || strncmp(name + 7, kind, kind_len) != 0 || name[7 + kind_len] != '-')
        return NULL;
    const char *at = name + 7 + kind_len + 1;
    for (size_t i = 0; i != sizeof(TIME_PATTERN) - 1; ++i)
        if (TIME_PATTERN[i] == '0' ? !isdigit((unsigned char)at[i]) : at[i] != TIME_PATTERN[i])
            return NULL;
    return at;
}

static int is_own(int folder_fd, const char *name)
{
    struct stat st;

    return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

/* returns how many there are, and the name of the oldest that is not `newest` */
static size_t find_oldest(DIR *folder, const char *kind, const char *newest, char *oldest)
{
    struct dirent *entry;
    size_t count = 0;

    oldest[0] = '\0';
    rewinddir(folder);
    while ((entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name, *at = time_in(name, kind);
        if (at == NULL || strlen(name) >= SLUICE_REPORT_NAME_MAX || !is_own(dirfd(folder), name))
            continue;
        ++count;
        if (strcmp(name, newest) != 0 && (oldest[0] == '\0' || strcmp(at, time_in(oldest, kind)) < 0))
            memcpy(oldest, name, strlen(name) + 1);
    }
    return count;
}

void sluice_report_files_prune(int folder_fd, const char *kind, const char *newest)
{
    char oldest[SLUICE_REPORT_NAME_MAX];
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd != -1 ? fdopendir(fd) : NULL;

    if (folder == NULL) {
        if (fd != -1)
            close(fd);
        return;
    }
    for (int n = 0; n != MAX_REMOVED; ++n)
        if (find_oldest(folder, kind, newest, oldest) <= SLUICE_REPORT_FILES_KEPT || oldest[0] == '\0' ||
            unlinkat(folder_fd, oldest, 0) != 0)
            break;
    closedir(folder);
}
