#include <stdio.h>
#include <string.h>
#include "module/knobs.h"

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define TiB (UINT64_C(1) << 40)
#define SECONDS UINT64_C(1000)
#define HOURS (3600 * SECONDS)
#define DAYS (24 * HOURS)

#define PROCESS(field) SLUICE_SCOPE_PROCESS, offsetof(sluice_settings_t, field)
#define PATH(field) SLUICE_SCOPE_PATH, offsetof(sluice_path_settings_t, field)
#define ROUTE(field) SLUICE_SCOPE_ROUTE, offsetof(sluice_route_settings_t, field)
#define BYTES SLUICE_UNIT_BYTES
#define MS SLUICE_UNIT_MS
#define PERMILLE SLUICE_UNIT_PERMILLE
#define COUNT SLUICE_UNIT_COUNT
#define SWITCH SLUICE_UNIT_SWITCH
/* name, scope and place, unit, min, max, default, environment variable, help */
#define ROW(...)                                                                                                                   \
    {                                                                                                                              \
        __VA_ARGS__, NULL                                                                                                          \
    }
#define ROW_OR_AUTO(...)                                                                                                           \
    {                                                                                                                              \
        __VA_ARGS__, "auto"                                                                                                        \
    }
#define ROW_OR_NONE(...)                                                                                                           \
    {                                                                                                                              \
        __VA_ARGS__, "none"                                                                                                        \
    }

/* clang-format off */
const sluice_knob_t sluice_knobs[] = {
    ROW_OR_AUTO("pressure.budget", PROCESS(budget_bytes), BYTES, 1 * MiB, 1024 * TiB, 0, "TOTAL_PROCESS_MEMORY_BUDGET_BYTES",
         "memory that the whole process may use; auto is 95 % of the smallest of the container's limits and physical memory; more than "
         "95 % of the former is cut"),
    ROW("pressure.elevated", PROCESS(elevated_permille), PERMILLE, 10, 1000, 700, NULL,
        "of the budget: the image cache shrinks to image-cache.elevated-size, the metadata cache drops its oldest part"),
    ROW("pressure.degraded", PROCESS(degraded_permille), PERMILLE, 10, 1000, 750, "MEMORY_WARNING_THRESHOLD",
        "of the budget: /api/health says degraded"),
    ROW("pressure.high", PROCESS(high_permille), PERMILLE, 10, 1000, 800, NULL,
        "of the budget: new work that needs memory waits or is refused; hits go on. Also the ceiling for reservations"),
    ROW("pressure.critical", PROCESS(critical_permille), PERMILLE, 10, 1000, 900, "MEMORY_CRITICAL_THRESHOLD",
        "of the budget: the image cache is cleared, all routes but the exempt ones answer 503"),
    ROW("pressure.emergency", PROCESS(emergency_permille), PERMILLE, 10, 1000, 950, NULL,
        "of the budget: every cache is flushed"),
    ROW("pressure.down-gap", PROCESS(down_gap_permille), PERMILLE, 1, 500, 50, NULL,
        "how far below a mark memory must fall before its level is left"),
    ROW("pressure.dwell", PROCESS(dwell_ms), MS, 0, 600 * SECONDS, 5 * SECONDS, NULL,
        "how long it must stay there"),
    ROW("pressure.dwell-critical", PROCESS(dwell_critical_ms), MS, 0, 600 * SECONDS, 10 * SECONDS, NULL,
        "the same, from critical on"),
    ROW("pressure.sample-period", PROCESS(tuning.period_ms), MS, 1, 60 * SECONDS, 1 * SECONDS, NULL,
        "time between two looks at the memory in use, while it is calm"),
    ROW("pressure.sample-period-warm", PROCESS(tuning.period_warm_ms), MS, 1, 60 * SECONDS, 250, NULL,
        "the same, from pressure.sample-warm on, and while a level waits for its dwell or a look has failed"),
    ROW("pressure.sample-period-busy", PROCESS(tuning.period_busy_ms), MS, 1, 60 * SECONDS, 100, NULL,
        "the same, from pressure.sample-busy on"),
    ROW("pressure.sample-period-hot", PROCESS(tuning.period_hot_ms), MS, 1, 60 * SECONDS, 25, NULL,
        "the same, from pressure.sample-hot on"),
    ROW("pressure.sample-warm", PROCESS(tuning.warm_permille), PERMILLE, 10, 1000, 600, NULL,
        "of the budget: where pressure.sample-period-warm begins"),
    ROW("pressure.sample-busy", PROCESS(tuning.busy_permille), PERMILLE, 10, 1000, 700, NULL,
        "of the budget: where pressure.sample-period-busy begins"),
    ROW("pressure.sample-hot", PROCESS(tuning.hot_permille), PERMILLE, 10, 1000, 850, NULL,
        "of the budget: where pressure.sample-period-hot begins"),
    ROW("pressure.stale-after", PROCESS(tuning.stale_after_ms), MS, 1, 600 * SECONDS, 3 * SECONDS, NULL,
        "how long memory may be unreadable before the level counts as one higher"),
    ROW("pressure.repeat-elevated", PROCESS(tuning.repeat_elevated_ms), MS, 100, 600 * SECONDS, 10 * SECONDS, NULL,
        "pause before caches are told again that memory is still elevated"),
    ROW("pressure.repeat-high", PROCESS(tuning.repeat_high_ms), MS, 100, 600 * SECONDS, 2 * SECONDS, NULL,
        "the same, for high"),
    ROW("pressure.repeat-critical", PROCESS(tuning.repeat_critical_ms), MS, 100, 600 * SECONDS, 2 * SECONDS, NULL,
        "the same, for critical"),
    ROW("pressure.repeat-emergency", PROCESS(tuning.repeat_emergency_ms), MS, 100, 600 * SECONDS, 1 * SECONDS, NULL,
        "the same, for emergency"),
    ROW("pressure.room-pause", PROCESS(tuning.room_pause_ms), MS, 1, 60 * SECONDS, 50, NULL,
        "pause between two evictions that make room for one picture"),
    ROW("pressure.listener-slice", PROCESS(tuning.listener_slice_ms), MS, 1, 10 * SECONDS, 20, NULL,
        "how long one cache evicts before it is the next one's turn"),
    ROW("pressure.reclaim-limit", PROCESS(tuning.episode_limit_ms), MS, 1, 60 * SECONDS, 500, NULL,
        "how long all caches evict before memory is looked at again"),
    ROW("pressure.effective", PROCESS(tuning.effective_permille), PERMILLE, 0, 1000, 500, NULL,
        "part of what caches released that must leave the resident set; else the reclaim was poor"),
    ROW("pressure.effective-min", PROCESS(tuning.effective_min_permille), PERMILLE, 0, 1000, 10, NULL,
        "of the budget: a smaller release is not judged"),
    ROW("pressure.ineffective-after", PROCESS(tuning.ineffective_after), COUNT, 1, 1000, 2, NULL,
        "so many poor reclaims in a row are reported, and followed by growing pauses"),
    ROW("pressure.backoff", PROCESS(tuning.backoff_ms), MS, 1, 600 * SECONDS, 1 * SECONDS, NULL,
        "the first of those pauses; each is twice the one before"),
    ROW("pressure.backoff-max", PROCESS(tuning.backoff_max_ms), MS, 1, 3600 * SECONDS, 60 * SECONDS, NULL,
        "the longest of them"),
    ROW("pressure.release-after", PROCESS(tuning.release_after_ms), MS, 1, 3600 * SECONDS, 30 * SECONDS, NULL,
        "how long nothing can be reclaimed at critical before hits are answered again, if memory is not about to run out"),
    ROW("pressure.release-accounted", PROCESS(tuning.release_accounted_permille), PERMILLE, 0, 1000, 600, NULL,
        "of the budget: only if caches and work under way hold less than this"),
    ROW("pressure.release-headroom", PROCESS(tuning.release_headroom_permille), PERMILLE, 0, 1000, 100, NULL,
        "of the container's memory limit: only if more than this is free"),
    ROW("pressure.release-ceiling", PROCESS(tuning.release_ceiling_permille), PERMILLE, 10, 10000, 1000, NULL,
        "of the budget: only if memory in use is below this, where no container limits it"),
    ROW("pressure.release-rise", PROCESS(tuning.release_rise_permille), PERMILLE, 1, 1000, 10, NULL,
        "of the budget: a rise by this much ends it"),
    ROW("pressure.refill-step", PROCESS(tuning.refill_step_permille), PERMILLE, 1, 1000, 50, NULL,
        "of its capacity: by how much a cache that was shrunk may grow again in each pressure.refill-period"),
    ROW("pressure.refill-period", PROCESS(tuning.refill_period_ms), MS, 1, 3600 * SECONDS, 10 * SECONDS, NULL,
        "see pressure.refill-step"),
    ROW("pressure.refill-rise", PROCESS(tuning.refill_rise_permille), PERMILLE, 0, 1000, 10, NULL,
        "of the budget: if memory in use has risen by more than this in the period, no growth is allowed"),
    ROW("pressure.purge-min", PROCESS(purge_min_permille), PERMILLE, 0, 1000, 10, NULL,
        "of the budget: the heap gives free pages back when it may hold this much"),
    ROW("pressure.purge-pause", PROCESS(purge_pause_ms), MS, 0, 3600 * SECONDS, 10 * SECONDS, NULL,
        "pause after which the heap is taken to hold free pages again, whatever it says"),
    ROW("pressure.watchdog-period", PROCESS(watchdog_period_ms), MS, 100, 60 * SECONDS, 1 * SECONDS, NULL,
        "how often the watchdog looks whether the coordinator lives and did what critical and emergency are for"),
    ROW("pressure.watchdog-deadline", PROCESS(watchdog_deadline_ms), MS, 500, 600 * SECONDS, 5 * SECONDS, NULL,
        "how long it may take for that until the watchdog acts itself; at least twice pressure.sample-period"),
    ROW("pressure.retry-after", PROCESS(retry_after_ms), MS, 1 * SECONDS, 3600 * SECONDS, 5 * SECONDS, NULL,
        "what 503 answers tell clients to wait (Retry-After) at least, at critical, and when nothing is known of the pace"),
    ROW("pressure.max-retry-after", PROCESS(max_retry_after_ms), MS, 1 * SECONDS, 3600 * SECONDS, 60 * SECONDS, NULL,
        "the most that they tell: in between, the time in which what waits will have been done, at the pace of the last seconds"),
    ROW_OR_AUTO("pressure.max-waiting", PROCESS(max_waiting_bytes), BYTES, 1 * MiB, 1024 * TiB, 0, NULL,
         "memory that transforms which wait for memory or a worker may ask for together; auto is 32 times the budget. More are answered 503"),
    ROW("pressure.source-share", PROCESS(source_permille), PERMILLE, 1, 800, 50, NULL,
        "of the budget: what sources may take that are being fetched or wait to be decoded; one may always"),
    ROW("pressure.reconcile-period", PROCESS(reconcile_period_ms), MS, 100, 3600 * SECONDS, 10 * SECONDS, NULL,
        "how often what is counted as reserved is compared with what really runs"),
    ROW("image-cache.capacity", PROCESS(cache_capacity_bytes), BYTES, 0, 1024 * TiB, 512 * MiB, "IMAGE_RAM_BUDGET_BYTES",
        "bytes that renditions and sources may take, every byte counted; at most half of the budget is used"),
    ROW("image-cache.kept-for-hits", PROCESS(room_kept_permille), PERMILLE, 0, 1000, 50, NULL,
        "of its capacity: what is left of the image cache when it makes room for one picture"),
    ROW("image-cache.elevated-size", PROCESS(elevated_size_permille), PERMILLE, 0, 1000, 600, NULL,
        "of its capacity: what pressure.elevated leaves of the image cache"),
    ROW("image-cache.metadata-elevated-drop", PROCESS(metadata_drop_permille), PERMILLE, 0, 1000, 250, NULL,
        "what pressure.elevated takes of the metadata cache, the oldest first"),
    ROW("image-cache.max-object-size", PROCESS(max_object_bytes), BYTES, 1 * KiB, 4096 * MiB, 50 * MiB, "MAX_IMAGE_SIZE_BYTES",
        "largest source that is fetched, and largest object that is cached"),
    ROW_OR_NONE("image-cache.max-entries", PROCESS(max_entries), COUNT, 1, 1000000000, 0, NULL,
         "most objects in the cache, whatever their size"),
    ROW_OR_NONE("image-cache.quota", ROUTE(quota_bytes), BYTES, 64 * KiB, 1024 * TiB, 0, NULL,
         "most bytes of the image cache for the pictures of a host, all its paths together, or of a path; both hold"),
    ROW_OR_NONE("image-cache.rendition-max-age", PROCESS(rendition_max_age_ms), MS, 1 * SECONDS, 366 * DAYS, 0, NULL,
         "longest time that a rendition stays without being made or confirmed anew, whatever image.ttl or its origin say"),
    ROW_OR_NONE("image-cache.source-max-age", PROCESS(source_max_age_ms), MS, 1 * SECONDS, 366 * DAYS, 0, NULL,
         "the same, for sources"),
    ROW_OR_NONE("image-cache.negative-max-age", PROCESS(negative_max_age_ms), MS, 1 * SECONDS, 366 * DAYS, 0, NULL,
         "the same, for what is missing or broken"),
    ROW_OR_NONE("image-cache.metadata-max-age", PROCESS(metadata_max_age_ms), MS, 1 * SECONDS, 366 * DAYS, 0, NULL,
         "the same, for what is known of sources"),
    ROW("image-cache.metadata-capacity", PROCESS(metadata_capacity_bytes), BYTES, 1 * MiB, 1024 * TiB, 256 * MiB,
        "SERVER_CACHE_BUDGET_BYTES",
        "bytes for what is known of origins: types, sizes, validators, negative answers; at most a tenth of the budget is used"),
    ROW("image.svg", PROCESS(svg), SWITCH, 0, 1, 0, NULL,
        "ON: sources may be SVG, too. A drawing cannot be stopped while librsvg draws a tile of it: only for origins that are trusted"),
    ROW_OR_AUTO("image.workers", PROCESS(workers), COUNT, 1, 256, 0, NULL,
         "threads that decode and encode; auto is one per core"),
    ROW("image.max-queue", PROCESS(max_queue), COUNT, 0, 1000000, 1024, NULL,
        "transforms that may wait for a worker or for memory; more are answered 503"),
    ROW("image.queue-timeout", PROCESS(queue_timeout_ms), MS, 0, 600 * SECONDS, 10 * SECONDS, NULL,
        "how long a transform may wait; then 503"),
    ROW("image.transform-timeout", PROCESS(transform_timeout_ms), MS, 100, 600 * SECONDS, 10 * SECONDS, NULL,
        "how long one transform may run; then 503"),
    ROW("image.max-fetches", PROCESS(max_fetches), COUNT, 1, 10000, 64, NULL,
        "downloads from one origin at the same time; more wait"),
    ROW("health.simulate", PROCESS(simulate), SWITCH, 0, 1, 0, NULL,
        "ON: /api/memory/simulate may pretend memory, to try out what happens; for tests and rehearsals"),
    ROW("health.leak-window", PROCESS(leak_window_ms), MS, 1 * SECONDS, 1 * HOURS, 60 * SECONDS, NULL,
        "time of which the least unaccounted memory counts, when leaks are looked for: over 15 to 11520 of these windows"),
    ROW("health.leak-warm-up", PROCESS(leak_warm_up_ms), MS, 0, 24 * HOURS, 600 * SECONDS, NULL,
        "time after the start in which they are not looked for"),
    ROW("health.leak-min-growth", PROCESS(leak_min_growth_bytes), BYTES, 1 * MiB, 1 * TiB, 32 * MiB, NULL,
        "growth over 60 windows that may be a leak; over fewer ones more has to come together, over more ones less does"),
    ROW("health.leak-likely", PROCESS(leak_likely_points), COUNT, 70, 100, 75, NULL,
        "points of 100 from which a leak is likely, and /api/health says degraded; with 20 fewer it is suspected"),
    ROW("health.stale-after", PROCESS(operation_stale_ms), MS, 100, 3600 * SECONDS, 30 * SECONDS, NULL,
        "how long a download may bring nothing, a file may not be read, an order may take, until it is stale and cancelled; and how "
        "long something cancelled may go on until it is reported as stuck"),
    ROW("health.drain-timeout", PROCESS(drain_timeout_ms), MS, 0, 600 * SECONDS, 30 * SECONDS, NULL,
        "how long requests may take to end once the server has been told to end; what is left then is answered 503, and a little later cut off"),
    ROW_OR_NONE("health.slow-request", PROCESS(slow_request_ms), MS, 1, 3600 * SECONDS, 1 * SECONDS, NULL,
         "requests that wait for their answer for longer are counted, logged and listed by /api/metrics/slow"),
    ROW_OR_NONE("pressure.max-concurrent", ROUTE(max_concurrent), COUNT, 1, 1000000, 0, NULL,
         "transforms of a host, all its paths together, or of a path at the same time; both hold; more wait"),
    ROW("image.ttl", PATH(ttl_ms), MS, 0, 366 * DAYS, 1 * HOURS, NULL,
        "how long a picture is served without asking the origin again, where the origin does not say; also max-age for clients"),
    ROW("image.ttl-override", PATH(ttl_override), SWITCH, 0, 1, 0, NULL,
        "ON: image.ttl counts, and pictures are stored, whatever the origin says: Cache-Control, Expires, Set-Cookie, Vary"),
    ROW("image.stale-while-revalidate", PATH(stale_while_revalidate_ms), MS, 0, 366 * DAYS, 0, NULL,
        "how long an expired picture is served while the origin is being asked, where the origin does not say"),
    ROW("image.stale-if-error", PATH(stale_if_error_ms), MS, 0, 366 * DAYS, 1 * HOURS, NULL,
        "how long an expired picture is served when the origin fails, where the origin does not say"),
    ROW("image.keep", PATH(keep_ms), MS, 0, 366 * DAYS, 1 * HOURS, NULL,
        "how long an expired picture stays in the cache, so that it need not be made again if the origin still has the same"),
    ROW("image.negative-ttl", PATH(negative_ttl_ms), MS, 0, 1 * DAYS, 10 * SECONDS, NULL,
        "how long a missing or broken picture is remembered as such; for a missing one the origin may say otherwise"),
    ROW("image.error-ttl", PATH(error_ttl_ms), MS, 0, 1 * HOURS, 1 * SECONDS, NULL,
        "how long an origin that failed is not asked for the same picture again"),
    ROW("image.origin-timeout", PATH(origin_timeout_ms), MS, 100, 600 * SECONDS, 10 * SECONDS, NULL,
        "for one whole download; then 504"),
    ROW("image.connect-timeout", PATH(connect_timeout_ms), MS, 10, 600 * SECONDS, 3 * SECONDS, NULL,
        "for name look-up, connection and TLS; then 504"),
    ROW("image.max-redirects", PATH(max_redirects), COUNT, 0, 20, 3, NULL,
        "redirects of the origin that are followed; more are answered 502"),
    ROW("image.request-timeout", PATH(request_timeout_ms), MS, 100, 3600 * SECONDS, 30 * SECONDS, NULL,
        "how long a request may wait for its picture; then 504, or the picture as it was last, where that is allowed"),
    ROW("image.max-pixels", PATH(max_pixels), COUNT, 1, UINT64_C(1000000000), 50000000, NULL,
        "largest source picture, width x height, of an animation those of all frames that are decoded; larger ones are answered 413 before a pixel is decoded"),
    ROW("image.max-pages", PATH(max_pages), COUNT, 1, 16384, 256, NULL,
        "most pages or frames of a source that are decoded for one answer (option n); more are answered 413 before a pixel is decoded"),
    ROW("image.max-side", PATH(max_side), COUNT, 1, 65535, 8192, NULL,
        "largest width and height of an answer in pixels"),
    ROW("image.strict", PATH(strict), SWITCH, 0, 1, 1, NULL,
        "ON: an unknown option is answered 400 with the list of known ones; OFF: it is ignored"),
    ROW("image.presets-only", PATH(presets_only), SWITCH, 0, 1, 0, NULL,
        "ON: the only option is p, the name of one of image.presets; any other is answered 400"),
};
/* clang-format on */
const size_t sluice_num_knobs = sizeof(sluice_knobs) / sizeof(sluice_knobs[0]);

static uint64_t *value_slot(const sluice_knob_t *knob, void *settings)
{
    return (uint64_t *)(void *)((char *)settings + knob->offset);
}

void sluice_knobs_default(sluice_scope_t scope, void *settings)
{
    for (size_t i = 0; i != sluice_num_knobs; ++i)
        if (sluice_knobs[i].scope == scope)
            *value_slot(sluice_knobs + i, settings) = sluice_knobs[i].def;
}

const sluice_knob_t *sluice_knob_find(const char *name)
{
    for (size_t i = 0; i != sluice_num_knobs; ++i)
        if (strcmp(sluice_knobs[i].name, name) == 0)
            return sluice_knobs + i;
    return NULL;
}

void sluice_knob_format(const sluice_knob_t *knob, uint64_t value, char *buf, size_t buf_len)
{
    if (knob->word != NULL && value == 0)
        snprintf(buf, buf_len, "%s", knob->word);
    else
        sluice_format_value(knob->unit, value, buf, buf_len);
}

/* one sentence for every refusal; a long value is cut so that the bounds still fit */
static void explain_refusal(const sluice_knob_t *knob, const char *text, char *error, size_t error_len)
{
    char min[32], max[32], bounds[80] = "";

    sluice_format_value(knob->unit, knob->min, min, sizeof(min));
    sluice_format_value(knob->unit, knob->max, max, sizeof(max));
    if (knob->unit != SLUICE_UNIT_SWITCH)
        snprintf(bounds, sizeof(bounds), " from %s to %s", min, max);
    snprintf(error, error_len, "`%.64s` is no value for %s, which takes %s%s%s%s", text, knob->name,
             sluice_describe_unit(knob->unit), bounds, knob->word != NULL ? ", or the word " : "",
             knob->word != NULL ? knob->word : "");
}

int sluice_knob_set(const sluice_knob_t *knob, void *settings, const char *text, char *error, size_t error_len)
{
    uint64_t value;

    if (knob->word != NULL && strcmp(text, knob->word) == 0) {
        *value_slot(knob, settings) = 0;
        return 0;
    }
    if (sluice_parse_value(knob->unit, text, &value) != 0 || value < knob->min || value > knob->max) {
        explain_refusal(knob, text, error, error_len);
        return -1;
    }
    *value_slot(knob, settings) = value;
    return 0;
}
