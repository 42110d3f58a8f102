#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "module/event_hub.h"

static unsigned woken[3];

static void wake(void *loop)
{
    ++*(unsigned *)loop;
}

static void only_loops_with_streams_are_woken(void **state)
{
    sluice_event_hub_t hub = {0};
    sluice_event_slot_t *slots[3];

    (void)state;
    sluice_event_hub_init(&hub, wake);
    sluice_event_hub_publish(&hub);
    for (int i = 0; i != 3; ++i) {
        woken[i] = 0;
        slots[i] = sluice_event_hub_attach(&hub, &woken[i]);
    }
    sluice_event_hub_publish(&hub);
    assert_int_equal(woken[0] + woken[1] + woken[2], 0);
    assert_int_equal(sluice_event_hub_enter(&hub, slots[0]), 0);
    assert_int_equal(sluice_event_hub_enter(&hub, slots[2]), 0);
    assert_int_equal(sluice_event_hub_enter(&hub, slots[2]), 0);
    sluice_event_hub_publish(&hub);
    assert_true(woken[0] == 1 && woken[1] == 0 && woken[2] == 1);
    sluice_event_hub_leave(&hub, slots[0]);
    sluice_event_hub_leave(&hub, slots[2]);
    sluice_event_hub_publish(&hub);
    assert_true(woken[0] == 1 && woken[1] == 0 && woken[2] == 2);
    sluice_event_hub_leave(&hub, slots[2]);
    sluice_event_hub_detach(&hub, slots[1]);
    assert_ptr_equal(sluice_event_hub_attach(&hub, &woken[1]), slots[1]); /* the place is free again */
}

static void there_is_an_end_to_them(void **state)
{
    sluice_event_hub_t hub = {0};
    health_event_counts_t counts = {.streams = 0};

    (void)state;
    sluice_event_hub_init(&hub, wake);
    sluice_event_slot_t *a = sluice_event_hub_attach(&hub, &woken[0]), *b = sluice_event_hub_attach(&hub, &woken[1]);
    for (int i = 0; i != SLUICE_MAX_EVENT_STREAMS; ++i)
        assert_int_equal(sluice_event_hub_enter(&hub, i % 2 == 0 ? a : b), 0);
    assert_int_equal(sluice_event_hub_enter(&hub, a), -1);
    assert_int_equal(sluice_event_hub_enter(&hub, b), -1);
    sluice_event_hub_leave(&hub, b);
    assert_int_equal(sluice_event_hub_enter(&hub, a), 0);
    assert_int_equal(sluice_event_hub_enter(&hub, a), -1);
    sluice_event_hub_count(&hub, &counts);
    assert_int_equal(counts.streams, SLUICE_MAX_EVENT_STREAMS);
    assert_int_equal(counts.streams_refused, 3);
    assert_int_equal(counts.streams_dropped + counts.missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_loops_with_streams_are_woken),
        cmocka_unit_test(there_is_an_end_to_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
