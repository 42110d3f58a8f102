/*
 * metrics_events.h - rows of metrics_table.h: events, and those who listen to them.
 */
#ifndef health__metrics_events_h
#define health__metrics_events_h

/* clang-format off */
#define HEALTH_METRICS_EVENTS(X) \
    X("sluice_events_total", counter, none, PROCESS, EACH(live.published, "type", health_event_type_names), \
      "Events published at /api/memory/events, by type.") \
    X("sluice_events_left_out_total", counter, none, PROCESS, U64(live.left_out), \
      "Events that were too long, or for which there was no memory.") \
    X("sluice_event_streams", gauge, none, PROCESS, U64(live.streams), "Clients that listen to events.") \
    X("sluice_event_streams_dropped_total", counter, none, PROCESS, U64(live.streams_dropped), \
      "Streams of events that were ended because their client did not read.") \
    X("sluice_event_streams_refused_total", counter, none, PROCESS, U64(live.streams_refused), \
      "Streams of events that were refused because there were too many.") \
    X("sluice_events_missed_total", counter, none, PROCESS, U64(live.missed), \
      "Events that a client was told it has missed, because they were no longer kept.")
/* clang-format on */

#endif
