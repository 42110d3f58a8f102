/*
 * webp.h - the chunks of a finished WebP file (RIFF; the container's specification is part of libwebp). Pure.
 */
#ifndef module__webp_h
#define module__webp_h

#include <stddef.h>
#include <stdint.h>

/**
 * takes the colour profile, EXIF and XMP out of a picture or an animation, in place, and the extended header too where nothing
 * needs it then. Returns the new length, which is never larger. What is not a well-formed WebP is left as it is.
 */
size_t sluice_webp_strip(uint8_t *bytes, size_t len);

#endif
