/*
 * resize_image.h - resize.h for pictures of libvips.
 */
#ifndef sluice__resize_image_h
#define sluice__resize_image_h

#include <vips/vips.h>

/**
 * whether sluice_resize_image() can do it: 8 bits a sample, up to four bands, and no side becomes longer
 */
int sluice_resize_image_can(VipsImage *image, int width, int height);
/**
 * Scales `in` to width x height, and makes a picture of `part` of that, which lies within it. Reads all of `in` from the top down,
 * on the caller's thread, and leaves a picture in memory, with the metadata of `in`. Emits the signal "eval" of `in` on its way,
 * and stops if that kills the picture. Returns 0, or -1 with the reason in libvips' error buffer. The caller has `out` to unref.
 */
int sluice_resize_image(VipsImage *in, VipsImage **out, int width, int height, VipsRect part);

#endif
