/*
 * The headers: blocks of one type, at addresses that never become anything else while the cache or any of its objects is there.
 *
 * A reader that takes no lock may come to a header when its object is just going, or when it is another object's already. It can
 * look at `_refs` all the same: 0 means that there is nothing here, anything else can be raised by one, and then the object,
 * whichever it is by now, stays while it is looked at (table.c). A header that is free has no reference and is not linked;
 * `_serial` tells one life from the next.
 *
 * One reservation holds the headers, which become usable as they are needed, and one the map of those in use: a tree of words, with
 * a bit set for a header in use, and above for a word that is full. All zero is all free, so nothing is to be initialised. The
 * lowest free header is the one that is taken, so that they pack at the bottom.
 *
 * A unit is what a word of the map stands for. When the last header of a unit is given back, its pages can go back to the system;
 * they read as zeros then, which is a free header. ICACHE_SLAB_MAX_IDLE units are kept, the lowest ones, since these are used next:
 * a number of objects that goes up and down a little costs no system call. What stays resident without being charged to an object
 * is therefore the free headers between those in use, never more than the largest number of objects there was, and the units kept.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "image_cache/image_cache_private.h"

#ifdef ICACHE_HAS_ASAN
#include <sanitizer/lsan_interface.h>
#endif

#define MAX_HEADERS ((uint64_t)1 << 27)
#define FULL UINT64_MAX

static_assert(sizeof(icache_object_t) == 3 * ICACHE_CACHE_LINE_BYTES, "a unit of headers is three pages");

static size_t count_headers(uint64_t max_objects)
{
    return (size_t)(max_objects < MAX_HEADERS / 2 - ICACHE_SLAB_SPARE_HEADERS ? max_objects * 2 + ICACHE_SLAB_SPARE_HEADERS
                                                                              : MAX_HEADERS);
}

/* the levels of the map up to the one that has a single word; returns the words of all */
static size_t measure_map(icache_slab_t *slab)
{
    size_t words = slab->max_headers, sum = 0;

    do {
        words = (words + 63) / 64;
        slab->num_words[slab->num_levels++] = words;
        sum += words;
    } while (words != 1);
    return sum;
}

/* a leak checker does not follow pointers through mappings by itself. While the cache is there, what a header points to is not lost
 */
static void tell_leak_checker(const icache_slab_t *slab, int created)
{
#ifdef ICACHE_HAS_ASAN
    size_t bytes = slab->num_words[0] * ICACHE_SLAB_UNIT_BYTES;
    if (created)
        __lsan_register_root_region(slab->headers, bytes);
    else
        __lsan_unregister_root_region(slab->headers, bytes);
#else
    (void)slab;
    (void)created;
#endif
}

static int reserve(icache_slab_t *slab)
{
    slab->map_bytes = measure_map(slab) * sizeof(uint64_t);
    uint64_t *map = icache_reserve(slab->map_bytes);
    if (map == NULL)
        return -1;
    if (icache_span_reserve(&slab->header_span, slab->num_words[0] * ICACHE_SLAB_UNIT_BYTES) != 0) {
        munmap(map, slab->map_bytes);
        return -1;
    }
    slab->headers = (icache_object_t *)(void *)slab->header_span.base;
    for (unsigned level = 0; level < slab->num_levels; ++level) {
        slab->map[level] = map;
        map += slab->num_words[level];
    }
    return 0;
}

static uint64_t count_arena_bytes(uint64_t block_bytes)
{
    return block_bytes < UINT64_MAX / 4 ? block_bytes * 2 + ICACHE_SLAB_SPARE_BYTES : UINT64_MAX;
}

icache_slab_t *icache_slab_create(uint64_t max_objects, uint64_t block_bytes)
{
    icache_slab_t *slab = malloc(sizeof(*slab));

    if (slab == NULL)
        return NULL;
    *slab = (icache_slab_t){.max_headers = count_headers(max_objects)};
    if ((slab->arena = icache_arena_create(count_arena_bytes(block_bytes))) == NULL)
        goto fail_arena;
    if (reserve(slab) != 0)
        goto fail_headers;
    pthread_mutex_init(&slab->lock, NULL);
    tell_leak_checker(slab, 1);
    return slab;
fail_headers:
    icache_arena_destroy(&slab->arena);
fail_arena:
    free(slab);
    return NULL;
}

static void dispose(icache_slab_t *slab)
{
    icache_span_release(&slab->header_span);
    munmap(slab->map[0], slab->map_bytes);
    icache_arena_destroy(&slab->arena);
    pthread_mutex_destroy(&slab->lock);
    free(slab);
}

void icache_slab_close(icache_slab_t *slab)
{
    tell_leak_checker(slab, 0);
    pthread_mutex_lock(&slab->lock);
    slab->closed = 1;
    int over = slab->num_used == 0;
    pthread_mutex_unlock(&slab->lock);
    if (over)
        dispose(slab);
}

/* the lowest free header, or max_headers */
static size_t find_free_locked(const icache_slab_t *slab)
{
    size_t at = 0;

    for (unsigned level = slab->num_levels; level-- != 0;) {
        if (at >= slab->num_words[level] || slab->map[level][at] == FULL)
            return slab->max_headers;
        at = at * 64 + (size_t)__builtin_ctzll(~slab->map[level][at]);
    }
    return at < slab->max_headers ? at : slab->max_headers;
}

static void mark_locked(icache_slab_t *slab, size_t at)
{
    for (unsigned level = 0; level < slab->num_levels; ++level, at /= 64) {
        uint64_t *word = &slab->map[level][at / 64];
        *word |= (uint64_t)1 << at % 64;
        if (*word != FULL)
            break;
    }
}

static void unmark_locked(icache_slab_t *slab, size_t at)
{
    for (unsigned level = 0; level < slab->num_levels; ++level, at /= 64) {
        uint64_t *word = &slab->map[level][at / 64];
        int was_full = *word == FULL;
        *word &= ~((uint64_t)1 << at % 64);
        if (!was_full)
            break;
    }
}

static void forget_idle_locked(icache_slab_t *slab, size_t unit)
{
    for (size_t i = 0; i < slab->num_idle; ++i)
        if (slab->idle[i] == unit)
            slab->idle[i] = slab->idle[--slab->num_idle];
}

/* the lowest free header is never far behind those that were used before */
static int commit_unit_locked(icache_slab_t *slab, size_t unit)
{
    return icache_span_commit(&slab->header_span, (unit + 1) * ICACHE_SLAB_UNIT_BYTES);
}

icache_object_t *icache_slab_take(icache_slab_t *slab)
{
    icache_object_t *object = NULL;

    pthread_mutex_lock(&slab->lock);
    size_t at = find_free_locked(slab), unit = at / ICACHE_SLAB_UNIT_HEADERS;
    if (at != slab->max_headers && commit_unit_locked(slab, unit) == 0) {
        if (slab->map[0][unit] == 0)
            forget_idle_locked(slab, unit);
        mark_locked(slab, at);
        ++slab->num_used;
        if (slab->touched_units <= unit)
            slab->touched_units = unit + 1;
        object = &slab->headers[at];
        object->_serial = ++slab->last_serial;
    }
    pthread_mutex_unlock(&slab->lock);
    return object;
}

/* keeps the lowest idle units; the pages of the highest go. If the system does not take them, they hold free headers as well */
static void keep_or_release_locked(icache_slab_t *slab, size_t unit)
{
    if (slab->num_idle < ICACHE_SLAB_MAX_IDLE) {
        slab->idle[slab->num_idle++] = unit;
        return;
    }
    for (size_t i = 0; i < slab->num_idle; ++i)
        if (slab->idle[i] > unit) {
            size_t lower = unit;
            unit = slab->idle[i];
            slab->idle[i] = lower;
        }
    madvise(slab->headers + unit * ICACHE_SLAB_UNIT_HEADERS, ICACHE_SLAB_UNIT_BYTES, MADV_DONTNEED);
}

void icache_slab_give(icache_slab_t *slab, icache_object_t *object)
{
    size_t at = (size_t)(object - slab->headers), unit = at / ICACHE_SLAB_UNIT_HEADERS;

    pthread_mutex_lock(&slab->lock);
    unmark_locked(slab, at);
    if (slab->map[0][unit] == 0)
        keep_or_release_locked(slab, unit);
    int over = --slab->num_used == 0 && slab->closed;
    pthread_mutex_unlock(&slab->lock);
    if (over)
        dispose(slab);
}

size_t icache_slab_num_used(icache_slab_t *slab)
{
    pthread_mutex_lock(&slab->lock);
    size_t num_used = slab->num_used;
    pthread_mutex_unlock(&slab->lock);
    return num_used;
}

size_t icache_slab_num_touched_units(icache_slab_t *slab)
{
    pthread_mutex_lock(&slab->lock);
    size_t touched_units = slab->touched_units;
    pthread_mutex_unlock(&slab->lock);
    return touched_units;
}

uint64_t icache_slab_used_in_unit(icache_slab_t *slab, size_t unit)
{
    pthread_mutex_lock(&slab->lock);
    uint64_t used = slab->map[0][unit];
    pthread_mutex_unlock(&slab->lock);
    return used;
}

static int is_used_locked(const icache_slab_t *slab, size_t at)
{
    return slab->map[0][at / 64] >> at % 64 & 1;
}

int icache_slab_has(icache_slab_t *slab, const icache_object_t *object)
{
    size_t at = (size_t)(object - slab->headers);

    pthread_mutex_lock(&slab->lock);
    int has = at < slab->max_headers && object == &slab->headers[at] && is_used_locked(slab, at);
    pthread_mutex_unlock(&slab->lock);
    return has;
}

/* a header in use may be without a reference for a moment, when it was taken or is about to be given back */
static int check_headers_locked(const icache_slab_t *slab)
{
    size_t num_used = 0;

    for (size_t at = 0; at < slab->touched_units * ICACHE_SLAB_UNIT_HEADERS; ++at) {
        const icache_object_t *object = &slab->headers[at];
        if (is_used_locked(slab, at)) {
            ICACHE_CHECK(object->_serial != 0 && object->_serial <= slab->last_serial);
            ++num_used;
        } else {
            ICACHE_CHECK(atomic_load_explicit(&object->_refs, memory_order_relaxed) == 0);
            ICACHE_CHECK(!atomic_load_explicit(&object->_linked, memory_order_relaxed));
        }
    }
    ICACHE_CHECK(num_used == slab->num_used);
    return 0;
}

static int check_map_locked(const icache_slab_t *slab)
{
    size_t touched = slab->touched_units;

    for (unsigned level = 1; level < slab->num_levels; ++level, touched = (touched + 63) / 64)
        for (size_t i = 0; i < touched; ++i)
            ICACHE_CHECK((slab->map[level][i / 64] >> i % 64 & 1) == (slab->map[level - 1][i] == FULL));
    for (size_t i = 0; i < slab->num_idle; ++i) {
        ICACHE_CHECK(slab->idle[i] < slab->touched_units && slab->map[0][slab->idle[i]] == 0);
        for (size_t j = 0; j < i; ++j)
            ICACHE_CHECK(slab->idle[j] != slab->idle[i]);
    }
    return 0;
}

int icache_slab_check(icache_slab_t *slab)
{
    pthread_mutex_lock(&slab->lock);
    int line = check_headers_locked(slab);
    if (line == 0)
        line = check_map_locked(slab);
    pthread_mutex_unlock(&slab->lock);
    return line;
}
