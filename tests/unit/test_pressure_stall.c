#include "test_cgroup_fake.h"
#include "pressure/stall.h"

#define SOME "some avg10=1.50 avg60=2.25 avg300=0.01 total=123\n"
#define FULL "full avg10=0.75 avg60=100.00 avg300=0.00 total=18446744073709551615\n"

static int parse(const char *text, size_t len, pressure_stalls_t *stalls)
{
    char *exact = malloc(len != 0 ? len : 1); /* without a NUL, so that a sanitizer sees what is read beyond the end */
    int err;

    memcpy(exact, text, len);
    err = pressure_parse_stalls(exact, len, stalls);
    free(exact);
    return err;
}

static void all_figures_are_read(void **state)
{
    (void)state;
    pressure_stalls_t s = {.source = PRESSURE_STALL_GROUP};

    assert_int_equal(parse(SOME FULL, strlen(SOME FULL), &s), 0);
    assert_int_equal(s.source, PRESSURE_STALL_GROUP);
    assert_true(s.some.avg10 == 0.015 && s.some.avg60 == 0.0225 && s.some.avg300 == 0.0001 && s.some.total_us == 123);
    assert_true(s.full.avg10 == 0.0075 && s.full.avg60 == 1 && s.full.avg300 == 0 && s.full.total_us == UINT64_MAX);
}

static void order_and_strangers_do_not_matter(void **state)
{
    (void)state;
    static const char text[] = "most avg10=9.00\n" FULL "some avg5=7.00 avg10=1.50 avg60=2.25 avg300=0.01 new=8 total=123\n";
    pressure_stalls_t s = {0}, expected = {0};

    assert_int_equal(parse(SOME FULL, strlen(SOME FULL), &expected), 0);
    assert_int_equal(parse(text, strlen(text), &s), 0);
    assert_memory_equal(&s, &expected, sizeof(s));
}

static void odd_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n",
                                        SOME,
                                        FULL,
                                        SOME SOME,
                                        "some\nfull\n",
                                        "some avg10=1 avg60=1 avg300=1\n" FULL,
                                        "some avg10=-1.00 avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=100.5 avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=101.00 avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=1.50x avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=nan avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=1. avg60=2.25 avg300=0.01 total=123\n" FULL,
                                        "some avg10=1.50 avg60=2.25 avg300=0.01 total=18446744073709551616\n" FULL,
                                        "some avg10=1.50 avg60=2.25 avg300=0.01 total=\n" FULL};

    for (size_t i = 0; i != sizeof(texts) / sizeof(texts[0]); ++i) {
        pressure_stalls_t s = {.some = {.total_us = 7}};
        if (parse(texts[i], strlen(texts[i]), &s) == 0)
            fail_msg("accepted: %s", texts[i]);
        assert_true(s.some.total_us == 7);
    }
}

static void cut_anywhere_it_is_refused(void **state)
{
    (void)state;
    pressure_stalls_t s = {0};

    for (size_t len = 0; len != strlen(SOME FULL); ++len)
        assert_int_equal(parse(SOME FULL, len, &s), -1);
}

static void the_nearest_group_that_tells_counts(void **state)
{
    (void)state;
    pressure_stalls_t s;

    pressure_read_stalls(proc_root, sys_root, &s);
    assert_int_equal(s.source, PRESSURE_STALL_NONE);
    assert_true(s.some.total_us == 0);
    put("proc/pressure/memory", "some avg10=3.00 avg60=2.25 avg300=0.01 total=3\n" FULL);
    put("proc/self/cgroup", "0::/a/b\n");
    pressure_read_stalls(proc_root, sys_root, &s);
    assert_int_equal(s.source, PRESSURE_STALL_SYSTEM);
    assert_true(s.some.total_us == 3);
    put("sys/a/memory.pressure", "some avg10=3.00 avg60=2.25 avg300=0.01 total=4\n" FULL);
    pressure_read_stalls(proc_root, sys_root, &s);
    assert_int_equal(s.source, PRESSURE_STALL_GROUP);
    assert_true(s.some.total_us == 4);
    put("sys/a/b/memory.pressure", "garbage\n");
    pressure_read_stalls(proc_root, sys_root, &s);
    assert_true(s.some.total_us == 4);
    put("sys/a/b/memory.pressure", SOME FULL);
    pressure_read_stalls(proc_root, sys_root, &s);
    assert_true(s.some.total_us == 123);
    drop("proc/self/cgroup");
    pressure_read_stalls(proc_root, sys_root, &s);
    assert_int_equal(s.source, PRESSURE_STALL_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_figures_are_read),
        cmocka_unit_test(order_and_strangers_do_not_matter),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(cut_anywhere_it_is_refused),
        cmocka_unit_test_setup_teardown(the_nearest_group_that_tells_counts, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
