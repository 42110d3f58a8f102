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
    /* of the pipeline, NULL while it is set up: what comes behind a copy in memory does not see the source's kill */
    VipsImage *end;
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
    int is_scaled; /* already */
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
    int failed = (run->is_scaled ? sluice_pipeline_size_scaled(image, plan) : sluice_pipeline_size(image, plan)) != 0;

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
static void make_part(sluice_transform_part_t *part, VipsImage *image, int is_scaled)
{
    struct st_watch_t watch = {part, 1, SLUICE_OK, NULL};
    struct st_run_t run = {.plan = part->plan, .is_scaled = is_scaled};
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
    make_part(part, image, 0);
}

/* --- several of one decoding */

int sluice_transform_can_share(const sluice_plan_t *plan)
{
    const sluice_options_t *options = &plan->options;

    return options->trim_threshold == 0 && !options->crop_first && options->page == 0 && options->num_pages == 0 &&
           options->output < SLUICE_NUM_SOURCE_FORMATS && plan->facts.format != SLUICE_FORMAT_SVG &&
           sluice_plan_is_scaled_by_rows(plan);
}

static unsigned shrink_of(const sluice_plan_t *plan)
{
    return sluice_jpeg_shrink(&plan->facts, plan->least_loaded.width, plan->least_loaded.height);
}

int sluice_transform_can_share_with(const sluice_plan_t *plan, const sluice_plan_t *other)
{
    return plan->facts.format != SLUICE_FORMAT_JPEG || shrink_of(plan) == shrink_of(other);
}

/* the dearest of them, and for each what is made of the picture before it is encoded, with the rows that lead there */
uint64_t sluice_transform_estimate_shared(const sluice_plan_t *const *plans, size_t num_plans)
{
    uint64_t most = 0, made = 0;

    for (size_t i = 0; i != num_plans; ++i) {
        const sluice_geometry_t *geometry = &plans[i]->geometry;
        uint64_t rows = 16 * (plans[i]->facts.width + 16 * (uint64_t)geometry->kept.width + 16 * (uint64_t)geometry->kept.height);
        made += (uint64_t)geometry->kept.width * geometry->kept.height * plans[i]->facts.bands + rows;
        most = plans[i]->estimate_bytes > most ? plans[i]->estimate_bytes : most;
    }
    return most > UINT64_MAX - made ? UINT64_MAX : most + made;
}

static int scale_all(VipsImage **image, const sluice_transform_part_t *parts, size_t num_parts, VipsImage **scaled)
{
    const sluice_plan_t *plans[SLUICE_TRANSFORM_PARTS_MAX];

    for (size_t i = 0; i != num_parts; ++i)
        plans[i] = parts[i].plan;
    return sluice_pipeline_resize_all(image, plans, num_parts, scaled);
}

static sluice_error_t decode_shared(const void *bytes, size_t len, sluice_transform_part_t *parts, size_t num_parts,
                                    VipsImage **scaled)
{
    struct st_watch_t watch = {parts, num_parts, SLUICE_OK, NULL};
    VipsImage *image = NULL, *source;

    if (sluice_pipeline_load(bytes, len, parts[0].plan, &image) != 0)
        return why_failed(&watch);
    source = g_object_ref(image);
    watch_image(source, &watch);
    int ret = scale_all(&image, parts, num_parts, scaled);
    g_signal_handlers_disconnect_by_data(source, &watch);
    g_object_unref(source);
    g_object_unref(image);
    return ret == 0 ? SLUICE_OK : why_failed(&watch);
}

static void run_shared(const void *bytes, size_t len, sluice_transform_part_t *parts, size_t num_parts)
{
    VipsImage *scaled[SLUICE_TRANSFORM_PARTS_MAX];
    uint64_t start_us = sluice_now_us();
    sluice_error_t error = decode_shared(bytes, len, parts, num_parts, scaled);
    uint64_t decode_us = sluice_now_us() - start_us;

    for (size_t i = 0; i != num_parts; ++i) {
        parts[i].times.decode_us = decode_us;
        parts[i].error = error != SLUICE_OK ? error : why_stop(parts[i].control);
        if (parts[i].error == SLUICE_OK)
            make_part(parts + i, scaled[i], 1);
        else if (error == SLUICE_OK)
            g_object_unref(scaled[i]);
        if (parts[i].on_done != NULL)
            parts[i].on_done(parts + i, parts[i].ctx);
    }
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
