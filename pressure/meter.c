/*
 * Samples from kept descriptors.
 *
 *   statm ------------------------------------> resident set     every sample
 *   <proc>/self/cgroup --walk--> levels[] ---> limit, usage, stat of each; the nearest to its limit is the group
 *
 * A level is a group of the chain whose three files can be read and understood. When a read of one fails, the chain is opened anew
 * at once: a descriptor may have gone bad while its path is fine. If the process is where it was and the new chain has fewer levels
 * than it had, something that limits it can no longer be seen, and the look has failed. If the process was moved, the new chain is
 * the truth, however short. Whether it was moved is told by a hash of the text of <proc>/self/cgroup.
 *
 * Descriptors are opened for the process that opens them: /proc/self is resolved then. A server that forks would go on reading its
 * parent's memory, so the process id is kept beside them, and the child opens its own.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "pressure/cgroup.h"
#include "pressure/meter.h"
#include "pressure/pressure_private.h"

#define MAX_LEVELS 32 /* the innermost ones count */
#define STAT_TEXT_BYTES 16384
#define CALM_LOOK_MS 3500  /* each 4th sample while it is calm, where pressure.sample-period is as it comes, with some to spare */
#define CALM_SAMPLE_MS 900 /* the same period, less what a nap may be short */
#define EARLY_LOOK_MS 25
#define NEAR_RATIO 0.6

typedef struct st_level_t {
    pressure_cgroup_version_t version;
    int limit_fd, usage_fd, stat_fd;
} level_t;

typedef struct st_group_t {
    uint64_t bytes, limit_bytes; /* limit 0: none */
} group_t;

struct st_pressure_meter_t {
    pressure_meter_config_t config;
    pid_t owner;
    int statm_fd, chain_fd;
    uint64_t chain_hash; /* 0: the chain was never read */
    size_t num_levels, num_expected_levels;
    level_t levels[MAX_LEVELS];
    group_t group;                              /* as of the last good look */
    uint64_t sampled_ms, looked_ms, failing_ms; /* the last sample, the last look, the first of the looks that failed in a row */
    int has_looked, failing;
    _Atomic uint64_t failed_reads;
};

static int open_below_self(const pressure_meter_t *meter, const char *file)
{
    return pressure_open_in(meter->config.proc_root, file, O_RDONLY);
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_level(level_t *level)
{
    close_if_open(&level->limit_fd);
    close_if_open(&level->usage_fd);
    close_if_open(&level->stat_fd);
}

static void close_levels(pressure_meter_t *meter)
{
    while (meter->num_levels != 0)
        close_level(meter->levels + --meter->num_levels);
}

static void close_all(pressure_meter_t *meter)
{
    close_if_open(&meter->statm_fd);
    close_if_open(&meter->chain_fd);
    close_levels(meter);
}

static int read_limit(const level_t *level, uint64_t *bytes)
{
    char text[32];
    ssize_t len = pressure_read_text(level->limit_fd, text, sizeof(text));

    return len > 0 ? pressure_parse_limit(text, (size_t)len, bytes) : -1;
}

static int read_usage(const level_t *level, uint64_t *bytes)
{
    char text[32];
    ssize_t len = pressure_read_text(level->usage_fd, text, sizeof(text));

    return len > 0 ? pressure_parse_bytes(text, (size_t)len, bytes) : -1;
}

static int read_stat(const level_t *level, pressure_cgroup_stat_t *stat)
{
    char text[STAT_TEXT_BYTES];
    ssize_t len = pressure_read_text(level->stat_fd, text, sizeof(text));

    return len > 0 ? pressure_parse_memory_stat(level->version, text, (size_t)len, stat) : -1;
}

/* a pressure_cgroup_cb */
static void open_level(void *_meter, pressure_cgroup_version_t version, const char *folder)
{
    pressure_meter_t *meter = _meter;
    const pressure_cgroup_files_t *files = pressure_cgroup_files + version;
    pressure_cgroup_stat_t stat;
    uint64_t bytes;

    if (meter->num_levels == MAX_LEVELS)
        return;
    level_t level = {version, pressure_open_in(folder, files->limit, O_RDONLY), -1, -1};
    if (level.limit_fd < 0)
        return;
    level.usage_fd = pressure_open_in(folder, files->usage, O_RDONLY);
    level.stat_fd = pressure_open_in(folder, files->stat, O_RDONLY);
    if (read_limit(&level, &bytes) == 0 && read_usage(&level, &bytes) == 0 && read_stat(&level, &stat) == 0)
        meter->levels[meter->num_levels++] = level;
    else
        close_level(&level);
}

static uint64_t hash_text(const char *text, size_t len)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i != len; ++i)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash != 0 ? hash : 1;
}

/**
 * opens the levels if the process has been moved, or in any case if `again`. Returns 0, or -1 if less can be seen than before.
 */
static int refresh_chain(pressure_meter_t *meter, int again)
{
    char text[PRESSURE_CHAIN_TEXT_BYTES];
    ssize_t len = pressure_read_text(meter->chain_fd, text, sizeof(text));

    if (len < 0) {
        close_if_open(&meter->chain_fd);
        meter->chain_fd = open_below_self(meter, "self/cgroup");
        if ((len = pressure_read_text(meter->chain_fd, text, sizeof(text))) < 0)
            return meter->chain_hash == 0 ? 0 : -1; /* a kernel without cgroups limits nobody */
    }
    uint64_t hash = hash_text(text, (size_t)len);
    int moved = hash != meter->chain_hash;
    if (!moved && !again)
        return 0;
    close_levels(meter);
    pressure_cgroup_walk(text, (size_t)len, meter->config.sys_root, open_level, meter);
    if (!moved && meter->num_levels < meter->num_expected_levels)
        return -1;
    meter->chain_hash = hash;
    meter->num_expected_levels = meter->num_levels;
    return 0;
}

static double usage_ratio(const group_t *group)
{
    return group->limit_bytes != 0 ? (double)group->bytes / (double)group->limit_bytes : 0;
}

/**
 * replaces *nearest if the level has a limit and is nearer to it. Returns 0 or -1.
 */
static int compare_level(const level_t *level, group_t *nearest)
{
    pressure_cgroup_stat_t stat;
    group_t group;

    if (read_limit(level, &group.limit_bytes) != 0)
        return -1;
    if (group.limit_bytes == 0)
        return 0;
    if (read_usage(level, &group.bytes) != 0)
        return -1;
    /* the working set is no more than the usage: there may be no need for the file that is costly to read */
    if (nearest->limit_bytes != 0 && usage_ratio(&group) <= usage_ratio(nearest))
        return 0;
    if (read_stat(level, &stat) != 0)
        return -1;
    group.bytes = pressure_working_set(group.bytes, &stat);
    if (nearest->limit_bytes == 0 || usage_ratio(&group) > usage_ratio(nearest))
        *nearest = group;
    return 0;
}

static int find_nearest(const pressure_meter_t *meter, group_t *nearest)
{
    *nearest = (group_t){0, 0};
    for (size_t i = 0; i != meter->num_levels; ++i) {
        if (compare_level(meter->levels + i, nearest) != 0)
            return -1;
    }
    return 0;
}

static void look_at_groups(pressure_meter_t *meter, int check_chain, uint64_t now_ms)
{
    group_t nearest;
    int result = 0;

    if (check_chain || meter->failing)
        result = refresh_chain(meter, meter->failing);
    if (result == 0 && (result = find_nearest(meter, &nearest)) != 0 && (result = refresh_chain(meter, 1)) == 0)
        result = find_nearest(meter, &nearest);
    meter->looked_ms = now_ms;
    if (result != 0) {
        if (!meter->failing || now_ms < meter->failing_ms)
            meter->failing_ms = now_ms;
        meter->failing = 1;
        atomic_fetch_add_explicit(&meter->failed_reads, 1, memory_order_relaxed);
        return;
    }
    meter->group = nearest;
    meter->failing = 0;
}

int pressure_read_statm(int fd, uint64_t *resident_bytes)
{
    char text[128];
    long page_size = sysconf(_SC_PAGESIZE);
    uint64_t pages;
    ssize_t len = pressure_read_text(fd, text, sizeof(text));

    if (len < 0)
        return PRESSURE_UNREADABLE;
    if (page_size <= 0 || pressure_parse_statm(text, (size_t)len, &pages) != 0)
        return -1;
    if (pages > UINT64_MAX / (uint64_t)page_size)
        return -1;
    *resident_bytes = pages * (uint64_t)page_size;
    return 0;
}

static int read_resident(pressure_meter_t *meter, uint64_t *bytes)
{
    int result = pressure_read_statm(meter->statm_fd, bytes);

    if (result != PRESSURE_UNREADABLE)
        return result;
    /* opened anew, in case the descriptor is what is wrong */
    close_if_open(&meter->statm_fd);
    meter->statm_fd = open_below_self(meter, "self/statm");
    return pressure_read_statm(meter->statm_fd, bytes);
}

/**
 * Returns whether the group or what of it is known to be this process's own is near the limit
 */
static int is_near(const pressure_meter_t *meter, uint64_t resident_bytes)
{
    group_t known = meter->group;

    if (resident_bytes > known.bytes)
        known.bytes = resident_bytes;
    return usage_ratio(&known) >= NEAR_RATIO;
}

/* a clock that was set back has every difference huge, so all of this is due */
static void look_if_due(pressure_meter_t *meter, uint64_t resident_bytes, uint64_t now_ms)
{
    uint64_t blind_ms = now_ms - meter->looked_ms;
    int is_early = now_ms - meter->sampled_ms < CALM_SAMPLE_MS;

    if (!meter->has_looked || blind_ms >= CALM_LOOK_MS)
        look_at_groups(meter, 1, now_ms);
    else if (meter->failing || is_near(meter, resident_bytes) || (is_early && blind_ms >= EARLY_LOOK_MS))
        look_at_groups(meter, 0, now_ms);
    meter->has_looked = 1;
    meter->sampled_ms = now_ms;
}

static void take_ownership(pressure_meter_t *meter)
{
    close_all(meter);
    meter->owner = getpid();
    meter->chain_hash = 0;
    meter->has_looked = meter->failing = 0;
}

int pressure_meter_sample(void *_meter, pressure_sample_t *sample)
{
    pressure_meter_t *meter = _meter;
    uint64_t now_ms = meter->config.now_ms();

    if (meter->owner != getpid())
        take_ownership(meter);
    if (read_resident(meter, &sample->resident_bytes) != 0)
        return -1;
    look_if_due(meter, sample->resident_bytes, now_ms);
    sample->group_bytes = meter->group.bytes;
    sample->group_limit_bytes = meter->group.limit_bytes;
    return meter->failing && now_ms - meter->failing_ms >= meter->config.stale_after_ms ? -1 : 0;
}

uint64_t pressure_meter_failed_reads(const pressure_meter_t *meter)
{
    return atomic_load_explicit(&meter->failed_reads, memory_order_relaxed);
}

pressure_meter_t *pressure_meter_create(const pressure_meter_config_t *config)
{
    pressure_meter_t *meter = calloc(1, sizeof(*meter));

    if (meter == NULL)
        return NULL;
    meter->config = *config;
    meter->statm_fd = meter->chain_fd = -1;
    take_ownership(meter);
    return meter;
}

void pressure_meter_destroy(pressure_meter_t **meter)
{
    if (*meter == NULL)
        return;
    close_all(*meter);
    free(*meter);
    *meter = NULL;
}
