/*
 * Everything at once, a bounded number of times: the coordinator's thread, a second stepper, threads that register and unregister,
 * threads that reserve, grow, shrink and release, one that reads snapshots and kicks. Meant for the thread sanitizer; on its own it
 * checks that no listener is called after unregister, that the events of each listener ascend within a generation, that the
 * reserved bytes never pass the mark together, and that nothing is reserved at the end. Exits with 0 if all of that held.
 *     stress_pressure [ROUNDS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "pressure/pressure.h"
#include "module/clock.h"

#define MIB ((uint64_t)1 << 20)
#define BUDGET (1000 * MIB)
#define NUM_EARS 2
#define NUM_WORKERS 3

typedef struct st_ear_t {
    atomic_int gone;
    uint64_t generation;
    pressure_level_t level;
} ear_t;

static struct {
    pressure_t *pressure;
    unsigned rounds;
    _Atomic uint64_t held_bytes, resident_bytes, num_samples;
    atomic_uint num_failures, num_events, num_running;
} stress;

static void expect(int holds, const char *what)
{
    if (!holds && atomic_fetch_add(&stress.num_failures, 1) < 10)
        fprintf(stderr, "stress_pressure: %s\n", what);
}

/* a wave through all levels; every 17th reading fails */
static int sample_wave(void *ctx, pressure_sample_t *sample)
{
    uint64_t n = atomic_fetch_add(&stress.num_samples, 1);

    (void)ctx;
    if (n % 17 == 16)
        return -1;
    sample->resident_bytes = n % 8 < 6 ? 100 * MIB : (650 + n * 37 % 320) * MIB;
    return 0;
}

static void drop_line(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

static pressure_result_t hear(void *ctx, const pressure_event_t *event)
{
    ear_t *ear = ctx;

    expect(!atomic_load(&ear->gone), "a listener was called after unregister");
    expect(event->generation > ear->generation || (event->generation == ear->generation && event->level > ear->level),
           "events of a listener do not ascend");
    expect(event->level <= event->final_level, "an event is above the final level");
    ear->generation = event->generation;
    ear->level = event->level;
    atomic_fetch_add(&stress.num_events, 1);
    return (pressure_result_t){.bytes_freed = event->generation % 2 * MIB, .objects_freed = 1};
}

static void *run_ear(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < stress.rounds; ++i) {
        ear_t ear = {0};
        pressure_listener_t listener = {.name = "ear", .phase = (int)(i % 3), .on_event = hear, .ctx = &ear};
        pressure_registration_t *registration;
        if (pressure_register(stress.pressure, &listener, &registration) != 0)
            break;
        pressure_kick(stress.pressure);
        if (i % 4 == 0)
            pressure_step(stress.pressure);
        pressure_unregister(stress.pressure, &registration);
        atomic_store(&ear.gone, 1);
    }
    atomic_fetch_sub(&stress.num_running, 1);
    return NULL;
}

static void *run_worker(void *arg)
{
    uint64_t number = (uint64_t)(uintptr_t)arg;

    for (uint64_t i = 0; i < stress.rounds; ++i) {
        pressure_class_t resource_class = (i + number) % 2 ? PRESSURE_CLASS_SOURCE : PRESSURE_CLASS_DECODE;
        uint64_t bytes = ((i * 7919 + number * 104729) % 300 + 1) * MIB, grown = bytes + 20 * MIB;
        if (pressure_reserve(stress.pressure, resource_class, bytes) != PRESSURE_OK)
            continue;
        if (pressure_resize(stress.pressure, resource_class, bytes, grown) == PRESSURE_OK)
            bytes = grown;
        expect(atomic_fetch_add(&stress.held_bytes, bytes) + bytes <= BUDGET / 10 * 8, "more is reserved than the mark allows");
        atomic_fetch_sub(&stress.held_bytes, bytes / 2);
        pressure_resize(stress.pressure, resource_class, bytes, bytes - bytes / 2);
        atomic_fetch_sub(&stress.held_bytes, bytes - bytes / 2);
        pressure_release(stress.pressure, resource_class, bytes - bytes / 2);
    }
    atomic_fetch_sub(&stress.num_running, 1);
    return NULL;
}

static void watch(void)
{
    pressure_snapshot_t snapshot;

    while (atomic_load(&stress.num_running) != 0) {
        pressure_get_snapshot(stress.pressure, &snapshot);
        expect(snapshot.level < PRESSURE_NUM_LEVELS && pressure_level(stress.pressure) < PRESSURE_NUM_LEVELS, "no such level");
        pressure_step(stress.pressure);
    }
    pressure_get_snapshot(stress.pressure, &snapshot);
    expect(snapshot.reserved_total_bytes == 0, "something is still reserved");
    expect(snapshot.reservations_granted != 0, "nothing was ever granted");
    expect(atomic_load(&stress.num_events) != 0, "no event was ever heard");
    printf("stress_pressure: %u rounds, %llu steps, %u events, %llu granted, %llu refused, %u failures\n", stress.rounds,
           (unsigned long long)snapshot.samples, atomic_load(&stress.num_events), (unsigned long long)snapshot.reservations_granted,
           (unsigned long long)snapshot.reservations_refused, atomic_load(&stress.num_failures));
}

int main(int argc, char **argv)
{
    pthread_t threads[NUM_EARS + NUM_WORKERS];
    pressure_config_t config;

    stress.rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
    pressure_config_init(&config);
    config.budget_bytes = BUDGET;
    config.dwell_ms = config.dwell_critical_ms = 0; /* falls at the next reading */
    config.sample = sample_wave;
    config.now_ms = sluice_exact_ms;
    config.log = drop_line;
    if ((stress.pressure = pressure_create(&config)) == NULL || pressure_start(stress.pressure) != 0)
        return 1;
    atomic_store(&stress.num_running, NUM_EARS + NUM_WORKERS);
    for (unsigned i = 0; i < NUM_EARS + NUM_WORKERS; ++i) {
        if (pthread_create(&threads[i], NULL, i < NUM_EARS ? run_ear : run_worker, (void *)(uintptr_t)i) != 0)
            return 1;
    }
    watch();
    for (unsigned i = 0; i < NUM_EARS + NUM_WORKERS; ++i)
        pthread_join(threads[i], NULL);
    pressure_destroy(&stress.pressure);
    return atomic_load(&stress.num_failures) == 0 ? 0 : 1;
}
