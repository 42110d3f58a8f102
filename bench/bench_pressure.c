/*
 * bench_pressure [operations]
 * bench_pressure --count KIND OPERATIONS
 *
 * What the parts of the pressure coordinator cost, in nanoseconds: the median of the rounds, and the fastest.
 *   empty          the loop alone
 *   filter         the level as the front filter asks for it
 *   reserve        a reservation and its release
 *   reserve-2      the same by two threads at once, per operation of one of them
 *   kick           of a coordinator that has been kicked already
 *   first-kick     the first one since a step, with nobody asleep
 *   sample         one sample in a calm time: the resident set
 *   sample-group   one that looks at the memory cgroup as well
 *   step           a whole step when all is calm
 *   cycle          the CPU time of a thread that sleeps for a millisecond and takes such a step, per step: what one period costs
 * Rows from `filter` to `first-kick` include the loop. With --count, one thread does that many operations of one kind, for a tool
 * that counts instructions (bench/pressure.py).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "pressure/meter.h"
#include "pressure/pressure_private.h"

#define RESERVED_BYTES                                                                                                             \
    4096 /* little: a thread that is interrupted while it reserves takes what others reserve meanwhile for unreleased */
#define ROUNDS 15
#define BUDGET_BYTES ((uint64_t)64 << 30)
#define SLOW_SHARE 500 /* of a kind that makes system calls, one operation for so many of the others */
#define MAX_CYCLES 200

static pressure_t *pressure;
static pressure_meter_t *meter, *group_meter;
static volatile unsigned refused; /* keeps the loops from being left out */

static double read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static uint64_t now_ms(void)
{
    return (uint64_t)(read_clock(CLOCK_MONOTONIC) / 1e6);
}

static void do_nothing(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i)
        __asm__ volatile("" ::: "memory");
}

static void ask_level(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i) {
        __asm__ volatile("" ::: "memory"); /* the filter comes to it through two pointers each time */
        if (pressure_level(pressure) >= PRESSURE_CRITICAL)
            ++refused;
    }
}

static void reserve(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i) {
        if (pressure_reserve(pressure, PRESSURE_CLASS_DECODE, RESERVED_BYTES) != PRESSURE_OK)
            abort();
        pressure_release(pressure, PRESSURE_CLASS_DECODE, RESERVED_BYTES);
    }
}

static void *run_reserve(void *operations)
{
    reserve(*(unsigned long *)operations);
    return NULL;
}

static void reserve_on_two(unsigned long operations)
{
    pthread_t other;

    if (pthread_create(&other, NULL, run_reserve, &operations) != 0)
        abort();
    reserve(operations);
    pthread_join(other, NULL);
}

static void kick(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i)
        pressure_kick(pressure);
}

static void kick_first(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i) {
        atomic_store(&pressure->nap.kicked, 0);
        pressure_kick(pressure);
    }
}

/* a clock by which it is time for the group at each look */
static uint64_t later_ms(void)
{
    static uint64_t now;
    return now += 10000;
}

static void sample_from(pressure_meter_t *from, unsigned long operations)
{
    pressure_sample_t read;

    for (unsigned long i = 0; i < operations; ++i)
        if (pressure_meter_sample(from, &read) != 0)
            abort();
}

static void sample(unsigned long operations)
{
    sample_from(meter, operations);
}

static void sample_group(unsigned long operations)
{
    sample_from(group_meter, operations);
}

static pressure_meter_t *create_meter(uint64_t (*clock_ms)(void))
{
    const pressure_meter_config_t config = {
        .proc_root = "/proc", .sys_root = "/sys/fs/cgroup", .stale_after_ms = 3000, .now_ms = clock_ms};

    return pressure_meter_create(&config);
}

static void step(unsigned long operations)
{
    for (unsigned long i = 0; i < operations; ++i) {
        pressure_step(pressure);
        if (pressure_level(pressure) != PRESSURE_NORMAL)
            abort();
    }
}

static const struct {
    const char *name;
    void (*run)(unsigned long operations);
    int slow;
} kinds[] = {{"empty", do_nothing, 0}, {"filter", ask_level, 0},      {"reserve", reserve, 0}, {"reserve-2", reserve_on_two, 0},
             {"kick", kick, 0},        {"first-kick", kick_first, 0}, {"sample", sample, 1},   {"sample-group", sample_group, 1},
             {"step", step, 1}};
#define NUM_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static double measure(size_t kind, unsigned long operations)
{
    double from_ns = read_clock(CLOCK_MONOTONIC);

    kinds[kind].run(operations);
    return (read_clock(CLOCK_MONOTONIC) - from_ns) / (double)operations;
}

static double measure_cycle(unsigned long cycles)
{
    const struct timespec nap = {0, 1000000};
    double from_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);

    for (unsigned long i = 0; i < cycles; ++i) {
        nanosleep(&nap, NULL);
        step(1);
    }
    return (read_clock(CLOCK_THREAD_CPUTIME_ID) - from_ns) / (double)cycles;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, double *took_ns)
{
    qsort(took_ns, ROUNDS, sizeof(*took_ns), compare);
    printf("%-12s %9.1f %9.1f\n", name, took_ns[ROUNDS / 2], took_ns[0]);
}

static unsigned long share_of(size_t kind, unsigned long operations)
{
    return kinds[kind].slow ? operations / SLOW_SHARE + 1 : operations;
}

static void measure_all(unsigned long operations)
{
    static double took_ns[NUM_KINDS + 1][ROUNDS];
    unsigned long cycles = operations / SLOW_SHARE + 1;

    for (int round = 0; round < ROUNDS; ++round) {
        for (size_t kind = 0; kind < NUM_KINDS; ++kind)
            took_ns[kind][round] = measure(kind, share_of(kind, operations));
        took_ns[NUM_KINDS][round] = measure_cycle(cycles < MAX_CYCLES ? cycles : MAX_CYCLES);
    }
    printf("%-12s %9s %9s\n", "", "median ns", "fastest");
    for (size_t kind = 0; kind < NUM_KINDS; ++kind)
        print(kinds[kind].name, took_ns[kind]);
    print("cycle", took_ns[NUM_KINDS]);
}

static int count(const char *name, unsigned long operations)
{
    for (size_t kind = 0; kind < NUM_KINDS; ++kind)
        if (strcmp(kinds[kind].name, name) == 0) {
            kinds[kind].run(operations);
            return 0;
        }
    fprintf(stderr, "bench_pressure: unknown kind: %s\n", name);
    return 1;
}

int main(int argc, char **argv)
{
    int counting = argc == 4 && strcmp(argv[1], "--count") == 0, result = 0;
    unsigned long operations = strtoul(counting ? argv[3] : argc > 1 ? argv[1] : "1000000", NULL, 10);
    pressure_config_t config;

    pressure_config_init(&config);
    config.budget_bytes = BUDGET_BYTES;
    config.sample = pressure_meter_sample;
    config.sample_ctx = meter = create_meter(now_ms);
    config.now_ms = now_ms;
    group_meter = create_meter(later_ms);
    if (operations == 0 || meter == NULL || group_meter == NULL || (pressure = pressure_create(&config)) == NULL) {
        fprintf(stderr, "bench_pressure: takes a number of operations\n");
        return 1;
    }
    if (counting)
        result = count(argv[2], operations);
    else
        measure_all(operations);
    pressure_destroy(&pressure);
    pressure_meter_destroy(&meter);
    pressure_meter_destroy(&group_meter);
    return result;
}
