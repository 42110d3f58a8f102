/*
 * metrics_table.h - every metric, one row each. Private to health/.
 *
 *     X(name, type, unit, scope, place, help)
 *
 * name   full name of the family; `*` stands for the name of a cache. Neighbouring rows of one name are one family; only the first
 *        one's type and help are written.
 * type   counter (only ever grows, ends in _total), gauge or histogram
 * unit   bytes, seconds, ratio (the name ends in it, before _total), or none: a plain number
 * scope  CACHE rows are written once per cache, QUOTA rows once per quota, ROUTE rows once per route, RECLAIM rows only after the
 *        first reclaim; all others once
 * place  where the value stands in health_snapshot_t (CACHE, QUOTA, ROUTE rows: in health_cache_t and so on), and its
 *        label:
 *          U64(f) REAL(f)             a field, no label
 *          MS(f)                      a field in milliseconds, written in seconds
 *          LABELLED(U64 or REAL, f, label, value)  a field as one of the series of its family
 *          EACH(f, label, names)      an array, one series per element, names[i] being the label's value
 *          COMPUTED(function)         of the snapshot or the cache
 *          HISTOGRAM(kind, f)         a health_histogram_t; the kind, which says what its buckets are, is RATIOS or DURATIONS
 *          HISTOGRAMS(kind, f, label, names)  an array of them, one histogram per element
 *          INFO(f, label)             1, with the string f as label
 * help   one sentence; never empty
 */
#ifndef health__metrics_table_h
#define health__metrics_table_h

#include "health/metrics_alerts.h"
#include "health/metrics_durations.h"
#include "health/metrics_events.h"
#include "health/metrics_leak.h"
#include "health/metrics_memory.h"
#include "health/metrics_operations.h"

/* clang-format off */
#define HEALTH_METRICS(X) \
    HEALTH_METRICS_SYSTEM(X) \
    HEALTH_METRICS_QUOTA(X) \
    HEALTH_METRICS_WORK(X) \
    HEALTH_METRICS_DURATIONS(X) \
    HEALTH_METRICS_PROCESS(X) \
    HEALTH_METRICS_EVENTS(X) \
    HEALTH_METRICS_MEMORY(X) \
    HEALTH_METRICS_LEAK(X) \
    HEALTH_METRICS_OPERATIONS(X) \
    HEALTH_METRICS_ALERTS(X)

#define HEALTH_METRICS_SYSTEM(X) \
    X("sluice_build_info", gauge, none, PROCESS, INFO(version, "version"), "Version of the module, always 1.") \
    X("sluice_uptime_seconds", gauge, seconds, PROCESS, REAL(uptime_seconds), "Time since the module was started.") \
    X("sluice_*_cache_bytes", gauge, bytes, CACHE, CACHE_U64(used_bytes), "Memory charged to what is in the cache.") \
    X("sluice_*_cache_capacity_bytes", gauge, bytes, CACHE, CACHE_U64(capacity_bytes), "Upper bound for the memory of the cache.") \
    X("sluice_*_cache_limit_bytes", gauge, bytes, CACHE, CACHE_U64(limit_bytes), \
      "What of the capacity may be used for now; less for a while after the cache was shrunk.") \
    X("sluice_*_cache_pinned_bytes", gauge, bytes, CACHE, CACHE_U64(pinned_bytes), \
      "Memory of objects that left the cache and are still being sent.") \
    X("sluice_*_cache_free_bytes", gauge, bytes, CACHE, CACHE_U64(free_bytes), \
      "Memory without content that the cache holds for use again; goes back to the system under pressure.") \
    X("sluice_*_cache_entries", gauge, none, CACHE, CACHE_U64(entries), "Objects in the cache.") \
    X("sluice_*_cache_capacity_entries", gauge, none, CACHE, CACHE_U64(capacity_entries), \
      "Upper bound for the number of objects, 0: none.") \
    X("sluice_*_cache_detached_objects", gauge, none, CACHE, CACHE_U64(detached_objects), \
      "Objects outside of the cache: being made, or sent after they left it.") \
    X("sluice_*_cache_hits_total", counter, none, CACHE, CACHE_U64(hits), "Lookups answered from the cache.") \
    X("sluice_*_cache_stale_hits_total", counter, none, CACHE, CACHE_U64(stale_hits), \
      "Lookups answered from the cache with what had expired.") \
    X("sluice_*_cache_misses_total", counter, none, CACHE, CACHE_U64(misses), "Lookups that had to produce the object.") \
    X("sluice_*_cache_coalesced_total", counter, none, CACHE, CACHE_U64(coalesced), \
      "Lookups that joined a production already under way.") \
    X("sluice_*_cache_refreshes_total", counter, none, CACHE, CACHE_U64(refreshes), \
      "Stale answers that had the object produced anew in the background.") \
    X("sluice_*_cache_inserts_total", counter, none, CACHE, CACHE_U64(inserts), "Objects stored.") \
    X("sluice_*_cache_not_admitted_total", counter, none, CACHE, CACHE_U64(not_admitted), \
      "Objects not stored, being too large for a key that was not asked for before.") \
    X("sluice_*_cache_hit_ratio", gauge, ratio, CACHE, CACHE_COMPUTED(hit_ratio), \
      "Hits, stale ones too, among all lookups since the start, 0 to 1.") \
    X("sluice_*_cache_evictions_total", counter, none, CACHE, CACHE_EACH(evictions, "reason", health_reason_names), \
      "Objects that left the cache or were refused, by reason.") \
    X("sluice_*_cache_evicted_bytes_total", counter, bytes, CACHE, CACHE_EACH(evicted_bytes, "reason", health_reason_names), \
      "Memory of the objects that left the cache or were refused, by reason.") \
    X("sluice_*_cache_reclaim_calls_total", counter, none, CACHE, CACHE_U64(reclaim.calls), \
      "Calls to release memory because of pressure.") \
    X("sluice_*_cache_reclaim_slow_calls_total", counter, none, CACHE, CACHE_U64(reclaim.slow_calls), \
      "Those that took more than twice their time (pressure.listener-slice).") \
    X("sluice_*_cache_reclaim_failures_total", counter, none, CACHE, CACHE_U64(reclaim.failures), "Those that failed.") \
    X("sluice_*_cache_reclaimed_bytes_total", counter, bytes, CACHE, CACHE_U64(reclaim.released_bytes), \
      "Memory that those calls released.") \
    X("sluice_*_cache_reclaimed_objects_total", counter, none, CACHE, CACHE_U64(reclaim.released_objects), \
      "Objects that those calls released.") \
    X("sluice_*_cache_reclaim_last_seconds", gauge, seconds, CACHE, CACHE_MS(reclaim.last_ms), "Time that the last such call took.") \
    X("sluice_*_cache_reclaim_longest_seconds", gauge, seconds, CACHE, CACHE_MS(reclaim.longest_ms), \
      "Time that the longest such call took.") \
    X("sluice_pressure_level", gauge, none, PRESSURE, COMPUTED(level_number), \
      "Memory pressure: 0 normal, 1 elevated, 2 degraded, 3 high, 4 critical, 5 emergency.") \
    X("sluice_pressure_resident_bytes", gauge, bytes, PRESSURE, U64(resident_bytes), "Resident set as of the last sample.") \
    X("sluice_pressure_peak_resident_bytes", gauge, bytes, PRESSURE, U64(peak_resident_bytes), \
      "Largest resident set sampled since the start.") \
    X("sluice_pressure_budget_bytes", gauge, bytes, PRESSURE, U64(budget_bytes), \
      "Memory budget of the process (pressure.budget).") \
    X("sluice_pressure_group_bytes", gauge, bytes, PRESSURE, U64(group_bytes), \
      "Working set of the memory cgroup that is nearest to its limit.") \
    X("sluice_pressure_group_limit_bytes", gauge, bytes, PRESSURE, U64(group_limit_bytes), "Limit of that cgroup, 0: none.") \
    X("sluice_pressure_failed_group_reads_total", counter, none, PRESSURE, U64(failed_group_reads), \
      "Times that the figures of a memory cgroup could not be read.") \
    X("sluice_pressure_watchdog_checks_total", counter, none, PRESSURE, U64(watchdog_checks), \
      "Times that the watchdog looked at the coordinator.") \
    X("sluice_pressure_watchdog_failures_total", counter, none, PRESSURE, U64(watchdog_failures), \
      "Times that it found the coordinator hanging, or critical or emergency not told.") \
    X("sluice_pressure_watchdog_interventions_total", counter, none, PRESSURE, U64(watchdog_interventions), \
      "Times that its level began to stand in for the coordinator's, and flushes that it made.") \
    X("sluice_pressure_watchdog_stands_in", gauge, none, PRESSURE, U64(watchdog_stands_in), \
      "1 while the level is the watchdog's, else 0.") \
    X("sluice_pressure_usage_ratio", gauge, ratio, PRESSURE, COMPUTED(usage_ratio), \
      "What the level goes by: resident set by budget, or working set of the cgroup by its limit, whichever is more.") \
    X("sluice_pressure_mark_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, elevated_ratio, "level", "elevated"), \
      "Part of the budget, or of the cgroup's limit, from which a level holds, by level.") \
    X("sluice_pressure_mark_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, degraded_ratio, "level", "degraded"), \
      "Part of the budget, or of the cgroup's limit, from which a level holds, by level.") \
    X("sluice_pressure_mark_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, high_ratio, "level", "high"), \
      "Part of the budget, or of the cgroup's limit, from which a level holds, by level.") \
    X("sluice_pressure_mark_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, critical_ratio, "level", "critical"), \
      "Part of the budget, or of the cgroup's limit, from which a level holds, by level.") \
    X("sluice_pressure_mark_ratio", gauge, ratio, PRESSURE, LABELLED(REAL, emergency_ratio, "level", "emergency"), \
      "Part of the budget, or of the cgroup's limit, from which a level holds, by level.") \
    X("sluice_pressure_reserved_bytes", gauge, bytes, PRESSURE, EACH(reserved_bytes, "class", health_class_names), \
      "Memory reserved for work under way, by class.") \
    X("sluice_pressure_reservations_granted_total", counter, none, PRESSURE, U64(reservations_granted), "Reservations granted.") \
    X("sluice_pressure_reservations_refused_total", counter, none, PRESSURE, U64(reservations_refused), "Reservations refused.") \
    X("sluice_pressure_waiting_operations", gauge, none, PRESSURE, U64(queue.waiting), \
      "Operations that wait for memory, a worker or a slot of their route.") \
    X("sluice_pressure_waiting_bytes", gauge, bytes, PRESSURE, U64(queue.waiting_bytes), \
      "Memory that the waiting operations ask for.") \
    X("sluice_pressure_waits_total", counter, none, PRESSURE, LABELLED(U64, queue.granted, "end", "granted"), \
      "Operations that had to wait, by how that ended.") \
    X("sluice_pressure_waits_total", counter, none, PRESSURE, LABELLED(U64, queue.timed_out, "end", "timed_out"), \
      "Operations that had to wait, by how that ended.") \
    X("sluice_pressure_waits_total", counter, none, PRESSURE, LABELLED(U64, queue.cancelled, "end", "cancelled"), \
      "Operations that had to wait, by how that ended.") \
    X("sluice_pressure_queue_full_total", counter, none, PRESSURE, U64(queue.refused), \
      "Operations refused because too many or too large ones waited.") \
    X("sluice_pressure_overtakes_total", counter, none, PRESSURE, U64(queue.overtakes), \
      "Operations granted before an earlier one that did not fit.") \
    X("sluice_pressure_healed_slots_total", counter, none, PRESSURE, U64(queue.healed), \
      "Counts that were found to differ from the operations that exist, and set right.") \
    X("sluice_pressure_source_ahead_bytes", gauge, bytes, PRESSURE, U64(queue.source_bytes), \
      "Sources that are being fetched, or are held by what waits.") \
    X("sluice_pressure_drain_bytes_per_second", gauge, none, PRESSURE, REAL(queue.drain_bytes_per_s), \
      "Memory of operations that ended per second of the last busy ones, 0: not known.") \
    X("sluice_route_slots_limit", gauge, none, ROUTE, ROUTE_U64(limit), "Slots of the route (pressure.max-concurrent), 0: any number.") \
    X("sluice_route_slots_in_use", gauge, none, ROUTE, ROUTE_U64(in_use), "Slots of the route that are taken.") \
    X("sluice_route_waiting", gauge, none, ROUTE, ROUTE_U64(waiting), "Operations of the route that wait.") \
    X("sluice_route_refused_total", counter, none, ROUTE, ROUTE_U64(refused), \
      "Operations of the route that were refused or had waited for too long.") \
    X("sluice_pressure_samples_total", counter, none, PRESSURE, U64(samples), "Samples of the memory in use.") \
    X("sluice_pressure_failed_samples_total", counter, none, PRESSURE, U64(failed_samples), \
      "Samples of the memory in use that failed.") \
    X("sluice_pressure_failed_samples_in_row", gauge, none, PRESSURE, U64(failed_samples_in_row), \
      "Samples that failed since the last good one.") \
    X("sluice_pressure_events_total", counter, none, PRESSURE, EACH(events, "level", health_level_names), \
      "Events told to the caches, by level: a mark was crossed upwards, or its level persisted.") \
    X("sluice_pressure_repeats_total", counter, none, PRESSURE, EACH(repeats, "level", health_level_names), \
      "Those events that were told again because their level persisted.") \
    X("sluice_pressure_accounted_bytes", gauge, bytes, PRESSURE, U64(accounted_bytes), \
      "Memory that the caches hold or that is reserved.") \
    X("sluice_pressure_residual_bytes", gauge, bytes, PRESSURE, U64(residual_bytes), \
      "Resident set less what is accounted for: the program itself, connections, free pages, leaks.") \
    X("sluice_pressure_evictable_bytes", gauge, bytes, PRESSURE, U64(evictable_bytes), \
      "Memory that the caches would release at the present level.") \
    X("sluice_pressure_reclaims_total", counter, none, PRESSURE, U64(reclaim.total), \
      "Times that caches released memory and the resident set was looked at again.") \
    X("sluice_pressure_poor_reclaims_total", counter, none, PRESSURE, U64(reclaim.poor), \
      "Those after which too little had left the resident set.") \
    X("sluice_pressure_unfinished_reclaims_total", counter, none, PRESSURE, U64(reclaim.unfinished), \
      "Those that ran out of their time and were continued.") \
    X("sluice_pressure_skipped_reclaims_total", counter, none, PRESSURE, U64(reclaim.skipped), \
      "Repetitions left out because the caches had nothing to release.") \
    X("sluice_pressure_backoff_seconds", gauge, seconds, PRESSURE, MS(reclaim.backoff_ms), \
      "Pause between two reclaims while they are ineffective, else 0.") \
    X("sluice_pressure_ineffective", gauge, none, PRESSURE, U64(reclaim.ineffective), \
      "1 after several poor reclaims in a row, else 0.") \
    X("sluice_pressure_unreclaimable", gauge, none, PRESSURE, U64(reclaim.unreclaimable), \
      "1 while memory is critical, nothing can be reclaimed, and hits are answered again, else 0.") \
    X("sluice_pressure_last_reclaim_generation", gauge, none, RECLAIM, U64(last_reclaim.generation), \
      "Generation of events that caused the last reclaim.") \
    X("sluice_pressure_last_reclaim_claimed_bytes", gauge, bytes, RECLAIM, U64(last_reclaim.claimed_bytes), \
      "Memory that the caches said they released at the last reclaim.") \
    X("sluice_pressure_last_reclaim_objects", gauge, none, RECLAIM, U64(last_reclaim.objects), \
      "Objects that the caches said they released at the last reclaim.") \
    X("sluice_pressure_last_reclaim_resident_before_bytes", gauge, bytes, RECLAIM, U64(last_reclaim.resident_before_bytes), \
      "Resident set before the last reclaim.") \
    X("sluice_pressure_last_reclaim_resident_after_bytes", gauge, bytes, RECLAIM, U64(last_reclaim.resident_after_bytes), \
      "Resident set after the last reclaim.") \
    X("sluice_pressure_last_reclaim_duration_seconds", gauge, seconds, RECLAIM, MS(last_reclaim.duration_ms), \
      "Time that the last reclaim took.") \
    X("sluice_pressure_last_reclaim_purged_bytes", gauge, bytes, RECLAIM, U64(last_reclaim.purged_bytes), \
      "Memory that the heap had to give at the last reclaim, 0: it was not worth trimming.") \
    X("sluice_pressure_last_reclaim_age_seconds", gauge, seconds, RECLAIM, MS(last_reclaim.age_ms), "Time since the last reclaim.")

#define HEALTH_METRICS_QUOTA(X) \
    X("sluice_image_cache_quota_bytes", gauge, bytes, QUOTA, QUOTA_U64(used_bytes), \
      "Memory charged to what is in the image cache for a host or path with a quota, by route.") \
    X("sluice_image_cache_quota_limit_bytes", gauge, bytes, QUOTA, QUOTA_U64(limit_bytes), "The quota (image-cache.quota), by route.") \
    X("sluice_image_cache_quota_entries", gauge, none, QUOTA, QUOTA_U64(entries), \
      "Objects in the image cache for a host or path with a quota, by route.") \
    X("sluice_image_cache_quota_evictions_total", counter, none, QUOTA, QUOTA_U64(evictions), \
      "Objects evicted because the quota was used up, by route.") \
    X("sluice_image_cache_quota_evicted_bytes_total", counter, bytes, QUOTA, QUOTA_U64(evicted_bytes), \
      "Memory of the objects evicted because the quota was used up, by route.") \
    X("sluice_image_cache_quota_refused_total", counter, none, QUOTA, QUOTA_U64(refused), \
      "Objects not stored, being larger than the quota, by route.") \
    X("sluice_image_cache_quota_healed_total", counter, none, QUOTA, QUOTA_U64(healed), \
      "Times that the memory charged was found wrong and set right, by route; a fault of the program.")

#define HEALTH_METRICS_WORK(X) \
    X("sluice_requests_total", counter, none, REQUEST, COMPUTED(finished_requests), "Requests that ended, answered or not.") \
    X("sluice_request_responses_total", counter, none, REQUEST, EACH(responses, "class", health_response_names), \
      "Requests that ended, by class of status; none: without an answer.") \
    X("sluice_requests_in_progress", gauge, none, REQUEST, U64(requests_in_progress), "Requests being answered.") \
    X("sluice_requests_shed_total", counter, none, REQUEST, U64(shed), "Requests refused because of memory pressure.") \
    X("sluice_degraded_total", counter, none, REQUEST, EACH(degraded, "kind", health_degraded_names), \
      "Requests answered with something lesser because of memory pressure, by kind.") \
    X("sluice_errors_total", counter, none, REQUEST, LABELLED(U64, errors_bad_request, "type", "bad_request"), \
      "Requests that failed, by type.") \
    X("sluice_errors_total", counter, none, REQUEST, LABELLED(U64, errors_origin, "type", "origin"), \
      "Requests that failed, by type.") \
    X("sluice_errors_total", counter, none, REQUEST, LABELLED(U64, errors_image, "type", "image"), \
      "Requests that failed, by type.") \
    X("sluice_errors_total", counter, none, REQUEST, LABELLED(U64, errors_no_room, "type", "no_room"), \
      "Requests that failed, by type.") \
    X("sluice_errors_total", counter, none, REQUEST, LABELLED(U64, errors_timeout, "type", "timeout"), \
      "Requests that failed, by type.") \
    X("sluice_origin_fetches_total", counter, none, ORIGIN, U64(origin_fetches), "Fetches from an origin.") \
    X("sluice_origin_failures_total", counter, none, ORIGIN, U64(origin_failures), "Fetches from an origin that failed.") \
    X("sluice_origin_received_bytes_total", counter, bytes, ORIGIN, U64(origin_bytes), "Bytes of bodies received from origins.") \
    X("sluice_origin_fetches_in_progress", gauge, none, ORIGIN, U64(origin_in_progress), "Fetches under way.") \
    X("sluice_transforms_total", counter, none, TRANSFORM, U64(transforms), "Transforms ended.") \
    X("sluice_transform_failures_total", counter, none, TRANSFORM, U64(transform_failures), "Transforms that failed.") \
    X("sluice_transform_cancellations_total", counter, none, TRANSFORM, U64(transforms_cancelled), \
      "Transforms given up because nobody waited for them any more.") \
    X("sluice_transform_shared_total", counter, none, TRANSFORM, U64(transforms_shared), \
      "Renditions that came of the transform of another one, with one decoding.") \
    X("sluice_transform_queued", gauge, none, TRANSFORM, U64(transforms_queued), "Transforms that wait for a worker.") \
    X("sluice_transform_seconds_total", counter, seconds, TRANSFORM, REAL(transform_seconds), \
      "Time that workers spent on transforms.") \
    X("sluice_transform_memory_ratio", histogram, ratio, TRANSFORM, HISTOGRAMS(RATIOS, memory_ratios, "format", health_format_names), \
      "Memory that a transform was seen to take, divided by what was reserved, of those that were alone, by format of the source.") \
    X("sluice_transform_overruns_total", counter, none, TRANSFORM, U64(transform_overruns), \
      "Transforms that were alone and took more than 1.25 times what was reserved.") \
    X("sluice_images_in_progress", gauge, none, TRANSFORM, U64(transforms_in_progress), "Images being transformed.") \
    X("sluice_vips_memory_bytes", gauge, bytes, TRANSFORM, U64(vips_memory_bytes), "Memory that libvips tracks as allocated.") \
    X("sluice_vips_max_memory_bytes", gauge, bytes, TRANSFORM, U64(vips_memory_peak_bytes), \
      "Largest amount of memory that libvips tracked.")

#define HEALTH_METRICS_PROCESS(X) \
    X("process_resident_memory_bytes", gauge, bytes, PROCESS, U64(resident_bytes), "Resident set as of the last sample.") \
    X("process_virtual_memory_bytes", gauge, bytes, PROCESS, U64(process_virtual_bytes), "Size of the address space.") \
    X("process_cpu_seconds_total", counter, seconds, PROCESS, REAL(process_cpu_seconds), "User and system time spent.") \
    X("process_start_time_seconds", gauge, seconds, PROCESS, REAL(process_start_time_seconds), \
      "Start of the process, since the Unix epoch.") \
    X("process_threads", gauge, none, PROCESS, U64(process_threads), "Threads of the process.")
/* clang-format on */

#endif
