/*
 * Pages and frames. libvips loads several as one tall picture, whose page-height says where they part. They are scaled together, in
 * one pass; what crops, turns, extends or looks at neighbours is done to each of them (each_page).
 */
#include <stdio.h>
#include "module/pipeline.h"

static VipsImage *open_page(const void *bytes, size_t len, int page)
{
    char options[32];

    snprintf(options, sizeof(options), "page=%d", page);
    return vips_image_new_from_buffer(bytes, len, options, NULL);
}

static int is_better(int32_t wanted, uint64_t pixels, uint64_t best)
{
    return wanted == SLUICE_PAGE_LARGEST ? pixels > best : pixels < best;
}

/* the first one with the most pixels, or with the fewest; the frames of an animation are all alike */
static sluice_error_t search_page(const void *bytes, size_t len, VipsImage *first, sluice_plan_t *plan)
{
    uint64_t best = (uint64_t)vips_image_get_width(first) * (uint64_t)vips_image_get_height(first);
    int num_pages = vips_image_get_n_pages(first),
        is_animation = plan->facts.format == SLUICE_FORMAT_GIF || plan->facts.format == SLUICE_FORMAT_WEBP;

    plan->first_page = 0;
    if ((uint64_t)num_pages > plan->limits.max_pages && !is_animation)
        return SLUICE_ERROR_TOO_MANY_PAGES;
    for (int i = 1; i < num_pages && !is_animation; ++i) {
        VipsImage *page = open_page(bytes, len, i);
        if (page == NULL)
            return SLUICE_ERROR_BROKEN_IMAGE;
        uint64_t pixels = (uint64_t)vips_image_get_width(page) * (uint64_t)vips_image_get_height(page);
        g_object_unref(page);
        if (is_better(plan->options.page, pixels, best)) {
            best = pixels;
            plan->first_page = (uint32_t)i;
        }
    }
    return SLUICE_OK;
}

static uint32_t frames_wanted(const sluice_plan_t *plan, uint32_t num_pages)
{
    const sluice_options_t *options = &plan->options;
    int animates = options->output == SLUICE_FORMAT_GIF || options->output == SLUICE_FORMAT_WEBP;
    uint32_t rest = num_pages - plan->first_page;

    if (!animates || options->placeholder || options->num_pages == 0)
        return 1;
    if (options->num_pages == SLUICE_ALL_PAGES)
        return rest;
    return (uint32_t)options->num_pages < rest ? (uint32_t)options->num_pages : rest;
}

sluice_error_t sluice_pipeline_choose_pages(const void *bytes, size_t len, VipsImage **image, sluice_plan_t *plan)
{
    uint32_t num_pages = (uint32_t)vips_image_get_n_pages(*image);
    sluice_error_t error = SLUICE_OK;
    VipsImage *page;

    if (plan->options.page < 0)
        error = search_page(bytes, len, *image, plan);
    else if ((uint32_t)plan->options.page >= num_pages)
        error = SLUICE_ERROR_NO_SUCH_PAGE;
    else
        plan->first_page = (uint32_t)plan->options.page;
    if (error != SLUICE_OK)
        return error;
    plan->num_frames = frames_wanted(plan, num_pages);
    if (plan->num_frames > plan->limits.max_pages)
        return SLUICE_ERROR_TOO_MANY_PAGES;
    if (plan->first_page != 0) {
        if ((page = open_page(bytes, len, (int)plan->first_page)) == NULL)
            return SLUICE_ERROR_BROKEN_IMAGE;
        g_object_unref(*image);
        *image = page;
    }
    return SLUICE_OK;
}

static int split(VipsImage *image, const sluice_plan_t *plan, sluice_pipeline_step_t step, VipsImage **pages)
{
    int width = vips_image_get_width(image), height = vips_image_get_height(image) / (int)plan->num_frames;

    for (int i = 0; i != (int)plan->num_frames; ++i)
        if (vips_extract_area(image, pages + i, 0, i * height, width, height, NULL) != 0 || step(pages + i, plan) != 0)
            return -1;
    return 0;
}

int sluice_pipeline_each_page(VipsImage **image, const sluice_plan_t *plan, sluice_pipeline_step_t step)
{
    int count = (int)plan->num_frames;
    VipsImage **pages, *next;

    if (count <= 1)
        return step(image, plan);
    pages = g_new0(VipsImage *, (gsize)count);
    int ret = split(*image, plan, step, pages);
    if (ret == 0)
        ret = sluice_pipeline_advance(image, &next, vips_arrayjoin(pages, &next, count, "across", 1, NULL));
    for (int i = 0; i != count; ++i)
        if (pages[i] != NULL)
            g_object_unref(pages[i]);
    g_free(pages);
    return ret;
}

/* the file has a delay for each of its frames, the answer for each of those that were loaded */
static void cut_delays(VipsImage *image, const sluice_plan_t *plan)
{
    int *delays_ms, count, first = (int)plan->first_page, wanted = (int)plan->num_frames;

    if (vips_image_get_typeof(image, "delay") == 0 || vips_image_get_array_int(image, "delay", &delays_ms, &count) != 0 ||
        count < first + wanted)
        return;
    int *cut = g_memdup2(delays_ms + first, sizeof(*cut) * (gsize)wanted);
    vips_image_set_array_int(image, "delay", cut, wanted);
    g_free(cut);
}

int sluice_pipeline_mark_pages(VipsImage **image, const sluice_plan_t *plan)
{
    VipsImage *next;

    if (plan->num_frames <= 1)
        return 0;
    if (sluice_pipeline_advance(image, &next, vips_copy(*image, &next, NULL)) != 0)
        return -1;
    vips_image_set_int(*image, VIPS_META_PAGE_HEIGHT, vips_image_get_height(*image) / (int)plan->num_frames);
    cut_delays(*image, plan);
    return 0;
}
