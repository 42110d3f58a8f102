/*
 * The plan of a transform, and how libvips is set up for it; the run is transform_run.c. libvips' own operation cache is off, and
 * its concurrency is 1: parallelism comes from the workers, memory from the ledger. That does not mean that a pipeline runs on the
 * worker's thread alone. libvips 8.14 computes pixels on a thread of its own pool, one for each pipeline with this concurrency, and
 * some savers have another one write meanwhile; the worker waits for them.
 */
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>
#include <vips/vector.h>
#include "module/clock.h"
#include "module/frame_count.h"
#include "module/geometry.h"
#include "module/jpeg_scans.h"
#include "module/jpeg_thin.h"
#include "module/pipeline.h"
#include "module/png_chunks.h"
#include "module/svg_scan.h"

/* whoever asks for a broken picture is told; in the log it would be a line for each of its rows */
static void drop_warning(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

/*
 * libvips keeps 512 rows of a picture behind the decoder and behind each step of scaling, for the sake of threads that run ahead of
 * each other. Its caches are four times as high as its strips, which only an option of the command line sets. With one thread
 * to a pipeline strips of 16 rows are as fast, and a PNG with alpha takes 21 MB instead of 81; sluice_transform_estimate() counts
 * on them.
 */
static int set_strip_height(void)
{
    char program[] = "sluice", option[] = "--vips-tile-height=16", *args[] = {program, option, NULL}, **argv = args;
    int argc = 2;
    GOptionContext *context = g_option_context_new(NULL);
    GOptionGroup *group = g_option_group_new("vips", "", "", NULL, NULL);

    vips_add_option_entries(group);
    g_option_context_add_group(context, group);
    int done = g_option_context_parse(context, &argc, &argv, NULL);
    g_option_context_free(context);
    return done ? 0 : -1;
}

int sluice_transform_init(int svg)
{
    static const char *const loaders[] = {"VipsForeignLoadJpeg",  "VipsForeignLoadPng",  "VipsForeignLoadWebp",
                                          "VipsForeignLoadNsgif", "VipsForeignLoadHeif", "VipsForeignLoadTiff"};

    if (vips_init("sluice") != 0) {
        fprintf(stderr, "sluice: libvips does not start: %s\n", vips_error_buffer());
        return -1;
    }
    if (set_strip_height() != 0) {
        fprintf(stderr, "sluice: libvips does not take --vips-tile-height\n");
        return -1;
    }
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, drop_warning, NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    /* liborc up to 0.4.33 frees compiled code without the lock under which it allocates it: two threads crash sooner or later */
    vips_vector_set_enabled(FALSE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i != sizeof(loaders) / sizeof(loaders[0]); ++i)
        vips_operation_block_set(loaders[i], FALSE);
    vips_operation_block_set("VipsForeignLoadSvg", !svg);
    return 0;
}

void sluice_transform_thread_exit(void)
{
    vips_thread_shutdown();
}

void sluice_transform_free(void *out)
{
    g_free(out);
}

uint64_t sluice_transform_memory(void)
{
    return vips_tracked_get_mem();
}

uint64_t sluice_transform_memory_peak(void)
{
    return vips_tracked_get_mem_highwater();
}

static uint64_t profile_bytes(VipsImage *image)
{
    const void *profile;
    size_t len = 0;

    if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len) != 0)
        return 0;
    return len;
}

static void read_header(VipsImage *image, sluice_plan_t *plan)
{
    plan->facts.width = (uint64_t)vips_image_get_width(image);
    plan->facts.height = (uint64_t)vips_image_get_height(image);
    plan->facts.bands = (uint32_t)vips_image_get_bands(image);
    plan->facts.bytes_per_band = (uint32_t)vips_format_sizeof(vips_image_get_format(image));
    plan->facts.alpha = vips_image_hasalpha(image);
    plan->facts.profile_bytes = profile_bytes(image);
    plan->orientation = vips_image_get_orientation(image);
    plan->has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
}

int sluice_plan_adds_alpha(const sluice_plan_t *plan, sluice_color_t background)
{
    return background.alpha != 255 && (plan->options.output != SLUICE_FORMAT_JPEG || plan->options.background.alpha != 0);
}

/* what is there before it is rotated, of which a copy is made, is of 8 bits */
static uint64_t rotated_bytes(const sluice_plan_t *plan, const sluice_work_t *work)
{
    const sluice_geometry_t *geometry = &plan->geometry;
    sluice_area_t area = geometry->canvas.width != 0 ? geometry->canvas
                         : geometry->part.width != 0 ? geometry->part
                                                     : geometry->kept;
    unsigned colours = plan->facts.bands < 3 && !work->coloured ? 1 : 3;

    return (uint64_t)area.width * area.height * (colours + (work->alpha != 0));
}

/* WebP is not, for its decoder scales, and may end one pixel below the size wanted */
int sluice_plan_is_scaled_by_rows(const sluice_plan_t *plan)
{
    const sluice_geometry_t *geometry = &plan->geometry;
    int is_narrowed = plan->facts.format == SLUICE_FORMAT_PNG && !plan->has_profile;

    if (plan->facts.format == SLUICE_FORMAT_SVG)
        return 1; /* it may be, on one side, after it was drawn at the scale of the other */
    return plan->facts.format != SLUICE_FORMAT_WEBP && plan->facts.bands <= 4 && (plan->facts.bytes_per_band == 1 || is_narrowed) &&
           geometry->scaled.width <= geometry->source.width && geometry->scaled.height <= geometry->source.height &&
           (geometry->scaled.width != geometry->source.width || geometry->scaled.height != geometry->source.height);
}

uint64_t sluice_transform_estimate_plan(const sluice_plan_t *plan)
{
    const sluice_geometry_t *geometry = &plan->geometry;
    const sluice_options_t *options = &plan->options;
    int extended = options->fit == SLUICE_FIT_CONTAIN, rotated = geometry->angle != 0;
    int alpha = plan->facts.alpha || (extended && sluice_plan_adds_alpha(plan, options->contain_background)) ||
                (rotated && sluice_plan_adds_alpha(plan, options->rotate_background));
    sluice_work_t work = {
        .loaded_width = plan->least_loaded.width,
        .loaded_height = plan->least_loaded.height,
        .width = geometry->answer.width,
        .height = geometry->answer.height,
        .trimmed = options->trim_threshold != 0,
        .output = options->output,
        .quality = options->quality,
        .alpha = alpha,
        .coloured = (extended && !sluice_color_is_grey(options->contain_background)) ||
                    (rotated && !sluice_color_is_grey(options->rotate_background)) || options->tint.alpha != 0 ||
                    options->filter == SLUICE_FILTER_SEPIA || options->filter == SLUICE_FILTER_DUOTONE ||
                    options->background.alpha % 255 != 0,
        .interlaced = options->interlaced,
        .lossless = options->lossless,
        .num_frames = plan->num_frames,
        .in_text = plan->answer_format == SLUICE_FORMAT_TEXT,
    };

    if (sluice_plan_is_scaled_by_rows(plan)) {
        /* frames are scaled together, and cropped after that */
        work.made_width = plan->num_frames > 1 ? geometry->scaled.width : geometry->kept.width;
        work.made_height = plan->num_frames > 1 ? (uint64_t)geometry->scaled.height * plan->num_frames : geometry->kept.height;
    }
    if (geometry->turn != 0 || geometry->found.width != 0)
        work.copied_bytes = (uint64_t)geometry->kept.width * geometry->kept.height * plan->facts.bands * plan->facts.bytes_per_band;
    if (rotated)
        work.copied_bytes += rotated_bytes(plan, &work);
    work.copied_bytes += sluice_plan_effect_bytes(plan, alpha);
    if (plan->num_frames > 1)
        work.copied_bytes *= plan->num_frames;
    return sluice_transform_estimate(&plan->facts, &work);
}

/* of the formats themselves, or of their encoders */
static int can_hold(sluice_format_t output, sluice_size_t size)
{
    static const uint32_t max_sides[SLUICE_NUM_FORMATS] = {
        [SLUICE_FORMAT_JPEG] = 65500, [SLUICE_FORMAT_PNG] = UINT32_MAX, [SLUICE_FORMAT_WEBP] = 16383,
        [SLUICE_FORMAT_GIF] = 65535,  [SLUICE_FORMAT_AVIF] = 16384,     [SLUICE_FORMAT_TIFF] = UINT32_MAX};

    return size.width <= max_sides[output] && size.height <= max_sides[output];
}

/* small files that would keep a decoder busy, where nothing can stop it */
static int takes_ages(const void *bytes, size_t len, const sluice_picture_facts_t *facts)
{
    if (facts->format == SLUICE_FORMAT_JPEG && facts->whole != SLUICE_NOT_WHOLE)
        return sluice_jpeg_count_scans(bytes, len, SLUICE_JPEG_SCANS_MAX + 1) > SLUICE_JPEG_SCANS_MAX;
    return facts->format == SLUICE_FORMAT_PNG && sluice_png_packed_text_bytes(bytes, len) > SLUICE_PNG_TEXT_MAX;
}

static sluice_error_t check_geometry(const sluice_plan_t *plan)
{
    const sluice_geometry_t *geometry = &plan->geometry;
    sluice_size_t answer = geometry->answer, scaled = geometry->scaled;

    if (answer.width > plan->limits.max_side || answer.height > plan->limits.max_side || !can_hold(plan->options.output, answer))
        return SLUICE_ERROR_ANSWER_TOO_LARGE;
    /* what is cropped away again costs nothing, unless it has to be searched */
    if (scaled.width > VIPS_MAX_COORD || scaled.height > VIPS_MAX_COORD ||
        (geometry->found.width != 0 && (uint64_t)scaled.width * scaled.height > plan->limits.max_pixels))
        return SLUICE_ERROR_ANSWER_TOO_LARGE;
    return SLUICE_OK;
}

static sluice_size_t stored_size(const sluice_plan_t *plan)
{
    return (sluice_size_t){(uint32_t)plan->facts.width, (uint32_t)plan->facts.height};
}

/* a drawing is as sharp at any size. What is cropped before it is scaled is cropped of the size that it says it has */
static sluice_size_t drawn_size(const sluice_plan_t *plan)
{
    return sluice_area_is_all(plan->geometry.source, stored_size(plan)) ? plan->geometry.scaled : stored_size(plan);
}

/* at one scale for both sides */
static uint64_t drawn_pixels(const sluice_plan_t *plan)
{
    double scale = sluice_drawing_scale(&plan->facts, plan->least_loaded.width, plan->least_loaded.height);

    return (uint64_t)(scale * scale * (double)plan->facts.width * (double)plan->facts.height);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* all of it is decoded of what is cropped or trimmed first: a decoder that shrinks cannot hit its edges */
static sluice_error_t plan_geometry(sluice_plan_t *plan)
{
    sluice_size_t stored = stored_size(plan), scaled;
    sluice_area_t all = {0, 0, stored.width, stored.height};

    plan->least_loaded = stored;
    sluice_geometry_make(stored, all, plan->orientation, &plan->options, &plan->geometry);
    if (plan->options.trim_threshold != 0)
        return SLUICE_OK; /* so far */
    scaled = plan->geometry.scaled;
    if (plan->facts.format == SLUICE_FORMAT_SVG)
        plan->least_loaded = drawn_size(plan);
    else if (sluice_area_is_all(plan->geometry.source, stored) && plan->first_page == 0 && plan->num_frames <= 1)
        plan->least_loaded = (sluice_size_t){smaller(scaled.width, stored.width), smaller(scaled.height, stored.height)};
    if (plan->facts.format == SLUICE_FORMAT_SVG && drawn_pixels(plan) > plan->limits.max_pixels)
        return SLUICE_ERROR_ANSWER_TOO_LARGE;
    return check_geometry(plan);
}

sluice_error_t sluice_transform_plan_trimmed(sluice_plan_t *plan, sluice_area_t area)
{
    sluice_geometry_make(stored_size(plan), area, plan->orientation, &plan->options, &plan->geometry);
    plan->estimate_bytes = sluice_transform_estimate_plan(plan);
    return check_geometry(plan);
}

/* of pages behind the first one, what was sniffed says nothing; frames of animations are painted upon each other */
static void forget_first_page(sluice_picture_facts_t *facts, uint32_t num_frames)
{
    facts->whole = SLUICE_WHOLE;
    if (facts->format == SLUICE_FORMAT_GIF)
        facts->whole_bytes_per_pixel = 8;
    else if (facts->format == SLUICE_FORMAT_WEBP)
        facts->whole_bytes_per_pixel = 16 + 4 * num_frames; /* libvips keeps them all */
}

/* consumes the image */
static sluice_error_t plan_pages(const void *bytes, size_t len, VipsImage *image, sluice_plan_t *plan)
{
    sluice_error_t error = sluice_pipeline_choose_pages(bytes, len, &image, plan);

    if (error == SLUICE_OK && plan->first_page != 0)
        read_header(image, plan);
    g_object_unref(image);
    vips_error_clear();
    if (error != SLUICE_OK)
        return error;
    if (plan->first_page != 0 || plan->num_frames > 1)
        forget_first_page(&plan->facts, plan->num_frames);
    if (plan->num_frames > 1) {
        plan->options.trim_threshold = 0; /* each frame would be trimmed, or cropped, in another way */
        if (plan->options.align == SLUICE_ALIGN_ENTROPY || plan->options.align == SLUICE_ALIGN_ATTENTION)
            plan->options.align = SLUICE_ALIGN_CENTER;
    }
    return SLUICE_OK;
}

uint64_t sluice_transform_planning_bytes(const void *bytes, size_t len)
{
    sluice_picture_facts_t facts;
    sluice_svg_cost_t cost;

    sluice_picture_sniff(bytes, len, &facts);
    return facts.format == SLUICE_FORMAT_SVG && sluice_svg_scan(bytes, len, &cost) == 0 ? cost.tree_bytes : 0;
}

/* before anything is made of a drawing */
static sluice_error_t check_drawing(const void *bytes, size_t len, sluice_plan_t *plan)
{
    sluice_svg_cost_t cost;

    if (plan->facts.format != SLUICE_FORMAT_SVG)
        return SLUICE_OK;
    if (len > SLUICE_SVG_MAX_BYTES)
        return SLUICE_ERROR_SOURCE_TOO_LARGE;
    if (sluice_svg_scan(bytes, len, &cost) != 0)
        return SLUICE_ERROR_UNBOUNDED_DRAWING;
    plan->facts.drawing_bytes = cost.tree_bytes + cost.draw_bytes;
    plan->facts.surfaces = cost.surfaces;
    return SLUICE_OK;
}

sluice_error_t sluice_transform_plan(const void *bytes, size_t len, const sluice_options_t *options, const sluice_limits_t *limits,
                                     sluice_plan_t *plan)
{
    sluice_error_t error;
    VipsImage *image;

    *plan = (sluice_plan_t){.options = *options, .limits = *limits};
    sluice_picture_sniff(bytes, len, &plan->facts);
    if (plan->facts.format == SLUICE_FORMAT_NONE)
        return SLUICE_ERROR_NOT_AN_IMAGE;
    /* the numbers of the header are checked before any decoder sees the file */
    if (plan->facts.width * plan->facts.height > limits->max_pixels)
        return SLUICE_ERROR_TOO_MANY_PIXELS;
    if (sluice_count_frames(plan->facts.format, bytes, len, SLUICE_FRAMES_MAX + 1) > SLUICE_FRAMES_MAX)
        return SLUICE_ERROR_TOO_MANY_PAGES;
    if (takes_ages(bytes, len, &plan->facts))
        return SLUICE_ERROR_BROKEN_IMAGE;
    if ((error = check_drawing(bytes, len, plan)) != SLUICE_OK)
        return error;
    if ((image = vips_image_new_from_buffer(bytes, len, "", NULL)) == NULL) {
        vips_error_clear();
        return SLUICE_ERROR_BROKEN_IMAGE;
    }
    read_header(image, plan);
    if (plan->facts.format == SLUICE_FORMAT_JPEG)
        plan->facts.thin_bytes = sluice_jpeg_thin_bytes(bytes, len);
    sluice_plan_output(plan);
    if (plan->options.output == SLUICE_FORMAT_JSON) {
        g_object_unref(image);
        plan->estimate_bytes = SLUICE_DESCRIPTION_BYTES + plan->facts.drawing_bytes;
        return SLUICE_OK;
    }
    error = plan_pages(bytes, len, image, plan);
    if (error != SLUICE_OK)
        return error;
    if (plan->facts.width * plan->facts.height > limits->max_pixels / plan->num_frames)
        return SLUICE_ERROR_TOO_MANY_PIXELS;
    error = plan_geometry(plan);
    plan->estimate_bytes = sluice_transform_estimate_plan(plan);
    return error;
}
