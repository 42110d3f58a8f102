#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "module/heap_figures.h"

#define HEAP(fast, rest, system)                                                                                                   \
    "<heap nr=\"0\">\n<sizes>\n  <size from=\"33\" to=\"33\" total=\"33\" count=\"1\"/>\n"                                         \
    "  <unsorted from=\"1\" to=\"9\" total=\"9\" count=\"1\"/>\n</sizes>\n"                                                        \
    "<total type=\"fast\" count=\"3\" size=\"" fast "\"/>\n<total type=\"rest\" count=\"3\" size=\"" rest "\"/>\n"                 \
    "<system type=\"current\" size=\"" system "\"/>\n<system type=\"max\" size=\"999999\"/>\n"                                     \
    "<aspace type=\"total\" size=\"888888\"/>\n</heap>\n"
#define SUMS                                                                                                                       \
    "<total type=\"fast\" count=\"3\" size=\"30\"/>\n<total type=\"rest\" count=\"3\" size=\"400\"/>\n"                            \
    "<total type=\"mmap\" count=\"2\" size=\"5000\"/>\n<system type=\"current\" size=\"3000\"/>\n"                                 \
    "<system type=\"max\" size=\"999999\"/>\n</malloc>\n"
#define WHOLE "<malloc version=\"1\">\n" HEAP("10", "100", "1000") HEAP("20", "300", "2000") SUMS

static int parse(const char *text, size_t len, health_heap_t *figures)
{
    char *exact = malloc(len != 0 ? len : 1);
    int err;

    memcpy(exact, text, len);
    err = sluice_heap_parse_malloc_info(exact, len, figures);
    free(exact);
    return err;
}

static void arenas_and_sums_are_read(void **state)
{
    (void)state;
    health_heap_t h;

    assert_int_equal(parse(WHOLE, strlen(WHOLE), &h), 0);
    assert_string_equal(h.allocator, "glibc");
    assert_int_equal(h.num_arenas, 2);
    assert_int_equal(h.arenas[0].system_bytes, 1000);
    assert_int_equal(h.arenas[0].free_bytes, 110);
    assert_int_equal(h.arenas[1].system_bytes, 2000);
    assert_int_equal(h.arenas[1].free_bytes, 320);
    assert_int_equal(h.free_bytes, 430);
    assert_int_equal(h.allocated_bytes, 3000 - 430 + 5000);
    assert_int_equal(h.active_bytes, 8000);
    assert_int_equal(h.mapped_bytes, 8000);
    assert_int_equal(h.retained_bytes, 430);
}

static void cut_anywhere_it_is_refused(void **state)
{
    (void)state;
    health_heap_t h;

    for (size_t len = 0; len != strlen(WHOLE); ++len)
        assert_int_equal(parse(WHOLE, len, &h), -1);
}

static void odd_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        WHOLE "<malloc version=\"1\">\n",                                        /* something follows */
        "<malloc version=\"1\">\n" HEAP("10", "-1", "1000") SUMS,                /* no number */
        "<malloc version=\"1\">\n" HEAP("10", "", "1000") SUMS,                  /* the same */
        "<malloc version=\"1\">\n" HEAP("10", "99999999999999999999", "1") SUMS, /* too large */
        "<malloc version=\"1\">\n<heap nr=\"0\">\n</heap>\n" SUMS,               /* a heap of nothing */
        "<malloc version=\"1\">\n<heap nr=\"0\">\n" HEAP("1", "1", "1") SUMS,    /* a heap in a heap */
        "<malloc version=\"1\">\n</heap>\n" SUMS,
        "<malloc version=\"1\">\n</malloc>\n",
        "garbage\n",
    };
    health_heap_t h;

    for (size_t i = 0; i != sizeof(texts) / sizeof(texts[0]); ++i)
        if (parse(texts[i], strlen(texts[i]), &h) == 0)
            fail_msg("accepted: %s", texts[i]);
}

static void more_arenas_than_are_listed(void **state)
{
    (void)state;
    static const char one[] = HEAP("1", "1", "1");
    char *text = calloc(1, 100 * sizeof(one) + sizeof(SUMS));
    health_heap_t h;

    for (size_t i = 0; i != 99; ++i)
        strcat(text, one);
    strcat(text, SUMS);
    assert_int_equal(parse(text, strlen(text), &h), 0);
    assert_int_equal(h.num_arenas, HEALTH_MAX_ARENAS);
    assert_int_equal(h.free_bytes, 430);
    free(text);
}

static void more_free_than_there_is(void **state)
{
    (void)state;
    static const char text[] =
        "<total type=\"fast\" count=\"0\" size=\"0\"/>\n<total type=\"rest\" count=\"9\" size=\"3009\"/>\n"
        "<total type=\"mmap\" count=\"0\" size=\"0\"/>\n<system type=\"current\" size=\"3000\"/>\n</malloc>\n";
    health_heap_t h;

    assert_int_equal(parse(text, strlen(text), &h), 0);
    assert_int_equal(h.free_bytes, 3000);
    assert_int_equal(h.allocated_bytes, 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which have an allocator of their own */

static int is_near(uint64_t a, uint64_t b, uint64_t slack)
{
    return a <= b + slack && b <= a + slack;
}

/* what glibc says by another function */
static void it_is_what_mallinfo_says(void **state)
{
    (void)state;
    health_heap_t h;
    enum { COUNT = 20000, SLACK = 524288 /* what the looking takes itself, and how the heap grows for it */ };
    char **blocks = calloc(COUNT, sizeof(*blocks));

    for (size_t i = 0; i != COUNT; ++i)
        blocks[i] = malloc(1 + i % 3000);
    for (size_t i = 0; i < COUNT; i += 2)
        free(blocks[i]);
    struct mallinfo2 m = mallinfo2();
    sluice_heap_look(0, &h);
    assert_string_equal(h.allocator, "glibc");
    assert_true(is_near(h.free_bytes, m.fordblks, SLACK));
    assert_true(is_near(h.allocated_bytes, m.uordblks + m.hblkhd, SLACK));
    assert_true(is_near(h.mapped_bytes, m.arena + m.hblkhd, SLACK));
    assert_true(h.free_bytes > COUNT / 2 * 1400 && h.num_arenas >= 1);
    assert_int_equal(h.resident_bytes, h.active_bytes);
    sluice_heap_look(h.active_bytes - 1, &h);
    assert_true(is_near(h.resident_bytes, h.active_bytes - 1, SLACK));
    sluice_heap_look(1, &h);
    assert_int_equal(h.resident_bytes, 1);
    char *volatile large = malloc(100 << 20);
    health_heap_t after;
    sluice_heap_look(0, &after);
    assert_true(is_near(after.allocated_bytes, h.allocated_bytes + (100 << 20), SLACK));
    free(large);
    for (size_t i = 1; i < COUNT; i += 2)
        free(blocks[i]);
    free(blocks);
}

#endif

/* --- jemalloc */

static const char *missing;
static unsigned epochs;

static int fake_mallctl(const char *name, void *old_value, size_t *old_len, void *new_value, size_t new_len)
{
    static const struct {
        const char *name;
        size_t value;
    } rows[] = {
        {"stats.allocated", 100}, {"stats.active", 200}, {"stats.resident", 300}, {"stats.mapped", 400}, {"stats.retained", 500}};

    if (missing != NULL && strcmp(name, missing) == 0)
        return ENOENT;
    if (strcmp(name, "epoch") == 0) {
        assert_int_equal(new_len, sizeof(uint64_t));
        assert_non_null(new_value);
        ++epochs;
        return 0;
    }
    assert_int_equal(epochs, 1); /* else they are old */
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i)
        if (strcmp(name, rows[i].name) == 0) {
            assert_int_equal(*old_len, sizeof(size_t));
            memcpy(old_value, &rows[i].value, sizeof(size_t));
            return 0;
        }
    fail_msg("asked for %s", name);
    return EINVAL;
}

static void jemalloc_is_asked(void **state)
{
    (void)state;
    static const char *const names[] = {"epoch",          "stats.allocated", "stats.active",
                                        "stats.resident", "stats.mapped",    "stats.retained"};
    health_heap_t h;

    epochs = 0;
    missing = NULL;
    assert_int_equal(sluice_heap_read_jemalloc(fake_mallctl, &h), 0);
    assert_string_equal(h.allocator, "jemalloc");
    assert_true(h.allocated_bytes == 100 && h.active_bytes == 200 && h.resident_bytes == 300 && h.mapped_bytes == 400 &&
                h.retained_bytes == 500 && h.free_bytes == 200 && h.num_arenas == 0);
    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i) {
        epochs = 0;
        missing = names[i];
        assert_int_equal(sluice_heap_read_jemalloc(fake_mallctl, &h), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arenas_and_sums_are_read),
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(more_arenas_than_are_listed),
        cmocka_unit_test(more_free_than_there_is),
        cmocka_unit_test(jemalloc_is_asked),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(it_is_what_mallinfo_says),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
