/*
 * The coordinator's own thread: it starts, steps, is woken by a kick out of a long nap, and stops at once.
 */
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include "test_pressure_fake.h"
#include "module/clock.h"

static struct {
    _Atomic uint64_t resident_bytes;
    atomic_int signals_blocked;
    sem_t sampled;
} machine;

static int sample_machine(void *ctx, pressure_sample_t *sample)
{
    sigset_t mask;

    (void)ctx;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    atomic_store(&machine.signals_blocked, sigismember(&mask, SIGTERM));
    sample->resident_bytes = atomic_load(&machine.resident_bytes);
    sem_post(&machine.sampled);
    return 0;
}

static pressure_t *create_machine(void)
{
    pressure_config_t config = fake_config();
    pressure_t *pressure;

    sem_init(&machine.sampled, 0, 0);
    machine.resident_bytes = 100 * FAKE_MIB;
    config.sample = sample_machine;
    config.now_ms = sluice_exact_ms;
    config.log = NULL;
    pressure = pressure_create(&config);
    assert_non_null(pressure);
    sem_wait(&machine.sampled);
    return pressure;
}

static int wait_for_sample(uint64_t wait_ms)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += (time_t)(wait_ms / 1000);
    deadline.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        ++deadline.tv_sec;
    }
    return sem_timedwait(&machine.sampled, &deadline);
}

static void test_a_kick_ends_the_nap(void **arg)
{
    pressure_t *pressure = create_machine();
    uint64_t began_ms;

    (void)arg;
    assert_int_equal(pressure_start(pressure), 0);
    assert_int_equal(wait_for_sample(10000), 0);
    assert_true(machine.signals_blocked);
    machine.resident_bytes = 930 * FAKE_MIB;
    /* a hundred kicks take far less than the hundred naps of a second each that they end, or they end none */
    began_ms = sluice_exact_ms();
    for (unsigned i = 0; i < 100; ++i) {
        pressure_kick(pressure);
        assert_int_equal(wait_for_sample(10000), 0);
        machine.resident_bytes = 100 * FAKE_MIB;
    }
    assert_true(sluice_exact_ms() - began_ms < 20000);
    pressure_destroy(&pressure);
    sem_destroy(&machine.sampled);
}

static void test_naps_between(void **arg)
{
    pressure_t *pressure = create_machine();
    uint64_t began_ms;
    int result;

    (void)arg;
    assert_int_equal(pressure_start(pressure), 0);
    assert_int_equal(wait_for_sample(10000), 0);
    began_ms = sluice_exact_ms();
    pressure_kick(pressure);
    assert_int_equal(wait_for_sample(10000), 0);
    result = wait_for_sample(200); /* one kick, one step; the next is due a second later */
    assert_true(result != 0 || sluice_exact_ms() - began_ms > 900);
    pressure_destroy(&pressure);
    sem_destroy(&machine.sampled);
}

static void test_a_refused_reservation_wakes_it(void **arg)
{
    pressure_t *pressure = create_machine();

    (void)arg;
    uint64_t samples = fake_snapshot(pressure).samples;
    machine.resident_bytes = 700 * FAKE_MIB;
    assert_int_equal(pressure_start(pressure), 0);
    assert_int_equal(wait_for_sample(10000), 0);
    while (fake_snapshot(pressure).samples == samples) /* it was taken, but reservations may go by the one before still */
        sched_yield();
    machine.resident_bytes = 600 * FAKE_MIB;
    samples = fake_snapshot(pressure).samples;
    while (fake_snapshot(pressure).samples < samples + 20) {
        assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, 300 * FAKE_MIB), PRESSURE_NOT_NOW);
        assert_int_equal(wait_for_sample(10000), 0);
    }
    pressure_destroy(&pressure);
    sem_destroy(&machine.sampled);
}

static void test_stops_out_of_a_nap(void **arg)
{
    uint64_t began_ms = sluice_exact_ms();

    (void)arg;
    for (unsigned i = 0; i < 50; ++i) {
        pressure_t *pressure = create_machine();
        assert_int_equal(pressure_start(pressure), 0);
        if (i % 2)
            assert_int_equal(wait_for_sample(10000), 0);
        pressure_destroy(&pressure);
        sem_destroy(&machine.sampled);
    }
    assert_true(sluice_exact_ms() - began_ms < 20000); /* 50 naps would take 50 s */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kick_ends_the_nap),
        cmocka_unit_test(test_naps_between),
        cmocka_unit_test(test_a_refused_reservation_wakes_it),
        cmocka_unit_test(test_stops_out_of_a_nap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
