/*
 * client_caching.h - what clients, and the caches between them and here, are told about keeping an answer: Cache-Control. Pure.
 */
#ifndef module__client_caching_h
#define module__client_caching_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_CLIENT_CACHING_MAX 120 /* bytes of the longest text */

/**
 * Writes the value of the field, without NUL; returns its length.
 * @param flags SLUICE_CC_* of what the origin said, passed on; 0: it said nothing that counts, and the answer is public
 * @param max_age_s from when the origin made its answer: Age says how much of it is gone
 */
size_t sluice_client_caching_text(uint32_t flags, uint32_t max_age_s, char dst[SLUICE_CLIENT_CACHING_MAX]);

#endif
