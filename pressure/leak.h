/*
 * leak.h - whether memory leaks: judged by the floor of what nobody accounts for, over spans from minutes to a week.
 *
 *   samples --least unaccounted byte of each window--> floors: the last 256 windows one by one, and 1152 times ten of them
 *   floors  --bins of a span, Theil-Sen, points-----> a judgement per span --the best, if it lasts--> the verdict
 *
 * The resident set says little: it rises with every picture that is cached and falls when it is evicted. Unaccounted is what
 * remains of it without what the caches hold; its lowest value in a window is the floor, and has no work under way in it if the
 * window had a quiet moment. A leak is a floor that goes on rising. A span is 15 windows times a power of two. It is judged as soon
 * as three quarters of it are known, by
 *
 *   growth   slope x length, the slope being the median of those between all pairs of its bins (Theil-Sen), so that a third of
 *            them may be off. It has to reach min_growth_bytes x sqrt(60 windows / length), between a fifth and twice of that: a
 *            long span shows the slow leak, a short one the fast one only. A rise by half of the floor, scaled the same, also does
 *   points   out of 100: growth 40, steadiness 20 (the part of all pairs that rise), peak 20 (the floor was never higher), reclaim
 *            inefficiency 15 (the floors after reclaims rise as well), other 5 (free bytes of the heap do not account for it)
 *   reason   why the growth is none of a leak: see pressure_leak_reason_t. A span that has one gets no more than 49 points
 *
 * From three days on, spans are also judged by pairs whole days apart alone, so that days and nights do not hide a slow leak.
 *
 * The points have to last for a quarter of the span, or four hours, before the verdict follows them: what levels off does so then.
 * It returns to `none` when they were below half of suspected_points for ten windows.
 *
 * What cannot be told from a leak while it lasts: anything that grows as steadily and as much, and ends later.
 *
 * Pure: time and samples are parameters, all memory is in the struct, nothing locks. One thread at a time.
 */
#ifndef pressure__leak_h
#define pressure__leak_h

#include <stddef.h>
#include <stdint.h>

#define PRESSURE_LEAK_FINE 256    /* windows */
#define PRESSURE_LEAK_COARSE 1152 /* of ten windows each: eight days of windows of a minute */
#define PRESSURE_LEAK_RATIO 10
#define PRESSURE_LEAK_SPANS 13
#define PRESSURE_LEAK_MAX_BINS 60
#define PRESSURE_LEAK_UNKNOWN UINT64_MAX

typedef struct st_pressure_leak_config_t {
    uint64_t window_ms, warm_up_ms;
    uint64_t min_growth_bytes; /* over 60 windows */
    uint64_t suspected_points, likely_points;
} pressure_leak_config_t;

typedef struct st_pressure_leak_sample_t {
    uint64_t now_ms;
    uint64_t resident_bytes, budget_bytes;
    uint64_t accounted_bytes; /* what the caches hold; no reservations, which are promises */
    uint64_t requests;        /* ended since the start */
    uint64_t heap_free_bytes; /* in free chunks of the heap, or PRESSURE_LEAK_UNKNOWN */
    int reclaimed;            /* a reclaim or purge has ended since the last sample */
} pressure_leak_sample_t;

typedef enum en_pressure_leak_verdict_t {
    PRESSURE_LEAK_NONE,
    PRESSURE_LEAK_WARMING_UP, /* not enough is known yet */
    PRESSURE_LEAK_SUSPECTED,
    PRESSURE_LEAK_LIKELY,
    PRESSURE_LEAK_NUM_VERDICTS
} pressure_leak_verdict_t;

/**
 * what a growth is explained by
 */
typedef enum en_pressure_leak_reason_t {
    PRESSURE_LEAK_UNEXPLAINED,
    PRESSURE_LEAK_CACHES_GROW,  /* and take overhead in proportion: up to a quarter of what they grew by */
    PRESSURE_LEAK_TRAFFIC_GREW, /* by a third or more; explains up to four times min_growth_bytes */
    PRESSURE_LEAK_LEVELS_OFF,   /* slower at the end than on average, or than in the time before */
    PRESSURE_LEAK_STEPS,        /* a part of the span has next to nothing of it */
    PRESSURE_LEAK_SEEN_BEFORE,  /* the floor was as high before */
    PRESSURE_LEAK_HEAP_FREE,    /* the heap has grown by chunks that are free: fragmentation */
    PRESSURE_LEAK_RECLAIMED,    /* reclaims take it away */
    PRESSURE_LEAK_NUM_REASONS
} pressure_leak_reason_t;

extern const char *const pressure_leak_verdict_names[PRESSURE_LEAK_NUM_VERDICTS]; /* none, warming-up, suspected, likely */
extern const char *const pressure_leak_reason_names[PRESSURE_LEAK_NUM_REASONS];   /* unexplained, caches-grow, ... */

typedef struct st_pressure_leak_points_t {
    unsigned growth, steadiness, peak, reclaim_inefficiency, other;
} pressure_leak_points_t;

/**
 * the judgement of one span
 */
typedef struct st_pressure_leak_span_t {
    uint64_t span_ms; /* 0: too little of it is known */
    int by_days;
    double growth_bytes, needed_bytes, bytes_per_hour;
    pressure_leak_points_t points;
    unsigned confidence; /* the sum of the points, at most 49 if the growth is explained */
    pressure_leak_reason_t reason;
} pressure_leak_span_t;

typedef struct st_pressure_leak_report_t {
    pressure_leak_verdict_t verdict;
    pressure_leak_span_t best;  /* the span with the most points; of the longest, if several have */
    uint64_t seconds_to_budget; /* at this growth; PRESSURE_LEAK_UNKNOWN unless suspected or likely */
    uint64_t floor_bytes;       /* of the last full window */
    uint64_t samples;           /* since the warm-up */
    uint64_t known_ms;          /* since the first of them */
    pressure_leak_span_t spans[PRESSURE_LEAK_SPANS];
} pressure_leak_report_t;

/**
 * what is known of a window, or of ten
 */
typedef struct st_pressure_leak_floor_t {
    uint64_t floor_bytes;     /* PRESSURE_LEAK_UNKNOWN: no sample */
    uint64_t accounted_bytes; /* the most */
    uint64_t heap_free_bytes, requests;
    int reclaimed;
} pressure_leak_floor_t;

/**
 * the last of them, in a ring
 */
typedef struct st_pressure_leak_series_t {
    pressure_leak_floor_t *floors;
    size_t capacity, size, next;
} pressure_leak_series_t;

typedef struct st_pressure_leak_t {
    pressure_leak_config_t config;
    pressure_leak_floor_t fine_floors[PRESSURE_LEAK_FINE], coarse_floors[PRESSURE_LEAK_COARSE];
    pressure_leak_series_t fine, coarse;
    pressure_leak_floor_t window, ten; /* under way */
    uint64_t windows_of_ten;
    uint64_t warm_ms, window_end_ms; /* 0: no sample yet */
    uint64_t last_requests;
    uint64_t num_windows;                    /* that were closed */
    uint64_t lasted[PRESSURE_LEAK_SPANS][2]; /* for how many windows a span has had the points: suspected, likely */
    uint64_t calm_windows;
    double scratch[PRESSURE_LEAK_MAX_BINS * (PRESSURE_LEAK_MAX_BINS - 1) / 2];
    pressure_leak_report_t report;
} pressure_leak_t;

void pressure_leak_config_init(pressure_leak_config_t *config);
/**
 * begins anew, with the warm-up at the first sample
 */
void pressure_leak_init(pressure_leak_t *leak, const pressure_leak_config_t *config);
/**
 * takes another configuration. What is known is kept, unless the windows are of another length.
 */
void pressure_leak_configure(pressure_leak_t *leak, const pressure_leak_config_t *config);
/**
 * one sample, about ten per window or more; what is missing makes windows that nothing is known of. Judges at the end of a window.
 * A clock that was set back begins anew.
 * @return whether the verdict has changed
 */
int pressure_leak_feed(pressure_leak_t *leak, const pressure_leak_sample_t *sample);
/**
 * looks at all spans again, with the window under way as if it were full. How long points have lasted does not change by it.
 */
void pressure_leak_judge(pressure_leak_t *leak, const pressure_leak_sample_t *sample);

/* --- private to leak*.c, and to their tests */

/**
 * judges the span with that index, lengths ascending. leak_judge.c
 */
void pressure_leak_judge_span(pressure_leak_t *leak, size_t index, pressure_leak_span_t *out);
/**
 * its nominal length in windows; how many windows go by until it is worth judging again
 */
uint64_t pressure_leak_span_windows(size_t index);
uint64_t pressure_leak_span_pace(size_t index);
/**
 * the floor that lies so many back, 0 being the last; NULL: none, or nothing is known of it
 */
const pressure_leak_floor_t *pressure_leak_floor(const pressure_leak_series_t *series, size_t back);

#endif
