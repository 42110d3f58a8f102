/*
 * svg_scan.h - what a drawing (SVG) may cost, and whether that has a bound, told from its text alone. Pure; allocates nothing, and
 * takes time by the bytes.
 *
 * librsvg makes a tree of all of a drawing before it says how large it is, and cannot be stopped while it draws. So a drawing is
 * read here first, by a scanner that knows tags, comments and quotes, and no more, and it is refused if it has
 *
 *   more than SLUICE_SVG_MAX_ELEMENTS elements, or much style for many of them
 *   entities that are not short plain text; tags with character references or backslashes, which hide what they say
 *   encodings in which a tag can be something else than `<` and its name
 *   patterns, pictures in filters, and filters that take long for each pixel: convolution, turbulence, morphology
 *   pictures within it that are not PNG or JPEG in base64, or of more than SLUICE_SVG_MAX_IMAGE_PIXELS together
 *   more than one reference in what is itself referred to, which can double with each step; or many references to much
 *
 * What is left can still take long, for time goes by the area of what is drawn, which cannot be told without drawing it.
 */
#ifndef module__svg_scan_h
#define module__svg_scan_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_SVG_MAX_BYTES (1024 * 1024)
#define SLUICE_SVG_MAX_ELEMENTS 20000
#define SLUICE_SVG_MAX_PRIMITIVES 64 /* of filters */
#define SLUICE_SVG_MAX_IMAGE_PIXELS 4000000

typedef struct st_sluice_svg_cost_t {
    uint64_t tree_bytes; /* of its tree, upper bound */
    uint64_t draw_bytes; /* of what is made while it is drawn, whatever its size: edges of paths, pictures within it, fonts */
    uint32_t surfaces;   /* as large as a tile, that are there at the same time */
} sluice_svg_cost_t;

/**
 * returns 0, or -1 for a drawing that is refused
 */
int sluice_svg_scan(const uint8_t *bytes, size_t len, sluice_svg_cost_t *cost);

#endif
