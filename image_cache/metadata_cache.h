/*
 * metadata_cache.h - small records with an expiry, in segments that go back to the system whole.
 *
 * Origin answers (type, size, validators, negative answers) are small and many. Spread over an ordinary heap, dropping the oldest
 * quarter of them returns no page at all; so records are appended to segments that have a mapping of their own, in order of
 * arrival, and memory is given back by dropping the oldest segment whole. A record that is put again is written again at the end
 * (the old copy is dead until its segment goes). Reading copies the record out, so no reader pins a segment.
 *
 * Threads: any; one mutex, held for a bounded copy. Time is a parameter.
 * Bytes: used = segments that are mapped + index (a sixteenth of the capacity, from the start). The capacity bounds that sum; it is
 * raised to two segments and a quarter if it is less, and used up to 32 GiB. Records of less than 160 bytes on average (a header of
 * 20 bytes, key, value, rounded up to 16) fill the index before the bytes.
 */
#ifndef image_cache__metadata_cache_h
#define image_cache__metadata_cache_h

#include <stddef.h>
#include <stdint.h>

#define ICACHE_META_SEGMENT_BYTES (256 * 1024)
#define ICACHE_META_MAX_KEY_BYTES 16384
#define ICACHE_META_MAX_VALUE_BYTES 4096

typedef struct st_icache_meta_t icache_meta_t;

typedef struct st_icache_meta_stats_t {
    uint64_t capacity_bytes, used_bytes, entries; /* entries: also expired ones that nobody asked for since */
    uint64_t hits, misses, inserts, dropped;      /* dropped: entries that went with their segment */
} icache_meta_stats_t;

/**
 * creates a cache, or returns NULL when memory is out
 * @param seed of the hash; take it from the system's random source, so that keys cannot be made to collide
 */
icache_meta_t *icache_meta_create(uint64_t capacity_bytes, uint64_t seed);
void icache_meta_destroy(icache_meta_t **meta);
/**
 * the number of purges so far, for icache_meta_put()
 */
uint64_t icache_meta_epoch(icache_meta_t *meta);
/**
 * stores a copy of the value, replacing the record of that key; may drop the oldest segment to do so. Returns 0, or -1 when the
 * value is larger than ICACHE_META_MAX_VALUE_BYTES, the key larger than ICACHE_META_MAX_KEY_BYTES, or memory is out and there is
 * no old segment to use again (then the record of that key is gone, never stale). The value may be NULL if value_len is 0.
 * @param epoch what icache_meta_epoch() said before the value was asked for: if there was a purge since, nothing is stored, and the
 *              return is -1
 */
int icache_meta_put(icache_meta_t *meta, const char *key, size_t key_len, const void *value, size_t value_len, uint64_t expires_ms,
                    uint64_t epoch);
/**
 * copies the value into buf. Returns its length, or -1 if there is no fresh record (now_ms < expires_ms) or it does not fit; each
 * -1 counts as a miss.
 */
long icache_meta_get(icache_meta_t *meta, const char *key, size_t key_len, uint64_t now_ms, void *buf, size_t buf_len);
/**
 * returns 1 if there was a record
 */
int icache_meta_remove(icache_meta_t *meta, const char *key, size_t key_len);
/**
 * removes all records for whose key `matches` returns non-zero (it must not call the cache), and makes the epochs that were given
 * out invalid. Returns how many. Walks all records, a segment per hold of the lock: not for event loops.
 */
uint64_t icache_meta_purge(icache_meta_t *meta, int (*matches)(void *ctx, const char *key, size_t key_len), void *ctx);
/**
 * drops the oldest segment. Returns the bytes unmapped, 0: there was none.
 */
uint64_t icache_meta_drop_segment(icache_meta_t *meta);
/**
 * what the index takes up (address space; pages that were never written are not there) and what the segments do, without a lock
 */
void icache_meta_get_usage(icache_meta_t *meta, uint64_t *index_bytes, uint64_t *segment_bytes);
void icache_meta_get_stats(icache_meta_t *meta, icache_meta_stats_t *stats);
/**
 * 0 if segments, index and counts agree, else the line of the failed check. For tests.
 */
int icache_meta_check(icache_meta_t *meta);

#endif
