/*
 * report.h - everything that is known about memory, in one object: what somebody wants to read, or keep, when something is wrong.
 */
#ifndef module__report_h
#define module__report_h

#include <jansson.h>
#include "module/sluice.h"

/**
 * The object that GET /api/memory/report answers: version, at, health, stats, heap, process, consumers, recommendations, and a
 * member for each other part that has something to say (report.c: sections). To be released with json_decref(); NULL when memory is
 * out. Takes a millisecond or so: any thread but a loop's. Allocates, so it is not for signal handlers.
 */
json_t *sluice_report_new(sluice_t *sluice);

#endif
