/*
 * cgroup.h - the memory cgroups that limit this process: where they are, and what their files say. Private to pressure/.
 *
 * A limit on any ancestor counts, so the chain of the process's own group is walked up to the root of the hierarchy. v1, v2 and
 * hybrid need no telling apart: each line of <proc>/self/cgroup names one hierarchy,
 *     4:memory:/a/b        v1:  <sys>/memory/a/b
 *     0::/a/b              v2:  <sys>/a/b, and <sys>/unified/a/b where v1 has the root
 * and a folder that does not exist has no files to open. In a container the path may be the host's while the mount begins at the
 * container's group: then only the last step, the root itself, exists, and it carries the container's limit.
 *
 * Nothing here allocates or uses stdio, except snprintf() into a buffer of its own.
 */
#ifndef pressure__cgroup_h
#define pressure__cgroup_h

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PRESSURE_CHAIN_TEXT_BYTES 16384 /* <proc>/self/cgroup; what is longer is cut */

typedef enum en_pressure_cgroup_version_t {
    PRESSURE_CGROUP_V1,
    PRESSURE_CGROUP_V2,
    PRESSURE_NUM_CGROUP_VERSIONS
} pressure_cgroup_version_t;

/**
 * the names of the files that hold a group's figures
 */
typedef struct st_pressure_cgroup_files_t {
    const char *limit, *usage, *stat;
} pressure_cgroup_files_t;
extern const pressure_cgroup_files_t pressure_cgroup_files[PRESSURE_NUM_CGROUP_VERSIONS];

/**
 * folder: of one group; valid during the call, need not exist
 */
typedef void (*pressure_cgroup_cb)(void *ctx, pressure_cgroup_version_t version, const char *folder);

/**
 * calls cb for each group that may limit the process, in each hierarchy from its own group up to the root.
 * @param text,len the text of <proc>/self/cgroup
 */
void pressure_cgroup_walk(const char *text, size_t len, const char *sys_root, pressure_cgroup_cb cb, void *ctx);
/**
 * opens <folder>/<file>. Returns the descriptor or -1.
 */
int pressure_open_in(const char *folder, const char *file, int flags);
/**
 * reads from the beginning of a file, once. Returns the number of bytes, or -1 for a failure and for an empty file.
 */
ssize_t pressure_read_text(int fd, char *text, size_t size);

/**
 * pure: a limit in bytes, from the text of its file; 0: none ("max", or v1's huge number). Returns 0, or -1 if it is neither.
 */
int pressure_parse_limit(const char *text, size_t len, uint64_t *bytes);
/**
 * pure: digits up to the end or a newline. Returns 0 or -1.
 */
int pressure_parse_bytes(const char *text, size_t len, uint64_t *bytes);

/**
 * what of memory.stat is of interest, of the group and all groups below it, in bytes
 */
typedef struct st_pressure_cgroup_stat_t {
    uint64_t anon, inactive_file, active_file; /* must be in the file */
    uint64_t shmem, slab_reclaimable;          /* 0 if the kernel does not tell */
} pressure_cgroup_stat_t;

/**
 * pure: Returns 0, or -1 if a figure that must be there is not. A last line without a newline may be cut off and does not count.
 */
int pressure_parse_memory_stat(pressure_cgroup_version_t version, const char *text, size_t len, pressure_cgroup_stat_t *stat);
/**
 * pure: what of the usage does not go away by dropping caches:
 *     usage - inactive_file - active_file - slab_reclaimable, but at least anon + shmem
 * Page cache is dropped before anybody is killed, be it active or not. Neither do dirty pages count: they cannot be dropped at
 * once, but the kernel writes them back and waits for that rather than kill, so whoever writes files in the group would shut the
 * service for nothing. tmpfs (shmem) is on neither list and counts in full.
 */
uint64_t pressure_working_set(uint64_t usage_bytes, const pressure_cgroup_stat_t *stat);

#endif
