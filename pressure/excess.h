#ifndef pressure__excess_h
#define pressure__excess_h

#include <stdint.h>

/**
 * by how much a is more than b; 0 if it is not
 */
static inline uint64_t pressure_excess(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

#endif
