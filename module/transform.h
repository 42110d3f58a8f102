/*
 * transform.h - from the bytes of a source to the bytes of a rendition, with libvips, of which only transform.c and the
 * pipeline_*.c know.
 *
 * In two steps, so that memory can be reserved in between: the plan reads the header only, the run decodes. Both block and belong
 * on threads of their own. Only the loaders of JPEG, PNG, WebP, GIF, AVIF and TIFF can run, chosen by content.
 */
#ifndef module__transform_h
#define module__transform_h

#include <stddef.h>
#include <stdint.h>
#include "module/errors.h"
#include "module/transform_estimate.h"

typedef struct st_sluice_limits_t {
    uint64_t max_pixels; /* of the source; of an animation its first frame, which is all that is decoded */
    uint64_t max_side;   /* of the answer */
} sluice_limits_t;

typedef struct st_sluice_plan_t {
    sluice_options_t options; /* with the output and its quality decided */
    sluice_picture_facts_t facts;
    uint32_t upright_width, upright_height; /* of the source, orientation applied */
    uint32_t scaled_width, scaled_height;   /* of the upright picture, before it is cropped or extended */
    uint32_t width, height;                 /* of the answer */
    int turned;                             /* what is stored is not upright */
    int swapped;                            /* what is stored lies on its side */
    int has_profile; /* the source names its colour space; without, its colours are sRGB already, or converted by formula */
    uint64_t estimate_bytes;
} sluice_plan_t;

/**
 * what may stop a run: asked now and then while it decodes. `look` is called as often, and when much memory is in use
 */
typedef struct st_sluice_transform_control_t {
    int (*wanted)(void *ctx);
    void (*look)(void *ctx);
    void *ctx;
    uint64_t deadline_ms; /* sluice_now_ms() */
} sluice_transform_control_t;

/**
 * Where the time of a run went. libvips decodes, scales and converts by profile in one lazy pass, a strip of rows at a time, so
 * these cannot be told apart; they are `decode`. `transform` is what follows it up to the pixels of the answer (other colour
 * spaces, borders), and `encode` the rest. While a strip is encoded the next may be decoded, which then counts as decoding only.
 */
typedef struct st_sluice_transform_times_t {
    uint64_t decode_us, transform_us, encode_us;
} sluice_transform_times_t;

/**
 * once per process, after the last fork. Returns 0, or -1 with a line on stderr.
 */
int sluice_transform_init(void);
/**
 * last on each worker thread: libvips keeps buffers per thread
 */
void sluice_transform_thread_exit(void);

sluice_error_t sluice_transform_plan(const void *bytes, size_t len, const sluice_options_t *options, const sluice_limits_t *limits,
                                     sluice_plan_t *plan);
/**
 * @param out on SLUICE_OK, a buffer that the caller frees with sluice_transform_free()
 * @param times set on SLUICE_OK
 */
sluice_error_t sluice_transform_run(const void *bytes, size_t len, const sluice_plan_t *plan,
                                    const sluice_transform_control_t *control, void **out, size_t *out_len,
                                    sluice_transform_times_t *times);
void sluice_transform_free(void *out);

/**
 * what libvips itself has allocated for pixels, now and at most
 */
uint64_t sluice_transform_memory(void);
uint64_t sluice_transform_memory_peak(void);

#endif
