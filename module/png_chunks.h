/*
 * png_chunks.h - what a PNG carries besides its pixels. Pure.
 *
 * Text may be deflated, a thousand to one, and libpng inflates all of it when it reads the header, twice, to throw it away: 500 KB
 * of zTXt take a second. Nothing of it is of use here.
 */
#ifndef module__png_chunks_h
#define module__png_chunks_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_PNG_TEXT_MAX (256 * 1024)

/**
 * bytes of deflated text, as they lie in the file; 0 of what is no PNG. Takes time by the number of chunks.
 */
uint64_t sluice_png_packed_text_bytes(const uint8_t *bytes, size_t len);

#endif
