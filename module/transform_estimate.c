#include "module/jpeg_thin.h"
#include "module/transform_estimate.h"

#define FIXED_BYTES (UINT64_C(2) << 20)
#define PROFILE_BYTES (UINT64_C(1) << 20) /* of the profile that CMYK without one is given */
#define WEBP_COLUMN_BYTES 128             /* of the rows that a WebP decoder works at, for each pixel of their width */
#define TRIM_BYTES (UINT64_C(1) << 20)    /* of the search for borders, which keeps */
#define TRIM_ROWS 48                      /* of floats, and much else less */
#define TILE_SIDE 2000                    /* of the tiles in which drawings are drawn */
#define ROWS 128                          /* that libvips keeps at a place, for strips of 16 rows */

/* the factors come from files: a product beyond 64 bits is more than any budget, and must not wrap to a small one */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t pixel_bytes(const sluice_picture_facts_t *facts)
{
    return (uint64_t)facts->bands * facts->bytes_per_band;
}

static uint64_t whole_bytes(const sluice_picture_facts_t *facts)
{
    uint64_t pixels = times(facts->width, facts->height);

    if (facts->format == SLUICE_FORMAT_JPEG)
        return facts->coefficient_bytes != 0 ? facts->coefficient_bytes : times(pixels, UINT64_C(2) * facts->bands);
    if (facts->format == SLUICE_FORMAT_TIFF)
        pixels = times(pixels, 2); /* as stored, and as decoded */
    return times(pixels, facts->whole_bytes_per_pixel != 0 ? facts->whole_bytes_per_pixel : pixel_bytes(facts));
}

double sluice_drawing_scale(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height)
{
    const double least = 0.001, most = 100000;
    double by_width = (double)width / (double)facts->width, by_height = (double)height / (double)facts->height;
    double scale = by_width > by_height ? by_width : by_height;

    return scale < least ? least : scale > most ? most : scale;
}

static uint64_t drawn_side(const sluice_picture_facts_t *facts, const sluice_work_t *work, uint64_t side)
{
    const double most = 9007199254740992; /* 2^53 */
    double drawn = sluice_drawing_scale(facts, work->loaded_width, work->loaded_height) * (double)side;

    return drawn < most ? (uint64_t)drawn + 2 : UINT64_MAX / 8;
}

/* libvips has it drawn in tiles, and keeps two rows of them */
static uint64_t drawing_bytes(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t width = drawn_side(facts, work, facts->width), height = drawn_side(facts, work, facts->height);
    uint64_t tile = times(times(min(width, TILE_SIDE), min(height, TILE_SIDE)), 4);

    return plus(facts->drawing_bytes, times(tile, facts->surfaces + 2 * (1 + width / TILE_SIDE)));
}

static int scales_while_loading(const sluice_picture_facts_t *facts)
{
    return facts->format == SLUICE_FORMAT_WEBP;
}

unsigned sluice_jpeg_shrink(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height)
{
    unsigned shrink = 8;

    while (shrink > 1 && (times(width, shrink) > facts->width || times(height, shrink) > facts->height))
        shrink /= 2;
    return shrink;
}

int sluice_jpeg_is_thinned(const sluice_picture_facts_t *facts, uint64_t width, uint64_t height)
{
    return facts->thin_bytes != 0 && sluice_jpeg_shrink(facts, width, height) == SLUICE_JPEG_THIN_SHRINK;
}

static uint64_t loaded_width(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    if (scales_while_loading(facts))
        return min(facts->width, work->loaded_width);
    if (facts->format == SLUICE_FORMAT_SVG)
        return drawn_side(facts, work, facts->width);
    if (facts->format != SLUICE_FORMAT_JPEG)
        return facts->width;
    return facts->width / sluice_jpeg_shrink(facts, work->loaded_width, work->loaded_height) + 1;
}

/* 16 bits are narrowed to 8 ahead of scaling, unless there is a profile */
static int is_narrowed(const sluice_picture_facts_t *facts)
{
    return facts->format == SLUICE_FORMAT_PNG && facts->profile_bytes == 0;
}

/* of resize.h: sums and boxes for a row of the source, pixels of floats for some of the answer, and weights; and what it makes */
static uint64_t resizer_bytes(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t source = times(loaded_width(facts, work), 4 * facts->bands + 16);
    uint64_t answer = plus(times(work->made_width, 9 * 16 + 128), times(work->made_height, 128));

    return plus(plus(source, answer), times(times(work->made_width, work->made_height), facts->bands));
}

static uint64_t row_bytes(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t decoded = pixel_bytes(facts);
    uint64_t scaled = facts->alpha ? facts->bands * max(facts->bytes_per_band, 4) : is_narrowed(facts) ? facts->bands : decoded;
    uint64_t kept = facts->format == SLUICE_FORMAT_PNG && facts->whole == SLUICE_WHOLE ? 0 : decoded; /* they are all there */
    int by_rows = work->made_width != 0;

    if (is_narrowed(facts) && facts->bytes_per_band == 2)
        kept += decoded / 2;
    if (facts->format == SLUICE_FORMAT_TIFF)
        kept *= 3; /* strips, or rows of tiles */
    uint64_t each = times(loaded_width(facts, work), kept + (by_rows && facts->format != SLUICE_FORMAT_SVG ? 0 : 2 * scaled));
    uint64_t bytes = plus(times(each, facts->format == SLUICE_FORMAT_SVG ? ROWS : min(facts->height, ROWS)),
                          by_rows ? resizer_bytes(facts, work) : 0);
    if (work->trimmed)
        bytes = plus(bytes, plus(TRIM_BYTES, times(times(facts->width, facts->bands), sizeof(float) * TRIM_ROWS)));
    return scales_while_loading(facts) ? plus(bytes, times(facts->width, WEBP_COLUMN_BYTES)) : bytes;
}

static uint64_t copied_bytes(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t pixels = times(min(work->loaded_width, facts->width), min(work->loaded_height, facts->height));

    return plus(work->copied_bytes, scales_while_loading(facts) ? times(pixels, 4 + facts->bands) : 0);
}

static uint64_t profile_bytes(const sluice_picture_facts_t *facts)
{
    int cmyk = facts->bands == 4 && !facts->alpha;
    uint64_t bytes = cmyk ? max(facts->profile_bytes, PROFILE_BYTES) : facts->profile_bytes;

    return bytes != 0 ? plus(times(bytes, 9), UINT64_C(1) << 19) : 0;
}

static uint64_t more_frames(const sluice_work_t *work)
{
    return work->num_frames > 1 ? work->num_frames - 1 : 0;
}

/*
 * JPEG keeps the coefficients to find the best code for them: 2 bytes for each sample, of which there are 3 for two pixels, from
 * quality 90 on 3 for each. What AVIF does from there on is the same to its planes. WebP takes 14 for an alpha that is easily told,
 * and 42 for one of noise.
 */
static uint64_t encoder_bytes(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t pixels = times(work->width, work->height), colours = facts->bands < 3 && !work->coloured ? 1 : 3;
    uint64_t bands = colours + (work->alpha != 0);
    int fine = work->quality >= 90 || work->lossless;

    switch (work->output) {
    case SLUICE_FORMAT_PNG:
        return times(pixels, work->interlaced ? 2 * bands : bands);
    case SLUICE_FORMAT_WEBP:
        if (work->num_frames > 1)
            return plus(UINT64_C(8) << 20,
                        times(pixels, work->lossless ? 56 + 8 * (uint64_t)work->num_frames : 40 + 3 * (uint64_t)work->num_frames));
        if (work->lossless)
            return plus(UINT64_C(8) << 20, times(pixels, 40 + (work->alpha ? 4 : 0)));
        return plus(UINT64_C(3) << 19, times(pixels, work->alpha ? 44 : 7));
    case SLUICE_FORMAT_GIF:
        return plus(plus(UINT64_C(1) << 20, times(pixels, 25)), times(more_frames(work), 2 * pixels));
    case SLUICE_FORMAT_AVIF:
        return plus(UINT64_C(7) << 19, times(pixels, (fine ? 54 : 34) + (work->alpha ? 10 : 0)));
    default:
        return times(pixels, colours == 1 ? (fine ? 4 : 3) : (fine ? 10 : 4));
    }
}

/* of encoded bytes that are at most as many as the pixels had */
static uint64_t text_bytes(const sluice_work_t *work)
{
    return work->in_text ? times(times(times(work->width, work->height), 6), 1 + more_frames(work)) : 0;
}

uint64_t sluice_transform_estimate(const sluice_picture_facts_t *facts, const sluice_work_t *work)
{
    uint64_t bytes = plus(plus(FIXED_BYTES, profile_bytes(facts)), row_bytes(facts, work));

    if (sluice_jpeg_is_thinned(facts, work->loaded_width, work->loaded_height))
        bytes = plus(bytes, facts->thin_bytes);
    else if (facts->whole != SLUICE_NOT_WHOLE)
        bytes = plus(bytes, whole_bytes(facts));
    if (facts->format == SLUICE_FORMAT_SVG)
        bytes = plus(bytes, drawing_bytes(facts, work));
    return plus(bytes, plus(plus(copied_bytes(facts, work), text_bytes(work)), encoder_bytes(facts, work)));
}

uint64_t sluice_transform_least(const sluice_picture_facts_t *facts)
{
    uint64_t bytes = facts->whole == SLUICE_WHOLE ? whole_bytes(facts) : 0;

    /* grey or three components: it may be one that is thinned, with a byte for each block, and the pixels */
    if (facts->format == SLUICE_FORMAT_JPEG && (facts->bands == 1 || facts->bands == 3))
        bytes = min(bytes, plus(facts->coefficient_bytes / SLUICE_JPEG_BLOCK_BYTES,
                                times(facts->width / 8, facts->height / 8) * facts->bands));
    return plus(FIXED_BYTES, bytes);
}
