/*
 * paint.h - paints the pictures of make-pictures.
 *
 * The caller frees `pixels` of every canvas returned. No function fails: without memory the program ends. Any thread.
 */
#ifndef tests__paint_h
#define tests__paint_h

#include <stdint.h>

/**
 * packed RGB, rows without padding
 */
typedef struct st_canvas_t {
    uint8_t *pixels;
    int width, height;
} canvas_t;

/**
 * unpainted
 */
canvas_t new_canvas(int width, int height);
/**
 * a landscape as entropic as a photograph; another seed is another one
 */
canvas_t paint_photo(int width, int height, uint32_t seed);
/**
 * `frames` flat drawings of width x height below each other, in three colours; a disc walks from left to right
 */
canvas_t paint_frames(int width, int height, int frames);
/**
 * rgb is 0xrrggbb; the rectangle has to lie within the canvas
 */
void fill_rect(canvas_t *canvas, int left, int top, int width, int height, uint32_t rgb);
/**
 * squares in the corners, in reading order red, green, blue and white: no turn or mirror of the picture looks the same
 */
void mark_corners(canvas_t *canvas);

#endif
