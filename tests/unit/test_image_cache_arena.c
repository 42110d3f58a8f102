/* ldflags: -Wl,--wrap=madvise -Wl,--wrap=mprotect -Wl,--wrap=mmap */
/*
 * The arena: blocks that never overlap, bytes that are exact, pages that really go, and a system that refuses.
 *
 * What is resident is asked of the kernel. Every block is written to, so what the arena says must be what mincore() says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "image_cache/arena.h"
#include "image_cache/image_cache_private.h"
#ifdef ICACHE_HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define GRANULE ((size_t)ICACHE_ARENA_GRANULE_BYTES)
#define PAGE ((size_t)4096)
#define STEP ICACHE_ARENA_STEP_BYTES
#define ALL UINT64_MAX

int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);
int __real_mprotect(void *start, size_t bytes, int access);
int __wrap_mprotect(void *start, size_t bytes, int access);
void *__real_mmap(void *start, size_t bytes, int access, int flags, int fd, off_t offset);
void *__wrap_mmap(void *start, size_t bytes, int access, int flags, int fd, off_t offset);

static int fail_madvise, mprotect_countdown, mmap_countdown; /* 0: none fails */
static void (*on_drop)(char *start, size_t bytes);

static int counts_down(int *countdown)
{
    if (*countdown == 0 || --*countdown != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

int __wrap_madvise(void *start, size_t bytes, int advice)
{
    if (advice == MADV_DONTNEED && on_drop != NULL)
        on_drop(start, bytes);
    return fail_madvise ? -1 : __real_madvise(start, bytes, advice);
}

int __wrap_mprotect(void *start, size_t bytes, int access)
{
    return counts_down(&mprotect_countdown) ? -1 : __real_mprotect(start, bytes, access);
}

void *__wrap_mmap(void *start, size_t bytes, int access, int flags, int fd, off_t offset)
{
    return counts_down(&mmap_countdown) ? MAP_FAILED : __real_mmap(start, bytes, access, flags, fd, offset);
}

static uint64_t random_state;

static size_t draw(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % below;
}

static icache_arena_t *create(uint64_t bytes)
{
    icache_arena_t *arena = icache_arena_create(bytes);
    assert_non_null(arena);
    return arena;
}

static char *take(icache_arena_t *arena, size_t bytes)
{
    char *block = icache_arena_take(arena, bytes);

    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 16, 0);
    memset(block, 1, bytes);
    return block;
}

static int is_resident(const char *page)
{
    unsigned char flag = 0;

    assert_int_equal(mincore((void *)(uintptr_t)page, PAGE, &flag), 0);
    return flag & 1;
}

/* the naive one: what each granule belongs to, and what the blocks are */

enum { MODEL_BYTES = 16 << 20, MODEL_GRANULES = MODEL_BYTES / ICACHE_ARENA_GRANULE_BYTES, MAX_BLOCKS = 4000 };

static struct {
    icache_arena_t *arena;
    char *base;
    struct {
        char *at;
        size_t bytes;
    } blocks[MAX_BLOCKS];
    size_t num_blocks;
    uint16_t owner[MODEL_GRANULES]; /* block + 1 */
    size_t used;
} m;

static void model_own(size_t block, size_t from, size_t to, uint16_t before, uint16_t after)
{
    size_t first = (size_t)(m.blocks[block].at - m.base) / GRANULE;

    for (size_t i = first + from / GRANULE; i < first + icache_arena_round(to) / GRANULE; ++i) {
        assert_int_equal(m.owner[i], before);
        m.owner[i] = after;
        after != 0 ? ++m.used : --m.used;
    }
}

static void model_compare_bytes(size_t block)
{
    for (size_t i = 0; i < m.blocks[block].bytes; ++i)
        if ((uint8_t)m.blocks[block].at[i] != (uint8_t)(block + 1))
            fail_msg("block %zu was written to", block);
}

static void step_take(size_t max_bytes)
{
    size_t block = m.num_blocks, bytes = 1 + draw(draw(4) == 0 ? max_bytes : max_bytes / 10);
    char *at;

    if (block == MAX_BLOCKS || (at = icache_arena_take(m.arena, bytes)) == NULL)
        return;
    assert_true(icache_arena_has(m.arena, at) && icache_arena_has(m.arena, at + bytes - 1));
    m.blocks[block].at = at;
    m.blocks[block].bytes = bytes;
    ++m.num_blocks;
    model_own(block, 0, bytes, 0, (uint16_t)(block + 1));
    memset(at, (int)(block + 1), bytes);
}

/* the last one takes the number of the one that goes */
static void step_give(void)
{
    if (m.num_blocks == 0)
        return;
    size_t block = draw(m.num_blocks), last = m.num_blocks - 1;
    model_compare_bytes(block);
    model_own(block, 0, m.blocks[block].bytes, (uint16_t)(block + 1), 0);
    icache_arena_give(m.arena, m.blocks[block].at, m.blocks[block].bytes);
    --m.num_blocks;
    if (block == last)
        return;
    model_compare_bytes(last);
    model_own(last, 0, m.blocks[last].bytes, (uint16_t)(last + 1), 0);
    m.blocks[block] = m.blocks[last];
    model_own(block, 0, m.blocks[block].bytes, 0, (uint16_t)(block + 1));
    memset(m.blocks[block].at, (int)(block + 1), m.blocks[block].bytes);
}

static void step_shrink(void)
{
    if (m.num_blocks == 0)
        return;
    size_t block = draw(m.num_blocks), from = m.blocks[block].bytes, to = 1 + draw(from);
    icache_arena_shrink(m.arena, m.blocks[block].at, from, to);
    model_own(block, icache_arena_round(to), from, (uint16_t)(block + 1), 0);
    m.blocks[block].bytes = to;
    model_compare_bytes(block);
}

static void compare(void)
{
    icache_arena_usage_t usage = icache_arena_usage(m.arena);
    size_t resident = 0, held = 0, per_page = PAGE / GRANULE;

    for (size_t page = 0; page < MODEL_BYTES / PAGE; ++page) {
        size_t owned = 0;
        for (size_t i = 0; i < per_page; ++i)
            owned += m.owner[page * per_page + i] != 0;
        int is_there = is_resident(m.base + page * PAGE);
        assert_true(is_there || owned == 0);
        resident += (size_t)is_there;
        held += (size_t)(is_there && owned == 0);
    }
    assert_int_equal(usage.used_bytes, m.used * GRANULE);
    assert_int_equal(usage.resident_bytes, resident * PAGE);
    assert_int_equal(usage.free_bytes, held * PAGE);
    assert_int_equal(icache_arena_check(m.arena), 0);
}

static void step_trim(uint64_t bytes)
{
    uint64_t before = icache_arena_usage(m.arena).free_bytes, gone = icache_arena_trim(m.arena, bytes);

    assert_int_equal(icache_arena_usage(m.arena).free_bytes, before - gone);
    assert_true(gone == before || (gone >= bytes && gone < bytes + ICACHE_ARENA_SLICE_BYTES));
    compare();
}

static void random_steps(size_t max_bytes)
{
    memset(&m, 0, sizeof(m));
    m.arena = create(MODEL_BYTES);
    m.base = take(m.arena, 1);
    icache_arena_give(m.arena, m.base, 1);
    random_state = max_bytes;
    for (int step = 0, goal = 0; step < 12000; ++step) {
        if (step % 1000 == 0)
            goal = (int)draw(100);
        int full = m.used * 100 > (size_t)goal * MODEL_GRANULES;
        if (draw(8) == 0)
            step_shrink();
        else if (draw(10) < (full ? 3 : 7))
            step_take(max_bytes);
        else
            step_give();
        if (step % 500 == 499)
            step_trim(draw(3) == 0 ? ALL : draw(MODEL_BYTES / 4));
        else if (step % 100 == 0)
            compare();
    }
    while (m.num_blocks != 0)
        step_give();
    step_trim(ALL);
    assert_int_equal(icache_arena_usage(m.arena).resident_bytes, 0);
    icache_arena_destroy(&m.arena);
}

static void random_steps_against_a_model(void **state)
{
    (void)state;
    random_steps(3000);
    random_steps(60000);
    random_steps(1000000);
}

static void full_to_the_last_granule(void **state)
{
    (void)state;
    icache_arena_t *arena = create(STEP);
    size_t num = STEP / GRANULE;
    char *base = take(arena, 1);

    for (size_t i = 1; i < num; ++i)
        take(arena, GRANULE);
    assert_int_equal(icache_arena_usage(arena).used_bytes, STEP);
    assert_null(icache_arena_take(arena, 1));
    /* every second one: nothing can go, and nothing larger has room */
    for (size_t i = 0; i < num; i += 2)
        icache_arena_give(arena, base + i * GRANULE, GRANULE);
    assert_int_equal(icache_arena_check(arena), 0);
    assert_int_equal(icache_arena_usage(arena).free_bytes, 0);
    assert_int_equal(icache_arena_trim(arena, ALL), 0);
    assert_null(icache_arena_take(arena, GRANULE + 1));
    for (size_t i = 1; i < num; i += 2)
        icache_arena_give(arena, base + i * GRANULE, GRANULE);
    assert_int_equal(icache_arena_usage(arena).used_bytes, 0);
    assert_int_equal(icache_arena_usage(arena).free_bytes, STEP);
    /* and all of it is one again */
    assert_null(icache_arena_take(arena, STEP + 1));
    assert_null(icache_arena_take(arena, SIZE_MAX));
    assert_ptr_equal(take(arena, STEP), base);
    icache_arena_give(arena, base, STEP);
    icache_arena_destroy(&arena);
    assert_null(arena);
}

static void pages_between_those_in_use_go(void **state)
{
    (void)state;
    icache_arena_t *arena = create(2 * STEP);
    size_t num = 2 * STEP / PAGE;
    char *base = take(arena, PAGE);

    for (size_t i = 1; i < num; ++i)
        take(arena, PAGE);
    for (size_t i = 0; i < num; i += 2)
        icache_arena_give(arena, base + i * PAGE, PAGE);
    assert_int_equal(icache_arena_trim(arena, ALL), STEP);
    for (size_t i = 0; i < num; ++i) {
        assert_int_equal(is_resident(base + i * PAGE), i % 2);
        assert_true(i % 2 == 0 || base[i * PAGE] == 1);
    }
    assert_int_equal(icache_arena_usage(arena).resident_bytes, STEP);
    icache_arena_destroy(&arena);
}

/* first what shares a page with others, then what is resident, and only then what is not */
static void resident_memory_is_used_first(void **state)
{
    (void)state;
    icache_arena_t *arena = create(STEP);
    char *a = take(arena, 10 * PAGE), *b = take(arena, GRANULE), *c = take(arena, 2 * GRANULE), *d = take(arena, 20 * PAGE);

    icache_arena_give(arena, a, 10 * PAGE);
    icache_arena_trim(arena, ALL);
    icache_arena_give(arena, d, 20 * PAGE);
    icache_arena_give(arena, b, GRANULE);
    assert_ptr_equal(take(arena, 10 * PAGE), d);
    /* b's granule has become one with a's pages, which are not resident */
    icache_arena_give(arena, c, 2 * GRANULE);
    size_t resident = icache_arena_usage(arena).resident_bytes;
    take(arena, 2 * GRANULE);
    assert_int_equal(icache_arena_usage(arena).resident_bytes, resident);
    icache_arena_destroy(&arena);
}

static void scraps_are_used_before_pages(void **state)
{
    (void)state;
    icache_arena_t *arena = create(STEP);
    char *first = take(arena, PAGE + 3 * GRANULE), *scrap = take(arena, 2 * GRANULE);

    take(arena, GRANULE);
    icache_arena_give(arena, first, PAGE + 3 * GRANULE);
    take(arena, 3 * GRANULE);
    icache_arena_give(arena, scrap, 2 * GRANULE);
    (void)first;
    char *pages = take(arena, 4 * PAGE);
    take(arena, GRANULE);
    icache_arena_give(arena, pages, 4 * PAGE);
    uint64_t held = icache_arena_usage(arena).free_bytes;
    take(arena, GRANULE);
    assert_int_equal(icache_arena_usage(arena).free_bytes, held);
    icache_arena_destroy(&arena);
}

/* a steady number of bytes in blocks of any size: what churn leaves behind is kept in bounds without a trim from outside */
static void churn_holds_little(void **state)
{
    (void)state;
    enum { NUM = 600 };
    static struct {
        char *at;
        size_t bytes;
    } blocks[NUM];
    icache_arena_t *arena = create(256 << 20);
    size_t used = 0, most_used = 0, most_resident = 0;

    random_state = 5;
    for (size_t step = 0; step < 20 * NUM; ++step) {
        size_t i = draw(NUM), bytes = 20000 + draw(180000);
        if (step < NUM)
            i = step;
        if (blocks[i].at != NULL)
            icache_arena_give(arena, blocks[i].at, blocks[i].bytes);
        used += icache_arena_round(bytes) - icache_arena_round(blocks[i].bytes);
        blocks[i].at = take(arena, bytes);
        blocks[i].bytes = bytes;
        icache_arena_usage_t usage = icache_arena_usage(arena);
        assert_int_equal(usage.used_bytes, used);
        most_used = used > most_used ? used : most_used;
        most_resident = usage.resident_bytes > most_resident ? usage.resident_bytes : most_resident;
    }
    print_message("resident at the most: %.3f of the most that was used\n", (double)most_resident / (double)most_used);
    assert_true(most_resident < most_used + most_used / 100 * 8);
    assert_int_equal(icache_arena_check(arena), 0);
    icache_arena_destroy(&arena);
}

static icache_arena_t *dropping;
static size_t num_drops, dropped_bytes;

/* would wait for ever if the lock was held, and would lose what it writes if it got a block that is about to go */
static void use_while_dropping(char *start, size_t bytes)
{
    char *block = take(dropping, 3 * PAGE);

    assert_true(block + 3 * PAGE <= start || block >= start + bytes);
    assert_true(bytes <= ICACHE_ARENA_SLICE_BYTES);
    icache_arena_give(dropping, block, 3 * PAGE);
    ++num_drops;
    dropped_bytes += bytes;
}

static void trimmed_in_slices_without_the_lock(void **state)
{
    (void)state;
    enum { NUM = 5 };
    char *blocks[NUM];

    dropping = create(16 * STEP);
    for (int i = 0; i < NUM; ++i)
        blocks[i] = take(dropping, STEP);
    for (int i = 0; i < NUM; ++i)
        icache_arena_give(dropping, blocks[i], STEP);
    num_drops = dropped_bytes = 0;
    on_drop = use_while_dropping;
    assert_int_equal(icache_arena_trim(dropping, STEP), STEP);
    assert_int_equal(num_drops, STEP / ICACHE_ARENA_SLICE_BYTES);
    icache_arena_trim(dropping, ALL);
    on_drop = NULL;
    assert_int_equal(icache_arena_check(dropping), 0);
    assert_true(icache_arena_usage(dropping).resident_bytes <= 3 * PAGE);
    icache_arena_destroy(&dropping);
}

static void a_system_that_takes_no_pages(void **state)
{
    (void)state;
    icache_arena_t *arena = create(STEP);
    char *block = take(arena, 100 * PAGE);

    icache_arena_give(arena, block, 100 * PAGE);
    fail_madvise = 1;
    assert_int_equal(icache_arena_trim(arena, ALL), 0);
    fail_madvise = 0;
    assert_int_equal(icache_arena_check(arena), 0);
    assert_int_equal(icache_arena_usage(arena).free_bytes, 100 * PAGE);
    assert_int_equal(icache_arena_usage(arena).used_bytes, 0);
    assert_ptr_equal(take(arena, 100 * PAGE), block);
    icache_arena_give(arena, block, 100 * PAGE);
    assert_int_equal(icache_arena_trim(arena, ALL), 100 * PAGE);
    icache_arena_destroy(&arena);
}

static void the_nth_refusal(void **state)
{
    (void)state;
    int n = 0;

    do {
        mmap_countdown = ++n;
        icache_arena_t *arena = icache_arena_create(STEP);
        assert_int_equal(arena == NULL, mmap_countdown == 0);
        if (arena != NULL)
            icache_arena_destroy(&arena);
    } while (mmap_countdown == 0);
    mmap_countdown = 0;
    assert_true(n > 4);
    n = 0;
    do {
        icache_arena_t *arena = create(8 * STEP);
        mprotect_countdown = ++n;
        size_t taken = 0;
        for (int i = 0; i < 8; ++i)
            if (icache_arena_take(arena, STEP) != NULL)
                ++taken;
        assert_int_equal(taken, mprotect_countdown == 0 ? 7 : 8);
        assert_int_equal(icache_arena_check(arena), 0);
        assert_int_equal(icache_arena_usage(arena).used_bytes, taken * STEP);
        if (mprotect_countdown == 0)
            assert_non_null(icache_arena_take(arena, STEP));
        icache_arena_destroy(&arena);
    } while (mprotect_countdown == 0);
    mprotect_countdown = 0;
    assert_true(n > 10);
}

static int can_be_read(int pipe_end, const char *address)
{
    return syscall(SYS_write, pipe_end, address, (size_t)1) == 1; /* not by write(), which a sanitizer looks into */
}

/* what is not needed yet has no access, and so does not count where the system keeps account of what is committed */
static void only_what_is_needed_is_committed(void **state)
{
    (void)state;
    icache_arena_t *arena = create(UINT64_MAX);
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    char *base = take(arena, 1);
    assert_true(can_be_read(ends[1], base + STEP - 1));
    assert_false(can_be_read(ends[1], base + STEP));
    assert_true(errno == EFAULT);
    take(arena, STEP);
    assert_true(can_be_read(ends[1], base + 2 * STEP - 1));
    assert_false(can_be_read(ends[1], base + 2 * STEP));
    assert_true(icache_arena_has(arena, base + ((uint64_t)511 << 30)));
    assert_false(icache_arena_has(arena, base - 1));
    assert_false(icache_arena_has(arena, ends));
    close(ends[0]);
    close(ends[1]);
    icache_arena_destroy(&arena);
}

static void what_is_free_is_poisoned(void **state)
{
    (void)state;
#ifdef ICACHE_HAS_ASAN
    icache_arena_t *arena = create(STEP);
    char *block = take(arena, 1000);

    assert_false(__asan_address_is_poisoned(block + 999));
    assert_true(__asan_address_is_poisoned(block + 1000));
    icache_arena_shrink(arena, block, 1000, 100);
    assert_false(__asan_address_is_poisoned(block + 99));
    assert_true(__asan_address_is_poisoned(block + 104));
    icache_arena_give(arena, block, 100);
    assert_true(__asan_address_is_poisoned(block));
    icache_arena_destroy(&arena);
    assert_false(__asan_address_is_poisoned(block));
#else
    skip();
#endif
}

/* threads: each writes its number into its blocks, and finds it there; one trims all the time */

enum { NUM_THREADS = 4, NUM_OWN = 60, NUM_STEPS = 8000 };

struct st_thread_t {
    pthread_t thread;
    icache_arena_t *arena;
    uint64_t random;
    int number, spoilt;
};

static _Atomic int threads_left;

static size_t draw_for(struct st_thread_t *self, size_t below)
{
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(self->random >> 33) % below;
}

static void *use_arena(void *arg)
{
    struct st_thread_t *self = arg;
    struct {
        char *at;
        size_t bytes;
    } blocks[NUM_OWN] = {{NULL, 0}};

    for (int step = 0; step < NUM_STEPS + NUM_OWN; ++step) {
        size_t i = step < NUM_STEPS ? draw_for(self, NUM_OWN) : (size_t)(step - NUM_STEPS);
        if (blocks[i].at != NULL) {
            for (size_t j = 0; j < blocks[i].bytes; j += 64)
                self->spoilt |= blocks[i].at[j] != self->number;
            icache_arena_give(self->arena, blocks[i].at, blocks[i].bytes);
            blocks[i].at = NULL;
        }
        blocks[i].bytes = 1 + draw_for(self, 40000);
        if (step < NUM_STEPS && (blocks[i].at = icache_arena_take(self->arena, blocks[i].bytes)) != NULL)
            memset(blocks[i].at, self->number, blocks[i].bytes);
    }
    --threads_left;
    return NULL;
}

static void *trim_always(void *arena)
{
    while (threads_left != 0) {
        icache_arena_trim(arena, 1 << 20);
        icache_arena_usage(arena);
    }
    return NULL;
}

static void by_many_threads(void **state)
{
    (void)state;
    icache_arena_t *arena = create(STEP);
    struct st_thread_t threads[NUM_THREADS];
    pthread_t trimmer;

    threads_left = NUM_THREADS;
    for (int i = 0; i < NUM_THREADS; ++i) {
        threads[i] = (struct st_thread_t){.arena = arena, .random = (uint64_t)i, .number = i + 1};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, use_arena, threads + i), 0);
    }
    assert_int_equal(pthread_create(&trimmer, NULL, trim_always, arena), 0);
    for (int i = 0; i < NUM_THREADS; ++i) {
        pthread_join(threads[i].thread, NULL);
        assert_false(threads[i].spoilt);
    }
    pthread_join(trimmer, NULL);
    assert_int_equal(icache_arena_check(arena), 0);
    assert_int_equal(icache_arena_usage(arena).used_bytes, 0);
    icache_arena_trim(arena, ALL);
    assert_int_equal(icache_arena_usage(arena).resident_bytes, 0);
    icache_arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_against_a_model),
        cmocka_unit_test(full_to_the_last_granule),
        cmocka_unit_test(pages_between_those_in_use_go),
        cmocka_unit_test(resident_memory_is_used_first),
        cmocka_unit_test(scraps_are_used_before_pages),
        cmocka_unit_test(churn_holds_little),
        cmocka_unit_test(trimmed_in_slices_without_the_lock),
        cmocka_unit_test(a_system_that_takes_no_pages),
        cmocka_unit_test(the_nth_refusal),
        cmocka_unit_test(only_what_is_needed_is_committed),
        cmocka_unit_test(what_is_free_is_poisoned),
        cmocka_unit_test(by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
