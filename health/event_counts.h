/*
 * event_counts.h - what /metrics says of events and of those who listen to them.
 */
#ifndef health__event_counts_h
#define health__event_counts_h

#include <stdint.h>

#define HEALTH_NUM_EVENT_TYPES 12

/**
 * the types of events; what is published under another name counts as the last, `other`
 */
extern const char *const health_event_type_names[HEALTH_NUM_EVENT_TYPES];

typedef struct st_health_event_counts_t {
    uint64_t published[HEALTH_NUM_EVENT_TYPES];
    uint64_t left_out;                                          /* could not be kept */
    uint64_t streams, streams_dropped, streams_refused, missed; /* of those who listen; the first is a number of now */
} health_event_counts_t;

#endif
