#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "module/process_facts.h"

#define TEXT_BYTES 8192 /* a status file has less than 2 KiB, but for lists of CPUs and groups, which stand behind what counts */

typedef struct st_field_t {
    const char *name; /* at the beginning of a line, its colon included */
    size_t offset;
    uint64_t unit;
} field_t;

#define FIELD(name, member, unit)                                                                                                  \
    {                                                                                                                              \
        name ":", offsetof(health_process_t, member), unit                                                                         \
    }

static const field_t status_fields[] = {FIELD("Pid", pid, 1),
                                        FIELD("Threads", threads, 1),
                                        FIELD("VmPeak", peak_virtual_bytes, 1024),
                                        FIELD("VmSize", virtual_bytes, 1024),
                                        FIELD("VmLck", locked_bytes, 1024),
                                        FIELD("VmHWM", peak_resident_bytes, 1024),
                                        FIELD("VmRSS", resident_bytes, 1024),
                                        FIELD("RssAnon", anonymous_bytes, 1024),
                                        FIELD("RssFile", file_bytes, 1024),
                                        FIELD("RssShmem", shared_bytes, 1024),
                                        FIELD("VmData", data_bytes, 1024),
                                        FIELD("VmStk", stack_bytes, 1024),
                                        FIELD("VmPTE", page_table_bytes, 1024),
                                        FIELD("VmSwap", swap_bytes, 1024),
                                        FIELD("voluntary_ctxt_switches", voluntary_switches, 1),
                                        FIELD("nonvoluntary_ctxt_switches", involuntary_switches, 1)};

static const field_t io_fields[] = {FIELD("read_bytes", read_bytes, 1), FIELD("write_bytes", written_bytes, 1)};

/* digits from *at on, which moves behind them. Returns 0, or -1 if there is none or it does not fit */
static int take_number(const char **at, const char *end, uint64_t *value)
{
    const char *begin = *at;

    for (*value = 0; *at != end && **at >= '0' && **at <= '9'; ++*at) {
        unsigned digit = (unsigned)(**at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return -1;
        *value = *value * 10 + digit;
    }
    return *at != begin ? 0 : -1;
}

/* the value of a line, behind its colon */
static int take_value(const char *at, const char *end, uint64_t unit, uint64_t *value)
{
    while (at != end && (*at == ' ' || *at == '\t'))
        ++at;
    if (take_number(&at, end, value) != 0 || *value > UINT64_MAX / unit)
        return -1;
    *value *= unit;
    return unit == 1 ? at == end ? 0 : -1 : end - at == 3 && memcmp(at, " kB", 3) == 0 ? 0 : -1;
}

static void parse_line(const char *line, const char *end, const field_t *fields, size_t num_fields, health_process_t *facts)
{
    for (size_t i = 0; i != num_fields; ++i) {
        size_t len = strlen(fields[i].name);
        uint64_t value;
        if ((size_t)(end - line) < len || memcmp(line, fields[i].name, len) != 0)
            continue;
        if (take_value(line + len, end, fields[i].unit, &value) == 0)
            memcpy((char *)facts + fields[i].offset, &value, sizeof(value));
        return;
    }
}

static void parse_lines(const char *text, size_t len, const field_t *fields, size_t num_fields, health_process_t *facts)
{
    const char *end = text + len;

    for (const char *newline; (newline = memchr(text, '\n', (size_t)(end - text))) != NULL; text = newline + 1)
        parse_line(text, newline, fields, num_fields, facts);
}

void sluice_process_parse_status(const char *text, size_t len, health_process_t *facts)
{
    parse_lines(text, len, status_fields, sizeof(status_fields) / sizeof(status_fields[0]), facts);
}

void sluice_process_parse_io(const char *text, size_t len, health_process_t *facts)
{
    parse_lines(text, len, io_fields, sizeof(io_fields) / sizeof(io_fields[0]), facts);
}

/* minflt, majflt, utime and stime are the fields 10, 12, 14, 15, counted behind the last parenthesis of the name (field 2) */
void sluice_process_parse_stat(const char *text, size_t len, double ticks_per_second, health_process_t *facts)
{
    enum { FIRST = 10, LAST = 15 };
    uint64_t values[LAST + 1] = {0};
    const char *end = text + len, *at = memrchr(text, ')', len);

    for (int number = 3; at != NULL && number <= LAST; ++number) {
        if ((at = memchr(at, ' ', (size_t)(end - at))) == NULL)
            return;
        ++at;
        if (number >= FIRST && (take_number(&at, end, values + number) != 0 || at == end || *at != ' '))
            return;
    }
    if (at == NULL)
        return;
    facts->minor_faults = values[10];
    facts->major_faults = values[12];
    facts->user_seconds = (double)values[14] / ticks_per_second;
    facts->system_seconds = (double)values[15] / ticks_per_second;
}

/* --- files */

static int path_of(const char *proc_root, const char *name, char *path)
{
    int len = snprintf(path, PATH_MAX, "%s/self/%s", proc_root, name);

    return len > 0 && len < PATH_MAX ? 0 : -1;
}

/* what fits of a file; 0 if there is none */
static size_t read_file(const char *proc_root, const char *name, char *text)
{
    char path[PATH_MAX];
    size_t used = 0;
    ssize_t len;
    int fd;

    if (path_of(proc_root, name, path) != 0 || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    while (used != TEXT_BYTES && (len = read(fd, text + used, TEXT_BYTES - used)) > 0)
        used += (size_t)len;
    close(fd);
    return used;
}

/* of the system's own folder the size is the number of descriptors, from Linux 6.2 on */
static uint64_t fds_by_size(const char *path)
{
    struct statfs system;
    struct stat status;

    return statfs(path, &system) == 0 && system.f_type == PROC_SUPER_MAGIC && stat(path, &status) == 0 && status.st_size > 0
               ? (uint64_t)status.st_size
               : 0;
}

/* but for the one that the list is read from */
static uint64_t fds_by_list(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t count = 0;

    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count != 0 ? count - 1 : 0;
}

static uint64_t count_fds(const char *proc_root)
{
    char path[PATH_MAX];

    if (path_of(proc_root, "fd", path) != 0)
        return 0;
    uint64_t count = fds_by_size(path);
    return count != 0 ? count : fds_by_list(path);
}

static uint64_t soft_limit(__rlimit_resource_t resource)
{
    struct rlimit limit;

    return getrlimit(resource, &limit) != 0 ? 0 : limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

void sluice_process_read(const char *proc_root, health_process_t *facts)
{
    char text[TEXT_BYTES];

    *facts = (health_process_t){
        .max_fds = soft_limit(RLIMIT_NOFILE), .max_virtual_bytes = soft_limit(RLIMIT_AS), .fds = count_fds(proc_root)};
    sluice_process_parse_status(text, read_file(proc_root, "status", text), facts);
    sluice_process_parse_stat(text, read_file(proc_root, "stat", text), (double)sysconf(_SC_CLK_TCK), facts);
    sluice_process_parse_io(text, read_file(proc_root, "io", text), facts);
}
