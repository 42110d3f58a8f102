/*
 * siblings.h - which renditions of a source were stored, for requests that another size than their own is better for than none.
 *
 * A hint, and never more: of each rendition its handle, which says by itself whether it is still in the cache, and its size. It
 * serves for a request if both look the same but for the size:
 *
 *   all options are equal but w, h, the fits inside and outside, and the format where several will do
 *   it is at least as large as what is asked for, in both sides, and not its answer made larger
 *     whole pictures (inside, outside, one side given) always have the same ratio
 *     of others (fill, cover, contain) the ratios are the same, to one pixel of what is asked for
 *
 * Not in here are renditions whose options mean something else at another size: cut out, trimmed, blurred, sharpened, turned by
 * other than right angles, of several pages, placeholders, and those that are no pictures.
 *
 * SLUICE_SIBLINGS_SETS x SLUICE_SIBLINGS_WAYS entries of 56 bytes, from the start on; those of a source share a set, where the
 * newest takes the place of the oldest. Any thread; one mutex, held for a look at one set.
 */
#ifndef module__siblings_h
#define module__siblings_h

#include "image_cache/image_cache.h"
#include "module/image_options.h"

#define SLUICE_SIBLINGS_SETS 2048 /* a power of two */
#define SLUICE_SIBLINGS_WAYS 16

typedef struct st_sluice_siblings_t sluice_siblings_t;

/**
 * returns NULL when memory is out
 */
sluice_siblings_t *sluice_siblings_create(void);
/**
 * NULL inside is allowed
 */
void sluice_siblings_destroy(sluice_siblings_t **siblings);

/**
 * the size of the table
 */
size_t sluice_siblings_bytes(void);

/**
 * the bit of what options have as an output, for a set of them
 */
static inline uint32_t sluice_output_bit(const sluice_options_t *options)
{
    return UINT32_C(1) << (options->common ? SLUICE_NUM_FORMATS : options->output);
}

/**
 * remembers a rendition
 * @param source key of the source; its text is not looked at
 * @param width, height what the options came to
 */
void sluice_siblings_add(sluice_siblings_t *siblings, const icache_key_t *source, const sluice_options_t *options, uint32_t width,
                         uint32_t height, icache_handle_t handle);
/**
 * finds those that serve for a request, the smallest first; returns how many
 * @param outputs bits of sluice_output_bit(): what will do
 */
size_t sluice_siblings_find(sluice_siblings_t *siblings, const icache_key_t *source, const sluice_options_t *options,
                            uint32_t outputs, icache_handle_t found[SLUICE_SIBLINGS_WAYS]);

#endif
