/*
 * The resident set from /proc/self/statm: one pread on a kept descriptor, no allocation, no stdio.
 *
 * The descriptor is opened for the process that opens it, not for whoever reads it. A server that forks after the first sample
 * would go on reading its parent's memory, so the process id is kept beside the descriptor, both in one word.
 */
#include <fcntl.h>
#include <unistd.h>
#include "pressure/pressure_private.h"

size_t pressure_parse_digits(const char *text, size_t len, uint64_t *value)
{
    size_t used = 0;

    *value = 0;
    for (; used != len && text[used] >= '0' && text[used] <= '9'; ++used) {
        unsigned digit = (unsigned)(text[used] - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return 0;
        *value = *value * 10 + digit;
    }
    return used;
}

int pressure_parse_statm(const char *text, size_t len, uint64_t *pages)
{
    uint64_t total_pages;
    size_t skip = pressure_parse_digits(text, len, &total_pages), used;

    if (skip == 0 || skip == len || text[skip] != ' ')
        return -1;
    ++skip;
    used = pressure_parse_digits(text + skip, len - skip, pages);
    /* without the separator behind it the number may be cut off. No process has no page: 0 is a failed reading */
    if (used == 0 || skip + used == len || text[skip + used] != ' ' || *pages == 0)
        return -1;
    return 0;
}

static uint64_t pack_descriptor(int fd)
{
    return (uint64_t)(uint32_t)getpid() << 32 | (uint32_t)fd;
}

static int open_statm(void)
{
    static _Atomic uint64_t kept; /* 0: none; a pid is never 0 */
    uint64_t seen = atomic_load(&kept);
    int fd;

    if (seen == pack_descriptor((int)(uint32_t)seen))
        return (int)(uint32_t)seen;
    if ((fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) < 0)
        return -1;
    if (atomic_compare_exchange_strong(&kept, &seen, pack_descriptor(fd))) {
        if (seen != 0)
            close((int)(uint32_t)seen); /* the parent's, and in this process nobody else reads it */
        return fd;
    }
    close(fd);
    return (int)(uint32_t)seen;
}

uint64_t pressure_reading_of(const pressure_sample_t *sample, uint64_t budget_bytes)
{
    if (sample->group_limit_bytes == 0)
        return sample->resident_bytes;
    uint64_t by_group = (uint64_t)((double)budget_bytes * ((double)sample->group_bytes / (double)sample->group_limit_bytes));
    return by_group > sample->resident_bytes ? by_group : sample->resident_bytes;
}

int pressure_sample_statm(void *ctx, pressure_sample_t *sample)
{
    char text[128];
    uint64_t pages;
    long page_size = sysconf(_SC_PAGESIZE);
    int fd = open_statm();
    ssize_t len;

    (void)ctx;
    if (fd < 0 || page_size <= 0 || (len = pread(fd, text, sizeof(text), 0)) <= 0)
        return -1;
    if (pressure_parse_statm(text, (size_t)len, &pages) != 0)
        return -1;
    sample->resident_bytes = pages * (uint64_t)page_size;
    return 0;
}
