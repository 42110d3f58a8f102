/*
 * When trimming the heap can pay, as a table; and that the real one is left alone where it cannot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/heap.h"

#define MiB ((uint64_t)1 << 20)

static void test_purgeable(void **state)
{
    static const struct {
        sluice_heap_look_t last, now;
        uint64_t expected_mib;
    } rows[] = {
        {{0, 0, 0}, {50, 200, 5}, 50},            /* never purged */
        {{50, 200, 1000}, {50, 200, 2000}, 0},    /* nothing has changed: those chunks have no pages */
        {{50, 200, 1000}, {80, 170, 2000}, 30},   /* 30 became free */
        {{50, 200, 1000}, {50, 240, 2000}, 40},   /* 40 came and went */
        {{50, 200, 1000}, {80, 240, 2000}, 70},   /* both */
        {{50, 200, 1000}, {60, 900, 2000}, 60},   /* never more than is free */
        {{50, 200, 1000}, {10, 100, 2000}, 0},    /* chunks were used */
        {{50, 200, 1000}, {50, 200, 10999}, 0},   /* the pause is 10 s */
        {{50, 200, 1000}, {50, 200, 11000}, 50},  /* over */
        {{50, 200, 100000}, {50, 200, 1000}, 50}, /* set back */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        sluice_heap_look_t last = rows[i].last, now = rows[i].now;
        last.free_bytes *= MiB;
        last.resident_bytes *= MiB;
        now.free_bytes *= MiB;
        now.resident_bytes *= MiB;
        uint64_t found_mib = sluice_heap_purgeable(&last, &now, 10000) / MiB;
        if (found_mib != rows[i].expected_mib)
            fail_msg("row %zu: %llu", i, (unsigned long long)found_mib);
    }
}

enum { NUM_BLOCKS = 4096, BLOCK_BYTES = 16384 };

static void test_a_second_trim_is_left_out(void **state)
{
    static char *blocks[NUM_BLOCKS];
    sluice_heap_t heap = {.purge_min_bytes = 8 * MiB, .purge_pause_ms = 3600000};

    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("the sanitizer has a heap of its own, which glibc's functions do not see\n");
    skip();
#endif
    for (size_t i = 0; i < NUM_BLOCKS; ++i) {
        assert_non_null(blocks[i] = malloc(BLOCK_BYTES));
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    heap.last.at_ms = 0;
    sluice_heap_purge(&heap);
    for (size_t i = 0; i < NUM_BLOCKS; i += 2)
        free(blocks[i]);
    assert_true(sluice_heap_purge(&heap) >= 30 * MiB);
    assert_int_equal(sluice_heap_purge(&heap), 0); /* as many free chunks as before, without pages */
    for (size_t i = 1; i < NUM_BLOCKS; i += 2)
        free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_purgeable),
        cmocka_unit_test(test_a_second_trim_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
