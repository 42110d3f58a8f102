/*
 * A world for the coordinator's tests: a clock that is set by hand, a resident set that is set by hand, a log that is kept.
 * One budget of 1000 MiB, so that a permille is about a MiB.
 */
#ifndef tests__unit__test_pressure_fake_h
#define tests__unit__test_pressure_fake_h

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "pressure/pressure_private.h"

#define FAKE_MIB ((uint64_t)1 << 20)
#define FAKE_BUDGET (1000 * FAKE_MIB)

static struct {
    uint64_t now_ms, resident_bytes;
    int sample_fails;
    unsigned num_samples, num_purges, num_lines;
    uint64_t purge_returns_bytes; /* what a purge takes off the resident set */
    uint64_t purge_lasts_ms;
    char lines[32][512];
} fake;

static inline uint64_t fake_now_ms(void)
{
    return fake.now_ms;
}

static inline int fake_sample(void *ctx, pressure_sample_t *sample)
{
    (void)ctx;
    ++fake.num_samples;
    if (fake.sample_fails)
        return -1;
    sample->resident_bytes = fake.resident_bytes;
    return 0;
}

static inline uint64_t fake_purge(void *ctx)
{
    uint64_t returned_bytes = fake.purge_returns_bytes;

    (void)ctx;
    ++fake.num_purges;
    fake.resident_bytes -= returned_bytes;
    fake.purge_returns_bytes = 0;
    fake.now_ms += fake.purge_lasts_ms;
    return returned_bytes;
}

static inline void fake_log(void *ctx, const char *line)
{
    (void)ctx;
    snprintf(fake.lines[fake.num_lines++ % 32], sizeof(fake.lines[0]), "%s", line);
}

static inline const char *fake_last_line(void)
{
    return fake.num_lines == 0 ? "" : fake.lines[(fake.num_lines - 1) % 32];
}

static inline pressure_config_t fake_config(void)
{
    pressure_config_t config;

    memset(&fake, 0, sizeof(fake));
    fake.now_ms = 1000000;
    pressure_config_init(&config);
    config.budget_bytes = FAKE_BUDGET;
    config.sample = fake_sample;
    config.now_ms = fake_now_ms;
    config.purge = fake_purge;
    config.log = fake_log;
    return config;
}

/**
 * a coordinator in the fake world, whose resident set begins at so many MiB
 */
static inline pressure_t *fake_create(uint64_t resident_mib)
{
    pressure_config_t config = fake_config();
    pressure_t *pressure;

    fake.resident_bytes = resident_mib * FAKE_MIB;
    pressure = pressure_create(&config);
    assert_non_null(pressure);
    return pressure;
}

static inline uint64_t fake_step(pressure_t *pressure, uint64_t after_ms, uint64_t resident_mib)
{
    fake.now_ms += after_ms;
    fake.resident_bytes = resident_mib * FAKE_MIB;
    return pressure_step(pressure);
}

static inline pressure_snapshot_t fake_snapshot(pressure_t *pressure)
{
    pressure_snapshot_t snapshot;

    pressure_get_snapshot(pressure, &snapshot);
    return snapshot;
}

/**
 * a random sequence that is the same everywhere
 */
static inline uint32_t fake_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

#endif
