/* at most three exits in fifteen minutes, by a file that may be anything; and the pauses of webhooks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "module/exits.h"
#include "module/webhook_retry.h"

#define WALL_S 1800000000
#define BOOT_S 100000

static sluice_moment_t moment(int64_t wall_s, int64_t boot_s, const char *boot_id)
{
    sluice_moment_t at = {.wall_s = wall_s, .boot_s = boot_s};

    snprintf(at.boot_id, sizeof(at.boot_id), "%s", boot_id);
    return at;
}

static sluice_moment_t ago(int64_t age_s)
{
    return moment(WALL_S - age_s, BOOT_S - age_s, "this");
}

static void which_exits_count(void **state)
{
    static const struct {
        int64_t ages_s[3];
        size_t count;
        int allowed;
        size_t left; /* the new one among them */
    } cases[] = {
        {{0}, 0, 1, 1},
        {{10}, 1, 1, 2},
        {{899, 10}, 2, 1, 3},
        {{899, 20, 10}, 3, 0, 3},
        {{900, 20, 10}, 3, 1, 3},
        {{5000, 4000, 10}, 3, 1, 2},
        {{899, 899, 899}, 3, 0, 3},
        {{900, 900, 900}, 3, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i) {
        sluice_exits_t exits = {.count = cases[i].count};
        sluice_moment_t now = ago(0);
        for (size_t j = 0; j != exits.count; ++j)
            exits.at[j] = ago(cases[i].ages_s[j]);
        if (sluice_exits_add(&exits, &now) != cases[i].allowed || exits.count != cases[i].left)
            fail_msg("case %zu: %zu left", i, exits.count);
    }
}

static int allowed_behind(sluice_moment_t at, sluice_moment_t now)
{
    sluice_exits_t exits = {3, {at, at, at}};

    return sluice_exits_add(&exits, &now);
}

/* within a boot the calendar does not matter; over boots it is all there is */
static void clocks(void **state)
{
    (void)state;
    assert_int_equal(allowed_behind(moment(WALL_S - 100000, BOOT_S - 10, "this"), ago(0)), 0);
    assert_int_equal(allowed_behind(moment(WALL_S + 100000, BOOT_S - 10, "this"), ago(0)), 0);
    assert_int_equal(allowed_behind(moment(WALL_S, BOOT_S - 1000, "this"), ago(0)), 1);
    assert_int_equal(allowed_behind(moment(WALL_S - 10, BOOT_S - 1000, "other"), ago(0)), 0);
    assert_int_equal(allowed_behind(moment(WALL_S - 1000, BOOT_S - 10, "other"), ago(0)), 1);
    assert_int_equal(allowed_behind(moment(WALL_S - 10, BOOT_S - 1000, ""), moment(WALL_S, BOOT_S, "")), 0);
    assert_int_equal(allowed_behind(moment(WALL_S - 1000, BOOT_S - 10, ""), moment(WALL_S, BOOT_S, "")), 1);

    /* from the future: it counts as of now, and ages from here on */
    sluice_moment_t ahead = moment(WALL_S + 100000, 5, "other"), now = ago(0), later = ago(-SLUICE_EXITS_WINDOW_S);
    sluice_exits_t exits = {3, {ahead, ahead, ahead}};
    assert_int_equal(sluice_exits_add(&exits, &now), 0);
    assert_int_equal(sluice_exits_add(&exits, &later), 1);
    assert_int_equal(exits.count, 1);
}

/* --- the file */

static char folder[] = "/tmp/sluice-exits-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/state", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if anything was left there */
}

static void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void three_and_no_more(void **state)
{
    sluice_exits_t exits;
    int damaged;

    (void)state;
    for (int64_t i = 0; i != 6; ++i) {
        sluice_moment_t now = ago(-i * 100);
        assert_int_equal(sluice_exits_ask(path, &now, &damaged), i < 3 ? SLUICE_EXIT_ALLOWED : SLUICE_EXIT_TOO_MANY);
        assert_int_equal(damaged, 0);
        assert_int_equal(sluice_exits_read(path, &exits), 0);
        assert_int_equal(exits.count, i < 3 ? i + 1 : 3);
    }
    assert_int_equal(exits.at[2].wall_s, WALL_S + 200);
    assert_int_equal(exits.at[2].boot_s, BOOT_S + 200);
    assert_string_equal(exits.at[2].boot_id, "this");
    sluice_moment_t now = ago(-900);
    assert_int_equal(sluice_exits_ask(path, &now, &damaged), SLUICE_EXIT_ALLOWED);
    assert_int_equal(unlink(path), 0);
}

static void damaged_files_are_empty(void **state)
{
    static const char good[] = "{\"exits\": [{\"at\": 1800000000, \"boot_id\": \"this\", \"boot_seconds\": 100000}]}";
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "1",
                                        "{}",
                                        "{\"exits\": {}}",
                                        "{\"exits\": [1]}",
                                        "{\"exits\": [{}]}",
                                        "{\"exits\": [{\"at\": -1, \"boot_id\": \"\", \"boot_seconds\": 1}]}",
                                        "{\"exits\": [{\"at\": 1, \"boot_id\": \"\", \"boot_seconds\": 1.5}]}",
                                        "{\"exits\": [{\"at\": 1, \"boot_id\": 1, \"boot_seconds\": 1}]}",
                                        ("{\"exits\": [{\"at\": 1, \"boot_id\": \"12345678901234567890123456789012345678901\", "
                                         "\"boot_seconds\": 1}]}")};
    sluice_exits_t exits;
    sluice_moment_t now = ago(0);
    int damaged;

    (void)state;
    for (size_t i = 0; i != sizeof(texts) / sizeof(texts[0]); ++i) {
        write_file(texts[i], strlen(texts[i]));
        if (sluice_exits_read(path, &exits) != 1 || exits.count != 0)
            fail_msg("%s is good", texts[i]);
    }
    for (size_t len = 0; len != sizeof(good) - 1; ++len) { /* cut anywhere */
        write_file(good, len);
        assert_int_equal(sluice_exits_read(path, &exits), 1);
        assert_int_equal(exits.count, 0);
    }
    assert_int_equal(sluice_exits_ask(path, &now, &damaged), SLUICE_EXIT_ALLOWED);
    assert_int_equal(damaged, 1);
    write_file(good, sizeof(good) - 1);
    assert_int_equal(sluice_exits_read(path, &exits), 0);
    assert_int_equal(exits.count, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sluice_exits_read(path, &exits), 0); /* none yet */
    assert_int_equal(exits.count, 0);
}

static void more_than_there_can_be(void **state)
{
    char text[1024] = "{\"exits\": [";
    sluice_exits_t exits;

    (void)state;
    for (int i = 0; i != 10; ++i)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s{\"at\": %d, \"boot_id\": \"\", \"boot_seconds\": 1}",
                 i == 0 ? "" : ",", i);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
    write_file(text, strlen(text));
    assert_int_equal(sluice_exits_read(path, &exits), 0);
    assert_int_equal(exits.count, 3);
    assert_int_equal(exits.at[0].wall_s, 7); /* the last ones */
    assert_int_equal(unlink(path), 0);
}

static void what_cannot_be_written_is_not_allowed(void **state)
{
    sluice_moment_t now = ago(0);
    int damaged;

    (void)state;
    assert_int_equal(sluice_exits_ask("/no/such/folder/state", &now, &damaged), SLUICE_EXIT_UNKNOWN);
    assert_int_equal(errno, ENOENT);
}

static void now_is_now(void **state)
{
    sluice_moment_t now;

    (void)state;
    sluice_moment_now(&now);
    assert_int_equal(strlen(now.boot_id), 36);
    assert_true(now.wall_s > WALL_S - 400000000 && now.boot_s > 0);
}

/* --- webhooks */

static void answers_of_receivers(void **state)
{
    static const struct {
        long status;
        sluice_webhook_verdict_t verdict;
    } cases[] = {
        {0, SLUICE_WEBHOOK_AGAIN},       {200, SLUICE_WEBHOOK_DELIVERED}, {204, SLUICE_WEBHOOK_DELIVERED},
        {299, SLUICE_WEBHOOK_DELIVERED}, {300, SLUICE_WEBHOOK_REFUSED},   {302, SLUICE_WEBHOOK_REFUSED},
        {400, SLUICE_WEBHOOK_REFUSED},   {404, SLUICE_WEBHOOK_REFUSED},   {408, SLUICE_WEBHOOK_AGAIN},
        {429, SLUICE_WEBHOOK_AGAIN},     {499, SLUICE_WEBHOOK_REFUSED},   {500, SLUICE_WEBHOOK_AGAIN},
        {503, SLUICE_WEBHOOK_AGAIN},     {101, SLUICE_WEBHOOK_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i != sizeof(cases) / sizeof(cases[0]); ++i)
        assert_int_equal(sluice_webhook_judge(cases[i].status), cases[i].verdict);
}

static void pauses_grow(void **state)
{
    (void)state;
    for (unsigned attempt = 1; attempt <= SLUICE_WEBHOOK_ATTEMPTS; ++attempt) {
        uint64_t whole_ms = 1000u << (attempt - 1), low = UINT64_MAX, high = 0;
        for (uint64_t i = 0; i != 20000; ++i) {
            uint64_t pause_ms = sluice_webhook_pause_ms(attempt, i * UINT64_C(0x9e3779b97f4a7c15));
            low = pause_ms < low ? pause_ms : low;
            high = pause_ms > high ? pause_ms : high;
        }
        assert_in_range(low, whole_ms / 2, whole_ms / 2 + whole_ms / 50);
        assert_in_range(high, whole_ms - whole_ms / 50, whole_ms);
    }
    assert_in_range(sluice_webhook_pause_ms(1000, 7), 1, 16000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_exits_count),
        cmocka_unit_test(clocks),
        cmocka_unit_test(three_and_no_more),
        cmocka_unit_test(damaged_files_are_empty),
        cmocka_unit_test(more_than_there_can_be),
        cmocka_unit_test(what_cannot_be_written_is_not_allowed),
        cmocka_unit_test(now_is_now),
        cmocka_unit_test(answers_of_receivers),
        cmocka_unit_test(pauses_grow),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
