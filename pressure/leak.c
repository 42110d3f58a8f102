#include <string.h>
#include "pressure/leak.h"

#define MAX_LASTING UINT64_C(240) /* windows */
#define CALM_WINDOWS 10

const char *const pressure_leak_verdict_names[PRESSURE_LEAK_NUM_VERDICTS] = {"none", "warming-up", "suspected", "likely"};
const char *const pressure_leak_reason_names[PRESSURE_LEAK_NUM_REASONS] = {
    "unexplained", "caches-grow", "traffic-grew", "levels-off", "steps", "seen-before", "heap-free", "reclaimed"};

static const pressure_leak_floor_t nothing = {.floor_bytes = PRESSURE_LEAK_UNKNOWN, .heap_free_bytes = PRESSURE_LEAK_UNKNOWN};

void pressure_leak_config_init(pressure_leak_config_t *config)
{
    *config = (pressure_leak_config_t){.window_ms = 60000,
                                       .warm_up_ms = 600000,
                                       .min_growth_bytes = UINT64_C(32) << 20,
                                       .suspected_points = 55,
                                       .likely_points = 75};
}

/* --- series of floors */

static void push(pressure_leak_series_t *series, const pressure_leak_floor_t *floor)
{
    series->floors[series->next] = *floor;
    series->next = (series->next + 1) % series->capacity;
    if (series->size != series->capacity)
        ++series->size;
}

const pressure_leak_floor_t *pressure_leak_floor(const pressure_leak_series_t *series, size_t back)
{
    if (back >= series->size)
        return NULL;
    const pressure_leak_floor_t *floor = series->floors + (series->next + series->capacity - 1 - back) % series->capacity;
    return floor->floor_bytes != PRESSURE_LEAK_UNKNOWN ? floor : NULL;
}

/* the parts may be samples or floors; one that is not known changes nothing but the traffic */
static void merge(pressure_leak_floor_t *into, const pressure_leak_floor_t *from)
{
    into->requests += from->requests;
    into->reclaimed |= from->reclaimed;
    if (from->floor_bytes == PRESSURE_LEAK_UNKNOWN)
        return;
    if (from->accounted_bytes > into->accounted_bytes)
        into->accounted_bytes = from->accounted_bytes;
    if (from->floor_bytes < into->floor_bytes)
        into->floor_bytes = from->floor_bytes;
    if (from->heap_free_bytes < into->heap_free_bytes) /* UNKNOWN is the largest */
        into->heap_free_bytes = from->heap_free_bytes;
}

static void close_window(pressure_leak_t *leak)
{
    push(&leak->fine, &leak->window);
    merge(&leak->ten, &leak->window);
    leak->window = nothing;
    ++leak->num_windows;
    if (++leak->windows_of_ten == PRESSURE_LEAK_RATIO) {
        push(&leak->coarse, &leak->ten);
        leak->ten = nothing;
        leak->windows_of_ten = 0;
    }
}

/* --- from judgements to the verdict */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* a lapse takes back twice what it lasts */
static void count(uint64_t *lasted, int holds)
{
    if (holds)
        *lasted = least(*lasted + 1, 2 * MAX_LASTING);
    else
        *lasted -= least(*lasted, 2);
}

static void count_lasting(pressure_leak_t *leak)
{
    const uint64_t points[] = {leak->config.suspected_points, leak->config.likely_points};

    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        for (size_t j = 0; j != 2; ++j)
            count(&leak->lasted[i][j], leak->report.spans[i].confidence >= points[j]);
}

/* what the spans say now, without regard to what was said before */
static pressure_leak_verdict_t strongest(const pressure_leak_t *leak)
{
    pressure_leak_verdict_t verdict = PRESSURE_LEAK_NONE;

    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i) {
        uint64_t lasting = least(pressure_leak_span_windows(i) / 4, MAX_LASTING);
        if (leak->lasted[i][1] > lasting)
            return PRESSURE_LEAK_LIKELY;
        if (leak->lasted[i][0] > lasting / 2)
            verdict = PRESSURE_LEAK_SUSPECTED;
    }
    return verdict;
}

static int is_known(const pressure_leak_t *leak)
{
    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        if (leak->report.spans[i].span_ms != 0)
            return 1;
    return 0;
}

static int update_verdict(pressure_leak_t *leak)
{
    pressure_leak_verdict_t *verdict = &leak->report.verdict, before = *verdict, now = strongest(leak);
    int calm = leak->report.best.confidence < leak->config.suspected_points / 2;

    leak->calm_windows = calm ? leak->calm_windows + 1 : 0;
    if (now > *verdict)
        *verdict = now;
    else if (before == PRESSURE_LEAK_WARMING_UP && is_known(leak))
        *verdict = PRESSURE_LEAK_NONE;
    else if (before > PRESSURE_LEAK_WARMING_UP && leak->calm_windows >= CALM_WINDOWS)
        *verdict = PRESSURE_LEAK_NONE;
    return *verdict != before;
}

static void choose_best(pressure_leak_report_t *report)
{
    report->best = (pressure_leak_span_t){0};
    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        if (report->spans[i].span_ms != 0 && report->spans[i].confidence >= report->best.confidence)
            report->best = report->spans[i];
}

static void foresee(pressure_leak_report_t *report, const pressure_leak_sample_t *sample)
{
    report->seconds_to_budget = PRESSURE_LEAK_UNKNOWN;
    if (report->verdict < PRESSURE_LEAK_SUSPECTED || report->best.bytes_per_hour < 1)
        return;
    double left_bytes = (double)sample->budget_bytes - (double)sample->resident_bytes;
    double seconds = left_bytes > 0 ? left_bytes / report->best.bytes_per_hour * 3600 : 0;
    report->seconds_to_budget = seconds < 1e15 ? (uint64_t)seconds : PRESSURE_LEAK_UNKNOWN;
}

static void judge_spans(pressure_leak_t *leak, int all)
{
    for (size_t i = 0; i != PRESSURE_LEAK_SPANS; ++i)
        if (all || leak->num_windows % pressure_leak_span_pace(i) == 0)
            pressure_leak_judge_span(leak, i, leak->report.spans + i);
    choose_best(&leak->report);
}

/* --- samples */

void pressure_leak_init(pressure_leak_t *leak, const pressure_leak_config_t *config)
{
    memset(leak, 0, sizeof(*leak));
    leak->config = *config;
    leak->fine = (pressure_leak_series_t){.floors = leak->fine_floors, .capacity = PRESSURE_LEAK_FINE};
    leak->coarse = (pressure_leak_series_t){.floors = leak->coarse_floors, .capacity = PRESSURE_LEAK_COARSE};
    leak->window = leak->ten = nothing;
    leak->report.verdict = PRESSURE_LEAK_WARMING_UP;
    leak->report.seconds_to_budget = PRESSURE_LEAK_UNKNOWN;
}

void pressure_leak_configure(pressure_leak_t *leak, const pressure_leak_config_t *config)
{
    if (config->window_ms != leak->config.window_ms)
        pressure_leak_init(leak, config);
    else
        leak->config = *config;
}

static void begin(pressure_leak_t *leak, const pressure_leak_sample_t *sample)
{
    pressure_leak_config_t config = leak->config;

    pressure_leak_init(leak, &config);
    leak->warm_ms = sample->now_ms + config.warm_up_ms;
    leak->window_end_ms = leak->warm_ms + config.window_ms;
    leak->last_requests = sample->requests;
}

static void add(pressure_leak_t *leak, const pressure_leak_sample_t *sample)
{
    int plausible = sample->resident_bytes > sample->accounted_bytes;
    pressure_leak_floor_t part = {.floor_bytes = plausible ? sample->resident_bytes - sample->accounted_bytes : 0,
                                  .accounted_bytes = sample->accounted_bytes,
                                  .heap_free_bytes = sample->heap_free_bytes,
                                  .requests = sample->requests > leak->last_requests ? sample->requests - leak->last_requests : 0,
                                  .reclaimed = sample->reclaimed};

    if (sample->resident_bytes == 0) /* there was no reading */
        part.floor_bytes = PRESSURE_LEAK_UNKNOWN;
    else
        ++leak->report.samples;
    merge(&leak->window, &part);
}

int pressure_leak_feed(pressure_leak_t *leak, const pressure_leak_sample_t *sample)
{
    uint64_t window_ms = leak->config.window_ms;
    int changed = 0;

    if (leak->window_end_ms == 0 || sample->now_ms + leak->config.warm_up_ms + window_ms < leak->window_end_ms ||
        (sample->now_ms > leak->window_end_ms && sample->now_ms - leak->window_end_ms > PRESSURE_LEAK_FINE * window_ms))
        begin(leak, sample);
    while (sample->now_ms >= leak->window_end_ms) {
        close_window(leak);
        leak->window_end_ms += window_ms;
        leak->report.known_ms = leak->num_windows * window_ms;
        judge_spans(leak, 0);
        count_lasting(leak);
        changed |= update_verdict(leak);
        const pressure_leak_floor_t *floor = pressure_leak_floor(&leak->fine, 0);
        if (floor != NULL)
            leak->report.floor_bytes = floor->floor_bytes;
    }
    if (sample->now_ms >= leak->warm_ms)
        add(leak, sample);
    leak->last_requests = sample->requests;
    foresee(&leak->report, sample);
    return changed;
}

void pressure_leak_judge(pressure_leak_t *leak, const pressure_leak_sample_t *sample)
{
    judge_spans(leak, 1);
    foresee(&leak->report, sample);
}
