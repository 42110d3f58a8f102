/*
 * The judgement of one span: floors --least of each bin--> bins --Theil-Sen--> growth --> points and reason.
 *
 * Bins are numbered from the oldest on. A bin that nothing is known of is left out of everything.
 */
#include <math.h>
#include "pressure/leak.h"

#define DAY_MS 86400000
#define MIN_PAIRS 20
#define QUARTERS 4

typedef struct st_span_kind_t {
    uint64_t windows;
    size_t windows_per_bin;
    int by_days;
} span_kind_t;

/* the first of them by windows, the others by tens of them */
static const span_kind_t kinds[PRESSURE_LEAK_SPANS] = {
    {15, 1, 0},    {30, 1, 0},    {60, 2, 0},     {120, 4, 0},     {240, 8, 0},    {480, 10, 0},   {960, 20, 0},
    {1920, 40, 0}, {2880, 60, 0}, {5760, 120, 0}, {11520, 240, 0}, {5760, 120, 1}, {11520, 240, 1}};

typedef struct st_bin_t {
    int known, reclaimed;
    double floor, accounted, heap_free, requests; /* heap_free < 0: not known; requests per window */
} bin_t;

typedef struct st_bins_t {
    bin_t bins[PRESSURE_LEAK_MAX_BINS];
    size_t count, known, first; /* first: that is known; count if none is */
} bins_t;

typedef struct st_trend_t {
    double slope;  /* bytes per bin */
    double rising; /* part of the pairs */
    size_t pairs;
} trend_t;

uint64_t pressure_leak_span_windows(size_t index)
{
    return kinds[index].windows;
}

uint64_t pressure_leak_span_pace(size_t index)
{
    return kinds[index].windows_per_bin;
}

/* --- floors to bins */

static void add_floor(bin_t *bin, const pressure_leak_floor_t *floor)
{
    double heap_free = floor->heap_free_bytes == PRESSURE_LEAK_UNKNOWN ? -1 : (double)floor->heap_free_bytes;

    bin->reclaimed |= floor->reclaimed;
    bin->requests += (double)floor->requests;
    if (!bin->known || (double)floor->floor_bytes < bin->floor)
        bin->floor = (double)floor->floor_bytes;
    if (!bin->known || (double)floor->accounted_bytes > bin->accounted)
        bin->accounted = (double)floor->accounted_bytes;
    if (!bin->known || heap_free < bin->heap_free)
        bin->heap_free = heap_free;
    ++bin->known;
}

/**
 * the windows before the last `skip` ones
 */
static void collect(const pressure_leak_t *leak, const span_kind_t *kind, uint64_t skip, bins_t *out)
{
    int coarse = kind->windows + skip > PRESSURE_LEAK_FINE;
    size_t ratio = coarse ? PRESSURE_LEAK_RATIO : 1;
    size_t per_bin = kind->windows_per_bin > ratio ? kind->windows_per_bin / ratio : 1;
    const pressure_leak_series_t *series = coarse ? &leak->coarse : &leak->fine;

    *out = (bins_t){.count = kind->windows / ratio / per_bin};
    out->first = out->count;
    for (size_t i = out->count; i-- != 0;) {
        bin_t *bin = out->bins + i;
        for (size_t j = 0; j != per_bin; ++j) {
            const pressure_leak_floor_t *floor = pressure_leak_floor(series, skip / ratio + (out->count - 1 - i) * per_bin + j);
            if (floor != NULL)
                add_floor(bin, floor);
        }
        if (bin->known) {
            bin->requests /= bin->known * (double)ratio;
            out->first = i;
            ++out->known;
        }
    }
}

/* --- the trend */

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

/* Hoare's selection; reorders the values */
static double median(double *values, size_t count)
{
    size_t from = 0, to = count - 1, k = count / 2;

    while (from < to) {
        double pivot = values[from + (to - from) / 2];
        size_t i = from, j = to;
        while (1) {
            while (values[i] < pivot)
                ++i;
            while (values[j] > pivot)
                --j;
            if (i >= j)
                break;
            swap(values + i++, values + j--);
        }
        if (k <= j)
            to = j;
        else
            from = j + 1;
    }
    return values[k];
}

/**
 * @param stride the distances of pairs are multiples of it
 * @param reclaimed only bins with a reclaim
 */
static trend_t theil_sen(double *scratch, const bins_t *bins, size_t stride, int reclaimed)
{
    trend_t trend = {0};
    size_t rising = 0;

    for (size_t i = 0; i != bins->count; ++i) {
        for (size_t j = i + stride; j < bins->count; j += stride) {
            const bin_t *a = bins->bins + i, *b = bins->bins + j;
            if (!a->known || !b->known || (reclaimed && !(a->reclaimed && b->reclaimed)))
                continue;
            scratch[trend.pairs++] = (b->floor - a->floor) / (double)(j - i);
            rising += b->floor > a->floor;
        }
    }
    if (trend.pairs != 0) {
        trend.slope = median(scratch, trend.pairs);
        trend.rising = (double)rising / (double)trend.pairs;
    }
    return trend;
}

/* --- parts of the span against each other */

typedef double (*field_cb)(const bin_t *bin);

static double floor_of(const bin_t *bin)
{
    return bin->floor;
}

static double accounted_of(const bin_t *bin)
{
    return bin->accounted;
}

static double heap_free_of(const bin_t *bin)
{
    return bin->heap_free;
}

static double requests_of(const bin_t *bin)
{
    return bin->requests;
}

/* the median of a quarter of what is known */
static double quarter(double *scratch, const bins_t *bins, size_t number, field_cb field)
{
    size_t length = bins->count - bins->first, count = 0;

    for (size_t i = bins->first + length * number / QUARTERS; i != bins->first + length * (number + 1) / QUARTERS; ++i)
        if (bins->bins[i].known)
            scratch[count++] = field(bins->bins + i);
    return count != 0 ? median(scratch, count) : NAN;
}

/* by how much it has risen over the whole span, of which the quarters' middles see three fourths */
static double rise(double *scratch, const bins_t *bins, field_cb field)
{
    return (quarter(scratch, bins, QUARTERS - 1, field) - quarter(scratch, bins, 0, field)) * QUARTERS / (QUARTERS - 1);
}

/* how much the floor rose from each quarter, or day, to the next */
static size_t get_rises(double *scratch, const bins_t *bins, size_t stride, double *rises)
{
    size_t num_rises = 0;

    if (stride == 1) {
        for (size_t i = 1; i != QUARTERS; ++i)
            rises[num_rises++] = quarter(scratch, bins, i, floor_of) - quarter(scratch, bins, i - 1, floor_of);
        return num_rises;
    }
    for (size_t day_end = bins->count; day_end >= 2 * stride; day_end -= stride) {
        size_t count = 0;
        for (size_t i = day_end - stride; i != day_end; ++i)
            if (bins->bins[i].known && bins->bins[i - stride].known)
                scratch[count++] = bins->bins[i].floor - bins->bins[i - stride].floor;
        if (count < stride / 2)
            break;
        rises[num_rises++] = median(scratch, count);
    }
    for (size_t i = 0; i < num_rises / 2; ++i)
        swap(rises + i, rises + num_rises - 1 - i);
    return num_rises;
}

static pressure_leak_reason_t judge_course(double *scratch, const bins_t *bins, size_t stride)
{
    double rises[PRESSURE_LEAK_MAX_BINS], mean = 0, lowest = INFINITY;
    size_t num_rises = get_rises(scratch, bins, stride, rises);

    if (num_rises < 2)
        return PRESSURE_LEAK_STEPS;
    for (size_t i = 0; i != num_rises; ++i) {
        mean += rises[i] / (double)num_rises;
        lowest = fmin(lowest, rises[i]);
    }
    if (!(rises[num_rises - 1] >= 0.75 * mean))
        return PRESSURE_LEAK_LEVELS_OFF;
    return lowest >= 0.3 * mean ? PRESSURE_LEAK_UNEXPLAINED : PRESSURE_LEAK_STEPS;
}

/* --- points */

static double clip(double value)
{
    return value > 0 ? (value < 1 ? value : 1) : 0;
}

static double needed_bytes(const pressure_leak_t *leak, const bins_t *bins, double windows)
{
    double scale = fmin(sqrt(60 / windows), 2), least = (double)leak->config.min_growth_bytes / 5;

    return fmax(least, scale * fmin((double)leak->config.min_growth_bytes, bins->bins[bins->first].floor / 2));
}

/* the highest floor before the span, 0: none is known */
static double highest_before(const pressure_leak_t *leak, const pressure_leak_span_t *span)
{
    double highest = 0;

    for (size_t i = span->span_ms / leak->config.window_ms / PRESSURE_LEAK_RATIO + 1; i < leak->coarse.size; ++i) {
        const pressure_leak_floor_t *floor = pressure_leak_floor(&leak->coarse, i);
        if (floor != NULL)
            highest = fmax(highest, (double)floor->floor_bytes);
    }
    return highest;
}

/* the part of the growth that goes beyond all that was there before */
static double part_not_seen(pressure_leak_t *leak, const bins_t *bins, const pressure_leak_span_t *span)
{
    double last = quarter(leak->scratch, bins, QUARTERS - 1, floor_of);

    return (last - highest_before(leak, span)) / span->growth_bytes;
}

static void give_points(pressure_leak_t *leak, const bins_t *bins, const trend_t *trend, const trend_t *reclaims,
                        pressure_leak_span_t *out)
{
    double length = (double)(bins->count - bins->first);
    double heap_free = rise(leak->scratch, bins, heap_free_of);

    out->points.growth = (unsigned)(40 * clip(out->growth_bytes / out->needed_bytes - 0.5) + 0.5);
    out->points.steadiness = (unsigned)(20 * clip((trend->rising - 0.6) / 0.3) + 0.5);
    out->points.peak = (unsigned)(20 * clip(2 * part_not_seen(leak, bins, out)) + 0.5);
    if (reclaims->pairs >= 3)
        out->points.reclaim_inefficiency = (unsigned)(15 * clip(reclaims->slope * length / out->needed_bytes) + 0.5);
    out->points.other = bins->bins[bins->first].heap_free >= 0 && heap_free < out->growth_bytes / 2 ? 5 : 0;
}

static int was_faster(pressure_leak_t *leak, const span_kind_t *kind, double slope)
{
    bins_t before;

    collect(leak, kind, kind->windows, &before);
    if (before.known * 2 < before.count)
        return 0;
    double windows_per_bin = (double)kind->windows / (double)before.count;
    return theil_sen(leak->scratch, &before, 1, 0).slope / windows_per_bin > 1.5 * slope;
}

static pressure_leak_reason_t find_reason(pressure_leak_t *leak, const span_kind_t *kind, const bins_t *bins, size_t stride,
                                          const trend_t *trend, const trend_t *reclaims, const pressure_leak_span_t *span)
{
    double *scratch = leak->scratch, growth = span->growth_bytes, length = (double)(bins->count - bins->first);
    pressure_leak_reason_t course = judge_course(scratch, bins, stride);

    if (rise(scratch, bins, accounted_of) >= 4 * growth)
        return PRESSURE_LEAK_CACHES_GROW;
    if (growth < 4.0 * (double)leak->config.min_growth_bytes &&
        quarter(scratch, bins, QUARTERS - 1, requests_of) > 4.0 / 3 * quarter(scratch, bins, 0, requests_of) + 6)
        return PRESSURE_LEAK_TRAFFIC_GREW;
    if (course != PRESSURE_LEAK_UNEXPLAINED)
        return course;
    if (part_not_seen(leak, bins, span) < 0.25)
        return PRESSURE_LEAK_SEEN_BEFORE;
    if (was_faster(leak, kind, trend->slope / (double)kind->windows * (double)bins->count))
        return PRESSURE_LEAK_LEVELS_OFF;
    if (bins->bins[bins->first].heap_free >= 0 && rise(scratch, bins, heap_free_of) >= 0.75 * growth)
        return PRESSURE_LEAK_HEAP_FREE;
    if (reclaims->pairs >= 3 && reclaims->slope * length < growth / 4)
        return PRESSURE_LEAK_RECLAIMED;
    return PRESSURE_LEAK_UNEXPLAINED;
}

static unsigned sum_up(const pressure_leak_span_t *span)
{
    const pressure_leak_points_t *p = &span->points;
    unsigned sum = p->growth + p->steadiness + p->peak + p->reclaim_inefficiency + p->other;

    if (p->growth == 0)
        return 0;
    return span->reason != PRESSURE_LEAK_UNEXPLAINED && sum > 49 ? 49 : sum;
}

void pressure_leak_judge_span(pressure_leak_t *leak, size_t index, pressure_leak_span_t *out)
{
    const span_kind_t *kind = kinds + index;
    bins_t bins;

    *out = (pressure_leak_span_t){.by_days = kind->by_days};
    collect(leak, kind, 0, &bins);
    if (bins.known * 4 < bins.count * 3)
        return;
    uint64_t bin_ms = kind->windows / bins.count * leak->config.window_ms;
    if (kind->by_days && DAY_MS % bin_ms != 0)
        return;
    size_t stride = kind->by_days ? DAY_MS / bin_ms : 1;
    trend_t trend = theil_sen(leak->scratch, &bins, stride, 0), reclaims = theil_sen(leak->scratch, &bins, stride, 1);
    if (trend.pairs < MIN_PAIRS)
        return;
    out->span_ms = (bins.count - bins.first) * bin_ms;
    out->growth_bytes = trend.slope * (double)(bins.count - bins.first);
    out->bytes_per_hour = trend.slope / (double)bin_ms * 3600000;
    out->needed_bytes = needed_bytes(leak, &bins, (double)out->span_ms / (double)leak->config.window_ms);
    give_points(leak, &bins, &trend, &reclaims, out);
    if (out->points.growth != 0)
        out->reason = find_reason(leak, kind, &bins, stride, &trend, &reclaims, out);
    out->confidence = sum_up(out);
}
