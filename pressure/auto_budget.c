/*
 * The budget that `auto` stands for: 95 % of the smallest limit that would get this process killed.
 *
 * A limit on any ancestor counts, so the chain of the process's own group is walked up to the root of the hierarchy, and every
 * level on it is read. v1, v2 and hybrid need no telling apart: each line of <proc>/self/cgroup names one hierarchy,
 *     4:memory:/a/b        v1:  <sys>/memory/a/b/memory.limit_in_bytes
 *     0::/a/b              v2:  <sys>/a/b/memory.max, and <sys>/unified/a/b/memory.max where v1 has the root
 * and what does not exist is skipped. In a container the path may be the host's while the mount begins at the container's group:
 * then only the last step, the root itself, exists, and it carries the container's limit.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "pressure/pressure_private.h"

/* v1 says "none" as the largest signed number, rounded down to pages; no real limit comes near */
#define LEAST_UNLIMITED_BYTES ((uint64_t)1 << 60)

static void lower_to(uint64_t *smallest_bytes, uint64_t bytes)
{
    if (bytes != 0 && bytes < *smallest_bytes)
        *smallest_bytes = bytes;
}

/**
 * Returns the limit, or 0 if the file has none ("max", the huge number) or cannot be read
 */
static uint64_t read_limit(const char *path)
{
    char text[32];
    uint64_t bytes;
    size_t used;
    ssize_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof(text));
    close(fd);
    if (len <= 0 || (used = pressure_parse_digits(text, (size_t)len, &bytes)) == 0)
        return 0;
    if (used != (size_t)len && text[used] != '\n')
        return 0;
    return bytes < LEAST_UNLIMITED_BYTES ? bytes : 0;
}

/**
 * reads <root><group>/<file> for the group and all its ancestors. group is "" or begins with a slash.
 */
static void walk_up(const char *root, const char *group, const char *file, uint64_t *smallest_bytes)
{
    char path[PATH_MAX];
    size_t group_len = strlen(group);

    for (;;) {
        int len = snprintf(path, sizeof(path), "%s%.*s/%s", root, (int)group_len, group, file);
        if (len > 0 && (size_t)len < sizeof(path))
            lower_to(smallest_bytes, read_limit(path));
        if (group_len == 0)
            return;
        do {
            --group_len;
        } while (group_len != 0 && group[group_len] != '/');
    }
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
 * takes the newline and a lone slash off. A path that leaves the visible hierarchy stands for its root.
 */
static void trim_group(char *group)
{
    group[strcspn(group, "\n")] = '\0';
    if (group[0] != '/' || group[1] == '\0' || strncmp(group, "/..", 3) == 0)
        group[0] = '\0';
}

static void apply_hierarchy(const char *sys_root, char *line, uint64_t *smallest_bytes)
{
    char root[PATH_MAX];
    char *controllers = strchr(line, ':'), *group;
    const char *v1_folder = "/memory", *v2_folder = "/unified";

    if (controllers == NULL || (group = strchr(++controllers, ':')) == NULL)
        return;
    size_t controllers_len = (size_t)(group - controllers);
    trim_group(++group);
    if (controllers_len == 0)
        walk_up(sys_root, group, "memory.max", smallest_bytes);
    else if (!has_word(controllers, controllers_len, "memory"))
        return;
    int len = snprintf(root, sizeof(root), "%s%s", sys_root, controllers_len == 0 ? v2_folder : v1_folder);
    if (len > 0 && (size_t)len < sizeof(root))
        walk_up(root, group, controllers_len == 0 ? "memory.max" : "memory.limit_in_bytes", smallest_bytes);
}

uint64_t pressure_auto_budget(const char *proc_root, const char *sys_root, uint64_t physical_bytes)
{
    char path[PATH_MAX];
    uint64_t smallest_bytes = physical_bytes != 0 ? physical_bytes : UINT64_MAX;
    int len = snprintf(path, sizeof(path), "%s/self/cgroup", proc_root);
    FILE *file = len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t capacity = 0;

    if (file != NULL) {
        while (getline(&line, &capacity, file) > 0)
            apply_hierarchy(sys_root, line, &smallest_bytes);
        free(line);
        fclose(file);
    }
    return smallest_bytes != UINT64_MAX ? smallest_bytes / 100 * 95 + smallest_bytes % 100 * 95 / 100 : 0;
}
