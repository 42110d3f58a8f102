/*
 * The arena against a naive model: what each granule belongs to, what is in the blocks, and what is resident, which the kernel is
 * asked for. Every block is written to, so what the arena says must be what mincore() says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "image_cache/arena.h"

#define GRANULE ((size_t)ICACHE_ARENA_GRANULE_BYTES)
#define PAGE ((size_t)4096)
#define ALL UINT64_MAX

static uint64_t random_state;

static size_t draw(size_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % below;
}

static int is_resident(const char *page)
{
    unsigned char flag = 0;

    assert_int_equal(mincore((void *)(uintptr_t)page, PAGE, &flag), 0);
    return flag & 1;
}

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
    m.arena = icache_arena_create(MODEL_BYTES);
    assert_non_null(m.arena);
    m.base = icache_arena_take(m.arena, 1);
    *m.base = 1;
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

static void small_blocks(void **state)
{
    (void)state;
    random_steps(3000);
}

static void blocks_of_all_sizes(void **state)
{
    (void)state;
    random_steps(60000);
}

static void large_blocks(void **state)
{
    (void)state;
    random_steps(1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks),
        cmocka_unit_test(blocks_of_all_sizes),
        cmocka_unit_test(large_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
