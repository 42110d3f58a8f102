#include <fcntl.h>
#include <unistd.h>
#include "pressure/cgroup.h"
#include "pressure/pressure.h"

typedef struct st_tightest_t {
    uint64_t bytes; /* 0: none yet */
} tightest_t;

/* a pressure_cgroup_cb */
static void compare_limit(void *_tightest, pressure_cgroup_version_t version, const char *folder)
{
    tightest_t *tightest = _tightest;
    char text[32];
    uint64_t bytes;
    int fd = pressure_open_in(folder, pressure_cgroup_files[version].limit, O_RDONLY);

    if (fd < 0)
        return;
    ssize_t len = pressure_read_text(fd, text, sizeof(text));
    close(fd);
    if (len < 0 || pressure_parse_limit(text, (size_t)len, &bytes) != 0 || bytes == 0)
        return;
    if (tightest->bytes == 0 || bytes < tightest->bytes)
        tightest->bytes = bytes;
}

uint64_t pressure_group_limit(const char *proc_root, const char *sys_root)
{
    char text[PRESSURE_CHAIN_TEXT_BYTES];
    tightest_t tightest = {0};
    int fd = pressure_open_in(proc_root, "self/cgroup", O_RDONLY);

    if (fd < 0)
        return 0;
    ssize_t len = pressure_read_text(fd, text, sizeof(text));
    close(fd);
    if (len > 0)
        pressure_cgroup_walk(text, (size_t)len, sys_root, compare_limit, &tightest);
    return tightest.bytes;
}

uint64_t pressure_budget_below(uint64_t limit_bytes)
{
    return limit_bytes / 100 * 95 + limit_bytes % 100 * 95 / 100;
}

uint64_t pressure_auto_budget(const char *proc_root, const char *sys_root, uint64_t physical_bytes)
{
    uint64_t limit_bytes = pressure_group_limit(proc_root, sys_root);

    if (limit_bytes == 0 || (physical_bytes != 0 && physical_bytes < limit_bytes))
        limit_bytes = physical_bytes;
    return pressure_budget_below(limit_bytes);
}
