/*
 * presentation.h - what the query of an image URL says of the answer and not of the picture. It has no place in the cache key.
 */
#ifndef module__presentation_h
#define module__presentation_h

#include <stdint.h>

#define SLUICE_FILENAME_MAX 100
#define SLUICE_FALLBACK_MAX 512

/**
 * all zero: nothing was asked for
 */
typedef struct st_sluice_presentation_t {
    int negotiate;                          /* auto=format: the best format that the client accepts, unless an output is given */
    uint32_t max_age_s;                     /* for clients, 1 day to 1 year; 0: what else decides */
    char filename[SLUICE_FILENAME_MAX + 1]; /* letters, digits, '-', '_' and '.'; "": none */
    char fallback[SLUICE_FALLBACK_MAX + 1]; /* decoded path below the same origin, good for sluice_source_path_ok(); "": none */
} sluice_presentation_t;

#endif
