/*
 * icc_profile.h - what a colour profile stands for, by what it says in numbers. Any thread.
 */
#ifndef module__icc_profile_h
#define module__icc_profile_h

#include <stddef.h>
#include <stdint.h>

/**
 * Whether converting from this profile to sRGB would leave every 8-bit sample as it is, or at most one step beside that: a profile
 * of a display, by matrix and curves, with the primaries and the curve of sRGB. Of anything else, and of a broken one, it is 0, and
 * costs no more than a conversion that was not needed.
 */
int sluice_icc_profile_is_srgb(const void *bytes, size_t len);

#endif
