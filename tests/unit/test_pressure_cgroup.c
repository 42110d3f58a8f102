/*
 * What the files of a memory cgroup say: the parsers on good, bad and random texts, and the working set.
 */
#include <stdlib.h>
#include "test_pressure_fake.h"
#include "pressure/cgroup.h"

static void test_limits(void **arg)
{
    static const struct {
        const char *text;
        int result;
        uint64_t bytes;
    } rows[] = {{"1000\n", 0, 1000},
                {"1000", 0, 1000},
                {"max\n", 0, 0},
                {"max", 0, 0},
                {"9223372036854771712\n", 0, 0},
                {"18446744073709551615\n", 0, 0},
                {"1152921504606846975\n", 0, 1152921504606846975},
                {"0\n", -1, 0},
                {"", -1, 0},
                {"\n", -1, 0},
                {"maximum\n", -1, 0},
                {"ma", -1, 0},
                {"-1\n", -1, 0},
                {" 1\n", -1, 0},
                {"1k\n", -1, 0},
                {"18446744073709551616\n", -1, 0}};

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        uint64_t bytes;
        assert_int_equal(pressure_parse_limit(rows[i].text, strlen(rows[i].text), &bytes), rows[i].result);
        if (rows[i].result == 0)
            assert_int_equal(bytes, rows[i].bytes);
    }
}

static const char v1_text[] =
    "cache 1\nrss 2\ninactive_file 3\nactive_file 4\nshmem 5\ndirty 6\nhierarchical_memory_limit 7\n"
    "total_cache 8\ntotal_rss 100\ntotal_rss_huge 9\ntotal_shmem 200\ntotal_dirty 300\ntotal_writeback 400\n"
    "total_inactive_file 500\ntotal_active_file 600\nslab_reclaimable 700\n";
static const char v2_text[] = "anon 100\nfile 1\nkernel 2\nshmem 200\nfile_dirty 300\nfile_writeback 400\ninactive_anon 3\n"
                              "inactive_file 500\nactive_file 600\nslab_reclaimable 700\nslab 4\ntotal_rss 5\n";

static void check_stat(pressure_cgroup_version_t version, const char *text, uint64_t slab_reclaimable)
{
    pressure_cgroup_stat_t stat;

    assert_int_equal(pressure_parse_memory_stat(version, text, strlen(text), &stat), 0);
    assert_int_equal(stat.anon, 100);
    assert_int_equal(stat.shmem, 200);
    assert_int_equal(stat.inactive_file, 500);
    assert_int_equal(stat.active_file, 600);
    assert_int_equal(stat.slab_reclaimable, slab_reclaimable);
}

static void test_stat(void **arg)
{
    (void)arg;
    check_stat(PRESSURE_CGROUP_V1, v1_text, 0);
    check_stat(PRESSURE_CGROUP_V2, v2_text, 700);
}

/* wherever the text ends, the figures are right, or they are refused: never a number that is cut off */
static void test_stat_cut_anywhere(void **arg)
{
    static const struct {
        pressure_cgroup_version_t version;
        const char *text, *last;
    } rows[] = {{PRESSURE_CGROUP_V1, v1_text, "total_active_file 600\n"}, {PRESSURE_CGROUP_V2, v2_text, "active_file 600\n"}};

    (void)arg;
    for (size_t i = 0; i < 2; ++i) {
        size_t enough = (size_t)(strstr(rows[i].text, rows[i].last) - rows[i].text) + strlen(rows[i].last);
        if (i == 1)
            enough = (size_t)(strstr(strstr(v2_text, "inactive_file 500"), "\nactive_file") - v2_text) + 1 + strlen(rows[i].last);
        for (size_t len = 0; len <= strlen(rows[i].text); ++len) {
            pressure_cgroup_stat_t stat;
            assert_int_equal(pressure_parse_memory_stat(rows[i].version, rows[i].text, len, &stat), len >= enough ? 0 : -1);
            if (len < enough)
                continue;
            assert_int_equal(stat.anon, 100);
            assert_int_equal(stat.inactive_file, 500);
            assert_int_equal(stat.active_file, 600);
        }
    }
}

static void test_bad_stat(void **arg)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "anon\n",
                                        "anon 1\ninactive_file 2\n",
                                        "anon 1\ninactive_file 2\nactive_file x\n",
                                        "anon 1\ninactive_file 2\nactive_file \n",
                                        "anon 1\ninactive_file 2\nactive_file -3\n",
                                        "anon 1\ninactive_file 2\nactive_file 3 kB\n",
                                        "anon 1\ninactive_file 2\n active_file 3\n",
                                        "anon 1\ninactive_file 2\nactive_file 18446744073709551616\n",
                                        "0 1\n 2\n"};

    (void)arg;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
        pressure_cgroup_stat_t stat;
        assert_int_equal(pressure_parse_memory_stat(PRESSURE_CGROUP_V2, texts[i], strlen(texts[i]), &stat), -1);
    }
}

static void test_working_set(void **arg)
{
    static const struct {
        const char *what;
        uint64_t usage, expected;
        pressure_cgroup_stat_t stat;
    } rows[] = {
        {"anonymous memory alone", 1000, 1000, {.anon = 900}},
        {"inactive page cache", 1000, 300, {.anon = 300, .inactive_file = 700}},
        {"active page cache", 1000, 300, {.anon = 300, .active_file = 700}},
        {"both", 1000, 350, {.anon = 300, .inactive_file = 400, .active_file = 250}},
        {"more on the lists than in use", 1000, 100, {.anon = 100, .inactive_file = 900, .active_file = 900}},
        {"tmpfs is in the usage, and on no list", 1000, 1000, {.anon = 300, .shmem = 700}},
        {"slab that can be taken back", 1000, 800, {.anon = 500, .slab_reclaimable = 200}},
        {"lists that lag behind the usage", 1000, 600, {.anon = 400, .shmem = 200, .inactive_file = 900, .active_file = 400}},
        {"usage that lags behind", 10, 600, {.anon = 600}},
        {"nothing", 0, 0, {0}},
        {"nonsense", 5, UINT64_MAX, {.anon = UINT64_MAX, .shmem = 2, .inactive_file = UINT64_MAX}},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        if (pressure_working_set(rows[i].usage, &rows[i].stat) != rows[i].expected)
            fail_msg("%s: %llu", rows[i].what, (unsigned long long)pressure_working_set(rows[i].usage, &rows[i].stat));
    }
}

/* --- random texts: made of what such files are made of, so that they get far into the parsers */

static size_t make_text(uint64_t *seed, char *text, size_t size)
{
    static const char *const pieces[] = {"0::",
                                         "/",
                                         "/..",
                                         "memory",
                                         ",",
                                         ":",
                                         "\n",
                                         "a",
                                         " ",
                                         "anon ",
                                         "inactive_file ",
                                         "active_file ",
                                         "total_rss ",
                                         "total_inactive_file ",
                                         "total_active_file ",
                                         "max",
                                         "18446744073709551615",
                                         "9",
                                         "0",
                                         "\t",
                                         "-",
                                         "4:memory:/a/b\n",
                                         "anon 1\n",
                                         "inactive_file 2\n",
                                         "active_file 3\n"};
    size_t len = 0;

    for (unsigned left = fake_random(seed) % 40; left != 0; --left) {
        const char *piece = pieces[fake_random(seed) % (sizeof(pieces) / sizeof(pieces[0]))];
        size_t piece_len = strlen(piece);
        if (fake_random(seed) % 8 == 0) {
            text[len++] = (char)fake_random(seed);
        } else {
            memcpy(text + len, piece, piece_len);
            len += piece_len;
        }
    }
    assert_true(len <= size);
    return len;
}

static void count_folder(void *_count, pressure_cgroup_version_t version, const char *folder)
{
    unsigned *count = _count;

    assert_true(version == PRESSURE_CGROUP_V1 || version == PRESSURE_CGROUP_V2);
    assert_true(strncmp(folder, "/sys", 4) == 0 && strstr(folder, "\n") == NULL);
    ++*count;
}

static void test_random_texts(void **arg)
{
    uint64_t seed = 4, bytes;
    unsigned good[4] = {0}, folders = 0;

    (void)arg;
    for (unsigned round = 0; round < 200000; ++round) {
        char text[2048], *exact;
        pressure_cgroup_stat_t stat;
        size_t len = make_text(&seed, text, sizeof(text));
        exact = malloc(len != 0 ? len : 1); /* of the very size: a sanitizer sees who reads on */
        memcpy(exact, text, len);
        good[0] += pressure_parse_limit(exact, len, &bytes) == 0;
        good[1] += pressure_parse_memory_stat(PRESSURE_CGROUP_V1, exact, len, &stat) == 0;
        good[2] += pressure_parse_memory_stat(PRESSURE_CGROUP_V2, exact, len, &stat) == 0;
        good[3] += pressure_parse_statm(exact, len, &bytes) == 0;
        pressure_cgroup_walk(exact, len, "/sys", count_folder, &folders);
        free(exact);
    }
    assert_true(good[0] != 0 && good[2] != 0 && folders > 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_stat),        cmocka_unit_test(test_stat_cut_anywhere),
        cmocka_unit_test(test_bad_stat), cmocka_unit_test(test_working_set), cmocka_unit_test(test_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
