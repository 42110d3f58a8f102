/*
 * A server as the leak detector sees it, under a fake clock: resident bytes, bytes of the caches, requests, free bytes of the heap
 * and reclaims, one sample every ten seconds. All of it comes from a seed.
 *
 *   unaccounted = base + warm-up + overhead of the caches + work under way + noise + what the case adds: a leak, or what looks like
 * one
 */
#include <math.h>
#include <stdlib.h>
#include "pressure/leak.h"

#define SIM_MB 1e6
#define SIM_STEP_S 10
#define SIM_HOUR 3600.0
#define SIM_BUDGET (UINT64_C(4) << 30)

typedef enum en_sim_traffic_t {
    SIM_IDLE,
    SIM_STEADY,
    SIM_DIURNAL,
    SIM_BURSTS,
    SIM_CHURN,    /* with reclaims, and a heap that gives back late */
    SIM_RESTARTS, /* of the caches */
    SIM_NUM_TRAFFICS
} sim_traffic_t;

typedef enum en_sim_extra_t {
    SIM_LEAK,            /* so many MB/h, all the time */
    SIM_LEAK_OF_TRAFFIC, /* the same on average, in proportion to the traffic */
    SIM_NOTHING,
    SIM_WARM_CACHE,    /* fills for hours, with overhead that nobody accounts for */
    SIM_FRAGMENTATION, /* grows with the logarithm of time */
    SIM_STAIRCASE,     /* few steps, then flat */
    SIM_SAWTOOTH,
    SIM_RELOAD_STEP,
    SIM_ARENAS, /* heaps of threads that fill one after the other, slower and slower */
    SIM_LOUD_NOISE,
    SIM_MORE_LOAD, /* ramps up within an hour, and stays */
    SIM_BOUNDED,   /* grows for two hours, then flat */
    SIM_NUM_EXTRAS
} sim_extra_t;

typedef struct st_sim_t {
    sim_traffic_t traffic;
    sim_extra_t extra;
    double amount_mb; /* per hour if it is a leak, else at most */
    uint64_t random;
    double base, warm, warm_s, work, drift, noise, phase, capacity, fill_s, overhead;
    double t, cached, heap_late, leaked, load, burst_until, reclaim_at, requests, steps[4], start_s, period_s;
    int bursting, reclaimed, knows_heap;
} sim_t;

static double sim_uniform(sim_t *sim, double low, double high)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return low + (high - low) * (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static double sim_normal(sim_t *sim)
{
    double sum = -2;
    for (int i = 0; i != 4; ++i)
        sum += sim_uniform(sim, 0, 1);
    return sum * 1.732;
}

static void sim_init(sim_t *sim, sim_traffic_t traffic, sim_extra_t extra, double amount_mb, uint64_t seed)
{
    *sim = (sim_t){.traffic = traffic, .extra = extra, .amount_mb = amount_mb, .random = seed * 7919 + 1};
    sim->base = sim_uniform(sim, 45, 200);
    sim->warm = sim_uniform(sim, 5, 30);
    sim->warm_s = sim_uniform(sim, 60, 500);
    sim->work = sim_uniform(sim, 2, 60);
    sim->noise = sim_uniform(sim, 0.1, extra == SIM_LOUD_NOISE ? 12 : 1);
    sim->phase = sim_uniform(sim, 0, 24 * SIM_HOUR);
    sim->capacity = sim_uniform(sim, 64, 512);
    sim->fill_s = extra == SIM_WARM_CACHE ? sim_uniform(sim, 1, 8) * SIM_HOUR : sim_uniform(sim, 120, 1800);
    sim->overhead = extra == SIM_WARM_CACHE ? sim_uniform(sim, 0.03, 0.2) : sim_uniform(sim, 0, 0.05);
    sim->start_s = sim_uniform(sim, 0.3, 10) * SIM_HOUR;
    sim->period_s = sim_uniform(sim, 0.1, 6) * SIM_HOUR;
    sim->knows_heap = sim_uniform(sim, 0, 1) < 0.5;
    for (size_t i = 0; i != 4; ++i)
        sim->steps[i] = sim_uniform(sim, 0.2, 12) * SIM_HOUR;
}

static int sim_is_leak(const sim_t *sim)
{
    return sim->extra <= SIM_LEAK_OF_TRAFFIC;
}

static void sim_move_load(sim_t *sim)
{
    double day = 0.6 + 0.4 * sin(2 * M_PI * (sim->t + sim->phase) / (24 * SIM_HOUR));

    if (sim->t >= sim->burst_until) {
        sim->bursting = !sim->bursting;
        sim->burst_until = sim->t + sim_uniform(sim, 60, 2400);
    }
    switch (sim->traffic) {
    case SIM_IDLE:
        sim->load = 0;
        break;
    case SIM_DIURNAL:
        sim->load = day;
        break;
    case SIM_BURSTS:
        sim->load = sim->bursting ? 1 : 0.05;
        break;
    default:
        sim->load = 0.7;
    }
    if (sim->extra == SIM_MORE_LOAD) {
        double ramp = (sim->t - sim->start_s) / (0.5 * sim->period_s);
        sim->load *= ramp <= 0 ? 0.3 : ramp < 1 ? 0.3 + 0.7 * ramp : 1;
    }
}

static void sim_move_cache(sim_t *sim)
{
    double full = sim->traffic == SIM_IDLE ? 0.2 * sim->capacity : sim->capacity;

    sim->cached += (full - sim->cached) * SIM_STEP_S / sim->fill_s;
    sim->heap_late *= 1 - SIM_STEP_S / 240.0;
    sim->reclaimed = 0;
    if ((sim->traffic != SIM_CHURN && sim->traffic != SIM_RESTARTS) || sim->t < sim->reclaim_at)
        return;
    double left = sim->traffic == SIM_CHURN ? 0.6 : 0;
    sim->reclaim_at = sim->t + (sim->traffic == SIM_CHURN ? sim_uniform(sim, 600, 3600) : sim_uniform(sim, 2, 9) * SIM_HOUR);
    sim->heap_late += sim->cached * (1 - left) * sim_uniform(sim, 0, 0.3);
    sim->cached *= left;
    sim->reclaimed = 1;
}

/* what looks like a leak, 0 to 1 */
static double sim_lookalike(sim_t *sim)
{
    double t = sim->t, sum = 0;

    switch (sim->extra) {
    case SIM_FRAGMENTATION:
        return log(1 + t / 900) / log(1 + 48 * 4);
    case SIM_STAIRCASE:
        for (size_t i = 0; i != 4; ++i)
            sum += t > sim->steps[i] ? 0.25 : 0;
        return sum;
    case SIM_SAWTOOTH:
        return fmod(t + sim->phase, sim->period_s) / sim->period_s;
    case SIM_RELOAD_STEP:
        return t > sim->start_s;
    case SIM_ARENAS: /* the nth after n^2 parts of the period */
        for (int i = 1; i != 9; ++i)
            sum += 0.125 * (1 - exp(-fmax(t - 0.04 * i * i * sim->period_s, 0) / 600));
        return sum;
    case SIM_MORE_LOAD:
        return sim->load;
    case SIM_BOUNDED:
        return fmin(t / (2 * SIM_HOUR), 1);
    default:
        return 0;
    }
}

static void sim_next(sim_t *sim, pressure_leak_sample_t *sample)
{
    sim->t += SIM_STEP_S;
    sim_move_load(sim);
    sim_move_cache(sim);
    sim->drift += -sim->drift * SIM_STEP_S / 600 + sim->noise * 0.18 * sim_normal(sim);
    sim->requests += sim->load * 50 * SIM_STEP_S;
    if (sim_is_leak(sim))
        sim->leaked += sim->amount_mb * SIM_STEP_S / SIM_HOUR * (sim->extra == SIM_LEAK_OF_TRAFFIC ? sim->load / 0.6 : 1);
    double other = sim_is_leak(sim) ? sim->leaked : sim->amount_mb * sim_lookalike(sim);
    double work = sim->work * sim->load * (0.2 - log(sim_uniform(sim, 1e-3, 1)) / 2);
    double heap_free = sim->heap_late + (sim->extra == SIM_FRAGMENTATION ? other : 0) + 3 + fabs(sim->drift);
    double unaccounted = sim->base + sim->warm * (1 - exp(-sim->t / sim->warm_s)) + sim->overhead * sim->cached + sim->heap_late +
                         work + sim->drift + other;
    *sample = (pressure_leak_sample_t){.now_ms = (uint64_t)(sim->t * 1000) + 1000000,
                                       .resident_bytes = (uint64_t)(fmax(unaccounted, 1) * SIM_MB + sim->cached * SIM_MB),
                                       .accounted_bytes = (uint64_t)(sim->cached * SIM_MB),
                                       .budget_bytes = SIM_BUDGET,
                                       .requests = (uint64_t)sim->requests,
                                       .heap_free_bytes = sim->knows_heap ? (uint64_t)(heap_free * SIM_MB) : PRESSURE_LEAK_UNKNOWN,
                                       .reclaimed = sim->reclaimed};
}

typedef struct st_sim_result_t {
    double suspected_h, likely_h; /* -1: never */
    pressure_leak_span_t why;     /* at the latter */
} sim_result_t;

static sim_result_t sim_run(pressure_leak_t *leak, sim_t *sim, double hours)
{
    sim_result_t result = {-1, -1, {0}};
    pressure_leak_config_t config;
    pressure_leak_sample_t sample;

    pressure_leak_config_init(&config);
    pressure_leak_init(leak, &config);
    while (sim->t < hours * SIM_HOUR && result.likely_h < 0) {
        sim_next(sim, &sample);
        pressure_leak_feed(leak, &sample);
        if (leak->report.verdict >= PRESSURE_LEAK_SUSPECTED && result.suspected_h < 0)
            result.suspected_h = sim->t / SIM_HOUR;
        if (leak->report.verdict == PRESSURE_LEAK_LIKELY) {
            result.likely_h = sim->t / SIM_HOUR;
            result.why = leak->report.best;
        }
    }
    return result;
}
