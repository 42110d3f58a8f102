/*
 * The numbers of the coordinator contradict each other: what is refused, and what the sentence says.
 */
#include "test_pressure_fake.h"

static void test_config_check(void **arg)
{
    pressure_config_t config = fake_config();

    (void)arg;
    assert_null(pressure_config_check(&config));
    config.mark_permille[PRESSURE_DEGRADED] = 700; /* equal marks are crossed together */
    assert_null(pressure_config_check(&config));
    config.mark_permille[PRESSURE_DEGRADED] = 699;
    assert_string_equal(pressure_config_check(&config), "the mark of degraded must not be below that of elevated");
    assert_null(pressure_create(&config));
    config = fake_config();
    config.mark_permille[PRESSURE_EMERGENCY] = 1001;
    assert_non_null(pressure_config_check(&config));
    config = fake_config();
    config.mark_permille[PRESSURE_EMERGENCY] = 899;
    assert_string_equal(pressure_config_check(&config), "the mark of emergency must not be below that of critical");
    config = fake_config();
    config.mark_permille[PRESSURE_NORMAL] = 1;
    assert_non_null(pressure_config_check(&config));
    config = fake_config();
    config.mark_permille[PRESSURE_ELEVATED] = 0;
    assert_non_null(pressure_config_check(&config));
    config = fake_config();
    config.budget_bytes = 0;
    assert_string_equal(pressure_config_check(&config), "the budget must be above 0");
    config = fake_config();
    config.down_gap_permille = 0;
    assert_non_null(pressure_config_check(&config));
    config.down_gap_permille = 700;
    assert_non_null(pressure_config_check(&config));
}

/* each number that can contradict another is refused beside it, with a sentence that names both */
static void test_tuning_is_checked(void **arg)
{
#define NUMBER(field) offsetof(pressure_tuning_t, field)
    static const struct {
        size_t offset;
        uint64_t good, bad;
        const char *word, *other;
    } rows[] = {{NUMBER(period_ms), 250, 249, "sample-period", "sample-period-warm"},
                {NUMBER(period_warm_ms), 100, 99, "sample-period-warm", "sample-period-busy"},
                {NUMBER(period_busy_ms), 25, 24, "sample-period-busy", "sample-period-hot"},
                {NUMBER(period_hot_ms), 1, 0, "sample-period-hot", "0"},
                {NUMBER(warm_permille), 700, 701, "sample-warm", "sample-busy"},
                {NUMBER(busy_permille), 850, 851, "sample-busy", "sample-hot"},
                {NUMBER(hot_permille), 700, 699, "sample-hot", "sample-busy"},
                {NUMBER(stale_after_ms), 250, 249, "stale-after", "sample-period-warm"},
                {NUMBER(listener_slice_ms), 500, 501, "reclaim-limit", "listener-slice"},
                {NUMBER(listener_slice_ms), 1, 0, "listener-slice", "0"},
                {NUMBER(effective_permille), 1000, 1001, "effective", "100 %"},
                {NUMBER(ineffective_after), 1, 0, "ineffective-after", "0"},
                {NUMBER(backoff_ms), 60000, 60001, "backoff", "backoff-max"},
                {NUMBER(backoff_ms), 1, 0, "backoff", "0"},
                {NUMBER(release_headroom_permille), 1000, 1001, "release-headroom", "100 %"},
                {NUMBER(release_ceiling_permille), 900, 899, "release-ceiling", "critical"},
                {NUMBER(release_rise_permille), 1, 0, "release-rise", "0"},
                {NUMBER(refill_step_permille), 1, 0, "refill-step", "0"},
                {NUMBER(refill_period_ms), 1, 0, "refill-period", "0"}};
#undef NUMBER

    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        pressure_config_t config = fake_config();
        uint64_t *number = (uint64_t *)(void *)((char *)&config.tuning + rows[i].offset);
        *number = rows[i].good;
        if (pressure_config_check(&config) != NULL)
            fail_msg("row %zu: %s", i, pressure_config_check(&config));
        *number = rows[i].bad;
        const char *sentence = pressure_config_check(&config);
        if (sentence == NULL || strstr(sentence, rows[i].word) == NULL || strstr(sentence, rows[i].other) == NULL)
            fail_msg("row %zu: %s", i, sentence);
        assert_null(pressure_create(&config));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_check),
        cmocka_unit_test(test_tuning_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
