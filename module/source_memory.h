/*
 * source_memory.h - what is remembered of sources in the metadata cache, apart from their bytes: one record each, with what the
 * origin said last, and the error that a request would end with, until when.
 *
 * Times of remembering are absolute, and limited by image-cache.negative-max-age and metadata-max-age. `epoch` is what
 * icache_meta_epoch() said before the origin was asked: what was learnt before a purge is not remembered after it.
 */
#ifndef module__source_memory_h
#define module__source_memory_h

#include "module/source.h"

/**
 * what is known of a source without asking for it: an error that is still remembered, with its need, or SLUICE_OK
 */
sluice_failure_t sluice_source_known_error(const sluice_origin_t *origin, const char *key, size_t key_len);
/**
 * for how long a request for this source will end with that error without asking; 0 when it is not remembered
 */
uint64_t sluice_source_error_left_ms(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_error_t error);
/**
 * keeps what else is known of the source, unless the error is that there is none
 */
void sluice_source_remember_error(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_failure_t failure,
                                  uint64_t until_ms, uint64_t epoch);
/**
 * returns 1 and fills `known` if it is known what the origin said last
 */
int sluice_source_recall(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_known_t *known);
void sluice_source_remember(const sluice_origin_t *origin, const char *key, size_t key_len, const sluice_known_t *known,
                            uint64_t until_ms, uint64_t epoch);

#endif
