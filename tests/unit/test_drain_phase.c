#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/drain_phase.h"

static void test_phases(void **state)
{
    static const struct {
        uint64_t elapsed_ms, timeout_ms, next_ms;
        sluice_drain_phase_t phase;
    } rows[] = {
        {0, 30000, 15000, SLUICE_DRAIN_BEGUN},
        {14999, 30000, 1, SLUICE_DRAIN_BEGUN},
        {15000, 30000, 15000, SLUICE_DRAIN_REFUSING},
        {29999, 30000, 1, SLUICE_DRAIN_REFUSING},
        {30000, 30000, 2000, SLUICE_DRAIN_ANSWERED},
        {32000, 30000, 2000, SLUICE_DRAIN_CUTTING_OFF},
        {33999, 30000, 1, SLUICE_DRAIN_CUTTING_OFF},
        {34000, 30000, 0, SLUICE_DRAIN_OVER},
        {UINT64_MAX, 30000, 0, SLUICE_DRAIN_OVER},
        {0, 0, 2000, SLUICE_DRAIN_ANSWERED}, /* no time at all */
        {1999, 0, 1, SLUICE_DRAIN_ANSWERED},
        {4000, 0, 0, SLUICE_DRAIN_OVER},
        {0, 1, 1, SLUICE_DRAIN_REFUSING}, /* half of a millisecond is none */
    };

    (void)state;
    for (size_t i = 0; i != sizeof(rows) / sizeof(rows[0]); ++i) {
        assert_int_equal(sluice_drain_phase(rows[i].elapsed_ms, rows[i].timeout_ms), rows[i].phase);
        assert_int_equal(sluice_drain_next_ms(rows[i].elapsed_ms, rows[i].timeout_ms), rows[i].next_ms);
    }
}

/* who looks whenever it is told to sees each phase begin, and the last one */
static void test_steps_lead_through_all_phases(void **state)
{
    static const uint64_t timeouts_ms[] = {0, 1, 2, 7, 1000, 600000};

    (void)state;
    for (size_t i = 0; i != sizeof(timeouts_ms) / sizeof(timeouts_ms[0]); ++i) {
        uint64_t at_ms = 0, step_ms;
        sluice_drain_phase_t phase = sluice_drain_phase(0, timeouts_ms[i]);
        while ((step_ms = sluice_drain_next_ms(at_ms, timeouts_ms[i])) != 0) {
            at_ms += step_ms;
            assert_true(sluice_drain_phase(at_ms, timeouts_ms[i]) > phase);
            assert_int_equal(sluice_drain_phase(at_ms - 1, timeouts_ms[i]), phase);
            phase = sluice_drain_phase(at_ms, timeouts_ms[i]);
        }
        assert_int_equal(phase, SLUICE_DRAIN_OVER);
        assert_int_equal(at_ms, timeouts_ms[i] + 2 * SLUICE_DRAIN_STEP_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_phases), cmocka_unit_test(test_steps_lead_through_all_phases)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
