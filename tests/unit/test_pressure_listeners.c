/*
 * Registration while a broadcast runs: from a listener, from another thread, with a lock held that listeners know.
 */
#include <semaphore.h>
#include <sched.h>
#include "test_pressure_fake.h"

typedef struct st_ear_t {
    atomic_uint num_events;
    atomic_int gone; /* unregister has returned: no call is allowed */
    atomic_uint num_late;
    pressure_registration_t *registration;
    void (*action)(struct st_ear_t *ear);
    pressure_t *pressure;
    struct st_ear_t *other;
    sem_t entered, leave;
} ear_t;

static pressure_result_t hear(void *ctx, const pressure_event_t *event)
{
    ear_t *ear = ctx;

    (void)event;
    atomic_fetch_add(&ear->num_events, 1);
    if (atomic_load(&ear->gone))
        atomic_fetch_add(&ear->num_late, 1);
    if (ear->action != NULL)
        ear->action(ear);
    return (pressure_result_t){0};
}

static void tell_usage(void *ctx, pressure_level_t level, pressure_usage_t *usage)
{
    ear_t *ear = ctx;

    (void)level;
    if (atomic_load(&ear->gone))
        atomic_fetch_add(&ear->num_late, 1);
    usage->capacity_bytes = usage->evictable_bytes = FAKE_MIB;
}

static void set_limit(void *ctx, uint64_t bytes)
{
    ear_t *ear = ctx;

    (void)bytes;
    if (atomic_load(&ear->gone))
        atomic_fetch_add(&ear->num_late, 1);
}

static void listen_to(pressure_t *pressure, ear_t *ear, int phase)
{
    pressure_listener_t listener = {
        .name = "ear", .phase = phase, .on_event = hear, .usage = tell_usage, .set_limit = set_limit, .ctx = ear};

    ear->pressure = pressure;
    assert_int_equal(pressure_register(pressure, &listener, &ear->registration), 0);
}

static void stop_listening(ear_t *ear)
{
    pressure_unregister(ear->pressure, &ear->registration);
}

static void unregister_other(ear_t *ear)
{
    if (ear->other->registration != NULL) {
        stop_listening(ear->other);
        atomic_store(&ear->other->gone, 1);
    }
}

static void test_a_listener_unregisters_another(void **arg)
{
    (void)arg;
    for (int phase = -1; phase <= 1; phase += 2) { /* the one before, and the one behind */
        pressure_t *pressure = fake_create(100);
        ear_t other = {0}, ear = {.action = unregister_other, .other = &other}, last = {0};
        listen_to(pressure, &ear, 0);
        listen_to(pressure, &other, phase);
        listen_to(pressure, &last, 2);
        fake_step(pressure, 100, 930);
        assert_int_equal(ear.num_events, 3);
        assert_int_equal(last.num_events, 3);
        assert_int_equal(other.num_events, phase < 0 ? 1 : 0);
        assert_int_equal(other.num_late, 0);
        stop_listening(&ear);
        stop_listening(&last);
        pressure_destroy(&pressure);
    }
}

static void register_other(ear_t *ear)
{
    if (ear->other->registration == NULL)
        listen_to(ear->pressure, ear->other, 1);
}

static void test_a_newcomer_hears_the_next_broadcast(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t other = {0}, ear = {.action = register_other, .other = &other};

    (void)arg;
    listen_to(pressure, &ear, 0);
    fake_step(pressure, 100, 930);
    assert_int_equal(other.num_events, 0);
    fake_step(pressure, 100, 950);
    assert_int_equal(other.num_events, 1);
    stop_listening(&ear);
    stop_listening(&other);
    pressure_destroy(&pressure);
}

static void wait_inside(ear_t *ear)
{
    sem_post(&ear->entered);
    sem_wait(&ear->leave);
}

static void *run_step(void *arg)
{
    pressure_step(arg);
    return NULL;
}

static void *run_unregister(void *arg)
{
    ear_t *ear = arg;

    stop_listening(ear);
    atomic_store(&ear->gone, 1);
    return NULL;
}

/* the event is in the middle of a listener's call while another thread unregisters it: that waits, and is the end */
static void test_unregister_waits_for_the_call(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t ear = {.action = wait_inside};
    pthread_t stepper, leaver;

    (void)arg;
    sem_init(&ear.entered, 0, 0);
    sem_init(&ear.leave, 0, 0);
    listen_to(pressure, &ear, 0);
    fake.resident_bytes = 930 * FAKE_MIB;
    pthread_create(&stepper, NULL, run_step, pressure);
    sem_wait(&ear.entered);
    pthread_create(&leaver, NULL, run_unregister, &ear);
    for (unsigned i = 0; i < 2000; ++i)
        sched_yield();
    assert_int_equal(ear.gone, 0);
    /* if the leaver was too slow to begin, up to three calls come; each needs its turn */
    for (unsigned i = 0; i < 3; ++i)
        sem_post(&ear.leave);
    pthread_join(leaver, NULL);
    pthread_join(stepper, NULL);
    assert_true(ear.num_events >= 1);
    assert_int_equal(ear.num_late, 0);
    unsigned num_events = ear.num_events;
    fake_step(pressure, 100, 960);
    assert_int_equal(ear.num_events, num_events);
    sem_destroy(&ear.entered);
    sem_destroy(&ear.leave);
    pressure_destroy(&pressure);
}

/* while one listener is in its call, an other thread can register and unregister others, and read the snapshot: no lock is held */
static void test_no_lock_during_a_call(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t busy = {.action = wait_inside}, other = {0};
    pthread_t stepper;

    (void)arg;
    sem_init(&busy.entered, 0, 0);
    sem_init(&busy.leave, 0, 0);
    listen_to(pressure, &busy, 0);
    fake.resident_bytes = 720 * FAKE_MIB;
    pthread_create(&stepper, NULL, run_step, pressure);
    sem_wait(&busy.entered);
    listen_to(pressure, &other, 1);
    assert_int_equal(fake_snapshot(pressure).level, PRESSURE_ELEVATED);
    assert_int_equal(pressure_reserve(pressure, PRESSURE_CLASS_DECODE, FAKE_MIB), PRESSURE_OK);
    pressure_release(pressure, PRESSURE_CLASS_DECODE, FAKE_MIB);
    pressure_kick(pressure);
    stop_listening(&other);
    assert_int_equal(other.num_events, 0);
    sem_post(&busy.leave);
    pthread_join(stepper, NULL);
    stop_listening(&busy);
    sem_destroy(&busy.entered);
    sem_destroy(&busy.leave);
    pressure_destroy(&pressure);
}

typedef struct st_churn_t {
    pressure_t *pressure;
    atomic_int stop;
    atomic_uint num_rounds;
    unsigned num_late;
} churn_t;

static void *run_churn(void *arg)
{
    churn_t *churn = arg;

    while (!atomic_load(&churn->stop)) {
        ear_t ear = {0};
        unsigned round = atomic_fetch_add(&churn->num_rounds, 1);
        listen_to(churn->pressure, &ear, (int)(round % 3));
        if (round % 2)
            sched_yield();
        stop_listening(&ear);
        atomic_store(&ear.gone, 1);
        churn->num_late += ear.num_late;
    }
    return NULL;
}

/* a listener on the stack of a thread that comes and goes: a call after unregister would write into a dead frame */
static void test_churn_during_broadcasts(void **arg)
{
    pressure_t *pressure = fake_create(100);
    ear_t steady = {0};
    churn_t churns[2] = {{.pressure = pressure}, {.pressure = pressure}};
    pthread_t threads[2];

    (void)arg;
    listen_to(pressure, &steady, 1);
    for (unsigned i = 0; i < 2; ++i)
        pthread_create(&threads[i], NULL, run_churn, &churns[i]);
    for (unsigned i = 0; i < 1000 || churns[0].num_rounds < 1000 || churns[1].num_rounds < 1000; ++i)
        fake_step(pressure, 10000, i % 2 ? 930 : 100); /* critical, then normal after the dwell */
    for (unsigned i = 0; i < 2; ++i) {
        atomic_store(&churns[i].stop, 1);
        pthread_join(threads[i], NULL);
        assert_int_equal(churns[i].num_late, 0);
    }
    uint64_t expected = 0;
    for (unsigned level = 0; level < PRESSURE_NUM_LEVELS; ++level)
        expected += fake_snapshot(pressure).events[level];
    assert_int_equal(steady.num_events, expected);
    stop_listening(&steady);
    pressure_destroy(&pressure);
}

static void test_unregister_of_nothing(void **arg)
{
    pressure_t *pressure = fake_create(100);
    pressure_registration_t *none = NULL;

    (void)arg;
    pressure_unregister(pressure, &none);
    pressure_destroy(&pressure);
    pressure_destroy(&pressure);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_listener_unregisters_another), cmocka_unit_test(test_a_newcomer_hears_the_next_broadcast),
        cmocka_unit_test(test_unregister_waits_for_the_call),  cmocka_unit_test(test_no_lock_during_a_call),
        cmocka_unit_test(test_churn_during_broadcasts),        cmocka_unit_test(test_unregister_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
