#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "pressure/cgroup.h"
#include "pressure/pressure_private.h"
#include "pressure/stall.h"

#define STALL_TEXT_BYTES 512

typedef struct st_text_t {
    const char *at, *end;
} text_t;

static int take_digits(text_t *text, uint64_t *value)
{
    size_t len = pressure_parse_digits(text->at, (size_t)(text->end - text->at), value);

    text->at += len;
    return len != 0 ? 0 : -1;
}

/* percent with at most two decimals, as the kernel writes them */
static int take_percent(text_t *text, double *part)
{
    uint64_t whole, hundredths = 0;

    if (take_digits(text, &whole) != 0 || whole > 100)
        return -1;
    if (text->at != text->end && *text->at == '.') {
        const char *begin = ++text->at;
        if (take_digits(text, &hundredths) != 0 || text->at - begin != 2)
            return -1;
    }
    *part = ((double)whole + (double)hundredths / 100) / 100;
    return 0;
}

static int starts_with(const text_t *text, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(text->end - text->at) >= len && memcmp(text->at, word, len) == 0;
}

/* " name=" in a line; what is behind it */
static int find_figure(text_t line, const char *name, text_t *figure)
{
    const char *at = memmem(line.at, (size_t)(line.end - line.at), name, strlen(name));

    if (at == NULL)
        return -1;
    *figure = (text_t){at + strlen(name), line.end};
    return 0;
}

static int is_at_end(const text_t *figure)
{
    return figure->at == figure->end || *figure->at == ' ';
}

static int parse_percent(text_t line, const char *name, double *part)
{
    text_t figure;

    return find_figure(line, name, &figure) == 0 && take_percent(&figure, part) == 0 && is_at_end(&figure) ? 0 : -1;
}

static int parse_line(text_t line, pressure_stall_t *stall)
{
    text_t figure;

    if (parse_percent(line, " avg10=", &stall->avg10) != 0 || parse_percent(line, " avg60=", &stall->avg60) != 0 ||
        parse_percent(line, " avg300=", &stall->avg300) != 0)
        return -1;
    return find_figure(line, " total=", &figure) == 0 && take_digits(&figure, &stall->total_us) == 0 && is_at_end(&figure) ? 0 : -1;
}

int pressure_parse_stalls(const char *text, size_t len, pressure_stalls_t *stalls)
{
    pressure_stalls_t found = {.source = stalls->source};
    text_t rest = {text, text + len};
    int has_some = 0, has_full = 0;

    for (const char *newline; (newline = memchr(rest.at, '\n', (size_t)(rest.end - rest.at))) != NULL; rest.at = newline + 1) {
        text_t line = {rest.at, newline};
        if (starts_with(&line, "some "))
            has_some = parse_line(line, &found.some) == 0;
        else if (starts_with(&line, "full "))
            has_full = parse_line(line, &found.full) == 0;
    }
    if (!has_some || !has_full)
        return -1;
    *stalls = found;
    return 0;
}

static void try_file(const char *folder, const char *name, pressure_stall_source_t source, pressure_stalls_t *stalls)
{
    char text[STALL_TEXT_BYTES];
    int fd = pressure_open_in(folder, name, O_RDONLY);
    ssize_t len = fd >= 0 ? pressure_read_text(fd, text, sizeof(text)) : -1;

    if (fd >= 0)
        close(fd);
    if (len > 0 && pressure_parse_stalls(text, (size_t)len, stalls) == 0)
        stalls->source = source;
}

static void try_group(void *_stalls, pressure_cgroup_version_t version, const char *folder)
{
    pressure_stalls_t *stalls = _stalls;

    if (stalls->source == PRESSURE_STALL_NONE && version == PRESSURE_CGROUP_V2)
        try_file(folder, "memory.pressure", PRESSURE_STALL_GROUP, stalls);
}

void pressure_read_stalls(const char *proc_root, const char *sys_root, pressure_stalls_t *stalls)
{
    char chain[PRESSURE_CHAIN_TEXT_BYTES];
    int fd = pressure_open_in(proc_root, "self/cgroup", O_RDONLY);
    ssize_t len = fd >= 0 ? pressure_read_text(fd, chain, sizeof(chain)) : -1;

    *stalls = (pressure_stalls_t){.source = PRESSURE_STALL_NONE};
    if (fd >= 0)
        close(fd);
    pressure_cgroup_walk(chain, len > 0 ? (size_t)len : 0, sys_root, try_group, stalls);
    if (stalls->source == PRESSURE_STALL_NONE)
        try_file(proc_root, "pressure/memory", PRESSURE_STALL_SYSTEM, stalls);
}
