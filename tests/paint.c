/*
 * The painter of make-pictures.
 *
 * A picture is value noise in octaves, each half as wide and 3/4 as strong as the one before, which is about the spectrum of a
 * photograph, laid over a landscape with some grain: a JPEG of it is as large, and as slow to decode, as one of a camera.
 * All in integers: the same pixels on every machine.
 */
#include <stdint.h>
#include <stdlib.h>
#include "tests/paint.h"

static uint32_t hash_point(uint32_t x, uint32_t y, uint32_t seed)
{
    uint32_t h = x * 0x9e3779b1u ^ y * 0x85ebca77u ^ seed * 0xc2b2ae3du;
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12)) * 0x297a2d39u;
    return h ^ (h >> 15);
}

static int mix(int a, int b, int part_of_256)
{
    return a + (b - a) * part_of_256 / 256;
}

/* value noise, 0 to 255; u and v are in 256ths of a lattice cell */
static int noise_at(uint32_t u, uint32_t v, uint32_t seed)
{
    uint32_t x = u >> 8, y = v >> 8, fx = u & 255, fy = v & 255;
    int sx = (int)((fx * fx * (768 - 2 * fx)) >> 16), sy = (int)((fy * fy * (768 - 2 * fy)) >> 16);
    int top = mix(hash_point(x, y, seed) & 255, hash_point(x + 1, y, seed) & 255, sx);
    int bottom = mix(hash_point(x, y + 1, seed) & 255, hash_point(x + 1, y + 1, seed) & 255, sx);
    return mix(top, bottom, sy);
}

/* octaves from a quarter of the width down to three pixels; 0 to 255 */
static int fractal_at(uint32_t x, uint32_t y, uint32_t width, uint32_t seed)
{
    uint32_t cell = width / 4 > 3 ? width / 4 : 3;
    int sum = 0, weights = 0, weight = 1024;
    for (; cell >= 3 && weight != 0; cell /= 2, weight = weight * 3 / 4, ++seed) {
        sum += noise_at(x * 256 / cell, y * 256 / cell, seed) * weight;
        weights += weight;
    }
    return sum / weights;
}

static uint8_t clamp_byte(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void fill_rect(canvas_t *canvas, int left, int top, int width, int height, uint32_t rgb)
{
    for (int y = top; y < top + height; ++y)
        for (int x = left; x < left + width; ++x) {
            uint8_t *p = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
            p[0] = (uint8_t)(rgb >> 16);
            p[1] = (uint8_t)(rgb >> 8);
            p[2] = (uint8_t)rgb;
        }
}

static void paint_pixel(uint8_t *p, int sky, int depth_of_256, int texture, int grain)
{
    static const int above[2][3] = {{40, 96, 176}, {232, 200, 168}}, below[2][3] = {{92, 112, 48}, {36, 30, 24}};
    const int(*colour)[3] = sky ? above : below;
    int contrast = sky ? 96 : 224;
    for (int c = 0; c != 3; ++c)
        p[c] = clamp_byte(mix(colour[0][c], colour[1][c], depth_of_256) + (texture - 128) * contrast / 128 + grain);
}

canvas_t new_canvas(int width, int height)
{
    canvas_t canvas = {malloc((size_t)width * (size_t)height * 3), width, height};
    if (canvas.pixels == NULL)
        abort();
    return canvas;
}

static void paint_row(canvas_t *canvas, int y, const int *ridge, uint32_t seed)
{
    int width = canvas->width, sun_x = width * 3 / 4, sun_y = canvas->height / 5, radius = canvas->height / 12;
    uint8_t *p = canvas->pixels + (size_t)y * (size_t)width * 3;
    for (int x = 0; x != width; ++x, p += 3) {
        int sky = y < ridge[x], texture = fractal_at((uint32_t)x, (uint32_t)y, (uint32_t)width, seed + (sky ? 0 : 50));
        int depth = sky ? y * 512 / canvas->height : (y - ridge[x]) * 256 / (canvas->height - ridge[x]);
        int grain = (int)(hash_point((uint32_t)x, (uint32_t)y, seed) % 13) - 6;
        if (sky && (x - sun_x) * (x - sun_x) + (y - sun_y) * (y - sun_y) < radius * radius)
            texture += 96;
        paint_pixel(p, sky, depth, texture, grain);
    }
}

canvas_t paint_photo(int width, int height, uint32_t seed)
{
    canvas_t canvas = new_canvas(width, height);
    int *ridge = malloc((size_t)width * sizeof(*ridge));
    if (ridge == NULL)
        abort();
    for (int x = 0; x != width; ++x)
        ridge[x] = height * 2 / 5 + height * (fractal_at((uint32_t)x, 0, (uint32_t)width, seed + 100) - 128) / 640;
    for (int y = 0; y != height; ++y)
        paint_row(&canvas, y, ridge, seed);
    free(ridge);
    return canvas;
}

void mark_corners(canvas_t *canvas)
{
    int side = (canvas->width < canvas->height ? canvas->width : canvas->height) / 6;
    fill_rect(canvas, 0, 0, side, side, 0xff0000);
    fill_rect(canvas, canvas->width - side, 0, side, side, 0x00ff00);
    fill_rect(canvas, 0, canvas->height - side, side, side, 0x0000ff);
    fill_rect(canvas, canvas->width - side, canvas->height - side, side, side, 0xffffff);
}

canvas_t paint_frames(int width, int height, int frames)
{
    canvas_t canvas = new_canvas(width, height * frames);
    for (int y = 0; y != canvas.height; ++y)
        fill_rect(&canvas, 0, y, width, 1, y % height / 16 % 2 ? 0x204060 : 0x305070);
    for (int n = 0; n != frames; ++n) {
        int radius = height / 5, cx = radius + (width - 2 * radius) * (2 * n + 1) / (2 * frames), cy = height / 2;
        for (int y = cy - radius; y <= cy + radius; ++y)
            for (int x = cx - radius; x <= cx + radius; ++x)
                if ((x - cx) * (x - cx) + (y - cy) * (y - cy) <= radius * radius)
                    fill_rect(&canvas, x, y + n * height, 1, 1, 0xf0a020);
    }
    return canvas;
}
