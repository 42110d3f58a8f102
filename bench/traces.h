/*
 * traces.h - requests to replay: generated ones, and those of well-known trace files.
 */
#ifndef bench__traces_h
#define bench__traces_h

#include <stddef.h>
#include <stdint.h>

typedef struct st_request_t {
    uint64_t id;
    uint32_t size_bytes, cost_us;
} request_t;

typedef struct st_trace_t {
    const char *name;
    request_t *requests; /* owned, freed by trace_dispose() */
    size_t num_requests, num_objects;
    uint64_t footprint_bytes; /* all objects, each once */
} trace_t;

typedef struct st_shape_t {
    const char *name;
    double alpha;          /* popularity of rank r: r^-alpha */
    unsigned scan_percent; /* of the requests are for objects that are asked for once */
    unsigned swap_every;   /* so many requests, two objects swap their popularity; 0: never */
} shape_t;

/**
 * sizes are log-normal as pictures have them (median 18 KB, sigma 1.2, at most 50 MB); deterministic
 */
void trace_generate(trace_t *trace, const shape_t *shape, size_t num_requests, size_t num_objects);
/**
 * reads "format:path", where a path that ends in .xz goes through xz. Formats: "text" (lines of time, id, size), "le32" and "be64"
 * (ids alone, of equal size), "oracle" (libCacheSim's oracleGeneral). Returns 0, or -1 with a message on stderr.
 */
int trace_read(trace_t *trace, const char *argument);
void trace_dispose(trace_t *trace);

#endif
