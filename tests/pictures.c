/*
 * make-pictures - the pictures that the shipped configuration, the tests and the benchmarks serve, made from nothing.
 *
 *   make-pictures samples DIR     what h2o.conf serves
 *   make-pictures tests DIR       one picture of every kind, and broken ones
 *   make-pictures large DIR N     N distinct pictures of 24 megapixels, with the time that each one took
 *   make-pictures bench DIR       pictures of known sizes in bytes
 *
 * paint.c makes the pixels, libvips encodes them; nothing is random, so one version of libvips always writes the same files.
 * Files appear by rename, never half written, with mode 0644 whatever the umask is.
 *
 * A program that makes files has nothing to save when a step fails: it says which one and exits with 1.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <glib.h>
#include <vips/vips.h>
#include "tests/paint.h"

typedef struct st_bytes_t {
    uint8_t *base;
    size_t len;
} bytes_t;

static void fail(const char *what)
{
    const char *detail = vips_error_buffer();
    fprintf(stderr, "make-pictures: %s: %s\n", what, *detail != '\0' ? detail : strerror(errno));
    exit(1);
}

/* ---- images: each function consumes the reference that it is given, and the caller owns the one it returns ---- */

static VipsImage *own(VipsImage *in, VipsImage **out, int status, const char *what)
{
    if (status != 0)
        fail(what);
    g_object_unref(in);
    return *out;
}

static VipsImage *image_of(canvas_t canvas)
{
    size_t len = (size_t)canvas.width * (size_t)canvas.height * 3;
    VipsImage *raw = vips_image_new_from_memory_copy(canvas.pixels, len, canvas.width, canvas.height, 3, VIPS_FORMAT_UCHAR), *out;
    free(canvas.pixels);
    if (raw == NULL)
        fail("image");
    return own(raw, &out, vips_copy(raw, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), "image");
}

static VipsImage *make_photo(int width, int height, int seed)
{
    return image_of(paint_photo(width, height, (uint32_t)seed));
}

static VipsImage *make_grey(int width, int height, int seed)
{
    VipsImage *in = make_photo(width, height, seed), *out;
    return own(in, &out, vips_colourspace(in, &out, VIPS_INTERPRETATION_B_W, NULL), "grey");
}

static VipsImage *make_16bit(int width, int height, int seed)
{
    VipsImage *in = make_photo(width, height, seed), *out;
    in = own(in, &out, vips_cast(in, &out, VIPS_FORMAT_USHORT, "shift", TRUE, NULL), "cast");
    return own(in, &out, vips_copy(in, &out, "interpretation", VIPS_INTERPRETATION_RGB16, NULL), "16 bit");
}

/* a drawing within an opaque ellipse of soft rim, nothing around it */
static VipsImage *make_alpha(int width, int height, int softness)
{
    VipsImage *colour = image_of(paint_frames(width, height, 1)), *alpha, *out;
    uint8_t *p = malloc((size_t)width * (size_t)height);
    if (p == NULL)
        fail("alpha");
    for (int y = 0; y != height; ++y)
        for (int x = 0; x != width; ++x) {
            int dx = (2 * x - width) * 256 / width, dy = (2 * y - height) * 256 / height, inside = 256 * 256 - dx * dx - dy * dy;
            p[y * width + x] = (uint8_t)(inside < 0 ? 0 : inside / softness > 255 ? 255 : inside / softness);
        }
    alpha = vips_image_new_from_memory_copy(p, (size_t)width * (size_t)height, width, height, 1, VIPS_FORMAT_UCHAR);
    free(p);
    if (alpha == NULL)
        fail("alpha");
    colour = own(colour, &out, vips_bandjoin2(colour, alpha, &out, NULL), "alpha");
    g_object_unref(alpha);
    return colour;
}

static VipsImage *convert_profile(VipsImage *in, const char *profile)
{
    VipsImage *out;
    return own(in, &out, vips_icc_transform(in, &out, profile, "input-profile", "srgb", NULL), profile);
}

static VipsImage *make_cmyk(int width, int height, int seed)
{
    return convert_profile(make_photo(width, height, seed), "cmyk");
}

/* the colours of the picture in numbers of another colour space: a program that drops the profile shows other colours */
static VipsImage *make_tagged(int width, int height, int seed)
{
    static const char xmp[] =
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
        "<rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:rights=\"Public Domain\"/></rdf:RDF>"
        "</x:xmpmeta>";
    VipsImage *image = convert_profile(make_photo(width, height, seed), "p3");
    vips_image_set_string(image, "exif-ifd0-Copyright", "Public Domain (Public Domain, ASCII, 14 components, 14 bytes)");
    vips_image_set_string(image, "exif-ifd0-Model", "Noise (Noise, ASCII, 6 components, 6 bytes)");
    vips_image_set_string(image, "exif-ifd3-GPSLatitude", "50/1 0/1 0/1 (50, 0, 0, Rational, 3 components, 24 bytes)");
    vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, xmp, sizeof(xmp) - 1);
    return image;
}

/* the upright picture is width x height; what is stored is what a camera held that way would have stored */
static VipsImage *make_oriented(int width, int height, int orientation)
{
    static const struct {
        VipsAngle turn;
        int mirror;
    } stored[9] = {[2] = {VIPS_ANGLE_D0, 1},   [3] = {VIPS_ANGLE_D180, 0}, [4] = {VIPS_ANGLE_D180, 1}, [5] = {VIPS_ANGLE_D90, 1},
                   [6] = {VIPS_ANGLE_D270, 0}, [7] = {VIPS_ANGLE_D270, 1}, [8] = {VIPS_ANGLE_D90, 0}};
    canvas_t canvas = paint_photo(width, height, 7);
    mark_corners(&canvas);
    VipsImage *in = image_of(canvas), *out;
    in = own(in, &out, vips_rot(in, &out, stored[orientation].turn, NULL), "turn");
    if (stored[orientation].mirror)
        in = own(in, &out, vips_flip(in, &out, VIPS_DIRECTION_HORIZONTAL, NULL), "mirror");
    in = own(in, &out, vips_copy(in, &out, NULL), "copy");
    vips_image_set_int(in, VIPS_META_ORIENTATION, orientation);
    return in;
}

static VipsImage *make_frames(int width, int height, int frames)
{
    int delays_ms[64];
    assert(frames <= 64);
    for (int n = 0; n != frames; ++n)
        delays_ms[n] = 50 + 10 * (n % 4);
    VipsImage *image = image_of(paint_frames(width, height, frames));
    vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, height);
    vips_image_set_int(image, "loop", 0);
    vips_image_set_array_int(image, "delay", delays_ms, frames);
    return image;
}

/* ---- files ---- */

static void write_file(const char *name, const void *base, size_t len)
{
    char part[256];
    snprintf(part, sizeof(part), ".%s.part", name);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd == -1 || fchmod(fd, 0644) != 0)
        fail(name);
    for (const uint8_t *p = base; len != 0;) {
        ssize_t n = write(fd, p, len);
        if (n <= 0)
            fail(name);
        p += n;
        len -= (size_t)n;
    }
    if (close(fd) != 0 || rename(part, name) != 0)
        fail(name);
}

static bytes_t encode(VipsImage *image, const char *suffix)
{
    void *base;
    bytes_t bytes = {NULL, 0};
    if (vips_image_write_to_buffer(image, suffix, &base, &bytes.len, NULL) != 0)
        fail(suffix);
    bytes.base = base;
    return bytes;
}

/* one row, one file; `arg` is the seed, the softness, the orientation or the number of frames */
typedef struct st_recipe_t {
    const char *name;
    VipsImage *(*make)(int width, int height, int arg);
    int width, height, arg;
    const char *suffix;
    unsigned kept_percent; /* 0: all of it */
} recipe_t;

static const recipe_t samples[] = {
    {"sample.jpg", make_photo, 3600, 2400, 1, ".jpg[Q=85]", 0},
    {"portrait.jpg", make_oriented, 1200, 1600, 6, ".jpg[Q=85]", 0},
    {"logo.png", make_alpha, 640, 320, 16, ".png", 0},
    {"photo.webp", make_photo, 1920, 1280, 3, ".webp[Q=80,effort=1]", 0},
    {"animation.gif", make_frames, 320, 200, 16, ".gif[effort=1]", 0},
};

static const recipe_t tests[] = {
    {"baseline.jpg", make_photo, 640, 480, 1, ".jpg[Q=90]", 0},
    {"progressive.jpg", make_photo, 640, 480, 2, ".jpg[Q=90,interlace]", 0},
    {"grey.jpg", make_grey, 320, 240, 3, ".jpg[Q=90]", 0},
    {"cmyk.jpg", make_cmyk, 320, 240, 4, ".jpg[Q=90]", 0},
    {"tagged.jpg", make_tagged, 320, 240, 5, ".jpg[Q=90]", 0},
    {"rgb.png", make_photo, 320, 240, 6, ".png", 0},
    {"rgba.png", make_alpha, 320, 240, 64, ".png", 0},
    {"palette.png", make_photo, 320, 240, 8, ".png[palette]", 0},
    {"16bit.png", make_16bit, 320, 240, 9, ".png", 0},
    {"interlaced.png", make_photo, 320, 240, 10, ".png[interlace]", 0},
    {"1x1.png", make_photo, 1, 1, 11, ".png", 0},
    {"lossy.webp", make_photo, 320, 240, 12, ".webp[Q=80]", 0},
    {"lossless.webp", make_photo, 320, 240, 13, ".webp[lossless]", 0},
    {"alpha.webp", make_alpha, 320, 240, 64, ".webp[Q=80]", 0},
    {"plain.gif", make_photo, 320, 240, 15, ".gif", 0},
    {"animated.gif", make_frames, 160, 120, 8, ".gif", 0},
    {"photo.avif", make_photo, 320, 240, 16, ".heif[compression=av1,effort=1]", 0},
    {"photo.tif", make_photo, 320, 240, 17, ".tif[compression=lzw]", 0},
    {"truncated.jpg", make_photo, 640, 480, 1, ".jpg[Q=90]", 50},
    {"truncated.png", make_photo, 320, 240, 6, ".png", 50},
    {"truncated.webp", make_photo, 320, 240, 12, ".webp[Q=80]", 50},
    {"truncated.gif", make_photo, 320, 240, 15, ".gif", 50},
    {"truncated.avif", make_photo, 320, 240, 16, ".heif[compression=av1,effort=1]", 50},
    {"png-named.jpg", make_photo, 320, 240, 6, ".png", 0},
};

static void write_recipes(const recipe_t *recipe, size_t count)
{
    for (; count != 0; --count, ++recipe) {
        VipsImage *image = recipe->make(recipe->width, recipe->height, recipe->arg);
        bytes_t bytes = encode(image, recipe->suffix);
        write_file(recipe->name, bytes.base, recipe->kept_percent != 0 ? bytes.len * recipe->kept_percent / 100 : bytes.len);
        g_free(bytes.base);
        g_object_unref(image);
    }
}

/* ---- pictures that lie about their size: a small sound one, with the numbers in its header overwritten ---- */

static void put_big_endian(uint8_t *p, uint32_t value, int bytes)
{
    while (bytes-- != 0)
        *p++ = (uint8_t)(value >> (8 * bytes));
}

static uint32_t checksum(const uint8_t *p, size_t len)
{
    uint32_t crc = 0xffffffffu;
    for (; len != 0; --len) {
        crc ^= *p++;
        for (int bit = 0; bit != 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* signature (8), length (4), "IHDR", width, height, five bytes, checksum over all since "IHDR" */
static void lie_in_png(bytes_t png, uint32_t side)
{
    if (png.len < 33)
        fail("png header");
    put_big_endian(png.base + 16, side, 4);
    put_big_endian(png.base + 20, side, 4);
    put_big_endian(png.base + 29, checksum(png.base + 12, 17), 4);
}

/* segments (ff, type, length of the rest) until the baseline start of frame: length, precision, height, width */
static void lie_in_jpeg(bytes_t jpeg, uint32_t side)
{
    size_t at = 2;
    while (at + 9 <= jpeg.len && jpeg.base[at + 1] != 0xc0)
        at += 2 + ((size_t)jpeg.base[at + 2] << 8 | jpeg.base[at + 3]);
    if (at + 9 > jpeg.len)
        fail("jpeg start of frame");
    put_big_endian(jpeg.base + at + 5, side, 2);
    put_big_endian(jpeg.base + at + 7, side, 2);
}

static void write_liar(const char *name, const char *suffix, void (*lie)(bytes_t, uint32_t), uint32_t side)
{
    VipsImage *image = make_photo(64, 64, 1);
    bytes_t bytes = encode(image, suffix);
    lie(bytes, side);
    write_file(name, bytes.base, bytes.len);
    g_free(bytes.base);
    g_object_unref(image);
}

static void write_oriented(void)
{
    for (int orientation = 1; orientation <= 8; ++orientation) {
        char name[] = "exif-0.jpg";
        name[5] = (char)('0' + orientation);
        write_recipes(&(recipe_t){name, make_oriented, 320, 240, orientation, ".jpg[Q=90]", 0}, 1);
    }
}

static void write_broken(void)
{
    static const char text[] = "This is a text, whatever its name says.\n";
    write_file("empty.jpg", "", 0);
    write_file("one-byte.jpg", "\xff", 1);
    write_file("text.jpg", text, sizeof(text) - 1);
    write_liar("absurd.jpg", ".jpg[Q=80]", lie_in_jpeg, 65500);
    write_liar("bomb.png", ".png", lie_in_png, 60000);
}

/* ---- large ---- */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* what a picture of `large` has in the ninth of its area in the middle: tests tell by it which picture an answer shows */
static uint32_t colour_of_large(uint32_t n)
{
    return (40 + n * 67 % 176) << 16 | (40 + n * 29 % 176) << 8 | (40 + n * 113 % 176);
}

/* the noise is painted once; wrapping it in an image each time copies no more than the encoder reads */
static void write_large(canvas_t *canvas, canvas_t *flat, uint32_t n)
{
    static const struct {
        const char *extension, *suffix;
        int flat; /* noise does not compress without loss: PNG gets the picture in few shades */
    } kinds[] = {{"jpg", ".jpg[Q=80,interlace]", 0},
                 {"png", ".png[interlace,compression=1,filter=none]", 1},
                 {"webp", ".webp[Q=70,effort=0]", 0},
                 {"jpg", ".jpg[Q=80]", 0},
                 {"png", ".png[compression=1,filter=none]", 1}};
    unsigned kind = n % (sizeof(kinds) / sizeof(kinds[0]));
    canvas_t *from = kinds[kind].flat ? flat : canvas;
    char name[64];
    double began = seconds_now();
    fill_rect(from, from->width / 3, from->height / 3, from->width / 3, from->height / 3, colour_of_large(n));
    VipsImage *image = vips_image_new_from_memory(from->pixels, (size_t)from->width * (size_t)from->height * 3, from->width,
                                                  from->height, 3, VIPS_FORMAT_UCHAR),
              *out;
    if (image == NULL)
        fail("image");
    image = own(image, &out, vips_copy(image, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), "image");
    bytes_t bytes = encode(image, kinds[kind].suffix);
    snprintf(name, sizeof(name), "large-%03" PRIu32 ".%s", n, kinds[kind].extension);
    write_file(name, bytes.base, bytes.len);
    printf("%s %zu bytes %.2f s\n", name, bytes.len, seconds_now() - began);
    g_free(bytes.base);
    g_object_unref(image);
}

static void write_larges(uint32_t count)
{
    canvas_t canvas = paint_photo(6000, 4000, 1), flat = new_canvas(6000, 4000);
    for (size_t i = 0; i != (size_t)6000 * 4000 * 3; ++i)
        flat.pixels[i] = canvas.pixels[i] & 0xc0;
    for (uint32_t n = 0; n != count; ++n)
        write_large(&canvas, &flat, n);
    free(canvas.pixels);
    free(flat.pixels);
}

/* ---- bench ---- */

static bytes_t encode_crop(VipsImage *source, int width, int quality)
{
    char suffix[32];
    VipsImage *crop;
    int height = width * 3 / 4;
    if (vips_crop(source, &crop, (source->Xsize - width) / 2, (source->Ysize - height) / 2, width, height, NULL) != 0)
        fail("crop");
    snprintf(suffix, sizeof(suffix), ".jpg[Q=%d]", quality);
    bytes_t bytes = encode(crop, suffix);
    g_object_unref(crop);
    return bytes;
}

/* width is the coarse screw (at quality 80), quality the fine one */
static void write_of_size(VipsImage *source, const char *name, size_t target_bytes)
{
    int low = 16, high = source->Xsize;
    while (low + 1 < high) {
        int width = (low + high) / 2;
        bytes_t tried = encode_crop(source, width, 80);
        *(tried.len <= target_bytes ? &low : &high) = width;
        g_free(tried.base);
    }
    for (int quality = 80; quality <= 95; ++quality) {
        bytes_t tried = encode_crop(source, low, quality);
        int near = tried.len * 1000 >= target_bytes * 990 && tried.len * 1000 <= target_bytes * 1010;
        if (near) {
            write_file(name, tried.base, tried.len);
            printf("%s %zu bytes, %d x %d, quality %d\n", name, tried.len, low, low * 3 / 4, quality);
        }
        g_free(tried.base);
        if (near)
            return;
    }
    fail("no width and quality give this size");
}

static void write_bench(void)
{
    VipsImage *source = make_photo(1600, 1200, 1);
    bytes_t bytes = encode(source, ".jpg[Q=95]");
    write_file("source.jpg", bytes.base, bytes.len);
    g_free(bytes.base);
    /* between a thousand and 1024 bytes to the kilobyte */
    write_of_size(source, "2k.jpg", 2024);
    write_of_size(source, "20k.jpg", 20240);
    write_of_size(source, "200k.jpg", 202400);
    g_object_unref(source);
}

static int usage(void)
{
    fputs("usage: make-pictures samples DIR | tests DIR | large DIR N | bench DIR\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *what = argc >= 3 ? argv[1] : "";
    char *end = NULL;
    unsigned long count = argc == 4 ? strtoul(argv[3], &end, 10) : 0;
    int large = strcmp(what, "large") == 0;
    if (argc != (large ? 4 : 3) || (large && (*end != '\0' || count == 0 || count > 1000)))
        return usage();
    if (VIPS_INIT(argv[0]) != 0)
        return 1;
    if (g_mkdir_with_parents(argv[2], 0755) != 0 || chdir(argv[2]) != 0)
        fail(argv[2]);
    if (large)
        write_larges((uint32_t)count);
    else if (strcmp(what, "samples") == 0)
        write_recipes(samples, sizeof(samples) / sizeof(samples[0]));
    else if (strcmp(what, "tests") == 0) {
        write_recipes(tests, sizeof(tests) / sizeof(tests[0]));
        write_oriented();
        write_broken();
    } else if (strcmp(what, "bench") == 0)
        write_bench();
    else
        return usage();
    vips_shutdown();
    return 0;
}
