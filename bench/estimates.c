/*
 * bench-estimates - the memory that one transform takes, beside what sluice_transform_estimate() says of it.
 *
 *   bench-estimates kinds                                   lists the kinds of sources
 *   bench-estimates source DIR KIND WIDTH HEIGHT            makes DIR/KIND-WIDTHxHEIGHT if it is not there
 *   bench-estimates run FILE QUERY SMALL                    prints the bytes that were taken and the estimate
 *
 * A run is a process of its own, because the memory that an allocator keeps from one transform serves the next. SMALL is a small
 * picture of the same kind, which is transformed first: the pages of libraries are no part of a transform. What is measured is the
 * highest resident set (VmHWM, set back before) less the resident set before; the source is in memory then and not part of it, as
 * in the server, where it has a reservation of its own.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jpeglib.h>
#include <vips/vips.h>
#include "module/geometry.h"
#include "module/transform.h"
#include "tests/paint.h"

#define MAX_SIDE 16384

static void fail(const char *what)
{
    const char *detail = vips_error_buffer();

    fprintf(stderr, "bench-estimates: %s: %s\n", what, *detail != '\0' ? detail : strerror(errno));
    exit(1);
}

/* ---- sources ---- */

static VipsImage *replace(VipsImage *in, VipsImage *out, int status)
{
    if (status != 0)
        fail("source");
    g_object_unref(in);
    return out;
}

static VipsImage *make_photo(int width, int height)
{
    canvas_t canvas = paint_photo(width, height, 1);
    VipsImage *raw, *out;

    raw = vips_image_new_from_memory_copy(canvas.pixels, (size_t)width * (size_t)height * 3, width, height, 3, VIPS_FORMAT_UCHAR);
    free(canvas.pixels);
    if (raw == NULL)
        fail("source");
    int status = vips_copy(raw, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    return replace(raw, out, status);
}

enum { PLAIN, GREY, ALPHA, BUSY_ALPHA, DEEP, CMYK, PROFILE, TURNED, FRAMES };

static VipsImage *make_frames(int width, int height)
{
    enum { NUM_FRAMES = 4 };
    VipsImage *photo = make_photo(width, height), *out;
    int delays_ms[NUM_FRAMES] = {50, 50, 50, 50};

    int status = vips_replicate(photo, &out, 1, NUM_FRAMES, NULL);
    out = replace(photo, out, status);
    vips_image_set_int(out, VIPS_META_PAGE_HEIGHT, height);
    vips_image_set_array_int(out, "delay", delays_ms, NUM_FRAMES);
    return out;
}

static VipsImage *make_image(int width, int height, int what)
{
    if (what == FRAMES)
        return make_frames(width, height);
    VipsImage *in = make_photo(width, height), *out = NULL, *alpha = NULL;
    int status = 0;
    switch (what) {
    case GREY:
        status = vips_colourspace(in, &out, VIPS_INTERPRETATION_B_W, NULL);
        break;
    case ALPHA: {
        const double half = 128;
        status = vips_bandjoin_const(in, &out, (double *)(uintptr_t)&half, 1, NULL);
        break;
    }
    case BUSY_ALPHA:
        status = vips_extract_band(in, &alpha, 1, NULL) || vips_bandjoin2(in, alpha, &out, NULL);
        g_object_unref(alpha);
        break;
    case DEEP:
        status = vips_colourspace(in, &out, VIPS_INTERPRETATION_RGB16, NULL);
        break;
    case CMYK:
    case PROFILE:
        status = vips_icc_transform(in, &out, what == CMYK ? "cmyk" : "p3", "input-profile", "srgb", NULL);
        break;
    case TURNED:
        status = vips_copy(in, &out, NULL);
        if (status == 0)
            vips_image_set_int(out, VIPS_META_ORIENTATION, 6);
        break;
    default:
        return in;
    }
    return replace(in, out, status);
}

static const struct {
    const char *name;
    int what;
    const char *suffix;
} kinds[] = {
    {"jpeg-420", PLAIN, ".jpg[Q=85]"},
    {"jpeg-444", PLAIN, ".jpg[Q=85,subsample-mode=off]"},
    {"jpeg-progressive", PLAIN, ".jpg[Q=85,interlace]"},
    {"jpeg-progressive-444", PLAIN, ".jpg[Q=85,interlace,subsample-mode=off]"},
    {"jpeg-scans", PLAIN, ".jpg[Q=85]"},
    {"jpeg-cmyk", CMYK, ".jpg[Q=85]"},
    {"jpeg-progressive-cmyk", CMYK, ".jpg[Q=85,interlace]"},
    {"jpeg-grey", GREY, ".jpg[Q=85]"},
    {"jpeg-profile", PROFILE, ".jpg[Q=85]"},
    {"jpeg-turned", TURNED, ".jpg[Q=85]"},
    {"jpeg-progressive-turned", TURNED, ".jpg[Q=85,interlace]"},
    {"png-rgb", PLAIN, ".png[compression=1]"},
    {"png-interlaced", PLAIN, ".png[compression=1,interlace]"},
    {"png-rgba", ALPHA, ".png[compression=1]"},
    {"png-rgba-interlaced", ALPHA, ".png[compression=1,interlace]"},
    {"png-grey", GREY, ".png[compression=1]"},
    {"png-grey-interlaced", GREY, ".png[compression=1,interlace]"},
    {"png-16", DEEP, ".png[compression=1]"},
    {"png-16-interlaced", DEEP, ".png[compression=1,interlace]"},
    {"png-palette", PLAIN, ".png[compression=1,palette,effort=1]"},
    {"png-profile", PROFILE, ".png[compression=1]"},
    {"png-turned", TURNED, ".png[compression=1]"},
    {"webp-lossy", PLAIN, ".webp[Q=80,effort=0]"},
    {"webp-lossless", PLAIN, ".webp[lossless,effort=0]"},
    {"webp-alpha", ALPHA, ".webp[Q=80,effort=0]"},
    {"webp-busy-alpha", BUSY_ALPHA, ".webp[Q=80,effort=0]"},
    {"webp-busy-alpha-plain", BUSY_ALPHA, ".webp[Q=80,effort=0,alpha-q=50]"},
    {"webp-lossless-alpha", BUSY_ALPHA, ".webp[lossless,effort=0]"},
    {"webp-profile", PROFILE, ".webp[Q=80,effort=0]"},
    {"webp-turned", TURNED, ".webp[Q=80,effort=0]"},
    {"webp-frames", FRAMES, ".webp[Q=80,effort=0]"},
    {"avif", PLAIN, ".heif[compression=av1,effort=0,Q=60]"},
    {"avif-444", PLAIN, ".heif[compression=av1,effort=0,Q=60,subsample-mode=off]"},
    {"avif-alpha", ALPHA, ".heif[compression=av1,effort=0,Q=60]"},
    {"avif-grey", GREY, ".heif[compression=av1,effort=0,Q=60]"},
    {"gif", PLAIN, ".gif[effort=1]"},
    {"gif-frames", FRAMES, ".gif[effort=1]"},
    {"tiff-strips", PLAIN, ".tif[compression=lzw]"},
    {"tiff-one-strip", PLAIN, ".tif[compression=none]"},
    {"tiff-tiles", PLAIN, ".tif[compression=lzw,tile]"},
    {"tiff-16", DEEP, ".tif[compression=lzw]"},
};

/* a baseline picture whose components come one after another, which no encoder of libvips writes */
static void split_scans(void **bytes, size_t *len)
{
    static const jpeg_scan_info scans[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct out;
    struct jpeg_error_mgr errors;
    unsigned char *split = NULL;
    unsigned long split_len = 0;

    in.err = out.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_create_compress(&out);
    jpeg_mem_src(&in, *bytes, *len);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&in);
    jpeg_copy_critical_parameters(&in, &out);
    out.scan_info = scans;
    out.num_scans = 3;
    jpeg_mem_dest(&out, &split, &split_len);
    jpeg_write_coefficients(&out, coefficients);
    jpeg_finish_compress(&out);
    jpeg_destroy_compress(&out);
    jpeg_destroy_decompress(&in);
    g_free(*bytes);
    *bytes = split;
    *len = split_len;
}

static void write_source(const char *path, int width, int height, size_t kind)
{
    VipsImage *image = make_image(width, height, kinds[kind].what);
    void *bytes;
    size_t len;
    FILE *file;

    if (vips_image_write_to_buffer(image, kinds[kind].suffix, &bytes, &len, NULL) != 0)
        fail(path);
    g_object_unref(image);
    if (strcmp(kinds[kind].name, "jpeg-scans") == 0)
        split_scans(&bytes, &len);
    if ((file = fopen(path, "we")) == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
        fail(path);
    free(bytes);
}

static int make_source(const char *dir, const char *kind, int width, int height)
{
    char path[4096];

    for (size_t i = 0; i != sizeof(kinds) / sizeof(kinds[0]); ++i) {
        if (strcmp(kinds[i].name, kind) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s-%dx%d", dir, kind, width, height);
        if (access(path, R_OK) != 0)
            write_source(path, width, height, i);
        return 0;
    }
    fprintf(stderr, "bench-estimates: no such kind: %s\n", kind);
    return 1;
}

static int list_kinds(void)
{
    for (size_t i = 0; i != sizeof(kinds) / sizeof(kinds[0]); ++i)
        puts(kinds[i].name);
    return 0;
}

/* ---- one transform ---- */

struct st_job_t {
    void *bytes, *small;
    size_t len, small_len;
    sluice_options_t options;
    sluice_plan_t plan;
    long actual_kib;
};

static void *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *bytes;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0 ||
        (bytes = malloc((size_t)size + 1)) == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size)
        fail(path);
    fclose(file);
    *len = (size_t)size;
    return bytes;
}

static long status_kib(const char *field)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = -1;

    if (file == NULL)
        fail("/proc/self/status");
    while (kib == -1 && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field), NULL, 10);
    fclose(file);
    return kib;
}

static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");

    if (file == NULL || fputs("5", file) < 0 || fclose(file) != 0)
        fail("/proc/self/clear_refs");
}

static int always(void *ctx)
{
    (void)ctx;
    return 1;
}

static void ignore(void *ctx)
{
    (void)ctx;
}

static sluice_error_t grant(void *ctx, uint64_t bytes)
{
    (void)ctx, (void)bytes;
    return SLUICE_OK;
}

static void transform(const void *bytes, size_t len, struct st_job_t *job)
{
    const sluice_limits_t limits = {UINT64_C(1) << 30, MAX_SIDE, 256};
    const sluice_transform_control_t control = {always, ignore, grant, NULL, UINT64_MAX};
    sluice_transform_part_t part = {.plan = &job->plan, .control = &control};

    part.error = sluice_transform_plan(bytes, len, &job->options, &limits, &job->plan);
    if (part.error == SLUICE_OK)
        sluice_transform_run(bytes, len, &part, 1);
    if (part.error != SLUICE_OK) {
        fprintf(stderr, "bench-estimates: %s\n", sluice_errors[part.error].code);
        exit(1);
    }
    sluice_transform_free(part.out);
}

static void *run_job(void *_job)
{
    struct st_job_t *job = _job;

    transform(job->small, job->small_len, job);
    malloc_trim(0);
    reset_peak();
    long before_kib = status_kib("VmRSS:");
    transform(job->bytes, job->len, job);
    job->actual_kib = status_kib("VmHWM:") - before_kib;
    sluice_transform_thread_exit();
    return NULL;
}

/* as the server does */
static void tame_heap(void)
{
    mallopt(M_ARENA_MAX, 4);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);
}

/* file, query as in an URL, small file */
static int run(char **argv)
{
    const sluice_options_rules_t rules = {.strict = 1, .max_side = MAX_SIDE};
    char error[SLUICE_OPTIONS_ERROR_MAX];
    sluice_presentation_t presentation;
    struct st_job_t job = {.bytes = NULL};
    pthread_t thread;

    if (sluice_options_parse(argv[1], strlen(argv[1]), &rules, &job.options, &presentation, error) != 0) {
        fprintf(stderr, "bench-estimates: %s\n", error);
        return 2;
    }
    job.bytes = read_file(argv[0], &job.len);
    job.small = read_file(argv[2], &job.small_len);
    tame_heap();
    if (sluice_transform_init(1) != 0 || pthread_create(&thread, NULL, run_job, &job) != 0 || pthread_join(thread, NULL) != 0)
        fail("run");
    printf("%ld %llu %llu\n", job.actual_kib * 1024, (unsigned long long)job.plan.estimate_bytes, (unsigned long long)job.len);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "kinds") == 0)
        return list_kinds();
    if (argc == 5 && strcmp(argv[1], "run") == 0)
        return run(argv + 2);
    if (argc == 6 && strcmp(argv[1], "source") == 0 && VIPS_INIT(argv[0]) == 0)
        return make_source(argv[2], argv[3], (int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10));
    fputs("usage: bench-estimates kinds | source DIR KIND WIDTH HEIGHT | run FILE QUERY SMALL\n", stderr);
    return 2;
}
