/*
 * jpeg_thin.h - a JPEG at an eighth of its size, without the work and the memory of decoding it. Pure.
 *
 * A decoder that is asked for an eighth still takes each coefficient out of the file, one code after the other, and of a
 * progressive JPEG it keeps all of them. This one skips them. It knows what nearly all files are: Huffman codes, 8 bits, grey or
 * three components, sequential or progressive. Of anything else, and of data about which libjpeg would warn or fail, it says so,
 * and the caller has the file decoded by others.
 */
#ifndef module__jpeg_thin_h
#define module__jpeg_thin_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_JPEG_THIN_SHRINK 8

typedef struct st_sluice_thin_t {
    uint32_t width, height; /* an eighth of the file's, rounded down */
    uint32_t bands;         /* 1: grey, 3: R, G, B as the file means them, without regard to its profile */
    uint8_t *pixels;        /* without gaps */
} sluice_thin_t;

/**
 * The memory that sluice_jpeg_thin() takes at most for a file, its result included, and at least that of two such results; 0: the
 * structure of the file does not permit it. Of a baseline JPEG in one scan, which everybody decodes in little memory, the beginning
 * is looked at; of others each marker up to the last one.
 */
uint64_t sluice_jpeg_thin_bytes(const uint8_t *bytes, size_t len);
/**
 * Returns 0, or -1: there is anything that is not known for sure, or no memory. The caller frees thin->pixels.
 *
 * These are the pixels that libjpeg gives at 1/8, but for progressive files with values outside of what a picture can have.
 */
int sluice_jpeg_thin(const uint8_t *bytes, size_t len, sluice_thin_t *thin);

#endif
