/* ldflags: -Wl,--wrap=madvise -Wl,--wrap=mprotect -Wl,--wrap=mmap */
/*
 * The arena: where blocks go, which pages go, who has to wait, and a system that refuses. What is resident is asked of the kernel.
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
    take(arena, 3 * GRANULE);
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

/* holes that nothing fits into: for what becomes resident, as much of them goes */
static void holes_that_are_too_short_go(void **state)
{
    (void)state;
    enum { NUM = 400 };
    static char *blocks[NUM];
    icache_arena_t *arena = create(256 << 20);

    for (size_t i = 0; i < NUM; ++i)
        blocks[i] = take(arena, 10 * PAGE);
    for (size_t i = 0; i < NUM; i += 2)
        icache_arena_give(arena, blocks[i], 10 * PAGE);
    /* nothing goes as long as nothing new is taken */
    assert_int_equal(icache_arena_usage(arena).free_bytes, NUM / 2 * 10 * PAGE);
    for (size_t i = 0; i < NUM / 2 / 5; ++i)
        take(arena, 50 * PAGE);
    icache_arena_usage_t usage = icache_arena_usage(arena);
    assert_int_equal(usage.used_bytes, NUM * 10 * PAGE);
    assert_true(usage.free_bytes <= usage.used_bytes / 32 + (1 << 20));
    assert_int_equal(usage.resident_bytes, usage.used_bytes + usage.free_bytes);
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
        cmocka_unit_test(full_to_the_last_granule),
        cmocka_unit_test(pages_between_those_in_use_go),
        cmocka_unit_test(resident_memory_is_used_first),
        cmocka_unit_test(scraps_are_used_before_pages),
        cmocka_unit_test(churn_holds_little),
        cmocka_unit_test(holes_that_are_too_short_go),
        cmocka_unit_test(trimmed_in_slices_without_the_lock),
        cmocka_unit_test(a_system_that_takes_no_pages),
        cmocka_unit_test(the_nth_refusal),
        cmocka_unit_test(only_what_is_needed_is_committed),
        cmocka_unit_test(what_is_free_is_poisoned),
        cmocka_unit_test(by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
