/*
 * png_image.h - png_rows.h for libvips.
 */
#ifndef module__png_image_h
#define module__png_image_h

#include <vips/vips.h>

/**
 * The picture that libvips would load from a PNG, to be read from the top down, with all metadata; its pixels come from png_rows.h
 * if it is of a kind that this takes, else from libpng. A broken picture is an error as soon as its pixels are read. `bytes` have
 * to stay as long as the picture. Returns 0, or -1 with the reason in libvips' error buffer. The caller has `image` to unref.
 */
int sluice_png_image_load(const void *bytes, size_t len, VipsImage **image);

#endif
