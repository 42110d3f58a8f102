/*
 * placeholder.h - what a placeholder (lqip) is: a picture of a few pixels and bytes, to be shown blurred until the real one is
 * there.
 *
 * Measured over the photographs of the tests, 16 to 32 pixels and all formats: WebP is the smallest, because JPEG carries 250 bytes
 * of tables and AVIF 270 of boxes. With 24 pixels at quality 40 it has 50 to 300 bytes, with alpha some more.
 */
#ifndef module__placeholder_h
#define module__placeholder_h

#define SLUICE_PLACEHOLDER_SIDE 24    /* of the longer side, at most */
#define SLUICE_PLACEHOLDER_QUALITY 40 /* unless another one is asked for */

#endif
