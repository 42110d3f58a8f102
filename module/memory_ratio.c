#include "module/memory_ratio.h"

static const double bounds[SLUICE_NUM_RATIOS - 1] = {0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25};

int sluice_was_alone(const sluice_company_t *at_begin, const sluice_company_t *at_end)
{
    return at_begin->transforms_begun == at_begin->transforms_ended + 1 && at_end->transforms_begun == at_begin->transforms_begun &&
           at_end->transforms_ended == at_begin->transforms_ended && at_begin->fetches_in_progress == 0 &&
           at_end->fetches_in_progress == 0 && at_end->fetches_begun == at_begin->fetches_begun &&
           at_end->reclaims == at_begin->reclaims;
}

static double ratio_of(uint64_t taken_bytes, uint64_t estimate_bytes)
{
    return (double)taken_bytes / (double)(estimate_bytes != 0 ? estimate_bytes : 1);
}

size_t sluice_ratio_bucket(uint64_t taken_bytes, uint64_t estimate_bytes)
{
    size_t bucket = 0;

    while (bucket != SLUICE_NUM_RATIOS - 1 && ratio_of(taken_bytes, estimate_bytes) > bounds[bucket])
        ++bucket;
    return bucket;
}

int sluice_is_overrun(uint64_t taken_bytes, uint64_t estimate_bytes)
{
    return sluice_ratio_bucket(taken_bytes, estimate_bytes) == SLUICE_NUM_RATIOS - 1;
}

void sluice_ratios_count(sluice_ratios_t *ratios, uint64_t taken_bytes, uint64_t estimate_bytes)
{
    sluice_count(ratios->buckets + sluice_ratio_bucket(taken_bytes, estimate_bytes), 1);
    sluice_count(&ratios->sum_millionths, (uint64_t)(ratio_of(taken_bytes, estimate_bytes) * 1e6));
}
