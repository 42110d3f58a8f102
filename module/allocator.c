/*
 * jemalloc is known by its symbols, which are there when it was preloaded into the server. They are looked up by the dynamic linker
 * as weak ones, so that nothing is needed to build.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include "module/allocator.h"

#define ALL_ARENAS_PURGE "arena.4096.purge" /* MALLCTL_ARENAS_ALL */

extern int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen) __attribute__((weak));
extern void malloc_stats_print(void (*write_cb)(void *ctx, const char *text), void *ctx, const char *opts) __attribute__((weak));

static int is_jemalloc(void)
{
    return mallctl != NULL && malloc_stats_print != NULL;
}

const char *sluice_allocator_name(void)
{
    return is_jemalloc() ? "jemalloc" : "glibc";
}

sluice_mallctl_cb sluice_allocator_mallctl(void)
{
    return is_jemalloc() ? mallctl : NULL;
}

void sluice_allocator_purge(void)
{
    if (is_jemalloc()) {
        mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        mallctl(ALL_ARENAS_PURGE, NULL, NULL, NULL, 0);
    } else {
        malloc_trim(0);
    }
}

static int has_profiling(void)
{
    bool is_on = false;
    size_t len = sizeof(is_on);

    return is_jemalloc() && mallctl("opt.prof", &is_on, &len, NULL, 0) == 0 && is_on;
}

const char *sluice_allocator_profile_ending(void)
{
    return !is_jemalloc() ? "xml" : has_profiling() ? "heap" : "json";
}

static void write_text(void *file, const char *text)
{
    fputs(text, file);
}

int sluice_allocator_write_profile(FILE *file, const char *path)
{
    if (!is_jemalloc())
        return malloc_info(0, file) == 0 ? 0 : -1;
    if (has_profiling())
        return mallctl("prof.dump", NULL, NULL, (void *)&path, sizeof(path)) == 0 ? 0 : -1;
    malloc_stats_print(write_text, file, "J");
    return 0;
}
