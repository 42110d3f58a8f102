/*
 * plain_target.h - the target of a request as it may be shown to an administrator: without what opens doors. Pure.
 */
#ifndef module__plain_target_h
#define module__plain_target_h

#include <stddef.h>

/**
 * Writes path and query, NUL-terminated. Of the query, options of image URLs stay as they are. Of all other parameters, a
 * signature (sig) among them, the value is replaced by "...", as it may be somebody's secret. Bytes that are not printable ASCII
 * become "?". What does not fit is cut, and ends in "...".
 * @param size of dst, at least 4
 */
void sluice_plain_target(const char *target, size_t len, char *dst, size_t size);
/**
 * the same bytes, printable, and cut
 */
void sluice_plain_text(const char *text, size_t len, char *dst, size_t size);

#endif
