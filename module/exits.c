#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>
#include "module/exits.h"

#define FILE_MAX 4096

/* --- which count */

static int64_t age_s(const sluice_moment_t *at, const sluice_moment_t *now)
{
    int is_this_boot = at->boot_id[0] != '\0' && strcmp(at->boot_id, now->boot_id) == 0;

    return is_this_boot ? now->boot_s - at->boot_s : now->wall_s - at->wall_s;
}

int sluice_exits_add(sluice_exits_t *exits, const sluice_moment_t *now)
{
    size_t kept = 0;

    for (size_t i = 0; i != exits->count; ++i) {
        int64_t age = age_s(exits->at + i, now);
        if (age < SLUICE_EXITS_WINDOW_S)
            exits->at[kept++] = age >= 0 ? exits->at[i] : *now;
    }
    exits->count = kept;
    if (kept == SLUICE_EXITS_MAX)
        return 0;
    exits->at[exits->count++] = *now;
    return 1;
}

/* --- the file */

static int read_moment(json_t *value, sluice_moment_t *at)
{
    const char *boot_id = json_string_value(json_object_get(value, "boot_id"));
    json_t *wall = json_object_get(value, "at"), *boot = json_object_get(value, "boot_seconds");

    *at = (sluice_moment_t){.wall_s = json_integer_value(wall), .boot_s = json_integer_value(boot)};
    if (boot_id == NULL || strlen(boot_id) > SLUICE_BOOT_ID_MAX || !json_is_integer(wall) || !json_is_integer(boot) ||
        at->wall_s < 0 || at->boot_s < 0)
        return -1;
    memcpy(at->boot_id, boot_id, strlen(boot_id) + 1);
    return 0;
}

/* more of them than count are the oldest */
static int read_exits(json_t *root, sluice_exits_t *exits)
{
    json_t *list = json_object_get(root, "exits");
    size_t size = json_array_size(list), first = size > SLUICE_EXITS_MAX ? size - SLUICE_EXITS_MAX : 0;

    if (!json_is_array(list))
        return -1;
    for (size_t i = first; i != size; ++i)
        if (read_moment(json_array_get(list, i), exits->at + exits->count++) != 0)
            return -1;
    return 0;
}

static ssize_t read_text(const char *path, char *buf, size_t buf_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len;

    if (fd == -1)
        return -1;
    len = read(fd, buf, buf_len);
    close(fd);
    return len;
}

int sluice_exits_read(const char *path, sluice_exits_t *exits)
{
    char text[FILE_MAX];
    ssize_t len = read_text(path, text, sizeof(text));
    int is_missing = len == -1 && errno == ENOENT;

    exits->count = 0;
    json_t *root = len != -1 ? json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int ok = root != NULL && read_exits(root, exits) == 0;
    json_decref(root);
    if (!ok)
        exits->count = 0;
    return !ok && !is_missing;
}

static char *write_text(const sluice_exits_t *exits)
{
    json_t *list = json_array(), *root = json_object();

    for (size_t i = 0; i != exits->count; ++i)
        json_array_append_new(list, json_pack("{s:I, s:s, s:I}", "at", (json_int_t)exits->at[i].wall_s, "boot_id",
                                              exits->at[i].boot_id, "boot_seconds", (json_int_t)exits->at[i].boot_s));
    int is_whole = json_array_size(list) == exits->count;
    int failed = json_object_set_new(root, "exits", list) != 0 || !is_whole;
    char *text = failed ? NULL : json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    return text;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len != 0) {
        ssize_t written = write(fd, text, len);
        if (written == -1 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        text += written;
        len -= (size_t)written;
    }
    return fsync(fd);
}

/* beside the file, and then in its place */
static int replace_file(const char *path, const char *text)
{
    char *temporary;
    int fd, failed, saved_errno;

    if (asprintf(&temporary, "%s.%ld.new", path, (long)getpid()) == -1)
        return -1;
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    failed = fd == -1 || write_all(fd, text, strlen(text)) != 0;
    if (fd != -1)
        failed |= close(fd) != 0;
    failed = failed || rename(temporary, path) != 0;
    saved_errno = errno;
    if (failed && fd != -1)
        unlink(temporary);
    free(temporary);
    errno = saved_errno;
    return failed ? -1 : 0;
}

sluice_exit_verdict_t sluice_exits_ask(const char *path, const sluice_moment_t *now, int *damaged)
{
    sluice_exits_t exits;

    *damaged = sluice_exits_read(path, &exits);
    int allowed = sluice_exits_add(&exits, now);
    char *text = write_text(&exits); /* if not allowed, too: an entry of the future is one of now from here on */
    errno = ENOMEM;
    int written = text != NULL && replace_file(path, text) == 0;
    free(text);
    if (!allowed)
        return SLUICE_EXIT_TOO_MANY;
    return written ? SLUICE_EXIT_ALLOWED : SLUICE_EXIT_UNKNOWN;
}

void sluice_moment_now(sluice_moment_t *now)
{
    struct timespec boot;
    ssize_t len = read_text("/proc/sys/kernel/random/boot_id", now->boot_id, SLUICE_BOOT_ID_MAX);

    now->boot_id[len > 0 ? len : 0] = '\0';
    now->boot_id[strcspn(now->boot_id, "\n")] = '\0';
    clock_gettime(CLOCK_BOOTTIME, &boot);
    now->boot_s = boot.tv_sec;
    now->wall_s = time(NULL);
}
