/*
 * frame_count.h - how many frames an animation has, before a decoder makes a table of them: each may have as few as a dozen bytes
 * in the file and takes a hundred in memory. Pure; reads nothing outside the buffer, takes time by the number of blocks.
 */
#ifndef module__frame_count_h
#define module__frame_count_h

#include <stddef.h>
#include <stdint.h>
#include "module/image_options.h"

/**
 * what a picture may have whatever is asked of it: their table then takes 2 MB
 */
#define SLUICE_FRAMES_MAX 16384

/**
 * @param max where to stop counting
 * @return 0 for what is no GIF and no WebP
 */
uint32_t sluice_count_frames(sluice_format_t format, const uint8_t *bytes, size_t len, uint32_t max);

#endif
