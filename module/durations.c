#include "module/durations.h"

static const uint64_t bounds_us[SLUICE_NUM_DURATIONS - 1] = {100,    1000,   5000,    10000,   25000,   50000,    100000,
                                                             250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};

size_t sluice_duration_bucket(uint64_t us)
{
    size_t bucket = 0;

    while (bucket != SLUICE_NUM_DURATIONS - 1 && us > bounds_us[bucket])
        ++bucket;
    return bucket;
}

void sluice_durations_count(sluice_durations_t *durations, uint64_t us, uint64_t weight)
{
    sluice_count(durations->buckets + sluice_duration_bucket(us), weight);
    sluice_count(&durations->sum_us, us * weight);
}
