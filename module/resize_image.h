/*
 * resize_image.h - resize.h for pictures of libvips.
 */
#ifndef module__resize_image_h
#define module__resize_image_h

#include <vips/vips.h>

/**
 * whether sluice_resize_images() can do it: 8 bits a sample, up to four bands, and no side becomes longer
 */
int sluice_resize_image_can(VipsImage *image, int width, int height);
typedef struct st_sluice_resize_target_t {
    int width, height; /* that it is scaled to */
    VipsRect part;     /* of that, what is made */
    VipsImage *out;    /* set on success; the caller's to unref */
} sluice_resize_target_t;

#define SLUICE_RESIZE_TARGETS_MAX 16

/**
 * Scales `in` to each of the targets. Reads all of `in` once, from the top down, on the caller's thread, and leaves pictures in
 * memory, with the metadata of `in`. Emits the signal "eval" of `in` on its way, and stops if that kills the picture. Returns 0, or
 * -1 with the reason in libvips' error buffer.
 */
int sluice_resize_images(VipsImage *in, sluice_resize_target_t *targets, size_t num_targets);

#endif
