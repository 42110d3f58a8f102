/*
 * transform.h - from the bytes of a source to the bytes of a rendition, with libvips, of which only transform.c and the
 * pipeline_*.c know.
 *
 * In two steps, so that memory can be reserved in between: the plan reads the header only, the run decodes. Both block and belong
 * on threads of their own. Only the loaders of JPEG, PNG, WebP, GIF, AVIF and TIFF can run, and that of
 * SVG if it is asked for, chosen by content.
 */
#ifndef module__transform_h
#define module__transform_h

#include <stddef.h>
#include <stdint.h>
#include "module/errors.h"
#include "module/geometry.h"
#include "module/transform_estimate.h"

typedef struct st_sluice_limits_t {
    uint64_t max_pixels; /* of the source, those of all frames that are decoded */
    uint64_t max_side;   /* of the answer */
    uint64_t max_pages;  /* that are decoded, or searched for the largest or smallest */
} sluice_limits_t;

typedef struct st_sluice_plan_t {
    sluice_options_t options; /* with the output and its quality decided */
    sluice_picture_facts_t facts;
    sluice_limits_t limits;
    sluice_format_t answer_format; /* that of the output, or of what it is wrapped in */
    uint32_t first_page;           /* of those that are decoded */
    uint32_t num_frames;           /* that are decoded, one below the other; facts and geometry are those of one of them */
    int orientation;               /* of EXIF: 1 to 8 */
    sluice_geometry_t geometry;    /* as if there was nothing to trim */
    sluice_size_t least_loaded;    /* what the decoder must deliver at least, as stored, which it may shrink the picture to */
    int has_profile; /* the source names its colour space; without, its colours are sRGB already, or converted by formula */
    uint64_t estimate_bytes;
} sluice_plan_t;

/**
 * what may stop a run: asked now and then while it decodes. `look` is called as often, and when much memory is in use. `ask` is
 * called, once at most, for a picture that is trimmed: what is left of it may be enlarged to more than the picture would have been
 */
typedef struct st_sluice_transform_control_t {
    int (*wanted)(void *ctx);
    void (*look)(void *ctx);
    sluice_error_t (*ask)(void *ctx, uint64_t bytes); /* for more than the plan says; SLUICE_OK, or why there is not so much */
    void *ctx;
    uint64_t deadline_ms; /* sluice_now_ms() */
} sluice_transform_control_t;

/**
 * Where the time of a part went. Decoding and scaling go on together, row by row, and cannot be told apart; they are `decode`, of
 * which each part of a run is told all. `transform` is what follows it up to the pixels of the answer (colours, borders,
 * adjustments), and `encode` the rest. Where the pipeline is lazy, the next strip may be decoded while one is encoded, which then
 * counts as decoding only.
 */
typedef struct st_sluice_transform_times_t {
    uint64_t decode_us, transform_us, encode_us;
} sluice_transform_times_t;

/**
 * once per process, after the last fork
 * @param svg whether drawings may be loaded. Returns 0, or -1 with a line on stderr.
 */
int sluice_transform_init(int svg);
/**
 * last on each worker thread: libvips keeps buffers per thread
 */
void sluice_transform_thread_exit(void);

/**
 * what a plan takes while it is made, for which memory is reserved: the tree of an SVG. 0 for other formats
 */
uint64_t sluice_transform_planning_bytes(const void *bytes, size_t len);
sluice_error_t sluice_transform_plan(const void *bytes, size_t len, const sluice_options_t *options, const sluice_limits_t *limits,
                                     sluice_plan_t *plan);
/**
 * one rendition of a run
 */
typedef struct st_sluice_transform_part_t {
    sluice_plan_t *plan; /* if the picture is trimmed, the run makes it that of what is left */
    const sluice_transform_control_t *control;
    void (*on_done)(struct st_sluice_transform_part_t *part, void *ctx); /* as soon as it is made or has failed; or NULL */
    void *ctx;
    /* set by the run */
    sluice_error_t error;
    void *out; /* on SLUICE_OK, a buffer that the caller frees with sluice_transform_free() */
    size_t out_len;
    sluice_transform_times_t times;
} sluice_transform_part_t;

#define SLUICE_TRANSFORM_PARTS_MAX 16

/**
 * makes renditions of one source, each by its own plan. A single one flows through one pipeline. For several, the picture is
 * decoded once, and each row of it scaled for each of them. It stops for what its control says, the decoding when all of them do.
 */
void sluice_transform_run(const void *bytes, size_t len, sluice_transform_part_t *parts, size_t num_parts);
/**
 * whether resize.h scales it
 */
int sluice_plan_is_scaled_by_rows(const sluice_plan_t *plan);
/**
 * whether a rendition can be one of several in a run; and whether these two, of one source, can: then each comes out as it would
 * alone
 */
int sluice_transform_can_share(const sluice_plan_t *plan);
int sluice_transform_can_share_with(const sluice_plan_t *plan, const sluice_plan_t *other);
/**
 * makes it the plan of a picture of which trimming has left this area
 */
sluice_error_t sluice_transform_plan_trimmed(sluice_plan_t *plan, sluice_area_t area);
/**
 * whether a background of this colour gives the picture an alpha channel, if it has none. Where the answer cannot have one, and no
 * other background is to show through, it lies on black at once
 */
int sluice_plan_adds_alpha(const sluice_plan_t *plan, sluice_color_t background);
/**
 * upper estimate of what a plan takes, of whose fields all others are set
 */
uint64_t sluice_transform_estimate_plan(const sluice_plan_t *plan);
/**
 * upper estimate of what a run of several takes; to one alone the estimate of its plan applies
 */
uint64_t sluice_transform_estimate_shared(const sluice_plan_t *const *plans, size_t num_plans);
void sluice_transform_free(void *out);

/**
 * decides on the output, its quality and what it is wrapped in, and makes what is asked for small where a placeholder is; of a plan
 * whose facts are known
 */
void sluice_plan_output(sluice_plan_t *plan);
/**
 * what the adjustments of a plan whose geometry is known take on top of all else
 */
uint64_t sluice_plan_effect_bytes(const sluice_plan_t *plan, int alpha);

/**
 * what libvips itself has allocated for pixels, now and at most
 */
uint64_t sluice_transform_memory(void);
uint64_t sluice_transform_memory_peak(void);

#endif
