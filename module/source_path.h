/*
 * source_path.h - from the path of a request to the name of a source at its origin. Pure.
 */
#ifndef module__source_path_h
#define module__source_path_h

#include <stddef.h>

#define SLUICE_SOURCE_PATH_MAX 2048

/**
 * whether a decoded path (without leading slash) may be asked of an origin: not empty, no control characters, no empty, "." or ".."
 * segment, not longer than SLUICE_SOURCE_PATH_MAX / 3 bytes (so that it fits when every byte is percent-encoded)
 */
int sluice_source_path_ok(const char *path, size_t len);
/**
 * percent-encodes a decoded path for a URL, leaving RFC 3986's unreserved characters, sub-delims, ":", "@" and "/" as they are.
 * Returns the length, or 0 if it does not fit together with its NUL.
 */
size_t sluice_source_path_encode(const char *path, size_t len, char *buf, size_t buf_len);

#endif
