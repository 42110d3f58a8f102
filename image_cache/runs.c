/*
 * Runs of granules: used ones and free ones, with everything that is known of them kept outside of the pages, so that a free page
 * can be dropped at any time.
 *
 * Free runs that touch are always one. The tag of a run's first and of its last granule tells what it is: the length of one in use,
 * the number of the record of a free one. So what is given back finds its neighbours at once.
 *
 * Free runs are in bins by length, of one length each up to 64 granules, and of a sixteenth of an octave above. The first bin that
 * has a run which is long enough is used, and the run's low end. A bit per page says that it may be resident; a free run with a
 * page of this kind wholly inside is held. Held runs have bins of their own, which are looked at first: what is resident is used
 * again before anything else becomes resident.
 */
#include <assert.h>
#include "image_cache/image_cache_private.h"
#include "image_cache/runs.h"

#define PER_PAGE ICACHE_RUNS_PER_PAGE
#define NONE ICACHE_RUNS_NONE
#define EXACT_BINS 64
#define BINS_PER_OCTAVE 16
#define MAX_LOOKS 8 /* at runs in the first bin, which may be shorter than wanted */

static unsigned bin_of(uint32_t len)
{
    if (len <= EXACT_BINS)
        return len - 1;
    unsigned octave = 31 - (unsigned)__builtin_clz(len);
    return EXACT_BINS + (octave - 6) * BINS_PER_OCTAVE + (len >> (octave - 4)) % BINS_PER_OCTAVE;
}

static int has_any(const icache_bins_t *bins, unsigned bin)
{
    return bins->map[bin / 64] >> bin % 64 & 1;
}

static unsigned next_bin(const icache_bins_t *bins, unsigned from)
{
    for (unsigned word = from / 64; word < ICACHE_RUNS_BINS / 64; ++word) {
        uint64_t left = bins->map[word] & (word == from / 64 ? UINT64_MAX << from % 64 : UINT64_MAX);
        if (left != 0)
            return word * 64 + (unsigned)__builtin_ctzll(left);
    }
    return ICACHE_RUNS_BINS;
}

static uint32_t last_bin_head(const icache_bins_t *bins)
{
    for (unsigned word = ICACHE_RUNS_BINS / 64; word-- != 0;)
        if (bins->map[word] != 0)
            return bins->heads[word * 64 + 63 - (unsigned)__builtin_clzll(bins->map[word])];
    return NONE;
}

static uint32_t page_from(uint32_t granule)
{
    return granule / PER_PAGE + (granule % PER_PAGE != 0);
}

/* the pages that lie wholly inside */
static icache_pages_t whole_pages(uint32_t start, uint32_t end)
{
    uint32_t first = page_from(start), last = end / PER_PAGE;
    return (icache_pages_t){first, last > first ? last : first};
}

/* of a word of the map, which has some of the pages */
static uint64_t word_mask(icache_pages_t pages, uint32_t word)
{
    uint64_t mask = UINT64_MAX;

    if (word == pages.first / 64)
        mask &= UINT64_MAX << pages.first % 64;
    if (word == (pages.last - 1) / 64)
        mask &= UINT64_MAX >> (63 - (pages.last - 1) % 64);
    return mask;
}

static uint32_t count_resident(const icache_runs_t *runs, icache_pages_t pages)
{
    uint32_t count = 0;

    for (uint32_t word = pages.first / 64; pages.first < pages.last && word <= (pages.last - 1) / 64; ++word)
        count += (uint32_t)__builtin_popcountll(runs->may_be_resident[word] & word_mask(pages, word));
    return count;
}

static uint32_t first_resident(const icache_runs_t *runs, icache_pages_t pages)
{
    for (uint32_t word = pages.first / 64; word <= (pages.last - 1) / 64; ++word) {
        uint64_t found = runs->may_be_resident[word] & word_mask(pages, word);
        if (found != 0)
            return word * 64 + (uint32_t)__builtin_ctzll(found);
    }
    return pages.last;
}

/* numbers that others may read meanwhile, but nobody else writes */
static void add_to(_Atomic uint64_t *number, uint64_t n)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + n, memory_order_relaxed);
}

static void mark_resident(icache_runs_t *runs, icache_pages_t pages, int resident)
{
    uint32_t before = count_resident(runs, pages);

    for (uint32_t word = pages.first / 64; word <= (pages.last - 1) / 64; ++word)
        if (resident)
            runs->may_be_resident[word] |= word_mask(pages, word);
        else
            runs->may_be_resident[word] &= ~word_mask(pages, word);
    add_to(&runs->resident_pages, (resident ? pages.last - pages.first : 0) - (uint64_t)before);
}

static void tag_run(icache_runs_t *runs, uint32_t start, uint32_t len, uint32_t tag)
{
    runs->tags[start] = tag;
    runs->tags[start + len - 1] = tag;
}

static const icache_bins_t *choose_bins(const icache_runs_t *runs, const icache_run_t *run)
{
    icache_pages_t pages = whole_pages(run->start, run->start + run->len);

    if (pages.first == pages.last)
        return &runs->scraps;
    return run->held_pages != 0 ? &runs->held : &runs->clean;
}

static icache_bins_t *bins_of(icache_runs_t *runs, const icache_run_t *run)
{
    return (icache_bins_t *)(uintptr_t)choose_bins(runs, run);
}

static void unlink_run(icache_runs_t *runs, const icache_run_t *run)
{
    icache_bins_t *bins = bins_of(runs, run);
    unsigned bin = bin_of(run->len);

    if (run->prev != NONE)
        runs->records[run->prev].next = run->next;
    else if ((bins->heads[bin] = run->next) == NONE)
        bins->map[bin / 64] &= ~((uint64_t)1 << bin % 64);
    if (run->next != NONE)
        runs->records[run->next].prev = run->prev;
    add_to(&runs->held_pages, -(uint64_t)run->held_pages);
}

static void link_run(icache_runs_t *runs, icache_run_t *run)
{
    icache_bins_t *bins = bins_of(runs, run);
    unsigned bin = bin_of(run->len);
    uint32_t number = (uint32_t)(run - runs->records);

    run->prev = NONE;
    run->next = has_any(bins, bin) ? bins->heads[bin] : NONE;
    if (run->next != NONE)
        runs->records[run->next].prev = number;
    bins->heads[bin] = number;
    bins->map[bin / 64] |= (uint64_t)1 << bin % 64;
    add_to(&runs->held_pages, run->held_pages);
    tag_run(runs, run->start, run->len, number * 2 + 1);
}

/* there is always one: between two free runs there is one in use, so every second granule, at most, begins a free run; one more is
 * wanted while a run is cut in two */
static icache_run_t *new_record(icache_runs_t *runs)
{
    uint32_t number = runs->free_records;

    if (number != NONE)
        runs->free_records = runs->records[number].next;
    else
        number = runs->num_records++;
    assert(number < runs->end / 2 + 2);
    return runs->records + number;
}

static void free_record(icache_runs_t *runs, icache_run_t *run)
{
    run->len = 0;
    run->next = runs->free_records;
    runs->free_records = (uint32_t)(run - runs->records);
}

static void add_run(icache_runs_t *runs, uint32_t start, uint32_t end, uint32_t held_pages)
{
    icache_run_t *run = new_record(runs);

    *run = (icache_run_t){.start = start, .len = end - start, .held_pages = held_pages};
    link_run(runs, run);
}

static void remove_run(icache_runs_t *runs, icache_run_t *run)
{
    unlink_run(runs, run);
    free_record(runs, run);
}

/* the free run that begins or ends with this granule, or NULL */
static icache_run_t *free_run_at(const icache_runs_t *runs, uint32_t granule)
{
    uint32_t tag = runs->tags[granule];
    return tag & 1 ? runs->records + tag / 2 : NULL;
}

/* joins the granules with the free runs on both sides. Only the pages that were wholly in neither of them are to be looked at */
static void add_free(icache_runs_t *runs, uint32_t start, uint32_t end)
{
    icache_run_t *left = start != 0 ? free_run_at(runs, start - 1) : NULL;
    icache_run_t *right = end != runs->end ? free_run_at(runs, end) : NULL;
    uint32_t from = left != NULL ? left->start : start, to = right != NULL ? right->start + right->len : end, held = 0;
    icache_pages_t between = whole_pages(from, to);

    if (left != NULL) {
        between.first = whole_pages(from, start).last;
        held += left->held_pages;
        remove_run(runs, left);
    }
    if (right != NULL) {
        if (page_from(end) < between.last)
            between.last = page_from(end);
        held += right->held_pages;
        remove_run(runs, right);
    }
    add_run(runs, from, to, held + count_resident(runs, between));
}

/* takes the granules out of the free run that they are in; what is left on both sides stays free. What is behind can be long, so
 * all else is counted */
static void cut(icache_runs_t *runs, icache_run_t *run, uint32_t start, uint32_t end)
{
    uint32_t from = run->start, to = run->start + run->len, held = run->held_pages;
    icache_pages_t before = whole_pages(from, to);

    remove_run(runs, run);
    if (page_from(end) < before.last)
        before.last = page_from(end);
    if (start != from)
        add_run(runs, from, start, count_resident(runs, whole_pages(from, start)));
    if (end != to)
        add_run(runs, end, to, held - count_resident(runs, before));
    tag_run(runs, start, end - start, (end - start) * 2);
}

static icache_run_t *find_in(const icache_runs_t *runs, const icache_bins_t *bins, uint32_t len)
{
    unsigned bin = bin_of(len), looks = 0;

    if (has_any(bins, bin))
        for (uint32_t at = bins->heads[bin]; at != NONE && looks != MAX_LOOKS; at = runs->records[at].next, ++looks)
            if (runs->records[at].len >= len)
                return runs->records + at;
    bin = next_bin(bins, bin + 1);
    return bin != ICACHE_RUNS_BINS ? runs->records + bins->heads[bin] : NULL;
}

void icache_runs_init(icache_runs_t *runs)
{
    runs->free_records = NONE;
}

uint32_t icache_runs_extend(icache_runs_t *runs, uint32_t end)
{
    uint32_t from = runs->end;

    runs->end = end;
    add_free(runs, from, end);
    return free_run_at(runs, end - 1)->len;
}

uint32_t icache_runs_take(icache_runs_t *runs, uint32_t len)
{
    icache_run_t *run = find_in(runs, &runs->scraps, len);

    if (run == NULL && (run = find_in(runs, &runs->held, len)) == NULL && (run = find_in(runs, &runs->clean, len)) == NULL)
        return NONE;
    uint32_t start = run->start;
    cut(runs, run, start, start + len);
    mark_resident(runs, (icache_pages_t){start / PER_PAGE, page_from(start + len)}, 1);
    add_to(&runs->used_granules, len);
    return start;
}

void icache_runs_give(icache_runs_t *runs, uint32_t start, uint32_t len, uint32_t keep)
{
    assert(runs->tags[start] == len * 2 && runs->tags[start + len - 1] == len * 2);
    if (keep == len)
        return;
    if (keep != 0)
        tag_run(runs, start, keep, keep * 2);
    add_free(runs, start + keep, start + len);
    add_to(&runs->used_granules, -(uint64_t)(len - keep));
}

icache_pages_t icache_runs_begin_trim(icache_runs_t *runs, uint32_t max_pages)
{
    uint32_t number = last_bin_head(&runs->held);

    if (number == NONE)
        return (icache_pages_t){0, 0};
    icache_run_t *run = runs->records + number;
    icache_pages_t pages = whole_pages(run->start, run->start + run->len);
    pages.first = first_resident(runs, pages);
    if (pages.last - pages.first > max_pages)
        pages.last = pages.first + max_pages;
    cut(runs, run, pages.first * PER_PAGE, pages.last * PER_PAGE);
    runs->trimmed_granules += (pages.last - pages.first) * PER_PAGE;
    return pages;
}

uint32_t icache_runs_end_trim(icache_runs_t *runs, icache_pages_t pages, int went)
{
    uint32_t gone = went ? count_resident(runs, pages) : 0;

    if (went)
        mark_resident(runs, pages, 0);
    add_free(runs, pages.first * PER_PAGE, pages.last * PER_PAGE);
    runs->trimmed_granules -= (pages.last - pages.first) * PER_PAGE;
    return gone;
}

static int check_records(const icache_runs_t *runs, size_t *num_free)
{
    uint64_t used = 0, held = 0;
    int was_free = 0;

    for (uint32_t at = 0, len; at != runs->end; at += len) {
        uint32_t tag = runs->tags[at];
        len = tag / 2;
        if (tag & 1) {
            const icache_run_t *run = runs->records + tag / 2;
            len = run->len;
            ICACHE_CHECK(!was_free && tag / 2 < runs->num_records && run->start == at);
            ICACHE_CHECK(run->held_pages == count_resident(runs, whole_pages(at, at + len)));
            held += run->held_pages;
            ++*num_free;
        } else
            used += len;
        ICACHE_CHECK(len != 0 && len <= runs->end - at && runs->tags[at + len - 1] == tag);
        was_free = (int)(tag & 1);
    }
    ICACHE_CHECK(held == runs->held_pages);
    ICACHE_CHECK(used == runs->used_granules + runs->trimmed_granules);
    ICACHE_CHECK(runs->resident_pages == count_resident(runs, whole_pages(0, runs->end)));
    return 0;
}

static int check_bins(const icache_runs_t *runs, const icache_bins_t *bins, size_t *num_free)
{
    for (unsigned bin = 0; bin < ICACHE_RUNS_BINS; ++bin) {
        if (!has_any(bins, bin))
            continue;
        for (uint32_t at = bins->heads[bin], prev = NONE; at != NONE; prev = at, at = runs->records[at].next) {
            const icache_run_t *run = runs->records + at;
            ICACHE_CHECK(run->prev == prev && bin_of(run->len) == bin && choose_bins(runs, run) == bins);
            ICACHE_CHECK((*num_free)-- != 0);
        }
    }
    return 0;
}

int icache_runs_check(const icache_runs_t *runs)
{
    size_t num_free = 0;
    int line = check_records(runs, &num_free);

    if (line == 0)
        line = check_bins(runs, &runs->clean, &num_free);
    if (line == 0)
        line = check_bins(runs, &runs->held, &num_free);
    if (line == 0)
        line = check_bins(runs, &runs->scraps, &num_free);
    ICACHE_CHECK(line != 0 || num_free == 0);
    return line;
}
