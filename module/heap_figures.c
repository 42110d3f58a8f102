#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/heap_figures.h"

/* --- glibc: malloc_info() tells per arena what mallinfo2() only tells as a sum, for the same walk over the free chunks */

/* where the parser is: in the element of a heap, or behind all of them, where the sums are */
typedef struct st_heap_parser_t {
    health_heap_t *figures;
    int is_in_heap, is_whole;
    uint64_t system_bytes, free_bytes, mapped_bytes; /* of the heap, or the sums */
    unsigned found;                                  /* bits of rows, as before */
    size_t num_heaps;
} heap_parser_t;

enum { FOUND_SYSTEM = 1, FOUND_REST = 2, FOUND_MAPPED = 4 };

static int starts_with(const char *line, const char *end, const char *prefix)
{
    size_t len = strlen(prefix);

    return (size_t)(end - line) >= len && memcmp(line, prefix, len) == 0;
}

static int read_size(const char *line, const char *end, uint64_t *size)
{
    const char *at = memmem(line, (size_t)(end - line), " size=\"", 7), *begin;
    uint64_t value = 0;

    if (at == NULL)
        return -1;
    for (begin = at += 7; at != end && *at >= '0' && *at <= '9'; ++at) {
        if (value > (UINT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *size = value;
    return at != begin && at != end && *at == '"' ? 0 : -1;
}

static void begin_section(heap_parser_t *parser, int is_in_heap)
{
    parser->is_in_heap = is_in_heap;
    parser->system_bytes = parser->free_bytes = parser->mapped_bytes = 0;
    parser->found = 0;
}

static int end_heap(heap_parser_t *parser)
{
    health_heap_t *figures = parser->figures;

    if (!parser->is_in_heap || (parser->found & (FOUND_SYSTEM | FOUND_REST)) != (FOUND_SYSTEM | FOUND_REST))
        return -1;
    if (figures->num_arenas != HEALTH_MAX_ARENAS) {
        figures->arenas[figures->num_arenas].system_bytes = parser->system_bytes;
        figures->arenas[figures->num_arenas++].free_bytes = parser->free_bytes;
    }
    begin_section(parser, 0);
    return 0;
}

static int end_all(heap_parser_t *parser)
{
    health_heap_t *figures = parser->figures;

    if (parser->is_in_heap || parser->found != (FOUND_SYSTEM | FOUND_REST | FOUND_MAPPED))
        return -1;
    /* chunks were freed between the arena and the next one, or the sizes have flags in them */
    figures->free_bytes = parser->free_bytes < parser->system_bytes ? parser->free_bytes : parser->system_bytes;
    figures->allocated_bytes = parser->system_bytes - figures->free_bytes + parser->mapped_bytes;
    figures->active_bytes = figures->mapped_bytes = parser->system_bytes + parser->mapped_bytes;
    figures->retained_bytes = figures->free_bytes;
    parser->is_whole = 1;
    return 0;
}

static int take_line(heap_parser_t *parser, const char *line, const char *end)
{
    uint64_t size;

    if (starts_with(line, end, "<heap "))
        return parser->is_in_heap ? -1 : (begin_section(parser, 1), 0);
    if (starts_with(line, end, "</heap>"))
        return end_heap(parser);
    if (starts_with(line, end, "</malloc>"))
        return end_all(parser);
    int is_system = starts_with(line, end, "<system type=\"current\""), is_mapped = starts_with(line, end, "<total type=\"mmap\"");
    int is_rest = starts_with(line, end, "<total type=\"rest\""), is_fast = starts_with(line, end, "<total type=\"fast\"");
    if (!is_system && !is_mapped && !is_rest && !is_fast)
        return 0;
    if (read_size(line, end, &size) != 0)
        return -1;
    *(is_system ? &parser->system_bytes : is_mapped ? &parser->mapped_bytes : &parser->free_bytes) += size;
    parser->found |= is_system ? FOUND_SYSTEM : is_mapped ? FOUND_MAPPED : is_rest ? FOUND_REST : 0;
    return 0;
}

int sluice_heap_parse_malloc_info(const char *text, size_t len, health_heap_t *figures)
{
    heap_parser_t parser = {.figures = figures};
    const char *end = text + len;

    *figures = (health_heap_t){.allocator = "glibc"};
    for (const char *newline; (newline = memchr(text, '\n', (size_t)(end - text))) != NULL; text = newline + 1)
        if (parser.is_whole || take_line(&parser, text, newline) != 0)
            return -1;
    return parser.is_whole ? 0 : -1;
}

static int look_at_glibc(uint64_t anonymous_bytes, health_heap_t *figures)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    int err;

    if (stream == NULL)
        return -1;
    err = malloc_info(0, stream);
    if (fclose(stream) != 0 || err != 0 || sluice_heap_parse_malloc_info(text, len, figures) != 0)
        err = -1;
    free(text);
    figures->resident_bytes =
        anonymous_bytes != 0 && anonymous_bytes < figures->active_bytes ? anonymous_bytes : figures->active_bytes;
    return err;
}

/* --- jemalloc */

static int read_figure(sluice_mallctl_cb mallctl, const char *name, uint64_t *value)
{
    size_t bytes = 0, len = sizeof(bytes);

    if (mallctl(name, &bytes, &len, NULL, 0) != 0 || len != sizeof(bytes))
        return -1;
    *value = bytes;
    return 0;
}

int sluice_heap_read_jemalloc(sluice_mallctl_cb mallctl, health_heap_t *figures)
{
    uint64_t epoch = 1; /* writing it has the figures brought up to date */

    *figures = (health_heap_t){.allocator = "jemalloc"};
    if (mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0 ||
        read_figure(mallctl, "stats.allocated", &figures->allocated_bytes) != 0 ||
        read_figure(mallctl, "stats.active", &figures->active_bytes) != 0 ||
        read_figure(mallctl, "stats.resident", &figures->resident_bytes) != 0 ||
        read_figure(mallctl, "stats.mapped", &figures->mapped_bytes) != 0 ||
        read_figure(mallctl, "stats.retained", &figures->retained_bytes) != 0)
        return -1;
    if (figures->resident_bytes > figures->allocated_bytes)
        figures->free_bytes = figures->resident_bytes - figures->allocated_bytes;
    return 0;
}

void sluice_heap_look(uint64_t anonymous_bytes, health_heap_t *figures)
{
    sluice_mallctl_cb mallctl = sluice_allocator_mallctl();
    int err = mallctl != NULL ? sluice_heap_read_jemalloc(mallctl, figures) : look_at_glibc(anonymous_bytes, figures);

    if (err != 0)
        *figures = (health_heap_t){.allocator = NULL};
}
