/*
 * jpeg_file.h - the segments of a JPEG, from its first marker to its last. Pure.
 */
#ifndef module__jpeg_file_h
#define module__jpeg_file_h

#include "module/jpeg_entropy.h"

#define SLUICE_JPEG_CODES 4 /* of each kind */

typedef struct st_sluice_jpeg_file_t {
    const uint8_t *at, *end;
    int only_look;
    unsigned num_components, max_h, max_v;
    sluice_jpeg_component_t components[SLUICE_JPEG_COMPONENTS];
    uint32_t width, height;
    int framed, progressive, jfif;
    int adobe_transform; /* -1: there is no such segment */
    uint16_t quants[SLUICE_JPEG_CODES][64];
    int quants_defined[SLUICE_JPEG_CODES];
    unsigned num_scans;
    sluice_jpeg_code_t codes[2][SLUICE_JPEG_CODES]; /* DC, AC */
    sluice_jpeg_scan_t scan;
} sluice_jpeg_file_t;

/**
 * NULL without memory.
 * @param only_look at the structure: nothing is allocated for samples, and no scan is read
 */
sluice_jpeg_file_t *sluice_jpeg_file_create(const uint8_t *bytes, size_t len, int only_look);
void sluice_jpeg_file_destroy(sluice_jpeg_file_t **file);
/**
 * Reads all that is wanted of the file: the samples of sequential ones, means and details of progressive ones. Returns 0, or -1:
 * there is anything that is not known for sure, or no memory.
 */
int sluice_jpeg_file_read(sluice_jpeg_file_t *file);

#endif
