/*
 * leak.h - what a snapshot says of leaks.
 */
#ifndef health__leak_h
#define health__leak_h

#include <stdint.h>

typedef struct st_health_leak_t {
    uint64_t suspected;  /* 1: suspected or likely */
    uint64_t likely;     /* 1: likely */
    uint64_t confidence; /* points, 0 to 100 */
    uint64_t floor_bytes;
    double bytes_per_second;
    double seconds_to_budget; /* NaN: nothing is suspected */
} health_leak_t;

#endif
