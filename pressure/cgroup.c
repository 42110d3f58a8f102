#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "pressure/cgroup.h"
#include "pressure/excess.h"
#include "pressure/pressure_private.h"

/* v1 says "none" as the largest signed number, rounded down to pages; no real limit comes near */
#define LEAST_UNLIMITED_BYTES ((uint64_t)1 << 60)

const pressure_cgroup_files_t pressure_cgroup_files[PRESSURE_NUM_CGROUP_VERSIONS] = {
    [PRESSURE_CGROUP_V1] = {"memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"},
    [PRESSURE_CGROUP_V2] = {"memory.max", "memory.current", "memory.stat"}};

typedef struct st_walk_t {
    pressure_cgroup_version_t version;
    pressure_cgroup_cb cb;
    void *ctx;
} walk_t;

/**
 * <root><path> and all its ancestors down to the root. The path is empty or begins with a slash.
 */
static void walk_up(const walk_t *walk, const char *root, const char *path, size_t path_len)
{
    char folder[PATH_MAX];

    for (;;) {
        int len = snprintf(folder, sizeof(folder), "%s%.*s", root, (int)path_len, path);
        if (len > 0 && (size_t)len < sizeof(folder))
            walk->cb(walk->ctx, walk->version, folder);
        if (path_len == 0)
            return;
        do {
            --path_len;
        } while (path_len != 0 && path[path_len] != '/');
    }
}

static void walk_below(const walk_t *walk, const char *sys_root, const char *mount, const char *path, size_t path_len)
{
    char root[PATH_MAX];
    int len = snprintf(root, sizeof(root), "%s%s", sys_root, mount);

    if (len > 0 && (size_t)len < sizeof(root))
        walk_up(walk, root, path, path_len);
}

/**
 * whether a comma-separated list has the word
 */
static int has_word(const char *list, size_t len, const char *word)
{
    size_t word_len = strlen(word);

    while (len != 0) {
        const char *comma = memchr(list, ',', len);
        size_t item_len = comma != NULL ? (size_t)(comma - list) : len;
        if (item_len == word_len && memcmp(list, word, word_len) == 0)
            return 1;
        if (comma == NULL)
            return 0;
        list += item_len + 1;
        len -= item_len + 1;
    }
    return 0;
}

/**
 * the length of the path behind which nothing counts: a lone slash is the root, and so is a path that leaves what can be seen
 */
static size_t trim_path(const char *path, size_t len)
{
    if (len < 2 || path[0] != '/' || (len >= 3 && memcmp(path, "/..", 3) == 0))
        return 0;
    return len;
}

/**
 * the length of the path without its last component, which may be cut off
 */
static size_t drop_component(const char *path, size_t len)
{
    while (len != 0 && path[--len] != '/')
        ;
    return len;
}

static void walk_line(const char *line, size_t len, int is_cut, const char *sys_root, walk_t *walk)
{
    const char *end = line + len, *controllers = memchr(line, ':', len), *path;

    if (controllers == NULL)
        return;
    ++controllers;
    if ((path = memchr(controllers, ':', (size_t)(end - controllers))) == NULL)
        return;
    size_t controllers_len = (size_t)(path - controllers);
    ++path;
    size_t path_len = (size_t)(end - path);
    if (is_cut)
        path_len = drop_component(path, path_len);
    path_len = trim_path(path, path_len);
    if (controllers_len == 0) {
        walk->version = PRESSURE_CGROUP_V2;
        walk_below(walk, sys_root, "", path, path_len);
        walk_below(walk, sys_root, "/unified", path, path_len);
    } else if (has_word(controllers, controllers_len, "memory")) {
        walk->version = PRESSURE_CGROUP_V1;
        walk_below(walk, sys_root, "/memory", path, path_len);
    }
}

void pressure_cgroup_walk(const char *text, size_t len, const char *sys_root, pressure_cgroup_cb cb, void *ctx)
{
    walk_t walk = {.cb = cb, .ctx = ctx};

    while (len != 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - text) : len;
        walk_line(text, line_len, newline == NULL, sys_root, &walk);
        if (newline == NULL)
            return;
        text += line_len + 1;
        len -= line_len + 1;
    }
}

int pressure_open_in(const char *folder, const char *file, int flags)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", folder, file);

    if (len <= 0 || (size_t)len >= sizeof(path))
        return -1;
    return open(path, flags | O_CLOEXEC);
}

ssize_t pressure_read_text(int fd, char *text, size_t size)
{
    ssize_t len = fd >= 0 ? pread(fd, text, size, 0) : -1;

    return len > 0 ? len : -1;
}

int pressure_parse_bytes(const char *text, size_t len, uint64_t *bytes)
{
    size_t used = pressure_parse_digits(text, len, bytes);

    return used != 0 && (used == len || text[used] == '\n') ? 0 : -1;
}

int pressure_parse_limit(const char *text, size_t len, uint64_t *bytes)
{
    static const char none[] = "max";

    *bytes = 0;
    if (len >= sizeof(none) - 1 && memcmp(text, none, sizeof(none) - 1) == 0)
        return len == sizeof(none) - 1 || text[sizeof(none) - 1] == '\n' ? 0 : -1;
    /* a limit of nothing cannot hold for a process that runs */
    if (pressure_parse_bytes(text, len, bytes) != 0 || *bytes == 0)
        return -1;
    if (*bytes >= LEAST_UNLIMITED_BYTES)
        *bytes = 0;
    return 0;
}

/* v1's figures without "total_" leave out the groups below */
#define FIELDS(X)                                                                                                                  \
    X(anon, "total_rss", "anon", 1)                                                                                                \
    X(inactive_file, "total_inactive_file", "inactive_file", 1)                                                                    \
    X(active_file, "total_active_file", "active_file", 1)                                                                          \
    X(shmem, "total_shmem", "shmem", 0)                                                                                            \
    X(slab_reclaimable, "", "slab_reclaimable", 0)

typedef struct st_stat_field_t {
    const char *names[PRESSURE_NUM_CGROUP_VERSIONS];
    size_t offset;
    int required;
} stat_field_t;

#define FIELD_ROW(field, v1_name, v2_name, is_required)                                                                            \
    {{[PRESSURE_CGROUP_V1] = v1_name, [PRESSURE_CGROUP_V2] = v2_name}, offsetof(pressure_cgroup_stat_t, field), is_required},
static const stat_field_t stat_fields[] = {FIELDS(FIELD_ROW)};
#define NUM_FIELDS (sizeof(stat_fields) / sizeof(stat_fields[0]))

/**
 * one line, "name digits". Returns the index of the field that it set, or -1.
 */
static int parse_stat_line(pressure_cgroup_version_t version, const char *line, size_t len, pressure_cgroup_stat_t *stat)
{
    const char *space = memchr(line, ' ', len);
    uint64_t bytes;

    if (space == NULL)
        return -1;
    size_t name_len = (size_t)(space - line), digits_len = len - name_len - 1;
    for (size_t i = 0; i != NUM_FIELDS; ++i) {
        const char *name = stat_fields[i].names[version];
        if (name_len == 0 || strlen(name) != name_len || memcmp(name, line, name_len) != 0)
            continue;
        if (digits_len == 0 || pressure_parse_digits(space + 1, digits_len, &bytes) != digits_len)
            return -1;
        *(uint64_t *)(void *)((char *)stat + stat_fields[i].offset) = bytes;
        return (int)i;
    }
    return -1;
}

int pressure_parse_memory_stat(pressure_cgroup_version_t version, const char *text, size_t len, pressure_cgroup_stat_t *stat)
{
    const char *newline;
    unsigned found = 0;

    *stat = (pressure_cgroup_stat_t){0};
    while (len != 0 && (newline = memchr(text, '\n', len)) != NULL) {
        int field = parse_stat_line(version, text, (size_t)(newline - text), stat);
        if (field >= 0)
            found |= 1u << field;
        len -= (size_t)(newline - text) + 1;
        text = newline + 1;
    }
    for (size_t i = 0; i != NUM_FIELDS; ++i) {
        if (stat_fields[i].required && (found & 1u << i) == 0)
            return -1;
    }
    return 0;
}

uint64_t pressure_working_set(uint64_t usage_bytes, const pressure_cgroup_stat_t *stat)
{
    uint64_t working_set = pressure_excess(usage_bytes, stat->inactive_file);
    uint64_t floor = stat->anon <= UINT64_MAX - stat->shmem ? stat->anon + stat->shmem : UINT64_MAX;

    working_set = pressure_excess(pressure_excess(working_set, stat->active_file), stat->slab_reclaimable);
    return working_set > floor ? working_set : floor;
}
