/*
 * byte_range.h - the Range field of a request (RFC 9110, 14), for one range of bytes. Pure.
 */
#ifndef module__byte_range_h
#define module__byte_range_h

#include <stddef.h>
#include <stdint.h>

typedef enum en_sluice_range_t {
    SLUICE_RANGE_WHOLE,        /* another unit, malformed, or more than one range: as if there were no Range */
    SLUICE_RANGE_PART,         /* 206 */
    SLUICE_RANGE_UNSATISFIABLE /* 416: it begins behind the end, or asks for the last 0 bytes */
} sluice_range_t;

/**
 * "bytes=0-99", "bytes=100-", "bytes=-100" for a body of `size` bytes. What goes beyond the end is cut off there.
 * @param first, count set for SLUICE_RANGE_PART, where first + count <= size and count != 0
 */
sluice_range_t sluice_byte_range(const char *value, size_t len, uint64_t size, uint64_t *first, uint64_t *count);

#endif
