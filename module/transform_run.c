/*
 * The run of a transform: how its steps (pipeline.h) are put together, stopped, and timed; once for each rendition, or for several
 * with one decoding.
 */
#include <stdatomic.h>
#include "module/clock.h"
#include "module/pipeline.h"

/* what a picture is computed for */
struct st_watch_t {
    const sluice_transform_part_t *parts;
    size_t num_parts;
    sluice_error_t stopped;
    VipsImage
        *end; /* of the pipeline, NULL while it is set up: what comes behind a copy in memory does not see the source's kill */
};

static sluice_error_t why_stop(const sluice_transform_control_t *control)
{
    if (!control->wanted(control->ctx))
        return SLUICE_ERROR_CANCELLED;
    return sluice_now_ms() >= control->deadline_ms ? SLUICE_ERROR_TRANSFORM_TIMEOUT : SLUICE_OK;
}

/* the reason why none of them goes on; SLUICE_OK if one does */
static sluice_error_t why_stop_all(const struct st_watch_t *watch)
{
    sluice_error_t error = SLUICE_OK;

    for (size_t i = 0; i != watch->num_parts; ++i)
        if ((error = why_stop(watch->parts[i].control)) == SLUICE_OK)
            return SLUICE_OK;
    return error;
}

static void on_eval(VipsImage *image, VipsProgress *progress, void *_watch)
{
    struct st_watch_t *watch = _watch;

    (void)progress;
    watch->parts[0].control->look(watch->parts[0].control->ctx);
    if (watch->stopped == SLUICE_OK)
        watch->stopped = why_stop_all(watch);
    if (watch->stopped != SLUICE_OK) {
        vips_image_set_kill(image, TRUE);
        if (watch->end != NULL)
            vips_image_set_kill(watch->end, TRUE);
    }
}

/* a place in the pipeline, and how long pixels took to get there */
struct st_probe_t {
    _Atomic uint64_t us;
};

static int pass_probe(VipsRegion *out, void *above, void *a, void *_probe, gboolean *stop)
{
    struct st_probe_t *probe = _probe;
    uint64_t start_us = sluice_now_us();
    int ret = vips_region_prepare(above, &out->valid);

    (void)a, (void)stop;
    atomic_fetch_add(&probe->us, sluice_now_us() - start_us);
    return ret == 0 ? vips_region_region(out, above, &out->valid, out->valid.left, out->valid.top) : -1;
}

/* the probe must live as long as the image */
static int insert_probe(VipsImage **image, struct st_probe_t *probe)
{
    VipsImage *next = vips_image_new();
    int ret = vips_image_pipelinev(next, VIPS_DEMAND_STYLE_THINSTRIP, *image, NULL);

    if (ret == 0)
        ret = vips_image_generate(next, vips_start_one, pass_probe, vips_stop_one, *image, probe);
    if (ret != 0) {
        g_object_unref(next);
        return -1;
    }
    vips_object_local(next, *image);
    *image = next;
    return 0;
}

struct st_run_t {
    const sluice_plan_t *plan;
    struct st_probe_t decoded, transformed;
    uint64_t sized_us, built_us; /* decoding is over with size, or goes on from then on, and is probed */
};

static int draw(VipsImage **image, const sluice_plan_t *plan)
{
    return sluice_pipeline_canvas(image, plan) == 0 && sluice_pipeline_adjust(image, plan) == 0 ? 0 : -1;
}

/* sets up all that follows the decoder, up to the encoder */
static int build(struct st_run_t *run, VipsImage **image)
{
    const sluice_plan_t *plan = run->plan;
    int failed = sluice_pipeline_size(image, plan) != 0;

    run->sized_us = sluice_now_us();
    failed = failed || insert_probe(image, &run->decoded) != 0 || sluice_pipeline_colour(image, plan) != 0 ||
             sluice_pipeline_each_page(image, plan, draw) != 0 || sluice_pipeline_placeholder(image, plan) != 0 ||
             sluice_pipeline_mark_pages(image, plan) != 0 || insert_probe(image, &run->transformed) != 0;
    run->built_us = sluice_now_us();
    return failed ? -1 : 0;
}

static void take_times(const struct st_run_t *run, uint64_t start_us, sluice_transform_times_t *times)
{
    uint64_t decoded_us = run->decoded.us, transformed_us = run->transformed.us;
    uint64_t encoded_us = sluice_now_us() - run->built_us;

    times->decode_us += run->sized_us - start_us + decoded_us;
    times->transform_us = run->built_us - run->sized_us + (transformed_us > decoded_us ? transformed_us - decoded_us : 0);
    times->encode_us = encoded_us > transformed_us ? encoded_us - transformed_us : 0;
}

static void watch_image(VipsImage *image, struct st_watch_t *watch)
{
    vips_image_set_progress(image, TRUE);
    g_signal_connect(image, "eval", G_CALLBACK(on_eval), watch);
}

static sluice_error_t why_failed(const struct st_watch_t *watch)
{
    vips_error_clear();
    return watch->stopped != SLUICE_OK ? watch->stopped : SLUICE_ERROR_BROKEN_IMAGE;
}

/* consumes the image, of which nothing has been computed yet, or which lies in memory */
static void make_part(sluice_transform_part_t *part, VipsImage *image)
{
    struct st_watch_t watch = {part, 1, SLUICE_OK, NULL};
    struct st_run_t run = {.plan = part->plan};
    uint64_t start_us = sluice_now_us();
    VipsImage *source = g_object_ref(image);

    watch_image(source, &watch);
    int ret = build(&run, &image);
    watch.end = image;
    if (ret == 0)
        ret = sluice_pipeline_encode(image, part->plan, &part->out, &part->out_len);
    part->control->look(part->control->ctx);
    take_times(&run, start_us, &part->times);
    g_signal_handlers_disconnect_by_data(source, &watch);
    g_object_unref(image);
    g_object_unref(source);
    part->error = ret == 0 ? SLUICE_OK : why_failed(&watch);
}

static sluice_error_t plan_trimmed(sluice_transform_part_t *part, sluice_area_t area)
{
    uint64_t planned_bytes = part->plan->estimate_bytes;
    sluice_error_t error = sluice_transform_plan_trimmed(part->plan, area);

    if (error == SLUICE_OK && part->plan->estimate_bytes > planned_bytes)
        error = part->control->ask(part->control->ctx, part->plan->estimate_bytes - planned_bytes);
    return error;
}

/* decodes once only to see what is left: else all of it would have to be in memory */
static sluice_error_t trim(const void *bytes, size_t len, sluice_transform_part_t *part)
{
    struct st_watch_t watch = {part, 1, SLUICE_OK, NULL};
    VipsImage *image = NULL;
    sluice_area_t area;

    if (sluice_pipeline_load(bytes, len, part->plan, &image) != 0)
        return why_failed(&watch);
    watch_image(image, &watch);
    int ret = sluice_pipeline_find_trim(image, part->plan, &area);
    g_signal_handlers_disconnect_by_data(image, &watch);
    g_object_unref(image);
    return ret == 0 ? plan_trimmed(part, area) : why_failed(&watch);
}

/* from the header alone: the whole of an animation is opened, so that all of its frames are named */
static void describe(const void *bytes, size_t len, sluice_transform_part_t *part)
{
    sluice_format_t format = part->plan->facts.format;
    const char *pages = format == SLUICE_FORMAT_GIF || format == SLUICE_FORMAT_WEBP ? "n=-1" : "";
    VipsImage *image = vips_image_new_from_buffer(bytes, len, pages, NULL);
    int ret = image != NULL ? sluice_pipeline_describe(image, part->plan, &part->out, &part->out_len) : -1;

    if (image != NULL)
        g_object_unref(image);
    vips_error_clear();
    part->error = ret == 0 ? SLUICE_OK : SLUICE_ERROR_BROKEN_IMAGE;
}

static void run_alone(const void *bytes, size_t len, sluice_transform_part_t *part)
{
    uint64_t start_us = sluice_now_us();
    VipsImage *image = NULL;

    if (part->plan->options.output == SLUICE_FORMAT_JSON) {
        describe(bytes, len, part);
        return;
    }
    if (part->plan->options.trim_threshold != 0 && (part->error = trim(bytes, len, part)) != SLUICE_OK)
        return;
    if (sluice_pipeline_load(bytes, len, part->plan, &image) != 0) {
        vips_error_clear();
        part->error = SLUICE_ERROR_BROKEN_IMAGE;
        return;
    }
    part->times.decode_us = sluice_now_us() - start_us;
    part->control->look(part->control->ctx);
    make_part(part, image);
}

/* --- several of one decoding */

int sluice_transform_can_share(const sluice_plan_t *plan)
{
    const sluice_options_t *options = &plan->options;

    return options->trim_threshold == 0 && !options->crop_first && options->page == 0 && options->num_pages == 0 &&
           options->output < SLUICE_NUM_SOURCE_FORMATS && plan->facts.format != SLUICE_FORMAT_SVG;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

/* the smallest size, of the source's proportions, that is not below what any of them needs */
static sluice_size_t shared_size(const sluice_plan_t *const *plans, size_t num_plans)
{
    const sluice_picture_facts_t *facts = &plans[0]->facts;
    uint64_t width = 1, height = 1;

    for (size_t i = 0; i != num_plans; ++i) {
        width = plans[i]->least_loaded.width > width ? plans[i]->least_loaded.width : width;
        height = plans[i]->least_loaded.height > height ? plans[i]->least_loaded.height : height;
    }
    if (width * facts->height > height * facts->width)
        height = divide_up(width * facts->height, facts->width);
    else
        width = divide_up(height * facts->width, facts->height);
    return (sluice_size_t){(uint32_t)width, (uint32_t)height};
}

static sluice_plan_t shared_plan(const sluice_plan_t *const *plans, size_t num_plans)
{
    sluice_plan_t plan = *plans[0];

    plan.shared = 1;
    plan.least_loaded = shared_size(plans, num_plans);
    return plan;
}

/* what the decoder does not shrink is scaled, until less than twice the size is left on one side */
static int shrink(VipsImage **image, const sluice_plan_t *plan)
{
    int by_width = vips_image_get_width(*image) / (int)plan->least_loaded.width,
        by_height = vips_image_get_height(*image) / (int)plan->least_loaded.height;
    int factor = by_width < by_height ? by_width : by_height;

    if (factor < 2)
        return 0;
    return sluice_pipeline_resize(image, vips_image_get_width(*image) / factor, vips_image_get_height(*image) / factor);
}

uint64_t sluice_transform_estimate_shared(const sluice_plan_t *const *plans, size_t num_plans)
{
    sluice_plan_t plan = shared_plan(plans, num_plans);
    uint64_t most = 0, width = 2 * (uint64_t)plan.least_loaded.width + 2, height = 2 * (uint64_t)plan.least_loaded.height + 2;
    uint64_t kept = width * height * plan.facts.bands * plan.facts.bytes_per_band;

    for (size_t i = 0; i != num_plans; ++i) {
        plan.options = plans[i]->options;
        plan.geometry = plans[i]->geometry;
        uint64_t bytes = sluice_transform_estimate_plan(&plan);
        most = bytes > most ? bytes : most;
        most = plans[i]->estimate_bytes > most ? plans[i]->estimate_bytes : most;
    }
    return most > UINT64_MAX - kept ? UINT64_MAX : most + kept;
}

/* decodes into memory. Returns NULL with *error set */
static VipsImage *decode_shared(const void *bytes, size_t len, const sluice_plan_t *plan, sluice_transform_part_t *parts,
                                size_t num_parts, sluice_error_t *error)
{
    struct st_watch_t watch = {parts, num_parts, SLUICE_OK, NULL};
    VipsImage *image = NULL, *decoded = NULL;

    if (sluice_pipeline_load(bytes, len, plan, &image) == 0) {
        VipsImage *source = g_object_ref(image);
        watch_image(source, &watch);
        if (shrink(&image, plan) == 0)
            decoded = vips_image_copy_memory(image);
        g_signal_handlers_disconnect_by_data(source, &watch);
        g_object_unref(source);
    }
    if (image != NULL)
        g_object_unref(image);
    if (decoded == NULL)
        *error = why_failed(&watch);
    return decoded;
}

/* error: why nothing was decoded */
static void make_of(VipsImage *decoded, sluice_transform_part_t *part, sluice_error_t error)
{
    VipsImage *copy;

    if ((part->error = error) != SLUICE_OK || (part->error = why_stop(part->control)) != SLUICE_OK)
        return;
    if (vips_copy(decoded, &copy, NULL) == 0) { /* which has progress of its own */
        make_part(part, copy);
    } else {
        vips_error_clear();
        part->error = SLUICE_ERROR_OUT_OF_MEMORY;
    }
}

static void run_shared(const void *bytes, size_t len, sluice_transform_part_t *parts, size_t num_parts)
{
    const sluice_plan_t *plans[SLUICE_TRANSFORM_PARTS_MAX];
    uint64_t start_us = sluice_now_us();
    sluice_error_t error = SLUICE_OK;

    for (size_t i = 0; i != num_parts; ++i)
        plans[i] = parts[i].plan;
    sluice_plan_t plan = shared_plan(plans, num_parts);
    VipsImage *decoded = decode_shared(bytes, len, &plan, parts, num_parts, &error);
    uint64_t decode_us = sluice_now_us() - start_us;
    for (size_t i = 0; i != num_parts; ++i) {
        parts[i].times.decode_us = decode_us;
        make_of(decoded, parts + i, error);
        if (parts[i].on_done != NULL)
            parts[i].on_done(parts + i, parts[i].ctx);
    }
    if (decoded != NULL)
        g_object_unref(decoded);
}

void sluice_transform_run(const void *bytes, size_t len, sluice_transform_part_t *parts, size_t num_parts)
{
    for (size_t i = 0; i != num_parts; ++i)
        parts[i].times = (sluice_transform_times_t){0};
    if (num_parts == 1)
        run_alone(bytes, len, parts);
    else
        run_shared(bytes, len, parts, num_parts);
}
