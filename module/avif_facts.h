/*
 * avif_facts.h - what the bytes of an AVIF say, for picture_facts.c. Pure; reads nothing outside the buffer, allocates nothing, and
 * takes time by the number of boxes.
 */
#ifndef module__avif_facts_h
#define module__avif_facts_h

#include <stddef.h>
#include <stdint.h>
#include "module/picture_facts.h"

int sluice_avif_is(const uint8_t *bytes, size_t len);
/**
 * fills in the facts of what is one, of which the rest is as sluice_picture_sniff() begins with
 */
void sluice_avif_sniff(const uint8_t *bytes, size_t len, sluice_picture_facts_t *facts);

#endif
