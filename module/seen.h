/*
 * seen.h - what an event loop remembers of the targets it was asked for: which object each one came to, and the text of its fields.
 * Saves a hit the way from the target to the canonical key, and most of the writing.
 *
 * A hint, and never more: a handle says by itself whether its object is still in the cache (icache_get_by_handle()), so nothing has
 * to be taken out of here. A target is found only if every byte of it is the same; the hash just says where to look.
 *
 * One thread, the loop's; no lock. Fixed in size from the start: SLUICE_SEEN_ENTRY_BYTES for each entry, which are resident once
 * they have been written to. A new entry takes the place of the one of its set that was not found or put last.
 */
#ifndef module__seen_h
#define module__seen_h

#include "image_cache/image_cache.h"
#include "module/field_texts.h"

#define SLUICE_SEEN_SETS 2048 /* of an event loop */
#define SLUICE_SEEN_WAYS 2    /* entries of a set */
#define SLUICE_SEEN_ENTRY_BYTES 640
#define SLUICE_SEEN_TARGET_MAX 160 /* bytes; longer targets are not remembered */

typedef struct st_sluice_seen_t sluice_seen_t;

typedef struct st_sluice_seen_object_t {
    icache_handle_t handle;     /* all zero: of a target that means a picture only together with something else */
    int64_t expires_s;          /* since 1970: from then on the target is to be looked at anew; INT64_MAX: never */
    sluice_field_texts_t texts; /* the caller's, see sluice_add_picture_fields() */
} sluice_seen_object_t;

/**
 * @param num_sets a power of two
 * @param seed of the hash, random, so that targets cannot be made to collide
 * @return NULL when memory is out
 */
sluice_seen_t *sluice_seen_create(size_t num_sets, uint64_t seed);
/**
 * NULL inside is allowed
 */
void sluice_seen_destroy(sluice_seen_t **seen);
/**
 * what was put for this owner and these bytes, or NULL. Good until the next put.
 * @param owner what the meaning of the target depends on besides its bytes; compared as a pointer
 */
sluice_seen_object_t *sluice_seen_get(sluice_seen_t *seen, const void *owner, const char *target, size_t len);
/**
 * the same for the target of what was just found, and another owner
 */
sluice_seen_object_t *sluice_seen_get_beside(sluice_seen_t *seen, const sluice_seen_object_t *found, const void *owner);
/**
 * remembers an object, of no texts yet
 * @param expires_s is the caller's to look at
 */
void sluice_seen_put(sluice_seen_t *seen, const void *owner, const char *target, size_t len, icache_handle_t handle,
                     int64_t expires_s);

#endif
