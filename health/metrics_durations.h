/*
 * metrics_durations.h - rows of metrics_table.h: how long things take. Private to health/.
 */
#ifndef health__metrics_durations_h
#define health__metrics_durations_h

/* clang-format off */
#define HEALTH_METRICS_DURATIONS(X) \
    X("sluice_request_duration_seconds", histogram, seconds, REQUEST, \
      HISTOGRAMS(DURATIONS, request_durations, "outcome", health_outcome_names), \
      "Time from a request to its answer, by outcome. One of 64 hits is timed and counts 64 times; requests refused for their URL or method are left out.") \
    X("sluice_request_span_duration_seconds", histogram, seconds, REQUEST, \
      HISTOGRAMS(DURATIONS, span_durations, "span", health_span_names), \
      "Time of the parts of making a rendition, by part; fetch only where the origin was asked for it.") \
    X("sluice_slow_requests_total", counter, none, REQUEST, U64(slow_requests), \
      "Requests that waited for their answer for longer than health.slow-request.") \
    X("sluice_origin_fetch_duration_seconds", histogram, seconds, ORIGIN, \
      HISTOGRAMS(DURATIONS, fetch_durations, "outcome", health_fetch_outcome_names), \
      "Time of fetches from an origin, with the wait for memory and a slot, by outcome; those given up are left out.") \
    X("sluice_transform_duration_seconds", histogram, seconds, TRANSFORM, HISTOGRAM(DURATIONS, transform_durations), \
      "Time of transforms on their workers, one for all renditions that share a decoding.")
/* clang-format on */

#endif
